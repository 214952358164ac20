//! How filters change (section 14.2), and what they let in.

use super::{Node, start, stop_patterns, stop_topics, texts};
use crate::cluster_metadata::command_error::ErrorCode;
use crate::desired_state::DesiredState::{Mirroring, Paused, Stopped};
use crate::mirror_config::config_change::{ConfigChange, ConfigOperation};
use crate::mirror_config::topic_patterns;

fn changed(
    node: &mut Node,
    include: &[&str],
    exclude: &[&str],
    found: &[(&str, u8)],
) -> Vec<String> {
    let mut request = start("m", include, found);
    request.exclude = texts(exclude);
    let planned = node.plan_start(&request).unwrap();
    assert_eq!(planned.first_error(), None);
    node.done(&planned);
    planned.changed().map(str::to_owned).collect()
}

const SOURCE: [(&str, u8); 5] = [
    ("orders-us", 1),
    ("orders-eu", 2),
    ("orders-internal", 3),
    ("payments", 4),
    ("__consumer_offsets", 5),
];

#[test]
fn patterns_of_a_start_join_the_filters_and_what_they_match_is_started() {
    let mut node = Node::with_mirrors();
    let started = changed(&mut node, &["orders-.*"], &["orders-internal"], &SOURCE);
    assert_eq!(started, ["orders-us", "orders-eu"]);
    assert_eq!(node.config("m", "topics.include"), "orders-.*");
    assert_eq!(node.config("m", "topics.exclude"), "orders-internal");
    assert!(changed(&mut node, &["orders-.*"], &[], &SOURCE).is_empty(), "no news");
    assert_eq!(node.config("m", "topics.include"), "orders-.*", "each entry once");
    assert_eq!(changed(&mut node, &["payments"], &[], &SOURCE), ["payments"]);
    assert_eq!(node.config("m", "topics.include"), "orders-.*,payments");
    assert_eq!(node.desired("orders-internal"), None);
}

#[test]
fn patterns_that_match_nothing_yet_are_saved() {
    let mut node = Node::with_mirrors();
    let planned = node.plan_start(&start("m", &["later-.*"], &SOURCE)).unwrap();
    assert!(planned.outcomes.is_empty() && !planned.change.is_empty());
    node.done(&planned);
    assert_eq!(node.config("m", "topics.include"), "later-.*");
}

#[test]
fn patterns_of_a_start_that_refuses_every_topic_are_not_saved() {
    let mut node = Node::with_mirrors();
    let mut request = start("m", &["payments"], &SOURCE);
    request.exclude = texts(&["pay.*"]);
    let planned = node.plan_start(&request).unwrap();
    assert!(planned.first_error().is_some() && planned.change.is_empty());
    // Else the exclusion would be in the way of this.
    assert_eq!(changed(&mut node, &["payments"], &[], &SOURCE), ["payments"]);
}

#[test]
fn a_stop_by_pattern_removes_an_equal_inclusion_or_adds_an_exclusion() {
    let mut node = Node::with_mirrors();
    changed(&mut node, &["orders-.*", "payments"], &[], &SOURCE);
    let planned = node.plan_stop(&stop_patterns("m", &["payments", "orders-e.*"])).unwrap();
    assert_eq!(planned.changed().collect::<Vec<_>>(), ["orders-eu", "payments"]);
    node.done(&planned);
    assert_eq!(node.config("m", "topics.include"), "orders-.*");
    assert_eq!(node.config("m", "topics.exclude"), "orders-e.*");
    assert_eq!(node.desired("orders-eu"), Some(("m", Stopped)));
    assert_eq!(node.desired("orders-us"), Some(("m", Mirroring)));
    // One operation for all (AS4).
    let planned = node.plan_stop(&stop_patterns("m", &[".*"])).unwrap();
    assert_eq!(planned.changed().collect::<Vec<_>>(), ["orders-internal", "orders-us"]);
    node.done(&planned);
    let again = node.plan_stop(&stop_patterns("m", &[".*"])).unwrap();
    assert!(again.change.is_empty() && again.changed().next().is_none());
}

