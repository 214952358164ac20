//! Requests that read topics and records.

use std::sync::Arc;

use kafka_protocol::messages::RequestKind;

use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::authorization::Gate;
use crate::server::request::Request;
use crate::server::writes::blocking;
use crate::server::{
    api_versions, describe_topic_partitions, fetch, leader_epochs, list_offsets, metadata,
};

/// Answers a request of the family `Reads`.
pub(super) async fn answer(node: &Arc<Node>, gate: &Gate, request: Request) -> Answer {
    let version = request.head.api_version;
    match request.body {
        RequestKind::ApiVersions(_) => {
            api_versions::supported(version, node.mirror_orders.get().is_some()).into()
        }
        RequestKind::Metadata(asked) => metadata::metadata(node, &asked, version).into(),
        RequestKind::DescribeCluster(asked) => metadata::describe_cluster(node, &asked).into(),
        RequestKind::DescribeTopicPartitions(asked) => {
            describe_topic_partitions::describe(node, &asked).into()
        }
        RequestKind::Fetch(asked) => fetch::fetch(node, gate, &request.head, asked).await,
        RequestKind::ListOffsets(asked) => {
            let node = Arc::clone(node);
            blocking(move || list_offsets::list_offsets(&node, &asked, version).into()).await
        }
        RequestKind::OffsetForLeaderEpoch(asked) => leader_epochs::end_offsets(node, &asked).into(),
        other => Answer::Close { reason: format!("{other:?} does not read") },
    }
}

#[cfg(test)]
mod tests;
