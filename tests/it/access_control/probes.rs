//! What a server tells a client of every API, in lines; nothing is changed whatever is allowed.

use anyhow::Result;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use crate::raw_client::{RawClient, topic_name};

/// What both servers have, and two that neither has.
const TOPICS: [&str; 4] = ["orders", "orders-eu", "notes", "gone"];
/// A group that has committed offsets of `orders` on both, and two that do not exist.
const GROUPS: [&str; 3] = ["warm", "ours", "theirs"];
/// Topics that no group committed offsets of.
const UNCOMMITTED: [&str; 2] = ["orders-eu", "notes"];
/// A partition that no topic has.
const NOWHERE: i32 = 99;

/// Asks everything.
pub(crate) fn ask_all(client: &mut RawClient) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for ask in [metadata, offsets, records, groups, committed, settings, topics, cluster] {
        ask(client, &mut lines)?;
    }
    lines.sort();
    Ok(lines)
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn group_id(name: &'static str) -> GroupId {
    GroupId(text(name))
}

/// A code where it says who may do what, and nothing more where servers say other things.
fn refusal(code: i16) -> i16 {
    if [29, 30, 31, 53].contains(&code) { code } else { 0 }
}

fn metadata(client: &mut RawClient, lines: &mut Vec<String>) -> Result<()> {
    let topic =
        |name| metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let asked = MetadataRequest::default()
        .with_topics(Some(TOPICS.map(topic).to_vec()))
        .with_include_topic_authorized_operations(true);
    let mut ids = Vec::new();
    for topic in client.ask(&asked, 12)?.topics {
        let name = topic.name.unwrap_or_default();
        let operations = topic.topic_authorized_operations;
        let (code, count) = (topic.error_code, topic.partitions.len());
        lines.push(format!("metadata {}: {code} {count} {operations:b}", name.as_str()));
        ids.extend(Some(topic.topic_id).filter(|id| !id.is_nil()));
    }
    let all = client.ask(&MetadataRequest::default().with_topics(None), 12)?.topics;
    let names = all.into_iter().filter(|topic| !topic.is_internal);
    lines.extend(names.map(|topic| format!("metadata of all: {:?}", topic.name)));
    let asked = MetadataRequest::default()
        .with_topics(Some(Vec::new()))
        .with_include_cluster_authorized_operations(true);
    let operations = client.ask(&asked, 9)?.cluster_authorized_operations;
    lines.push(format!("metadata of the cluster: {operations:b}"));
    let asked = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    let operations = client.ask(&asked, 1)?.cluster_authorized_operations;
    lines.push(format!("cluster: {operations:b}"));
    let named = TOPICS.map(|name| {
        describe_topic_partitions_request::TopicRequest::default().with_name(topic_name(name))
    });
    for (what, topics) in [("all", vec![]), ("named", named.to_vec())] {
        let asked = DescribeTopicPartitionsRequest::default()
            .with_topics(topics)
            .with_response_partition_limit(100);
        for topic in client.ask(&asked, 0)?.topics.into_iter().filter(|topic| !topic.is_internal) {
            let operations = topic.topic_authorized_operations;
            let (name, code) = (topic.name, topic.error_code);
            lines.push(format!("described {what} {name:?}: {code} {operations:b}"));
        }
    }
    let by_id = ids.iter().map(|id| {
        let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1);
        fetch_request::FetchTopic::default().with_topic_id(*id).with_partitions(vec![partition])
    });
    let asked = FetchRequest::default().with_max_bytes(1).with_topics(by_id.collect());
    let codes = client.ask(&asked, 13)?.responses;
    let mut codes: Vec<_> = codes.iter().map(|topic| topic.partitions[0].error_code).collect();
    codes.sort_unstable();
    lines.push(format!("fetched by id: {codes:?}"));
    Ok(())
}

fn offsets(client: &mut RawClient, lines: &mut Vec<String>) -> Result<()> {
    use list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    use offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
    let topic = |name| {
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(vec![partition])
    };
    let asked = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(TOPICS.map(topic).to_vec());
    for topic in client.ask(&asked, 9)?.topics {
        let found = &topic.partitions[0];
        let (code, offset) = (found.error_code, found.offset);
        lines.push(format!("offset of {}: {code} {offset}", topic.name.as_str()));
    }
    let topic = |name| {
        let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(-1);
        OffsetForLeaderTopic::default()
            .with_topic(topic_name(name))
            .with_partitions(vec![partition])
    };
    let asked = OffsetForLeaderEpochRequest::default()
        .with_replica_id((-1).into())
        .with_topics(TOPICS.map(topic).to_vec());
    for topic in client.ask(&asked, 4)?.topics {
        let code = topic.partitions[0].error_code;
        lines.push(format!("epoch of {}: {code}", topic.topic.as_str()));
    }
    Ok(())
}

