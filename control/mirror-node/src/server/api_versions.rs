//! ApiVersions (key 18): what is answered, and in which versions.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::ApiVersion;

use crate::server::api::APIS;

/// The answer to a version of ApiVersions that we know.
pub(super) fn supported() -> ApiVersionsResponse {
    let api_keys = APIS.iter().map(|api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(*api.versions.start())
            .with_max_version(*api.versions.end())
    });
    ApiVersionsResponse::default().with_api_keys(api_keys.collect())
}

/// The answer to a version that we do not know, in version 0, so that the client may ask again.
pub(super) fn unsupported() -> ApiVersionsResponse {
    supported().with_error_code(ResponseError::UnsupportedVersion.code())
}
