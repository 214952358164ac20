//! IncrementalAlterConfigs (key 44): single settings of a topic, of a mirror, or of this node are
//! changed.

use std::collections::{BTreeMap, HashSet};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use crate::node::Node;
use crate::server::admin::alter_topic::{configure, own_topic, refused, topic_resource};
use crate::server::admin::describe_configs::BROKER;
use crate::server::admin::mentions::mentions;
use crate::server::admin::mirror_configs::{CLUSTER_MIRROR, OfMirrors};
use crate::server::admin::node_configs::OfNode;
use crate::server::refusal::Refusal;
use crate::topic_settings::{self, SettingKind, find, list};

/// Changes the settings of each resource, all that are asked for or none; those of mirrors and of
/// this node were changed already. Waits for the disk.
pub(super) fn alter(
    node: &Node,
    asked: &IncrementalAlterConfigsRequest,
    mirrors: &OfMirrors<()>,
    of_node: &OfNode,
) -> IncrementalAlterConfigsResponse {
    let resources = asked.resources.iter();
    let counts = mentions(resources.map(|named| (named.resource_type, &named.resource_name)));
    let responses = asked.resources.iter().map(|resource| {
        let is_twice = counts[&(resource.resource_type, &resource.resource_name)] > 1;
        let outcome = if is_twice {
            Err(Refusal::invalid_request("Each resource must appear at most once."))
        } else if resource.resource_type == CLUSTER_MIRROR {
            let outcome = mirrors.get(resource.resource_name.as_str()).cloned();
            outcome.expect("every mirror that is named once was taken care of")
        } else if resource.resource_type == BROKER {
            let outcome = of_node.get(resource.resource_name.as_str()).cloned();
            outcome.expect("every broker that is named once was taken care of")
        } else {
            change(node, resource, asked.validate_only)
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
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn change(node: &Node, asked: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
    let name = topic_resource(asked.resource_type, &asked.resource_name)?;
    let (topic, _) = own_topic(node, name)?;
    let mut names = HashSet::new();
    if !asked.configs.iter().all(|config| names.insert(config.name.as_str())) {
        return Err(Refusal::invalid_request("Error due to duplicate config keys"));
    }
    let mut configs = topic.configs.clone();
    for config in &asked.configs {
        change_one(&mut configs, config)?;
    }
    topic_settings::check_together(&configs).map_err(|error| refused(&error))?;
    configure(node, &topic, configs, validate_only)
}

fn change_one(
    configs: &mut BTreeMap<String, String>,
    asked: &AlterableConfig,
) -> Result<(), Refusal> {
    let name = asked.name.as_str();
    if asked.config_operation == DELETE {
        configs.remove(name);
        return Ok(());
    }
    let Some(value) = &asked.value else {
        let name = name.escape_default();
        return Err(Refusal::invalid_request(format!("Null value not supported for : {name}")));
    };
    let value = match asked.config_operation {
        SET => value.to_string(),
        APPEND => with_elements(configs, name, "APPEND", |held| {
            let new = list(value).into_iter().filter(|element| !held.contains(element));
            held.iter().copied().chain(new).collect()
        })?,
        SUBTRACT => with_elements(configs, name, "SUBTRACT", |held| {
            let gone = list(value);
            held.iter().copied().filter(|element| !gone.contains(element)).collect()
        })?,
        other => {
            return Err(Refusal::invalid_request(format!("Unknown operation type {other}.")));
        }
    };
    topic_settings::check_one(name, &value).map_err(|error| refused(&error))?;
    configs.insert(name.to_owned(), value);
    Ok(())
}

/// The elements that a list holds now, or by default, after a change.
fn with_elements<'a>(
    configs: &'a BTreeMap<String, String>,
    name: &str,
    operation: &str,
    change: impl FnOnce(&[&'a str]) -> Vec<&'a str>,
) -> Result<String, Refusal> {
    let setting = find(name).filter(|setting| setting.kind == SettingKind::List);
    let Some(setting) = setting else {
        let name = name.escape_default();
        let message = format!("Can't {operation} to key {name} because its type is not LIST.");
        return Err(Refusal::new(ResponseError::InvalidConfig, message));
    };
    let held = list(configs.get(name).map_or(setting.default, String::as_str));
    Ok(change(&held).join(","))
}

pub(super) const SET: i8 = 0;
pub(super) const DELETE: i8 = 1;
pub(super) const APPEND: i8 = 2;
pub(super) const SUBTRACT: i8 = 3;

#[cfg(test)]
mod tests;
