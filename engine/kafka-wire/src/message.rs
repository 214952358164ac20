//! Messages that are not hot: whole frames, encoded and decoded by the `kafka-protocol` crate.
//!
//! A frame is a 4-byte size and as many bytes: header, then body. Decoding takes frames without
//! the size and never allocates much more than a frame's size times the size of one element.

use std::fmt::Display;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use crate::count_guard::CountGuard;
use crate::fields::FieldError;

/// Bytes of the size in front of a frame.
pub const SIZE_BYTES: usize = 4;

/// What a request says about itself.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Version of the request.
    pub version: i16,
    /// Number the response comes back with.
    pub correlation_id: i32,
    /// Name of this client in the broker's quotas and logs.
    pub client_id: &'a str,
}

/// Encodes a request as one frame, size and header included.
///
/// # Errors
/// [`MessageError::Encode`] when the version is unknown or lacks a field that is set.
pub fn encode_request<R: Request>(
    head: &RequestHead<'_>,
    request: &R,
) -> Result<Bytes, MessageError> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(head.version)
        .with_correlation_id(head.correlation_id)
        .with_client_id(Some(StrBytes::from_string(head.client_id.to_owned())));
    encode_frame(head.version, (&header, R::header_version(head.version)), request)
}

/// Encodes a response as one frame, size and header included.
///
/// # Errors
/// [`MessageError::Encode`] when the version is unknown or lacks a field that is set.
pub fn encode_response<R: Encodable + HeaderVersion>(
    version: i16,
    correlation_id: i32,
    response: &R,
) -> Result<Bytes, MessageError> {
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    encode_frame(version, (&header, R::header_version(version)), response)
}

/// Encodes any response as one frame, size and header included.
///
/// # Errors
/// As [`encode_response`].
pub fn encode_response_kind(
    version: i16,
    correlation_id: i32,
    response: &ResponseKind,
) -> Result<Bytes, MessageError> {
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    let header = (&header, response.header_version(version));
    frame_of(version, header, "response", |frame| response.encode(frame, version))
}

/// Decodes a response frame, given without its size.
///
/// # Errors
/// When it is not the response expected, or not well formed.
pub fn decode_response<R: Decodable + HeaderVersion>(
    version: i16,
    expected_correlation_id: i32,
    frame: Bytes,
) -> Result<R, MessageError> {
    let (header, body) = decode_prefix::<ResponseHeader>(R::header_version(version), frame)?;
    if header.correlation_id != expected_correlation_id {
        let (expected, found) = (expected_correlation_id, header.correlation_id);
        return Err(MessageError::CorrelationId { expected, found });
    }
    decode_body(version, body)
}

/// Decodes a response without its header; every byte must belong to it.
///
/// # Errors
/// [`MessageError::Malformed`] or [`MessageError::TrailingBytes`].
pub fn decode_body<M: Decodable>(version: i16, body: Bytes) -> Result<M, MessageError> {
    let (message, rest) = decode_prefix::<M>(version, body)?;
    if rest.is_empty() {
        return Ok(message);
    }
    Err(MessageError::TrailingBytes { message: name_of::<M>(), version, bytes: rest.len() })
}

/// Decodes one message from the start of `bytes`; returns what follows it too.
///
/// # Errors
/// [`MessageError::Malformed`].
pub fn decode_prefix<M: Decodable>(version: i16, bytes: Bytes) -> Result<(M, Bytes), MessageError> {
    decode_prefix_within(ANY_READS, version, bytes)
}

/// As [`decode_prefix`], of a message that takes no more than so many reads.
pub(crate) fn decode_prefix_within<M: Decodable>(
    reads_max: u32,
    version: i16,
    mut bytes: Bytes,
) -> Result<(M, Bytes), MessageError> {
    let malformed = |reason: &dyn ToString| MessageError::Malformed {
        message: name_of::<M>(),
        version,
        reason: reason.to_string(),
    };
    let before = bytes.len();
    let mut guard = CountGuard::new(bytes.clone(), reads_max);
    let decoded = M::decode(&mut guard, version);
    if guard.has_ended_early() {
        return Err(MessageError::TooManyReads { message: name_of::<M>(), version, reads_max });
    }
    let message = decoded.map_err(|reason| malformed(&reason))?;
    if !guard.has_clipped() {
        let taken = before - bytes::Buf::remaining(&guard);
        return Ok((message, bytes.split_off(taken)));
    }
    let message = M::decode(&mut bytes, version).map_err(|reason| malformed(&reason))?;
    Ok((message, bytes))
}

