use kafka_protocol::messages::alter_configs_request::AlterConfigsResource as ReplacedResource;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::{AlterConfigsRequest, ListConfigResourcesRequest};
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::mirror_orders::MirrorOrder;
use crate::server::test_node::TestNode;

fn name(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn setting(name: &str, value: Option<&str>, is_sensitive: bool) -> MirrorSetting {
    MirrorSetting {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        is_set: value.is_some(),
        is_sensitive,
        is_read_only: name == "source.cluster.id",
        kind: 2,
    }
}

/// A node with one mirror, `dc1`, that takes only what sets something.
fn node() -> TestNode {
    let node = TestNode::writable();
    let unknown = || OrderRefusal { code: 137, message: "There is no such mirror.".to_owned() };
    node.taking_orders(move |order| match order {
        MirrorOrder::DescribeConfigs { mirror, reply } => {
            let settings = vec![
                setting("bootstrap.servers", Some("one:9092"), false),
                // A control loop should not tell a secret; should it do so, we do not.
                setting("sasl.jaas.config", Some("secret"), true),
                setting("source.cluster.id", None, false),
            ];
            let told = if mirror == "dc1" { Ok(settings) } else { Err(unknown()) };
            reply.send(told).unwrap();
        }
        MirrorOrder::AlterConfigs { mirror, changes, validate_only, reply } => {
            let set = SettingOperation::Set("5".to_owned());
            let one = MirrorSettingChange { name: "fetch.min.bytes".to_owned(), operation: set };
            let told = if mirror != "dc1" {
                Err(unknown())
            } else if changes == [one] && validate_only {
                Ok(())
            } else {
                Err(OrderRefusal { code: 40, message: format!("{changes:?} {validate_only}") })
            };
            reply.send(told).unwrap();
        }
        MirrorOrder::ListMirrors { reply } => reply.send(vec!["dc1".to_owned()]).unwrap(),
        other => panic!("{other:?}"),
    });
    node
}

fn describe(node: &TestNode, names: &[&str]) -> Vec<DescribeConfigsResult> {
    let resources = names.iter().map(|mirror| {
        DescribeConfigsResource::default()
            .with_resource_type(CLUSTER_MIRROR)
            .with_resource_name(name(mirror))
            .with_configuration_keys(None)
    });
    let asked = DescribeConfigsRequest::default()
        .with_resources(resources.collect())
        .with_include_synonyms(true);
    node.ask(asked).results
}

fn alter(node: &TestNode, mirrors: &[&str], changes: &[(&str, i8, Option<&str>)]) -> Vec<i16> {
    let configs = changes.iter().map(|(setting, operation, value)| {
        AlterableConfig::default()
            .with_name(name(setting))
            .with_config_operation(*operation)
            .with_value(value.map(name))
    });
    let configs: Vec<AlterableConfig> = configs.collect();
    let resources = mirrors.iter().map(|mirror| {
        AlterConfigsResource::default()
            .with_resource_type(CLUSTER_MIRROR)
            .with_resource_name(name(mirror))
            .with_configs(configs.clone())
    });
    let asked = IncrementalAlterConfigsRequest::default()
        .with_resources(resources.collect())
        .with_validate_only(true);
    node.ask(asked).responses.iter().map(|outcome| outcome.error_code).collect()
}

#[test]
fn settings_of_a_mirror_are_shown_and_its_secrets_are_not() {
    let results = describe(&node(), &["dc1", "dc2"]);
    let shown = results[0].configs.iter().map(|config| {
        let value = config.value.as_ref().map(ToString::to_string);
        (config.name.to_string(), value, config.config_source, config.is_sensitive)
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            ("bootstrap.servers".to_owned(), Some("one:9092".to_owned()), 9, false),
            ("sasl.jaas.config".to_owned(), None, 9, true),
            ("source.cluster.id".to_owned(), None, 5, false),
        ]
    );
    assert!(results[0].configs[2].read_only);
    assert!(!format!("{results:?}").contains("secret"));
    assert_eq!((results[1].error_code, results[1].configs.len()), (137, 0));
}

#[test]
fn settings_of_a_mirror_are_changed_by_who_keeps_them() {
    let node = node();
    let set = ("fetch.min.bytes", SET, Some("5"));
    assert_eq!(alter(&node, &["dc1", "dc2"], &[set]), [0, 137]);
    assert_eq!(alter(&node, &["dc1"], &[("fetch.min.bytes", DELETE, None)]), [40]);
    assert_eq!(alter(&node, &["dc1"], &[("topics.include", APPEND, Some("a"))]), [40]);
    assert_eq!(alter(&node, &["dc1"], &[("topics.include", SUBTRACT, Some("a"))]), [40]);
}

#[test]
fn a_change_that_is_none_is_refused_before_it_is_asked_for() {
    let node = TestNode::writable();
    node.taking_orders(|order| panic!("{order:?}"));
    let set = ("fetch.min.bytes", SET, Some("5"));
    assert_eq!(alter(&node, &["dc1", "dc1"], &[set]), [42, 42]);
    assert_eq!(alter(&node, &["dc1"], &[set, set]), [42]);
    assert_eq!(alter(&node, &["dc1"], &[("fetch.min.bytes", SET, None)]), [42]);
    assert_eq!(alter(&node, &["dc1"], &[("fetch.min.bytes", 9, Some("5"))]), [42]);
}

#[test]
fn mirrors_are_listed_where_there_are_any() {
    let asked = ListConfigResourcesRequest::default().with_resource_types(vec![CLUSTER_MIRROR]);
    let listed = node().ask_newest(asked.clone());
    let [only] = &listed.config_resources[..] else { panic!("{listed:?}") };
    assert_eq!((only.resource_type, &*only.resource_name), (CLUSTER_MIRROR, "dc1"));
    let none = TestNode::new().ask_newest(asked);
    assert_eq!((none.error_code, none.config_resources.len()), (0, 0));
}

#[test]
fn a_request_for_more_mirrors_than_the_limit_is_refused_for_the_rest() {
    let names: Vec<String> =
        (0..=CONFIGURED_MIRRORS_MAX).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let node = node();
    let codes = |code| describe(&node, &names).iter().filter(|one| one.error_code == code).count();
    assert_eq!((codes(137), codes(42)), (CONFIGURED_MIRRORS_MAX, 1));
    let altered = alter(&node, &names, &[("fetch.min.bytes", SET, Some("5"))]);
    assert_eq!(altered.iter().filter(|code| **code == 42).count(), 1);
}

#[test]
fn without_mirrors_there_are_no_settings_of_any() {
    let node = TestNode::writable();
    assert_eq!(describe(&node, &["dc1"])[0].error_code, 35);
    assert_eq!(alter(&node, &["dc1"], &[("fetch.min.bytes", SET, Some("5"))]), [35]);
    // All settings at once, as old clients do: there is no such request for mirrors.
    let resource = ReplacedResource::default()
        .with_resource_type(CLUSTER_MIRROR)
        .with_resource_name(name("dc1"));
    let replaced = node.ask(AlterConfigsRequest::default().with_resources(vec![resource]));
    assert_eq!(replaced.responses[0].error_code, 42);
}
