use kafka_protocol::messages::ApiVersionsRequest;
use kafka_wire::mirror_api::MirrorApiKey;
use kafka_wire::mirror_api::delete_cluster_mirror::DeleteClusterMirrorRequest;
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsResponse, DescribedMirror, DescribedPartition, DescribedTopic,
    LastMirrorEpochLookup,
};
use kafka_wire::mirror_api::list_cluster_mirrors::ListClusterMirrorsRequest;
use kafka_wire::mirror_api::mirror_topic::TopicPartitions;
use kafka_wire::mirror_api::read_mirror_states::{
    ReadMirrorStatesRequest, StatePartition, StateTopic,
};
use kafka_wire::mirror_api::start_mirror_topics::StartedTopic;
use kafka_wire::mirror_api::stop_mirror_topics::StopMirrorTopicsRequest;

use super::*;
use crate::mirror_orders::MirrorOrder;
use crate::server::test_node::TestNode;

fn text(text: &str) -> String {
    text.to_owned()
}

fn delete() -> DeleteClusterMirrorRequest {
    DeleteClusterMirrorRequest { mirror_name: text("dc1"), state_offset: -1 }
}

fn describe(include_authorized_operations: bool) -> DescribeClusterMirrorsRequest {
    DescribeClusterMirrorsRequest {
        include_authorized_operations,
        ..DescribeClusterMirrorsRequest::everything()
    }
}

fn start(pattern: String) -> StartMirrorTopicsRequest {
    StartMirrorTopicsRequest {
        mirror_name: text("dc1"),
        include_patterns: vec![pattern],
        timeout_ms: 1,
        topics: vec![],
        state_offset: -1,
        exclude_patterns: vec![],
        confirm: false,
        plan_only: false,
    }
}

fn described(partition_count: usize) -> MirrorResponse {
    let partition = DescribedPartition {
        partition_index: 0,
        state_value: text("MIRRORING"),
        error_message: None,
        retry_attempt: 0,
        source_offset: 5,
        destination_offset: 3,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        lag_ms: 10,
        measured_age_ms: 20,
    };
    let partitions = vec![partition; partition_count];
    let topics = vec![DescribedTopic { topic_name: text("orders"), partitions }];
    let mirror = DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: text("dc1"),
        source_bootstrap: Some(text("one:9092")),
        source_cluster_id: None,
        authorized_operations: 0,
        topics,
        syncs: Vec::new(),
    };
    let mirrors = vec![mirror];
    DescribeClusterMirrorsResponse { mirrors, ..DescribeClusterMirrorsResponse::outcome(0, None) }
        .into()
}

/// A node where this is the answer to everything.
fn answering(response: MirrorResponse) -> TestNode {
    let node = TestNode::new();
    node.taking_orders(move |order| {
        if let MirrorOrder::Api { reply, .. } = order {
            let _ = reply.send(response.clone());
        }
    });
    node
}

/// The request as the control loop gets it.
fn taken(request: impl Into<MirrorRequest>) -> MirrorRequest {
    each_once(request.into()).unwrap()
}

#[test]
fn mirrors_are_advertised_where_somebody_takes_care_of_them() {
    let node = TestNode::new();
    let advertised = |node: &TestNode| {
        let known = node.ask_newest(ApiVersionsRequest::default());
        let keys = known.api_keys.iter().filter(|api| (94..=107).contains(&api.api_key));
        assert!(keys.clone().all(|api| (api.min_version, api.max_version) == (0, 0)));
        let keys: Vec<i16> = keys.map(|api| api.api_key).collect();
        let features = known.finalized_features.iter().map(|feature| feature.name.to_string());
        (keys, features.collect::<Vec<String>>())
    };
    assert_eq!(advertised(&node), (vec![], vec![text("group.version")]));
    node.taking_orders(drop);
    let all = MirrorApiKey::ALL.map(MirrorApiKey::get).to_vec();
    assert_eq!(advertised(&node), (all, vec![text("group.version"), text("mirror.version")]));
}

#[test]
fn where_nobody_takes_care_of_mirrors_every_request_is_unsupported() {
    let node = TestNode::new();
    for key in MirrorApiKey::ALL {
        // Empty names and lists.
        let request = MirrorRequest::decode(key, &[1; 64]).unwrap();
        let answer = node.ask_mirrors(request);
        assert_eq!(answer.outcome().0, 35, "{key}");
        assert!(answer.outcome().1.unwrap().contains("ringmirror node"), "{answer:?}");
    }
}

#[test]
fn what_the_control_loop_answers_is_answered() {
    let refusal = MirrorResponse::refusal(MirrorApiKey::DeleteClusterMirror, 137, "no dc1");
    assert_eq!(answering(refusal.clone()).ask_mirrors(delete()), refusal);
}

