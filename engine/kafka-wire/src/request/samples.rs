//! Requests for tests: empty ones of every API, filled ones of those with the most in them.

use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::*;

use super::*;

/// Every API a server may offer, with the versions of the table in the API notes.
pub(super) const SERVED: [(ApiKey, i16, i16); 48] = [
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::DescribeCluster, 0, 2),
    (ApiKey::DescribeTopicPartitions, 0, 0),
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 10),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::Produce, 3, 13),
    (ApiKey::FindCoordinator, 0, 6),
    (ApiKey::JoinGroup, 0, 9),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 9),
    (ApiKey::ConsumerGroupHeartbeat, 0, 1),
    (ApiKey::ConsumerGroupDescribe, 0, 1),
    (ApiKey::ShareGroupDescribe, 1, 1),
    (ApiKey::DescribeShareGroupOffsets, 0, 0),
    (ApiKey::ListGroups, 0, 5),
    (ApiKey::DescribeGroups, 0, 6),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::OffsetDelete, 0, 0),
    (ApiKey::InitProducerId, 0, 5),
    (ApiKey::AddPartitionsToTxn, 0, 3),
    (ApiKey::AddOffsetsToTxn, 0, 3),
    (ApiKey::EndTxn, 0, 3),
    (ApiKey::TxnOffsetCommit, 0, 3),
    (ApiKey::WriteTxnMarkers, 1, 1),
    (ApiKey::DescribeProducers, 0, 0),
    (ApiKey::ListTransactions, 0, 1),
    (ApiKey::DescribeTransactions, 0, 0),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::IncrementalAlterConfigs, 0, 1),
    (ApiKey::AlterConfigs, 0, 2),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::DescribeAcls, 1, 3),
    (ApiKey::CreateAcls, 1, 3),
    (ApiKey::DeleteAcls, 1, 3),
    (ApiKey::DescribeLogDirs, 1, 4),
    (ApiKey::ListPartitionReassignments, 0, 0),
    (ApiKey::DescribeClientQuotas, 0, 1),
    (ApiKey::AlterClientQuotas, 0, 1),
    (ApiKey::SaslHandshake, 0, 1),
    (ApiKey::SaslAuthenticate, 0, 2),
];

pub(super) fn served(api: ApiKey) -> Option<VersionRange> {
    let row = SERVED.iter().find(|row| row.0 == api)?;
    Some(VersionRange { min: row.1, max: row.2 })
}

/// Requests of `api` as `version` can say them.
pub(super) fn requests(api: ApiKey, version: i16) -> Vec<RequestKind> {
    let mut requests = vec![empty(api)];
    requests.extend(filled(api, version));
    requests
}

macro_rules! empty_one_of {
    ($api:expr, [$($name:ident)*]) => {
        match $api {
            $(ApiKey::$name => RequestKind::$name(Default::default()),)*
            other => panic!("{other:?} has no sample"),
        }
    };
}

fn empty(api: ApiKey) -> RequestKind {
    empty_one_of!(api, [
        Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup
        Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups SaslHandshake ApiVersions
        CreateTopics DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch
        AddPartitionsToTxn AddOffsetsToTxn EndTxn WriteTxnMarkers TxnOffsetCommit DescribeAcls
        CreateAcls DeleteAcls DescribeConfigs AlterConfigs DescribeLogDirs SaslAuthenticate
        CreatePartitions DeleteGroups IncrementalAlterConfigs ListPartitionReassignments
        OffsetDelete DescribeClientQuotas AlterClientQuotas DescribeCluster DescribeProducers
        DescribeTransactions ListTransactions ConsumerGroupHeartbeat ConsumerGroupDescribe
        DescribeTopicPartitions ShareGroupDescribe DescribeShareGroupOffsets
    ])
}

