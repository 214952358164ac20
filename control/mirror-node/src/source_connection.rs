//! One connection of the control thread to a source broker: frames, versions, deadlines.
//!
//! One request at a time. A connection that failed in any way is of no further use; its owner
//! drops it and connects again.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::Request;
use kafka_wire::api_versions::{
    API_VERSIONS_VERSION, ApiVersionRanges, ApiVersionsAnswer, decode_api_versions,
    encode_api_versions,
};
use kafka_wire::message::{MessageError, RequestHead, SIZE_BYTES, decode_response, encode_request};
use kafka_wire::mirror_api::{self, MirrorApiKey, MirrorRequest, MirrorResponse};
use kafka_wire::mirror_error::MirrorError;
use mirror_uring::BrokerAddress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client_properties::{ClientProperties, DisplayAddress};
use crate::mirror_orders::start_timeout;

/// Largest batch that can be both mirrored and verified, in bytes: a quarter of the longest
/// response the engine takes.
pub const VERIFIABLE_BATCH_BYTES_MAX: u32 = 128 << 20;
/// Longest response taken, in bytes: the largest batch, and as much as a verification asks for
/// beside it. Metadata of 100,000 partitions is a tenth of it.
pub const FRAME_BYTES_MAX: u32 = VERIFIABLE_BATCH_BYTES_MAX + (16 << 20);

/// A connection whose ApiVersions are known.
#[derive(Debug)]
pub struct SourceConnection {
    stream: TcpStream,
    address: String,
    client_id: String,
    request_timeout: Duration,
    correlation_id: i32,
    versions: ApiVersionRanges,
    response_bytes_max: u32,
}

/// Why the source cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No TCP connection.
    #[error("cannot connect to {address}: {error}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// No TCP connection in time.
    #[error("cannot connect to {address}: no answer within {timeout_ms} ms")]
    ConnectTimedOut {
        /// Where.
        address: String,
        /// How long was waited.
        timeout_ms: u128,
    },
    /// Connected, but the first request was answered by closing.
    #[error(
        "{address} closed the connection during the handshake: is this a Kafka broker's \
         PLAINTEXT listener?"
    )]
    ClosedInHandshake {
        /// Where.
        address: String,
    },
    /// Connected, but what answers does not speak Kafka's protocol.
    #[error("{address} is not a Kafka broker's PLAINTEXT listener: it answers {seen}")]
    NotKafka {
        /// Where.
        address: String,
        /// What came instead, for people.
        seen: String,
    },
    /// The connection ended while an answer was awaited.
    #[error("{address} closed the connection before answering {request}: {error}")]
    Closed {
        /// Where.
        address: String,
        /// Which request.
        request: String,
        /// What the system said.
        error: io::Error,
    },
    /// No answer in time.
    #[error("{address} did not answer {request} within {timeout_ms} ms")]
    TimedOut {
        /// Where.
        address: String,
        /// Which request.
        request: String,
        /// How long was waited.
        timeout_ms: u128,
    },
    /// A length no response has.
    #[error(
        "{address} announces a response of {bytes} bytes to {request}, at most {most} are taken"
    )]
    FrameTooLong {
        /// Where.
        address: String,
        /// Which request.
        request: String,
        /// The announced length.
        bytes: i32,
        /// The longest that is taken.
        most: u32,
    },
    /// Bytes that are not the response they should be.
    #[error("{address} answers {request} with something else: {error}")]
    Message {
        /// Where.
        address: String,
        /// Which request.
        request: String,
        /// What is wrong.
        error: MessageError,
    },
    /// The broker speaks no version of a request that we speak.
    #[error("{address} serves {request} in versions {theirs}, ringmirror speaks {ours}")]
    NoCommonVersion {
        /// Where.
        address: String,
        /// Which request.
        request: String,
        /// What the broker serves.
        theirs: String,
        /// What we speak.
        ours: String,
    },
    /// The broker does not know a request about mirrors.
    #[error(
        "{address} knows nothing of cluster mirroring (KIP-1279): it does not serve {request}; \
         mirrors are kept by `ringmirror node`"
    )]
    NoMirrors {
        /// Where.
        address: String,
        /// Which request.
        request: String,
    },
    /// The broker answered with an error.
    #[error("{address} refuses {request}: {error} ({code})")]
    Refused {
        /// Where.
        address: String,
        /// Which request, and what of it.
        request: String,
        /// Name of the error.
        error: String,
        /// Protocol error code.
        code: i16,
    },
    /// A partition nobody leads now.
    #[error("{partition} has no leader at the source")]
    NoLeader {
        /// Which partition.
        partition: String,
    },
    /// None of the bootstrap servers could be asked; the reasons, in order.
    #[error("no bootstrap server answers: {}", reasons.join("; "))]
    NoBootstrap {
        /// One reason per server.
        reasons: Vec<String>,
    },
}

