//! ListOffsets (key 2): offsets by timestamp, and the ends of logs.

use std::collections::HashSet;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use kafka_wire::offset::Offset;

use crate::catalog::Topic;
use crate::log_reader::{ReadError, TimestampOffset, leader_epoch_of};
use crate::node::Node;
use crate::server::fetch_look::{check_leader_epoch, readable_end};

/// Answers for every partition asked about; blocking where timestamps are looked for in files.
pub(super) fn list_offsets(
    node: &Node,
    asked: &ListOffsetsRequest,
    version: i16,
) -> ListOffsetsResponse {
    let reads_committed = asked.isolation_level == READ_COMMITTED;
    let is_replica = asked.replica_id.0 >= 0;
    let mut seen = HashSet::new();
    let topics = asked.topics.iter().map(|asked| {
        let (name, topic) = (&asked.name, node.catalog.topic_named(&asked.name));
        let listed = asked.partitions.iter().map(|asked| {
            // Without this a small request could have files searched any number of times.
            let found = if seen.insert((name, asked.partition_index)) {
                find(node, topic.as_deref(), asked, reads_committed, is_replica)
            } else {
                Err(ResponseError::InvalidRequest)
            };
            answered(asked, found, version)
        });
        ListOffsetsTopicResponse::default()
            .with_name(asked.name.clone())
            .with_partitions(listed.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// An offset, the timestamp it was found by, and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listed {
    offset: i64,
    timestamp_ms: i64,
    epoch: i32,
}

fn answered(
    asked: &ListOffsetsPartition,
    found: Result<Option<Listed>, ResponseError>,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let answer =
        ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
    match found {
        Ok(Some(Listed { offset, timestamp_ms, epoch })) => {
            let answer = answer.with_offset(offset).with_timestamp(timestamp_ms);
            if version < EPOCHS_SINCE { answer } else { answer.with_leader_epoch(epoch) }
        }
        Ok(None) => answer,
        Err(error) => answer.with_error_code(error.code()),
    }
}

fn find(
    node: &Node,
    topic: Option<&Topic>,
    asked: &ListOffsetsPartition,
    reads_committed: bool,
    is_replica: bool,
) -> Result<Option<Listed>, ResponseError> {
    let partition = topic.and_then(|topic| topic.partition(asked.partition_index));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let state = partition.view.state().ok_or(ResponseError::NotLeaderOrFollower)?;
    check_leader_epoch(&state, asked.current_leader_epoch)?;
    let upper =
        if is_replica { state.log_end.offset() } else { readable_end(&state, reads_committed) };
    let without_time = |offset: Offset, epoch| {
        Ok(Some(Listed { offset: offset.get(), timestamp_ms: NO_TIMESTAMP_MS, epoch }))
    };
    match asked.timestamp {
        LATEST => without_time(upper, state.epochs.latest().map_or(NO_EPOCH, |last| last.get())),
        EARLIEST | EARLIEST_LOCAL => {
            let start = state.log_start.offset();
            let epoch = leader_epoch_of(&state, start);
            without_time(start, epoch.map_or(NO_EPOCH, |epoch| epoch.get()))
        }
        // Nothing is tiered here.
        LATEST_TIERED => Ok(None),
        MAX_TIMESTAMP => {
            let found = node.log_reader.max_timestamp_offset(&partition.view, &state);
            found.map(|found| found.map(Listed::from)).map_err(|error| refusal(&error))
        }
        at if at >= 0 => {
            let found = node.log_reader.offset_for_timestamp(&partition.view, &state, at, upper);
            found.map(|found| found.map(Listed::from)).map_err(|error| refusal(&error))
        }
        _ => Err(ResponseError::UnsupportedVersion),
    }
}

impl From<TimestampOffset> for Listed {
    fn from(found: TimestampOffset) -> Self {
        let epoch = found.leader_epoch.map_or(NO_EPOCH, |epoch| epoch.get());
        let (offset, timestamp_ms) = (found.offset.get(), found.timestamp_ms);
        Self { offset, timestamp_ms, epoch }
    }
}

fn refusal(error: &ReadError) -> ResponseError {
    match error {
        ReadError::OutOfRange { .. } | ReadError::Gone { .. } => ResponseError::NotLeaderOrFollower,
        ReadError::Damaged { .. } | ReadError::Records { .. } | ReadError::Io { .. } => {
            tracing::warn!("cannot look for a timestamp: {error}");
            ResponseError::KafkaStorageError
        }
    }
}

/// Version from which the epoch of an offset is told.
const EPOCHS_SINCE: i16 = 4;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const NO_TIMESTAMP_MS: i64 = -1;
const NO_EPOCH: i32 = -1;
const READ_COMMITTED: i8 = 1;
