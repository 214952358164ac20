//! Which requests are answered, in which versions, by which family of functions.

use std::ops::RangeInclusive;

use kafka_protocol::messages::ApiKey;
use kafka_wire::mirror_api::MirrorApiKey;

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Topics and records are read: `reads.rs`.
    Reads,
    /// Consumer groups: `group_requests.rs`.
    Groups,
    /// Records are written: `writes.rs`.
    Writes,
    /// Topics, settings and the node itself are looked at or changed: `admin.rs`.
    Admin,
}

/// One API.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) key: ApiKey,
    pub(super) versions: RangeInclusive<i16>,
    pub(super) family: Family,
}

const fn api(key: ApiKey, versions: RangeInclusive<i16>, family: Family) -> Api {
    Api { key, versions, family }
}

/// What a frame asks: an API of Kafka's, or one of KIP-1279, which `mirror_requests.rs` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedApi {
    Kafka(ApiKey),
    Mirror(MirrorApiKey),
}

impl AskedApi {
    /// The API of a number; `None` when nobody answers it.
    pub(super) fn find(key: i16) -> Option<Self> {
        let mirror = MirrorApiKey::from_wire(key).map(Self::Mirror);
        mirror.or_else(|| find(key).map(|api| Self::Kafka(api.key)))
    }
}

/// All of Kafka's that is answered; ApiVersions
/// advertises exactly this, and every API of KIP-1279 where mirrors are taken care of.
pub(super) const APIS: &[Api] = &[
    api(ApiKey::ApiVersions, 0..=4, Family::Reads),
    api(ApiKey::Metadata, 0..=13, Family::Reads),
    api(ApiKey::DescribeCluster, 0..=1, Family::Reads),
    api(ApiKey::DescribeTopicPartitions, 0..=0, Family::Reads),
    api(ApiKey::Fetch, 4..=17, Family::Reads),
    api(ApiKey::ListOffsets, 1..=10, Family::Reads),
    api(ApiKey::OffsetForLeaderEpoch, 2..=4, Family::Reads),
    api(ApiKey::FindCoordinator, 0..=6, Family::Groups),
    api(ApiKey::JoinGroup, 0..=9, Family::Groups),
    api(ApiKey::SyncGroup, 0..=5, Family::Groups),
    api(ApiKey::Heartbeat, 0..=4, Family::Groups),
    api(ApiKey::LeaveGroup, 0..=5, Family::Groups),
    api(ApiKey::OffsetCommit, 2..=9, Family::Groups),
    api(ApiKey::OffsetFetch, 1..=9, Family::Groups),
    api(ApiKey::ListGroups, 0..=5, Family::Groups),
    api(ApiKey::DescribeGroups, 0..=6, Family::Groups),
    api(ApiKey::DeleteGroups, 0..=2, Family::Groups),
    api(ApiKey::OffsetDelete, 0..=0, Family::Groups),
    api(ApiKey::ConsumerGroupHeartbeat, 0..=1, Family::Groups),
    api(ApiKey::ConsumerGroupDescribe, 0..=1, Family::Groups),
    api(ApiKey::ShareGroupDescribe, 1..=1, Family::Groups),
    api(ApiKey::DescribeShareGroupOffsets, 0..=0, Family::Groups),
    api(ApiKey::DescribeConfigs, 1..=4, Family::Admin),
    api(ApiKey::ListConfigResources, 0..=1, Family::Admin),
    api(ApiKey::DescribeLogDirs, 1..=4, Family::Admin),
    api(ApiKey::DescribeProducers, 0..=0, Family::Admin),
    api(ApiKey::CreateTopics, 2..=7, Family::Admin),
    api(ApiKey::DeleteTopics, 1..=6, Family::Admin),
    api(ApiKey::CreatePartitions, 0..=3, Family::Admin),
    api(ApiKey::DeleteRecords, 0..=2, Family::Admin),
    api(ApiKey::IncrementalAlterConfigs, 0..=1, Family::Admin),
    api(ApiKey::AlterConfigs, 0..=2, Family::Admin),
    api(ApiKey::ListPartitionReassignments, 0..=0, Family::Admin),
    api(ApiKey::AlterPartitionReassignments, 0..=0, Family::Admin),
    api(ApiKey::ElectLeaders, 0..=2, Family::Admin),
    api(ApiKey::DescribeAcls, 1..=3, Family::Admin),
    api(ApiKey::CreateAcls, 1..=3, Family::Admin),
    api(ApiKey::DeleteAcls, 1..=3, Family::Admin),
    api(ApiKey::DescribeClientQuotas, 0..=1, Family::Admin),
    api(ApiKey::AlterClientQuotas, 0..=1, Family::Admin),
    api(ApiKey::DescribeUserScramCredentials, 0..=0, Family::Admin),
    api(ApiKey::AlterUserScramCredentials, 0..=0, Family::Admin),
    api(ApiKey::ListTransactions, 0..=1, Family::Admin),
    api(ApiKey::DescribeTransactions, 0..=0, Family::Admin),
    api(ApiKey::Produce, 3..=11, Family::Writes),
    api(ApiKey::InitProducerId, 0..=5, Family::Writes),
    api(ApiKey::AddPartitionsToTxn, 0..=3, Family::Writes),
    api(ApiKey::AddOffsetsToTxn, 0..=3, Family::Writes),
    api(ApiKey::EndTxn, 0..=3, Family::Writes),
    api(ApiKey::TxnOffsetCommit, 0..=3, Family::Writes),
];

/// The API of that key, when it is answered at all.
pub(super) fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == key)
}
