//! OffsetCommit (key 8).

use group_coordinator::answer::Answer;
use group_coordinator::refusal::Refusal;
use group_coordinator::request::{MemberOfGeneration, OffsetCommit, OffsetToCommit, Request};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;

use super::{code_of, group_id, groups, string};
use crate::catalog::Topic;
use crate::node::Node;

/// Commits what can be committed; each partition is told for itself.
pub(super) async fn commit(
    node: &Node,
    asked: OffsetCommitRequest,
    version: i16,
) -> OffsetCommitResponse {
    let (mut response, offsets) = sort_out(node, &asked.topics);
    let outcomes = commit_offsets(node, asked, version, offsets).await;
    // Partitions that were refused before are not among the outcomes.
    let mut outcomes = outcomes.map(Vec::into_iter);
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if partition.error_code == 0 {
            partition.error_code = match &mut outcomes {
                Ok(outcomes) => outcomes.next().map_or(0, code_of),
                Err(refusal) => refusal.code(),
            };
        }
    }
    response
}

/// What the coordinator is asked for, and the answer so far: partitions that do not exist and
/// offsets that cannot be are refused.
fn sort_out(
    node: &Node,
    asked: &[OffsetCommitRequestTopic],
) -> (OffsetCommitResponse, Vec<OffsetToCommit>) {
    let mut offsets = Vec::new();
    let mut topics = Vec::with_capacity(asked.len());
    for asked in asked {
        let topic = node.catalog.topic_named(&asked.name);
        let answered = asked.partitions.iter().map(|partition| {
            let found = topic.as_deref().ok_or(ResponseError::UnknownTopicOrPartition);
            let offset = found.and_then(|topic| offset_to_commit(topic, partition));
            let error_code = offset.as_ref().err().map_or(0, ResponseError::code);
            offsets.extend(offset);
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error_code)
        });
        let partitions = answered.collect();
        topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(asked.name.clone())
                .with_partitions(partitions),
        );
    }
    (OffsetCommitResponse::default().with_topics(topics), offsets)
}

fn offset_to_commit(
    topic: &Topic,
    asked: &OffsetCommitRequestPartition,
) -> Result<OffsetToCommit, ResponseError> {
    let partition =
        topic.partition(asked.partition_index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let metadata = asked.committed_metadata.as_ref();
    Ok(OffsetToCommit {
        topic: topic.name.clone(),
        topic_id: Some(topic.id),
        partition: partition.name.partition,
        offset: Offset::from_wire(asked.committed_offset).ok_or(ResponseError::InvalidRequest)?,
        leader_epoch: SourceLeaderEpoch::from_wire(asked.committed_leader_epoch),
        metadata: metadata.map(|text| text.to_string()).unwrap_or_default(),
    })
}

async fn commit_offsets(
    node: &Node,
    asked: OffsetCommitRequest,
    version: i16,
    offsets: Vec<OffsetToCommit>,
) -> Result<Vec<Result<(), Refusal>>, Refusal> {
    let retention_ms = Some(asked.retention_time_ms).filter(|retention_ms| *retention_ms >= 0);
    let commit = OffsetCommit {
        member: MemberOfGeneration {
            group_id: group_id(&asked.group_id)?,
            member_id: asked.member_id.to_string(),
            group_instance_id: string(asked.group_instance_id),
            generation: asked.generation_id_or_member_epoch,
        },
        knows_consumer_groups: version >= KNOWS_CONSUMER_GROUPS,
        retention_ms: retention_ms.filter(|_| version <= RETENTION_LAST),
        offsets,
    };
    match groups(node)?.ask(Request::OffsetCommit(commit)).await? {
        Answer::OffsetCommit(answer) => {
            Ok(answer?.into_iter().map(|partition| partition.outcome).collect())
        }
        other => unreachable!("a commit is not answered by {other:?}"),
    }
}

/// First version that members of consumer groups may use.
const KNOWS_CONSUMER_GROUPS: i16 = 9;
/// Last version in which a client says how long to keep its offsets.
const RETENTION_LAST: i16 = 4;