fn records(client: &mut RawClient, lines: &mut Vec<String>) -> Result<()> {
    use produce_request::{PartitionProduceData, TopicProduceData};
    let topic = |name| {
        let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1 << 20);
        fetch_request::FetchTopic::default()
            .with_topic(topic_name(name))
            .with_partitions(vec![partition])
    };
    let fetch = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(1 << 20)
        .with_topics(TOPICS.map(topic).to_vec());
    for topic in client.ask(&fetch, 12)?.responses {
        let code = topic.partitions[0].error_code;
        lines.push(format!("fetched {}: {code}", topic.topic.as_str()));
    }
    let topic = |name| {
        let partition = PartitionProduceData::default().with_index(NOWHERE);
        TopicProduceData::default().with_name(topic_name(name)).with_partition_data(vec![partition])
    };
    let asked = ProduceRequest::default().with_acks(1).with_topic_data(TOPICS.map(topic).to_vec());
    for topic in client.ask(&asked, 9)?.responses {
        let code = topic.partition_responses[0].error_code;
        lines.push(format!("produced {}: {code}", topic.name.as_str()));
    }
    let asked = InitProducerIdRequest::default().with_transactional_id(None);
    let code = client.ask(&asked, 4)?.error_code;
    lines.push(format!("producer id: {code}"));
    let topic = |name| {
        describe_producers_request::TopicRequest::default()
            .with_name(topic_name(name))
            .with_partition_indexes(vec![0])
    };
    let asked = DescribeProducersRequest::default().with_topics(TOPICS.map(topic).to_vec());
    for topic in client.ask(&asked, 0)?.topics {
        let code = topic.partitions[0].error_code;
        lines.push(format!("producers of {}: {code}", topic.name.as_str()));
    }
    let ids = vec![TransactionalId(text("ours"))];
    let asked = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    for state in client.ask(&asked, 0)?.transaction_states {
        lines.push(format!("transaction: {}", refusal(state.error_code)));
    }
    Ok(())
}

fn groups(client: &mut RawClient, lines: &mut Vec<String>) -> Result<()> {
    let asked = FindCoordinatorRequest::default().with_coordinator_keys(GROUPS.map(text).to_vec());
    for found in client.ask(&asked, 4)?.coordinators {
        lines.push(format!("coordinator of {}: {}", found.key, found.error_code));
    }
    for group in GROUPS {
        let id = group_id(group);
        let asked = HeartbeatRequest::default().with_group_id(id.clone()).with_member_id(text("m"));
        lines.push(format!("heartbeat {group}: {}", client.ask(&asked, 4)?.error_code));
        let asked = SyncGroupRequest::default()
            .with_group_id(id.clone())
            .with_member_id(text("m"))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")));
        lines.push(format!("sync {group}: {}", client.ask(&asked, 5)?.error_code));
        let protocol =
            join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
        let asked = JoinGroupRequest::default()
            .with_group_id(id.clone())
            .with_member_id(text("m"))
            .with_session_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        lines.push(format!("join {group}: {}", client.ask(&asked, 9)?.error_code));
        for topic in ["orders", "notes"] {
            let asked = ConsumerGroupHeartbeatRequest::default()
                .with_group_id(id.clone())
                .with_member_id(text("aaaaaaaaaaaaaaaaaaaaaa"))
                .with_member_epoch(5)
                .with_subscribed_topic_names(Some(vec![topic_name(topic)]));
            let code = refusal(client.ask(&asked, 1)?.error_code);
            lines.push(format!("member of {group} for {topic}: {code}"));
        }
    }
    for group in client.ask(&ListGroupsRequest::default(), 4)?.groups {
        lines.push(format!("group {}", group.group_id.as_str()));
    }
    let asked = DescribeGroupsRequest::default()
        .with_groups(GROUPS.map(group_id).to_vec())
        .with_include_authorized_operations(true);
    for group in client.ask(&asked, 5)?.groups {
        let (code, operations) = (group.error_code, group.authorized_operations);
        let id = group.group_id;
        lines.push(format!("group {} is described: {code} {operations:b}", id.as_str()));
    }
    let asked =
        ConsumerGroupDescribeRequest::default().with_group_ids(GROUPS.map(group_id).to_vec());
    for group in client.ask(&asked, 0)?.groups {
        let code = group.error_code;
        lines.push(format!("consumer group {}: {code}", group.group_id.as_str()));
    }
    let names = vec![group_id("ours"), group_id("theirs")];
    for group in client.ask(&DeleteGroupsRequest::default().with_groups_names(names), 2)?.results {
        lines.push(format!("group {} deleted: {}", group.group_id.as_str(), group.error_code));
    }
    Ok(())
}