fn filled(api: ApiKey, version: i16) -> Option<RequestKind> {
    Some(match api {
        ApiKey::Produce => RequestKind::Produce(produce(version)),
        ApiKey::Fetch => RequestKind::Fetch(fetch(version)),
        ApiKey::Metadata => RequestKind::Metadata(metadata(version)),
        ApiKey::ListOffsets => RequestKind::ListOffsets(list_offsets()),
        ApiKey::JoinGroup => RequestKind::JoinGroup(join_group()),
        ApiKey::SyncGroup => RequestKind::SyncGroup(sync_group()),
        ApiKey::OffsetCommit => RequestKind::OffsetCommit(offset_commit()),
        ApiKey::OffsetFetch => RequestKind::OffsetFetch(offset_fetch(version)),
        ApiKey::CreateTopics => RequestKind::CreateTopics(create_topics()),
        _ => return None,
    })
}

pub(super) fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn orders() -> TopicName {
    TopicName(text("orders"))
}

fn topic_id() -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0123_4567_89ab_cdef)
}

fn produce(version: i16) -> ProduceRequest {
    let partition = |index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(Bytes::from_static(&[7; 90])))
    };
    let null = PartitionProduceData::default().with_index(2).with_records(None);
    let topic =
        TopicProduceData::default().with_partition_data(vec![partition(0), partition(1), null]);
    let topic =
        if version < 13 { topic.with_name(orders()) } else { topic.with_topic_id(topic_id()) };
    ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text("t"))))
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic.clone(), topic])
}

fn fetch(version: i16) -> FetchRequest {
    let partition =
        FetchPartition::default().with_fetch_offset(5).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_partitions(vec![partition; 2]);
    let forgotten = ForgottenTopic::default().with_partitions(vec![3, 4]);
    let (topic, forgotten) = if version < 13 {
        (topic.with_topic(orders()), forgotten.with_topic(orders()))
    } else {
        (topic.with_topic_id(topic_id()), forgotten.with_topic_id(topic_id()))
    };
    let request = FetchRequest::default()
        .with_max_wait_ms(500)
        .with_max_bytes(50 << 20)
        .with_isolation_level(1)
        .with_topics(vec![topic]);
    if version < 7 { request } else { request.with_forgotten_topics_data(vec![forgotten]) }
}

fn metadata(version: i16) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_name(Some(orders()));
    let request = MetadataRequest::default().with_topics(Some(vec![topic; 3]));
    if version < 4 { request } else { request.with_allow_auto_topic_creation(false) }
}

fn list_offsets() -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_timestamp(-2);
    let topic = ListOffsetsTopic::default().with_name(orders()).with_partitions(vec![partition; 2]);
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}

fn join_group() -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(&[0, 1, 2]));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text("billing")))
        .with_session_timeout_ms(45_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol; 2])
}

fn sync_group() -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(text("member"))
        .with_assignment(Bytes::from_static(&[9; 40]));
    SyncGroupRequest::default()
        .with_group_id(GroupId(text("billing")))
        .with_generation_id(3)
        .with_assignments(vec![assignment; 2])
}

fn offset_commit() -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(1 << 40)
        .with_committed_metadata(Some(text("where we are")));
    let topic =
        OffsetCommitRequestTopic::default().with_name(orders()).with_partitions(vec![partition; 2]);
    OffsetCommitRequest::default().with_group_id(GroupId(text("billing"))).with_topics(vec![topic])
}

fn offset_fetch(version: i16) -> OffsetFetchRequest {
    let group = GroupId(text("billing"));
    if version < 8 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(orders())
            .with_partition_indexes(vec![0, 1]);
        return OffsetFetchRequest::default().with_group_id(group).with_topics(Some(vec![topic]));
    }
    let topic =
        OffsetFetchRequestTopics::default().with_name(orders()).with_partition_indexes(vec![0, 1]);
    let groups = [None, Some(vec![topic])].map(|topics| {
        OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_topics(topics)
    });
    OffsetFetchRequest::default().with_groups(groups.to_vec())
}

fn create_topics() -> CreateTopicsRequest {
    let config = CreatableTopicConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("-1")));
    let assignment = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1)]);
    let topic = CreatableTopic::default()
        .with_name(orders())
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(vec![assignment])
        .with_configs(vec![config]);
    CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000)
}