#[test]
fn a_stop_by_name_leaves_the_filters_alone() {
    let mut node = Node::with_mirrors();
    changed(&mut node, &["orders-.*"], &[], &SOURCE);
    let planned = node.plan_stop(&stop_topics("m", &["orders-eu", "orders-eu"])).unwrap();
    assert_eq!(planned.outcomes.len(), 1, "once");
    node.done(&planned);
    assert_eq!(
        (node.config("m", "topics.include"), node.config("m", "topics.exclude")),
        ("orders-.*", "")
    );
}

#[test]
fn a_name_that_is_mistyped_stops_nothing_and_says_so() {
    let mut node = Node::with_mirrors();
    changed(&mut node, &["orders-.*", "later"], &[], &SOURCE);
    for wrong in ["order-eu", "orders.eux"] {
        let planned = node.plan_stop(&stop_patterns("m", &[wrong])).unwrap();
        assert_eq!(planned.first_error().unwrap().code.number(), 3, "{wrong}");
        assert!(planned.change.is_empty(), "{wrong}: no filter is edited");
    }
    // An expression is for topics to come, and so is a name that is in the inclusions.
    for pattern in ["new-.*", "later"] {
        let planned = node.plan_stop(&stop_patterns("m", &[pattern])).unwrap();
        assert!(planned.first_error().is_none() && !planned.change.is_empty(), "{pattern}");
    }
    let planned = node.plan_stop(&stop_patterns("m", &["orders.eu"])).unwrap();
    assert_eq!(planned.changed().collect::<Vec<_>>(), ["orders-eu"], "a dot is any sign");
}

#[test]
fn what_was_stopped_by_a_pattern_is_started_by_the_same_pattern() {
    let mut node = Node::with_mirrors();
    changed(&mut node, &["orders-.*"], &["orders-internal"], &SOURCE);
    let planned = node.plan_stop(&stop_patterns("m", &["orders-[a-z]+"])).unwrap();
    node.done(&planned);
    for number in [1, 2] {
        node.set_states("m", number, &[crate::partition_state::MirrorPartitionState::Stopped]);
    }
    assert_eq!(node.config("m", "topics.exclude"), "orders-internal,orders-[a-z]+");
    // Another pattern is told what is in its way, instead of that nothing matches yet.
    let error = node.plan_start(&start("m", &["orders-.*"], &SOURCE)).unwrap_err();
    assert_eq!(error.code.number(), 42);
    assert!(error.message.contains("\"orders-[a-z]+\" in topics.exclude"), "{error}");
    let started = changed(&mut node, &["orders-[a-z]+"], &[], &SOURCE);
    assert_eq!(started, ["orders-us", "orders-eu"]);
    assert_eq!(node.config("m", "topics.exclude"), "orders-internal");
}

#[test]
fn after_a_failover_of_all_a_topic_is_started_again_by_its_name() {
    let mut node = Node::with_mirrors();
    changed(&mut node, &["orders-.*"], &["orders-internal"], &SOURCE);
    let planned = node.plan_stop(&stop_patterns("m", &[".*"])).unwrap();
    node.done(&planned);
    for number in [1, 2] {
        node.set_states("m", number, &[crate::partition_state::MirrorPartitionState::Stopped]);
    }
    let lists = (node.config("m", "topics.include"), node.config("m", "topics.exclude"));
    assert_eq!(lists, ("", "orders-internal"), "nothing new is found and started");
    assert_eq!(changed(&mut node, &["orders-us"], &[], &SOURCE), ["orders-us"]);
}

#[test]
fn the_exclusion_of_internal_topics_goes_only_when_settings_are_changed() {
    let mut node = Node::default();
    let configs = [("bootstrap.servers".to_owned(), Some("h:1".to_owned()))];
    let change = node.metadata.plan_create("m", &configs).unwrap();
    node.metadata.apply(&change).unwrap();
    let found = [("__schemas", 1), ("orders", 2)];
    assert_eq!(changed(&mut node, &[".*"], &[], &found), ["orders"]);
    let planned = node.plan_start(&start("m", &["__schemas"], &found)).unwrap();
    assert!(planned.first_error().unwrap().message.contains("\"__.*\""));
    let planned = node.plan_start(&start("m", &["__.*"], &found)).unwrap();
    assert!(planned.outcomes.is_empty(), "nothing is started");
}

