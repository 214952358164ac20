//! ListConfigResources (key 74): what has settings that tools may ask for, by kind.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use kafka_protocol::protocol::StrBytes;

use super::describe_configs::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use super::mirror_configs::{self, CLUSTER_MIRROR};
use crate::node::Node;

/// Lists the resources of the kinds asked for, each once; of every kind when none is named.
///
/// Groups and subscriptions to client metrics are listed by a stock broker when somebody made
/// settings for them, which nobody can do here.
pub(super) async fn list(
    node: &Node,
    asked: &ListConfigResourcesRequest,
    version: i16,
) -> ListConfigResourcesResponse {
    let known: &[i8] = if version == 0 {
        &[CLIENT_METRICS] // the version has no field for another kind
    } else {
        &[TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, CLUSTER_MIRROR]
    };
    if !asked.resource_types.iter().all(|kind| known.contains(kind)) {
        return ListConfigResourcesResponse::default()
            .with_error_code(ResponseError::UnsupportedVersion.code());
    }
    let is_asked = |kind: i8| {
        known.contains(&kind)
            && (asked.resource_types.is_empty() || asked.resource_types.contains(&kind))
    };
    let mut resources = Vec::new();
    for kind in [BROKER_LOGGER, BROKER].into_iter().filter(|kind| is_asked(*kind)) {
        resources.push(resource(kind, node.identity.node_id.get().to_string()));
    }
    if is_asked(TOPIC) {
        let topics = node.catalog.topics();
        resources.extend(topics.iter().map(|topic| resource(TOPIC, topic.name.to_string())));
    }
    if is_asked(CLUSTER_MIRROR) {
        match mirror_configs::listed(node).await {
            Ok(names) => {
                resources.extend(names.into_iter().map(|name| resource(CLUSTER_MIRROR, name)));
            }
            Err(refusal) => {
                return ListConfigResourcesResponse::default().with_error_code(refusal.code());
            }
        }
    }
    ListConfigResourcesResponse::default().with_config_resources(resources)
}

fn resource(kind: i8, name: String) -> ConfigResource {
    ConfigResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_string(name))
}

#[cfg(test)]
mod tests;
