//! What a server receives: one frame, split into what every request says about itself and a body.
//!
//! A frame is read in two steps, because a request of an unknown API or version still has to be
//! answered: [`RequestFrame::parse`] finds the correlation id of anything that has one,
//! [`RequestFrame::decode`] refuses what is not served; [`RequestFrame::decode_mirror`] has the
//! requests that `kafka-protocol` does not know. What a hostile frame can take is bounded
//! twice: by its bytes for counts that lie, by the reads it takes for elements that are there.

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, RequestHeader, RequestKind};
use kafka_protocol::protocol::{StrBytes, VersionRange};

use crate::byte_cursor::{ByteCursor, CursorError};
use crate::message::{MessageError, decode_prefix, decode_prefix_within};
use crate::mirror_api::{self, MirrorApiKey, MirrorRequest};

mod produce_elements;

pub use produce_elements::PRODUCE_ELEMENTS_MAX;

/// Longest body that is decoded, other than of Produce, whose records are not decoded at all.
///
/// A count that lies makes the decoder ask for as many elements, of some 100 bytes, without
/// touching them.
pub const REQUEST_BYTES_MAX: usize = 8 << 20;

/// Most reads of a body other than of Produce: a number takes one, a text two, a varint one for
/// each byte.
///
/// An element takes two at least and some 100 bytes of memory, a partition of a commit about six.
pub const REQUEST_READS_MAX: u32 = 1 << 20;

/// Most reads of a header; it has five, and three or more for each tag.
const HEADER_READS_MAX: u32 = 1000;

/// A request whose head was read and whose body was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFrame {
    /// Number of the API, known or not.
    pub api_key: i16,
    /// Version of the request, known or not.
    pub api_version: i16,
    /// Number the response has to carry.
    pub correlation_id: i32,
    /// What the client calls itself; `None` also when the version is unknown.
    pub client_id: Option<StrBytes>,
    body: Bytes,
}

impl RequestFrame {
    /// Reads the head of a frame, given without its size.
    ///
    /// The head of an unknown API or version ends at its correlation id, since only the version
    /// says what follows.
    ///
    /// # Errors
    /// [`RequestError::Head`] when the frame has no correlation id, [`RequestError::Malformed`]
    /// when the head of a known version does not end.
    pub fn parse(frame: Bytes) -> Result<Self, RequestError> {
        let head = RequestError::Head { frame_bytes: frame.len() };
        let mut cursor = ByteCursor::new(&frame);
        let mut fixed =
            || -> Result<_, CursorError> { Ok((cursor.i16()?, cursor.i16()?, cursor.i32()?)) };
        let (api_key, api_version, correlation_id) = fixed().map_err(|_| head)?;
        let (client_id, body) = match header_version(api_key, api_version) {
            None => (None, Bytes::new()),
            Some(header_version) => {
                let (header, body) =
                    decode_prefix_within::<RequestHeader>(HEADER_READS_MAX, header_version, frame)?;
                (header.client_id, body)
            }
        };
        Ok(Self { api_key, api_version, correlation_id, client_id, body })
    }

    /// Decodes the body, if `served` has its version.
    ///
    /// # Errors
    /// When it is not served, not well formed, or too large to decode. Bytes behind the body are
    /// ignored, as by a stock broker: librdkafka puts three behind a Metadata request for all
    /// topics.
    pub fn decode(
        &self,
        served: impl FnOnce(ApiKey) -> Option<VersionRange>,
    ) -> Result<RequestKind, RequestError> {
        let Self { api_key, api_version, .. } = *self;
        let unknown = RequestError::UnknownApi { api_key };
        let Ok(api) = ApiKey::try_from(api_key) else { return Err(unknown) };
        let Some(range) = served(api) else { return Err(unknown) };
        if !is_in(range, api_version) || !is_in(api.valid_versions(), api_version) {
            let VersionRange { min, max } = range;
            return Err(RequestError::UnknownVersion { api, api_version, min, max });
        }
        if api == ApiKey::Produce {
            produce_elements::check(api_version, &self.body)?;
            let (body, _ignored) = decode_prefix(api_version, self.body.clone())?;
            return Ok(RequestKind::Produce(body));
        }
        if self.body.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge { api, body_bytes: self.body.len() });
        }
        decode_kind(api, api_version, self.body.clone())
    }

    /// Decodes the body of a request about mirrors.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_mirror(&self) -> Result<MirrorRequest, RequestError> {
        let Self { api_key, api_version, .. } = *self;
        let api = MirrorApiKey::from_wire(api_key).ok_or(RequestError::UnknownApi { api_key })?;
        if api_version != mirror_api::VERSION {
            return Err(RequestError::UnknownMirrorVersion { api, api_version });
        }
        if self.body.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::MirrorTooLarge { api, body_bytes: self.body.len() });
        }
        Ok(MirrorRequest::decode(api, &self.body)?)
    }
}

