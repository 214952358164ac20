//! Requests to the group coordinator, which is this node for every group.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use group_coordinator::group_id::GroupId;
use group_coordinator::refusal::Refusal;
use kafka_protocol::messages::RequestKind;
use kafka_protocol::protocol::StrBytes;

use crate::groups::Groups;
use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::dispatch::Client;
use crate::server::request::Request;

mod consumer_groups;
mod find_coordinator;
mod group_tools;
mod membership;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod share_groups;

/// Answers a request of the family `Groups`.
pub(super) async fn answer(node: &Arc<Node>, client: &Client, request: Request) -> Answer {
    let version = request.head.api_version;
    match request.body {
        RequestKind::FindCoordinator(asked) => find_coordinator::find(node, asked, version).into(),
        RequestKind::JoinGroup(asked) => {
            membership::join(node, client, asked, version).await.into()
        }
        RequestKind::SyncGroup(asked) => membership::sync(node, asked).await.into(),
        RequestKind::Heartbeat(asked) => membership::heartbeat(node, asked).await.into(),
        RequestKind::LeaveGroup(asked) => membership::leave(node, asked, version).await.into(),
        RequestKind::OffsetCommit(asked) => {
            offset_commit::commit(node, asked, version).await.into()
        }
        RequestKind::OffsetFetch(asked) => offset_fetch::fetch(node, asked, version).await.into(),
        RequestKind::OffsetDelete(asked) => offset_delete::delete(node, asked).await.into(),
        RequestKind::ConsumerGroupHeartbeat(asked) => {
            consumer_groups::heartbeat(node, client, asked, version).await.into()
        }
        RequestKind::ConsumerGroupDescribe(asked) => {
            consumer_groups::describe(node, asked).await.into()
        }
        RequestKind::ListGroups(asked) => group_tools::list(node, asked).await.into(),
        RequestKind::DescribeGroups(asked) => {
            group_tools::describe(node, asked, version).await.into()
        }
        RequestKind::ShareGroupDescribe(asked) => share_groups::describe(node, asked).await.into(),
        RequestKind::DescribeShareGroupOffsets(asked) => {
            share_groups::describe_offsets(node, asked).await.into()
        }
        RequestKind::DeleteGroups(asked) => group_tools::delete(node, asked).await.into(),
        other => Answer::Close { reason: format!("{other:?} asks no group") },
    }
}

/// The node's groups.
fn groups(node: &Node) -> Result<&Groups, Refusal> {
    node.groups.get().map(Arc::as_ref).ok_or(Refusal::CoordinatorNotAvailable)
}

fn group_id(name: &str) -> Result<GroupId, Refusal> {
    GroupId::parse(name).ok_or(Refusal::InvalidGroupId)
}

/// What is asked for, each of a key once: a small request could ask for an answer of any size
/// otherwise.
fn each_once<T, K: Eq + Hash>(asked: Vec<T>, key: impl Fn(&T) -> K) -> impl Iterator<Item = T> {
    let mut seen = HashSet::new();
    asked.into_iter().filter(move |one| seen.insert(key(one)))
}

/// Kafka's code for an outcome, 0 for none.
fn code_of(outcome: Result<(), Refusal>) -> i16 {
    outcome.err().map_or(0, Refusal::code)
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn string(text: Option<StrBytes>) -> Option<String> {
    text.map(|text| text.to_string())
}

#[cfg(test)]
mod tests;
