//! What a source broker answers, as bytes.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, FetchRequest, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, RequestHeader,
};
use kafka_wire::message::{decode_prefix, encode_response};

use crate::fetch_answers::WaitingFetch;
use crate::random::Random;
use crate::source::{Broker, Source};

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The response frame, size included.
    Bytes(Vec<u8>),
    /// A Fetch that may wait for records.
    Fetch(Box<WaitingFetch>),
}

/// Takes one request frame, size excluded.
pub(crate) fn answer(
    source: &mut Source,
    broker: Broker,
    frame: Bytes,
    random: &mut Random,
) -> Reply {
    let key = i16::from_be_bytes([frame[0], frame[1]]);
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let key = ApiKey::try_from(key).expect("the shard asks only what it knows");
    let (header, body) = decode_prefix::<RequestHeader>(key.request_header_version(version), frame)
        .expect("requests have headers");
    let correlation = header.correlation_id;
    match key {
        ApiKey::ApiVersions => Reply::Bytes(versions(source, version, correlation)),
        ApiKey::Fetch => {
            let (request, rest) =
                decode_prefix::<FetchRequest>(version, body).expect("Fetch requests decode");
            assert!(rest.is_empty(), "a request ends where its size says");
            Reply::Fetch(Box::new(WaitingFetch::begin(
                source,
                broker,
                version,
                correlation,
                &request,
            )))
        }
        ApiKey::ListOffsets => {
            let (request, rest) =
                decode_prefix::<ListOffsetsRequest>(version, body).expect("ListOffsets decodes");
            assert!(rest.is_empty(), "a request ends where its size says");
            let response = list_offsets(source, broker, &request, version);
            Reply::Bytes(whole(version, correlation, &response))
        }
        ApiKey::OffsetForLeaderEpoch => {
            let (request, rest) = decode_prefix::<OffsetForLeaderEpochRequest>(version, body)
                .expect("OffsetForLeaderEpoch decodes");
            assert!(rest.is_empty(), "a request ends where its size says");
            let response = epoch_ends(source, broker, &request, random);
            Reply::Bytes(whole(version, correlation, &response))
        }
        other => panic!("nobody announced {other:?}"),
    }
}

fn whole<R>(version: i16, correlation: i32, response: &R) -> Vec<u8>
where
    R: kafka_protocol::protocol::Encodable + kafka_protocol::protocol::HeaderVersion,
{
    encode_response(version, correlation, response).expect("answers encode").to_vec()
}

fn versions(source: &Source, version: i16, correlation: i32) -> Vec<u8> {
    let range = |key: i16, min, max| {
        ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
    };
    let mut keys = vec![
        range(1, 4, source.traits.fetch_version_max),
        range(2, 1, if source.traits.fetch_version_max < 9 { 3 } else { 10 }),
        range(18, 0, 4),
    ];
    if source.traits.answers_epochs {
        keys.push(range(23, 2, if source.traits.fetch_version_max < 12 { 3 } else { 4 }));
    }
    whole(version, correlation, &ApiVersionsResponse::default().with_api_keys(keys))
}

fn list_offsets(
    source: &Source,
    broker: Broker,
    request: &ListOffsetsRequest,
    version: i16,
) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|asked| {
        let partitions = asked.partitions.iter().map(|partition| {
            let answer = ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_timestamp(-1)
                .with_offset(-1)
                .with_leader_epoch(-1);
            let Some(held) = source.find(broker, asked.name.as_str(), partition.partition_index)
            else {
                return answer.with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
            };
            let error = held.leadership_error(broker, partition.current_leader_epoch);
            if error != 0 {
                return answer.with_error_code(error);
            }
            let latest = partition.timestamp == -1;
            let (start, end) = held.replaced_by.unwrap_or((held.start, held.high_watermark));
            let offset = if latest { end } else { start };
            let epoch = if version >= 4 { held.epoch } else { -1 };
            answer.with_offset(offset).with_leader_epoch(epoch)
        });
        ListOffsetsTopicResponse::default()
            .with_name(asked.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn epoch_ends(
    source: &Source,
    broker: Broker,
    request: &OffsetForLeaderEpochRequest,
    random: &mut Random,
) -> OffsetForLeaderEpochResponse {
    let mut topics = Vec::new();
    for asked in &request.topics {
        let mut partitions = Vec::new();
        for partition in &asked.partitions {
            let answer = EpochEndOffset::default().with_partition(partition.partition);
            let Some(held) = source.find(broker, asked.topic.as_str(), partition.partition) else {
                partitions.push(answer.with_error_code(UNKNOWN_TOPIC_OR_PARTITION));
                continue;
            };
            let error = held.leadership_error(broker, partition.current_leader_epoch);
            if error != 0 {
                partitions.push(answer.with_error_code(error));
                continue;
            }
            let newer = |(_, end)| (partition.leader_epoch, end);
            let known = held.replaced_by.map(newer);
            let (epoch, end) = known.unwrap_or_else(|| held.epoch_end(partition.leader_epoch));
            // A broker that leaves a question open must be asked again.
            if source.throttle_percent == 0 || !random.percent(3) {
                partitions.push(answer.with_leader_epoch(epoch).with_end_offset(end));
            }
        }
        topics.push(
            OffsetForLeaderTopicResult::default()
                .with_topic(asked.topic.clone())
                .with_partitions(partitions),
        );
    }
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}

pub(crate) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
