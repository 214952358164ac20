use std::sync::mpsc;

use kafka_protocol::messages::alter_configs_request::AlterableConfig as ReplacedConfig;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::protocol::StrBytes;

use super::*;
use crate::mirror_orders::MirrorOrder;
use crate::server::admin::incremental_alter_configs::{DELETE, SET};
use crate::server::test_node::TestNode;

const RATE: &str = "mirror.replication.throttled.rate";
const REFRESH: &str = "mirror.metadata.refresh.interval.ms";
const GROUPS: &str = "mirror.group.offsets.refresh.interval.ms";

type Change<'a> = (&'a str, i8, Option<&'a str>);

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A node whose settings are these; what it is ordered comes out of the channel.
fn node(made: NodeConfigs) -> (TestNode, mpsc::Receiver<NodeSettingsOrder>) {
    let node = TestNode::writable();
    let (ordered, orders) = mpsc::channel();
    node.taking_orders(move |order| match order {
        MirrorOrder::DescribeNodeConfigs { reply } => reply.send(made.clone()).unwrap(),
        MirrorOrder::AlterNodeConfigs { order, reply } => {
            ordered.send(order).unwrap();
            reply.send(Ok(())).unwrap();
        }
        other => panic!("{other:?}"),
    });
    (node, orders)
}

fn alter(node: &TestNode, names: &[&str], changes: &[Change<'_>]) -> Vec<i16> {
    let configs = changes.iter().map(|(name, operation, value)| {
        AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    let configs: Vec<_> = configs.collect();
    let resources = names.iter().map(|name| {
        AlterConfigsResource::default()
            .with_resource_type(BROKER)
            .with_resource_name(text(name))
            .with_configs(configs.clone())
    });
    let asked = IncrementalAlterConfigsRequest::default().with_resources(resources.collect());
    node.ask(asked).responses.iter().map(|outcome| outcome.error_code).collect()
}

fn replace(node: &TestNode, name: &str, settings: &[(&str, Option<&str>)]) -> i16 {
    let configs = settings.iter().map(|(name, value)| {
        ReplacedConfig::default().with_name(text(name)).with_value(value.map(text))
    });
    let resource = ReplacedResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    let asked = AlterConfigsRequest::default().with_resources(vec![resource]);
    node.ask(asked).responses[0].error_code
}

fn describe(node: &TestNode, name: &str) -> Vec<DescribeConfigsResourceResult> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text(name))
        .with_configuration_keys(None);
    let asked = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let result = node.ask(asked).results.remove(0);
    assert_eq!(result.error_code, 0, "{result:?}");
    result.configs
}

fn made(of_all: &[(&str, &str)], of_this: &[(&str, &str)]) -> NodeConfigs {
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        pairs.collect()
    };
    NodeConfigs { of_all: map(of_all), of_this: map(of_this), ..NodeConfigs::default() }
}

#[test]
fn who_keeps_the_settings_is_told_for_which_brokers_they_are() {
    let (node, orders) = node(NodeConfigs::default());
    let set = (REFRESH, SET, Some("250"));
    assert_eq!(alter(&node, &["", "7"], &[set, (RATE, DELETE, None)]), [0, 0]);
    for scope in [NodeScope::All, NodeScope::This] {
        let order = orders.recv().unwrap();
        assert_eq!(
            (order.scope, order.kept, order.validate_only),
            (scope, SettingsKept::Others, false)
        );
        let operations = order.changes.into_iter().map(|change| (change.name, change.operation));
        let set = SettingOperation::Set("250".to_owned());
        let expected = [(REFRESH.to_owned(), set), (RATE.to_owned(), SettingOperation::Delete)];
        assert_eq!(operations.collect::<Vec<_>>(), expected);
    }
    assert_eq!(replace(&node, "7", &[(RATE, Some("5"))]), 0);
    let order = orders.recv().unwrap();
    assert_eq!(
        (order.scope, order.kept, order.changes.len()),
        (NodeScope::This, SettingsKept::None, 1)
    );
    assert_eq!(replace(&node, "", &[]), 0);
    assert!(orders.recv().unwrap().changes.is_empty(), "an empty replacement takes all away");
}

#[test]
fn what_is_no_setting_of_mirrors_or_no_request_is_refused_before_it_is_ordered() {
    let node = TestNode::writable();
    node.taking_orders(|order| panic!("{order:?}"));
    let set = (RATE, SET, Some("5"));
    assert_eq!(alter(&node, &["7"], &[set, ("log.retention.ms", SET, Some("5"))]), [42]);
    assert_eq!(alter(&node, &[""], &[("log.retention.ms", DELETE, None)]), [42]);
    assert_eq!(alter(&node, &["8", "07", "seven"], &[set]), [42, 42, 42]);
    assert_eq!(alter(&node, &["7", "7"], &[set]), [42, 42]);
    assert_eq!(alter(&node, &["7"], &[set, set]), [42]);
    assert_eq!(alter(&node, &["7"], &[(RATE, SET, None)]), [42]);
    assert_eq!(replace(&node, "7", &[("log.retention.ms", Some("5"))]), 42);
    assert_eq!(replace(&node, "7", &[(RATE, None)]), 42);
    assert_eq!(replace(&node, "7", &[(RATE, Some("5")), (RATE, Some("5"))]), 42);
}

#[test]
fn a_refusal_reaches_the_client_and_so_does_the_lack_of_mirrors() {
    let node = TestNode::writable();
    let set = (RATE, SET, Some("5"));
    assert_eq!(alter(&node, &["7"], &[set]), [35]);
    assert_eq!(replace(&node, "7", &[(RATE, Some("5"))]), 35);
    assert!(describe(&node, "").is_empty());
    assert!(describe(&node, "7").iter().all(|entry| !entry.name.starts_with("mirror.")));
    node.taking_orders(|order| {
        let MirrorOrder::AlterNodeConfigs { reply, .. } = order else { panic!("{order:?}") };
        reply.send(Err(OrderRefusal { code: 40, message: "no".to_owned() })).unwrap();
    });
    assert_eq!(alter(&node, &["7"], &[set]), [40]);
}

#[test]
fn settings_are_shown_with_where_they_are_from() {
    let mut made = made(&[(REFRESH, "250"), (RATE, "1")], &[(RATE, "2")]);
    made.of_file.extend([(GROUPS, "7"), (RATE, "3")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    let (node, _orders) = node(made);
    let shown = |entry: &DescribeConfigsResourceResult| {
        let value = entry.value.as_deref().unwrap().to_owned();
        (value, entry.config_source, entry.read_only, entry.synonyms.len())
    };
    let of_all = describe(&node, "");
    let names: Vec<_> = of_all.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, [REFRESH, RATE]);
    assert_eq!(shown(&of_all[0]), ("250".to_owned(), 3, false, 1));
    assert_eq!(shown(&of_all[1]), ("1".to_owned(), 3, false, 1));

    let ours = describe(&node, "7");
    assert!(ours.is_sorted_by(|one, next| one.name < next.name));
    let named = |name: &str| shown(ours.iter().find(|entry| &*entry.name == name).unwrap());
    assert_eq!(named(REFRESH), ("250".to_owned(), 3, false, 2));
    assert_eq!(named(RATE), ("2".to_owned(), 2, false, 4));
    assert_eq!(named(GROUPS), ("7".to_owned(), 4, false, 2));
    let attempts = named("mirror.failed.retry.max.attempts");
    assert_eq!(attempts, ("20".to_owned(), 5, false, 1));
    assert!(named("mirror.num.replica.fetchers").2, "would do nothing");
    assert!(named("node.id").2);
}
