//! ListGroups (key 16), DescribeGroups (15), DeleteGroups (42).

use std::collections::HashSet;

use group_coordinator::answer::Answer;
use group_coordinator::coordinator::GroupCoordinator;
use group_coordinator::description::{
    ClassicGroupDescription, ClassicMemberDescription, ListedGroup as Listed,
};
use group_coordinator::group_id::GroupId;
use group_coordinator::refusal::Refusal;
use group_coordinator::request::Request;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId as WireGroupId, ListGroupsRequest, ListGroupsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{code_of, each_once, group_id, groups, share_groups, text};
use crate::node::Node;

/// Lists the groups of the states and types asked for; names are compared without case.
pub(super) async fn list(node: &Node, asked: ListGroupsRequest) -> ListGroupsResponse {
    let response = ListGroupsResponse::default();
    match list_all(node).await {
        Err(refusal) => response.with_error_code(refusal.code()),
        Ok(listed) => {
            let wanted = listed.into_iter().filter(|group| is_wanted(group, &asked));
            let lines = wanted.map(|group| {
                ListedGroup::default()
                    .with_group_id(wire_id(&group.group_id))
                    .with_protocol_type(text(group.protocol_type))
                    .with_group_state(text(group.state))
                    .with_group_type(text(group.group_type.name()))
            });
            response.with_groups(lines.collect())
        }
    }
}

/// A share group whose name one of consumers has taken since is not shown.
async fn list_all(node: &Node) -> Result<Vec<Listed>, Refusal> {
    let mut listed = groups(node)?.look(GroupCoordinator::list).await?;
    let taken: HashSet<GroupId> = listed.iter().map(|group| group.group_id.clone()).collect();
    let shared = share_groups::list(node).await;
    listed.extend(shared.into_iter().filter(|group| !taken.contains(&group.group_id)));
    Ok(listed)
}

fn is_wanted(group: &Listed, asked: &ListGroupsRequest) -> bool {
    let names = |filter: &[StrBytes], name: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    names(&asked.states_filter, group.state) && names(&asked.types_filter, group.group_type.name())
}

/// Describes classic groups. One that is not known is dead, and from version 6 also said to be
/// unknown.
pub(super) async fn describe(
    node: &Node,
    asked: DescribeGroupsRequest,
    version: i16,
) -> DescribeGroupsResponse {
    let mut described = Vec::with_capacity(asked.groups.len());
    for wire_id in each_once(asked.groups, Clone::clone) {
        let found = describe_group(node, &wire_id).await;
        let group = DescribedGroup::default().with_group_id(wire_id.clone());
        described.push(match found {
            Ok(found) => describe_members(group, found),
            Err(Refusal::GroupIdNotFound) => {
                let group = group.with_group_state(text(DEAD));
                if version >= SAYS_UNKNOWN {
                    let message = format!("Group {} not found.", wire_id.as_str());
                    group
                        .with_error_code(Refusal::GroupIdNotFound.code())
                        .with_error_message(Some(text(message)))
                } else {
                    group
                }
            }
            Err(refusal) => group.with_error_code(refusal.code()),
        });
    }
    DescribeGroupsResponse::default().with_groups(described)
}

async fn describe_group(node: &Node, name: &str) -> Result<ClassicGroupDescription, Refusal> {
    let id = group_id(name)?;
    groups(node)?.look(move |coordinator| coordinator.describe_classic(&id)).await?
}

fn describe_members(group: DescribedGroup, found: ClassicGroupDescription) -> DescribedGroup {
    let member = |member: ClassicMemberDescription| {
        DescribedGroupMember::default()
            .with_member_id(text(member.member_id))
            .with_group_instance_id(member.group_instance_id.map(text))
            .with_client_id(text(member.client_id))
            .with_client_host(text(member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    };
    group
        .with_group_state(text(found.state))
        .with_protocol_type(text(found.protocol_type))
        .with_protocol_data(text(found.protocol_name))
        .with_members(found.members.into_iter().map(member).collect())
}

/// Deletes empty groups with their offsets.
pub(super) async fn delete(node: &Node, asked: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(asked.groups_names.len());
    for wire_id in asked.groups_names {
        let outcome = delete_group(node, &wire_id).await;
        results.push(
            DeletableGroupResult::default()
                .with_group_id(wire_id)
                .with_error_code(code_of(outcome)),
        );
    }
    DeleteGroupsResponse::default().with_results(results)
}

async fn delete_group(node: &Node, name: &str) -> Result<(), Refusal> {
    let id = group_id(name)?;
    match groups(node)?.ask(Request::DeleteGroup(id.clone())).await? {
        Answer::DeleteGroup(Err(Refusal::GroupIdNotFound)) => share_groups::delete(node, id).await,
        Answer::DeleteGroup(outcome) => outcome,
        other => unreachable!("a deletion is not answered by {other:?}"),
    }
}

fn wire_id(id: &GroupId) -> WireGroupId {
    WireGroupId(text(id.as_str()))
}

const DEAD: &str = "Dead";
/// First version of DescribeGroups with an error for groups that are not known.
const SAYS_UNKNOWN: i16 = 6;
