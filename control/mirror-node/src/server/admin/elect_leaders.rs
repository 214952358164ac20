//! ElectLeaders (key 43): every partition has one replica, which leads.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use kafka_protocol::protocol::StrBytes;

use crate::node::Node;

/// Nothing is to be elected. When all partitions are meant only those with another outcome are
/// answered, as a stock broker does: none.
pub(super) fn elect(node: &Node, asked: &ElectLeadersRequest) -> ElectLeadersResponse {
    let results = asked.topic_partitions.iter().flatten().map(|asked| {
        let topic = node.catalog.topic_named(&asked.topic);
        let partitions = asked.partitions.iter().map(|index| {
            let known = topic.as_ref().is_some_and(|topic| topic.partition(*index).is_some());
            let (error, text) = if known {
                (ResponseError::ElectionNotNeeded, "The only replica leads already.")
            } else {
                (ResponseError::UnknownTopicOrPartition, "There is no such partition.")
            };
            PartitionResult::default()
                .with_partition_id(*index)
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_static_str(text)))
        });
        ReplicaElectionResult::default()
            .with_topic(asked.topic.clone())
            .with_partition_result(partitions.collect())
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}
