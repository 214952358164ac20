//! Mirrors in a directory's memory, and the topics that move with them.

use std::collections::BTreeMap;

use kafka_wire::partition::TopicId;
use mirror_coordinator::cluster_metadata::start::{NodeView, SourceTopic, StartRequest};
use mirror_coordinator::cluster_metadata::{MetadataChange, StopRequest};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_name::MirrorName;

use super::super::belonging::{DeclaredMirror, default_mirror_name};
use super::{name, state, state_of_a_node};
use crate::directory_state::DirectoryState;
use crate::stored_format::StoredFormatError;

/// The directory of a node whose mirror `m` follows `orders`.
fn with_mirror() -> DirectoryState {
    let mut state = state_of_a_node();
    let name = MirrorName::parse("m").unwrap();
    assert!(state.adopt(Some(&declared(&name, "h:1"))).unwrap());
    state
}

fn declared(name: &MirrorName, servers: &str) -> DeclaredMirror {
    let configs = [("bootstrap.servers", servers), ("topics.include", "orders|notes")];
    let configs = configs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    DeclaredMirror { name: name.clone(), configs }
}

fn planned<R>(state: &DirectoryState, plan: impl FnOnce(&NodeView<'_>) -> R) -> R {
    let topic_id = |name: &_| state.topic_id(name);
    let topic_of = |_| None;
    let states = |_: &_, _| Vec::new();
    plan(&NodeView { topic_id: &topic_id, topic_of: &topic_of, states: &states })
}

fn start_notes(state: &DirectoryState) -> MetadataChange {
    let request = StartRequest {
        mirror: "m".to_owned(),
        named: vec![SourceTopic { name: name("notes"), topic_id: TopicId::from_wire([8; 16]) }],
        ..StartRequest::default()
    };
    let fresh = &mut || TopicId::from_wire([77; 16]).unwrap();
    let planned =
        planned(state, |here| state.cluster_mirrors.plan_start(&request, here, fresh)).unwrap();
    assert_eq!(planned.first_error(), None);
    planned.change
}

fn stop_all(state: &DirectoryState) -> MetadataChange {
    let patterns = vec![".*".to_owned()];
    let request = StopRequest { mirror: "m".to_owned(), patterns, ..StopRequest::default() };
    planned(state, |here| state.cluster_mirrors.plan_stop(&request, here)).unwrap().change
}

#[test]
fn mirrors_are_written_in_a_format_of_their_own_and_read_back() {
    let state = with_mirror();
    let text = String::from_utf8(state.encode()).unwrap();
    assert!(text.contains("\"format_version\": 3") && text.contains("\"cluster_mirrors\""));
    assert_eq!(DirectoryState::parse(text.as_bytes()).unwrap(), state);
    assert!(state.is_confidential());
    let without = state_of_a_node();
    let text = String::from_utf8(without.encode()).unwrap();
    assert!(text.contains("\"format_version\": 2") && !text.contains("cluster_mirrors"));
    assert!(!without.is_confidential());
}

#[test]
fn a_local_topic_that_is_started_becomes_a_mirrored_one_and_back_when_the_mirror_goes() {
    let mut state = with_mirror();
    let before = state.local_topics[&name("notes")].clone();
    let start = start_notes(&state);
    state.change_mirrors(&start).unwrap();
    assert!(!state.is_local(&name("notes")));
    let mirrored = &state.topics[&name("notes")];
    assert_eq!(mirrored.topic_id, before.topic_id);
    assert_eq!(mirrored.partition_count, before.partition_count);
    assert_eq!(mirrored.leader_epochs, before.leader_epochs, "what clients were told");
    assert_eq!(DirectoryState::parse(&state.encode()).unwrap(), state);
    let stop = stop_all(&state);
    state.change_mirrors(&stop).unwrap();
    assert!(state.topics.contains_key(&name("notes")), "it still belongs to the mirror");
    let delete =
        planned(&state, |here| state.cluster_mirrors.plan_delete("m", None, here)).unwrap();
    state.change_mirrors(&delete).unwrap();
    assert_eq!(state.local_topics[&name("notes")], before);
    assert!(state.topics.is_empty() && state.local_topics.contains_key(&name("orders")));
    let read_back = DirectoryState::parse(&state.encode()).unwrap();
    assert_eq!(read_back.local_topics, state.local_topics);
    assert!(read_back.topics.is_empty() && read_back.cluster_mirrors.is_empty());
}

#[test]
fn a_change_that_another_overtook_moves_nothing() {
    let mut state = with_mirror();
    let start = start_notes(&state);
    let stop = stop_all(&state);
    state.change_mirrors(&stop).unwrap();
    let before = state.clone();
    assert!(state.change_mirrors(&start).is_err());
    assert_eq!(state, before);
}

#[test]
fn topics_of_an_older_directory_go_to_the_declared_mirror() {
    let mut state = state();
    let name_of_mirror = MirrorName::parse("m").unwrap();
    assert!(state.adopt(Some(&declared(&name_of_mirror, "h:1"))).unwrap());
    let bound = &state.cluster_mirrors.topics()[&name("orders")];
    assert_eq!((&bound.mirror, bound.desired), (&name_of_mirror, DesiredState::Mirroring));
    let mirror = &state.cluster_mirrors.mirrors()[&name_of_mirror];
    assert_eq!(mirror.source_cluster_id.as_deref(), Some("abc"), "the source it had");
    assert!(!state.adopt(Some(&declared(&name_of_mirror, "h:1"))).unwrap(), "no news");
    assert!(!state.adopt(None).unwrap(), "nothing is without a mirror");
}

#[test]
fn each_topic_is_of_the_source_of_its_mirror() {
    assert_eq!(state().source_of(&name("orders")), Some("abc"), "that of the directory");
    let mut state = with_mirror();
    let start = start_notes(&state);
    state.change_mirrors(&start).unwrap();
    // The directory was `ringmirror mirror`'s since, from elsewhere.
    state.source_cluster_id = Some("another".to_owned());
    assert_eq!(state.source_of(&name("notes")), Some("abc"), "that of its mirror");
}

#[test]
fn a_mirror_made_before_the_topics_come_to_it_follows_the_source_they_had() {
    let mut state = state();
    let name_of_mirror = MirrorName::parse("m").unwrap();
    let servers = [("bootstrap.servers".to_owned(), Some("h:1".to_owned()))];
    let made = state.cluster_mirrors.plan_create("m", &servers).unwrap();
    state.change_mirrors(&made).unwrap();
    assert!(state.adopt(Some(&declared(&name_of_mirror, "h:1"))).unwrap());
    let mirror = &state.cluster_mirrors.mirrors()[&name_of_mirror];
    assert_eq!(mirror.source_cluster_id.as_deref(), Some("abc"), "another cluster is refused");
}

#[test]
fn a_declared_mirror_that_is_there_keeps_what_commands_made_of_it_but_for_its_address() {
    let mut state = with_mirror();
    let stop = stop_all(&state);
    state.change_mirrors(&stop).unwrap();
    let name_of_mirror = MirrorName::parse("m").unwrap();
    assert!(state.adopt(Some(&declared(&name_of_mirror, "elsewhere:2"))).unwrap());
    let configs = &state.cluster_mirrors.mirrors()[&name_of_mirror].configs;
    assert_eq!(configs["bootstrap.servers"], "elsewhere:2");
    assert_eq!(configs["topics.include"], "", "the stop outlives the node");
    assert_eq!(state.cluster_mirrors.topics()[&name("orders")].desired, DesiredState::Stopped);
}

#[test]
fn without_a_declared_mirror_an_older_directory_gets_one_without_a_source() {
    let mut state = state();
    assert!(state.adopt(None).unwrap());
    let mirror = &state.cluster_mirrors.mirrors()[&default_mirror_name()];
    assert!(mirror.configs.is_empty());
    assert_eq!(state.cluster_mirrors.topics()[&name("orders")].mirror, default_mirror_name());
    let mut empty = DirectoryState::default();
    assert!(!empty.adopt(None).unwrap());
    assert_eq!(empty, DirectoryState::default());
}

#[test]
fn a_declared_mirror_with_settings_that_are_refused_is_not_made() {
    let configs = BTreeMap::from([("topics.include".to_owned(), "(".to_owned())]);
    let declared = DeclaredMirror { name: default_mirror_name(), configs };
    let mut state = state();
    let error = state.adopt(Some(&declared)).unwrap_err();
    assert!(error.message.contains("topics.include"), "{error}");
    assert!(state.cluster_mirrors.is_empty());
}

#[test]
fn contradictions_between_mirrors_and_topics_are_refused() {
    let text = String::from_utf8(with_mirror().encode()).unwrap();
    let bound = text.find("\"cluster_mirrors\"").unwrap();
    let (head, tail) = text.split_at(bound);
    for (from, to, word) in [
        ("\"orders\"", "\"notes\"", "local topic as well"),
        ("CQkJCQkJCQkJCQkJCQkJCQ", "BwcHBwcHBwcHBwcHBwcHBw", "has id"),
        ("CQkJCQkJCQkJCQkJCQkJCQ", "short", "illegal topic id"),
        ("\"mirror\": \"m\"", "\"mirror\": \"gone\"", "which is not there"),
        ("\"mirror\": \"m\"", "\"mirror\": \"..\"", "no name of a mirror"),
        ("\"desired_state\": 3", "\"desired_state\": 4", "unknown desired state"),
        ("\"changed_at\": 1", "\"changed_at\": 100", "changed at offset 100"),
        ("bootstrap.servers", "bootstrap.clients", "unknown setting"),
        ("\"offset\"", "\"offsets\"", "unknown field"),
    ] {
        assert!(tail.contains(from), "{from} in {tail}");
        let broken = format!("{head}{}", tail.replace(from, to));
        let error = DirectoryState::parse(broken.as_bytes()).unwrap_err();
        assert!(matches!(error, StoredFormatError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains(word), "no {word:?} in {error}");
    }
}
