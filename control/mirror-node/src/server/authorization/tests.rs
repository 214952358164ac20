//! The rows that no tool and no client shows; what they show is compared with a stock broker's.

use std::collections::BTreeSet;

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateAclsRequest, CreateTopicsRequest, DeleteAclsRequest, DeleteTopicsRequest,
    DescribeAclsRequest, DescribeTopicPartitionsRequest, FetchRequest, FetchResponse,
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, JoinGroupRequest, MetadataRequest,
    MetadataResponse, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::message::{SIZE_BYTES, decode_response};
use kafka_wire::mirror_api::MirrorResponse;
use kafka_wire::mirror_api::create_cluster_mirror::CreateClusterMirrorRequest;
use kafka_wire::mirror_api::read_mirror_offsets::ReadMirrorOffsetsRequest;
use mirror_coordinator::acl::{AclBinding, AclPattern, AclPermission};

use super::*;
use crate::server::answer::Part;
use crate::server::test_node::TestNode;

/// `ALLOW User:ANONYMOUS`, from anywhere, with what has that name.
fn allow(operation: AclOperation, resource: AclResource, name: &str) -> AclBinding {
    AclBinding {
        resource,
        name: name.to_owned(),
        pattern: AclPattern::Literal,
        principal: ANONYMOUS.to_owned(),
        host: "*".to_owned(),
        operation,
        permission: AclPermission::Allow,
    }
}

fn guarded(acls: &[AclBinding]) -> TestNode {
    let node = TestNode::guarded(Authorizer::default(), acls);
    for topic in ["notes", "orders"] {
        node.local(topic, &[]);
    }
    node
}

use AclOperation::{Alter, ClusterAction, Create, Delete, Describe, DescribeConfigs, Read, Write};
use AclResource::{Cluster, ClusterMirror, Group, Topic};

