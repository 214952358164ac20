//! Small requests for large answers, and clients that leave while they wait.

use std::time::Instant;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    CreateTopicsRequest, DescribeGroupsRequest, FetchRequest, FetchResponse, GroupId,
    JoinGroupRequest, JoinGroupResponse, ListOffsetsRequest, OffsetFetchRequest,
};

use super::every_version::node;
use super::*;
use crate::server::test_node::TestNode;

fn topic(name: &'static str) -> kafka_protocol::messages::TopicName {
    StrBytes::from_static_str(name).into()
}

fn group() -> GroupId {
    StrBytes::from_static_str("readers").into()
}

/// The node behind a server; the server ends first.
fn served(node: &TestNode) -> TestServer {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(Arc::clone(&node.node), listener, 2).unwrap();
    let address = server.address();
    TestServer(Some(server), address)
}

/// Waits until only so many connections hold on to the node.
fn wait_for_connections(node: &TestNode, without_any: usize, wanted: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Arc::strong_count(&node.node) != without_any + wanted {
        let found = Arc::strong_count(&node.node) - without_any;
        assert!(Instant::now() < deadline, "{found} connections are there, not {wanted}");
        std::thread::yield_now();
    }
}

/// A fetch at the end of `notes-0`, as often as `count` says, that would wait for ever.
fn fetch_at_the_end(count: usize) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(1)
        .with_current_leader_epoch(-1)
        .with_partition_max_bytes(i32::MAX);
    let asked =
        FetchTopic::default().with_topic(topic("notes")).with_partitions(vec![partition; count]);
    FetchRequest::default()
        .with_session_epoch(0)
        .with_max_wait_ms(i32::MAX)
        .with_min_bytes(i32::MAX)
        .with_max_bytes(i32::MAX)
        .with_topics(vec![asked])
}

fn join(metadata_bytes: usize) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(vec![0; metadata_bytes].into());
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(60_000)
        .with_rebalance_timeout_ms(300_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol])
}

#[test]
fn a_fetch_is_given_up_when_its_client_leaves() {
    let node = node();
    let server = served(&node);
    let mut bystander = server.connect();
    assert!(bystander.answers());
    let without_any = Arc::strong_count(&node.node) - 1;
    let mut clients: Vec<TestClient> = (0..20).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        assert!(client.answers());
        let fetch = encode_request(&head(12, 1), &fetch_at_the_end(1)).unwrap();
        client.send(&fetch);
        match number % 3 {
            0 => {}
            1 => client.send(&fetch),
            _ => client.send(b"x"),
        }
    }
    wait_for_connections(&node, without_any, 21);
    drop(clients);
    wait_for_connections(&node, without_any, 1);
    assert!(bystander.answers());
}

#[test]
fn a_join_is_given_up_when_its_client_leaves_and_holds_no_room_before() {
    let mut node = node();
    Arc::get_mut(&mut node.node).unwrap().limits.decoding_bytes_max = 8 << 10;
    let server = served(&node);
    let mut leader = server.connect();
    // Groups are read first.
    let joined = loop {
        leader.send(&encode_request(&head(3, 1), &join(6 << 10)).unwrap());
        let answer = leader.receive().unwrap();
        let answer: JoinGroupResponse = decode_response(3, 1, answer).unwrap();
        if answer.error_code != 14 {
            break answer;
        }
    };
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    let without_any = Arc::strong_count(&node.node) - 1;
    // The second member waits for the first one to join again.
    let mut second = server.connect();
    assert!(second.answers());
    second.send(&encode_request(&head(3, 1), &join(6 << 10)).unwrap());
    let named = MetadataRequestTopic::default().with_name(Some(topic("notes")));
    let large = MetadataRequest::default().with_topics(Some(vec![named; 1000]));
    let mut third = server.connect();
    third.send(&encode_request(&head(8, 1), &large).unwrap());
    let answer: MetadataResponse = decode_response(8, 1, third.receive().unwrap()).unwrap();
    assert_eq!(answer.topics.len(), 1, "a topic is described once");
    wait_for_connections(&node, without_any, 3);
    drop(second);
    wait_for_connections(&node, without_any, 2);
}

/// A request for the names of all topics, with so many bytes that nobody knows.
fn padded(bytes: usize) -> Bytes {
    let request = MetadataRequest::default()
        .with_topics(None)
        .with_unknown_tagged_fields([(99, Bytes::from(vec![0; bytes]))].into());
    encode_request(&head(12, 1), &request).unwrap()
}

