//! ConsumerGroupHeartbeat (key 68), ConsumerGroupDescribe (69): groups of KIP-848.

use group_coordinator::answer::{Answer, ConsumerGroupHeartbeatAnswer};
use group_coordinator::assignment::Assignment;
use group_coordinator::coordinator::GroupCoordinator;
use group_coordinator::description::{ConsumerGroupDescription, ConsumerMemberDescription};
use group_coordinator::refusal::Refusal;
use group_coordinator::request::{ConsumerGroupHeartbeat, Request};
use group_coordinator::topics::TopicTable;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment as DescribedAssignment, DescribedGroup, Member,
    TopicPartitions as DescribedPartitions,
};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions as Owned;
use kafka_protocol::messages::consumer_group_heartbeat_response::{
    Assignment as ToldAssignment, TopicPartitions as Told,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, TopicName,
};
use kafka_wire::partition::{PartitionIndex, TopicId};
use uuid::Uuid;

use super::{each_once, group_id, groups, string, text};
use crate::node::Node;
use crate::random_id::random_id;
use crate::server::dispatch::Client;

/// A member lives, joins or leaves, and is told what to read.
pub(super) async fn heartbeat(
    node: &Node,
    client: &Client,
    asked: ConsumerGroupHeartbeatRequest,
    version: i16,
) -> ConsumerGroupHeartbeatResponse {
    let response = ConsumerGroupHeartbeatResponse::default();
    match heartbeat_of(node, client, asked, version).await {
        Err(refusal) => {
            let message = Some(text(refusal.to_string()));
            response.with_error_code(refusal.code()).with_error_message(message)
        }
        Ok(answer) => response
            .with_member_id(Some(text(answer.member_id)))
            .with_member_epoch(answer.member_epoch)
            .with_heartbeat_interval_ms(
                i32::try_from(answer.heartbeat_interval_ms).unwrap_or(i32::MAX),
            )
            .with_assignment(answer.assignment.map(|assignment| told(&assignment))),
    }
}

async fn heartbeat_of(
    node: &Node,
    client: &Client,
    asked: ConsumerGroupHeartbeatRequest,
    version: i16,
) -> Result<ConsumerGroupHeartbeatAnswer, Refusal> {
    let owned = asked.topic_partitions.as_deref().map(owned).transpose()?;
    let names = |names: Vec<TopicName>| names.into_iter().map(|name| name.to_string()).collect();
    let unique_id = random_id().map_err(|_| Refusal::CoordinatorNotAvailable)?.to_string();
    let heartbeat = ConsumerGroupHeartbeat {
        group_id: group_id(&asked.group_id)?,
        member_id: asked.member_id.to_string(),
        member_epoch: asked.member_epoch,
        instance_id: string(asked.instance_id),
        rack_id: string(asked.rack_id),
        rebalance_timeout_ms: asked.rebalance_timeout_ms,
        topic_names: asked.subscribed_topic_names.map(names),
        topic_regex: string(asked.subscribed_topic_regex),
        server_assignor: string(asked.server_assignor),
        owned,
        client_id: client.id.clone(),
        client_host: format!("/{}", client.peer.ip()),
        must_name_member: version >= MEMBERS_NAME_THEMSELVES,
        unique_id,
    };
    let groups = groups(node)?;
    groups.follow_topics(&node.catalog)?;
    match groups.ask(Request::ConsumerGroupHeartbeat(Box::new(heartbeat))).await? {
        Answer::ConsumerGroupHeartbeat(answer) => answer,
        other => unreachable!("a heartbeat is not answered by {other:?}"),
    }
}

fn owned(topics: &[Owned]) -> Result<Assignment, Refusal> {
    let mut owned = Assignment::new();
    for topic in topics {
        let topic_id =
            TopicId::from_wire(topic.topic_id.into_bytes()).ok_or(Refusal::InvalidRequest)?;
        for index in &topic.partitions {
            let partition = PartitionIndex::from_wire(*index).ok_or(Refusal::InvalidRequest)?;
            owned.insert(topic_id, partition);
        }
    }
    Ok(owned)
}

fn told(assignment: &Assignment) -> ToldAssignment {
    let topics = assignment.topics().map(|(topic_id, partitions)| {
        Told::default()
            .with_topic_id(Uuid::from_bytes(topic_id.bytes()))
            .with_partitions(partitions.iter().map(|partition| partition.get()).collect())
    });
    ToldAssignment::default().with_topic_partitions(topics.collect())
}

/// Describes consumer groups; classic ones are said not to be there, so that tools ask again with
/// DescribeGroups.
pub(super) async fn describe(
    node: &Node,
    asked: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let mut described = Vec::with_capacity(asked.group_ids.len());
    for wire_id in each_once(asked.group_ids, Clone::clone) {
        let found = describe_group(node, &wire_id).await;
        let group = found.unwrap_or_else(|refusal| {
            let message = match refusal {
                Refusal::GroupIdNotFound => format!("Group {} not found.", wire_id.as_str()),
                other => other.to_string(),
            };
            DescribedGroup::default()
                .with_error_code(refusal.code())
                .with_error_message(Some(text(message)))
        });
        described.push(group.with_group_id(wire_id));
    }
    ConsumerGroupDescribeResponse::default().with_groups(described)
}

async fn describe_group(node: &Node, name: &str) -> Result<DescribedGroup, Refusal> {
    let id = group_id(name)?;
    let look = move |coordinator: &GroupCoordinator| {
        let found = coordinator.describe_consumer(&id)?;
        Ok(describe_members(found, coordinator.topics()))
    };
    groups(node)?.look(look).await?
}

fn describe_members(found: ConsumerGroupDescription, topics: &TopicTable) -> DescribedGroup {
    let member = |member: ConsumerMemberDescription| {
        let names = member.topic_names.into_iter().map(|name| TopicName(text(name)));
        Member::default()
            .with_member_id(text(member.member_id))
            .with_instance_id(member.instance_id.map(text))
            .with_rack_id(member.rack_id.map(text))
            .with_member_epoch(member.member_epoch)
            .with_client_id(text(member.client_id))
            .with_client_host(text(member.client_host))
            .with_subscribed_topic_names(names.collect())
            .with_subscribed_topic_regex(member.topic_regex.map(text))
            .with_assignment(described_assignment(&member.assignment, topics))
            .with_target_assignment(described_assignment(&member.target_assignment, topics))
            .with_member_type(MEMBER_OF_CONSUMER_PROTOCOL)
    };
    DescribedGroup::default()
        .with_group_state(text(found.state))
        .with_group_epoch(found.epoch)
        .with_assignment_epoch(found.assignment_epoch)
        .with_assignor_name(text(found.assignor))
        .with_members(found.members.into_iter().map(member).collect())
}

/// Topics that are gone are left out: they have no name any more.
fn described_assignment(assignment: &Assignment, topics: &TopicTable) -> DescribedAssignment {
    let described = assignment.topics().filter_map(|(topic_id, partitions)| {
        let name = topics.name(topic_id)?;
        let partitions = partitions.iter().map(|partition| partition.get());
        Some(
            DescribedPartitions::default()
                .with_topic_id(Uuid::from_bytes(topic_id.bytes()))
                .with_topic_name(TopicName(text(name.as_str())))
                .with_partitions(partitions.collect()),
        )
    });
    DescribedAssignment::default().with_topic_partitions(described.collect())
}

/// First version whose members choose their ids themselves.
const MEMBERS_NAME_THEMSELVES: i16 = 1;
/// What version 1 of the description says of a member that is no classic one.
const MEMBER_OF_CONSUMER_PROTOCOL: i8 = 1;
