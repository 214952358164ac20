//! OffsetFetch (key 9). No transaction is ever open here, so every offset is a stable one.

use std::collections::HashSet;

use group_coordinator::coordinator::GroupCoordinator;
use group_coordinator::group_id::GroupId;
use group_coordinator::refusal::Refusal;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetFetchRequest, OffsetFetchResponse, TopicName as WireTopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::group_record::CommittedOffsetValue;
use kafka_wire::partition::{PartitionIndex, TopicName};

use super::{each_once, group_id, groups, string, text};
use crate::node::Node;

/// Shows committed offsets.
pub(super) async fn fetch(
    node: &Node,
    asked: OffsetFetchRequest,
    version: i16,
) -> OffsetFetchResponse {
    let response = OffsetFetchResponse::default();
    if version >= BATCHED {
        let mut groups = Vec::with_capacity(asked.groups.len());
        for group in each_once(asked.groups, |group| group.group_id.clone()) {
            groups.push(fetch_group(node, group).await);
        }
        return response.with_groups(groups);
    }
    let topics = asked.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        });
        topics.collect()
    });
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(asked.group_id)
        .with_member_epoch(NO_EPOCH)
        .with_topics(topics);
    let found = fetch_group(node, group).await;
    // Before version 2 an error has no place but at the partitions.
    let error_code = if version < GROUP_ERROR { found.error_code } else { 0 };
    let topics = found.topics.into_iter().map(|topic| single(topic, error_code));
    response.with_error_code(found.error_code).with_topics(topics.collect())
}

async fn fetch_group(node: &Node, asked: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let response = OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone());
    let (topics, asked_topics) = (asked.topics.clone(), asked.topics.clone());
    match look_up(node, asked, topics).await {
        Ok(found) => response.with_topics(found),
        Err(refusal) => {
            let refused = asked_topics.unwrap_or_default().into_iter().map(|topic| {
                let partitions = topic.partition_indexes.iter();
                let partitions = partitions.map(|index| shown(*index, None));
                OffsetFetchResponseTopics::default()
                    .with_name(topic.name)
                    .with_partitions(partitions.collect())
            });
            response.with_error_code(refusal.code()).with_topics(refused.collect())
        }
    }
}

async fn look_up(
    node: &Node,
    asked: OffsetFetchRequestGroup,
    topics: Option<Vec<OffsetFetchRequestTopics>>,
) -> Result<Vec<OffsetFetchResponseTopics>, Refusal> {
    let id = group_id(&asked.group_id)?;
    let member = string(asked.member_id);
    let look = move |coordinator: &GroupCoordinator| {
        coordinator.check_offset_fetch(&id, member.as_deref(), asked.member_epoch)?;
        Ok(match topics {
            None => all_offsets(coordinator, &id),
            Some(topics) => {
                let mut seen = HashSet::new();
                let found = |topic| offsets_of_topic(coordinator, &id, topic, &mut seen);
                topics.into_iter().map(found).collect()
            }
        })
    };
    groups(node)?.look(look).await?
}

fn all_offsets(coordinator: &GroupCoordinator, id: &GroupId) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for (topic, partition, offset) in coordinator.offsets(id) {
        if topics.last().is_none_or(|last| &**last.name != topic.as_str()) {
            let name = WireTopicName(text(topic.as_str()));
            topics.push(OffsetFetchResponseTopics::default().with_name(name));
        }
        let last = topics.last_mut().expect("one was pushed");
        last.partitions.push(shown(partition.get(), Some(offset)));
    }
    topics
}

fn offsets_of_topic(
    coordinator: &GroupCoordinator,
    id: &GroupId,
    asked: OffsetFetchRequestTopics,
    seen: &mut HashSet<(WireTopicName, i32)>,
) -> OffsetFetchResponseTopics {
    let topic = TopicName::parse(&asked.name);
    let indexes = asked.partition_indexes.iter();
    // Each once, for the same reason as groups.
    let once = indexes.filter(|index| seen.insert((asked.name.clone(), **index)));
    let partitions = once.map(|index| {
        let partition = topic.as_ref().zip(PartitionIndex::from_wire(*index));
        shown(*index, partition.and_then(|(topic, index)| coordinator.offset(id, topic, index)))
    });
    let partitions = partitions.collect();
    OffsetFetchResponseTopics::default().with_name(asked.name).with_partitions(partitions)
}

fn shown(index: i32, offset: Option<&CommittedOffsetValue>) -> OffsetFetchResponsePartitions {
    let shown = OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(NO_OFFSET)
        .with_committed_leader_epoch(NO_EPOCH)
        .with_metadata(Some(StrBytes::default()));
    match offset {
        None => shown,
        Some(offset) => shown
            .with_committed_offset(offset.offset.get())
            .with_committed_leader_epoch(offset.leader_epoch.map_or(NO_EPOCH, |epoch| epoch.get()))
            .with_metadata(Some(text(offset.metadata.clone()))),
    }
}

/// A topic as versions before [`BATCHED`] show it.
fn single(topic: OffsetFetchResponseTopics, error_code: i16) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(error_code)
    });
    OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
}

const NO_OFFSET: i64 = -1;
const NO_EPOCH: i32 = -1;
/// First version that asks for many groups at once.
const BATCHED: i16 = 8;
/// First version with an error for the whole group.
const GROUP_ERROR: i16 = 2;
