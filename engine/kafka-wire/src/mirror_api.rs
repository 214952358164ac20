//! Messages of cluster mirroring (KIP-1279), which `kafka-protocol` does not have.
//!
//! All of them are of version 0 and flexible: compact texts and arrays, tagged fields behind every
//! struct, request header 2 and response header 1. A node is server and client of them, so each is
//! written and read. Names and order of the fields are the schema's; where its revisions disagree
//! or leave a field open, the message's own module says what was taken.
//!
//! Values are as sent: names may be no legal names, numbers of states none that exist. What a
//! frame takes in memory is bounded by its bytes and by [`ELEMENTS_MAX`].

use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Encodable, StrBytes};

use crate::fields::{FieldError, FieldReader, FieldWriter};
use crate::message::{MessageError, decode_prefix, frame_of};

mod schema;

pub mod bump_leader_epochs;
pub mod create_cluster_mirror;
pub mod delete_cluster_mirror;
pub mod describe_cluster_mirrors;
pub mod list_cluster_mirrors;
pub mod mirror_topic;
pub mod pause_mirror_topics;
pub mod read_mirror_offsets;
pub mod read_mirror_states;
pub mod recover_mirror_topics;
pub mod resume_mirror_topics;
pub mod start_mirror_topics;
pub mod stop_mirror_topics;
pub mod write_mirror_states;

use self::bump_leader_epochs::{BumpLeaderEpochsRequest, BumpLeaderEpochsResponse};
use self::create_cluster_mirror::{CreateClusterMirrorRequest, CreateClusterMirrorResponse};
use self::delete_cluster_mirror::{DeleteClusterMirrorRequest, DeleteClusterMirrorResponse};
use self::describe_cluster_mirrors::{
    DescribeClusterMirrorsRequest, DescribeClusterMirrorsResponse,
};
use self::list_cluster_mirrors::{ListClusterMirrorsRequest, ListClusterMirrorsResponse};
use self::pause_mirror_topics::{PauseMirrorTopicsRequest, PauseMirrorTopicsResponse};
use self::read_mirror_offsets::{ReadMirrorOffsetsRequest, ReadMirrorOffsetsResponse};
use self::read_mirror_states::{ReadMirrorStatesRequest, ReadMirrorStatesResponse};
use self::recover_mirror_topics::{RecoverMirrorTopicsRequest, RecoverMirrorTopicsResponse};
use self::resume_mirror_topics::{ResumeMirrorTopicsRequest, ResumeMirrorTopicsResponse};
use self::schema::Field;
use self::start_mirror_topics::{StartMirrorTopicsRequest, StartMirrorTopicsResponse};
use self::stop_mirror_topics::{StopMirrorTopicsRequest, StopMirrorTopicsResponse};
use self::write_mirror_states::{WriteMirrorStatesRequest, WriteMirrorStatesResponse};

/// The only version of every message.
pub const VERSION: i16 = 0;

/// Most elements of all arrays of one message, together.
///
/// An element takes one byte of the frame at least and 24 bytes of memory; a topic 3 and 48. Those
/// that take more memory have more bytes in the frame.
pub const ELEMENTS_MAX: u32 = 1 << 20;

