use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use group_coordinator::coordinator::GroupSettings;
use group_coordinator::limits::{GROUP_MEMBERS_MAX, MEMBER_PROTOCOLS_MAX};
use group_coordinator::refusal::Refusal;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_response::Assignment as ToldAssignment;
use kafka_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetFetchResponse, ResponseKind, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::message::{SIZE_BYTES, decode_response, encode_response_kind};

use super::text;
use crate::groups::Groups;
use crate::groups::test_topic::TestTopic;
use crate::server::answer::Answer;
use crate::server::api::find;
use crate::server::test_node::{Asked, TestNode};

/// What the node answers in the newest version it serves, as a client reads it.
fn ask<R: Asked>(node: &TestNode, body: R) -> R::Response {
    let newest = *find(R::KEY).unwrap().versions.end();
    ask_in(node, body, newest)
}

/// What the node answers in that version.
fn ask_in<R: Asked>(node: &TestNode, body: R, version: i16) -> R::Response {
    let Answer::Message(response) = node.answer(body, version) else {
        panic!("api key {} is not answered by a message", R::KEY);
    };
    let frame = encode_response_kind(version, 1, &response)
        .unwrap_or_else(|error| panic!("api key {} version {version}: {error}", R::KEY));
    decode_response(version, 1, frame.slice(SIZE_BYTES..)).unwrap()
}

/// A node with groups and a topic `orders` of two partitions.
fn node_with_groups() -> TestNode {
    let node = TestNode::new();
    node.mirrored("orders", &[]);
    let topic = TestTopic::in_directory(node.node.catalog.root().to_owned());
    let settings = GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() };
    let groups = Groups::start(Box::new(topic), settings).unwrap();
    node.node.groups.set(Arc::new(groups)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let loading = Refusal::CoordinatorLoadInProgress.code();
    while ask(&node, ListGroupsRequest::default()).error_code == loading {
        assert!(Instant::now() < deadline, "groups are read in time");
        std::thread::yield_now();
    }
    node
}

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("readers"))
}

fn topic(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

fn join(node: &TestNode, member_id: &StrBytes) -> JoinGroupResponse {
    ask(node, join_of(member_id))
}

fn join_of(member_id: &StrBytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\x01\0\x06orders"));
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_member_id(member_id.clone())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol])
}

/// Joins, syncs as the leader, and returns the member's id; it is in generation 1.
fn member(node: &TestNode) -> StrBytes {
    let asked = join(node, &StrBytes::default());
    assert_eq!(asked.error_code, ResponseError::MemberIdRequired.code());
    let joined = join(node, &asked.member_id);
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(joined.leader, joined.member_id);
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(b"all"));
    let synced = ask(
        node,
        SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(1)
            .with_member_id(joined.member_id.clone())
            .with_assignments(vec![assignment]),
    );
    assert_eq!(synced.assignment, Bytes::from_static(b"all"));
    joined.member_id
}

fn commit_of(member_id: &StrBytes, generation: i32) -> OffsetCommitRequest {
    let partition = |index: i32| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(40 + i64::from(index))
            .with_committed_leader_epoch(3)
            .with_committed_metadata(Some(StrBytes::from_static_str("note")))
    };
    let orders = OffsetCommitRequestTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![partition(7), partition(0), partition(1)]);
    let unknown = OffsetCommitRequestTopic::default()
        .with_name(topic("unheard-of"))
        .with_partitions(vec![partition(0)]);
    OffsetCommitRequest::default()
        .with_group_id(group())
        .with_member_id(member_id.clone())
        .with_generation_id_or_member_epoch(generation)
        .with_topics(vec![unknown, orders])
}

fn fetch_all(node: &TestNode) -> Vec<(i32, i64, i32, i16)> {
    let group = OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(None);
    let response = ask(node, OffsetFetchRequest::default().with_groups(vec![group]));
    let topics = response.groups[0].topics.iter();
    let partitions = topics.flat_map(|topic| topic.partitions.iter());
    partitions
        .map(|partition| {
            let epoch = partition.committed_leader_epoch;
            (partition.partition_index, partition.committed_offset, epoch, partition.error_code)
        })
        .collect()
}

