//! What of a source's settings counts here, and what is told of it.

use std::collections::BTreeMap;

use kafka_wire::partition::TopicName;

use super::{PlannedConfigs, is_unclean, note_changes, note_unclean, outcome, taken_over};
use crate::source_client::TopicConfigs;
use crate::source_sync::board::Noted;

type Configs = BTreeMap<String, String>;

fn configs(pairs: &[(&str, &str)]) -> Configs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

#[test]
fn the_source_wins_and_takes_nothing_away() {
    let theirs = configs(&[
        ("retention.ms", "5"),
        ("min.insync.replicas", "2"),
        ("mirror.name", "old"),
        ("mirror.support.unclean.leader.election", "true"),
        ("not.known.here", "1"),
    ]);
    let ours = configs(&[
        ("retention.ms", "7"),
        ("segment.bytes", "100"),
        ("mirror.support.unclean.leader.election", "false"),
    ]);
    let excluded = ["min.insync.replicas".to_owned()];
    let expected = configs(&[
        ("retention.ms", "5"),
        ("segment.bytes", "100"),
        ("mirror.support.unclean.leader.election", "false"),
        ("not.known.here", "1"),
    ]);
    assert_eq!(taken_over(&theirs, &ours, &excluded), expected);
    assert_eq!(taken_over(&configs(&[]), &ours, &excluded), ours);
}

#[test]
fn changes_are_told_with_what_was() {
    let before = configs(&[("a", "1"), ("b", "2")]);
    let after = configs(&[("a", "1"), ("b", "3"), ("c", "4")]);
    let mut noted = Noted::default();
    note_changes(&topic("orders"), (&before, &after), &mut noted);
    let expected = ["topic orders: b=3, was 2", "topic orders: c=4, was not set"];
    assert_eq!((noted.count, noted.first.as_slice()), (2, expected.map(str::to_owned).as_slice()));
}

#[test]
fn a_plan_tells_what_would_be_different_and_what_would_not_count() {
    let theirs = configs(&[("retention.ms", "5"), ("cleanup.policy", "compact"), ("no", "1")]);
    let ours = configs(&[("retention.ms", "5")]);
    let mut planned = PlannedConfigs::default();
    planned.take(&topic("orders"), &theirs, (&ours, &["no".to_owned()]));
    assert_eq!(planned.changed.sentences(), ["topic orders: cleanup.policy=compact, was not set"]);
    let told = "topic orders: kept for a hand-over only: cleanup.policy cannot be set to compact: \
                this node does not compact, so it would have no effect";
    assert_eq!(planned.ineffective.sentences(), [told]);
}

#[test]
fn what_counts_for_nothing_here_is_told_and_refused_topics_fail() {
    let held = [
        (topic("a"), configs(&[("cleanup.policy", "compact"), ("retention.ms", "5")])),
        (topic("b"), configs(&[("not.known.here", "secret")])),
        (topic("c"), configs(&[])),
    ];
    let refused = BTreeMap::from([(topic("c"), "TOPIC_AUTHORIZATION_FAILED".to_owned())]);
    let told = TopicConfigs { refused, ..TopicConfigs::default() };
    let topics = held.iter().map(|(name, configs)| (name, configs));
    let outcome = outcome(&told, topics, Noted::default());
    assert_eq!(outcome.in_step, 2);
    assert_eq!(
        outcome.skipped.first,
        [
            "topic a: kept for a hand-over only: cleanup.policy cannot be set to compact: this \
             node does not compact, so it would have no effect",
            "topic b: kept for a hand-over only: Unknown topic config name: not.known.here",
        ]
    );
    assert_eq!(outcome.failed.first, ["topic c: the source says TOPIC_AUTHORIZATION_FAILED"]);
}

#[test]
fn what_elects_unclean_is_known_and_told_with_the_setting_that_helps() {
    for (value, is) in [("true", true), ("TRUE", true), ("false", false), ("1", false)] {
        assert_eq!(is_unclean(&configs(&[("unclean.leader.election.enable", value)])), is);
    }
    assert!(!is_unclean(&configs(&[])));
    let mut noted = Noted::default();
    note_unclean(&topic("orders"), &mut noted);
    let told = &noted.first[0];
    assert!(told.starts_with("topic orders: unclean.leader.election.enable=true at the source"));
    assert!(told.ends_with("set mirror.support.unclean.leader.election=true for the topic here"));
}
