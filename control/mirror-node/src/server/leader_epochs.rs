//! OffsetForLeaderEpoch (key 23): where an epoch ends in our log (KIP-101, KIP-320).

use kafka_log::leader_epoch_checkpoint as epochs;
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
        Ok(Some(found)) => {
            answer.with_leader_epoch(found.epoch.get()).with_end_offset(found.end.get())
        }
        Ok(None) => answer,
        Err(error) => answer.with_error_code(error.code()),
    }
}

/// The epoch known that is at most the one asked for, and its end; `None` when the one asked for
/// is above all.
fn find_end(
    topic: Option<&Topic>,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<epochs::EpochEndOffset>, ResponseError> {
    let partition = topic.and_then(|topic| topic.partition(asked.partition));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let state = partition.view.state().ok_or(ResponseError::NotLeaderOrFollower)?;
    check_leader_epoch(&state, asked.current_leader_epoch)?;
    let epoch = SourceLeaderEpoch::from_wire(asked.leader_epoch);
    Ok(epoch.and_then(|epoch| epoch_end_offset(&state, epoch)))
}
