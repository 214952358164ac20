use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::*;
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
    let twice = topic_uuid(&node.local("orders", &[]));
    let asked = vec![
        named("nothing"),
        of_id(Uuid::from_u128(99)),
        of_id(Uuid::nil()),
        named("mirrored").with_topic_id(twice),
        named("mirrored"),
        named("__consumer_offsets"),
        named("orders"),
        of_id(twice),
    ];
    assert_eq!(codes(&node, asked), [3, 100, 42, 42, 134, 44, 42, 42]);
    assert_eq!(node.node.catalog.topics().len(), 3);
}
