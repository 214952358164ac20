//! What a broker understands: the first exchange on every connection.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersionsResponse;
use kafka_protocol::messages::{ApiVersionsRequest, ResponseHeader};
use kafka_protocol::protocol::StrBytes;

use crate::message::{
    MessageError, RequestHead, decode_body, decode_prefix, decode_response, encode_request,
};

/// Version to ask with first: every broker since 2.4 answers it.
pub const API_VERSIONS_VERSION: i16 = 3;
/// Number of the `ApiVersions` request.
const API_KEY: i16 = 18;
const UNSUPPORTED_VERSION: i16 = 35;

/// Versions of each request that a broker takes, by number of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiVersionRanges {
    /// Sorted by key.
    ranges: Vec<ApiVersionRange>,
}

/// Versions of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiVersionRange {
    /// Number of the request.
    pub key: i16,
    /// Oldest version taken.
    pub min: i16,
    /// Newest version taken.
    pub max: i16,
}

/// What a broker answered to `ApiVersions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiVersionsAnswer {
    /// What it takes.
    Ranges(ApiVersionRanges),
    /// It does not know the version asked with: ask again with this one.
    RetryWith {
        /// Newest version it knows.
        version: i16,
    },
    /// It refused.
    Refused {
        /// Protocol error code.
        error_code: i16,
    },
}

impl ApiVersionRanges {
    /// Newest version of request `key` that the broker takes and lies in `our_min..=our_max`.
    #[must_use]
    pub fn negotiate(&self, key: i16, our_min: i16, our_max: i16) -> Option<i16> {
        let range = self.get(key)?;
        let version = range.max.min(our_max);
        (version >= range.min.max(our_min)).then_some(version)
    }

    /// Versions the broker takes of request `key`.
    #[must_use]
    pub fn get(&self, key: i16) -> Option<ApiVersionRange> {
        let index = self.ranges.binary_search_by_key(&key, |range| range.key).ok()?;
        Some(self.ranges[index])
    }

    fn from_response(response: &ApiVersionsResponse) -> Self {
        let range = |api: &kafka_protocol::messages::api_versions_response::ApiVersion| {
            ApiVersionRange { key: api.api_key, min: api.min_version, max: api.max_version }
        };
        let mut ranges: Vec<ApiVersionRange> = response.api_keys.iter().map(range).collect();
        ranges.sort_unstable_by_key(|range| range.key);
        Self { ranges }
    }
}

/// Encodes `ApiVersions`, versions 0 to 4.
///
/// # Errors
/// [`MessageError::Encode`] for other versions.
pub fn encode_api_versions(head: &RequestHead<'_>) -> Result<Bytes, MessageError> {
    let mut request = ApiVersionsRequest::default();
    if head.version >= 3 {
        request.client_software_name = StrBytes::from_static_str("ringmirror");
        request.client_software_version = StrBytes::from_static_str(env!("CARGO_PKG_VERSION"));
    }
    encode_request(head, &request)
}

/// Decodes the answer to a request of `version`, given without its size.
///
/// A broker that does not know the version answers in version 0 (KIP-511).
///
/// # Errors
/// When it is not the response expected, or not well formed.
pub fn decode_api_versions(
    version: i16,
    correlation_id: i32,
    frame: Bytes,
) -> Result<ApiVersionsAnswer, MessageError> {
    let refused_at = HEADER_BYTES..HEADER_BYTES + 2;
    if frame.get(refused_at) == Some(&UNSUPPORTED_VERSION.to_be_bytes()[..]) {
        return decode_unsupported(correlation_id, frame);
    }
    let response: ApiVersionsResponse = decode_response(version, correlation_id, frame)?;
    Ok(match response.error_code {
        0 => ApiVersionsAnswer::Ranges(ApiVersionRanges::from_response(&response)),
        error_code => ApiVersionsAnswer::Refused { error_code },
    })
}

fn decode_unsupported(expected: i32, frame: Bytes) -> Result<ApiVersionsAnswer, MessageError> {
    let (header, body) = decode_prefix::<ResponseHeader>(0, frame)?;
    if header.correlation_id != expected {
        let found = header.correlation_id;
        return Err(MessageError::CorrelationId { expected, found });
    }
    // Brokers before 2.4 leave the list empty: version 0 is the one they all know.
    let response: ApiVersionsResponse = decode_body(0, body)?;
    let known = ApiVersionRanges::from_response(&response).get(API_KEY);
    Ok(ApiVersionsAnswer::RetryWith { version: known.map_or(0, |range| range.max) })
}

/// The response header of this request has no tags in any version (KIP-511).
const HEADER_BYTES: usize = 4;

#[cfg(test)]
mod tests;
