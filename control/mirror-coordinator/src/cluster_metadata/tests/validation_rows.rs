//! Every row of the validation rules (sections 19.1 and 19.2) and every error code of section 20
//! that a command can answer, each named as there.

use super::{Node, StartRequest, source, start, stop_patterns, stop_topics, texts, topics};
use crate::cluster_metadata::Planned;
use crate::cluster_metadata::command_error::CommandError;
use crate::cluster_metadata::limits::MIRRORS_MAX;
use crate::desired_state::DesiredState::{Mirroring, Paused, Stopped};
use crate::mirror_config::config_change::{ConfigChange, ConfigOperation};
use crate::partition_state::MirrorPartitionState as State;

/// The code of the request as a whole, or of the first topic that was refused; 0 for none.
fn code(planned: &Result<Planned, CommandError>) -> i16 {
    match planned {
        Ok(planned) => planned.first_error().map_or(0, |error| error.code.number()),
        Err(error) => error.code.number(),
    }
}

/// Checks the code, and that the text says what it has to.
fn check(row: &str, planned: &Result<Planned, CommandError>, expected: i16, words: &[&str]) {
    assert_eq!(code(planned), expected, "{row}: {planned:?}");
    let error = match planned {
        Ok(planned) => planned.first_error(),
        Err(error) => Some(error),
    };
    let text = error.map(|error| error.message.clone()).unwrap_or_default();
    for word in words {
        assert!(text.contains(word), "{row}: no {word:?} in {text:?}");
    }
}

fn created(node: &Node, name: &str, configs: &[(&str, &str)]) -> Result<Planned, CommandError> {
    let configs: Vec<_> = configs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect();
    let change = node.metadata.plan_create(name, &configs)?;
    Ok(Planned { change, outcomes: Vec::new(), also_stopped: Vec::new() })
}

fn set(name: &str, value: &str) -> [ConfigChange; 1] {
    let (name, value) = (name.to_owned(), Some(value.to_owned()));
    [ConfigChange { name, operation: ConfigOperation::Set, value }]
}

