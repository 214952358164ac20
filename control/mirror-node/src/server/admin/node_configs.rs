//! The node's own settings that concern mirrors (resource type BROKER): the control loop knows
//! them.

use std::collections::{BTreeMap, HashSet};

use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::alter_topic::topic_resource;
use super::describe_configs::{BROKER, check_node};
use super::mirror_configs::change;
use crate::mirror_orders::MirrorSetting;
use crate::node::Node;
use crate::server::refusal::Refusal;

/// What became of each name of the node that a request has: its id, or nothing for all brokers.
pub(super) type OfNode = BTreeMap<String, Result<(), Refusal>>;

/// The settings, when the request asks for those of a broker.
pub(super) async fn described(node: &Node, asked: &DescribeConfigsRequest) -> Vec<MirrorSetting> {
    let is_asked = asked.resources.iter().any(|resource| resource.resource_type == BROKER);
    match node.mirror_orders.get() {
        // Without an answer they are left out, and the others shown all the same.
        Some(orders) if is_asked => orders.describe_node_configs().await.unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Changes the settings; a name that is there twice is refused by who answers.
pub(super) async fn altered(node: &Node, asked: &IncrementalAlterConfigsRequest) -> OfNode {
    let mut outcomes = OfNode::new();
    let resources = asked.resources.iter().filter(|resource| resource.resource_type == BROKER);
    let mut seen = HashSet::new();
    let is_once = resources.clone().all(|resource| seen.insert(&resource.resource_name));
    for resource in resources {
        let outcome =
            if is_once { alter(node, resource, asked.validate_only).await } else { Ok(()) };
        outcomes.insert(resource.resource_name.to_string(), outcome);
    }
    outcomes
}

async fn alter(
    node: &Node,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    if !asked.resource_name.is_empty() {
        check_node(node, &asked.resource_name)?;
    }
    let Some(orders) = node.mirror_orders.get() else {
        return topic_resource(BROKER, &asked.resource_name).map(|_| ());
    };
    let mut names = HashSet::new();
    if !asked.configs.iter().all(|config| names.insert(config.name.as_str())) {
        return Err(Refusal::invalid_request("Error due to duplicate config keys"));
    }
    let changes = asked.configs.iter().map(change).collect::<Result<_, Refusal>>()?;
    Ok(orders.alter_node_configs(changes, validate_only).await?)
}

#[cfg(test)]
mod tests;