/// Version of the header in front of a request; `None` when the API or the version is unknown.
fn header_version(api_key: i16, api_version: i16) -> Option<i16> {
    if MirrorApiKey::from_wire(api_key).is_some() {
        let known = api_version == mirror_api::VERSION;
        return known.then_some(mirror_api::REQUEST_HEADER_VERSION);
    }
    let api = ApiKey::try_from(api_key).ok()?;
    is_in(api.valid_versions(), api_version).then(|| api.request_header_version(api_version))
}

/// Decodes the body of an API this crate knows as a server.
macro_rules! decode_one_of {
    ($api:expr, $version:expr, $body:expr, [$($name:ident)*]) => {
        match $api {
            $(ApiKey::$name => {
                let (body, _ignored) = decode_prefix_within(REQUEST_READS_MAX, $version, $body)?;
                Ok(RequestKind::$name(body))
            })*
            api => Err(RequestError::UnknownApi { api_key: api as i16 }),
        }
    };
}

fn decode_kind(api: ApiKey, version: i16, body: Bytes) -> Result<RequestKind, RequestError> {
    decode_one_of!(api, version, body, [
        Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup Heartbeat
        LeaveGroup SyncGroup DescribeGroups ListGroups SaslHandshake ApiVersions
        CreateTopics DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch
        AddPartitionsToTxn AddOffsetsToTxn EndTxn WriteTxnMarkers TxnOffsetCommit DescribeAcls
        CreateAcls DeleteAcls DescribeConfigs AlterConfigs DescribeLogDirs SaslAuthenticate
        CreatePartitions DeleteGroups ElectLeaders IncrementalAlterConfigs
        AlterPartitionReassignments ListPartitionReassignments OffsetDelete DescribeClientQuotas
        AlterClientQuotas DescribeUserScramCredentials AlterUserScramCredentials DescribeQuorum
        DescribeCluster DescribeProducers DescribeTransactions ListTransactions
        ConsumerGroupHeartbeat ConsumerGroupDescribe GetTelemetrySubscriptions PushTelemetry
        ListConfigResources DescribeTopicPartitions ShareGroupDescribe DescribeShareGroupOffsets
    ])
}

const fn is_in(range: VersionRange, version: i16) -> bool {
    range.min <= version && version <= range.max
}

/// Why a frame is no request that can be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Too short to be answered.
    #[error("request of {frame_bytes} bytes ends before its correlation id")]
    Head {
        /// Bytes of the frame.
        frame_bytes: usize,
    },
    /// No API of this number is served.
    #[error("request has API key {api_key}, which is not served")]
    UnknownApi {
        /// As sent.
        api_key: i16,
    },
    /// The API is served, in other versions.
    #[error("{api:?} request has version {api_version}, served are {min} to {max}")]
    UnknownVersion {
        /// API asked for.
        api: ApiKey,
        /// Version as sent.
        api_version: i16,
        /// First version served.
        min: i16,
        /// Last version served.
        max: i16,
    },
    /// The API of mirrors is served, in its only version.
    #[error("{api} request has version {api_version}, served is {}", mirror_api::VERSION)]
    UnknownMirrorVersion {
        /// API asked for.
        api: MirrorApiKey,
        /// Version as sent.
        api_version: i16,
    },
    /// The body would take too much memory, decoded.
    #[error("{api:?} request has a body of {body_bytes} bytes, limit is {REQUEST_BYTES_MAX}")]
    TooLarge {
        /// API asked for.
        api: ApiKey,
        /// Bytes of the body.
        body_bytes: usize,
    },
    /// As [`Self::TooLarge`], of an API of mirrors.
    #[error("{api} request has a body of {body_bytes} bytes, limit is {REQUEST_BYTES_MAX}")]
    MirrorTooLarge {
        /// API asked for.
        api: MirrorApiKey,
        /// Bytes of the body.
        body_bytes: usize,
    },
    /// A Produce request with more topics, partitions and tags than a client has use for.
    #[error("Produce request has more than {PRODUCE_ELEMENTS_MAX} topics, partitions and tags")]
    ProduceElements,
    /// Head or body is not what its version says.
    #[error(transparent)]
    Malformed(#[from] MessageError),
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
