//! Requests that are refused as a whole: whatever is about the cluster.

use kafka_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::alter_user_scram_credentials_response as altered;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse, AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse, CreateAclsResponse, DeleteAclsResponse,
    DescribeAclsResponse, DescribeClientQuotasResponse, DescribeLogDirsResponse,
    DescribeUserScramCredentialsResponse, ElectLeadersRequest, ElectLeadersResponse,
    ListConfigResourcesResponse, ListPartitionReassignmentsResponse, RequestKind,
};
use mirror_coordinator::acl::AclResource::Cluster;

use super::{Gate, refusal_code, refusal_message};
use crate::server::answer::Answer;

/// Refuses a request about the cluster that its client may not make; knows nothing of others.
pub(super) fn admit(gate: &Gate, body: &RequestKind) -> Result<(), Answer> {
    if !gate.is_closed() {
        return Ok(());
    }
    match refusal(body) {
        Some(refused) if !gate.may_on_cluster() => Err(refused),
        _ => Ok(()),
    }
}

/// The refusal of a request about the cluster.
fn refusal(body: &RequestKind) -> Option<Answer> {
    let text = || refusal_message(Cluster);
    Some(match body {
        RequestKind::DescribeAcls(_) => DescribeAclsResponse::default()
            .with_error_code(REFUSED)
            .with_error_message(text())
            .into(),
        RequestKind::CreateAcls(asked) => {
            let refused = AclCreationResult::default();
            let refused = refused.with_error_code(REFUSED).with_error_message(text());
            let results = vec![refused; asked.creations.len()];
            CreateAclsResponse::default().with_results(results).into()
        }
        RequestKind::DeleteAcls(asked) => {
            let refused = DeleteAclsFilterResult::default();
            let refused = refused.with_error_code(REFUSED).with_error_message(text());
            let results = vec![refused; asked.filters.len()];
            DeleteAclsResponse::default().with_filter_results(results).into()
        }
        RequestKind::DescribeLogDirs(_) => {
            DescribeLogDirsResponse::default().with_error_code(REFUSED).into()
        }
        RequestKind::ListConfigResources(_) => {
            ListConfigResourcesResponse::default().with_error_code(REFUSED).into()
        }
        RequestKind::ListPartitionReassignments(_) => ListPartitionReassignmentsResponse::default()
            .with_error_code(REFUSED)
            .with_error_message(text())
            .into(),
        RequestKind::AlterPartitionReassignments(asked) => reassignments(asked),
        RequestKind::ElectLeaders(asked) => elections(asked),
        RequestKind::DescribeClientQuotas(_) => DescribeClientQuotasResponse::default()
            .with_error_code(REFUSED)
            .with_error_message(text())
            .with_entries(None)
            .into(),
        RequestKind::AlterClientQuotas(asked) => quotas(asked),
        RequestKind::DescribeUserScramCredentials(_) => {
            let response = DescribeUserScramCredentialsResponse::default();
            response.with_error_code(REFUSED).with_error_message(text()).into()
        }
        RequestKind::AlterUserScramCredentials(asked) => credentials(asked),
        _ => return None,
    })
}

fn reassignments(asked: &AlterPartitionReassignmentsRequest) -> Answer {
    let topics = asked.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            ReassignablePartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(REFUSED)
                .with_error_message(refusal_message(Cluster))
        });
        ReassignableTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    AlterPartitionReassignmentsResponse::default()
        .with_error_code(REFUSED)
        .with_error_message(refusal_message(Cluster))
        .with_responses(topics.collect())
        .into()
}

fn elections(asked: &ElectLeadersRequest) -> Answer {
    let topics = asked.topic_partitions.iter().flatten().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            PartitionResult::default()
                .with_partition_id(*index)
                .with_error_code(REFUSED)
                .with_error_message(refusal_message(Cluster))
        });
        ReplicaElectionResult::default()
            .with_topic(topic.topic.clone())
            .with_partition_result(partitions.collect())
    });
    ElectLeadersResponse::default()
        .with_error_code(REFUSED)
        .with_replica_election_results(topics.collect())
        .into()
}

fn quotas(asked: &AlterClientQuotasRequest) -> Answer {
    let entries = asked.entries.iter().map(|entry| {
        let entity = entry.entity.iter().map(|part| {
            EntityData::default()
                .with_entity_type(part.entity_type.clone())
                .with_entity_name(part.entity_name.clone())
        });
        EntryData::default()
            .with_error_code(REFUSED)
            .with_error_message(refusal_message(Cluster))
            .with_entity(entity.collect())
    });
    AlterClientQuotasResponse::default().with_entries(entries.collect()).into()
}

fn credentials(asked: &AlterUserScramCredentialsRequest) -> Answer {
    let upserted = asked.upsertions.iter().map(|one| &one.name);
    let users = asked.deletions.iter().map(|one| &one.name).chain(upserted);
    let results = users.map(|user| {
        altered::AlterUserScramCredentialsResult::default()
            .with_user(user.clone())
            .with_error_code(REFUSED)
            .with_error_message(refusal_message(Cluster))
    });
    AlterUserScramCredentialsResponse::default().with_results(results.collect()).into()
}

const REFUSED: i16 = refusal_code(Cluster);
