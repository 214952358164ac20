//! Requests that read, in every version that is served.

use kafka_log::partition_log::LogPlace;
use kafka_protocol::messages::describe_topic_partitions_request::TopicRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeTopicPartitionsRequest, ListOffsetsRequest, MetadataRequest,
    OffsetForLeaderEpochRequest, ResponseKind, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::message::encode_response_kind;
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};

use super::*;
use crate::log_view::LogState;
use crate::server::api::find;
use crate::server::test_node::{Asked, TestNode};

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

/// A log from 10 to 50, epoch 2 from 10 and epoch 5 from 30 on; ours is 6.
fn state() -> LogState {
    let mut epochs = kafka_log::leader_epoch_checkpoint::EpochHistory::default();
    epochs.assign(SourceLeaderEpoch::from_wire(2).unwrap(), offset(10));
    epochs.assign(SourceLeaderEpoch::from_wire(5).unwrap(), offset(30));
    LogState {
        log_start: LogStartOffset::new(offset(10)),
        log_end: LogEndOffset::new(offset(50)),
        high_watermark: HighWatermark::new(offset(50)),
        last_stable_offset: LastStableOffset::new(offset(40)),
        end_place: LogPlace { segment: offset(10), position: 4000 },
        epochs: Arc::new(epochs),
        leader_epoch: LeaderEpoch::from_wire(6).unwrap(),
        cut_count: 0,
    }
}

/// A node with the topic `orders`: partition 0 is open, partition 1 is not.
fn node() -> TestNode {
    let node = TestNode::new();
    node.mirrored("orders", &[]).partitions[0].view.publish(state());
    node
}

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

/// The answer in each version, after it was seen to fit that version.
fn in_every_version<R: Asked + Clone>(node: &TestNode, body: &R) -> Vec<(i16, ResponseKind)> {
    let versions = find(R::KEY).unwrap().versions.clone();
    let answers = versions.map(|version| {
        let Answer::Message(answer) = node.answer(body.clone(), version) else {
            panic!("api key {} is not answered by a message", R::KEY);
        };
        let encoded = encode_response_kind(version, 1, &answer);
        assert!(encoded.is_ok(), "api key {} version {version}: {encoded:?}", R::KEY);
        (version, *answer)
    });
    answers.collect()
}

#[test]
fn topics_and_cluster_are_described_in_every_version() {
    let node = node();
    in_every_version(&node, &MetadataRequest::default().with_topics(None));
    let operations = MetadataRequest::default()
        .with_topics(None)
        .with_include_topic_authorized_operations(true)
        .with_include_cluster_authorized_operations(true);
    assert!(matches!(node.answer(operations, 8), Answer::Message(_)));
    in_every_version(&node, &DescribeClusterRequest::default());
    let named = TopicRequest::default().with_name(topic());
    let absent = TopicRequest::default().with_name(StrBytes::from_static_str("absent").into());
    let asked = DescribeTopicPartitionsRequest::default().with_topics(vec![named, absent]);
    in_every_version(&node, &asked);
}

#[test]
fn a_description_goes_on_where_its_cursor_says() {
    let node = node();
    node.mirrored("payments", &[]);
    let mut asked = DescribeTopicPartitionsRequest::default().with_response_partition_limit(3);
    let mut seen = Vec::new();
    loop {
        let answer = node.ask(asked.clone());
        for topic in &answer.topics {
            let name = topic.name.as_ref().unwrap().to_string();
            seen.extend(topic.partitions.iter().map(|p| (name.clone(), p.partition_index)));
        }
        let Some(next) = answer.next_cursor else { break };
        let cursor = kafka_protocol::messages::describe_topic_partitions_request::Cursor::default()
            .with_topic_name(next.topic_name)
            .with_partition_index(next.partition_index);
        asked = asked.with_cursor(Some(cursor));
    }
    let named = |name: &str| (0..2).map(|index| (name.to_owned(), index)).collect::<Vec<_>>();
    assert_eq!(seen, [named("orders"), named("payments")].concat());
}

/// Offset and epoch, or the error, of partition `index` at that timestamp.
fn listed(version: i16, index: i32, timestamp: i64, isolation: i8) -> (i16, i64, i32) {
    let asked = ListOffsetsPartition::default()
        .with_partition_index(index)
        .with_timestamp(timestamp)
        .with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(topic()).with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let answers = in_every_version(&node(), &request);
    let (_, answer) = answers.into_iter().find(|(at, _)| *at == version).unwrap();
    let ResponseKind::ListOffsets(answer) = answer else { panic!("{answer:?}") };
    let found = &answer.topics[0].partitions[0];
    (found.error_code, found.offset, found.leader_epoch)
}

#[test]
fn both_ends_of_a_log_are_told_with_their_epochs() {
    assert_eq!(listed(10, 0, -1, 0), (0, 50, 5), "latest");
    assert_eq!(listed(10, 0, -1, 1), (0, 40, 5), "latest of committed records");
    assert_eq!(listed(10, 0, -2, 0), (0, 10, 2), "earliest");
    assert_eq!(listed(10, 0, -4, 0), (0, 10, 2), "earliest here");
    assert_eq!(listed(10, 0, -5, 0), (0, -1, -1), "nothing is tiered");
    assert_eq!(listed(3, 0, -1, 0), (0, 50, -1), "versions without epochs");
    assert_eq!(listed(10, 1, -1, 0).0, 6, "not open");
    assert_eq!(listed(10, 9, -1, 0).0, 3, "not there");
    assert_eq!(listed(10, 0, -99, 0).0, 35, "no such question");
}

#[test]
fn an_epoch_ends_where_the_next_one_begins() {
    let node = node();
    let end = |epoch| {
        let asked = OffsetForLeaderPartition::default()
            .with_partition(0)
            .with_current_leader_epoch(-1)
            .with_leader_epoch(epoch);
        let topic =
            OffsetForLeaderTopic::default().with_topic(topic()).with_partitions(vec![asked]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        in_every_version(&node, &request);
        let answer = node.ask(request);
        let found = &answer.topics[0].partitions[0];
        (found.error_code, found.leader_epoch, found.end_offset)
    };
    assert_eq!(end(2), (0, 2, 30));
    assert_eq!(end(3), (0, 2, 30), "the largest one known below");
    assert_eq!(end(5), (0, 5, 50));
    assert_eq!(end(6), (0, 6, 50), "our own");
    assert_eq!(end(1), (0, 1, 10), "before the first one known");
    assert_eq!(end(7), (0, -1, -1), "above all");
}