/// What the row says, mirror, topic, number of its id at the source, code, words of the text.
type StartRow = (&'static str, &'static str, &'static str, u8, i16, &'static [&'static str]);
/// What the row says, mirror, topic, code, words of the text.
type Row = (&'static str, &'static str, &'static str, i16, &'static [&'static str]);

const SERVERS: (&str, &str) = ("bootstrap.servers", "h:1");

#[test]
fn create_rows() {
    let mut node = Node::with_mirrors();
    let long = "m".repeat(250);
    for (row, name, configs, expected, words) in [
        ("create: fine", "new", vec![SERVERS], 0, vec![]),
        ("create: name already has configs", "m", vec![SERVERS], 136, vec!["mirror m exists"]),
        ("create: empty name", "", vec![SERVERS], 42, vec!["no name", "1 to 249"]),
        ("create: dot", "..", vec![SERVERS], 42, vec!["no name"]),
        ("create: sign", "a b", vec![SERVERS], 42, vec!["\"a b\""]),
        ("create: long name", long.as_str(), vec![SERVERS], 42, vec!["no name"]),
        ("create: unknown config name", "n", vec![SERVERS, ("x.y", "1")], 40, vec!["x.y"]),
        (
            "create: invalid value",
            "n",
            vec![SERVERS, ("fetch.max.bytes", "-1")],
            40,
            vec!["mirror n", "fetch.max.bytes", "\"-1\"", "between"],
        ),
        (
            "create: invalid RE2",
            "n",
            vec![SERVERS, ("topics.include", "a,(")],
            40,
            vec!["topics.include", "\"(\""],
        ),
        ("create: no servers", "n", vec![], 40, vec!["bootstrap.servers must be set"]),
        ("create: twice", "n", vec![SERVERS, SERVERS], 40, vec!["named twice"]),
        (
            "create: no TLS here",
            "n",
            vec![SERVERS, ("security.protocol", "SSL")],
            40,
            vec!["security.protocol", "PLAINTEXT only"],
        ),
        (
            "create: the node finds the source's id",
            "n",
            vec![SERVERS, ("source.cluster.id", "x")],
            40,
            vec!["source.cluster.id"],
        ),
    ] {
        check(row, &created(&node, name, &configs), expected, &words);
    }
    for number in node.metadata.mirrors().len()..MIRRORS_MAX {
        node.create(&format!("m{number}"));
    }
    check("create: one too many", &created(&node, "n", &[SERVERS]), 44, &["100 mirrors"]);
}

#[test]
fn alter_rows() {
    let node = Node::with_mirrors();
    let alter = |mirror: &str, name: &str, value: &str| {
        node.metadata.plan_alter_configs(mirror, &set(name, value))
    };
    check("alter: fine", &alter("m", "fetch.max.bytes", "2048"), 0, &[]);
    check("alter: mirror unknown", &alter("x", "fetch.max.bytes", "2048"), 137, &["no mirror x"]);
    check("alter: unknown config name", &alter("m", "x.y", "1"), 40, &["mirror m", "x.y"]);
    check("alter: invalid value", &alter("m", "fetch.max.bytes", "0"), 40, &["fetch.max.bytes"]);
    check("alter: invalid RE2", &alter("m", "topics.exclude", "*"), 40, &["topics.exclude"]);
    let no_servers = alter("m", "bootstrap.servers", "");
    check("alter: no servers", &no_servers, 40, &["bootstrap.servers", "nothing was changed"]);
}

#[test]
fn start_rows() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "held", 2, Paused);
    node.bind("m", "ended", 3, Stopped);
    node.bind("m", "failed", 4, Stopped);
    node.set_states("m", 4, &[State::Stopped, State::Failed, State::Stopping]);
    node.bind("other", "theirs", 5, Mirroring);
    node.bind("other", "theirs-held", 6, Paused);
    node.bind("other", "theirs-ended", 7, Stopped);
    node.bind("other", "theirs-ending", 8, Stopped);
    node.set_states("other", 8, &[State::Stopping]);
    node.here.insert(super::name("local"), super::id(9));
    let rows: [StartRow; 17] = [
        ("mirror unknown", "x", "new", 50, 137, &["no mirror x"]),
        ("new topic", "m", "new", 50, 0, &[]),
        ("new topic of a source without ids", "m", "new", 0, 0, &[]),
        ("pre-created topic, same id", "m", "local", 9, 0, &[]),
        ("destination topic exists with other id", "m", "local", 51, 103, &["local", "two topics"]),
        ("id belongs to another name", "m", "new", 9, 36, &["new", "topic local here"]),
        ("id is bound to another name", "m", "new", 1, 36, &["new", "topic running here"]),
        (
            "bound to another mirror and not STOPPED there",
            "m",
            "theirs",
            5,
            138,
            &["theirs", "belongs to mirror other (MIRRORING)", "stop it there"],
        ),
        ("bound to another mirror and PAUSED there", "m", "theirs-held", 6, 138, &["(PAUSED)"]),
        ("X15: STOPPED in another mirror", "m", "theirs-ended", 7, 0, &[]),
        (
            "STOPPED in another mirror, not all partitions",
            "m",
            "theirs-ending",
            8,
            145,
            &["theirs-ending", "partition 0 is STOPPING and not STOPPED"],
        ),
        ("already MIRRORING in this mirror", "m", "running", 1, 0, &[]),
        ("this mirror, not STOPPED", "m", "held", 2, 146, &["held is PAUSED", "resume"]),
        ("this mirror, STOPPED", "m", "ended", 3, 0, &[]),
        ("this mirror, STOPPED, other id", "m", "ended", 52, 103, &["ended", "two topics"]),
        (
            "this mirror, a partition FAILED",
            "m",
            "failed",
            4,
            145,
            &["mirror m", "partition 1 is FAILED and not STOPPED", "1 more", "recover"],
        ),
        ("never mirrored", "m", "__consumer_offsets", 53, 42, &["keeps for itself"]),
    ];
    for (row, mirror, topic, number, expected, words) in rows {
        let planned = node.plan_start(&start(mirror, &[topic], &[(topic, number)]));
        check(row, &planned, expected, words);
    }
    let absent = node.plan_start(&start("m", &["__consumer_offsets"], &[]));
    check("never mirrored, not at the source", &absent, 42, &["keeps for itself"]);
    let nothing = node.plan_start(&start("m", &[], &[]));
    check("nothing named", &nothing, 42, &["mirror m", "needs a topic"]);
    for pattern in ["(", "a{1,2}", ""] {
        let planned = node.plan_start(&start("m", &[pattern], &[]));
        check("invalid RE2", &planned, 128, &["mirror m", "nothing was changed"]);
        let mut request = start("m", &["fine"], &[]);
        request.exclude = texts(&[pattern]);
        check("invalid RE2", &node.plan_start(&request), 128, &["mirror m"]);
    }
}

#[test]
fn start_of_topics_by_name_needs_them_in_the_filters() {
    let mut node = Node::with_mirrors();
    let change = node.metadata.plan_alter_configs("m", &set("topics.include", "orders.*")).unwrap();
    node.done(&change);
    let change =
        node.metadata.plan_alter_configs("m", &set("topics.exclude", "x-.*,orders-x")).unwrap();
    node.done(&change);
    let mut named = |topic: &str| {
        let (mirror, named) = ("m".to_owned(), vec![source(topic, 9)]);
        node.plan_start(&StartRequest { mirror, named, ..StartRequest::default() })
    };
    check("included", &named("orders-eu"), 0, &[]);
    let words = ["orders-x is excluded", "\"orders-x\" in topics.exclude"];
    check("topic matches exclude", &named("orders-x"), 42, &words);
    check("not include after merging", &named("payments"), 42, &["is not in topics.include"]);
}

#[test]
fn stop_rows() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "held", 2, Paused);
    node.bind("m", "ended", 3, Stopped);
    node.bind("other", "theirs", 4, Mirroring);
    node.here.insert(super::name("local"), super::id(9));
    let rows: [Row; 8] = [
        ("mirror unknown", "x", "running", 137, &["no mirror x"]),
        ("desired MIRRORING", "m", "running", 0, &[]),
        ("desired PAUSED", "m", "held", 0, &[]),
        ("already STOPPED", "m", "ended", 0, &[]),
        ("topic unknown", "m", "nowhere", 3, &["mirror m", "no topic nowhere is here"]),
        ("topic is no name", "m", "a b", 3, &["no topic a b"]),
        ("topic not bound to this mirror", "m", "theirs", 139, &["belongs to mirror other"]),
        ("topic not bound to any mirror", "m", "local", 139, &["belongs to no mirror"]),
    ];
    for (row, mirror, topic, expected, words) in rows {
        check(row, &node.plan_stop(&stop_topics(mirror, &[topic])), expected, words);
    }
    check("nothing named", &node.plan_stop(&stop_topics("m", &[])), 42, &["needs a topic"]);
    check("invalid RE2", &node.plan_stop(&stop_patterns("m", &["("])), 128, &["mirror m"]);
    // Q1, and beyond it: no state of a partition is in the way of a failover.
    for state in State::ALL {
        node.set_states("m", 1, &[State::Mirroring, state]);
        let planned = node.plan_stop(&stop_topics("m", &["running"]));
        check(state.name(), &planned, 0, &[]);
        assert_eq!(planned.unwrap().changed().collect::<Vec<_>>(), ["running"]);
    }
}

