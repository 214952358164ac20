//! CreateTopics (key 19): local topics.

use std::collections::{BTreeMap, HashSet};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::partition::TopicName;
use uuid::Uuid;

use crate::groups::OFFSETS_TOPIC;
use crate::local_topics::PARTITIONS_MAX;
use crate::mirror_state_journal::MIRROR_STATE_TOPIC;
use crate::node::Node;
use crate::server::admin::alter_topic;
use crate::server::admin::describe_configs::topic_entries;
use crate::server::admin::mentions::mentions;
use crate::server::metadata::{broker_id, topic_uuid};
use crate::server::refusal::Refusal;
use crate::share_groups::SHARE_STATE_TOPIC;
use crate::topic_settings;

/// Makes each topic, or only says whether it could be made. Waits for the disk.
pub(super) fn create(node: &Node, asked: &CreateTopicsRequest) -> CreateTopicsResponse {
    let counts = mentions(asked.topics.iter().map(|topic| topic.name.as_str()));
    let mut answered = HashSet::new();
    let once = asked.topics.iter().filter(|topic| answered.insert(topic.name.as_str()));
    let results = once.map(|topic| {
        let made = if counts[topic.name.as_str()] > 1 {
            Err(Refusal::invalid_request("Duplicate topic name."))
        } else if counts.len() > node.limits.created_topics_max {
            Err(too_many(node, counts.len()))
        } else {
            planned(node, topic).and_then(|plan| {
                let id = if asked.validate_only { Uuid::nil() } else { carry_out(node, &plan)? };
                Ok((id, plan))
            })
        };
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        match made {
            Ok((id, plan)) => described(result.with_topic_id(id), &plan),
            Err(refusal) => result
                .with_error_code(refusal.code())
                .with_error_message(refusal.text())
                .with_configs(None),
        }
    });
    CreateTopicsResponse::default().with_topics(results.collect())
}

/// The settings of a topic are told to whoever makes it, hundreds of bytes for a name.
fn too_many(node: &Node, asked: usize) -> Refusal {
    let message =
        format!("{asked} topics in one request, at most {}.", node.limits.created_topics_max);
    Refusal::new(ResponseError::PolicyViolation, message)
}

/// A topic that may be made.
struct Plan {
    name: TopicName,
    partition_count: i32,
    configs: BTreeMap<String, String>,
}

fn planned(node: &Node, asked: &CreatableTopic) -> Result<Plan, Refusal> {
    let name = TopicName::parse(&asked.name).ok_or_else(|| Refusal::topic_name(&asked.name))?;
    if name.as_str() == METADATA_TOPIC {
        let message = format!("Creation of internal topic {name} is prohibited.");
        return Err(Refusal::invalid_request(message));
    }
    check_name(node, &name)?;
    // Made with other settings than its own it would forget what groups committed, or where
    // mirrors stand.
    let needed_by = [
        (OFFSETS_TOPIC, "group"),
        (MIRROR_STATE_TOPIC, "mirror"),
        (SHARE_STATE_TOPIC, "share group"),
    ];
    if let Some((_, what)) = needed_by.iter().find(|(own, _)| name.as_str() == *own) {
        let message =
            format!("Topic '{name}' is made by this node when the first {what} needs it.");
        return Err(Refusal::invalid_request(message));
    }
    let configs = configs(asked)?;
    let partition_count = partition_count(node, asked)?;
    if usize::try_from(partition_count).map_or(true, |count| count > PARTITIONS_MAX) {
        let message = format!("{partition_count} partitions, at most {PARTITIONS_MAX} are made.");
        return Err(Refusal::new(ResponseError::PolicyViolation, message));
    }
    Ok(Plan { name, partition_count, configs })
}

/// Names that differ only in `.` and `_` would share their metrics' names.
fn check_name(node: &Node, name: &TopicName) -> Result<(), Refusal> {
    let same = |text: &str| text.replace('.', "_");
    let wanted = same(name.as_str());
    for topic in node.catalog.topics() {
        if topic.name == *name {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ResponseError::TopicAlreadyExists, message));
        }
        if same(topic.name.as_str()) == wanted {
            let message = format!("Topic '{name}' collides with existing topic: {}", topic.name);
            return Err(Refusal::new(ResponseError::InvalidTopicException, message));
        }
    }
    Ok(())
}

