//! OffsetForLeaderEpoch (key 23): where an epoch ends in our log (KIP-101, KIP-320).

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use kafka_wire::epoch::SourceLeaderEpoch;

use crate::catalog::Topic;
use crate::log_reader::epoch_end_offset;
use crate::node::Node;
use crate::server::fetch_look::check_leader_epoch;

/// Answers for every partition asked about.
pub(super) fn end_offsets(
    node: &Node,
    asked: &OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = asked.topics.iter().map(|asked| {
        let topic = node.catalog.topic_named(&asked.topic);
        let ends = asked.partitions.iter().map(|asked| end_offset(topic.as_deref(), asked));
        OffsetForLeaderTopicResult::default()
            .with_topic(asked.topic.clone())
            .with_partitions(ends.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn end_offset(topic: Option<&Topic>, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let answer = EpochEndOffset::default().with_partition(asked.partition);
    match find_end(topic, asked) {
        Ok(Some((epoch, end))) => answer.with_leader_epoch(epoch).with_end_offset(end),
        Ok(None) => answer,
        Err(error) => answer.with_error_code(error.code()),
    }
}

/// The epoch known that is at most the one asked for, and its end; `None` when the one asked for
/// is above all.
fn find_end(
    topic: Option<&Topic>,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ResponseError> {
    let partition = topic.and_then(|topic| topic.partition(asked.partition));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let state = partition.view.state().ok_or(ResponseError::NotLeaderOrFollower)?;
    check_leader_epoch(&state, asked.current_leader_epoch)?;
    let Some(epoch) = SourceLeaderEpoch::from_wire(asked.leader_epoch) else { return Ok(None) };
    // Our own epoch may be above those of the batches: it ends where the log ends.
    if epoch.get() == state.leader_epoch.get() {
        return Ok(Some((epoch.get(), state.log_end.offset().get())));
    }
    let end = epoch_end_offset(&state, epoch);
    Ok(end.map(|end| (end.epoch.get(), end.end.get())))
}
