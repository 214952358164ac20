//! AddPartitionsToTxn (key 24), AddOffsetsToTxn (25), EndTxn (26), TxnOffsetCommit (28): refused,
//! as is everything else that carries a transactional id.
//!
//! The code is [`REFUSED`] everywhere. It is the one that ends a transactional producer at once:
//! the Java client raises `TransactionalIdAuthorizationException` from `initTransactions`,
//! librdkafka a fatal error that has our sentence in it, franz-go hands it to the caller. With
//! INVALID_REQUEST or COORDINATOR_NOT_AVAILABLE as the answer to FindCoordinator librdkafka asks
//! again until its timeout; without the API a client tells about a version instead.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnResponse,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

/// What every request with a transactional id is answered with.
pub(in crate::server) const REFUSED: ResponseError =
    ResponseError::TransactionalIdAuthorizationFailed;

/// The same for people, in answers that have room for a sentence.
pub(in crate::server) const REFUSED_TEXT: &str =
    "this node takes no transactions: produce without a transactional id";

/// Refuses each partition.
pub(super) fn add_partitions(asked: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    let refused = |topic: AddPartitionsToTxnTopic| {
        let partitions = topic.partitions.iter().map(|index| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(REFUSED.code())
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name)
            .with_results_by_partition(partitions.collect())
    };
    let topics = asked.v3_and_below_topics.into_iter().map(refused);
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
}

/// Refuses.
pub(super) fn add_offsets() -> AddOffsetsToTxnResponse {
    AddOffsetsToTxnResponse::default().with_error_code(REFUSED.code())
}

/// Refuses.
pub(super) fn end() -> EndTxnResponse {
    EndTxnResponse::default().with_error_code(REFUSED.code())
}

/// Refuses each partition.
pub(super) fn commit_offsets(asked: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let refused = |topic: TxnOffsetCommitRequestTopic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(REFUSED.code())
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(partitions.collect())
    };
    let topics = asked.topics.into_iter().map(refused);
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

#[cfg(test)]
mod tests;