#[test]
fn an_order_that_nobody_carries_out_can_be_tried_again() {
    let node = TestNode::new();
    node.taking_orders(drop);
    let answer = node.ask_mirrors(delete());
    assert_eq!(answer.outcome().0, 15, "{answer:?}");
}

#[test]
fn an_answer_of_another_api_is_an_error_of_ours() {
    let mixed_up = MirrorResponse::refusal(MirrorApiKey::ListClusterMirrors, 0, "");
    assert_eq!(answering(mixed_up).ask_mirrors(delete()).outcome().0, -1);
}

#[test]
fn operations_are_all_there_are_and_told_when_asked() {
    let node = answering(described(1));
    let operations = |asked| {
        let answer = node.ask_mirrors(describe(asked));
        let MirrorResponse::DescribeClusterMirrors(told) = answer else { panic!("{answer:?}") };
        told.mirrors[0].authorized_operations
    };
    assert_eq!(operations(false), i32::MIN);
    assert_eq!(operations(true), 3560);
}

#[test]
fn an_answer_of_more_elements_than_clients_take_is_refused() {
    let many = usize::try_from(kafka_wire::mirror_api::ELEMENTS_MAX).unwrap();
    let answer = answering(described(many)).ask_mirrors(describe(false));
    assert_eq!(answer.outcome().0, 42);
    assert!(answer.outcome().1.unwrap().contains("fewer topics"));
}

#[test]
fn a_start_that_names_too_much_is_refused_before_it_waits() {
    let node = TestNode::new();
    node.taking_orders(|order| panic!("{order:?}"));
    let answer = node.ask_mirrors(start("x".repeat(MIRROR_START_BYTES_MAX)));
    let text = "Patterns and topics have 262145 bytes, at most 262144 are taken at a time; name \
                them by an expression, or start them in several requests.";
    assert_eq!(answer.outcome(), (42, Some(text)));
    let topic = StartedTopic { topic_id: [1; 16], topic_name: String::new(), num_partitions: 1 };
    let many = StartMirrorTopicsRequest { topics: vec![topic; 300_000], ..start(text.to_owned()) };
    assert!(each_once(many.clone().into()).is_ok(), "all of them are one");
    let named = |(index, topic): (usize, StartedTopic)| StartedTopic {
        topic_name: index.to_string(),
        ..topic
    };
    let topics = many.topics.into_iter().enumerate().map(named).collect();
    let many = StartMirrorTopicsRequest { topics, ..start(text.to_owned()) };
    assert_eq!(node.ask_mirrors(many).outcome().0, 42);
}

#[test]
fn what_is_said_twice_is_asked_once() {
    let named = |names: &[&str]| {
        names.iter().map(|name| MirrorTopic { topic_name: text(name) }).collect::<Vec<_>>()
    };
    let stop = |topics, patterns| StopMirrorTopicsRequest {
        mirror_name: text("dc1"),
        topics,
        state_offset: -1,
        patterns,
    };
    let stopped = stop(named(&["b", "a", "b"]), vec![text("x"), text("x")]);
    assert_eq!(taken(stopped), stop(named(&["b", "a"]), vec![text("x")]).into());
    let list = |desired_states| ListClusterMirrorsRequest {
        mirror_name: None,
        source_cluster_id: None,
        desired_states,
    };
    assert_eq!(taken(list(vec![7, 3, 7])), list(vec![7, 3]).into());
    let states = |indexes: &[i32]| ReadMirrorStatesRequest {
        mirror_name: text("dc1"),
        topics: vec![StateTopic {
            topic_name: text("a"),
            partitions: indexes
                .iter()
                .map(|index| StatePartition { partition_index: *index })
                .collect(),
        }],
    };
    assert_eq!(taken(states(&[1, 1, 0])), states(&[1, 0]).into());
}

#[test]
fn a_description_has_each_mirror_topic_and_partition_once() {
    let of = |partitions: &[i32]| TopicPartitions {
        topic_name: text("a"),
        partitions: partitions.to_vec(),
    };
    let lookup = |partitions: &[i32]| LastMirrorEpochLookup {
        topic_id: [3; 16],
        partitions: partitions.to_vec(),
    };
    let asked = DescribeClusterMirrorsRequest {
        mirror_names: Some(vec![text("m"), text("m")]),
        topics: Some(vec![of(&[4, 4, 2]), of(&[1])]),
        last_mirror_epoch_lookups: vec![lookup(&[1, 1]), lookup(&[2])],
        ..describe(false)
    };
    let once = DescribeClusterMirrorsRequest {
        mirror_names: Some(vec![text("m")]),
        topics: Some(vec![of(&[4, 2])]),
        last_mirror_epoch_lookups: vec![lookup(&[1])],
        ..describe(false)
    };
    assert_eq!(taken(asked), once.into());
}