#[test]
fn large_requests_that_are_only_announced_hold_no_room() {
    let limits = ServerLimits { requests_bytes_max: 4 << 20, ..ServerLimits::default() };
    let server = TestServer::start(limits);
    let mut announced: Vec<TestClient> = (0..20).map(|_| server.connect()).collect();
    for client in &mut announced {
        client.send(&(100_i32 << 20).to_be_bytes());
    }
    let mut client = server.connect();
    client.send(&padded(1 << 20));
    assert!(client.receive().is_some());
}

#[test]
fn large_requests_that_all_lack_room_are_answered_one_after_another() {
    let limits = ServerLimits {
        request_bytes_max: 3 << 20,
        requests_bytes_max: 4 << 20,
        ..ServerLimits::default()
    };
    let server = TestServer::start(limits);
    let request = padded(5 << 19);
    let mut clients: Vec<TestClient> = (0..5).map(|_| server.connect()).collect();
    // What the node has no room for stays in the sockets, or with those who send it.
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                client.send(&request);
                assert!(client.receive().is_some());
            });
        }
    });
}

#[test]
fn a_fetch_of_many_partitions_does_not_wait_long() {
    let node = node();
    let server = served(&node);
    let mut client = server.connect();
    client.send(&encode_request(&head(12, 1), &fetch_at_the_end(100_000)).unwrap());
    let answer: FetchResponse = decode_response(12, 1, client.receive().unwrap()).unwrap();
    let told = &answer.responses[0].partitions;
    assert_eq!(told.len(), 100_000);
    assert!(told.iter().all(|partition| partition.high_watermark == 1));
    assert!(answer.session_id > 0);
    // What the session is asked for now is as much again, of a few bytes.
    let again = fetch_at_the_end(0)
        .with_session_id(answer.session_id)
        .with_session_epoch(1)
        .with_topics(Vec::new());
    client.send(&encode_request(&head(12, 2), &again).unwrap());
    drop(client);
    assert!(server.connect().answers());
}

#[test]
fn what_is_asked_for_often_is_answered_once() {
    let node = node();
    let groups = vec![group(); 50];
    let ready = Instant::now() + Duration::from_secs(20);
    let described = loop {
        let asked = DescribeGroupsRequest::default().with_groups(groups.clone());
        let described = node.ask_newest(asked).groups;
        if described[0].error_code != 14 {
            break described;
        }
        assert!(Instant::now() < ready, "groups are read in time");
    };
    assert_eq!(described.len(), 1);
    let offsets = OffsetFetchRequestTopics::default()
        .with_name(topic("notes"))
        .with_partition_indexes(vec![0; 50]);
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(group())
        .with_topics(Some(vec![offsets; 50]));
    let request = OffsetFetchRequest::default().with_groups(vec![asked; 50]);
    let answered = node.ask_newest(request).groups;
    assert_eq!(answered.len(), 1);
    let shown: usize = answered[0].topics.iter().map(|topic| topic.partitions.len()).sum();
    assert_eq!(shown, 1);
    let earliest = ListOffsetsPartition::default().with_timestamp(-2);
    let earliest = earliest.with_current_leader_epoch(-1);
    let asked =
        ListOffsetsTopic::default().with_name(topic("notes")).with_partitions(vec![earliest; 3]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![asked.clone(), asked]);
    let answered = node.ask_newest(request).topics;
    let codes = answered.iter().flat_map(|topic| &topic.partitions).map(|one| one.error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [0, 42, 42, 42, 42, 42]);
}

#[test]
fn more_topics_than_the_limit_are_not_even_validated() {
    let node = node();
    let limit = node.node.limits.created_topics_max;
    let named = |index: usize| {
        CreatableTopic::default()
            .with_name(StrBytes::from_string(format!("topic-{index}")).into())
            .with_num_partitions(1_000_000_000)
            .with_replication_factor(1)
    };
    let request = CreateTopicsRequest::default()
        .with_validate_only(true)
        .with_topics((0..=limit).map(named).collect());
    let answered = node.ask_newest(request).topics;
    assert_eq!(answered.len(), limit + 1);
    assert!(answered.iter().all(|topic| topic.error_code == 44));
    let said = answered[0].error_message.as_ref().unwrap();
    assert_eq!(said.as_str(), "10001 topics in one request, at most 10000.");
}
