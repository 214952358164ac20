//! Metadata (key 3) and DescribeCluster (key 60): topics, and this node as their only broker.

use std::collections::HashSet;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, MetadataRequest, MetadataResponse,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::partition::TopicId;
use uuid::Uuid;

use crate::catalog::{Partition, Topic};
use crate::node::Node;

/// Answers Metadata. Topics are never created on asking (`auto.create.topics.enable` is off).
pub(super) fn metadata(node: &Node, asked: &MetadataRequest, version: i16) -> MetadataResponse {
    let authorized = asked.include_topic_authorized_operations;
    // In version 0 an empty list means all topics.
    let all = asked.topics.as_ref().is_none_or(|topics| version == 0 && topics.is_empty());
    let topics = if all {
        let known = node.catalog.topics();
        known.iter().map(|topic| described(node, topic, authorized)).collect()
    } else {
        // Each once, as a stock broker does: without this a small request could ask for an answer
        // of any size.
        let mut seen = HashSet::new();
        let named = asked.topics.iter().flatten();
        let once = named.filter(|topic| seen.insert((topic.name.as_ref(), topic.topic_id)));
        once.map(|topic| found(node, topic, authorized, version)).collect()
    };
    let identity = &node.identity;
    let broker = MetadataResponseBroker::default()
        .with_node_id(broker_id(node))
        .with_host(StrBytes::from_string(identity.host.clone()))
        .with_port(i32::from(identity.port));
    let response = MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_string(identity.cluster_id.clone())))
        .with_controller_id(broker_id(node))
        .with_topics(topics);
    if asked.include_cluster_authorized_operations {
        return response.with_cluster_authorized_operations(CLUSTER_OPERATIONS);
    }
    response
}

fn found(
    node: &Node,
    asked: &MetadataRequestTopic,
    authorized: bool,
    version: i16,
) -> MetadataResponseTopic {
    let topic = match &asked.name {
        Some(name) => node.catalog.topic_named(name),
        None => {
            TopicId::from_wire(asked.topic_id.into_bytes()).and_then(|id| node.catalog.topic_of(id))
        }
    };
    if let Some(topic) = topic {
        return described(node, &topic, authorized);
    }
    let error = match &asked.name {
        None => ResponseError::UnknownTopicId,
        Some(name) if kafka_wire::partition::TopicName::parse(name).is_none() => {
            ResponseError::InvalidTopicException
        }
        Some(_) => ResponseError::UnknownTopicOrPartition,
    };
    // Clients read no missing name in versions that ask by id but cannot answer so.
    let nameless = (version < NAME_NULLABLE).then(TopicName::default);
    MetadataResponseTopic::default()
        .with_error_code(error.code())
        .with_name(asked.name.clone().or(nameless))
        .with_topic_id(asked.topic_id)
}

fn described(node: &Node, topic: &Topic, authorized: bool) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| placed(node, partition));
    let response = MetadataResponseTopic::default()
        .with_name(Some(topic_name(topic)))
        .with_topic_id(topic_uuid(topic))
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions.collect());
    if authorized {
        return response.with_topic_authorized_operations(TOPIC_OPERATIONS);
    }
    response
}

fn placed(node: &Node, partition: &Partition) -> MetadataResponsePartition {
    let us = broker_id(node);
    let response = MetadataResponsePartition::default()
        .with_partition_index(partition.name.partition.get())
        .with_leader_id(us)
        .with_replica_nodes(vec![us])
        .with_isr_nodes(vec![us]);
    match partition.view.state() {
        Some(state) => response.with_leader_epoch(state.leader_epoch.get()),
        None => response
            .with_leader_id(BrokerId(NO_BROKER))
            .with_error_code(ResponseError::LeaderNotAvailable.code()),
    }
}

/// Answers DescribeCluster.
pub(super) fn describe_cluster(
    node: &Node,
    asked: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let identity = &node.identity;
    if asked.endpoint_type != BROKERS {
        let (error, text) = if asked.endpoint_type == CONTROLLERS {
            (ResponseError::MismatchedEndpointType, "this is a listener of brokers")
        } else {
            (ResponseError::UnsupportedEndpointType, "endpoint types are 1, brokers, and 2")
        };
        return DescribeClusterResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(text)));
    }
    let broker = DescribeClusterBroker::default()
        .with_broker_id(broker_id(node))
        .with_host(StrBytes::from_string(identity.host.clone()))
        .with_port(i32::from(identity.port));
    let response = DescribeClusterResponse::default()
        .with_endpoint_type(BROKERS)
        .with_cluster_id(StrBytes::from_string(identity.cluster_id.clone()))
        .with_controller_id(broker_id(node))
        .with_brokers(vec![broker]);
    if asked.include_cluster_authorized_operations {
        return response.with_cluster_authorized_operations(CLUSTER_OPERATIONS);
    }
    response
}

/// This node, as messages name it.
pub(super) fn broker_id(node: &Node) -> BrokerId {
    BrokerId(node.identity.node_id.get())
}

/// A topic's name, as messages carry it.
pub(super) fn topic_name(topic: &Topic) -> TopicName {
    TopicName(StrBytes::from_string(topic.name.to_string()))
}

/// A topic's id, as messages carry it.
pub(super) fn topic_uuid(topic: &Topic) -> Uuid {
    Uuid::from_bytes(topic.id.bytes())
}

/// Without an authorizer everybody may do everything. One bit for each `AclOperation` that a
/// topic supports: read, write, create, delete, alter, describe and both of configs.
pub(super) const TOPIC_OPERATIONS: i32 = bits(&[3, 4, 5, 6, 7, 8, 10, 11]);
/// The same for a cluster: create, alter, describe, cluster action, both of configs, idempotent
/// write.
const CLUSTER_OPERATIONS: i32 = bits(&[5, 7, 8, 9, 10, 11, 12]);

const fn bits(operations: &[i32]) -> i32 {
    let (mut sum, mut at) = (0, 0);
    while at < operations.len() {
        sum |= 1 << operations[at];
        at += 1;
    }
    sum
}

/// First version of Metadata whose topics may lack a name.
const NAME_NULLABLE: i16 = 12;
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
const NO_BROKER: i32 = -1;
