//! Asking a source broker for offsets: of the ends of a log, and of the end of an epoch.

use bytes::Bytes;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    BrokerId, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, TopicName as WireTopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::epoch::SourceLeaderEpoch;
use crate::message::{MessageError, RequestHead, decode_response, encode_request};
use crate::partition::{PartitionIndex, TopicName, TopicPartition};

/// Number of the `ListOffsets` request.
pub const LIST_OFFSETS_KEY: i16 = 2;
/// Number of the `OffsetForLeaderEpoch` request.
pub const OFFSET_FOR_LEADER_EPOCH_KEY: i16 = 23;
/// Versions of `ListOffsets` we speak.
pub const LIST_OFFSETS_VERSIONS: (i16, i16) = (1, 10);
/// Versions of `OffsetForLeaderEpoch` we speak.
pub const OFFSET_FOR_LEADER_EPOCH_VERSIONS: (i16, i16) = (2, 4);

/// Where does this epoch end at the source?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochQuestion {
    /// Which partition.
    pub partition: TopicPartition,
    /// Epoch of the leader we believe in; the broker refuses others.
    pub current_epoch: Option<SourceLeaderEpoch>,
    /// The epoch asked about.
    pub epoch: SourceLeaderEpoch,
}

/// The largest epoch at or below the one asked about, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochEndOffsetAnswer {
    /// Which partition.
    pub partition: TopicPartition,
    /// Protocol error code, 0 for none.
    pub error_code: i16,
    /// The epoch found, `None` when the source knows none.
    pub epoch: Option<SourceLeaderEpoch>,
    /// One past the epoch's last offset, -1 when the source knows none.
    pub end_offset: i64,
}

/// Which end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEnd {
    /// Log start offset.
    Earliest,
    /// High watermark.
    Latest,
}

/// Where does this log start, or end?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEndQuestion {
    /// Which partition.
    pub partition: TopicPartition,
    /// Epoch of the leader we believe in; the broker refuses others. Version 4 on.
    pub current_epoch: Option<SourceLeaderEpoch>,
    /// Which end of it.
    pub end: LogEnd,
}

/// Where a log starts, or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEndAnswer {
    /// Which partition.
    pub partition: TopicPartition,
    /// Protocol error code, 0 for none.
    pub error_code: i16,
    /// The offset, -1 for unknown.
    pub offset: i64,
    /// Epoch of the offset; `None` when unknown, and below version 4.
    pub epoch: Option<SourceLeaderEpoch>,
}

/// Encodes `OffsetForLeaderEpoch`, versions 2 to 4.
///
/// # Errors
/// [`MessageError::Encode`] for other versions.
pub fn encode_offset_for_leader_epoch(
    head: &RequestHead<'_>,
    questions: &[EpochQuestion],
) -> Result<Bytes, MessageError> {
    let same =
        |one: &EpochQuestion, next: &EpochQuestion| one.partition.topic == next.partition.topic;
    let partition = |question: &EpochQuestion| {
        OffsetForLeaderPartition::default()
            .with_partition(question.partition.partition.get())
            .with_current_leader_epoch(epoch_or_none(question.current_epoch))
            .with_leader_epoch(question.epoch.get())
    };
    let topics = questions.chunk_by(same).map(|chunk| {
        OffsetForLeaderTopic::default()
            .with_topic(wire_name(&chunk[0].partition.topic))
            .with_partitions(chunk.iter().map(partition).collect())
    });
    let request = OffsetForLeaderEpochRequest::default()
        .with_replica_id(NO_REPLICA)
        .with_topics(topics.collect());
    encode_request(head, &request)
}

/// Decodes the answer to [`encode_offset_for_leader_epoch`], given without its size.
///
/// # Errors
/// When it is not the response expected, or not well formed.
pub fn decode_offset_for_leader_epoch(
    version: i16,
    correlation_id: i32,
    frame: Bytes,
) -> Result<Vec<EpochEndOffsetAnswer>, MessageError> {
    let response: OffsetForLeaderEpochResponse = decode_response(version, correlation_id, frame)?;
    let mut answers = Vec::new();
    for topic in &response.topics {
        for end in &topic.partitions {
            answers.push(EpochEndOffsetAnswer {
                partition: named("OffsetForLeaderEpochResponse", &topic.topic, end.partition)?,
                error_code: end.error_code,
                epoch: SourceLeaderEpoch::from_wire(end.leader_epoch),
                end_offset: end.end_offset,
            });
        }
    }
    Ok(answers)
}

/// Encodes `ListOffsets`, versions 1 to 10, reading uncommitted.
///
/// # Errors
/// [`MessageError::Encode`] for other versions.
pub fn encode_list_offsets(
    head: &RequestHead<'_>,
    questions: &[LogEndQuestion],
) -> Result<Bytes, MessageError> {
    let same =
        |one: &LogEndQuestion, next: &LogEndQuestion| one.partition.topic == next.partition.topic;
    let partition = |question: &LogEndQuestion| {
        let timestamp = match question.end {
            LogEnd::Earliest => EARLIEST_TIMESTAMP,
            LogEnd::Latest => LATEST_TIMESTAMP,
        };
        let epoch = question.current_epoch.filter(|_| head.version >= 4);
        ListOffsetsPartition::default()
            .with_partition_index(question.partition.partition.get())
            .with_current_leader_epoch(epoch_or_none(epoch))
            .with_timestamp(timestamp)
    };
    let topics = questions.chunk_by(same).map(|chunk| {
        ListOffsetsTopic::default()
            .with_name(wire_name(&chunk[0].partition.topic))
            .with_partitions(chunk.iter().map(partition).collect())
    });
    let request =
        ListOffsetsRequest::default().with_replica_id(NO_REPLICA).with_topics(topics.collect());
    encode_request(head, &request)
}

/// Decodes the answer to [`encode_list_offsets`], given without its size.
///
/// # Errors
/// When it is not the response expected, or not well formed.
pub fn decode_list_offsets(
    version: i16,
    correlation_id: i32,
    frame: Bytes,
) -> Result<Vec<LogEndAnswer>, MessageError> {
    let response: ListOffsetsResponse = decode_response(version, correlation_id, frame)?;
    let mut answers = Vec::new();
    for topic in &response.topics {
        for listed in &topic.partitions {
            answers.push(LogEndAnswer {
                partition: named("ListOffsetsResponse", &topic.name, listed.partition_index)?,
                error_code: listed.error_code,
                offset: listed.offset,
                epoch: SourceLeaderEpoch::from_wire(listed.leader_epoch),
            });
        }
    }
    Ok(answers)
}

fn named(
    message: &'static str,
    topic: &WireTopicName,
    partition: i32,
) -> Result<TopicPartition, MessageError> {
    let name = TopicName::parse(topic.as_str()).zip(PartitionIndex::from_wire(partition));
    let named = name.map(|(topic, partition)| TopicPartition { topic, partition });
    let topic = || topic.as_str().chars().take(TopicName::BYTES_MAX).collect();
    named.ok_or_else(|| MessageError::Partition { message, topic: topic(), partition })
}

fn wire_name(topic: &TopicName) -> WireTopicName {
    WireTopicName(StrBytes::from_string(topic.as_str().to_owned()))
}

fn epoch_or_none(epoch: Option<SourceLeaderEpoch>) -> i32 {
    epoch.map_or(-1, SourceLeaderEpoch::get)
}

const NO_REPLICA: BrokerId = BrokerId(-1);
const LATEST_TIMESTAMP: i64 = -1;
const EARLIEST_TIMESTAMP: i64 = -2;

#[cfg(test)]
mod tests;
