use kafka_protocol::messages::alter_configs_request::AlterableConfig;
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::server::test_node::TestNode;

fn resource(
    kind: i8,
    name: &'static str,
    configs: &[(&'static str, Option<&'static str>)],
) -> AlterConfigsResource {
    let configs = configs.iter().map(|(name, value)| {
        AlterableConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(value.map(StrBytes::from_static_str))
    });
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_static_str(name))
        .with_configs(configs.collect())
}

fn codes(node: &TestNode, resources: Vec<AlterConfigsResource>) -> Vec<i16> {
    let response = node.ask(AlterConfigsRequest::default().with_resources(resources));
    response.responses.iter().map(|response| response.error_code).collect()
}

fn configs(node: &TestNode) -> Vec<(String, String)> {
    let topic = node.node.catalog.topic_named("orders").unwrap();
    topic.configs.clone().into_iter().collect()
}

#[test]
fn all_settings_are_replaced() {
    let node = TestNode::writable();
    node.local("orders", &[("segment.ms", "1000"), ("retention.ms", "1000")]);
    let asked = resource(2, "orders", &[("retention.ms", Some("2000"))]);
    let validated =
        AlterConfigsRequest::default().with_resources(vec![asked.clone()]).with_validate_only(true);
    assert_eq!(node.ask(validated).responses[0].error_code, 0);
    assert_eq!(configs(&node).len(), 2);
    assert_eq!(codes(&node, vec![asked]), [0]);
    assert_eq!(configs(&node), [("retention.ms".to_owned(), "2000".to_owned())]);
}

#[test]
fn what_cannot_be_set_changes_nothing() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let asked = vec![
        resource(2, "orders", &[("foo", Some("1"))]),
        resource(2, "nothing", &[]),
        resource(2, "", &[]),
        resource(4, "7", &[("log.retention.ms", Some("1"))]),
        resource(32, "group", &[]),
    ];
    assert_eq!(codes(&node, asked), [40, 3, 42, 42, 42]);
    assert_eq!(codes(&node, vec![resource(2, "orders", &[("segment.ms", None)])]), [42]);
    let twice = resource(2, "orders", &[("segment.ms", Some("1000"))]);
    assert_eq!(codes(&node, vec![twice.clone(), twice]), [42, 42]);
    assert_eq!(configs(&node), []);
}

#[test]
fn the_settings_of_the_nodes_own_topic_stay() {
    let node = TestNode::writable();
    let policy = ("cleanup.policy", "compact");
    let own = node.local("__consumer_offsets", &[policy]);
    let asked = resource(2, "__consumer_offsets", &[("cleanup.policy", Some("delete"))]);
    assert_eq!(codes(&node, vec![asked]), [44]);
    let kept = &node.node.catalog.topic_named("__consumer_offsets").unwrap().configs;
    assert_eq!(*kept, own.configs);
}