fn committed(client: &mut RawClient, lines: &mut Vec<String>) -> Result<()> {
    use offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    use offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
    use offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
    for group in GROUPS {
        let topic = |name| {
            let partition = OffsetCommitRequestPartition::default().with_partition_index(NOWHERE);
            OffsetCommitRequestTopic::default()
                .with_name(topic_name(name))
                .with_partitions(vec![partition])
        };
        let asked = OffsetCommitRequest::default()
            .with_group_id(group_id(group))
            .with_topics(TOPICS.map(topic).to_vec());
        for topic in client.ask(&asked, 8)?.topics {
            let code = topic.partitions[0].error_code;
            lines.push(format!("commit {group} {}: {code}", topic.name.as_str()));
        }
        let topic = |name| {
            let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
            OffsetDeleteRequestTopic::default()
                .with_name(topic_name(name))
                .with_partitions(vec![partition])
        };
        let asked = OffsetDeleteRequest::default()
            .with_group_id(group_id(group))
            .with_topics(UNCOMMITTED.map(topic).to_vec());
        let deleted = client.ask(&asked, 0)?;
        lines.push(format!("offsets of {group} deleted: {}", deleted.error_code));
        for topic in deleted.topics {
            let code = topic.partitions[0].error_code;
            lines.push(format!("offset {group} {} deleted: {code}", topic.name.as_str()));
        }
    }
    let topic = |name| {
        OffsetFetchRequestTopics::default()
            .with_name(topic_name(name))
            .with_partition_indexes(vec![0])
    };
    for (what, topics) in [("all", None), ("named", Some(TOPICS.map(topic).to_vec()))] {
        let group = |name| {
            OffsetFetchRequestGroup::default()
                .with_group_id(group_id(name))
                .with_topics(topics.clone())
        };
        let asked = OffsetFetchRequest::default().with_groups(GROUPS.map(group).to_vec());
        for group in client.ask(&asked, 8)?.groups {
            let id = group.group_id.as_str();
            lines.push(format!("offsets {what} of {id}: {}", group.error_code));
            for topic in group.topics {
                let found = &topic.partitions[0];
                let (code, offset) = (found.error_code, found.committed_offset);
                let name = topic.name.as_str();
                lines.push(format!("offset {what} of {id} {name}: {code} {offset}"));
            }
        }
    }
    Ok(())
}

fn settings(client: &mut RawClient, lines: &mut Vec<String>) -> Result<()> {
    use describe_configs_request::DescribeConfigsResource;
    use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let resource = |(kind, name)| {
        DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name))
    };
    let resources = [(2, "orders"), (2, "notes"), (2, "gone"), (4, "1"), (32, "ours")];
    let asked = DescribeConfigsRequest::default().with_resources(resources.map(resource).to_vec());
    for result in client.ask(&asked, 4)?.results {
        let (name, code, count) = (result.resource_name, result.error_code, result.configs.len());
        lines.push(format!("settings of {name}: {code} {}", count > 0));
    }
    let resource = |name| {
        let config = AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("100000")));
        AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(name))
            .with_configs(vec![config])
    };
    let asked = IncrementalAlterConfigsRequest::default()
        .with_validate_only(true)
        .with_resources(["orders", "notes", "gone"].map(resource).to_vec());
    for result in client.ask(&asked, 1)?.responses {
        lines.push(format!("settings of {} altered: {}", result.resource_name, result.error_code));
    }
    let resource = |name| {
        let config = alter_configs_request::AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("100000")));
        alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(name))
            .with_configs(vec![config])
    };
    let asked = AlterConfigsRequest::default()
        .with_validate_only(true)
        .with_resources(["orders", "notes", "gone"].map(resource).to_vec());
    for result in client.ask(&asked, 2)?.responses {
        lines.push(format!("settings of {} replaced: {}", result.resource_name, result.error_code));
    }
    let listed = client.ask(&ListConfigResourcesRequest::default(), 1)?;
    lines.push(format!("resources listed: {}", listed.error_code));
    Ok(())
}

