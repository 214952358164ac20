//! ListPartitionReassignments (key 46) and AlterPartitionReassignments (45): partitions stay here.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsResponse,
};

use crate::node::Node;
use crate::server::metadata::broker_id;
use crate::server::refusal::Refusal;

/// None is under way; partitions that do not exist have none either.
pub(super) fn list() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}

/// Takes only assignments to this node alone, which change nothing.
pub(super) fn alter(
    node: &Node,
    asked: &AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let responses = asked.topics.iter().map(|asked| {
        let topic = node.catalog.topic_named(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let known = topic.as_ref().is_some_and(|topic| topic.partition(index).is_some());
            let response = ReassignablePartitionResponse::default().with_partition_index(index);
            match refusal(node, known, partition) {
                None => response.with_error_message(None),
                Some(refusal) => {
                    response.with_error_code(refusal.code()).with_error_message(refusal.text())
                }
            }
        });
        ReassignableTopicResponse::default()
            .with_name(asked.name.clone())
            .with_partitions(partitions.collect())
    });
    AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(asked.allow_replication_factor_change)
        .with_error_message(None)
        .with_responses(responses.collect())
}

fn refusal(node: &Node, known: bool, asked: &ReassignablePartition) -> Option<Refusal> {
    let us = broker_id(node);
    let (error, message) = match &asked.replicas {
        _ if !known => {
            (ResponseError::UnknownTopicOrPartition, "There is no such partition.".to_owned())
        }
        None => (
            ResponseError::NoReassignmentInProgress,
            "No partition reassignment is in progress.".to_owned(),
        ),
        Some(replicas) if *replicas == [us] => return None,
        Some(_) => (
            ResponseError::InvalidReplicaAssignment,
            format!("Node {} is the only broker: a partition has one replica, there.", us.0),
        ),
    };
    Some(Refusal::new(error, message))
}
