//! Settings of this node that concern mirrors (resource BROKER, names `mirror.*` of KIP-1279): the
//! control loop keeps them. All others are in the node's file and change when it starts.

use std::collections::{BTreeMap, HashSet};

use kafka_protocol::messages::alter_configs_request::AlterConfigsResource as ReplacedResource;
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
};
use mirror_coordinator::mirror_node_config::{NodeConfigs, NodeScope};

use super::alter_topic::topic_resource;
use super::describe_configs::BROKER;
use super::mentions::mentions;
use super::mirror_configs::change;
use crate::mirror_orders::{
    MirrorSettingChange, NodeSettingsOrder, OrderRefusal, SettingOperation, SettingsKept,
};
use crate::node::Node;
use crate::server::refusal::Refusal;

/// What became of each resource BROKER that a request names, by its name.
pub(super) type OfNode = BTreeMap<String, Result<(), Refusal>>;

/// The settings that were made, when a request asks for any of the node; `None` when it does not,
/// or nobody takes care of mirrors here.
pub(super) async fn described(
    node: &Node,
    asked: &DescribeConfigsRequest,
) -> Option<Result<NodeConfigs, Refusal>> {
    let orders = node.mirror_orders.get()?;
    let is_asked = asked.resources.iter().any(|resource| resource.resource_type == BROKER);
    if !is_asked {
        return None;
    }
    Some(orders.describe_node_configs().await.map_err(Refusal::from))
}

/// Changes single settings, for each resource all that are asked for or none.
pub(super) async fn altered(node: &Node, asked: &IncrementalAlterConfigsRequest) -> OfNode {
    let resources = asked.resources.iter();
    let counts = mentions(resources.map(|named| (named.resource_type, &named.resource_name)));
    let mut outcomes = OfNode::new();
    for resource in asked.resources.iter().filter(|named| named.resource_type == BROKER) {
        if counts[&(BROKER, &resource.resource_name)] == 1 {
            let changes = changes(resource);
            let name = &resource.resource_name;
            let kept = SettingsKept::Others;
            let outcome = alter(node, name, changes, kept, asked.validate_only).await;
            outcomes.insert(name.to_string(), outcome);
        }
    }
    outcomes
}

/// Replaces all settings that were made, as old clients do.
pub(super) async fn replaced(node: &Node, asked: &AlterConfigsRequest) -> OfNode {
    let resources = asked.resources.iter();
    let counts = mentions(resources.map(|named| (named.resource_type, &named.resource_name)));
    let mut outcomes = OfNode::new();
    for resource in asked.resources.iter().filter(|named| named.resource_type == BROKER) {
        if counts[&(BROKER, &resource.resource_name)] == 1 {
            let settings = settings(resource);
            let name = &resource.resource_name;
            let outcome =
                alter(node, name, settings, SettingsKept::None, asked.validate_only).await;
            outcomes.insert(name.to_string(), outcome);
        }
    }
    outcomes
}

async fn alter(
    node: &Node,
    name: &str,
    changes: Result<Vec<MirrorSettingChange>, Refusal>,
    kept: SettingsKept,
    validate_only: bool,
) -> Result<(), Refusal> {
    let changes = changes?;
    let scope = scope(node, name)?;
    let orders = node.mirror_orders.get().ok_or_else(OrderRefusal::no_mirrors)?;
    let order = NodeSettingsOrder { scope, changes, kept, validate_only };
    Ok(orders.alter_node_configs(order).await?)
}

fn scope(node: &Node, name: &str) -> Result<NodeScope, Refusal> {
    let us = node.identity.node_id.get();
    match name {
        "" => Ok(NodeScope::All),
        name if name == us.to_string() => Ok(NodeScope::This),
        other => {
            let other = other.escape_default();
            Err(Refusal::invalid_request(format!("This is broker {us}, not '{other}'.")))
        }
    }
}

fn changes(asked: &AlterConfigsResource) -> Result<Vec<MirrorSettingChange>, Refusal> {
    check_names(&asked.resource_name, asked.configs.iter().map(|config| config.name.as_str()))?;
    asked.configs.iter().map(change).collect()
}

fn settings(asked: &ReplacedResource) -> Result<Vec<MirrorSettingChange>, Refusal> {
    check_names(&asked.resource_name, asked.configs.iter().map(|config| config.name.as_str()))?;
    let setting = |name: String, value: Option<String>| {
        let shown = name.escape_default();
        let null = || Refusal::invalid_request(format!("Null value not supported for : {shown}"));
        let operation = SettingOperation::Set(value.ok_or_else(null)?);
        Ok(MirrorSettingChange { name, operation })
    };
    let configs = asked.configs.iter();
    configs
        .map(|config| {
            setting(config.name.to_string(), config.value.as_ref().map(|v| v.to_string()))
        })
        .collect()
}

/// Refuses what is not named here.
fn check_names<'a>(
    resource: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Refusal> {
    if !names.clone().all(|name| name.starts_with("mirror.")) {
        topic_resource(BROKER, resource)?;
    }
    let mut seen = HashSet::new();
    if names.into_iter().all(|name| seen.insert(name)) {
        Ok(())
    } else {
        Err(Refusal::invalid_request("Error due to duplicate config keys"))
    }
}

#[cfg(test)]
mod tests;
