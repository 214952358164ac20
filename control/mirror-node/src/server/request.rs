//! From a frame to a request, and from an answer to a frame.

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};
use kafka_protocol::protocol::{StrBytes, VersionRange};
use kafka_wire::message::{MessageError, encode_response_kind};
use kafka_wire::mirror_api::MirrorRequest;
use kafka_wire::request::{RequestError, RequestFrame};

use crate::server::api::{AskedApi, find};
use crate::server::api_versions;

/// What a request says about itself.
#[derive(Clone, Debug)]
pub(super) struct RequestHead {
    pub(super) api_key: i16,
    pub(super) api_version: i16,
    pub(super) correlation_id: i32,
    pub(super) client_id: Option<StrBytes>,
}

/// A request that somebody answers.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) head: RequestHead,
    pub(super) body: RequestKind,
}

/// What a frame comes to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A request to be answered.
    Request(Box<Request>),
    /// A request about mirrors to be answered.
    Mirror(RequestHead, Box<MirrorRequest>),
    /// A version of ApiVersions that we do not know: the frame to answer with.
    Answered(Bytes),
}

/// The API that a frame asks, before it is decoded; `None` when nobody answers that.
pub(super) fn asked_api(frame: &[u8]) -> Option<AskedApi> {
    let key = frame.first_chunk().map(|key| i16::from_be_bytes(*key))?;
    AskedApi::find(key)
}

/// Decodes a frame, given without its size.
///
/// # Errors
/// When nothing can be answered: the connection ends, as with a stock broker.
pub(super) fn decode(frame: Bytes, has_mirrors: bool) -> Result<Outcome, RequestError> {
    let frame = RequestFrame::parse(frame)?;
    let head = RequestHead {
        api_key: frame.api_key,
        api_version: frame.api_version,
        correlation_id: frame.correlation_id,
        client_id: frame.client_id.clone(),
    };
    if let Some(AskedApi::Mirror(_)) = AskedApi::find(frame.api_key) {
        return Ok(Outcome::Mirror(head, Box::new(frame.decode_mirror()?)));
    }
    let served = |key: ApiKey| {
        let versions = &find(key as i16)?.versions;
        Some(VersionRange { min: *versions.start(), max: *versions.end() })
    };
    match frame.decode(served) {
        Ok(body) => Ok(Outcome::Request(Box::new(Request { head, body }))),
        Err(RequestError::UnknownVersion { api: ApiKey::ApiVersions, .. }) => {
            let answer = api_versions::unsupported(has_mirrors).into();
            Ok(Outcome::Answered(encode_response_kind(0, frame.correlation_id, &answer)?))
        }
        Err(error) => Err(error),
    }
}

/// Encodes the answer to a request as one frame.
///
/// # Errors
/// When the answer does not fit the request's version.
pub(super) fn encode(head: &RequestHead, answer: &ResponseKind) -> Result<Bytes, MessageError> {
    encode_response_kind(head.api_version, head.correlation_id, answer)
}
