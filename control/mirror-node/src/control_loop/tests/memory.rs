//! Partitions that a node has no memory for are not mirrored, and somebody is told why.

use std::cell::RefCell;
use std::collections::BTreeMap;

use kafka_wire::mirror_api::MirrorResponse;
use kafka_wire::mirror_api::start_mirror_topics::StartMirrorTopicsRequest;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName};
use mirror_coordinator::mirror_name::MirrorName;

use super::loop_rig::{Stopped, dr};
use crate::control_loop::bindings::new_topic;
use crate::control_loop::start_lookup::Resolved;
use crate::mirror_news::MirrorNews;
use crate::source_client::{SourceLeader, SourceMetadata, SourceTopic};
use crate::source_watch::SourceLook;

/// A source with topics of so many partitions.
pub(super) fn source(topics: &[(&str, i32)]) -> SourceMetadata {
    let topic = |(name, count): &(&str, i32)| {
        let id = [name.as_bytes()[0]; 16];
        let nobody = SourceLeader { leader: None, epoch: None };
        let partitions = (0..*count).filter_map(PartitionIndex::from_wire);
        let topic = SourceTopic {
            topic_id: TopicId::from_wire(id),
            is_internal: false,
            partitions: partitions.map(|partition| (partition, nobody)).collect(),
        };
        (TopicName::parse(name).unwrap(), topic)
    };
    let topics: BTreeMap<_, _> = topics.iter().map(topic).collect();
    let cluster_id = Some("berlin".to_owned());
    SourceMetadata { cluster_id, topics, ..SourceMetadata::default() }
}

pub(super) fn starts_all() -> StartMirrorTopicsRequest {
    StartMirrorTopicsRequest {
        mirror_name: "back".to_owned(),
        include_patterns: vec![".*".to_owned()],
        timeout_ms: 1_000,
        topics: Vec::new(),
        state_offset: -1,
        exclude_patterns: Vec::new(),
        confirm: false,
        plan_only: false,
    }
}

#[tokio::test]
async fn topics_without_room_are_refused_by_a_start_and_left_out_by_a_look() {
    // One is taken by the topic of a mirror that was stopped.
    let node = Stopped::with_room(1 + 3);
    let told = RefCell::new(BTreeMap::new());
    let mut observe = |news| {
        if let MirrorNews::TopicLost { topic, reason } = news {
            told.borrow_mut().insert(topic, reason);
        }
    };
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    assert_eq!(control.create("back").await, 0);
    let count =
        |name: &str| node.destination.catalog.topic_named(name).map(|topic| topic.partitions.len());

    let metadata = source(&[("huge", 3), ("large", 2), ("small", 1)]);
    let resolved = Resolved { metadata, ..Resolved::default() };
    let started = match control.start(&starts_all(), resolved).await.unwrap() {
        MirrorResponse::StartMirrorTopics(started) => started,
        other => panic!("{other:?}"),
    };
    assert_eq!((count("huge"), count("large"), count("small")), (Some(3), None, None));
    let refused = started.topics.iter().filter(|topic| topic.error_code == POLICY_VIOLATION);
    let refused: Vec<_> = refused.filter_map(|topic| topic.error_message.as_deref()).collect();
    let [large, small] = refused.as_slice() else { panic!("{started:?}") };
    assert!(large.contains("large") && small.contains("small"), "{refused:?}");
    assert!(large.contains("2 more partitions, 4 are here and memory_bytes_max"), "{large}");
    assert!(told.borrow()["small"].contains("memory_bytes_max has room for 4"));

    // A topic that grows at the source keeps the partitions that it has.
    let metadata = source(&[("huge", 5)]);
    let look = SourceLook { metadata, ..SourceLook::default() };
    control.on_look(&MirrorName::parse("back").unwrap(), look).await.unwrap();
    assert_eq!(count("huge"), Some(3));
    let reason = told.borrow()["huge"].clone();
    assert!(reason.starts_with("its new partitions: 2 more partitions, 4 are here"), "{reason}");
}

#[tokio::test]
async fn room_that_clients_took_after_a_start_was_planned_is_not_given_twice() {
    let node = Stopped::with_room(1 + 3);
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    let name = |text| TopicName::parse(text).unwrap();
    let large = &source(&[("large", 2)]).topics[&name("large")];
    let id = large.topic_id.unwrap();
    let topics = || vec![(name("large"), new_topic(id, large))];
    let mirror = control.metadata.mirrors()[&dr()].clone();
    let bound = [(name("large"), id)].into();
    let change = control.metadata.plan_adoption(&dr(), &mirror, &bound).unwrap();
    let notes = node.topics.create(&name("notes"), 2, BTreeMap::new()).unwrap();
    let refused = control.commit(&change, topics()).unwrap_err();
    assert!(refused.to_string().contains("2 more partitions, 3 are here"), "{refused}");
    assert_eq!(refused.code(), POLICY_VIOLATION);
    let remembers = |topic| {
        let directory = node.destination.directory.lock();
        let bound = directory.state.cluster_mirrors.topics();
        (directory.state.topics.contains_key(&name(topic)), bound.contains_key(&name(topic)))
    };
    assert_eq!(remembers("large"), (false, false), "nothing changed");
    node.topics.delete(notes.id).unwrap();
    control.commit(&change, topics()).unwrap();
    assert_eq!(remembers("large"), (true, true));
    assert!(node.topics.create(&name("notes"), 2, BTreeMap::new()).is_err());
}

const POLICY_VIOLATION: i16 = 44;
