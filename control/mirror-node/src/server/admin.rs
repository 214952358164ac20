//! Requests that look at, or change, topics, settings and the node itself.

use std::sync::Arc;

use kafka_protocol::messages::RequestKind;

use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::request::Request;

mod acls;
mod client_quotas;
mod describe_configs;
mod describe_log_dirs;
mod elect_leaders;
mod partition_reassignments;
mod transactions;

/// Answers a request of the family `Admin`.
pub(super) async fn answer(node: &Arc<Node>, request: Request) -> Answer {
    match request.body {
        RequestKind::DescribeConfigs(asked) => describe_configs::describe(node, &asked).into(),
        RequestKind::DescribeLogDirs(asked) => {
            let node = Arc::clone(node);
            blocking(move || describe_log_dirs::describe(&node, &asked).into()).await
        }
        RequestKind::ListPartitionReassignments(_) => partition_reassignments::list().into(),
        RequestKind::AlterPartitionReassignments(asked) => {
            partition_reassignments::alter(node, &asked).into()
        }
        RequestKind::ElectLeaders(asked) => elect_leaders::elect(node, &asked).into(),
        RequestKind::DescribeAcls(_) => acls::describe().into(),
        RequestKind::CreateAcls(asked) => acls::create(&asked).into(),
        RequestKind::DeleteAcls(asked) => acls::delete(&asked).into(),
        RequestKind::DescribeClientQuotas(_) => client_quotas::describe().into(),
        RequestKind::AlterClientQuotas(asked) => client_quotas::alter(asked).into(),
        RequestKind::ListTransactions(asked) => transactions::list(&asked).into(),
        RequestKind::DescribeTransactions(asked) => transactions::describe(asked).into(),
        other => Answer::Close { reason: format!("{other:?} is no administration") },
    }
}

/// Answers from a thread that may wait for the disk.
async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Answer::Close { reason: format!("cannot answer: {error}") },
    }
}

#[cfg(test)]
mod tests;
