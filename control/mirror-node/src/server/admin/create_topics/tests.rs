use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::TopicName as WireName;
use kafka_protocol::messages::create_topics_request::CreatableTopicConfig;

use super::*;
use crate::catalog::Binding;
use crate::server::test_node::TestNode;

fn topic(name: &str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(WireName(StrBytes::from_string(name.to_owned())))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
}

fn configured(name: &str, key: &'static str, value: Option<&'static str>) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(StrBytes::from_static_str(key))
        .with_value(value.map(StrBytes::from_static_str));
    topic(name).with_configs(vec![config])
}

fn assigned_to(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = assignments.iter().map(|(index, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*index)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    });
    topic(name).with_assignments(assignments.collect())
}

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics)
}

fn code(node: &TestNode, topic: CreatableTopic) -> i16 {
    node.ask(request(vec![topic])).topics[0].error_code
}

#[test]
fn a_topic_is_made_and_described() {
    let node = TestNode::writable();
    let asked = configured("orders", "retention.ms", Some("60000")).with_num_partitions(3);
    let response = node.ask(request(vec![asked]));
    let result = &response.topics[0];
    assert_eq!((result.error_code, result.error_message.as_deref()), (0, None));
    assert_eq!((result.num_partitions, result.replication_factor), (3, 1));
    let configs = result.configs.as_ref().unwrap();
    let own = configs.iter().find(|config| &*config.name == "retention.ms").unwrap();
    assert_eq!((own.value.as_deref(), own.config_source), (Some("60000"), 1));
    assert!(configs.iter().any(|config| config.config_source == 5));

    let made = node.node.catalog.topic_named("orders").unwrap();
    assert_eq!((made.binding, made.partitions.len()), (Binding::Unbound, 3));
    assert_eq!(topic_uuid(&made), result.topic_id);
}

#[test]
fn a_setting_that_would_do_nothing_is_refused_with_the_reason() {
    let node = TestNode::writable();
    for (key, value) in
        [("cleanup.policy", "compact"), ("compression.type", "zstd"), ("min.insync.replicas", "2")]
    {
        let response = node.ask(request(vec![configured("orders", key, Some(value))]));
        let result = &response.topics[0];
        let text = result.error_message.as_deref().unwrap_or_default();
        assert_eq!(result.error_code, 40, "{text}");
        assert!(text.starts_with(key) && text.contains("no effect"), "{text}");
    }
    assert!(node.node.catalog.topics().is_empty());
    assert_eq!(code(&node, configured("orders", "min.insync.replicas", Some("1"))), 0);
}

#[test]
fn without_counts_there_is_one_partition() {
    let node = TestNode::writable();
    assert_eq!(node.ask(request(vec![topic("orders")])).topics[0].num_partitions, 1);
    assert_eq!(code(&node, topic("notes").with_replication_factor(1).with_num_partitions(2)), 0);
    assert_eq!(code(&node, assigned_to("by-hand", &[(1, &[7]), (0, &[7])])), 0);
    assert_eq!(node.node.catalog.topic_named("by-hand").unwrap().partitions.len(), 2);
}

#[test]
fn what_is_only_validated_is_not_made() {
    let node = TestNode::writable();
    let asked = request(vec![topic("orders"), topic("or ders")]).with_validate_only(true);
    let response = node.ask(asked);
    let codes: Vec<i16> = response.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, 17]);
    assert!(node.node.catalog.topics().is_empty());
}

#[test]
fn names_that_are_taken_alike_or_illegal_are_refused() {
    let node = TestNode::writable();
    node.local("or.ders", &[]);
    node.mirrored("mirrored", &[]);
    for (name, expected) in [
        ("or.ders", 36),
        ("mirrored", 36),
        ("or_ders", 17),
        ("", 17),
        ("..", 17),
        ("or ders", 17),
        ("__cluster_metadata", 42),
        ("__consumer_offsets", 42),
        ("__mirror_state", 42),
    ] {
        assert_eq!(code(&node, topic(name)), expected, "{name:?}");
    }
    let long = "a".repeat(250);
    assert_eq!(code(&node, topic(&long)), 17);
    assert_eq!(node.node.catalog.topics().len(), 2);
}

#[test]
fn counts_that_cannot_be_are_refused() {
    let node = TestNode::writable();
    for (partitions, factor, expected) in
        [(1, 0, 38), (1, -2, 38), (1, 2, 38), (0, 1, 37), (-2, 1, 37), (10_001, 1, 44)]
    {
        let asked = topic("orders").with_num_partitions(partitions).with_replication_factor(factor);
        assert_eq!(code(&node, asked), expected, "{partitions} partitions, factor {factor}");
    }
    let both = assigned_to("orders", &[(0, &[7])]).with_num_partitions(1);
    assert_eq!(code(&node, both), 42);
    for assignments in [
        &[(0, &[7][..]), (2, &[7])][..],
        &[(0, &[7]), (0, &[7])],
        &[(0, &[8])],
        &[(0, &[7, 8])],
        &[(0, &[])],
    ] {
        assert_eq!(code(&node, assigned_to("orders", assignments)), 39, "{assignments:?}");
    }
    assert!(node.node.catalog.topics().is_empty());
}

#[test]
fn settings_that_are_not_legal_are_refused() {
    let node = TestNode::writable();
    for (key, value) in [
        ("foo", Some("1")),
        ("segment.bytes", Some("1")),
        ("segment.bytes", None),
        ("remote.storage.enable", Some("true")),
    ] {
        assert_eq!(code(&node, configured("orders", key, value)), 40, "{key}={value:?}");
    }
    assert!(node.node.catalog.topics().is_empty());
}

#[test]
fn a_topic_that_is_asked_for_twice_is_refused_once() {
    let node = TestNode::writable();
    let response = node.ask(request(vec![topic("orders"), topic("notes"), topic("orders")]));
    let told: Vec<_> =
        response.topics.iter().map(|topic| (topic.name.to_string(), topic.error_code)).collect();
    assert_eq!(told, [("orders".to_owned(), 42), ("notes".to_owned(), 0)]);
}

#[test]
fn a_node_that_nobody_may_write_to_makes_no_topics() {
    assert_eq!(code(&TestNode::new(), topic("orders")), 44);
}