#[test]
fn an_edit_of_the_exclusions_stops_what_they_name_in_the_same_change() {
    let mut node = Node::with_mirrors();
    node.bind("m", "orders-eu", 1, Mirroring);
    node.bind("m", "orders-us", 2, Paused);
    node.bind("m", "payments", 3, Mirroring);
    node.bind("other", "orders-x", 4, Mirroring);
    let append = ConfigChange {
        name: "topics.exclude".to_owned(),
        operation: ConfigOperation::Append,
        value: Some("orders-.*".to_owned()),
    };
    let planned = node.metadata.plan_alter_configs("m", &[append]).unwrap();
    let stopped: Vec<_> = planned.also_stopped.iter().map(ToString::to_string).collect();
    assert_eq!(stopped, ["orders-eu", "orders-us"]);
    node.done(&planned);
    assert_eq!(node.desired("orders-eu"), Some(("m", Stopped)));
    assert_eq!(node.desired("orders-us"), Some(("m", Stopped)));
    assert_eq!(node.desired("payments"), Some(("m", Mirroring)));
    assert_eq!(node.desired("orders-x"), Some(("other", Mirroring)));
    // So does one that comes with a start.
    let mut request = start("m", &["new"], &[("new", 9)]);
    request.exclude = texts(&["payments"]);
    let planned = node.plan_start(&request).unwrap();
    assert_eq!(planned.also_stopped.len(), 1);
    node.done(&planned);
    assert_eq!(node.desired("payments"), Some(("m", Stopped)));
    assert_eq!(node.desired("new"), Some(("m", Mirroring)));
}

#[test]
fn each_look_at_a_source_stops_what_is_excluded() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "ended", 2, Stopped);
    node.bind("other", "theirs", 3, Stopped);
    let mut configs = node.metadata.mirror_named("m").unwrap().1.configs.clone();
    configs.insert("topics.include".to_owned(), ".*".to_owned());
    configs.insert("topics.exclude".to_owned(), "r.*,ended".to_owned());
    let patterns = topic_patterns(&configs).unwrap();
    let name = super::mirror_name("m");
    let planned = node.metadata.plan_stop_excluded(&name, &patterns);
    assert_eq!(planned.also_stopped, [super::name("running")]);
    node.done(&planned);
    assert!(node.metadata.plan_stop_excluded(&name, &patterns).change.is_empty());
}

#[test]
fn an_entry_of_both_lists_is_refused_where_it_can_only_be_a_mistake() {
    let mut node = Node::with_mirrors();
    let mut request = start("m", &["other", "later"], &SOURCE);
    request.exclude = texts(&["later"]);
    let error = node.plan_start(&request).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(error.message.contains("\"later\""), "{error}");
    let both =
        [("topics.include", "a,b.c"), ("topics.exclude", "b.c"), ("bootstrap.servers", "h:1")];
    let configs = both.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
    let error = node.metadata.plan_create("new", &configs).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidConfig);
    assert!(error.message.contains("\"b.c\""), "{error}");
    let set = |(name, value): (&str, &str)| ConfigChange {
        name: name.to_owned(),
        operation: ConfigOperation::Set,
        value: Some(value.to_owned()),
    };
    let error = node.metadata.plan_alter_configs("m", &both.map(set)).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidConfig);
    // What is included is failed over by an exclusion alone.
    for one in &both[..2] {
        let planned = node.metadata.plan_alter_configs("m", &[set(*one)]).unwrap();
        node.done(&planned);
    }
    let all = [
        ("topics.include", Some("__.*".to_owned())),
        ("bootstrap.servers", Some("h:1".to_owned())),
    ];
    let all = all.map(|(name, value)| (name.to_owned(), value));
    assert!(node.metadata.plan_create("new", &all).is_ok(), "nobody asked for that exclusion");
}