#[test]
fn pause_rows() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "held", 2, Paused);
    node.bind("m", "ended", 3, Stopped);
    node.bind("other", "theirs", 4, Mirroring);
    let rows: [Row; 7] = [
        ("mirror unknown", "x", "running", 137, &["no mirror x"]),
        ("desired MIRRORING", "m", "running", 0, &[]),
        ("already paused", "m", "held", 0, &[]),
        ("desired STOPPED", "m", "ended", 142, &["ended cannot be paused, it is STOPPED"]),
        ("missing topic", "m", "nowhere", 3, &["no topic nowhere"]),
        ("not bound to this mirror", "m", "theirs", 139, &["mirror other"]),
        ("invalid RE2", "m", "(", 128, &["mirror m"]),
    ];
    for (row, mirror, topic, expected, words) in rows {
        check(row, &node.plan_pause(&topics(mirror, &[topic])), expected, words);
    }
    check("nothing named", &node.plan_pause(&topics("m", &[])), 42, &["needs a topic"]);
    for state in State::ALL {
        node.set_states("m", 1, &[State::Mirroring, state]);
        let planned = node.plan_pause(&topics("m", &["running"]));
        if matches!(state, State::Mirroring | State::Unknown) {
            check(state.name(), &planned, 0, &[]);
        } else {
            let seen = format!("partition 1 is {state} and not MIRRORING");
            check(state.name(), &planned, 145, &["running cannot be paused", &seen]);
        }
    }
}

#[test]
fn resume_rows() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "held", 2, Paused);
    node.bind("m", "ended", 3, Stopped);
    node.bind("other", "theirs", 4, Paused);
    let rows: [Row; 7] = [
        ("mirror unknown", "x", "held", 137, &["no mirror x"]),
        ("desired PAUSED", "m", "held", 0, &[]),
        ("already mirroring", "m", "running", 0, &[]),
        ("not PAUSED (and not MIRRORING)", "m", "ended", 141, &["ended", "STOPPED", "start it"]),
        ("missing topic", "m", "nowhere", 3, &["no topic nowhere"]),
        ("not bound to this mirror", "m", "theirs", 139, &["mirror other"]),
        ("invalid RE2", "m", "[", 128, &["mirror m"]),
    ];
    for (row, mirror, topic, expected, words) in rows {
        check(row, &node.plan_resume(&topics(mirror, &[topic])), expected, words);
    }
    for state in State::ALL {
        node.set_states("m", 2, &[State::Paused, state]);
        let planned = node.plan_resume(&topics("m", &["held"]));
        // A partition that grew while its topic was held has no state yet (X16).
        if matches!(state, State::Paused | State::Unknown) {
            check(state.name(), &planned, 0, &[]);
        } else {
            let seen = format!("partition 1 is {state} and not PAUSED");
            check(state.name(), &planned, 145, &["held cannot be resumed", &seen]);
        }
    }
}