/// Reads the size in front of a frame; `None` while it is not complete.
///
/// # Errors
/// [`MessageError::FrameSize`] when it is negative or above `frame_bytes_max`.
pub fn frame_size(bytes: &[u8], frame_bytes_max: u32) -> Result<Option<u32>, MessageError> {
    let Some(prefix) = bytes.first_chunk::<SIZE_BYTES>() else { return Ok(None) };
    let found = i32::from_be_bytes(*prefix);
    match u32::try_from(found) {
        Ok(size) if size <= frame_bytes_max => Ok(Some(size)),
        _ => Err(MessageError::FrameSize { found, frame_bytes_max }),
    }
}

fn encode_frame<H: Encodable, M: Encodable>(
    version: i16,
    header: (&H, i16),
    message: &M,
) -> Result<Bytes, MessageError> {
    frame_of(version, header, name_of::<M>(), |frame| message.encode(frame, version))
}

/// Puts a size, a header and what `body` writes into one frame.
pub(crate) fn frame_of<H: Encodable, E: Display>(
    version: i16,
    (header, header_version): (&H, i16),
    message: &'static str,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<Bytes, MessageError> {
    // The alternate form of the crate's errors has their causes too.
    let refused = |reason: &dyn Display| {
        let reason = format!("{reason:#}");
        MessageError::Encode { message, version, reason }
    };
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    header.encode(&mut frame, header_version).map_err(|reason| refused(&reason))?;
    body(&mut frame).map_err(|reason| refused(&reason))?;
    let size = i32::try_from(frame.len() - SIZE_BYTES).map_err(|reason| refused(&reason))?;
    frame[..SIZE_BYTES].copy_from_slice(&size.to_be_bytes());
    Ok(frame.freeze())
}

/// The message's own name, without its path.
fn name_of<M>() -> &'static str {
    let path = std::any::type_name::<M>();
    path.rsplit("::").next().unwrap_or(path)
}

/// Why a message cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The version is unknown, or lacks a field that is set.
    #[error("cannot encode {message} version {version}: {reason}")]
    Encode {
        /// Name of the message.
        message: &'static str,
        /// Version asked for.
        version: i16,
        /// Why, for people.
        reason: String,
    },
    /// The bytes are not such a message.
    #[error("bytes are no {message} version {version}: {reason}")]
    Malformed {
        /// Name of the message expected.
        message: &'static str,
        /// Version expected.
        version: i16,
        /// Why, for people.
        reason: String,
    },
    /// Too many elements, or tags; each would take memory.
    #[error("{message} version {version} takes more than {reads_max} reads")]
    TooManyReads {
        /// Name of the message.
        message: &'static str,
        /// Its version.
        version: i16,
        /// Limit.
        reads_max: u32,
    },
    /// The message ends before its frame does.
    #[error("{bytes} bytes follow {message} version {version} in its frame")]
    TrailingBytes {
        /// Name of the message.
        message: &'static str,
        /// Its version.
        version: i16,
        /// Bytes behind its end.
        bytes: usize,
    },
    /// Not the response to our request.
    #[error("response has correlation id {found}, expected {expected}")]
    CorrelationId {
        /// Of our request.
        expected: i32,
        /// Of the response.
        found: i32,
    },
    /// Negative size, or above the limit.
    #[error("frame announces {found} bytes, limit is {frame_bytes_max}")]
    FrameSize {
        /// Size found.
        found: i32,
        /// Limit, in bytes.
        frame_bytes_max: u32,
    },
    /// The fields of a message that this crate reads and writes itself.
    #[error("{message} {cause}")]
    Fields {
        /// Name of the message.
        message: &'static str,
        /// What is wrong with them.
        cause: FieldError,
    },
    /// A topic or partition that cannot exist.
    #[error("{message} names partition {partition} of topic {topic:?}, which cannot exist")]
    Partition {
        /// Name of the message.
        message: &'static str,
        /// Topic as sent.
        topic: String,
        /// Partition as sent.
        partition: i32,
    },
}

/// For messages of a peer we chose ourselves; frames are bounded.
const ANY_READS: u32 = u32::MAX;

#[cfg(test)]
mod tests;