fn topics(client: &mut RawClient, lines: &mut Vec<String>) -> Result<()> {
    let topic = |name| {
        create_topics_request::CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(1)
            .with_replication_factor(1)
    };
    let asked = CreateTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_validate_only(true)
        .with_topics(["orders-new", "other", "notes"].map(topic).to_vec());
    for topic in client.ask(&asked, 7)?.topics {
        let told = (topic.error_code, topic.topic_config_error_code, topic.num_partitions);
        lines.push(format!("made {}: {told:?}", topic.name.as_str()));
    }
    // What is there would be gone, were it allowed.
    let asked = DeleteTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topic_names(["orders-gone", "gone"].map(topic_name).to_vec());
    for topic in client.ask(&asked, 5)?.responses {
        let name = topic.name.unwrap_or_default();
        lines.push(format!("deleted {}: {}", name.as_str(), topic.error_code));
    }
    let topic = |name| {
        create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(1)
            .with_assignments(None)
    };
    let asked = CreatePartitionsRequest::default()
        .with_timeout_ms(10_000)
        .with_validate_only(true)
        .with_topics(TOPICS.map(topic).to_vec());
    for topic in client.ask(&asked, 3)?.results {
        lines.push(format!("partitions of {} added: {}", topic.name.as_str(), topic.error_code));
    }
    let topic = |name| {
        let partition =
            delete_records_request::DeleteRecordsPartition::default().with_partition_index(NOWHERE);
        delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic_name(name))
            .with_partitions(vec![partition])
    };
    let asked = DeleteRecordsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(TOPICS.map(topic).to_vec());
    for topic in client.ask(&asked, 2)?.topics {
        let code = topic.partitions[0].error_code;
        lines.push(format!("records of {} deleted: {code}", topic.name.as_str()));
    }
    Ok(())
}

fn cluster(client: &mut RawClient, lines: &mut Vec<String>) -> Result<()> {
    let acls = DescribeAclsRequest::default()
        .with_resource_type_filter(2)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1)
        .with_resource_name_filter(Some(text("nothing has this name")))
        .with_principal_filter(None)
        .with_host_filter(None);
    lines.push(format!("rules described: {}", client.ask(&acls, 3)?.error_code));
    let nameless = create_acls_request::AclCreation::default()
        .with_resource_type(2)
        .with_resource_pattern_type(3)
        .with_principal(text("User:ada"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    let asked = CreateAclsRequest::default().with_creations(vec![nameless]);
    lines.push(format!("rule without a name: {}", client.ask(&asked, 3)?.results[0].error_code));
    let nobodys = delete_acls_request::DeleteAclsFilter::default()
        .with_resource_type_filter(1)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1)
        .with_resource_name_filter(None)
        .with_principal_filter(Some(text("User:nobody")))
        .with_host_filter(None);
    let asked = DeleteAclsRequest::default().with_filters(vec![nobodys]);
    let deleted = client.ask(&asked, 3)?;
    lines.push(format!("rules of nobody deleted: {}", deleted.filter_results[0].error_code));
    let asked = DescribeLogDirsRequest::default().with_topics(Some(Vec::new()));
    lines.push(format!("directories: {}", client.ask(&asked, 4)?.error_code));
    let asked = ListPartitionReassignmentsRequest::default().with_timeout_ms(10_000);
    lines.push(format!("reassignments: {}", client.ask(&asked, 0)?.error_code));
    let asked = AlterPartitionReassignmentsRequest::default().with_timeout_ms(10_000);
    lines.push(format!("reassigned: {}", refusal(client.ask(&asked, 0)?.error_code)));
    let asked = ElectLeadersRequest::default()
        .with_timeout_ms(10_000)
        .with_topic_partitions(Some(Vec::new()));
    lines.push(format!("elected: {}", refusal(client.ask(&asked, 2)?.error_code)));
    let asked = DescribeClientQuotasRequest::default();
    lines.push(format!("quotas: {}", client.ask(&asked, 1)?.error_code));
    let asked = DescribeUserScramCredentialsRequest::default().with_users(Some(Vec::new()));
    lines.push(format!("credentials: {}", client.ask(&asked, 0)?.error_code));
    Ok(())
}
