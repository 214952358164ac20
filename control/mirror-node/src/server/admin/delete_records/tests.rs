use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::delete_records_request::DeleteRecordsTopic;
use kafka_protocol::protocol::StrBytes;
use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::Offset;

use super::*;
use crate::server::test_node::TestNode;

fn delete_from(node: &TestNode, topic: &'static str, partition: i32, offset: i64) -> (i16, i64) {
    let partition =
        DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
    let topic = DeleteRecordsTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(topic)))
        .with_partitions(vec![partition]);
    let response = node.ask(DeleteRecordsRequest::default().with_topics(vec![topic]));
    let result = &response.topics[0].partitions[0];
    (result.error_code, result.low_watermark)
}

fn fill(topic: &Topic) {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    for _ in 0..5 {
        batch.push(&NewRecord { timestamp_ms: -1, key: Some(b"key"), value: None });
    }
    topic.partitions[0].log().unwrap().append_produced(&batch.finish(), 0).unwrap();
}

#[test]
fn a_log_starts_where_it_was_told_to() {
    let node = TestNode::writable();
    let topic = node.local("orders", &[]);
    fill(&topic);
    assert_eq!(delete_from(&node, "orders", 0, 3), (0, 3));
    assert_eq!(delete_from(&node, "orders", 0, 2), (0, 3));
    assert_eq!(delete_from(&node, "orders", 0, -1), (0, 5));
    let state = topic.partitions[0].view.state().unwrap();
    assert_eq!(state.log_start.offset().get(), 5);
}

#[test]
fn records_that_are_not_to_be_deleted_stay() {
    let node = TestNode::writable();
    fill(&node.local("orders", &[]));
    fill(&node.local("latest", &[("cleanup.policy", "compact")]));
    node.local("__consumer_offsets", &[]);
    node.mirrored("mirrored", &[]);
    for (topic, partition, offset, expected) in [
        ("orders", 0, 6, 1),
        ("orders", 0, -2, 1),
        ("orders", 9, 1, 3),
        ("nothing", 0, 1, 3),
        ("latest", 0, 1, 44),
        ("__consumer_offsets", 0, 0, 44),
        ("mirrored", 0, 1, 145),
    ] {
        let answered = delete_from(&node, topic, partition, offset);
        assert_eq!(answered, (expected, -1), "{topic}-{partition} before {offset}");
    }
}

#[test]
fn records_of_a_stopped_partition_can_be_deleted() {
    let node = TestNode::writable();
    let topic = node.mirrored("mirrored", &[]);
    node.stop(&topic.partitions[0]);
    fill(&topic);
    // Behind the reset of producers.
    assert_eq!(delete_from(&node, "mirrored", 0, 4), (0, 4));
    assert_eq!(delete_from(&node, "mirrored", 1, 0), (145, -1));
}