impl SourceError {
    /// True when the peer has no mirrors at all, whether it knows the request or not.
    #[must_use]
    pub const fn lacks_mirrors(&self) -> bool {
        matches!(self, Self::NoMirrors { .. } | Self::Refused { code: UNSUPPORTED_VERSION, .. })
    }

    /// True when the request was never sent, so that it can be sent to another broker.
    pub(crate) const fn is_before_the_request(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::ConnectTimedOut { .. }
                | Self::ClosedInHandshake { .. }
                | Self::NotKafka { .. }
        )
    }

    /// A request about mirrors that a broker refused as a whole.
    pub(crate) fn refused_mirrors(
        address: String,
        key: MirrorApiKey,
        code: i16,
        message: Option<&str>,
    ) -> Self {
        let error = error_name(code);
        let error = message.map_or_else(|| error.clone(), |message| format!("{error}: {message}"));
        Self::Refused { address, request: key.to_string(), error, code }
    }
}

impl SourceConnection {
    /// Connects and learns which versions the broker serves.
    ///
    /// # Errors
    /// Says what answered instead of a Kafka broker.
    pub async fn connect(
        address: &BrokerAddress,
        properties: &ClientProperties,
    ) -> Result<Self, SourceError> {
        let connect_timeout = Duration::from_millis(properties.connect_timeout_ms);
        let target = (address.host.as_ref(), address.port);
        let address = DisplayAddress(address).to_string();
        let stream = match timeout(connect_timeout, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(SourceError::Unreachable { address, error }),
            Err(_) => {
                let timeout_ms = connect_timeout.as_millis();
                return Err(SourceError::ConnectTimedOut { address, timeout_ms });
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            return Err(SourceError::Unreachable { address, error });
        }
        let mut connection = Self {
            stream,
            address,
            client_id: properties.client_id.clone(),
            request_timeout: Duration::from_millis(properties.request_timeout_ms),
            correlation_id: 0,
            versions: ApiVersionRanges::default(),
            response_bytes_max: FRAME_BYTES_MAX,
        };
        connection.learn_versions().await.map_err(in_handshake)?;
        Ok(connection)
    }

    /// Where it leads, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Takes no longer responses from now on.
    pub(crate) fn limit_responses(&mut self, bytes_max: u32) {
        self.response_bytes_max = bytes_max;
    }

    /// Newest version of request `R` both sides speak, at most `newest`.
    ///
    /// # Errors
    /// When there is none.
    pub fn version<R: Request>(&self, newest: i16) -> Result<i16, SourceError> {
        let (our_min, our_max) = (R::VERSIONS.min, R::VERSIONS.max.min(newest));
        self.versions.negotiate(R::KEY, our_min, our_max).ok_or_else(|| {
            let theirs = self.versions.get(R::KEY);
            SourceError::NoCommonVersion {
                address: self.address.clone(),
                request: request_name(R::KEY),
                theirs: theirs.map_or_else(
                    || "none".to_owned(),
                    |theirs| format!("{} to {}", theirs.min, theirs.max),
                ),
                ours: format!("{our_min} to {our_max}"),
            }
        })
    }

    /// Sends one request and waits for its answer, at most `request.timeout.ms`.
    ///
    /// # Errors
    /// The connection is of no further use after any.
    pub async fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, SourceError> {
        let name = request_name(R::KEY);
        let head = self.next_head(version);
        let (correlation_id, frame) = (head.correlation_id, encode_request(&head, request));
        let frame = frame.map_err(|error| self.wrong(&name, error))?;
        let response = self.exchange(&frame, &name).await?;
        decode_response(version, correlation_id, response).map_err(|error| self.wrong(&name, error))
    }

    /// Sends a request about mirrors and waits for its answer, which may carry an error code: at
    /// most `request.timeout.ms`, and for a start as long as that may look for topics beside it.
    ///
    /// # Errors
    /// As [`Self::call`]; [`SourceError::NoMirrors`] when the broker does not serve it, after which
    /// the connection can be used.
    pub async fn mirror_call(
        &mut self,
        request: &MirrorRequest,
    ) -> Result<MirrorResponse, SourceError> {
        let (key, name) = (request.key(), request.key().name());
        let version = mirror_api::VERSION;
        if self.versions.negotiate(key.get(), version, version).is_none() {
            let (address, request) = (self.address.clone(), name.to_owned());
            return Err(SourceError::NoMirrors { address, request });
        }
        let head = self.next_head(version);
        let (correlation_id, client_id) = (head.correlation_id, head.client_id);
        let frame = request.encode_frame(correlation_id, client_id);
        let frame = frame.map_err(|error| self.wrong(name, error))?;
        let patience = match request {
            MirrorRequest::StartMirrorTopics(start) => start_timeout(start.timeout_ms),
            _ => Duration::ZERO,
        };
        let response = self.exchange_within(&frame, name, self.request_timeout + patience).await?;
        let response = MirrorResponse::decode_frame(key, correlation_id, response);
        response.map_err(|error| self.wrong(name, error))
    }

    async fn learn_versions(&mut self) -> Result<(), SourceError> {
        let mut version = API_VERSIONS_VERSION;
        for _ in 0..2 {
            let head = self.next_head(version);
            let (correlation_id, frame) = (head.correlation_id, encode_api_versions(&head));
            let frame = frame.map_err(|error| self.wrong(API_VERSIONS, error))?;
            let response = self.exchange(&frame, API_VERSIONS).await?;
            let answer = decode_api_versions(version, correlation_id, response)
                .map_err(|error| self.wrong(API_VERSIONS, error))?;
            match answer {
                ApiVersionsAnswer::Ranges(ranges) => {
                    self.versions = ranges;
                    return Ok(());
                }
                ApiVersionsAnswer::RetryWith { version: known } => version = known,
                ApiVersionsAnswer::Refused { error_code } => {
                    return Err(self.refused(API_VERSIONS, error_code));
                }
            }
        }
        Err(self.refused(API_VERSIONS, UNSUPPORTED_VERSION))
    }

    fn next_head(&mut self, version: i16) -> RequestHead<'_> {
        self.correlation_id = self.correlation_id.wrapping_add(1) & i32::MAX;
        let (correlation_id, client_id) = (self.correlation_id, self.client_id.as_str());
        RequestHead { version, correlation_id, client_id }
    }

