//! ApiVersions (key 18): what is answered, and in which versions.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::protocol::StrBytes;

use crate::server::api::APIS;

/// The answer to a version of ApiVersions that we know. Clients use consumer groups of KIP-848
/// only where the feature `group.version` is finalized.
pub(super) fn supported(version: i16) -> ApiVersionsResponse {
    let response = known_apis();
    if version < FEATURES_SINCE {
        return response;
    }
    let name = StrBytes::from_static_str("group.version");
    let supported =
        SupportedFeatureKey::default().with_name(name.clone()).with_max_version(GROUP_VERSION);
    let finalized = FinalizedFeatureKey::default()
        .with_name(name)
        .with_min_version_level(GROUP_VERSION)
        .with_max_version_level(GROUP_VERSION);
    response
        .with_supported_features(vec![supported])
        .with_finalized_features_epoch(0)
        .with_finalized_features(vec![finalized])
}

fn known_apis() -> ApiVersionsResponse {
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
    known_apis().with_error_code(ResponseError::UnsupportedVersion.code())
}

/// Version from which features are told.
const FEATURES_SINCE: i16 = 3;
/// Level at which groups of KIP-848 are on.
const GROUP_VERSION: i16 = 1;