fn configs(asked: &CreatableTopic) -> Result<BTreeMap<String, String>, Refusal> {
    let mut configs = BTreeMap::new();
    for config in &asked.configs {
        let Some(value) = &config.value else {
            let message = format!(
                "Null value not supported for topic configs: {}",
                config.name.escape_default()
            );
            return Err(Refusal::new(ResponseError::InvalidConfig, message));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    topic_settings::check(&configs).map_err(|error| alter_topic::refused(&error))?;
    Ok(configs)
}

fn partition_count(node: &Node, asked: &CreatableTopic) -> Result<i32, Refusal> {
    if !asked.assignments.is_empty() {
        return assigned(node, asked);
    }
    match asked.replication_factor {
        BY_DEFAULT_FACTOR | 1 => {}
        ..=0 => {
            let message =
                "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(Refusal::new(ResponseError::InvalidReplicationFactor, message));
        }
        factor => {
            let message = format!(
                "Unable to replicate the partition {factor} time(s): this node is the only broker."
            );
            return Err(Refusal::new(ResponseError::InvalidReplicationFactor, message));
        }
    }
    match asked.num_partitions {
        BY_DEFAULT => Ok(1),
        ..=0 => {
            let message = "Number of partitions was set to an invalid non-positive value.";
            Err(Refusal::new(ResponseError::InvalidPartitions, message))
        }
        count => Ok(count),
    }
}

/// How many partitions are assigned to brokers by hand: all of them to this one.
fn assigned(node: &Node, asked: &CreatableTopic) -> Result<i32, Refusal> {
    if asked.replication_factor != BY_DEFAULT_FACTOR || asked.num_partitions != BY_DEFAULT {
        let message = "With a manual assignment, replication factor and partitions have to be -1.";
        return Err(Refusal::invalid_request(message));
    }
    let wrong = |message: String| Refusal::new(ResponseError::InvalidReplicaAssignment, message);
    let mut indexes = HashSet::new();
    for CreatableReplicaAssignment { partition_index, broker_ids, .. } in &asked.assignments {
        if !indexes.insert(*partition_index) {
            return Err(wrong(format!("Partition {partition_index} is assigned more than once.")));
        }
        let us = broker_id(node);
        if broker_ids[..] != [us] {
            return Err(wrong(format!(
                "Partition {partition_index} is not assigned to broker {} alone, the only one.",
                us.0
            )));
        }
    }
    let count = i32::try_from(indexes.len()).unwrap_or(i32::MAX);
    if (0..count).all(|index| indexes.contains(&index)) {
        Ok(count)
    } else {
        Err(wrong("partitions should be a consecutive 0-based integer sequence".to_owned()))
    }
}

fn carry_out(node: &Node, plan: &Plan) -> Result<Uuid, Refusal> {
    let Some(writes) = &node.writes else { return Err(Refusal::read_only()) };
    let topic = writes.topics.create(&plan.name, plan.partition_count, plan.configs.clone())?;
    Ok(topic_uuid(&topic))
}

fn described(result: CreatableTopicResult, plan: &Plan) -> CreatableTopicResult {
    let configs = topic_entries::entries(&plan.configs).into_iter().map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_string(entry.name))
            .with_value(entry.value.map(StrBytes::from_string))
            .with_read_only(entry.is_read_only)
            .with_config_source(entry.source as i8)
            .with_is_sensitive(entry.is_sensitive)
    });
    result
        .with_error_message(None)
        .with_num_partitions(plan.partition_count)
        .with_replication_factor(1)
        .with_configs(Some(configs.collect()))
}

const METADATA_TOPIC: &str = "__cluster_metadata";
const BY_DEFAULT: i32 = -1;
const BY_DEFAULT_FACTOR: i16 = -1;

#[cfg(test)]
mod tests;
