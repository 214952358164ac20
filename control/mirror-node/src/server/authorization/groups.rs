//! Requests about consumer groups.

use std::collections::BTreeSet;

use kafka_protocol::messages::consumer_group_describe_response::{
    DescribedGroup as DescribedConsumerGroup, Member,
};
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatResponse, JoinGroupResponse,
    LeaveGroupResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, RequestKind, ResponseKind, SyncGroupResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use mirror_coordinator::acl::AclResource::{self, Group, Topic, TransactionalId};

use super::{Completion, Gate, refusal_code, refusal_message, refuse, response};
use crate::server::answer::Answer;

mod offset_fetch;
mod share_groups;

pub(super) fn admit(
    gate: &Gate,
    body: &mut RequestKind,
    version: i16,
) -> Result<Completion, Answer> {
    match body {
        RequestKind::FindCoordinator(asked) => find_coordinator(gate, asked, version),
        RequestKind::JoinGroup(asked) => may_join(gate, &asked.group_id, || {
            let name = (version < PROTOCOL_NAME_NULLABLE).then(StrBytes::default);
            JoinGroupResponse::default()
                .with_error_code(GROUP_REFUSED)
                .with_protocol_name(name)
                .into()
        }),
        RequestKind::SyncGroup(asked) => may_join(gate, &asked.group_id, || {
            SyncGroupResponse::default().with_error_code(GROUP_REFUSED).into()
        }),
        RequestKind::Heartbeat(asked) => may_join(gate, &asked.group_id, || {
            HeartbeatResponse::default().with_error_code(GROUP_REFUSED).into()
        }),
        RequestKind::LeaveGroup(asked) => may_join(gate, &asked.group_id, || {
            LeaveGroupResponse::default().with_error_code(GROUP_REFUSED).into()
        }),
        RequestKind::ConsumerGroupHeartbeat(asked) => heartbeat(gate, asked),
        RequestKind::ConsumerGroupDescribe(asked) => Ok(describe_consumer(gate, asked)),
        RequestKind::OffsetCommit(asked) => commit(gate, asked),
        RequestKind::OffsetFetch(asked) => offset_fetch::admit(gate, asked, version),
        RequestKind::OffsetDelete(asked) => delete_offsets(gate, asked),
        RequestKind::ListGroups(_) => Ok(list()),
        RequestKind::DescribeGroups(asked) => Ok(describe(gate, asked)),
        RequestKind::DeleteGroups(asked) => Ok(delete(gate, asked)),
        RequestKind::ShareGroupDescribe(asked) => Ok(share_groups::describe(gate, asked)),
        RequestKind::DescribeShareGroupOffsets(asked) => Ok(share_groups::offsets(gate, asked)),
        _ => Ok(Completion::NONE),
    }
}

fn may_join(
    gate: &Gate,
    group: &str,
    refusal: impl FnOnce() -> Answer,
) -> Result<Completion, Answer> {
    if gate.may(Group, group) { Ok(Completion::NONE) } else { Err(refusal()) }
}

fn find_coordinator(
    gate: &Gate,
    asked: &mut FindCoordinatorRequest,
    version: i16,
) -> Result<Completion, Answer> {
    let needed = match asked.key_type {
        0 => Group,
        1 => TransactionalId,
        // There are no others.
        _ => return Ok(Completion::NONE),
    };
    if version < BATCHED_COORDINATORS {
        if gate.may(needed, &asked.key) {
            return Ok(Completion::NONE);
        }
        let response = FindCoordinatorResponse::default()
            .with_error_code(refusal_code(needed))
            .with_error_message(refusal_message(needed))
            .with_node_id(BrokerId(NOBODY))
            .with_port(NOBODY);
        return Err(response.into());
    }
    let refused = refuse(&mut asked.coordinator_keys, |key| gate.may(needed, key));
    Ok(Completion::new(move |_, answer| {
        let Some(response) = response!(answer, FindCoordinator) else { return };
        response.coordinators.extend(refused.into_iter().map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_error_code(refusal_code(needed))
                .with_error_message(refusal_message(needed))
                .with_node_id(BrokerId(NOBODY))
                .with_port(NOBODY)
        }));
    }))
}

/// Topics that a member names have to be ones it may see.
fn heartbeat(gate: &Gate, asked: &ConsumerGroupHeartbeatRequest) -> Result<Completion, Answer> {
    let refused = |resource: AclResource| {
        ConsumerGroupHeartbeatResponse::default()
            .with_error_code(refusal_code(resource))
            .with_error_message(refusal_message(resource))
            .into()
    };
    if !gate.may(Group, &asked.group_id) {
        return Err(refused(Group));
    }
    let mut names = asked.subscribed_topic_names.iter().flatten();
    if names.all(|name| gate.may(Topic, name)) { Ok(Completion::NONE) } else { Err(refused(Topic)) }
}

