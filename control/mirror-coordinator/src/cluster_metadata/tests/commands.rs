//! What commands do beside being refused.

use std::collections::BTreeMap;

use super::{Node, id, mirror_name, name, source, start, stop_patterns, stop_topics, topics};
use crate::cluster_metadata::command_error::{CommandError, ErrorCode};
use crate::cluster_metadata::listing::ListFilter;
use crate::cluster_metadata::start::StartRequest;
use crate::cluster_metadata::{MetadataRecord, Mirror};
use crate::desired_state::DesiredState::{Mirroring, Paused, Stopped};
use crate::mirror_config::config_change::{ConfigChange, ConfigOperation};
use crate::mirror_node_config::{MirrorNodeConfig, NodeScope};

#[test]
fn a_topic_goes_through_its_life() {
    let mut node = Node::with_mirrors();
    for (desired, number) in [(Mirroring, 1), (Paused, 2), (Stopped, 3)] {
        let topic = format!("t{number}");
        node.bind("m", &topic, number, desired);
        assert_eq!(node.desired(&topic), Some(("m", desired)));
        assert_eq!(node.metadata.topics()[&name(&topic)].topic_id, id(number));
    }
    let resumed = node.plan_resume(&topics("m", &["t2"])).unwrap();
    node.done(&resumed);
    assert_eq!(node.desired("t2"), Some(("m", Mirroring)));
    let moved = node.plan_start(&start("other", &["t3"], &[("t3", 3)])).unwrap();
    node.done(&moved);
    assert_eq!(node.desired("t3"), Some(("other", Mirroring)));
    let stopped = node.plan_stop(&stop_patterns("m", &[".*"])).unwrap();
    node.done(&stopped);
    for number in [1, 2] {
        node.set_states("m", number, &[crate::partition_state::MirrorPartitionState::Stopped]);
    }
    let deleted = node.plan_delete("m", None).unwrap();
    assert_eq!(deleted.change.records(), [MetadataRecord::MirrorDeleted(mirror_name("m"))]);
    node.done(&deleted);
    assert_eq!((node.desired("t1"), node.desired("t2")), (None, None));
    assert_eq!(node.desired("t3"), Some(("other", Mirroring)));
    assert_eq!(node.metadata.mirrors().len(), 1);
}

