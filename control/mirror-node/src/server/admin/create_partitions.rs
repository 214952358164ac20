//! CreatePartitions (key 37): local topics grow.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::node::Node;
use crate::server::admin::alter_topic;
use crate::server::admin::mentions::mentions;
use crate::server::metadata::broker_id;
use crate::server::refusal::Refusal;

/// Gives each topic its partitions, or only says whether it could get them. Waits for the disk.
pub(super) fn create(node: &Node, asked: &CreatePartitionsRequest) -> CreatePartitionsResponse {
    let counts = mentions(asked.topics.iter().map(|topic| topic.name.as_str()));
    let results = asked.topics.iter().map(|topic| {
        let outcome = if counts[topic.name.as_str()] > 1 {
            Err(Refusal::invalid_request("Duplicate topic name."))
        } else {
            grow(node, topic, asked.validate_only)
        };
        let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
        match outcome {
            Ok(()) => result.with_error_message(None),
            Err(refusal) => {
                result.with_error_code(refusal.code()).with_error_message(refusal.text())
            }
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn grow(node: &Node, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let topic = alter_topic::named(node, &asked.name)?;
    let (topic, writes) = alter_topic::check_stopped(node, topic)?;
    let held = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let invalid = |message| Refusal::new(ResponseError::InvalidPartitions, message);
    if asked.count == held {
        return Err(invalid(format!("Topic already has {held} partition(s).")));
    }
    if asked.count < held {
        return Err(invalid(format!(
            "The topic {} currently has {held} partition(s); {} would not be an increase.",
            topic.name, asked.count
        )));
    }
    check_assignments(node, asked, asked.count - held)?;
    if validate_only {
        return Ok(());
    }
    Ok(writes.topics.grow(topic.id, asked.count)?)
}

fn check_assignments(
    node: &Node,
    asked: &CreatePartitionsTopic,
    added: i32,
) -> Result<(), Refusal> {
    let Some(assignments) = &asked.assignments else { return Ok(()) };
    let wrong = |message| Refusal::new(ResponseError::InvalidReplicaAssignment, message);
    if usize::try_from(added) != Ok(assignments.len()) {
        return Err(wrong(format!(
            "Attempted to add {added} additional partition(s), but {} assignment(s) were \
             specified.",
            assignments.len()
        )));
    }
    let us = broker_id(node);
    if assignments.iter().any(|assignment| assignment.broker_ids[..] != [us]) {
        return Err(wrong(format!("Broker {} is the only one a partition can be on.", us.0)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
