use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, EndTxnRequest, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::server::test_node::TestNode;

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

#[test]
fn partitions_are_not_added_to_a_transaction() {
    let added = AddPartitionsToTxnTopic::default().with_name(topic()).with_partitions(vec![0, 1]);
    let asked = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(StrBytes::from_static_str("pay")))
        .with_v3_and_below_topics(vec![added]);
    let response = TestNode::new().ask(asked);
    let [topic] = &response.results_by_topic_v3_and_below[..] else { panic!("{response:?}") };
    let codes = topic.results_by_partition.iter();
    let codes: Vec<_> =
        codes.map(|result| (result.partition_index, result.partition_error_code)).collect();
    assert_eq!(codes, [(0, 53), (1, 53)]);
}

#[test]
fn a_transaction_neither_takes_offsets_nor_ends() {
    let node = TestNode::new();
    assert_eq!(node.ask(AddOffsetsToTxnRequest::default()).error_code, 53);
    assert_eq!(node.ask(EndTxnRequest::default()).error_code, 53);
}

#[test]
fn offsets_are_not_committed_in_a_transaction() {
    let partition = TxnOffsetCommitRequestPartition::default().with_partition_index(3);
    let topic =
        TxnOffsetCommitRequestTopic::default().with_name(topic()).with_partitions(vec![partition]);
    let response = TestNode::new().ask(TxnOffsetCommitRequest::default().with_topics(vec![topic]));
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (3, 53));
}