#[test]
fn what_is_refused_of_one_topic_does_not_keep_the_others() {
    let mut node = Node::with_mirrors();
    node.bind("other", "theirs", 1, Mirroring);
    let planned =
        node.plan_start(&start("m", &[".*"], &[("a", 2), ("theirs", 1), ("b", 3)])).unwrap();
    assert_eq!(planned.changed().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(planned.first_error().unwrap().code.number(), 138);
    node.done(&planned);
    let planned = node.plan_stop(&stop_topics("m", &["nowhere", "b", "theirs"])).unwrap();
    let outcomes: Vec<_> = planned
        .outcomes
        .iter()
        .map(|outcome| (outcome.topic.as_str(), outcome.result.is_ok()))
        .collect();
    assert_eq!(outcomes, [("b", true), ("nowhere", false), ("theirs", false)]);
    node.done(&planned);
    assert_eq!(
        (node.desired("a"), node.desired("b")),
        (Some(("m", Mirroring)), Some(("m", Stopped)))
    );
}

#[test]
fn an_expression_holds_what_can_be_held() {
    let mut node = Node::with_mirrors();
    node.bind("m", "a", 1, Mirroring);
    node.bind("m", "b", 2, Stopped);
    node.bind("m", "c", 3, Paused);
    let planned = node.plan_pause(&topics("m", &[".*"])).unwrap();
    assert_eq!((planned.first_error(), planned.changed().count()), (None, 1));
    assert_eq!(planned.outcomes.len(), 2, "the stopped one is not meant");
    let planned = node.plan_resume(&topics("m", &["[a-c]"])).unwrap();
    assert_eq!(planned.changed().collect::<Vec<_>>(), ["c"]);
    assert_eq!(planned.first_error(), None);
    let planned = node.plan_pause(&topics("m", &["x.*"])).unwrap();
    assert_eq!(planned.first_error().unwrap().code.number(), 3);
}

#[test]
fn of_two_concurrent_starts_one_is_told_to_look_again() {
    let mut node = Node::with_mirrors();
    let request = start("m", &["orders"], &[("orders", 1)]);
    let first = node.plan_start(&request).unwrap();
    let second = node.plan_start(&start("other", &["orders"], &[("orders", 1)])).unwrap();
    node.metadata.apply(&first.change).unwrap();
    let stale = node.metadata.apply(&second.change).unwrap_err();
    assert_eq!((stale.planned, stale.found), (2, 3));
    assert_eq!(node.desired("orders"), Some(("m", Mirroring)));
    let planned = node.plan_start(&start("other", &["orders"], &[("orders", 1)])).unwrap();
    assert_eq!(planned.first_error().unwrap().code.number(), 138);
}

#[test]
fn a_source_without_ids_gets_ids_of_ours_once() {
    let mut node = Node::with_mirrors();
    let planned = node.plan_start(&start("m", &[".*"], &[("a", 0), ("b", 0)])).unwrap();
    node.done(&planned);
    let ids: Vec<_> = node.metadata.topics().values().map(|topic| topic.topic_id).collect();
    assert_eq!(ids, [id(101), id(102)]);
    let stopped = node.plan_stop(&stop_topics("m", &["a"])).unwrap();
    node.done(&stopped);
    let planned = node.plan_start(&start("m", &["a"], &[("a", 0)])).unwrap();
    node.done(&planned);
    assert_eq!(node.metadata.topics()[&name("a")].topic_id, id(101));
}

#[test]
fn two_topics_of_one_id_are_never_both_bound() {
    let mut node = Node::with_mirrors();
    let planned = node.plan_start(&start("m", &[".*"], &[("a", 1), ("b", 1)])).unwrap();
    assert_eq!(planned.first_error().unwrap().code.number(), 36);
    assert_eq!(planned.changed().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn fifty_thousand_topics_are_started_and_stopped_by_one_pattern() {
    let mut node = Node::with_mirrors();
    let ids = (1_u32..).map(|number| {
        let mut bytes = [1; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        kafka_wire::partition::TopicId::from_wire(bytes)
    });
    let found = (0..50_000).map(|number| name(&format!("topic-{number}"))).zip(ids);
    let mut request = start("m", &["topic-.*"], &[]);
    request.found = found
        .map(|(name, topic_id)| crate::cluster_metadata::start::SourceTopic { name, topic_id })
        .collect();
    let planned = node.plan_start(&request).unwrap();
    assert_eq!(planned.changed().count(), 50_000);
    node.metadata.apply(&planned.change).unwrap();
    let planned = node.plan_stop(&stop_patterns("m", &[".*"])).unwrap();
    assert_eq!(planned.changed().count(), 50_000);
    assert_eq!(planned.change.records().len(), 50_001);
    node.metadata.apply(&planned.change).unwrap();
    assert!(node.metadata.topics().values().all(|topic| topic.desired == Stopped));
}

#[test]
fn the_source_of_a_mirror_stays_the_same() {
    let mut node = Node::with_mirrors();
    let known = node.metadata.plan_source_cluster_id(&mirror_name("m"), "abc").unwrap();
    node.metadata.apply(&known).unwrap();
    assert!(node.metadata.plan_source_cluster_id(&mirror_name("m"), "abc").unwrap().is_empty());
    assert!(node.metadata.plan_source_cluster_id(&mirror_name("gone"), "x").unwrap().is_empty());
    let error = node.metadata.plan_source_cluster_id(&mirror_name("m"), "xyz").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("source cluster id changed") && text.contains("mirror m"), "{text}");
    assert!(text.contains("abc") && text.contains("xyz"), "{text}");
    // Settings that change keep it.
    let change = ConfigChange {
        name: "bootstrap.servers".to_owned(),
        operation: ConfigOperation::Set,
        value: Some("elsewhere:1".to_owned()),
    };
    let planned = node.metadata.plan_alter_configs("m", &[change]).unwrap();
    node.done(&planned);
    let mirror = &node.metadata.mirrors()[&mirror_name("m")];
    assert_eq!(mirror.source_cluster_id.as_deref(), Some("abc"));
}

#[test]
fn a_topic_that_is_deleted_here_belongs_to_no_mirror() {
    let mut node = Node::with_mirrors();
    node.bind("m", "ended", 1, Stopped);
    let change = node.metadata.plan_topics_deleted(&[name("ended"), name("local")]);
    assert_eq!(change.records(), [MetadataRecord::TopicUnbound(name("ended"))]);
    node.metadata.apply(&change).unwrap();
    assert!(node.metadata.topics().is_empty());
}

#[test]
fn an_older_directory_is_adopted_by_one_mirror() {
    let mut node = Node::default();
    let topics = [(name("a"), id(1)), (name("b"), id(2))].into();
    let adopted =
        node.metadata.plan_adoption(&mirror_name("default"), &Mirror::default(), &topics).unwrap();
    node.metadata.apply(&adopted).unwrap();
    assert_eq!(node.desired("b"), Some(("default", Mirroring)));
    let again = node.metadata.plan_adoption(&mirror_name("default"), &Mirror::default(), &topics);
    assert!(again.unwrap().is_empty());
    // Without a source it can be stopped, and not started.
    let stopped = node.plan_stop(&stop_topics("default", &["a"])).unwrap();
    assert_eq!(stopped.changed().count(), 1);
    let (mirror, named) = ("default".to_owned(), vec![source("c", 3)]);
    let request = StartRequest { mirror, named, ..StartRequest::default() };
    let error = node.plan_start(&request).unwrap_err();
    assert_eq!(error.code.number(), 40);
    assert!(error.message.contains("bootstrap.servers"), "{error}");
    // Settings can give it one.
    let change = ConfigChange {
        name: "bootstrap.servers".to_owned(),
        operation: ConfigOperation::Set,
        value: Some("h:1".to_owned()),
    };
    let planned = node.metadata.plan_alter_configs("default", &[change]).unwrap();
    node.done(&planned);
    assert_eq!(node.plan_start(&request).unwrap().first_error().unwrap().code.number(), 42);
}

#[test]
fn topics_that_whoever_asks_refuses_are_left_as_they_are() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "ended", 2, Stopped);
    let refusal =
        |topic: &str| CommandError::new(ErrorCode::InvalidRequest, format_args!("{topic}: a loop"));
    let refused: BTreeMap<_, _> =
        ["running", "ended"].map(|topic| (name(topic), refusal(topic))).into();
    let begin = |include: &[&str], found: &[(&str, u8)]| StartRequest {
        refused: refused.clone(),
        ..start("m", include, found)
    };
    let planned = node.plan_start(&begin(&["ended"], &[("ended", 2)])).unwrap();
    assert_eq!(planned.first_error(), Some(&refusal("ended")));
    assert!(planned.change.is_empty(), "its pattern is not saved: {planned:?}");
    let found = [("ended", 2), ("new", 3), ("running", 1)];
    let planned = node.plan_start(&begin(&["ended", "new", "running"], &found)).unwrap();
    assert_eq!(planned.changed().collect::<Vec<_>>(), ["new"]);
    assert_eq!(planned.first_error(), Some(&refusal("ended")), "the one mirrored is no news");
    node.done(&planned);
    assert_eq!(node.desired("ended"), Some(("m", Stopped)));
}

#[test]
fn settings_of_the_node_are_checked_and_kept() {
    let mut node = Node::default();
    let change = |value: &str| ConfigChange {
        name: "mirror.replication.throttled.rate".to_owned(),
        operation: ConfigOperation::Set,
        value: Some(value.to_owned()),
    };
    let plan = |node: &Node, scope, value: &str| {
        node.metadata.plan_alter_node_configs(scope, &[change(value)])
    };
    let planned = plan(&node, NodeScope::All, "1048576").unwrap();
    node.metadata.apply(&planned).unwrap();
    assert_eq!(node.metadata.node_configs().of_all.len(), 1);
    assert!(plan(&node, NodeScope::All, "1048576").unwrap().is_empty());
    assert_eq!(plan(&node, NodeScope::All, "-1").unwrap_err().code.number(), 40);
    assert!(!node.metadata.is_empty());
    let planned = plan(&node, NodeScope::This, "5").unwrap();
    node.metadata.apply(&planned).unwrap();
    let rate = |node: &Node| {
        let configs = node.metadata.node_configs().in_effect();
        MirrorNodeConfig::parse(&configs).unwrap().throttled_bytes_per_second
    };
    assert_eq!(rate(&node), Some(5), "what is made for the broker comes first");
    let replaced = node.metadata.plan_replace_node_configs(NodeScope::This, &[]).unwrap();
    node.metadata.apply(&replaced).unwrap();
    assert_eq!(rate(&node), Some(1_048_576));
}

#[test]
fn mirrors_are_listed_by_name_source_and_states_of_their_topics() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "held", 2, Paused);
    node.bind("m", "ended", 3, Stopped);
    let known = node.metadata.plan_source_cluster_id(&mirror_name("m"), "abc").unwrap();
    node.metadata.apply(&known).unwrap();
    let list = |filter: &ListFilter| -> Vec<(String, Vec<String>)> {
        let listed = node.metadata.list(filter);
        let topics = |topics: &[&kafka_wire::partition::TopicName]| {
            topics.iter().map(ToString::to_string).collect()
        };
        listed.iter().map(|mirror| (mirror.name.to_string(), topics(&mirror.topics))).collect()
    };
    let expect = |filter: &ListFilter, expected: &[(&str, &[&str])]| {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, topics)| ((*name).to_owned(), super::texts(topics)))
            .collect();
        assert_eq!(list(filter), expected, "{filter:?}");
    };
    let all = ListFilter::default();
    expect(&all, &[("m", &["held", "running"]), ("other", &[])]);
    expect(
        &ListFilter { desired_states: vec![7], ..all.clone() },
        &[("m", &["ended"]), ("other", &[])],
    );
    expect(&ListFilter { desired_states: vec![-1], ..all.clone() }, &[("m", &[]), ("other", &[])]);
    expect(&ListFilter { mirror: Some("other".to_owned()), ..all.clone() }, &[("other", &[])]);
    expect(&ListFilter { mirror: Some("none".to_owned()), ..all.clone() }, &[]);
    let of_source = ListFilter { source_cluster_id: Some("abc".to_owned()), ..all.clone() };
    expect(&of_source, &[("m", &["held", "running"])]);
    let listed = node.metadata.list(&of_source);
    assert_eq!((listed[0].bootstrap_servers, listed[0].source_cluster_id), ("source:9092", "abc"));
}

#[test]
fn the_prefix_of_names_is_fixed_while_a_mirror_has_topics() {
    let mut node = Node::with_mirrors();
    let change = |name: &str, operation, value: &str| ConfigChange {
        name: name.to_owned(),
        operation,
        value: Some(value.to_owned()),
    };
    let prefix = |value| [change("topics.prefix", ConfigOperation::Set, value)];
    let planned = node.metadata.plan_alter_configs("m", &prefix("a.")).unwrap();
    node.done(&planned);
    node.bind("m", "a.orders", 1, Stopped);
    let refused = node.metadata.plan_alter_configs("m", &prefix("b.")).unwrap_err();
    assert_eq!(refused.code.number(), 40);
    assert!(refused.message.contains("such as a.orders"), "{}", refused.message);
    let unset = [change("topics.prefix", ConfigOperation::Delete, "")];
    node.metadata.plan_alter_configs("m", &unset).unwrap_err();
    node.metadata.plan_alter_configs("m", &prefix("a.")).unwrap();
    let other = [change("request.timeout.ms", ConfigOperation::Set, "5")];
    node.metadata.plan_alter_configs("m", &other).unwrap();
    node.metadata.plan_alter_configs("other", &prefix("b.")).unwrap();
}
