//! ApiVersions (key 18): what is answered, and in which versions.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::mirror_api::{self, MirrorApiKey};

use crate::server::api::APIS;

/// The answer to a version of ApiVersions that we know. Clients use consumer groups of KIP-848
/// only where the feature `group.version` is finalized, mirrors only where `mirror.version` is.
pub(super) fn supported(version: i16, has_mirrors: bool) -> ApiVersionsResponse {
    let response = known_apis(has_mirrors);
    if version < FEATURES_SINCE {
        return response;
    }
    let features = [("group.version", GROUP_VERSION), ("mirror.version", MIRROR_VERSION)];
    let features = &features[..if has_mirrors { 2 } else { 1 }];
    let supported = features.iter().map(|(name, level)| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_max_version(*level)
    });
    let finalized = features.iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_min_version_level(*level)
            .with_max_version_level(*level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(0)
        .with_finalized_features(finalized.collect())
}

fn known_apis(has_mirrors: bool) -> ApiVersionsResponse {
    let api_keys = APIS.iter().map(|api| {
        ApiVersion::default()
            .with_api_key(api.key as i16)
            .with_min_version(*api.versions.start())
            .with_max_version(*api.versions.end())
    });
    let mirrors = MirrorApiKey::ALL.into_iter().filter(|_| has_mirrors).map(|key| {
        ApiVersion::default()
            .with_api_key(key.get())
            .with_min_version(mirror_api::VERSION)
            .with_max_version(mirror_api::VERSION)
    });
    ApiVersionsResponse::default().with_api_keys(api_keys.chain(mirrors).collect())
}

/// The answer to a version that we do not know, in version 0, so that the client may ask again.
pub(super) fn unsupported(has_mirrors: bool) -> ApiVersionsResponse {
    known_apis(has_mirrors).with_error_code(ResponseError::UnsupportedVersion.code())
}

/// Version from which features are told.
const FEATURES_SINCE: i16 = 3;
/// Level at which groups of KIP-848 are on.
const GROUP_VERSION: i16 = 1;
/// Level at which mirrors are on.
const MIRROR_VERSION: i16 = 1;
