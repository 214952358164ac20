use kafka_protocol::messages::fetch_response::{
    AbortedTransaction as TheirTransaction, EpochEndOffset, FetchableTopicResponse,
    LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchResponse, ProducerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use proptest::prelude::*;

use super::*;
use crate::message::encode_response;

/// What both sides write.
#[derive(Clone, Debug)]
struct Answer {
    head: FetchResponseHead,
    topics: Vec<Topic>,
    endpoints: Vec<(i32, String, i32, Option<String>)>,
}

#[derive(Clone, Debug)]
struct Topic {
    name: String,
    id: [u8; 16],
    partitions: Vec<Partition>,
}

#[derive(Clone, Debug)]
struct Partition {
    index: i32,
    error_code: i16,
    offsets: (i64, i64, i64),
    diverging_epoch: Option<DivergingEpoch>,
    current_leader: Option<CurrentLeader>,
    aborted: Option<Vec<AbortedTransaction>>,
    preferred_read_replica: i32,
    records: Vec<u8>,
}

impl Partition {
    fn ours(&self) -> AnsweredPartition<'_> {
        AnsweredPartition {
            partition_index: self.index,
            error_code: self.error_code,
            high_watermark: self.offsets.0,
            last_stable_offset: self.offsets.1,
            log_start_offset: self.offsets.2,
            diverging_epoch: self.diverging_epoch,
            current_leader: self.current_leader,
            aborted_transactions: self.aborted.as_deref(),
            preferred_read_replica: self.preferred_read_replica,
            records_bytes: u32::try_from(self.records.len()).unwrap(),
        }
    }

    fn theirs(&self, version: i16) -> PartitionData {
        let aborted = self.aborted.as_ref().map(|aborted| {
            let transaction = |aborted: &AbortedTransaction| {
                TheirTransaction::default()
                    .with_producer_id(ProducerId(aborted.producer_id))
                    .with_first_offset(aborted.first_offset)
            };
            aborted.iter().map(transaction).collect()
        });
        let mut data = PartitionData::default()
            .with_partition_index(self.index)
            .with_error_code(self.error_code)
            .with_high_watermark(self.offsets.0)
            .with_last_stable_offset(self.offsets.1)
            .with_log_start_offset(self.offsets.2)
            .with_aborted_transactions(aborted)
            .with_records(Some(self.records.clone().into()));
        if version >= 11 {
            data.preferred_read_replica = BrokerId(self.preferred_read_replica);
        }
        if let Some(DivergingEpoch { epoch, end_offset }) = self.diverging_epoch {
            data.diverging_epoch =
                EpochEndOffset::default().with_epoch(epoch).with_end_offset(end_offset);
        }
        if let Some(CurrentLeader { leader_id, leader_epoch }) = self.current_leader {
            data.current_leader = LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(leader_id))
                .with_leader_epoch(leader_epoch);
        }
        data
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The frame as our writer has it, with the records put in.
fn ours(answer: &Answer) -> Vec<u8> {
    let partitions: Vec<Vec<AnsweredPartition<'_>>> = answer
        .topics
        .iter()
        .map(|topic| topic.partitions.iter().map(Partition::ours).collect())
        .collect();
    let by_id = answer.head.api_version >= 13;
    let topic = |(topic, partitions)| {
        let topic: &Topic = topic;
        let key = if by_id { TopicKey::Id(topic.id) } else { TopicKey::Name(&topic.name) };
        let partitions: &Vec<_> = partitions;
        AnsweredTopic { key, partitions }
    };
    let topics: Vec<_> = answer.topics.iter().zip(&partitions).map(topic).collect();
    let endpoint = |(node_id, host, port, rack): &(i32, String, i32, Option<String>)| {
        (*node_id, host.clone(), *port, rack.clone())
    };
    let named: Vec<_> = answer.endpoints.iter().map(endpoint).collect();
    let endpoints: Vec<_> = named
        .iter()
        .map(|(node_id, host, port, rack)| LeaderEndpoint {
            node_id: *node_id,
            host,
            port: *port,
            rack: rack.as_deref(),
        })
        .collect();
    let frame = write_fetch_response(&answer.head, &topics, &endpoints).unwrap();
    let records = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let mut sent = Vec::new();
    let mut from = 0;
    for (hole, partition) in frame.holes.iter().zip(records) {
        assert_eq!(hole.records_bytes as usize, partition.records.len());
        sent.extend_from_slice(&frame.bytes[from..hole.at]);
        sent.extend_from_slice(&partition.records);
        from = hole.at;
    }
    sent.extend_from_slice(&frame.bytes[from..]);
    sent
}

fn theirs(answer: &Answer) -> Vec<u8> {
    let version = answer.head.api_version;
    let topic = |topic: &Topic| {
        let partitions = topic.partitions.iter().map(|partition| partition.theirs(version));
        let response = FetchableTopicResponse::default().with_partitions(partitions.collect());
        if version >= 13 {
            response.with_topic_id(uuid::Uuid::from_bytes(topic.id))
        } else {
            response.with_topic(TopicName(text(&topic.name)))
        }
    };
    let mut response = FetchResponse::default()
        .with_throttle_time_ms(answer.head.throttle_ms)
        .with_responses(answer.topics.iter().map(topic).collect());
    if version >= 7 {
        response.error_code = answer.head.error_code;
        response.session_id = answer.head.session_id;
    }
    if version >= 16 {
        let endpoint = |(node_id, host, port, rack): &(i32, String, i32, Option<String>)| {
            NodeEndpoint::default()
                .with_node_id(BrokerId(*node_id))
                .with_host(text(host))
                .with_port(*port)
                .with_rack(rack.as_deref().map(text))
        };
        response.node_endpoints = answer.endpoints.iter().map(endpoint).collect();
    }
    encode_response(version, answer.head.correlation_id, &response).unwrap().to_vec()
}

const HEAD: FetchResponseHead = FetchResponseHead {
    api_version: 17,
    correlation_id: 9,
    throttle_ms: 0,
    error_code: 0,
    session_id: 0,
};

fn partition() -> impl Strategy<Value = Partition> {
    let leader = (0..9, 0..9)
        .prop_map(|(leader_id, leader_epoch)| CurrentLeader { leader_id, leader_epoch });
    let diverging =
        (0..9, any::<i64>()).prop_map(|(epoch, end_offset)| DivergingEpoch { epoch, end_offset });
    let aborted = (any::<i64>(), any::<i64>())
        .prop_map(|(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset });
    let offsets = (any::<i64>(), any::<i64>(), any::<i64>());
    (
        (any::<i32>(), any::<i16>(), offsets, any::<i32>()),
        prop::option::of(diverging),
        prop::option::of(leader),
        prop::option::of(prop::collection::vec(aborted, 0..4)),
        prop::collection::vec(any::<u8>(), 0..300),
    )
        .prop_map(|(fixed, diverging_epoch, current_leader, aborted, records)| {
            let (index, error_code, offsets, preferred_read_replica) = fixed;
            Partition {
                index,
                error_code,
                offsets,
                diverging_epoch,
                current_leader,
                aborted,
                preferred_read_replica,
                records,
            }
        })
}

fn answer() -> impl Strategy<Value = Answer> {
    let head = (any::<i32>(), any::<i32>(), any::<i16>(), any::<i32>());
    let topic = ("[a-z]{0,140}", any::<[u8; 16]>(), prop::collection::vec(partition(), 0..4))
        .prop_map(|(name, id, partitions)| Topic { name, id, partitions });
    let endpoint = (0..9, "[a-z]{0,200}", any::<i32>(), prop::option::of("[a-z]{0,9}"));
    (head, prop::collection::vec(topic, 0..4), prop::collection::vec(endpoint, 0..3)).prop_map(
        |(head, topics, endpoints)| {
            let (correlation_id, throttle_ms, error_code, session_id) = head;
            let head = FetchResponseHead {
                api_version: 0,
                correlation_id,
                throttle_ms,
                error_code,
                session_id,
            };
            Answer { head, topics, endpoints }
        },
    )
}

proptest! {
    #[test]
    fn every_version_has_the_bytes_kafka_protocol_writes(answer in answer()) {
        for api_version in VERSION_MIN..=VERSION_MAX {
            let head = FetchResponseHead { api_version, ..answer.head };
            let answer = Answer { head, ..answer.clone() };
            prop_assert_eq!(ours(&answer), theirs(&answer), "version {}", api_version);
        }
    }
}

const EMPTY: AnsweredPartition<'_> = AnsweredPartition {
    partition_index: 0,
    error_code: 0,
    high_watermark: 5,
    last_stable_offset: 5,
    log_start_offset: 0,
    diverging_epoch: None,
    current_leader: None,
    aborted_transactions: None,
    preferred_read_replica: -1,
    records_bytes: 0,
};

