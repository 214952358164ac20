//! JoinGroup (key 11), SyncGroup (14), Heartbeat (12), LeaveGroup (13).

use bytes::Bytes;
use group_coordinator::answer::{Answer, JoinAnswer, SyncAnswer};
use group_coordinator::limits::{GROUP_MEMBERS_MAX, MEMBER_PROTOCOLS_MAX};
use group_coordinator::refusal::Refusal;
use group_coordinator::request::{
    Heartbeat, JoinGroup, JoinProtocol, LeaveGroup, LeavingMember, MemberOfGeneration, Request,
    SyncGroup,
};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{code_of, group_id, groups, string, text};
use crate::node::Node;
use crate::random_id::random_id;
use crate::server::dispatch::Client;

/// A member joins.
pub(super) async fn join(
    node: &Node,
    client: &Client,
    asked: JoinGroupRequest,
    version: i16,
) -> JoinGroupResponse {
    let member_id = asked.member_id.to_string();
    let answer = join_group(node, client, asked, version).await;
    let answer = answer.unwrap_or_else(|refusal| JoinAnswer::refused(&member_id, refusal));
    let members = answer.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.member_id))
            .with_group_instance_id(member.group_instance_id.map(text))
            .with_metadata(member.metadata)
    });
    // Before version 7 the name of the protocol cannot be missing.
    let may_lack = |name: Option<String>| match name {
        None if version < PROTOCOL_NAME_NULLABLE => Some(StrBytes::default()),
        name => name.map(text),
    };
    JoinGroupResponse::default()
        .with_error_code(answer.refusal.map_or(0, Refusal::code))
        .with_generation_id(answer.generation)
        .with_protocol_type(answer.protocol_type.map(text))
        .with_protocol_name(may_lack(answer.protocol_name))
        .with_leader(text(answer.leader))
        .with_skip_assignment(answer.skip_assignment)
        .with_member_id(text(answer.member_id))
        .with_members(members.collect())
}

async fn join_group(
    node: &Node,
    client: &Client,
    asked: JoinGroupRequest,
    version: i16,
) -> Result<JoinAnswer, Refusal> {
    // Version 0 has one timeout for both.
    let rebalance_timeout_ms =
        if version == 0 { asked.session_timeout_ms } else { asked.rebalance_timeout_ms };
    // Before anything waits for the coordinator with it.
    if asked.protocols.len() > MEMBER_PROTOCOLS_MAX {
        return Err(Refusal::InvalidRequest);
    }
    let protocols = asked.protocols.into_iter().map(|protocol| JoinProtocol {
        name: protocol.name.to_string(),
        metadata: kept(&protocol.metadata),
    });
    let unique_id = random_id().map_err(|_| Refusal::CoordinatorNotAvailable)?.to_string();
    let join = JoinGroup {
        group_id: group_id(&asked.group_id)?,
        member_id: asked.member_id.to_string(),
        group_instance_id: string(asked.group_instance_id),
        client_id: client.id.clone(),
        client_host: format!("/{}", client.peer.ip()),
        session_timeout_ms: asked.session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: asked.protocol_type.to_string(),
        protocols: protocols.collect(),
        must_know_member_id: version >= MEMBER_ID_REQUIRED,
        may_skip_assignment: version >= SKIP_ASSIGNMENT,
        unique_id,
    };
    match groups(node)?.ask(Request::Join(Box::new(join))).await? {
        Answer::Join(answer) => Ok(*answer),
        other => unreachable!("a join is not answered by {other:?}"),
    }
}

/// A member fetches its assignment, or brings everybody's.
pub(super) async fn sync(node: &Node, asked: SyncGroupRequest) -> SyncGroupResponse {
    let response = SyncGroupResponse::default();
    match sync_group(node, asked).await {
        Err(refusal) => response.with_error_code(refusal.code()),
        Ok(answer) => response
            .with_protocol_type(answer.protocol_type.map(text))
            .with_protocol_name(answer.protocol_name.map(text))
            .with_assignment(answer.assignment),
    }
}

