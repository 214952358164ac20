//! DescribeConfigs (key 32): settings of topics, of this node, of groups, of mirrors.

use std::collections::{BTreeSet, HashSet};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::partition::TopicName;
use mirror_coordinator::mirror_node_config::NodeConfigs;

use crate::mirror_orders::MirrorSetting;
use crate::node::Node;
use crate::server::admin::mirror_configs::{CLUSTER_MIRROR, OfMirrors};
use crate::server::refusal::Refusal;

mod group_settings;
mod mirror_settings;
mod node_mirror_settings;
mod node_settings;
pub(super) mod topic_entries;

/// Answers with the settings of each resource asked for; those of mirrors, and
/// of this node that concern mirrors, were looked up already.
pub(super) fn describe(
    node: &Node,
    asked: &DescribeConfigsRequest,
    mirrors: &OfMirrors<Vec<MirrorSetting>>,
    of_node: Option<&Result<NodeConfigs, Refusal>>,
) -> DescribeConfigsResponse {
    let wish =
        Wish { synonyms: asked.include_synonyms, documentation: asked.include_documentation };
    let mut seen = HashSet::new();
    let results = asked.resources.iter().map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        // Without this a small request could ask for an answer of any size.
        let found = if seen.insert((resource.resource_type, resource.resource_name.clone())) {
            entries(node, resource, mirrors, of_node)
        } else {
            Err(Refusal::invalid_request("The resource is in the request more than once."))
        };
        match found {
            Ok(entries) => result.with_configs(shown(resource, entries, wish)),
            Err(refusal) => {
                result.with_error_code(refusal.code()).with_error_message(refusal.text())
            }
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

/// A setting and what holds, before it is known what of it the client wants.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// `None` when nothing is set, or it is not to be shown.
    pub(super) value: Option<String>,
    pub(super) source: Source,
    /// Number of the setting's kind (`DescribeConfigsResponse.ConfigType`).
    kind: i8,
    pub(super) is_read_only: bool,
    pub(super) is_sensitive: bool,
    synonyms: Vec<Synonym>,
    documentation: Option<&'static str>,
}

/// A setting by the name of one that it was taken from.
#[derive(Clone, Debug)]
struct Synonym {
    name: String,
    value: Option<String>,
    source: Source,
}

/// Where a value is from, as the protocol numbers it (`ConfigSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Topic = 1,
    /// Of one broker, made while it runs.
    DynamicBroker = 2,
    /// Of every broker, made while they run.
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    /// Of KIP-1279: the number after Kafka's last.
    Mirror = 9,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    synonyms: bool,
    documentation: bool,
}

fn entries(
    node: &Node,
    asked: &DescribeConfigsResource,
    mirrors: &OfMirrors<Vec<MirrorSetting>>,
    of_node: Option<&Result<NodeConfigs, Refusal>>,
) -> Result<Vec<Entry>, Refusal> {
    let name = asked.resource_name.as_str();
    match asked.resource_type {
        TOPIC => {
            let known = TopicName::parse(name).ok_or_else(|| Refusal::topic_name(name))?;
            let unknown = || Refusal::new(ResponseError::UnknownTopicOrPartition, String::new());
            let topic = node.catalog.topic(&known).ok_or_else(unknown)?;
            Ok(topic_entries::entries(&topic.configs))
        }
        // Those only that were made for all brokers, while they run.
        BROKER if name.is_empty() => {
            let made = of_node.cloned().transpose()?;
            Ok(made.as_ref().map_or_else(Vec::new, node_mirror_settings::made_for_all))
        }
        BROKER => {
            check_node(node, name)?;
            let made = of_node.cloned().transpose()?;
            let of_mirrors = made.as_ref().map_or_else(Vec::new, node_mirror_settings::entries);
            let mut entries = node_settings::entries(node);
            entries.extend(of_mirrors);
            entries.sort_by(|one, next| one.name.cmp(&next.name));
            Ok(entries)
        }
        BROKER_LOGGER => {
            check_node(node, name)?;
            Ok(Vec::new())
        }
        CLIENT_METRICS | GROUP if name.is_empty() => {
            Err(Refusal::invalid_request("The name of the resource must not be empty."))
        }
        CLIENT_METRICS => Ok(Vec::new()),
        GROUP => Ok(group_settings::entries(node)),
        CLUSTER_MIRROR => {
            let found = mirrors.get(name).expect("every mirror that is named was looked up");
            let settings = found.as_ref().map_err(Clone::clone)?;
            Ok(settings.iter().map(mirror_settings::entry).collect())
        }
        other => Err(Refusal::invalid_request(format!("Unsupported resource type {other}."))),
    }
}

fn check_node(node: &Node, name: &str) -> Result<(), Refusal> {
    let us = node.identity.node_id.get();
    match name.parse::<i32>() {
        Ok(id) if id == us => Ok(()),
        Ok(id) => Err(Refusal::invalid_request(format!("This is broker {us}, not {id}."))),
        Err(_) => {
            let name = name.escape_default();
            Err(Refusal::invalid_request(format!("Broker id must be an integer, not '{name}'.")))
        }
    }
}

/// The entries as messages carry them, those only that were asked for.
fn shown(
    asked: &DescribeConfigsResource,
    entries: Vec<Entry>,
    wish: Wish,
) -> Vec<DescribeConfigsResourceResult> {
    let names: BTreeSet<&str> =
        asked.configuration_keys.iter().flatten().map(|name| name.as_str()).collect();
    let wanted = |entry: &Entry| names.is_empty() || names.contains(entry.name.as_str());
    entries.into_iter().filter(wanted).map(|entry| entry.shown(wish)).collect()
}

impl Entry {
    fn shown(self, wish: Wish) -> DescribeConfigsResourceResult {
        let synonyms = if wish.synonyms { self.synonyms } else { Vec::new() };
        let synonyms = synonyms.into_iter().map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(StrBytes::from_string(synonym.name))
                .with_value(synonym.value.map(StrBytes::from_string))
                .with_source(synonym.source as i8)
        });
        let documentation = self.documentation.filter(|_| wish.documentation);
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_string(self.name))
            .with_value(self.value.map(StrBytes::from_string))
            .with_read_only(self.is_read_only)
            .with_config_source(self.source as i8)
            .with_is_sensitive(self.is_sensitive)
            .with_synonyms(synonyms.collect())
            .with_config_type(self.kind)
            .with_documentation(documentation.map(StrBytes::from_static_str))
    }
}

pub(in crate::server) const TOPIC: i8 = 2;
pub(in crate::server) const BROKER: i8 = 4;
pub(in crate::server) const BROKER_LOGGER: i8 = 8;
pub(in crate::server) const CLIENT_METRICS: i8 = 16;
pub(in crate::server) const GROUP: i8 = 32;

#[cfg(test)]
mod tests;