#[test]
fn a_partition_without_records_has_an_empty_hole_and_records_that_are_not_null() {
    let partitions = [EMPTY, AnsweredPartition { records_bytes: 7, ..EMPTY }];
    let topics = [AnsweredTopic { key: TopicKey::Id([3; 16]), partitions: &partitions }];
    let frame = write_fetch_response(&HEAD, &topics, &[]).unwrap();
    let holes: Vec<_> = frame.holes.iter().map(|hole| hole.records_bytes).collect();
    assert_eq!(holes, [0, 7]);
    // A compact length is one more than the bytes, and 0 is null.
    assert_eq!(frame.holes.iter().map(|hole| frame.bytes[hole.at - 1]).collect::<Vec<_>>(), [1, 8]);
    let size = i32::from_be_bytes(*frame.bytes.first_chunk().unwrap());
    assert_eq!(usize::try_from(size).unwrap(), frame.bytes.len() - SIZE_BYTES + 7);
}

#[test]
fn a_frame_may_be_as_large_as_its_size_can_say_and_no_larger() {
    let write = |head: &FetchResponseHead, records_bytes| {
        let partitions = [EMPTY, AnsweredPartition { records_bytes, ..EMPTY }];
        let topics = [AnsweredTopic { key: TopicKey::Name("orders"), partitions: &partitions }];
        write_fetch_response(head, &topics, &[])
    };
    let head = FetchResponseHead { api_version: 11, ..HEAD };
    let overhead = write(&head, 0).unwrap().bytes.len() - SIZE_BYTES;
    let largest = u32::try_from(i32::MAX).unwrap() - u32::try_from(overhead).unwrap();
    assert_eq!(write(&head, largest).unwrap().bytes[..SIZE_BYTES], i32::MAX.to_be_bytes());
    for records_bytes in [largest + 1, u32::MAX] {
        assert_eq!(write(&head, records_bytes), Err(FetchResponseError::TooLarge));
    }
}

#[test]
fn what_a_version_cannot_say_is_refused() {
    for version in [3, 18] {
        let head = FetchResponseHead { api_version: version, ..HEAD };
        let refused = write_fetch_response(&head, &[], &[]);
        assert_eq!(refused, Err(FetchResponseError::Version { version }));
    }
    for (version, key) in [(12, TopicKey::Id([1; 16])), (13, TopicKey::Name("orders"))] {
        let head = FetchResponseHead { api_version: version, ..HEAD };
        let topics = [AnsweredTopic { key, partitions: &[] }];
        let refused = write_fetch_response(&head, &topics, &[]);
        assert_eq!(refused, Err(FetchResponseError::TopicKey { version }));
    }
    let name = "n".repeat(40_000);
    let head = FetchResponseHead { api_version: 11, ..HEAD };
    let topics = [AnsweredTopic { key: TopicKey::Name(&name), partitions: &[] }];
    assert_eq!(write_fetch_response(&head, &topics, &[]), Err(FetchResponseError::TooLarge));
}