#[test]
fn a_member_joins_commits_and_leaves_in_the_newest_versions() {
    let node = node_with_groups();
    let member_id = member(&node);
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(1)
        .with_member_id(member_id.clone());
    assert_eq!(ask(&node, heartbeat.clone()).error_code, 0);
    let committed = ask(&node, commit_of(&member_id, 1));
    let codes: Vec<(String, i32, i16)> = committed
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |partition| (topic, partition)))
        .map(|(topic, at)| (topic.name.to_string(), at.partition_index, at.error_code))
        .collect();
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    let expected =
        [("unheard-of", 0, unknown), ("orders", 7, unknown), ("orders", 0, 0), ("orders", 1, 0)];
    assert_eq!(codes, expected.map(|(name, index, code)| (name.to_owned(), index, code)));
    assert_eq!(fetch_all(&node), [(0, 40, 3, 0), (1, 41, 3, 0)]);
    let leaving = MemberIdentity::default().with_member_id(member_id);
    let left =
        ask(&node, LeaveGroupRequest::default().with_group_id(group()).with_members(vec![leaving]));
    assert_eq!(left.members[0].error_code, 0);
    let unknown = ask(&node, heartbeat).error_code;
    assert_eq!(unknown, ResponseError::UnknownMemberId.code());
}

#[test]
fn what_a_group_keeps_does_not_keep_the_request_it_came_in() {
    let node = node_with_groups();
    let request = Bytes::from(vec![0; 1000]);
    let mut asked = join_of(&StrBytes::default());
    asked.protocols[0].metadata = request.slice(100..200);
    let Answer::Message(answer) = node.answer(asked.clone(), 3) else {
        panic!("a join is answered")
    };
    let ResponseKind::JoinGroup(joined) = *answer else { panic!("by its own message") };
    assert_eq!((joined.error_code, joined.members.len()), (0, 1));
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(request.slice(300..400));
    let sync = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(1)
        .with_member_id(joined.member_id)
        .with_assignments(vec![assignment]);
    assert_eq!(ask(&node, sync).assignment.len(), 100);
    drop(asked);
    assert!(request.is_unique());
}

#[test]
fn more_protocols_or_assignments_than_a_group_can_have_are_refused_at_once() {
    let node = TestNode::new();
    let mut asked = join_of(&StrBytes::default());
    asked.protocols = vec![asked.protocols[0].clone(); MEMBER_PROTOCOLS_MAX + 1];
    assert_eq!(ask(&node, asked).error_code, ResponseError::InvalidRequest.code());
    let assignments = vec![SyncGroupRequestAssignment::default(); GROUP_MEMBERS_MAX + 1];
    let asked = SyncGroupRequest::default().with_group_id(group()).with_assignments(assignments);
    assert_eq!(ask(&node, asked).error_code, ResponseError::MessageTooLarge.code());
}

#[test]
fn old_versions_of_offset_fetch_show_one_group() {
    let node = node_with_groups();
    ask(&node, commit_of(&StrBytes::default(), -1));
    for version in 1..=7 {
        let asked = OffsetFetchRequestTopic::default()
            .with_name(topic("orders"))
            .with_partition_indexes(vec![1, 0, 5]);
        let request =
            OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![asked]));
        let OffsetFetchResponse { topics, error_code, .. } = ask_in(&node, request, version);
        let offsets: Vec<_> = topics[0].partitions.iter().map(|at| at.committed_offset).collect();
        assert_eq!((offsets, error_code), (vec![41, 40, -1], 0), "version {version}");
    }
}

#[test]
fn a_group_nobody_knows_has_no_offsets_and_no_error() {
    let node = node_with_groups();
    let asked = OffsetFetchRequestTopics::default()
        .with_name(topic("orders"))
        .with_partition_indexes(vec![0]);
    let group =
        OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(Some(vec![asked]));
    let response = ask(&node, OffsetFetchRequest::default().with_groups(vec![group]));
    let partition = &response.groups[0].topics[0].partitions[0];
    assert_eq!((partition.committed_offset, partition.error_code), (-1, 0));
    assert_eq!(response.groups[0].error_code, 0);
}

#[test]
fn groups_are_listed_described_and_deleted() {
    let node = node_with_groups();
    let member_id = member(&node);
    let list = |state: &'static str| {
        let states = vec![StrBytes::from_static_str(state)];
        let listed = ask(&node, ListGroupsRequest::default().with_states_filter(states)).groups;
        listed.into_iter().map(|group| group.group_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list("stable"), ["readers"]);
    assert!(list("Empty").is_empty());
    let unknown = GroupId(StrBytes::from_static_str("nobody"));
    let describe = DescribeGroupsRequest::default().with_groups(vec![group(), unknown.clone()]);
    let described = ask(&node, describe.clone()).groups;
    assert_eq!(described[0].group_state, text("Stable"));
    assert_eq!(described[0].members[0].member_id, member_id);
    assert_eq!(described[0].members[0].client_host, text("/127.0.0.1"));
    assert_eq!(described[1].error_code, ResponseError::GroupIdNotFound.code());
    let old = ask_in(&node, describe, 5);
    assert_eq!((old.groups[1].error_code, &old.groups[1].group_state), (0, &text("Dead")));
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group(), unknown]);
    let codes: Vec<i16> =
        ask(&node, delete).results.iter().map(|result| result.error_code).collect();
    let (full, gone) = (ResponseError::NonEmptyGroup, ResponseError::GroupIdNotFound);
    assert_eq!(codes, [full.code(), gone.code()]);
}