    /// An error of the protocol, with where and what.
    pub(crate) fn refused(&self, request: impl Into<String>, code: i16) -> SourceError {
        SourceError::Refused {
            address: self.address.clone(),
            request: request.into(),
            error: error_name(code),
            code,
        }
    }

    /// Sends a frame and returns the frame that answers it, without its size.
    async fn exchange(&mut self, frame: &[u8], name: &str) -> Result<Bytes, SourceError> {
        self.exchange_within(frame, name, self.request_timeout).await
    }

    async fn exchange_within(
        &mut self,
        frame: &[u8],
        name: &str,
        deadline: Duration,
    ) -> Result<Bytes, SourceError> {
        let timed = timeout(deadline, self.round_trip(frame, name)).await;
        timed.unwrap_or_else(|_| {
            Err(SourceError::TimedOut {
                address: self.address.clone(),
                request: name.to_owned(),
                timeout_ms: deadline.as_millis(),
            })
        })
    }

    async fn round_trip(&mut self, frame: &[u8], name: &str) -> Result<Bytes, SourceError> {
        let address = self.address.clone();
        let closed = |error| {
            let request = name.to_owned();
            SourceError::Closed { address: address.clone(), request, error }
        };
        self.stream.write_all(frame).await.map_err(closed)?;
        let mut prefix = [0; SIZE_BYTES];
        self.stream.read_exact(&mut prefix).await.map_err(closed)?;
        let announced = i32::from_be_bytes(prefix);
        let bytes = u32::try_from(announced).unwrap_or(u32::MAX);
        if !(MIN_RESPONSE_BYTES..=self.response_bytes_max).contains(&bytes) {
            let (request, address) = (name.to_owned(), address.clone());
            let most = self.response_bytes_max;
            return Err(match foreign_protocol(prefix) {
                Some(seen) => SourceError::NotKafka { address, seen: seen.to_owned() },
                None => SourceError::FrameTooLong { address, request, bytes: announced, most },
            });
        }
        // The buffer grows with what arrives, not with what was announced.
        let mut body = Vec::new();
        let mut limited = (&mut self.stream).take(u64::from(bytes));
        limited.read_to_end(&mut body).await.map_err(closed)?;
        if u32::try_from(body.len()) != Ok(bytes) {
            return Err(closed(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(body.into())
    }

    fn wrong(&self, request: &str, error: MessageError) -> SourceError {
        let (address, request) = (self.address.clone(), request.to_owned());
        SourceError::Message { address, request, error }
    }
}

/// What a failure means when it happens before the peer proved to be a broker.
fn in_handshake(error: SourceError) -> SourceError {
    match error {
        SourceError::Closed { address, .. } => SourceError::ClosedInHandshake { address },
        SourceError::FrameTooLong { address, bytes, .. } => {
            let seen = format!("bytes that would be a response of {bytes} bytes");
            SourceError::NotKafka { address, seen }
        }
        SourceError::Message { address, error, .. } => {
            let seen = format!("ApiVersions with something else ({error})");
            SourceError::NotKafka { address, seen }
        }
        other => other,
    }
}

/// Names the protocol whose first bytes a peer would send to a stranger.
fn foreign_protocol(prefix: [u8; 4]) -> Option<&'static str> {
    match &prefix {
        b"HTTP" => Some("HTTP"),
        b"SSH-" => Some("SSH"),
        [0x15, 3, ..] => Some("a TLS alert: this is an SSL listener"),
        [b'2' | b'4' | b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-'] => Some("SMTP or FTP"),
        [b'-', b'E', b'R', b'R'] => Some("Redis"),
        _ => None,
    }
}

fn request_name(key: i16) -> String {
    ApiKey::try_from(key).map_or_else(|()| format!("request {key}"), |api| format!("{api:?}"))
}

/// Kafka's name of an error code, as its documentation spells it.
#[must_use]
pub fn error_name(code: i16) -> String {
    use kafka_protocol::error::ParseResponseErrorCode as _;
    if let Some(error) = MirrorError::from_code(code) {
        return error.name().to_owned();
    }
    let Some(error) = code.err() else { return "NONE".to_owned() };
    let mut name = String::new();
    for letter in format!("{error:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

const API_VERSIONS: &str = "ApiVersions";
/// UNSUPPORTED_VERSION
const UNSUPPORTED_VERSION: i16 = 35;
/// Shortest response: a correlation id.
const MIN_RESPONSE_BYTES: u32 = 4;

#[cfg(test)]
mod tests;
