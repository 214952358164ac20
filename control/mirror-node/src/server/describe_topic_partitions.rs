//! DescribeTopicPartitions (key 75): metadata of topics, page by page (KIP-966).

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::catalog::{Partition, Topic};
use crate::node::Node;
use crate::server::metadata::{TOPIC_OPERATIONS, broker_id, topic_name, topic_uuid};

/// Answers with the topics asked for in the order of their names, all of them when none is named,
/// from the cursor on, as many partitions as fit.
pub(super) fn describe(
    node: &Node,
    asked: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let cursor = asked.cursor.as_ref().map(|at| (at.topic_name.to_string(), at.partition_index));
    let limit = asked.response_partition_limit.clamp(1, node.limits.described_partitions_max);
    let mut room = usize::try_from(limit).unwrap_or(1);
    let mut response = DescribeTopicPartitionsResponse::default();
    for (name, topic) in wanted(node, asked) {
        let first = match &cursor {
            Some((at, _)) if name < *at => continue,
            Some((at, index)) if name == *at => usize::try_from(*index).unwrap_or(0),
            _ => 0,
        };
        let Some(topic) = topic else {
            response.topics.push(unknown(name));
            continue;
        };
        if room == 0 {
            response.next_cursor = Some(next_cursor(&topic, first));
            break;
        }
        let left = topic.partitions.get(first..).unwrap_or_default();
        let taken = &left[..left.len().min(room)];
        room -= taken.len();
        response.topics.push(described(node, &topic, taken));
        if taken.len() < left.len() {
            response.next_cursor = Some(next_cursor(&topic, first + taken.len()));
            break;
        }
    }
    response
}

/// The topics to describe by name, `None` for those that are not there.
fn wanted(
    node: &Node,
    asked: &DescribeTopicPartitionsRequest,
) -> Vec<(String, Option<Arc<Topic>>)> {
    if asked.topics.is_empty() {
        let all = node.catalog.topics();
        return all.into_iter().map(|topic| (topic.name.to_string(), Some(topic))).collect();
    }
    let names: BTreeSet<&str> = asked.topics.iter().map(|topic| topic.name.as_str()).collect();
    names.into_iter().map(|name| (name.to_owned(), node.catalog.topic_named(name))).collect()
}

fn unknown(name: String) -> DescribeTopicPartitionsResponseTopic {
    let error = match kafka_wire::partition::TopicName::parse(&name) {
        None => ResponseError::InvalidTopicException,
        Some(_) => ResponseError::UnknownTopicOrPartition,
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(TopicName(StrBytes::from_string(name))))
}

fn described(
    node: &Node,
    topic: &Topic,
    partitions: &[Arc<Partition>],
) -> DescribeTopicPartitionsResponseTopic {
    let partitions = partitions.iter().map(|partition| placed(node, partition));
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(topic)))
        .with_topic_id(topic_uuid(topic))
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(TOPIC_OPERATIONS)
}

fn placed(node: &Node, partition: &Partition) -> DescribeTopicPartitionsResponsePartition {
    let us = broker_id(node);
    let response = DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(partition.name.partition.get())
        .with_leader_id(us)
        .with_replica_nodes(vec![us])
        .with_isr_nodes(vec![us])
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()));
    match partition.view.state() {
        Some(state) => response.with_leader_epoch(state.leader_epoch.get()),
        None => response
            .with_leader_id(BrokerId(-1))
            .with_error_code(ResponseError::LeaderNotAvailable.code()),
    }
}

fn next_cursor(topic: &Topic, partition: usize) -> Cursor {
    Cursor::default()
        .with_topic_name(topic_name(topic))
        .with_partition_index(i32::try_from(partition).unwrap_or(i32::MAX))
}
