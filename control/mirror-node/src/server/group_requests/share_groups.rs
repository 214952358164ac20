//! ShareGroupDescribe (key 77), DescribeShareGroupOffsets (90): share groups of sources (KIP-932).
//! Nobody reads in them here, so they are empty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use group_coordinator::description::{GroupType, ListedGroup};
use group_coordinator::group_id::GroupId;
use group_coordinator::refusal::Refusal;
use kafka_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use kafka_protocol::messages::share_group_describe_response::DescribedGroup;
use kafka_protocol::messages::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse, ShareGroupDescribeRequest,
    ShareGroupDescribeResponse, TopicName,
};
use kafka_wire::partition::PartitionIndex;
use kafka_wire::share_state_record::ShareSnapshotValue;
use uuid::Uuid;

use super::{each_once, group_id, text};
use crate::catalog::Topic;
use crate::local_topics::keeper::now_ms;
use crate::node::Node;
use crate::share_groups::{FIRST_EPOCH, GroupStates, ShareGroups, ShareGroupsError};

/// Lines of a listing.
pub(super) async fn list(node: &Node) -> Vec<ListedGroup> {
    let line = |group_id| ListedGroup {
        group_id,
        protocol_type: PROTOCOL.to_owned(),
        state: EMPTY,
        group_type: GroupType::Share,
    };
    // Where they cannot be read, those of consumers are told all the same.
    look(node, ShareGroups::ids).await.unwrap_or_default().into_iter().map(line).collect()
}

/// Deletes a group.
pub(super) async fn delete(node: &Node, id: GroupId) -> Result<(), Refusal> {
    if node.share_groups.get().is_none() {
        return Err(Refusal::GroupIdNotFound);
    }
    let was_there = look(node, move |groups| groups.forget(&id, now_ms())).await?;
    if was_there { Ok(()) } else { Err(Refusal::GroupIdNotFound) }
}

/// Describes groups; none of them has members.
pub(super) async fn describe(
    node: &Node,
    asked: ShareGroupDescribeRequest,
) -> ShareGroupDescribeResponse {
    let mut described = Vec::with_capacity(asked.group_ids.len());
    for wire_id in each_once(asked.group_ids, Clone::clone) {
        let group = DescribedGroup::default();
        let group = match states_of(node, &wire_id).await {
            Ok(_) => group
                .with_group_state(text(EMPTY))
                .with_group_epoch(FIRST_EPOCH)
                .with_assignor_name(text(ASSIGNOR)),
            Err(refusal) => {
                let message = message(&wire_id, refusal);
                group.with_error_code(refusal.code()).with_error_message(Some(text(message)))
            }
        };
        described.push(group.with_group_id(wire_id));
    }
    ShareGroupDescribeResponse::default().with_groups(described)
}

/// Shows from where groups are to read: all that is known, or what is asked for.
pub(super) async fn describe_offsets(
    node: &Node,
    asked: DescribeShareGroupOffsetsRequest,
) -> DescribeShareGroupOffsetsResponse {
    let mut groups = Vec::with_capacity(asked.groups.len());
    for group in each_once(asked.groups, |group| group.group_id.clone()) {
        let response = DescribeShareGroupOffsetsResponseGroup::default();
        let DescribeShareGroupOffsetsRequestGroup { group_id, topics, .. } = group;
        let response = match states_of(node, &group_id).await {
            Ok(states) => response.with_topics(match topics {
                None => all_topics(node, &states),
                Some(topics) => {
                    let topics = each_once(topics, |topic| topic.topic_name.clone());
                    topics.map(|topic| one_topic(node, &states, topic)).collect()
                }
            }),
            Err(refusal) => {
                let message = message(&group_id, refusal);
                response.with_error_code(refusal.code()).with_error_message(Some(text(message)))
            }
        };
        groups.push(response.with_group_id(group_id));
    }
    DescribeShareGroupOffsetsResponse::default().with_groups(groups)
}

/// Topics that are gone are left out.
fn all_topics(node: &Node, states: &GroupStates) -> Vec<DescribeShareGroupOffsetsResponseTopic> {
    let mut by_topic: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((topic_id, partition), state) in states {
        by_topic.entry(*topic_id).or_default().push(shown(partition.get(), Some(state)));
    }
    let named = by_topic
        .into_iter()
        .filter_map(|(id, partitions)| Some((node.catalog.topic_of(id)?, partitions)));
    named.map(|(topic, partitions)| of_topic(&topic).with_partitions(partitions)).collect()
}

fn one_topic(
    node: &Node,
    states: &GroupStates,
    asked: DescribeShareGroupOffsetsRequestTopic,
) -> DescribeShareGroupOffsetsResponseTopic {
    let indexes: BTreeSet<i32> = asked.partitions.iter().copied().collect();
    match node.catalog.topic_named(&asked.topic_name) {
        Some(topic) => {
            let state = |index: i32| states.get(&(topic.id, PartitionIndex::from_wire(index)?));
            let partitions = indexes.into_iter().map(|index| shown(index, state(index)));
            of_topic(&topic).with_partitions(partitions.collect())
        }
        None => {
            let unknown = |index| shown(index, None).with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
            DescribeShareGroupOffsetsResponseTopic::default()
                .with_partitions(indexes.into_iter().map(unknown).collect())
                .with_topic_name(asked.topic_name)
        }
    }
}

fn of_topic(topic: &Topic) -> DescribeShareGroupOffsetsResponseTopic {
    DescribeShareGroupOffsetsResponseTopic::default()
        .with_topic_name(TopicName(text(topic.name.as_str())))
        .with_topic_id(Uuid::from_bytes(topic.id.bytes()))
}

fn shown(
    index: i32,
    state: Option<&ShareSnapshotValue>,
) -> DescribeShareGroupOffsetsResponsePartition {
    let start = state.and_then(|state| state.start_offset);
    DescribeShareGroupOffsetsResponsePartition::default()
        .with_partition_index(index)
        .with_start_offset(start.map_or(NO_OFFSET, |offset| offset.get()))
        .with_leader_epoch(state.map_or(0, |state| state.leader_epoch))
}

async fn states_of(node: &Node, name: &str) -> Result<GroupStates, Refusal> {
    let id = group_id(name)?;
    let states = look(node, move |groups| groups.states_of(&id)).await?;
    states.ok_or(Refusal::GroupIdNotFound)
}

/// Looks at share groups, which may wait for the disk.
async fn look<T: Send + 'static>(
    node: &Node,
    look: impl FnOnce(&ShareGroups) -> Result<T, ShareGroupsError> + Send + 'static,
) -> Result<T, Refusal> {
    let groups = node.share_groups.get().map(Arc::clone);
    let groups = groups.ok_or(Refusal::CoordinatorNotAvailable)?;
    let looked = tokio::task::spawn_blocking(move || look(&groups)).await;
    looked.expect("looking at share groups does not panic").map_err(|error| {
        tracing::warn!(%error, "share groups cannot be looked at");
        Refusal::CoordinatorNotAvailable
    })
}

fn message(group: &str, refusal: Refusal) -> String {
    match refusal {
        Refusal::GroupIdNotFound => format!("Group {group} not found."),
        other => other.to_string(),
    }
}

const PROTOCOL: &str = "share";
const EMPTY: &str = "Empty";
/// The only one there is for share groups.
const ASSIGNOR: &str = "simple";
const NO_OFFSET: i64 = -1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
