use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::protocol::StrBytes;
use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::offset::Offset;
use kafka_wire::producer::{ProducerEpoch, ProducerId as Id};

use super::*;
use crate::server::test_node::TestNode;

fn describe_of(node: &TestNode, topic: &'static str, indexes: &[i32]) -> Vec<PartitionResponse> {
    let topic = TopicRequest::default()
        .with_name(TopicName(StrBytes::from_static_str(topic)))
        .with_partition_indexes(indexes.to_vec());
    let response = node.ask(DescribeProducersRequest::default().with_topics(vec![topic]));
    response.topics[0].partitions.clone()
}

fn append(topic: &Topic, id: i64, base_sequence: i32, timestamp_ms: i64) {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    for _ in 0..3 {
        batch.push(&NewRecord { timestamp_ms, key: None, value: Some(b"value") });
    }
    let epoch = ProducerEpoch::from_wire(2);
    batch.producer = BatchProducer { id: Id::from_wire(id), epoch, base_sequence };
    let log = topic.partitions[0].log().unwrap();
    log.append_produced(&batch.finish(), timestamp_ms).unwrap();
}

#[test]
fn producers_are_told_with_their_last_batch() {
    let node = TestNode::writable();
    let topic = node.local("orders", &[]);
    let now_ms = now_ms();
    append(&topic, 9, 0, now_ms);
    append(&topic, 9, 3, now_ms);
    append(&topic, 4, 0, now_ms - 2 * 24 * 3600 * 1000);
    let [partition] = &describe_of(&node, "orders", &[0])[..] else { panic!("one was asked for") };
    assert_eq!(partition.error_code, 0);
    // The other one has not written for longer than a day, and is forgotten.
    let [producer] = &partition.active_producers[..] else { panic!("{partition:?}") };
    assert_eq!((producer.producer_id.0, producer.producer_epoch), (9, 2));
    assert_eq!((producer.last_sequence, producer.last_timestamp), (5, now_ms));
    assert_eq!((producer.coordinator_epoch, producer.current_txn_start_offset), (-1, -1));
}

#[test]
fn logs_that_cannot_be_read_are_refused_one_by_one() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    node.mirrored("mirrored", &[]);
    let codes = |topic, indexes: &[i32]| -> Vec<i16> {
        describe_of(&node, topic, indexes).iter().map(|partition| partition.error_code).collect()
    };
    assert_eq!(codes("orders", &[1, 2, -1, 1]), [0, 3, 3, 42]);
    assert_eq!(codes("mirrored", &[0]), [6]);
    assert_eq!(codes("nothing", &[0]), [3]);
}