#[test]
fn offsets_are_deleted_unless_their_topic_is_read() {
    let node = node_with_groups();
    let member_id = member(&node);
    ask(&node, commit_of(&member_id, 1));
    let partitions = vec![OffsetDeleteRequestPartition::default()];
    let asked =
        OffsetDeleteRequestTopic::default().with_name(topic("orders")).with_partitions(partitions);
    let delete = OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![asked]);
    let refused = ask(&node, delete.clone()).topics[0].partitions[0].error_code;
    assert_eq!(refused, ResponseError::GroupSubscribedToTopic.code());
    let leaving = MemberIdentity::default().with_member_id(member_id);
    ask(&node, LeaveGroupRequest::default().with_group_id(group()).with_members(vec![leaving]));
    assert_eq!(ask(&node, delete).topics[0].partitions[0].error_code, 0);
    assert_eq!(fetch_all(&node), [(1, 41, 3, 0)]);
}

#[test]
fn this_node_coordinates_every_group_and_no_transaction() {
    let node = TestNode::new();
    let find = |key_type: i8| {
        let keys = vec![StrBytes::from_static_str("any")];
        let request = FindCoordinatorRequest::default()
            .with_key(keys[0].clone())
            .with_key_type(key_type)
            .with_coordinator_keys(keys);
        ask(&node, request).coordinators.remove(0)
    };
    let group = find(0);
    assert_eq!((group.node_id.0, group.port, group.error_code), (7, 9092, 0));
    let refused = ResponseError::TransactionalIdAuthorizationFailed.code();
    assert_eq!(find(1).error_code, refused);
    assert_eq!(find(9).error_code, ResponseError::InvalidRequest.code());
}

/// Asks in every version; each answer can be read.
fn all<R: Asked + Clone>(node: &TestNode, body: &R) -> Vec<R::Response> {
    let versions = find(R::KEY).unwrap().versions.clone();
    versions.map(|version| ask_in(node, body.clone(), version)).collect()
}

#[test]
fn a_member_is_served_in_every_version() {
    let node = node_with_groups();
    let member_id = member(&node);
    let sync = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(1)
        .with_member_id(member_id.clone());
    for synced in all(&node, &sync) {
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    }
    let beat = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(1)
        .with_member_id(member_id.clone());
    assert!(all(&node, &beat).iter().all(|answer| answer.error_code == 0));
    let commits = all(&node, &commit_of(&member_id, 1));
    assert!(commits.iter().all(|answer| answer.topics[1].partitions[1].error_code == 0));
    let describe = DescribeGroupsRequest::default().with_groups(vec![group()]);
    let members = all(&node, &describe).into_iter().map(|answer| answer.groups[0].members.len());
    assert!(members.into_iter().all(|count| count == 1));
    let listed = all(&node, &ListGroupsRequest::default());
    assert!(listed.iter().all(|answer| answer.groups.len() == 1));
    // A leader that joins again begins a generation; alone, it is complete at once.
    let rejoin = join_of(&member_id);
    let generations = all(&node, &rejoin).into_iter().map(|answer| answer.generation_id);
    assert!(generations.into_iter().all(|generation| generation >= 1));
}