#[test]
fn recover_rows() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "ended", 2, Stopped);
    node.bind("other", "theirs", 3, Mirroring);
    node.set_states("m", 1, &[State::Failed, State::Mirroring, State::Failed]);
    let recovery = node.plan_recover(&topics("m", &["running", "ended"])).unwrap();
    let partitions: Vec<_> =
        recovery.partitions.iter().map(|(partition, _)| partition.to_string()).collect();
    assert_eq!(partitions, ["running-0", "running-2"]);
    let results: Vec<_> = recovery.outcomes.iter().map(|outcome| outcome.result.clone()).collect();
    assert_eq!(results, [Ok(false), Ok(true)], "by name: ended, running");
    let of = |mirror: &str, topic: &str| {
        let recovery = node.plan_recover(&topics(mirror, &[topic]))?;
        let first = recovery.outcomes.into_iter().find_map(|outcome| outcome.result.err());
        first.map_or(Ok(()), Err)
    };
    let code = |outcome: Result<(), CommandError>| outcome.unwrap_err().code.number();
    assert_eq!(code(of("x", "running")), 137);
    assert_eq!(code(of("m", "nowhere")), 3);
    assert_eq!(code(of("m", "theirs")), 139);
    assert_eq!(code(of("m", "(")), 128);
    assert_eq!(node.plan_recover(&topics("m", &[])).unwrap_err().code.number(), 42);
}

#[test]
fn delete_rows() {
    let mut node = Node::with_mirrors();
    check("delete: unknown", &node.plan_delete("x", None), 137, &["no mirror x"]);
    check("delete: without topics", &node.plan_delete("m", None), 0, &[]);
    node.bind("m", "ended", 1, Stopped);
    check("delete: every topic STOPPED", &node.plan_delete("m", None), 0, &[]);
    for state in State::ALL {
        node.set_states("m", 1, &[State::Stopped, state]);
        let planned = node.plan_delete("m", None);
        if matches!(state, State::Stopped | State::Unknown) {
            check(state.name(), &planned, 0, &[]);
        } else {
            let seen = format!("partition 1 is {state} and not STOPPED");
            check(state.name(), &planned, 145, &["mirror m", &seen]);
        }
    }
    for (desired, number) in [(Mirroring, 2), (Paused, 3)] {
        let mut node = Node::with_mirrors();
        node.bind("m", "active", number, desired);
        let words = ["mirror m cannot be deleted", "active", desired.name(), "stop them first"];
        check("delete: a topic MIRRORING or PAUSED", &node.plan_delete("m", None), 143, &words);
        check("delete: those of another mirror", &node.plan_delete("other", None), 0, &[]);
    }
}

#[test]
fn a_stale_state_offset_is_refused_by_every_command_that_carries_one() {
    let mut node = Node::with_mirrors();
    node.bind("m", "running", 1, Mirroring);
    node.bind("m", "held", 2, Paused);
    node.bind("m", "ended", 3, Stopped);
    let offset = node.metadata.offset();
    for (stale, expected) in [(Some(0), 145), (Some(offset), 0), (None, 0)] {
        let words: &[&str] =
            if expected == 0 { &[] } else { &["looked at", "nothing was changed"] };
        let mut request = start("m", &["ended"], &[("ended", 3)]);
        request.state_offset = stale;
        check("start", &node.plan_start(&request), expected, words);
        let mut request = stop_topics("m", &["running"]);
        request.state_offset = stale;
        check("stop", &node.plan_stop(&request), expected, words);
        let mut request = topics("m", &["running"]);
        request.state_offset = stale;
        check("pause", &node.plan_pause(&request), expected, words);
        let mut request = topics("m", &["held"]);
        request.state_offset = stale;
        check("resume", &node.plan_resume(&request), expected, words);
    }
    let mut node = Node::with_mirrors();
    node.bind("m", "ended", 3, Stopped);
    check("delete", &node.plan_delete("m", Some(0)), 145, &["looked at"]);
    check("delete", &node.plan_delete("m", Some(node.metadata.offset())), 0, &[]);
}
