//! What each API needs, all of it.
//!
//! Where an API has two lines for one kind of resource, the first is what it does and the second
//! what its answer tells besides. What is between `Cluster` and another kind is said at its use in
//! `authorization/`: the one or the other, as in Apache Kafka (`KafkaApis`, `ControllerApis`).

use kafka_protocol::messages::ApiKey;
use kafka_wire::mirror_api::MirrorApiKey;
use mirror_coordinator::acl::AclOperation::{
    self, Alter, AlterConfigs, ClusterAction, Create, Delete, Describe, DescribeConfigs,
    IdempotentWrite, Read, Write,
};
use mirror_coordinator::acl::AclResource::{
    self, Cluster, ClusterMirror, Group, Topic, TransactionalId,
};

use crate::server::api::AskedApi;

/// An operation on a kind of resource.
pub(super) type Need = (AclResource, AclOperation);

/// What an API needs; nothing may be done by one that is not here.
pub(super) fn needs(api: AskedApi) -> &'static [Need] {
    match api {
        AskedApi::Kafka(key) => {
            RIGHTS.iter().find(|(api, _)| *api == key).map_or(&[], |(_, needs)| needs)
        }
        AskedApi::Mirror(key) => mirror_needs(key),
    }
}

const RIGHTS: &[(ApiKey, &[Need])] = &[
    (ApiKey::ApiVersions, &[]),
    // Topics in lists are left out, named ones refused. The cluster's operations are told to those
    // who may describe it.
    (ApiKey::Metadata, &[(Topic, Describe), (Cluster, Describe)]),
    (ApiKey::DescribeTopicPartitions, &[(Topic, Describe)]),
    (ApiKey::DescribeCluster, &[(Cluster, Describe)]),
    // Consumers the one, replicas the other.
    (ApiKey::Fetch, &[(Topic, Read), (Cluster, ClusterAction)]),
    (ApiKey::ListOffsets, &[(Topic, Describe)]),
    (ApiKey::OffsetForLeaderEpoch, &[(Topic, Describe), (Cluster, ClusterAction)]),
    (ApiKey::FindCoordinator, &[(Group, Describe), (TransactionalId, Describe)]),
    (ApiKey::JoinGroup, &[(Group, Read)]),
    (ApiKey::SyncGroup, &[(Group, Read)]),
    (ApiKey::Heartbeat, &[(Group, Read)]),
    (ApiKey::LeaveGroup, &[(Group, Read)]),
    (ApiKey::ConsumerGroupHeartbeat, &[(Group, Read), (Topic, Describe)]),
    (ApiKey::ConsumerGroupDescribe, &[(Group, Describe), (Topic, Describe)]),
    (ApiKey::OffsetCommit, &[(Group, Read), (Topic, Read)]),
    (ApiKey::OffsetFetch, &[(Group, Describe), (Topic, Describe)]),
    (ApiKey::OffsetDelete, &[(Group, Delete), (Topic, Read)]),
    (ApiKey::ListGroups, &[(Group, Describe), (Cluster, Describe)]),
    (ApiKey::DescribeGroups, &[(Group, Describe)]),
    (ApiKey::DeleteGroups, &[(Group, Delete)]),
    (ApiKey::ShareGroupDescribe, &[(Group, Describe)]),
    (ApiKey::DescribeShareGroupOffsets, &[(Group, Describe), (Topic, Describe)]),
    (ApiKey::DescribeConfigs, OF_CONFIGS),
    (ApiKey::IncrementalAlterConfigs, TO_ALTER_CONFIGS),
    (ApiKey::AlterConfigs, TO_ALTER_CONFIGS),
    (ApiKey::ListConfigResources, &[(Cluster, DescribeConfigs)]),
    (ApiKey::DescribeLogDirs, &[(Cluster, Describe)]),
    (ApiKey::DescribeProducers, &[(Topic, Read)]),
    // Whoever may create in the cluster need not be allowed to for the topic; settings are told to
    // those who may describe them.
    (ApiKey::CreateTopics, &[(Topic, Create), (Topic, DescribeConfigs), (Cluster, Create)]),
    (ApiKey::DeleteTopics, &[(Topic, Delete), (Topic, Describe), (Cluster, Delete)]),
    (ApiKey::CreatePartitions, &[(Topic, Alter)]),
    (ApiKey::DeleteRecords, &[(Topic, Delete)]),
    (ApiKey::ListPartitionReassignments, &[(Cluster, Describe)]),
    (ApiKey::AlterPartitionReassignments, &[(Cluster, Alter)]),
    (ApiKey::ElectLeaders, &[(Cluster, Alter)]),
    (ApiKey::DescribeAcls, &[(Cluster, Describe)]),
    (ApiKey::CreateAcls, &[(Cluster, Alter)]),
    (ApiKey::DeleteAcls, &[(Cluster, Alter)]),
    (ApiKey::DescribeClientQuotas, &[(Cluster, DescribeConfigs)]),
    (ApiKey::AlterClientQuotas, &[(Cluster, AlterConfigs)]),
    (ApiKey::DescribeUserScramCredentials, &[(Cluster, Describe)]),
    (ApiKey::AlterUserScramCredentials, &[(Cluster, Alter)]),
    (ApiKey::ListTransactions, &[(TransactionalId, Describe)]),
    (ApiKey::DescribeTransactions, &[(TransactionalId, Describe), (Topic, Describe)]),
    (ApiKey::Produce, &[(Topic, Write), (TransactionalId, Write)]),
    // An id for a producer without transactions: to write to any topic is enough.
    (
        ApiKey::InitProducerId,
        &[(TransactionalId, Write), (Cluster, IdempotentWrite), (Topic, Write)],
    ),
    (ApiKey::AddPartitionsToTxn, &[(TransactionalId, Write), (Topic, Write)]),
    (ApiKey::AddOffsetsToTxn, &[(TransactionalId, Write), (Group, Read)]),
    (ApiKey::EndTxn, &[(TransactionalId, Write)]),
    (ApiKey::TxnOffsetCommit, &[(TransactionalId, Write), (Group, Read), (Topic, Read)]),
];

