use kafka_protocol::messages::create_partitions_request::CreatePartitionsAssignment;
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::local_topics::bound_topic_news::BoundTopicNews;
use crate::server::answer::Answer;
use crate::server::test_node::TestNode;

fn topic(name: &'static str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(name)))
        .with_count(count)
        .with_assignments(None)
}

fn assigned(count: i32, brokers: &[i32]) -> CreatePartitionsTopic {
    let assignments = brokers.iter().map(|broker| {
        CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(*broker)])
    });
    topic("orders", count).with_assignments(Some(assignments.collect()))
}

fn code(node: &TestNode, topic: CreatePartitionsTopic) -> i16 {
    node.ask(CreatePartitionsRequest::default().with_topics(vec![topic])).results[0].error_code
}

fn partitions(node: &TestNode) -> usize {
    node.node.catalog.topic_named("orders").unwrap().partitions.len()
}

#[test]
fn a_topic_grows() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let only_validated = CreatePartitionsRequest::default()
        .with_topics(vec![topic("orders", 9)])
        .with_validate_only(true);
    assert_eq!(node.ask(only_validated).results[0].error_code, 0);
    assert_eq!(partitions(&node), 2);
    let asked = CreatePartitionsRequest::default().with_topics(vec![assigned(4, &[7, 7])]);
    let Answer::Message(_) = node.answer(asked, 3) else { panic!("no message") };
    assert_eq!(partitions(&node), 4);
}

#[test]
fn what_cannot_grow_so_stays_as_it_is() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    node.mirrored("mirrored", &[]);
    node.local("__consumer_offsets", &[]);
    for (asked, expected) in [
        (topic("orders", 2), 37),
        (topic("orders", 1), 37),
        (topic("orders", -1), 37),
        (topic("orders", i32::MAX), 44),
        (topic("nothing", 2), 3),
        (topic("or ders", 2), 17),
        (topic("mirrored", 5), 145),
        (topic("__consumer_offsets", 5), 44),
        (assigned(4, &[7]), 39),
        (assigned(3, &[8]), 39),
    ] {
        assert_eq!(code(&node, asked.clone()), expected, "{asked:?}");
    }
    let twice = vec![topic("orders", 3), topic("orders", 4)];
    let response = node.ask(CreatePartitionsRequest::default().with_topics(twice));
    assert!(response.results.iter().all(|result| result.error_code == 42));
    assert_eq!(partitions(&node), 2);
}

#[test]
fn a_mirrored_topic_grows_once_every_partition_is_stopped() {
    let node = TestNode::writable();
    let topics = &node.node.writes.as_ref().unwrap().topics;
    let (told, news) = std::sync::mpsc::channel();
    topics.tell_bound_topic_news(move |news| told.send(news).unwrap());
    let bound = node.mirrored("orders", &[]);
    node.stop(&bound.partitions[0]);
    assert_eq!(code(&node, topic("orders", 3)), 145);
    node.stop(&bound.partitions[1]);
    assert_eq!(code(&node, topic("orders", 3)), 0);
    let grown = node.node.catalog.topic_named("orders").unwrap();
    assert!(grown.is_bound() && grown.partitions.len() == 3);
    assert!(grown.partitions[2].held_log().is_none(), "its mirroring counts as stopped first");
    let directory = topics.directory();
    assert_eq!(directory.lock().state.topics[&grown.name].partition_count, 3);
    let (name, id, partition_count) = (grown.name.clone(), grown.id, 3);
    assert_eq!(news.try_recv(), Ok(BoundTopicNews::Grown { name, id, partition_count }));
}
