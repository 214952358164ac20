//! AlterConfigs (key 33): all settings of a topic, or of this node, are replaced, as old clients
//! do.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use crate::node::Node;
use crate::server::admin::alter_topic::{configure, own_topic, refused, topic_resource};
use crate::server::admin::describe_configs::BROKER;
use crate::server::admin::mentions::mentions;
use crate::server::admin::node_configs::OfNode;
use crate::server::refusal::Refusal;
use crate::topic_settings;

/// Gives each resource the settings asked for and no others; those of this node were
/// replaced already. Waits for the disk.
pub(super) fn alter(
    node: &Node,
    asked: &AlterConfigsRequest,
    of_node: &OfNode,
) -> AlterConfigsResponse {
    let resources = asked.resources.iter();
    let counts = mentions(resources.map(|named| (named.resource_type, &named.resource_name)));
    let responses = asked.resources.iter().map(|resource| {
        let is_twice = counts[&(resource.resource_type, &resource.resource_name)] > 1;
        let outcome = if is_twice {
            Err(Refusal::invalid_request("Each resource must appear at most once."))
        } else if resource.resource_type == BROKER {
            let outcome = of_node.get(resource.resource_name.as_str()).cloned();
            outcome.expect("every broker that is named once was taken care of")
        } else {
            replace(node, resource, asked.validate_only)
        };
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match outcome {
            Ok(()) => response.with_error_message(None),
            Err(refusal) => {
                response.with_error_code(refusal.code()).with_error_message(refusal.text())
            }
        }
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

fn replace(node: &Node, asked: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    let name = topic_resource(asked.resource_type, &asked.resource_name)?;
    let (topic, _) = own_topic(node, name)?;
    let mut configs = BTreeMap::new();
    for config in &asked.configs {
        let Some(value) = &config.value else {
            let name = config.name.escape_default();
            return Err(Refusal::invalid_request(format!("Null value not supported for : {name}")));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    topic_settings::check(&configs).map_err(|error| refused(&error))?;
    configure(node, &topic, configs, validate_only)
}

#[cfg(test)]
mod tests;