fn wire_name(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

fn named(name: &'static str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(wire_name(name)))
}

fn told(response: &MetadataResponse) -> Vec<(&str, i16, usize)> {
    let topics = response.topics.iter();
    topics
        .map(|topic| {
            let text = topic.name.as_ref().map_or("-", |name| name.as_str());
            (text, topic.error_code, topic.partitions.len())
        })
        .collect()
}

#[test]
fn addresses_are_written_as_java_writes_them() {
    for (address, expected) in [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("fe80::1:20", "fe80:0:0:0:0:0:1:20"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ] {
        assert_eq!(java_address(address.parse().unwrap()), expected);
    }
}

#[test]
fn topics_that_may_not_be_seen_are_left_out_of_lists_and_refused_by_name() {
    let node = guarded(&[allow(Describe, Topic, "notes"), allow(Read, Topic, "gone")]);
    let all = node.ask(MetadataRequest::default().with_topics(None));
    assert_eq!(told(&all), [("notes", 0, 2)]);
    let asked = ["notes", "orders", "gone", "never"].map(named).to_vec();
    let some = node.ask(MetadataRequest::default().with_topics(Some(asked)));
    let expected = [("notes", 0, 2), ("orders", 29, 0), ("gone", 3, 0), ("never", 29, 0)];
    assert_eq!(told(&some), expected);
    assert!(some.topics[1].topic_id.is_nil());
    let id = *node.node.catalog.topic_named("orders").unwrap().id.bytes().first_chunk().unwrap();
    let by_id = MetadataRequestTopic::default().with_name(None);
    let by_id = by_id.with_topic_id(uuid::Uuid::from_bytes(id));
    let by_id = node.ask_newest(MetadataRequest::default().with_topics(Some(vec![by_id])));
    assert_eq!(told(&by_id), [("-", 29, 0)]);
    let pages = node.ask(DescribeTopicPartitionsRequest::default());
    let names: Vec<_> = pages.topics.iter().map(|topic| topic.name.clone().unwrap()).collect();
    assert_eq!(names, [wire_name("notes")]);
    assert_eq!(pages.topics[0].topic_authorized_operations, 1 << 8);
}

#[test]
fn whoever_may_see_no_topic_is_shown_none() {
    let node = guarded(&[]);
    assert!(node.ask(DescribeTopicPartitionsRequest::default()).topics.is_empty());
    assert!(node.ask(MetadataRequest::default().with_topics(None)).topics.is_empty());
}

#[test]
fn operations_are_told_as_far_as_the_client_has_them() {
    let node = guarded(&[allow(Write, Topic, "notes")]);
    let asked = MetadataRequest::default()
        .with_topics(Some(vec![named("notes")]))
        .with_include_topic_authorized_operations(true)
        .with_include_cluster_authorized_operations(true);
    let Answer::Message(answer) = node.answer(asked, 10) else { panic!("no message") };
    let kafka_protocol::messages::ResponseKind::Metadata(answer) = *answer else { panic!() };
    assert_eq!(answer.topics[0].topic_authorized_operations, 1 << 4 | 1 << 8);
    assert_eq!(answer.cluster_authorized_operations, 0);
}

fn produce(name: &'static str) -> TopicProduceData {
    let partition = PartitionProduceData::default();
    TopicProduceData::default().with_name(wire_name(name)).with_partition_data(vec![partition])
}

#[test]
fn records_for_a_forbidden_topic_are_refused_and_those_beside_them_are_not() {
    let node = guarded(&[allow(Write, Topic, "notes")]);
    let asked = ProduceRequest::default().with_acks(1);
    let asked = asked.with_topic_data(vec![produce("orders"), produce("notes"), produce("gone")]);
    let answer = node.ask(asked.clone());
    let codes: Vec<_> = answer
        .responses
        .iter()
        .map(|topic| (topic.name.as_str(), topic.partition_responses[0].error_code))
        .collect();
    // 87 is for records that are none.
    assert_eq!(codes, [("notes", 87), ("orders", 29), ("gone", 29)]);
    let unanswered = node.answer(asked.with_acks(0), 9);
    assert!(matches!(unanswered, Answer::Close { .. }), "{unanswered:?}");
}

#[test]
fn an_id_for_a_producer_takes_the_right_to_write_somewhere() {
    let asked = || InitProducerIdRequest::default().with_transactional_id(None);
    assert_eq!(guarded(&[]).ask(asked()).error_code, 31);
    assert_eq!(guarded(&[allow(Write, Topic, "orders")]).ask(asked()).error_code, 0);
    let idempotent = allow(AclOperation::IdempotentWrite, Cluster, CLUSTER_NAME);
    assert_eq!(guarded(&[idempotent]).ask(asked()).error_code, 0);
}

fn fetch(node: &TestNode, asked: FetchRequest) -> FetchResponse {
    let Answer::Parts(parts) = node.answer(asked, 12) else { panic!("not answered") };
    let frame: Vec<u8> = parts
        .iter()
        .flat_map(|part| match part {
            Part::Bytes(bytes) => bytes.to_vec(),
            Part::File(_) => panic!("there are no records"),
        })
        .collect();
    decode_response(12, 1, bytes::Bytes::from(frame).slice(SIZE_BYTES..)).unwrap()
}

fn fetch_of(names: &[&'static str]) -> FetchRequest {
    let topics = names.iter().map(|name| {
        FetchTopic::default()
            .with_topic(wire_name(name))
            .with_partitions(vec![FetchPartition::default().with_partition_max_bytes(1 << 20)])
    });
    FetchRequest::default().with_max_bytes(1 << 20).with_topics(topics.collect())
}

fn codes(response: &FetchResponse) -> Vec<(&str, i16)> {
    let topics = response.responses.iter();
    topics.map(|topic| (topic.topic.as_str(), topic.partitions[0].error_code)).collect()
}

#[test]
fn what_may_not_be_read_is_refused_whenever_it_is_fetched() {
    let node = guarded(&[allow(Read, Topic, "notes")]);
    let asked = fetch_of(&["orders", "gone", "notes"]).with_session_epoch(0);
    let opened = fetch(&node, asked);
    assert_eq!(codes(&opened), [("orders", 29), ("gone", 29), ("notes", 0)]);
    let again = FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_session_id(opened.session_id)
        .with_session_epoch(1);
    let told = fetch(&node, again.clone());
    assert_eq!(codes(&told), [("orders", 29), ("gone", 29)], "the session remembers them");
    let acls = node.node.authorization.as_ref().unwrap().directory.acls();
    acls.change(|table| table.create(allow(Read, Topic, "orders"))).unwrap().unwrap();
    let told = fetch(&node, again.with_session_epoch(2));
    assert_eq!(codes(&told), [("orders", 0), ("gone", 29)], "rules hold from the next request on");
}

#[test]
fn replicas_need_the_right_of_brokers() {
    let replica = || {
        let mut asked = fetch_of(&["notes"]);
        asked.replica_id = 3.into();
        asked
    };
    let reader = guarded(&[allow(Read, Topic, "notes")]);
    assert_eq!(codes(&fetch(&reader, replica())), [("notes", 29)]);
    let broker = guarded(&[allow(ClusterAction, Cluster, CLUSTER_NAME)]);
    // No replica of ours.
    assert_eq!(codes(&fetch(&broker, replica())), [("notes", 75)]);
}

fn creatable(name: &'static str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(wire_name(name))
        .with_num_partitions(1)
        .with_replication_factor(1)
}

#[test]
fn topics_are_made_with_the_right_for_the_cluster_or_for_the_topic() {
    let node = guarded(&[allow(Create, Topic, "made"), allow(DescribeConfigs, Topic, "other")]);
    let names = ["made", "other", "twice", "twice"];
    let asked = || {
        CreateTopicsRequest::default()
            .with_topics(names.iter().map(|name| creatable(name)).collect())
    };
    let made = node.ask_newest(asked());
    let codes: Vec<_> =
        made.topics.iter().map(|topic| (topic.name.as_str(), topic.error_code)).collect();
    assert_eq!(codes, [("made", 0), ("twice", 42), ("other", 29)]);
    let first = &made.topics[0];
    assert_eq!((first.topic_config_error_code, first.num_partitions), (29, -1));
    let node =
        guarded(&[allow(Create, Cluster, CLUSTER_NAME), allow(DescribeConfigs, Topic, "made")]);
    let made = node.ask_newest(asked());
    assert_eq!(made.topics[0].error_code, 0);
    assert_eq!(made.topics[0].num_partitions, 1);
}

#[test]
fn a_topic_that_is_deleted_by_its_id_gives_away_its_name_only_to_those_who_may_see_it() {
    let rules = [allow(Describe, Topic, "notes"), allow(Delete, Topic, "orders")];
    let node = guarded(&rules[..1]);
    let id = |name: &str| {
        uuid::Uuid::from_bytes(node.node.catalog.topic_named(name).unwrap().id.bytes())
    };
    let states = ["notes", "orders"]
        .map(|name| DeleteTopicState::default().with_name(None).with_topic_id(id(name)));
    let asked = DeleteTopicsRequest::default().with_topics(states.to_vec());
    let answer = node.ask_newest(asked);
    let told: Vec<_> =
        answer.responses.iter().map(|topic| (topic.name.clone(), topic.error_code)).collect();
    assert_eq!(told, [(Some(wire_name("notes")), 29), (None, 29)]);
    let node = guarded(&rules);
    let names = vec![wire_name("orders"), wire_name("notes"), wire_name("gone")];
    let asked = DeleteTopicsRequest::default().with_topic_names(names);
    let Answer::Message(answer) = node.answer(asked, 5) else { panic!("no message") };
    let kafka_protocol::messages::ResponseKind::DeleteTopics(answer) = *answer else { panic!() };
    let codes: Vec<_> = answer.responses.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, 29, 29]);
}

#[test]
fn groups_are_for_those_who_may_read_them() {
    let node = guarded(&[allow(Read, Group, "ours")]);
    let group = |name: &'static str| GroupId(StrBytes::from_static_str(name));
    let join = |name| node.ask_newest(JoinGroupRequest::default().with_group_id(group(name)));
    assert_eq!(join("theirs").error_code, 30);
    // There is no coordinator in this node.
    assert_eq!(join("ours").error_code, 15);
    let keys = ["ours", "theirs"].map(StrBytes::from_static_str).to_vec();
    let asked = FindCoordinatorRequest::default().with_coordinator_keys(keys);
    let found = node.ask_newest(asked);
    let codes: Vec<_> =
        found.coordinators.iter().map(|one| (one.key.as_str(), one.error_code)).collect();
    assert_eq!(codes, [("ours", 0), ("theirs", 30)]);
}

fn creation(acl: &AclBinding) -> AclCreation {
    AclCreation::default()
        .with_resource_type(acl.resource.number())
        .with_resource_name(StrBytes::from_string(acl.name.clone()))
        .with_resource_pattern_type(acl.pattern.number())
        .with_principal(StrBytes::from_string(acl.principal.clone()))
        .with_host(StrBytes::from_string(acl.host.clone()))
        .with_operation(acl.operation.number())
        .with_permission_type(acl.permission.number())
}

#[test]
fn rules_are_made_described_and_deleted_by_those_who_may_alter_the_cluster() {
    let super_users = BTreeSet::from([ANONYMOUS.to_owned()]);
    let node = TestNode::guarded(Authorizer { super_users, ..Authorizer::default() }, &[]);
    let good = allow(Read, Topic, "orders");
    let bad = creation(&good).with_operation(99);
    let asked = CreateAclsRequest::default();
    let made = node.ask(asked.clone().with_creations(vec![creation(&good), bad, creation(&good)]));
    assert_eq!(made.results.iter().map(|one| one.error_code).collect::<Vec<_>>(), [0, 42, 0]);
    let any = DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1)
        .with_resource_name_filter(None)
        .with_principal_filter(None)
        .with_host_filter(None);
    let listed = node.ask(any.clone());
    assert_eq!(listed.resources.len(), 1);
    assert_eq!(listed.resources[0].acls[0].principal.as_str(), ANONYMOUS);
    assert_eq!(node.ask(any.clone().with_operation(99)).error_code, 42);
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(1)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1)
        .with_resource_name_filter(None)
        .with_principal_filter(None)
        .with_host_filter(None);
    let unknown = filter.clone().with_pattern_type_filter(0);
    let gone = node.ask(DeleteAclsRequest::default().with_filters(vec![unknown, filter.clone()]));
    assert_eq!(gone.filter_results[0].error_code, 42);
    assert_eq!(gone.filter_results[1].matching_acls[0].resource_name.as_str(), "orders");

    let node = guarded(&[allow(Describe, Cluster, CLUSTER_NAME)]);
    assert_eq!(node.ask(any.clone()).error_code, 0);
    let made = node.ask(asked.with_creations(vec![creation(&good)]));
    assert_eq!(made.results[0].error_code, 31);
    let gone = node.ask(DeleteAclsRequest::default().with_filters(vec![filter]));
    assert_eq!(gone.filter_results[0].error_code, 31);
    assert_eq!(guarded(&[allow(Alter, Topic, "*")]).ask(any).error_code, 31);
}

#[test]
fn mirrors_are_for_those_who_have_rights_to_them() {
    let node = guarded(&[allow(Create, ClusterMirror, "ours")]);
    node.taking_orders(drop);
    let create = |name: &str| {
        let asked = CreateClusterMirrorRequest { mirror_name: name.to_owned(), configs: vec![] };
        match node.ask_mirrors(asked) {
            MirrorResponse::CreateClusterMirror(told) => told.error_code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(create("theirs"), 144);
    assert_ne!(create("ours"), 144);
    let asked = ReadMirrorOffsetsRequest { mirror_name: "ours".to_owned(), topics: vec![] };
    match node.ask_mirrors(asked) {
        MirrorResponse::ReadMirrorOffsets(told) => assert_eq!(told.error_code, 31),
        other => panic!("{other:?}"),
    }
}
