use std::collections::BTreeMap;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use mirror_coordinator::cluster_metadata::{BoundTopic, ClusterMetadata, Mirror};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_node_config::NodeConfigs;
use uuid::Uuid;

use super::*;
use crate::local_topics::bound_topic_news::BoundTopicNews;
use crate::server::answer::Answer;
use crate::server::test_node::TestNode;

fn name(text: &'static str) -> Option<TopicName> {
    Some(TopicName(StrBytes::from_static_str(text)))
}

fn named(text: &'static str) -> DeleteTopicState {
    DeleteTopicState::default().with_name(name(text))
}

fn of_id(id: Uuid) -> DeleteTopicState {
    DeleteTopicState::default().with_name(None).with_topic_id(id)
}

fn codes(node: &TestNode, topics: Vec<DeleteTopicState>) -> Vec<i16> {
    let response = node.ask_newest(DeleteTopicsRequest::default().with_topics(topics));
    response.responses.iter().map(|result| result.error_code).collect()
}

#[test]
fn topics_go_by_name_and_by_id() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let notes = topic_uuid(&node.local("notes", &[]));
    let asked = DeleteTopicsRequest::default().with_topics(vec![named("orders"), of_id(notes)]);
    let response = node.ask(asked);
    let told: Vec<_> =
        response.responses.iter().map(|result| (result.name.clone(), result.error_code)).collect();
    assert_eq!(told, [(name("orders"), 0), (name("notes"), 0)]);
    assert!(node.node.catalog.topics().is_empty());
}

#[test]
fn old_clients_name_topics_in_a_list_of_names() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let asked = DeleteTopicsRequest::default().with_topic_names(vec![name("orders").unwrap()]);
    let Answer::Message(_) = node.answer(asked, 5) else { panic!("no message") };
    assert!(node.node.catalog.topics().is_empty());
}

#[test]
fn what_cannot_be_deleted_stays() {
    let node = TestNode::writable();
    node.mirrored("mirrored", &[]);
    node.local("__consumer_offsets", &[]);
    node.local("__mirror_state", &[]);
    let twice = topic_uuid(&node.local("orders", &[]));
    let asked = vec![
        named("nothing"),
        of_id(Uuid::from_u128(99)),
        of_id(Uuid::nil()),
        named("mirrored").with_topic_id(twice),
        named("mirrored"),
        named("__consumer_offsets"),
        named("__mirror_state"),
        named("orders"),
        of_id(twice),
    ];
    assert_eq!(codes(&node, asked), [3, 100, 42, 42, 145, 44, 44, 42, 42]);
    assert_eq!(node.node.catalog.topics().len(), 4);
}

/// What the node remembers when that is wanted of the topic.
fn wanted(node: &TestNode, topic: &Topic, desired: DesiredState) {
    let mirror = MirrorName::parse("dr").unwrap();
    let bound = BoundTopic { topic_id: topic.id, mirror: mirror.clone(), desired, changed_at: 0 };
    let mirrors = BTreeMap::from([(mirror, Mirror::default())]);
    let topics = BTreeMap::from([(topic.name.clone(), bound)]);
    let restored = ClusterMetadata::restored(1, mirrors, topics, NodeConfigs::default()).unwrap();
    let directory = node.node.writes.as_ref().unwrap().topics.directory();
    directory.lock().state.cluster_mirrors = restored;
}

#[test]
fn a_stopped_topic_that_is_to_be_mirrored_again_stays() {
    let node = TestNode::writable();
    let topic = node.stopped("orders", &[]);
    wanted(&node, &topic, DesiredState::Mirroring);
    assert_eq!(codes(&node, vec![named("orders")]), [145]);
    assert!(topic.is_writable());
    let directory = node.node.writes.as_ref().unwrap().topics.directory();
    assert!(directory.lock().state.topics.contains_key(&topic.name));
}

#[test]
fn a_mirrored_topic_goes_once_every_partition_is_stopped() {
    let node = TestNode::writable();
    let topics = &node.node.writes.as_ref().unwrap().topics;
    let (told, news) = std::sync::mpsc::channel();
    topics.tell_bound_topic_news(move |news| told.send(news).unwrap());
    let topic = node.mirrored("orders", &[]);
    node.stop(&topic.partitions[0]);
    let of_two = codes(&node, vec![named("orders")]);
    assert_eq!(of_two, [145], "the other partition is mirrored");
    assert!(topic.partitions[0].log().is_some());
    node.stop(&topic.partitions[1]);
    wanted(&node, &topic, DesiredState::Stopped);
    assert_eq!(codes(&node, vec![named("orders")]), [0]);
    assert!(node.node.catalog.topics().is_empty());
    let state = topics.directory().lock().state.clone();
    assert!(state.topics.is_empty() && state.deleted_topics.is_empty());
    assert!(state.cluster_mirrors.topics().is_empty() && state.local_topics.is_empty());
    assert!(topic.partitions.iter().all(|partition| !partition.view.directory().exists()));
    let (name, id, partition_count) = (topic.name.clone(), topic.id, 2);
    assert_eq!(news.try_recv(), Ok(BoundTopicNews::Deleted { name, id, partition_count }));
    assert!(news.try_recv().is_err());
}
