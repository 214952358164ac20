//! Settings of mirrors (resource type 64 of KIP-1279): the control loop knows them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::incremental_alter_configs::{APPEND, DELETE, SET, SUBTRACT};
use crate::mirror_orders::{MirrorSetting, MirrorSettingChange, OrderRefusal, SettingOperation};
use crate::node::Node;
use crate::server::limits::CONFIGURED_MIRRORS_MAX;
use crate::server::refusal::Refusal;

/// What became of each mirror that a request names, by name.
pub(super) type OfMirrors<T> = BTreeMap<String, Result<T, Refusal>>;

/// The settings of the mirrors that a request asks for.
pub(super) async fn described(
    node: &Node,
    asked: &DescribeConfigsRequest,
) -> OfMirrors<Vec<MirrorSetting>> {
    let names: BTreeSet<&str> = asked
        .resources
        .iter()
        .filter(|resource| resource.resource_type == CLUSTER_MIRROR)
        .map(|resource| resource.resource_name.as_str())
        .collect();
    let mut found = BTreeMap::new();
    for (count, name) in names.into_iter().enumerate() {
        let settings = if count < CONFIGURED_MIRRORS_MAX {
            describe(node, name).await
        } else {
            Err(too_many())
        };
        found.insert(name.to_owned(), settings);
    }
    found
}

async fn describe(node: &Node, name: &str) -> Result<Vec<MirrorSetting>, Refusal> {
    let orders = node.mirror_orders.get().ok_or_else(OrderRefusal::no_mirrors)?;
    Ok(orders.describe_configs(name.to_owned()).await?)
}

/// Changes the settings of the mirrors that a request names, one mirror after the other; one that
/// is named twice is left out here, and refused by who answers.
pub(super) async fn altered(node: &Node, asked: &IncrementalAlterConfigsRequest) -> OfMirrors<()> {
    let mut outcomes: OfMirrors<()> = BTreeMap::new();
    let resources =
        asked.resources.iter().filter(|resource| resource.resource_type == CLUSTER_MIRROR);
    let mut seen = HashSet::new();
    let twice: HashSet<&str> = resources
        .clone()
        .map(|resource| resource.resource_name.as_str())
        .filter(|name| !seen.insert(*name))
        .collect();
    for resource in resources.filter(|resource| !twice.contains(resource.resource_name.as_str())) {
        let outcome = if outcomes.len() < CONFIGURED_MIRRORS_MAX {
            alter(node, resource, asked.validate_only).await
        } else {
            Err(too_many())
        };
        outcomes.insert(resource.resource_name.to_string(), outcome);
    }
    outcomes
}

async fn alter(
    node: &Node,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let orders = node.mirror_orders.get().ok_or_else(OrderRefusal::no_mirrors)?;
    let mut names = HashSet::new();
    if !asked.configs.iter().all(|config| names.insert(config.name.as_str())) {
        return Err(Refusal::invalid_request("Error due to duplicate config keys"));
    }
    let changes = asked.configs.iter().map(change).collect::<Result<_, Refusal>>()?;
    Ok(orders.alter_configs(asked.resource_name.to_string(), changes, validate_only).await?)
}

/// A change of a setting that a client asks for.
pub(super) fn change(asked: &AlterableConfig) -> Result<MirrorSettingChange, Refusal> {
    let name = asked.name.to_string();
    let value = || {
        let shown = name.escape_default();
        let null = || Refusal::invalid_request(format!("Null value not supported for : {shown}"));
        asked.value.as_ref().map(ToString::to_string).ok_or_else(null)
    };
    let operation = match asked.config_operation {
        SET => SettingOperation::Set(value()?),
        DELETE => SettingOperation::Delete,
        APPEND => SettingOperation::Append(value()?),
        SUBTRACT => SettingOperation::Subtract(value()?),
        other => {
            return Err(Refusal::invalid_request(format!("Unknown operation type {other}.")));
        }
    };
    Ok(MirrorSettingChange { name, operation })
}

/// The names of all mirrors; none where there is nobody to take care of any.
pub(super) async fn listed(node: &Node) -> Result<Vec<String>, Refusal> {
    match node.mirror_orders.get() {
        Some(orders) => Ok(orders.list_mirrors().await?),
        None => Ok(Vec::new()),
    }
}

fn too_many() -> Refusal {
    let message = format!("At most {CONFIGURED_MIRRORS_MAX} mirrors in one request.");
    Refusal::new(ResponseError::InvalidRequest, message)
}

/// Number of mirrors among the types of resources.
pub(in crate::server) const CLUSTER_MIRROR: i8 = 64;

#[cfg(test)]
mod tests;
