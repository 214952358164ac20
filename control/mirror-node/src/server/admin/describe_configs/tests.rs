use std::sync::Arc;

use group_coordinator::coordinator::GroupSettings;

use super::*;
use crate::groups::Groups;
use crate::groups::test_topic::TestTopic;
use crate::server::test_node::TestNode;

fn resource(kind: i8, name: &'static str) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_static_str(name))
        .with_configuration_keys(None)
}

fn all(resources: Vec<DescribeConfigsResource>) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default()
        .with_resources(resources)
        .with_include_synonyms(true)
        .with_include_documentation(true)
}

fn entry(result: &DescribeConfigsResult, name: &str) -> DescribeConfigsResourceResult {
    result.configs.iter().find(|entry| &*entry.name == name).expect(name).clone()
}

fn synonyms(entry: &DescribeConfigsResourceResult) -> Vec<(&str, Option<&str>, i8)> {
    let synonyms = entry.synonyms.iter();
    synonyms.map(|one| (&*one.name, one.value.as_deref(), one.source)).collect()
}

#[test]
fn a_topic_tells_its_own_settings_and_the_defaults() {
    let node = TestNode::new();
    node.mirrored("orders", &[("segment.bytes", " 2097152"), ("secret.of.source", "x")]);
    let response = node.ask(all(vec![resource(TOPIC, "orders")]));
    let result = &response.results[0];
    assert_eq!((result.error_code, result.configs.len()), (0, 34));

    let own = entry(result, "segment.bytes");
    assert_eq!((own.value.as_deref(), own.config_source, own.config_type), (Some("2097152"), 1, 3));
    let expected =
        [("segment.bytes", Some("2097152"), 1), ("log.segment.bytes", Some("1073741824"), 5)];
    assert_eq!(synonyms(&own), expected);
    assert!(own.documentation.is_some() && !own.read_only && !own.is_sensitive);

    let default = entry(result, "retention.ms");
    assert_eq!((default.value.as_deref(), default.config_source), (Some("604800000"), 5));
    assert_eq!(synonyms(&default), []);
}

#[test]
fn a_setting_only_the_source_knows_is_named_but_not_shown() {
    let node = TestNode::new();
    node.mirrored("orders", &[("secret.of.source", "x")]);
    let response = node.ask(all(vec![resource(TOPIC, "orders")]));
    let hidden = entry(&response.results[0], "secret.of.source");
    assert_eq!((hidden.value, hidden.is_sensitive, hidden.config_type), (None, true, 0));
}

#[test]
fn only_what_is_asked_for_is_told() {
    let node = TestNode::new();
    node.mirrored("orders", &[]);
    let keys = vec![StrBytes::from_static_str("cleanup.policy"), StrBytes::from_static_str("foo")];
    let one = resource(TOPIC, "orders").with_configuration_keys(Some(keys));
    let response = node.ask(DescribeConfigsRequest::default().with_resources(vec![one]));
    let [entry] = &response.results[0].configs[..] else { panic!("{response:?}") };
    assert_eq!(&*entry.name, "cleanup.policy");
    assert!(entry.synonyms.is_empty() && entry.documentation.is_none());
}

#[test]
fn the_node_tells_its_settings_and_none_can_be_changed() {
    let node = TestNode::new();
    let response = node.ask(all(vec![resource(BROKER, "7")]));
    let result = &response.results[0];
    assert_eq!(entry(result, "node.id").value.as_deref(), Some("7"));
    let listeners = entry(result, "advertised.listeners");
    assert_eq!(listeners.value.as_deref(), Some("PLAINTEXT://127.0.0.1:9092"));
    assert_eq!(listeners.config_source, 4);
    assert_eq!(entry(result, "socket.request.max.bytes").value.as_deref(), Some("104857600"));
    assert_eq!(entry(result, "log.segment.bytes").value.as_deref(), Some("1073741824"));
    assert!(result.configs.iter().all(|entry| entry.read_only && !entry.is_sensitive));
    assert!(result.configs.is_sorted_by(|one, next| one.name < next.name));
}

#[test]
fn resources_without_settings_are_empty() {
    let asked =
        vec![resource(BROKER, ""), resource(BROKER_LOGGER, "7"), resource(CLIENT_METRICS, "m")];
    for result in TestNode::new().ask(all(asked)).results {
        assert_eq!((result.error_code, result.configs.len()), (0, 0));
    }
}

#[test]
fn a_group_has_the_timeouts_that_the_node_was_given() {
    let timeout = |node: &TestNode| {
        let response = node.ask(all(vec![resource(GROUP, "readers")]));
        let timeout = entry(&response.results[0], "consumer.session.timeout.ms");
        (timeout.value.as_deref().map(str::to_owned), timeout.config_source)
    };
    let node = TestNode::new();
    assert_eq!(timeout(&node), (Some("45000".to_owned()), 5));
    let topic = TestTopic::in_directory(node.node.catalog.root().join("groups"));
    let settings =
        GroupSettings { consumer_session_timeout_ms: 60_000, ..GroupSettings::default() };
    let groups = Groups::start(Box::new(topic), settings).unwrap();
    node.node.groups.set(Arc::new(groups)).unwrap();
    assert_eq!(timeout(&node), (Some("60000".to_owned()), 4));
}

#[test]
fn what_cannot_be_described_is_refused_one_by_one() {
    let node = TestNode::new();
    node.mirrored("orders", &[]);
    let asked = vec![
        resource(TOPIC, "nothing"),
        resource(TOPIC, "or ders"),
        resource(BROKER, "8"),
        resource(BROKER, "seven"),
        resource(BROKER_LOGGER, ""),
        resource(GROUP, ""),
        resource(99, "x"),
        resource(TOPIC, "orders"),
        resource(TOPIC, "orders"),
    ];
    let response = node.ask(all(asked));
    let codes: Vec<i16> = response.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [3, 17, 42, 42, 42, 42, 42, 0, 42]);
    assert!(response.results[8].configs.is_empty());
}