/// Of brokers and what belongs to all of them, topics, groups and mirrors.
const OF_CONFIGS: &[Need] = &[
    (Cluster, DescribeConfigs),
    (Topic, DescribeConfigs),
    (Group, DescribeConfigs),
    (ClusterMirror, DescribeConfigs),
];
const TO_ALTER_CONFIGS: &[Need] = &[
    (Cluster, AlterConfigs),
    (Topic, AlterConfigs),
    (Group, AlterConfigs),
    (ClusterMirror, AlterConfigs),
];

/// KIP-1279.
const fn mirror_needs(key: MirrorApiKey) -> &'static [Need] {
    match key {
        MirrorApiKey::CreateClusterMirror => &[(ClusterMirror, Create)],
        MirrorApiKey::DeleteClusterMirror => &[(ClusterMirror, Delete)],
        MirrorApiKey::StartMirrorTopics
        | MirrorApiKey::StopMirrorTopics
        | MirrorApiKey::PauseMirrorTopics
        | MirrorApiKey::ResumeMirrorTopics
        | MirrorApiKey::RecoverMirrorTopics => &[(ClusterMirror, Alter)],
        MirrorApiKey::ListClusterMirrors => &[(ClusterMirror, Describe)],
        // Where mirroring ended is told to those who may read.
        MirrorApiKey::DescribeClusterMirrors => &[(ClusterMirror, Describe), (ClusterMirror, Read)],
        MirrorApiKey::ReadMirrorStates
        | MirrorApiKey::WriteMirrorStates
        | MirrorApiKey::BumpLeaderEpochs
        | MirrorApiKey::ReadMirrorOffsets => &[(Cluster, ClusterAction)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::api::APIS;

    #[test]
    fn every_api_that_is_served_is_in_the_table_once() {
        for api in APIS {
            let rows = RIGHTS.iter().filter(|(key, _)| *key == api.key).count();
            assert_eq!(rows, 1, "{:?}", api.key);
        }
        assert_eq!(RIGHTS.len(), APIS.len());
    }
}
