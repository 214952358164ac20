//! Requests that look at, or change, topics, settings and the node itself.

use std::sync::Arc;

use kafka_protocol::messages::RequestKind;

use crate::node::Node;
use crate::server::answer::Answer;
use crate::server::request::Request;
use crate::server::writes::blocking;

mod acls;
mod alter_configs;
mod alter_topic;
mod client_quotas;
mod config_resources;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
pub(super) mod describe_configs;
mod describe_log_dirs;
mod describe_producers;
mod elect_leaders;
mod incremental_alter_configs;
pub(super) mod mentions;
pub(super) mod mirror_configs;
mod node_configs;
mod partition_reassignments;
mod scram_credentials;
mod transactions;

/// Answers a request of the family `Admin`.
pub(super) async fn answer(node: &Arc<Node>, request: Request) -> Answer {
    match request.body {
        RequestKind::DescribeLogDirs(_)
        | RequestKind::DescribeProducers(_)
        | RequestKind::CreateTopics(_)
        | RequestKind::DeleteTopics(_)
        | RequestKind::CreatePartitions(_)
        | RequestKind::CreateAcls(_)
        | RequestKind::DeleteAcls(_)
        | RequestKind::DeleteRecords(_) => {
            let node = Arc::clone(node);
            blocking(move || at_the_disk(&node, request.body)).await
        }
        RequestKind::IncrementalAlterConfigs(asked) => {
            let mirrors = mirror_configs::altered(node, &asked).await;
            let of_node = node_configs::altered(node, &asked).await;
            let node = Arc::clone(node);
            blocking(move || {
                incremental_alter_configs::alter(&node, &asked, &mirrors, &of_node).into()
            })
            .await
        }
        RequestKind::AlterConfigs(asked) => {
            let of_node = node_configs::replaced(node, &asked).await;
            let node = Arc::clone(node);
            blocking(move || alter_configs::alter(&node, &asked, &of_node).into()).await
        }
        RequestKind::DescribeConfigs(asked) => {
            let mirrors = mirror_configs::described(node, &asked).await;
            let of_node = node_configs::described(node, &asked).await;
            describe_configs::describe(node, &asked, &mirrors, of_node.as_ref()).into()
        }
        RequestKind::ListConfigResources(asked) => {
            config_resources::list(node, &asked, request.head.api_version).await.into()
        }
        RequestKind::ListPartitionReassignments(_) => partition_reassignments::list().into(),
        RequestKind::AlterPartitionReassignments(asked) => {
            partition_reassignments::alter(node, &asked).into()
        }
        RequestKind::ElectLeaders(asked) => elect_leaders::elect(node, &asked).into(),
        RequestKind::DescribeAcls(asked) => acls::describe(node, &asked).into(),
        RequestKind::DescribeClientQuotas(_) => client_quotas::describe().into(),
        RequestKind::AlterClientQuotas(asked) => client_quotas::alter(asked).into(),
        RequestKind::DescribeUserScramCredentials(asked) => {
            scram_credentials::describe(&asked).into()
        }
        RequestKind::AlterUserScramCredentials(asked) => scram_credentials::alter(&asked).into(),
        RequestKind::ListTransactions(asked) => transactions::list(&asked).into(),
        RequestKind::DescribeTransactions(asked) => transactions::describe(asked).into(),
        other => Answer::Close { reason: format!("{other:?} is no administration") },
    }
}

/// Answers what the disk is needed for.
fn at_the_disk(node: &Node, body: RequestKind) -> Answer {
    match body {
        RequestKind::DescribeLogDirs(asked) => describe_log_dirs::describe(node, &asked).into(),
        RequestKind::DescribeProducers(asked) => describe_producers::describe(node, &asked).into(),
        RequestKind::CreateTopics(asked) => create_topics::create(node, &asked).into(),
        RequestKind::DeleteTopics(asked) => delete_topics::delete(node, asked).into(),
        RequestKind::CreatePartitions(asked) => create_partitions::create(node, &asked).into(),
        RequestKind::DeleteRecords(asked) => delete_records::delete(node, &asked).into(),
        RequestKind::CreateAcls(asked) => acls::create(node, &asked).into(),
        RequestKind::DeleteAcls(asked) => acls::delete(node, &asked).into(),
        other => Answer::Close { reason: format!("{other:?} needs no disk") },
    }
}

#[cfg(test)]
mod tests;
