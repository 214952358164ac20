use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::mirror_state_record::{
    LastMirrorEpochsValue, MirrorPartitionKey, MirrorStateRecord, PartitionStateValue,
};
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicId};
use mirror_coordinator::cluster_metadata::StopRequest;
use mirror_coordinator::cluster_metadata::start::{NodeView, SourceTopic, StartRequest};

use super::*;
use crate::catalog::Catalog;
use crate::directory_state::DirectoryState;
use crate::handover::{HandoverReport, KafkaRelease, hand_over};
use crate::local_topics::LocalTopics;
use crate::mirror_state_journal::MirrorStateJournal;
use crate::shared_directory::SharedDirectory;
use crate::test_directory::TestDirectory;

fn name(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn state_of(topic_id: TopicId, partition: i32, state: i8) -> [MirrorStateRecord; 2] {
    let key = || MirrorPartitionKey {
        mirror_name: "m".to_owned(),
        topic_id,
        partition: PartitionIndex::from_wire(partition).unwrap(),
    };
    let value = PartitionStateValue {
        state,
        leader_epoch: LeaderEpoch::from_wire(7),
        state_epoch: 3,
        error_message: None,
        retry_attempt: 0,
        previous_state: -1,
    };
    let position = LastMirrorEpochsValue {
        last_mirror_epoch: SourceLeaderEpoch::from_wire(6),
        last_mirror_offset: Offset::from_wire(40 + i64::from(partition)),
    };
    [
        MirrorStateRecord::PartitionState(key(), Some(value)),
        MirrorStateRecord::LastMirrorEpochs(key(), Some(position)),
    ]
}

/// A node's directory with the topics `orders` and `notes`, closed; states of partitions of
/// `orders` are in it when there are any.
fn directory_with(root: &TestDirectory, states: &[i8]) {
    let directory = DataDirectory::open_or_create(&root.0).unwrap();
    let directory = SharedDirectory::new(directory).unwrap();
    directory.take_clean_marker().unwrap();
    let catalog = Arc::new(Catalog::new(root.0.clone()));
    let topics = Arc::new(LocalTopics::new(directory, Arc::clone(&catalog)));
    topics.open_all(&AtomicBool::new(false));
    for topic in ["orders", "notes"] {
        topics.create(&name(topic), 2, BTreeMap::new()).unwrap();
    }
    let topic_id = topics.directory().lock().state.topic_id(&name("orders")).unwrap();
    let mut journal = MirrorStateJournal::new(catalog, Arc::clone(&topics));
    for (partition, state) in (0..).zip(states) {
        journal.append(&state_of(topic_id, partition, *state), 1_700_000_000_000).unwrap();
    }
    topics.close_all();
    topics.directory().write_checkpoints().unwrap();
    assert!(topics.directory().write_clean_marker().unwrap());
}

/// Has mirror `m` follow `orders`; stops that when `stops`.
fn bind_orders(state: &mut DirectoryState, stops: bool) {
    let configs = [
        ("bootstrap.servers".to_owned(), Some("h:1".to_owned())),
        ("topics.include".to_owned(), Some("orders".to_owned())),
    ];
    let made = state.cluster_mirrors.plan_create("m", &configs).unwrap();
    state.change_mirrors(&made).unwrap();
    let topic_id = state.topic_id(&name("orders"));
    let nothing = |_: &MirrorName, _| Vec::new();
    let here = NodeView { topic_id: &|_| topic_id, topic_of: &|_| None, states: &nothing };
    let request = StartRequest {
        mirror: "m".to_owned(),
        named: vec![SourceTopic { name: name("orders"), topic_id }],
        ..StartRequest::default()
    };
    let fresh = &mut || TopicId::from_wire([1; 16]).unwrap();
    let started = state.cluster_mirrors.plan_start(&request, &here, fresh).unwrap();
    assert_eq!(started.first_error(), None);
    state.change_mirrors(&started.change).unwrap();
    if stops {
        let topics = vec!["orders".to_owned()];
        let request = StopRequest { mirror: "m".to_owned(), topics, ..StopRequest::default() };
        let stopped = state.cluster_mirrors.plan_stop(&request, &here).unwrap();
        state.change_mirrors(&stopped.change).unwrap();
    }
}

fn handed_over(states: &[i8], stops: bool) -> HandoverReport {
    let root = TestDirectory::new();
    directory_with(&root, states);
    let mut directory = DataDirectory::open(&root.0).unwrap();
    bind_orders(&mut directory.state, stops);
    directory.write_state().unwrap();
    drop(directory);
    let release = KafkaRelease::parse("4.2").unwrap();
    hand_over(&root.0, BrokerId::from_wire(1).unwrap(), release).unwrap()
}

fn mirror_of<'a>(report: &'a HandoverReport, partition: &str) -> Option<&'a HandedMirror> {
    let of_name = report.partitions.iter().find(|handed| handed.partition == partition);
    of_name.unwrap().mirror.as_ref()
}

fn has_note(report: &HandoverReport, word: &str) -> bool {
    report.notes.iter().any(|note| note.contains(word))
}

const STOPPED: i8 = 7;
const STOPPING: i8 = 6;

#[test]
fn positions_of_stopped_topics_are_in_the_report() {
    let report = handed_over(&[STOPPED, STOPPED], true);
    let expected = HandedMirror {
        name: "m".to_owned(),
        desired_state: "STOPPED",
        state: "STOPPED",
        last_mirror_epoch: 6,
        last_mirror_offset: 41,
    };
    assert_eq!(mirror_of(&report, "orders-1"), Some(&expected));
    assert_eq!(mirror_of(&report, "notes-0"), None, "it belongs to no mirror");
    assert!(!has_note(&report, "not stopped"), "{:?}", report.notes);
    assert!(has_note(&report, "knows no mirrors"));
    let json = serde_json::to_value(&report).unwrap();
    let partitions = json["partitions"].as_array().unwrap();
    let of = |wanted: &str| partitions.iter().find(|part| part["partition"] == wanted).unwrap();
    assert_eq!(of("orders-0")["mirror"]["last_mirror_offset"], 40);
    assert!(of("notes-0").get("mirror").is_none());
}

#[test]
fn topics_that_are_not_stopped_throughout_are_named() {
    for (states, stops) in
        [(&[STOPPED, STOPPING][..], true), (&[STOPPED, STOPPED], false), (&[], false), (&[], true)]
    {
        let report = handed_over(states, stops);
        assert!(has_note(&report, "mirror m: not stopped were orders;"), "{:?}", report.notes);
    }
    let report = handed_over(&[], false);
    let orders = mirror_of(&report, "orders-0").unwrap();
    assert_eq!((orders.desired_state, orders.state), ("MIRRORING", "UNKNOWN"));
    assert_eq!((orders.last_mirror_epoch, orders.last_mirror_offset), (-1, -1));
}

#[test]
fn many_topics_are_told_by_their_number() {
    let names: Vec<_> = (0..25).map(|number| name(&format!("t{number:02}"))).collect();
    let note = note_of_active(&MirrorName::parse("m").unwrap(), &names.iter().collect());
    assert!(note.contains("t09 and 15 more") && !note.contains("t10"), "{note}");
}