#[test]
fn every_version_is_answered_so_that_it_can_be_read() {
    let node = node_with_groups();
    all(&node, &commit_of(&StrBytes::default(), -1));
    for name in ["readers", "nobody", ""] {
        let group = GroupId(StrBytes::from_static_str(name));
        let member_id = StrBytes::from_static_str("stranger");
        let join = JoinGroupRequest::default().with_group_id(group.clone());
        all(&node, &join.with_session_timeout_ms(6_000));
        let sync = SyncGroupRequest::default().with_group_id(group.clone());
        all(&node, &sync.with_member_id(member_id.clone()));
        all(&node, &HeartbeatRequest::default().with_group_id(group.clone()));
        let leaving = MemberIdentity::default().with_member_id(member_id);
        let leave = LeaveGroupRequest::default().with_group_id(group.clone());
        all(&node, &leave.with_members(vec![leaving]));
        let asked = OffsetFetchRequestGroup::default().with_group_id(group.clone());
        let fetch = OffsetFetchRequest::default().with_group_id(group.clone());
        all(&node, &fetch.with_groups(vec![asked.with_topics(None)]).with_topics(None));
        all(&node, &DescribeGroupsRequest::default().with_groups(vec![group.clone()]));
        all(&node, &OffsetDeleteRequest::default().with_group_id(group.clone()));
        all(&node, &DeleteGroupsRequest::default().with_groups_names(vec![group]));
    }
    all(&node, &ListGroupsRequest::default());
    for key_type in [0, 1, 2] {
        let keys = vec![StrBytes::from_static_str("any")];
        let find = FindCoordinatorRequest::default().with_key_type(key_type);
        all(&node, &find.with_coordinator_keys(keys));
    }
}

#[test]
fn a_member_of_a_consumer_group_is_assigned_to_and_commits_in_its_epoch() {
    let node = node_with_groups();
    let join = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(StrBytes::from_static_str("member"))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic("orders")]))
        .with_topic_partitions(Some(Vec::new()));
    let told = ask(&node, join);
    assert_eq!((told.error_code, told.member_epoch, told.heartbeat_interval_ms), (0, 1, 5_000));
    let orders = node.node.catalog.topic_named("orders").unwrap();
    let assigned = told.assignment.unwrap().topic_partitions.remove(0);
    assert_eq!(assigned.topic_id.into_bytes(), orders.id.bytes());
    assert_eq!(assigned.partitions, [0, 1]);
    let member_id = StrBytes::from_static_str("member");
    let committed = ask(&node, commit_of(&member_id, 1));
    assert_eq!(committed.topics[1].partitions[1].error_code, 0);
    let stale = ask(&node, commit_of(&member_id, 0));
    let code = stale.topics[1].partitions[1].error_code;
    assert_eq!(code, ResponseError::StaleMemberEpoch.code());
    let fetch = |epoch: i32| {
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group())
            .with_member_id(Some(member_id.clone()))
            .with_member_epoch(epoch)
            .with_topics(None);
        ask(&node, OffsetFetchRequest::default().with_groups(vec![asked])).groups[0].error_code
    };
    assert_eq!((fetch(1), fetch(2)), (0, ResponseError::StaleMemberEpoch.code()));
    let nobody = GroupId(StrBytes::from_static_str("nobody"));
    let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group(), nobody]);
    for described in all(&node, &describe) {
        assert_eq!(described.groups[0].group_state, text("Stable"));
        let assignment = &described.groups[0].members[0].assignment.topic_partitions[0];
        assert_eq!(&assignment.topic_name[..], "orders");
        let unknown = ResponseError::GroupIdNotFound.code();
        assert_eq!(described.groups[1].error_code, unknown);
    }
    let listed = ask(&node, ListGroupsRequest::default()).groups.remove(0);
    assert_eq!((&listed.group_type[..], &listed.protocol_type[..]), ("consumer", "consumer"));
    let as_classic = DescribeGroupsRequest::default().with_groups(vec![group()]);
    let code = ask(&node, as_classic).groups[0].error_code;
    assert_eq!(code, ResponseError::GroupIdNotFound.code());
}

#[test]
fn a_member_of_a_consumer_group_follows_topics_that_come_and_grow() {
    let node = node_with_groups();
    let join = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(StrBytes::from_static_str("member"))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_regex(Some(StrBytes::from_static_str("order.*")))
        .with_topic_partitions(Some(Vec::new()));
    let count = |assignment: Option<ToldAssignment>| assignment.unwrap().topic_partitions.len();
    assert_eq!(count(ask(&node, join).assignment), 1);
    node.mirrored("order-notes", &[]);
    let heartbeat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(StrBytes::from_static_str("member"))
        .with_member_epoch(1);
    let told = ask(&node, heartbeat);
    assert_eq!((told.member_epoch, count(told.assignment)), (2, 2));
}

#[test]
fn without_groups_the_coordinator_is_not_available() {
    let node = TestNode::new();
    let unavailable = ResponseError::CoordinatorNotAvailable.code();
    assert_eq!(ask(&node, ListGroupsRequest::default()).error_code, unavailable);
    assert_eq!(join(&node, &StrBytes::default()).error_code, unavailable);
}
