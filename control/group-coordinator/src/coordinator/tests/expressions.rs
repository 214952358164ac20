//! What is kept of subscriptions by regular expression.

use kafka_wire::group_record::GroupRecord;

use super::consumer_groups::{heartbeat_of, join_of, set_topics};
use super::{Scene, group};
use crate::limits::EXPRESSIONS_KEPT_BYTES_MAX;
use crate::request::{ConsumerGroupHeartbeat, Request};

fn joining(member_id: &str, expression: &str) -> ConsumerGroupHeartbeat {
    ConsumerGroupHeartbeat { topic_regex: Some(expression.to_owned()), ..join_of(member_id, &[]) }
}

fn send(scene: &mut Scene, heartbeat: ConsumerGroupHeartbeat) {
    scene.ask(Request::ConsumerGroupHeartbeat(Box::new(heartbeat)));
}

/// The records about expressions since the last call: the expression, and the topics it means.
fn take_kept(scene: &mut Scene, read: &mut usize) -> Vec<String> {
    let fresh = &scene.log[*read..];
    *read = scene.log.len();
    expressions_in(fresh)
}

fn expressions_in(records: &[GroupRecord]) -> Vec<String> {
    let told = records.iter().filter_map(|record| match record {
        GroupRecord::RegularExpression(key, value) => {
            let topics = value.as_ref().map(|value| value.topics.join(" "));
            Some(format!("{}: {}", key.expression, topics.unwrap_or_else(|| "gone".to_owned())))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn what_an_expression_means_is_kept_while_a_member_subscribes_by_it() {
    let mut scene = Scene::without_delay();
    set_topics(&mut scene, &[("orders", 1, 4), ("payments", 2, 2)]);
    let mut read = 0;
    send(&mut scene, joining("a", "ord.*"));
    assert_eq!(take_kept(&mut scene, &mut read), ["ord.*: orders"]);
    send(&mut scene, joining("b", "ord.*"));
    assert!(take_kept(&mut scene, &mut read).is_empty(), "it is there already");
    set_topics(&mut scene, &[("orders", 1, 4), ("orders-old", 3, 1)]);
    send(&mut scene, heartbeat_of("a", 1));
    assert_eq!(take_kept(&mut scene, &mut read), ["ord.*: orders orders-old"]);
    let snapshot = scene.coordinator.snapshot(scene.now, &group());
    assert_eq!(expressions_in(&snapshot), ["ord.*: orders orders-old"]);
    send(&mut scene, heartbeat_of("b", -1));
    assert!(take_kept(&mut scene, &mut read).is_empty(), "the other subscribes by it");
    send(&mut scene, joining("a", "pay.*"));
    assert_eq!(take_kept(&mut scene, &mut read), ["ord.*: gone", "pay.*: "]);

    scene.restart();
    send(&mut scene, heartbeat_of("a", -1));
    assert_eq!(take_kept(&mut scene, &mut read), ["pay.*: gone"]);
}

#[test]
fn a_deleted_group_leaves_no_expression_behind() {
    let mut scene = Scene::without_delay();
    set_topics(&mut scene, &[("orders", 1, 4)]);
    send(&mut scene, joining("a", "ord.*"));
    send(&mut scene, joining("b", "or.*"));
    send(&mut scene, heartbeat_of("a", -1));
    send(&mut scene, heartbeat_of("b", -1));
    assert_eq!(scene.delete_group(), Ok(()));
    let mut kept = std::collections::BTreeSet::new();
    for line in expressions_in(&scene.log) {
        let (text, topics) = line.split_once(": ").unwrap();
        if topics == "gone" {
            kept.remove(text)
        } else {
            kept.insert(text.to_owned())
        };
    }
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn an_expression_that_means_too_much_is_followed_but_not_kept() {
    let mut scene = Scene::without_delay();
    let names: Vec<String> =
        (0..EXPRESSIONS_KEPT_BYTES_MAX / 200).map(|index| format!("{index:0240}")).collect();
    let topics: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 1)).collect();
    set_topics(&mut scene, &topics);
    send(&mut scene, joining("a", ".*"));
    assert!(expressions_in(&scene.log).is_empty());
    assert!(scene.coordinator.describe_consumer(&group()).unwrap().members.len() == 1);
    set_topics(&mut scene, &topics[..1]);
    send(&mut scene, heartbeat_of("a", 1));
    assert_eq!(expressions_in(&scene.log).len(), 1, "it fits now");
    set_topics(&mut scene, &topics);
    send(&mut scene, joining("a", ".*"));
    assert_eq!(expressions_in(&scene.log)[1], ".*: gone");
}