fn describe_consumer(gate: &Gate, asked: &mut ConsumerGroupDescribeRequest) -> Completion {
    let refused = refuse(&mut asked.group_ids, |group| gate.may(Group, group));
    let wants_operations = asked.include_authorized_operations;
    Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, ConsumerGroupDescribe) else { return };
        for group in &mut response.groups {
            let is_seen =
                group.members.iter().flat_map(topics_of).all(|name| gate.may(Topic, name));
            if !is_seen {
                *group = DescribedConsumerGroup::default()
                    .with_group_id(group.group_id.clone())
                    .with_error_code(refusal_code(Topic))
                    .with_error_message(Some(StrBytes::from_static_str(TOPICS_UNSEEN)));
            } else if wants_operations && group.error_code == 0 {
                group.authorized_operations = gate.operations(Group, &group.group_id);
            }
        }
        response.groups.extend(refused.into_iter().map(|group| {
            DescribedConsumerGroup::default()
                .with_group_id(group)
                .with_error_code(GROUP_REFUSED)
                .with_error_message(None)
        }));
    })
}

/// The topics that a member has, or is to have.
fn topics_of(member: &Member) -> impl Iterator<Item = &TopicName> {
    let assignments = [&member.assignment, &member.target_assignment].into_iter();
    assignments.flat_map(|assignment| &assignment.topic_partitions).map(|topic| &topic.topic_name)
}

fn commit(gate: &Gate, asked: &mut OffsetCommitRequest) -> Result<Completion, Answer> {
    if !gate.may(Group, &asked.group_id) {
        let topics = std::mem::take(&mut asked.topics);
        let refused = topics.into_iter().map(|topic| not_committed(topic, GROUP_REFUSED));
        return Err(OffsetCommitResponse::default().with_topics(refused.collect()).into());
    }
    let refused = refuse(&mut asked.topics, |topic| gate.may(Topic, &topic.name));
    if refused.is_empty() {
        return Ok(Completion::NONE);
    }
    let mut refused: Vec<_> =
        refused.into_iter().map(|topic| not_committed(topic, refusal_code(Topic))).collect();
    if asked.topics.is_empty() {
        return Err(OffsetCommitResponse::default().with_topics(refused).into());
    }
    Ok(Completion::new(move |_, answer| {
        if let Some(response) = response!(answer, OffsetCommit) {
            response.topics.append(&mut refused);
        }
    }))
}

fn not_committed(topic: OffsetCommitRequestTopic, code: i16) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(code)
    });
    OffsetCommitResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
}

fn delete_offsets(gate: &Gate, asked: &mut OffsetDeleteRequest) -> Result<Completion, Answer> {
    if !gate.may(Group, &asked.group_id) {
        return Err(OffsetDeleteResponse::default().with_error_code(GROUP_REFUSED).into());
    }
    let refused = refuse(&mut asked.topics, |topic| gate.may(Topic, &topic.name));
    Ok(Completion::new(move |_, answer| {
        let Some(response) = response!(answer, OffsetDelete) else { return };
        if response.error_code != 0 {
            return;
        }
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(refusal_code(Topic))
            });
            OffsetDeleteResponseTopic::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name)
        }));
    }))
}

/// Whoever may describe the cluster sees all groups.
fn list() -> Completion {
    Completion::new(|gate, answer| {
        if let Some(response) = response!(answer, ListGroups)
            && !gate.may_on_cluster()
        {
            response.groups.retain(|group| gate.may(Group, &group.group_id));
        }
    })
}

fn describe(gate: &Gate, asked: &mut DescribeGroupsRequest) -> Completion {
    let refused = refuse(&mut asked.groups, |group| gate.may(Group, group));
    let wants_operations = asked.include_authorized_operations;
    Completion::new(move |gate, answer| {
        let Some(response) = response!(answer, DescribeGroups) else { return };
        for group in response.groups.iter_mut().filter(|group| group.error_code == 0) {
            if wants_operations {
                group.authorized_operations = gate.operations(Group, &group.group_id);
            }
        }
        response.groups.extend(refused.into_iter().map(|group| {
            DescribedGroup::default().with_group_id(group).with_error_code(GROUP_REFUSED)
        }));
    })
}

fn delete(gate: &Gate, asked: &mut DeleteGroupsRequest) -> Completion {
    let refused = refuse(&mut asked.groups_names, |group| gate.may(Group, group));
    Completion::new(move |_, answer| {
        let Some(response) = response!(answer, DeleteGroups) else { return };
        let once: BTreeSet<_> = refused.into_iter().collect();
        response.results.extend(once.into_iter().map(|group| {
            DeletableGroupResult::default().with_group_id(group).with_error_code(GROUP_REFUSED)
        }));
    })
}

const GROUP_REFUSED: i16 = refusal_code(Group);
const NOBODY: i32 = -1;
/// First version of FindCoordinator that asks for many at once.
const BATCHED_COORDINATORS: i16 = 4;
/// First version of JoinGroup whose answer may lack a protocol.
const PROTOCOL_NAME_NULLABLE: i16 = 7;
/// In the words of a stock broker.
const TOPICS_UNSEEN: &str =
    "The group has described topic(s) that the client is not authorized to describe.";