async fn sync_group(node: &Node, asked: SyncGroupRequest) -> Result<SyncAnswer, Refusal> {
    // Before anything waits for the coordinator with it.
    if asked.assignments.len() > GROUP_MEMBERS_MAX {
        return Err(Refusal::MessageTooLarge);
    }
    let assignments = asked.assignments.into_iter();
    let assignments =
        assignments.map(|member| (member.member_id.to_string(), kept(&member.assignment)));
    let sync = SyncGroup {
        member: MemberOfGeneration {
            group_id: group_id(&asked.group_id)?,
            member_id: asked.member_id.to_string(),
            group_instance_id: string(asked.group_instance_id),
            generation: asked.generation_id,
        },
        protocol_type: string(asked.protocol_type),
        protocol_name: string(asked.protocol_name),
        assignments: assignments.collect(),
    };
    match groups(node)?.ask(Request::Sync(sync)).await? {
        Answer::Sync(answer) => answer,
        other => unreachable!("a sync is not answered by {other:?}"),
    }
}

/// Bytes that a group keeps: as a part of their request they would keep all of it in memory.
fn kept(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A member lives.
pub(super) async fn heartbeat(node: &Node, asked: HeartbeatRequest) -> HeartbeatResponse {
    let outcome = match heartbeat_of(node, asked).await {
        // While groups are read nobody is lost, and nobody has to do anything.
        Err(Refusal::CoordinatorLoadInProgress) => Ok(()),
        outcome => outcome,
    };
    HeartbeatResponse::default().with_error_code(code_of(outcome))
}

async fn heartbeat_of(node: &Node, asked: HeartbeatRequest) -> Result<(), Refusal> {
    let member = MemberOfGeneration {
        group_id: group_id(&asked.group_id)?,
        member_id: asked.member_id.to_string(),
        group_instance_id: string(asked.group_instance_id),
        generation: asked.generation_id,
    };
    match groups(node)?.ask(Request::Heartbeat(Heartbeat { member })).await? {
        Answer::Heartbeat(outcome) => outcome,
        other => unreachable!("a heartbeat is not answered by {other:?}"),
    }
}

/// Members leave.
pub(super) async fn leave(
    node: &Node,
    asked: LeaveGroupRequest,
    version: i16,
) -> LeaveGroupResponse {
    let response = LeaveGroupResponse::default();
    match leave_group(node, asked, version).await {
        Err(refusal) => response.with_error_code(refusal.code()),
        Ok(members) if version >= MANY_LEAVE => response.with_members(members),
        Ok(members) => {
            response.with_error_code(members.first().map_or(0, |member| member.error_code))
        }
    }
}

async fn leave_group(
    node: &Node,
    asked: LeaveGroupRequest,
    version: i16,
) -> Result<Vec<MemberResponse>, Refusal> {
    let leaving = |member: MemberIdentity| LeavingMember {
        member_id: member.member_id.to_string(),
        group_instance_id: string(member.group_instance_id),
    };
    let members = if version >= MANY_LEAVE {
        asked.members.into_iter().map(leaving).collect()
    } else {
        vec![LeavingMember { member_id: asked.member_id.to_string(), group_instance_id: None }]
    };
    let leave = LeaveGroup { group_id: group_id(&asked.group_id)?, members };
    let left = match groups(node)?.ask(Request::Leave(leave)).await? {
        Answer::Leave(left) => left?,
        other => unreachable!("a leave is not answered by {other:?}"),
    };
    let response = left.into_iter().map(|member| {
        MemberResponse::default()
            .with_member_id(text(member.member_id))
            .with_group_instance_id(member.group_instance_id.map(text))
            .with_error_code(code_of(member.outcome))
    });
    Ok(response.collect())
}

/// First version of JoinGroup whose members come back with an id they were given.
const MEMBER_ID_REQUIRED: i16 = 4;
/// First version of JoinGroup whose answer may lack the protocol's name.
const PROTOCOL_NAME_NULLABLE: i16 = 7;
/// First version of JoinGroup with which a leader may be told not to assign.
const SKIP_ASSIGNMENT: i16 = 9;
/// First version of LeaveGroup for many members.
const MANY_LEAVE: i16 = 3;
