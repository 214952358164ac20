use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::server::test_node::TestNode;

type Change = (&'static str, i8, Option<&'static str>);

fn resource(kind: i8, name: &'static str, changes: &[Change]) -> AlterConfigsResource {
    let configs = changes.iter().map(|(name, operation, value)| {
        AlterableConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_config_operation(*operation)
            .with_value(value.map(StrBytes::from_static_str))
    });
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_static_str(name))
        .with_configs(configs.collect())
}

fn code(node: &TestNode, resource: AlterConfigsResource) -> i16 {
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    node.ask(request).responses[0].error_code
}

/// What the changes come to, one request each.
fn value_after(changes: &[Change], setting: &str) -> Option<String> {
    let node = TestNode::writable();
    node.local("orders", &[]);
    for change in changes {
        assert_eq!(code(&node, resource(2, "orders", &[*change])), 0, "{change:?}");
    }
    node.node.catalog.topic_named("orders").unwrap().configs.get(setting).cloned()
}

#[test]
fn settings_are_set_and_unset() {
    let set = ("retention.ms", SET, Some("1000"));
    assert_eq!(value_after(&[set], "retention.ms").as_deref(), Some("1000"));
    let unset = ("retention.ms", DELETE, None);
    assert_eq!(value_after(&[set, unset, ("foo", DELETE, None)], "retention.ms"), None);
}

#[test]
fn lists_grow_and_shrink_from_what_holds() {
    const REPLICAS: &str = "leader.replication.throttled.replicas";
    let after = |changes: &[Change]| value_after(changes, REPLICAS).unwrap();
    let append = (REPLICAS, APPEND, Some("0:1"));
    assert_eq!(after(&[append]), "0:1");
    assert_eq!(after(&[append, append]), "0:1");
    let more = (REPLICAS, APPEND, Some("1:1,2:1"));
    assert_eq!(after(&[append, more]), "0:1,1:1,2:1");
    let subtract = (REPLICAS, SUBTRACT, Some("0:1"));
    assert_eq!(after(&[append, more, subtract]), "1:1,2:1");
    let policy = ("cleanup.policy", SUBTRACT, Some("delete"));
    assert_eq!(value_after(&[policy], "cleanup.policy").as_deref(), Some(""));
}

#[test]
fn a_request_that_is_only_validated_changes_nothing() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let resource = resource(2, "orders", &[("retention.ms", SET, Some("1000"))]);
    let request = IncrementalAlterConfigsRequest::default()
        .with_resources(vec![resource])
        .with_validate_only(true);
    assert_eq!(node.ask(request).responses[0].error_code, 0);
    assert!(node.node.catalog.topic_named("orders").unwrap().configs.is_empty());
}

#[test]
fn what_cannot_be_set_changes_nothing() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    node.local("__consumer_offsets", &[]);
    let good = ("retention.ms", SET, Some("1000"));
    for (asked, expected) in [
        (resource(2, "orders", &[good, ("foo", SET, Some("1"))]), 40),
        (resource(2, "orders", &[good, ("segment.bytes", SET, Some("1"))]), 40),
        (resource(2, "orders", &[good, ("segment.bytes", APPEND, Some("1"))]), 40),
        (resource(2, "orders", &[good, ("foo", SUBTRACT, Some("1"))]), 40),
        (resource(2, "orders", &[good, ("segment.bytes", SET, None)]), 42),
        (resource(2, "orders", &[good, ("segment.bytes", 9, Some("1"))]), 42),
        (resource(2, "orders", &[good, good]), 42),
        (resource(2, "orders", &[good, ("cleanup.policy", APPEND, Some("compact"))]), 40),
        (
            resource(
                2,
                "orders",
                &[
                    ("min.compaction.lag.ms", SET, Some("10")),
                    ("max.compaction.lag.ms", SET, Some("5")),
                ],
            ),
            40,
        ),
        (resource(2, "__consumer_offsets", &[good]), 44),
        (resource(2, "nothing", &[good]), 3),
        (resource(2, "or ders", &[good]), 17),
        (resource(2, "", &[good]), 42),
        (resource(4, "7", &[("log.retention.ms", SET, Some("10"))]), 42),
        (resource(32, "group", &[good]), 42),
    ] {
        assert_eq!(code(&node, asked.clone()), expected, "{asked:?}");
    }
    assert!(node.node.catalog.topic_named("orders").unwrap().configs.is_empty());
    let own = node.node.catalog.topic_named("__consumer_offsets").unwrap();
    assert!(own.configs.is_empty());
}

#[test]
fn a_mirrored_topic_takes_settings_and_a_stopped_one_obeys_them() {
    let node = TestNode::writable();
    // What the source set stays, also what this node does not know.
    let of_source = [("secret.of.source", "x"), ("max.message.bytes", "2000000")];
    node.mirrored("mirrored", &of_source);
    let stopped = node.stopped("stopped", &of_source);
    let small = ("max.message.bytes", SET, Some("20"));
    for topic in ["mirrored", "stopped"] {
        assert_eq!(code(&node, resource(2, topic, &[small])), 0, "{topic}");
        let shown = node.node.catalog.topic_named(topic).unwrap();
        let directory = node.node.writes.as_ref().unwrap().topics.directory();
        assert_eq!(shown.configs, directory.lock().state.topics[&shown.name].configs);
        assert_eq!(shown.configs["max.message.bytes"], "20");
        assert_eq!(shown.configs["secret.of.source"], "x");
    }
    let log = stopped.partitions[0].log().unwrap();
    assert_eq!(log.settings().max_message_bytes, 20);
}
