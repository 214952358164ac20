use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::mirror_orders::{MirrorOrder, MirrorSettingChange, OrderRefusal, SettingOperation};
use crate::server::test_node::TestNode;

const REFRESH: &str = "mirror.metadata.refresh.interval.ms";

fn name(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A node that takes only 500 for the one setting it has.
fn node() -> TestNode {
    let node = TestNode::writable();
    node.taking_orders(|order| match order {
        MirrorOrder::DescribeNodeConfigs { reply } => {
            let setting = |name: &str, is_set| MirrorSetting {
                name: name.to_owned(),
                value: Some("500".to_owned()),
                is_set,
                is_sensitive: false,
                is_read_only: false,
                kind: 5,
            };
            reply.send(vec![setting(REFRESH, true), setting("mirror.other", false)]).unwrap();
        }
        MirrorOrder::AlterNodeConfigs { changes, reply, .. } => {
            let set = SettingOperation::Set("500".to_owned());
            let one = MirrorSettingChange { name: REFRESH.to_owned(), operation: set };
            let refused = || OrderRefusal { code: 40, message: "Not so.".to_owned() };
            reply.send(if changes == [one] { Ok(()) } else { Err(refused()) }).unwrap();
        }
        other => panic!("{other:?}"),
    });
    node
}

fn alter(node: &TestNode, brokers: &[&str], settings: &[(&str, &str)]) -> Vec<i16> {
    let config = |(setting, value): &(&str, &str)| {
        AlterableConfig::default().with_name(name(setting)).with_value(Some(name(value)))
    };
    let resource = |broker: &&str| {
        AlterConfigsResource::default()
            .with_resource_type(BROKER)
            .with_resource_name(name(broker))
            .with_configs(settings.iter().map(config).collect())
    };
    let asked = IncrementalAlterConfigsRequest::default()
        .with_resources(brokers.iter().map(resource).collect());
    node.ask(asked).responses.iter().map(|response| response.error_code).collect()
}

/// Names of the settings that begin with `mirror.`.
fn described(node: &TestNode, broker: &str) -> Vec<String> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(name(broker))
        .with_configuration_keys(None);
    let asked = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let result = node.ask(asked).results.remove(0);
    assert_eq!(result.error_code, 0, "{result:?}");
    let names = result.configs.iter().map(|config| config.name.to_string());
    names.filter(|name| name.starts_with("mirror.")).collect()
}

#[test]
fn settings_of_the_node_are_changed_by_its_id_and_for_all_brokers() {
    let node = node();
    assert_eq!(alter(&node, &["", "7"], &[(REFRESH, "500")]), [0, 0]);
    assert_eq!(alter(&node, &["7"], &[(REFRESH, "many")]), [40]);
    assert_eq!(alter(&node, &["2"], &[(REFRESH, "500")]), [42]);
    assert_eq!(alter(&node, &["one"], &[(REFRESH, "500")]), [42]);
    assert_eq!(alter(&node, &["7", "7"], &[(REFRESH, "500")]), [42, 42]);
    assert_eq!(alter(&node, &["7"], &[(REFRESH, "500"), (REFRESH, "500")]), [42]);
}

#[test]
fn settings_of_the_node_are_shown_and_those_for_all_brokers_only_when_made() {
    let node = node();
    assert_eq!(described(&node, "7"), [REFRESH, "mirror.other"]);
    assert_eq!(described(&node, ""), [REFRESH]);
}

#[test]
fn a_node_without_mirrors_has_no_settings_of_theirs() {
    let node = TestNode::writable();
    assert_eq!(alter(&node, &["7"], &[(REFRESH, "500")]), [42]);
    assert_eq!(described(&node, "7"), [""; 0]);
}