/// Makes the three enums over all messages.
macro_rules! mirror_apis {
    ($($(#[$doc:meta])* $name:ident = $key:literal: $request:ident, $response:ident;)*) => {
        /// An API of cluster mirroring.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MirrorApiKey {
            $($(#[$doc])* $name,)*
        }

        impl MirrorApiKey {
            /// Every API, in the order of its number.
            pub const ALL: [Self; [$($key),*].len()] = [$(Self::$name),*];

            /// The API of a number; `None` when it is none of these.
            #[must_use]
            pub const fn from_wire(raw: i16) -> Option<Self> {
                match raw {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The number, as headers carry it.
            #[must_use]
            pub const fn get(self) -> i16 {
                match self {
                    $(Self::$name => $key,)*
                }
            }

            /// The name, as the protocol spells it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }

        /// A request of any of these APIs.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum MirrorRequest {
            $($(#[$doc])* $name($request),)*
        }

        impl MirrorRequest {
            /// The API it asks.
            #[must_use]
            pub const fn key(&self) -> MirrorApiKey {
                match self {
                    $(Self::$name(_) => MirrorApiKey::$name,)*
                }
            }

            /// Decodes a request without its header. Bytes behind it are ignored, as of any
            /// request.
            ///
            /// # Errors
            /// [`MessageError::Fields`] when it is not well formed, or has more than
            /// [`ELEMENTS_MAX`] elements.
            pub fn decode(key: MirrorApiKey, body: &[u8]) -> Result<Self, MessageError> {
                match key {
                    $(MirrorApiKey::$name => {
                        decode_prefix_of(stringify!($request), body).map(|(it, _)| Self::$name(it))
                    })*
                }
            }

            fn encode(&self) -> Result<Body, MessageError> {
                match self {
                    $(Self::$name(request) => encode(stringify!($request), request),)*
                }
            }
        }

        /// A response of any of these APIs.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum MirrorResponse {
            $($(#[$doc])* $name($response),)*
        }

        impl MirrorResponse {
            /// The API that answers with it.
            #[must_use]
            pub const fn key(&self) -> MirrorApiKey {
                match self {
                    $(Self::$name(_) => MirrorApiKey::$name,)*
                }
            }

            /// The answer of `key` that says this error and nothing else.
            #[must_use]
            pub fn refusal(key: MirrorApiKey, error_code: i16, error_message: &str) -> Self {
                let error_message = Some(error_message.to_owned());
                match key {
                    $(MirrorApiKey::$name => {
                        Self::$name($response::outcome(error_code, error_message))
                    })*
                }
            }

            /// The error of the whole request: its code, 0 for none, and its text for people.
            #[must_use]
            pub fn outcome(&self) -> (i16, Option<&str>) {
                match self {
                    $(Self::$name(response) => {
                        (response.error_code, response.error_message.as_deref())
                    })*
                }
            }

            fn decode(key: MirrorApiKey, body: &[u8]) -> Result<Self, MessageError> {
                match key {
                    $(MirrorApiKey::$name => {
                        decode_whole(stringify!($response), body).map(Self::$name)
                    })*
                }
            }

            fn encode(&self) -> Result<Body, MessageError> {
                match self {
                    $(Self::$name(response) => encode(stringify!($response), response),)*
                }
            }
        }

        $(
            impl From<$request> for MirrorRequest {
                fn from(request: $request) -> Self {
                    Self::$name(request)
                }
            }

            impl From<$response> for MirrorResponse {
                fn from(response: $response) -> Self {
                    Self::$name(response)
                }
            }
        )*
    };
}

mirror_apis! {
    /// Creates a mirror.
    CreateClusterMirror = 94: CreateClusterMirrorRequest, CreateClusterMirrorResponse;
    /// Starts to mirror topics.
    StartMirrorTopics = 95: StartMirrorTopicsRequest, StartMirrorTopicsResponse;
    /// Stops mirroring topics and makes them writable: the failover.
    StopMirrorTopics = 96: StopMirrorTopicsRequest, StopMirrorTopicsResponse;
    /// Lists the mirrors of the cluster asked.
    ListClusterMirrors = 98: ListClusterMirrorsRequest, ListClusterMirrorsResponse;
    /// Describes mirrors by partition, and tells another cluster where mirroring from it ended.
    DescribeClusterMirrors = 99: DescribeClusterMirrorsRequest, DescribeClusterMirrorsResponse;
    /// Reads states from their coordinator; between brokers.
    ReadMirrorStates = 100: ReadMirrorStatesRequest, ReadMirrorStatesResponse;
    /// Writes states to their coordinator; between brokers.
    WriteMirrorStates = 101: WriteMirrorStatesRequest, WriteMirrorStatesResponse;
    /// Holds mirroring of topics.
    PauseMirrorTopics = 102: PauseMirrorTopicsRequest, PauseMirrorTopicsResponse;
    /// Goes on mirroring topics that were paused.
    ResumeMirrorTopics = 103: ResumeMirrorTopicsRequest, ResumeMirrorTopicsResponse;
    /// Deletes a mirror; its topics stay.
    DeleteClusterMirror = 104: DeleteClusterMirrorRequest, DeleteClusterMirrorResponse;
    /// Raises leader epochs; from brokers to the controller.
    BumpLeaderEpochs = 105: BumpLeaderEpochsRequest, BumpLeaderEpochsResponse;
    /// Reads how far partitions are mirrored from their leader; between brokers.
    ReadMirrorOffsets = 106: ReadMirrorOffsetsRequest, ReadMirrorOffsetsResponse;
    /// Tries partitions again that failed.
    RecoverMirrorTopics = 107: RecoverMirrorTopicsRequest, RecoverMirrorTopicsResponse;
}

impl fmt::Display for MirrorApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl MirrorRequest {
    /// Encodes the request as one frame, size and header included.
    ///
    /// # Errors
    /// [`MessageError::Fields`] or [`MessageError::Encode`] when a text, an array or the frame is
    /// longer than can be said, or the arrays have more than [`ELEMENTS_MAX`] elements.
    pub fn encode_frame(
        &self,
        correlation_id: i32,
        client_id: &str,
    ) -> Result<Bytes, MessageError> {
        let header = RequestHeader::default()
            .with_request_api_key(self.key().get())
            .with_request_api_version(VERSION)
            .with_correlation_id(correlation_id)
            .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
        self.encode()?.into_frame((&header, REQUEST_HEADER_VERSION))
    }
}

impl MirrorResponse {
    /// Encodes the response as one frame, size and header included.
    ///
    /// # Errors
    /// As [`MirrorRequest::encode_frame`].
    pub fn encode_frame(&self, correlation_id: i32) -> Result<Bytes, MessageError> {
        let header = ResponseHeader::default().with_correlation_id(correlation_id);
        self.encode()?.into_frame((&header, RESPONSE_HEADER_VERSION))
    }

    /// Decodes the response of `key`, given without its size.
    ///
    /// # Errors
    /// When it is not the response expected, or not well formed.
    pub fn decode_frame(
        key: MirrorApiKey,
        expected_correlation_id: i32,
        frame: Bytes,
    ) -> Result<Self, MessageError> {
        let (header, body) = decode_prefix::<ResponseHeader>(RESPONSE_HEADER_VERSION, frame)?;
        if header.correlation_id != expected_correlation_id {
            let (expected, found) = (expected_correlation_id, header.correlation_id);
            return Err(MessageError::CorrelationId { expected, found });
        }
        Self::decode(key, &body)
    }
}

/// A message that was written, and its name.
struct Body {
    message: &'static str,
    bytes: Vec<u8>,
}

impl Body {
    fn into_frame<H: Encodable>(self, header: (&H, i16)) -> Result<Bytes, MessageError> {
        frame_of(VERSION, header, self.message, |frame| {
            frame.extend_from_slice(&self.bytes);
            Ok::<(), Infallible>(())
        })
    }
}

fn encode<M: Field>(message: &'static str, value: &M) -> Result<Body, MessageError> {
    let mut writer = FieldWriter::message();
    value.push_field(&mut writer, message);
    let bytes = writer.finish_within(ELEMENTS_MAX);
    let bytes = bytes.map_err(|cause| MessageError::Fields { message, cause })?;
    Ok(Body { message, bytes })
}

fn decode_whole<M: Field>(message: &'static str, body: &[u8]) -> Result<M, MessageError> {
    match decode_prefix_of(message, body)? {
        (value, 0) => Ok(value),
        (_, bytes) => Err(MessageError::TrailingBytes { message, version: VERSION, bytes }),
    }
}

/// A message, and how many bytes follow it.
fn decode_prefix_of<M: Field>(
    message: &'static str,
    body: &[u8],
) -> Result<(M, usize), MessageError> {
    let mut reader = FieldReader::message(body, ELEMENTS_MAX);
    let refused = |cause: FieldError| MessageError::Fields { message, cause };
    let value = M::take_field(&mut reader, message).map_err(refused)?;
    Ok((value, reader.take_rest().len()))
}

/// Version of the header of every request.
pub(crate) const REQUEST_HEADER_VERSION: i16 = 2;
const RESPONSE_HEADER_VERSION: i16 = 1;

#[cfg(test)]
mod tests;
