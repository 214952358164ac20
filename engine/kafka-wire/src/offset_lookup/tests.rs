use kafka_protocol::messages::RequestHeader;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};

use super::*;
use crate::message::{SIZE_BYTES, decode_body, decode_prefix, encode_response};

fn partition(topic: &str, index: i32) -> TopicPartition {
    TopicPartition {
        topic: TopicName::parse(topic).unwrap(),
        partition: PartitionIndex::from_wire(index).unwrap(),
    }
}

const fn head(version: i16) -> RequestHead<'static> {
    RequestHead { version, correlation_id: 3, client_id: "c" }
}

fn body(frame: &Bytes, flexible: bool) -> Bytes {
    let header_version = if flexible { 2 } else { 1 };
    decode_prefix::<RequestHeader>(header_version, frame.slice(SIZE_BYTES..)).unwrap().1
}

#[test]
fn epoch_questions_are_grouped_by_topic_in_every_version() {
    let epoch = |raw| SourceLeaderEpoch::from_wire(raw).unwrap();
    let questions = [("a", 0), ("a", 1), ("b", 0)].map(|(topic, index)| EpochQuestion {
        partition: partition(topic, index),
        current_epoch: Some(epoch(8)),
        epoch: epoch(7),
    });
    for version in 2..=4 {
        let frame = encode_offset_for_leader_epoch(&head(version), &questions).unwrap();
        let request: OffsetForLeaderEpochRequest =
            decode_body(version, body(&frame, version >= 4)).unwrap();
        assert_eq!(request.replica_id.0, if version >= 3 { -1 } else { -2 });
        let counts: Vec<usize> = request.topics.iter().map(|one| one.partitions.len()).collect();
        assert_eq!(counts, [2, 1]);
        let second = &request.topics[0].partitions[1];
        assert_eq!((second.partition, second.current_leader_epoch, second.leader_epoch), (1, 8, 7));
    }
}

#[test]
fn epoch_answers_are_flat() {
    let end = EpochEndOffset::default().with_partition(4).with_leader_epoch(6).with_end_offset(90);
    let unknown = EpochEndOffset::default().with_partition(5).with_error_code(3);
    let topic = OffsetForLeaderTopicResult::default()
        .with_topic(wire_name(&TopicName::parse("a").unwrap()))
        .with_partitions(vec![end, unknown]);
    let response = OffsetForLeaderEpochResponse::default().with_topics(vec![topic]);
    for version in 2..=4 {
        let frame = encode_response(version, 3, &response).unwrap().slice(SIZE_BYTES..);
        let answers = decode_offset_for_leader_epoch(version, 3, frame).unwrap();
        let expected = EpochEndOffsetAnswer {
            partition: partition("a", 4),
            error_code: 0,
            epoch: SourceLeaderEpoch::from_wire(6),
            end_offset: 90,
        };
        assert_eq!(answers[0], expected);
        let unknown = (answers[1].error_code, answers[1].epoch, answers[1].end_offset);
        assert_eq!(unknown, (3, None, -1));
    }
}

#[test]
fn log_end_questions_use_the_special_timestamps_in_every_version() {
    let questions = [LogEnd::Earliest, LogEnd::Latest].map(|end| LogEndQuestion {
        partition: partition("a", 2),
        current_epoch: SourceLeaderEpoch::from_wire(8),
        end,
    });
    for version in 1..=10 {
        let frame = encode_list_offsets(&head(version), &questions).unwrap();
        let request: ListOffsetsRequest = decode_body(version, body(&frame, version >= 6)).unwrap();
        assert_eq!((request.replica_id.0, request.isolation_level), (-1, 0));
        let asked = &request.topics[0].partitions;
        assert_eq!((asked[0].timestamp, asked[1].timestamp), (-2, -1));
        assert_eq!(asked[0].current_leader_epoch, if version >= 4 { 8 } else { -1 });
    }
}

#[test]
fn log_end_answers_are_flat() {
    let listed = ListOffsetsPartitionResponse::default().with_partition_index(2).with_offset(77);
    let topic = ListOffsetsTopicResponse::default()
        .with_name(wire_name(&TopicName::parse("a").unwrap()))
        .with_partitions(vec![listed]);
    let response = ListOffsetsResponse::default().with_topics(vec![topic]);
    for version in 1..=10 {
        let frame = encode_response(version, 3, &response).unwrap().slice(SIZE_BYTES..);
        let answers = decode_list_offsets(version, 3, frame).unwrap();
        assert_eq!((answers[0].offset, answers[0].epoch), (77, None));
        assert_eq!(answers[0].partition, partition("a", 2));
    }
}

#[test]
fn a_topic_that_cannot_exist_is_refused() {
    let topic = ListOffsetsTopicResponse::default()
        .with_name(WireTopicName(StrBytes::from_static_str("../up")))
        .with_partitions(vec![ListOffsetsPartitionResponse::default()]);
    let response = ListOffsetsResponse::default().with_topics(vec![topic]);
    let frame = encode_response(5, 3, &response).unwrap().slice(SIZE_BYTES..);
    let refused = decode_list_offsets(5, 3, frame).unwrap_err();
    assert!(matches!(&refused, MessageError::Partition { topic, .. } if topic == "../up"));
}
