use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicName, TopicPartition};

use mirror_coordinator::topic_prefix::TopicPrefix;

use super::{ListedOffsets, parse_metadata};

fn topic(name: &'static str, id: u8, leader: i32, epoch: i32) -> MetadataResponseTopic {
    let partition = MetadataResponsePartition::default()
        .with_partition_index(0)
        .with_leader_id(leader.into())
        .with_leader_epoch(epoch);
    MetadataResponseTopic::default()
        .with_name(Some(StrBytes::from_static_str(name).into()))
        .with_topic_id(uuid::Uuid::from_bytes([id; 16]))
        .with_partitions(vec![partition])
}

#[test]
fn metadata_becomes_brokers_topics_and_leaders() {
    let broker = MetadataResponseBroker::default()
        .with_node_id(3.into())
        .with_host(StrBytes::from_static_str("kafka-3"))
        .with_port(9092);
    let response = MetadataResponse::default()
        .with_cluster_id(Some(StrBytes::from_static_str("abc")))
        .with_brokers(vec![broker])
        .with_topics(vec![topic("a", 1, 3, 7), topic("b", 0, -1, -1)]);
    let metadata = parse_metadata(&response, &TopicPrefix::default());
    assert_eq!(metadata.cluster_id.as_deref(), Some("abc"));
    assert_eq!(metadata.brokers[&BrokerId::from_wire(3).unwrap()].port, 9092);
    let known = &metadata.topics[&TopicName::parse("a").unwrap()];
    assert!(known.topic_id.is_some());
    let leader = known.partitions[&PartitionIndex::from_wire(0).unwrap()];
    assert_eq!(leader.leader, BrokerId::from_wire(3));
    assert_eq!(leader.epoch.unwrap().get(), 7);
    let old = &metadata.topics[&TopicName::parse("b").unwrap()];
    assert_eq!(old.topic_id, None);
    assert_eq!(old.partitions[&PartitionIndex::from_wire(0).unwrap()].leader, None);
}

#[test]
fn values_nobody_can_mean_are_left_out() {
    let bad_broker = MetadataResponseBroker::default().with_node_id(1.into()).with_port(70_000);
    let response = MetadataResponse::default()
        .with_brokers(vec![bad_broker])
        .with_topics(vec![topic("../etc", 1, 1, 1), topic("gone", 1, 1, 1).with_name(None)]);
    let metadata = parse_metadata(&response, &TopicPrefix::default());
    assert!(metadata.brokers.is_empty());
    assert!(metadata.topics.is_empty());
}

#[test]
fn refused_offsets_are_kept_apart_from_answers() {
    let topic = TopicName::parse("a").unwrap();
    let mut listed = ListedOffsets::default();
    listed.take(&topic, 0, 0, 5);
    listed.take(&topic, 1, 6, -1);
    listed.take(&topic, 2, 0, -1);
    let name = |index| TopicPartition {
        topic: topic.clone(),
        partition: PartitionIndex::from_wire(index).unwrap(),
    };
    assert_eq!(listed.offsets.get(&name(0)), Offset::from_wire(5).as_ref());
    assert_eq!(listed.refused.get(&name(1)), Some(&6));
    assert!(listed.refused.contains_key(&name(2)));
}

#[test]
fn topics_have_the_names_of_the_mirror_and_those_too_long_are_told() {
    let long = "x".repeat(TopicName::BYTES_MAX);
    let too_long = topic("", 3, 1, 1).with_name(Some(StrBytes::from_string(long.clone()).into()));
    let topics = vec![topic("orders", 1, 3, 7), topic("__offsets", 2, 1, 1), too_long];
    let response = MetadataResponse::default().with_topics(topics);
    let metadata = parse_metadata(&response, &TopicPrefix::parse("a.").unwrap());
    let names: Vec<_> = metadata.topics.keys().map(TopicName::as_str).collect();
    assert_eq!(names, ["a.orders"]);
    assert_eq!(metadata.too_long, [long]);
}
