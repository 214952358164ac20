use std::collections::BTreeMap;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName, TopicPartition};
use kafka_wire::producer::ProducerId;

use super::{DeletedTopic, DirectoryState, LocalTopic, MirrorTopic};
use crate::stored_format::StoredFormatError;

mod mirrors;

fn state() -> DirectoryState {
    let topic = MirrorTopic {
        topic_id: TopicId::from_wire([9; 16]).unwrap(),
        source_has_topic_ids: true,
        partition_count: 3,
        configs: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
        leader_epochs: Vec::new(),
    };
    DirectoryState {
        source_cluster_id: Some("abc".to_owned()),
        topics: BTreeMap::from([(name("orders"), topic)]),
        ..DirectoryState::default()
    }
}

fn name(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

/// With all that version 1 cannot say.
fn state_of_a_node() -> DirectoryState {
    let mut state = state();
    let orders = state.topics.get_mut(&name("orders")).unwrap();
    let (second, epoch) = (PartitionIndex::from_wire(1).unwrap(), LeaderEpoch::from_wire(16));
    assert!(orders.raise_leader_epoch(second, epoch.unwrap()));
    let topic_id = TopicId::from_wire([8; 16]).unwrap();
    let mut notes = LocalTopic {
        topic_id,
        partition_count: 2,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    };
    assert!(notes.raise_leader_epoch(second, LeaderEpoch::from_wire(3).unwrap()));
    state.local_topics.insert(name("notes"), notes);
    let gone = DeletedTopic { name: name("gone"), partition_count: 1 };
    state.deleted_topics.insert(TopicId::from_wire([7; 16]).unwrap(), gone);
    state.next_producer_id = ProducerId::from_wire(4000);
    state
}

#[test]
fn topics_of_both_kinds_take_room_and_deleted_ones_none() {
    let mut state = state_of_a_node();
    assert_eq!(state.partition_room(5).held(), 3 + 2);
    let own = LocalTopic { partition_count: 50, ..state.local_topics[&name("notes")].clone() };
    state.local_topics.insert(name("__consumer_offsets"), own);
    assert_eq!(state.partition_room(5).held(), 3 + 2);
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(DirectoryState::parse(&state().encode()).unwrap(), state());
    assert_eq!(DirectoryState::parse(&state_of_a_node().encode()).unwrap(), state_of_a_node());
    let empty = DirectoryState::default();
    assert_eq!(DirectoryState::parse(&empty.encode()).unwrap(), empty);
}

#[test]
fn an_older_ringmirror_can_go_on_while_nothing_but_mirrors_is_here() {
    let version = |state: &DirectoryState| {
        let text = String::from_utf8(state.encode()).unwrap();
        text.contains("\"format_version\": 1").then_some(text)
    };
    let text = version(&state()).unwrap();
    for key in ["leader_epochs", "local_topics", "deleted_topics", "next_producer_id"] {
        assert!(!text.contains(key), "{key}");
    }
    assert!(version(&state_of_a_node()).is_none());
}

#[test]
fn a_topic_is_mirrored_or_made_here_never_both() {
    let text = String::from_utf8(state_of_a_node().encode()).unwrap();
    let broken = text.replace("\"notes\"", "\"orders\"");
    let error = DirectoryState::parse(broken.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("orders"), "{error}");
    assert!(state_of_a_node().is_local(&name("notes")) && !state().is_local(&name("orders")));
    assert!(state_of_a_node().is_local(&name("gone")), "its directories may still be there");
}

#[test]
fn leader_epochs_that_clients_were_told_only_rise() {
    let mut state = state_of_a_node();
    let topic = state.topics.get_mut(&name("orders")).unwrap();
    let (first, second) = (PartitionIndex::default(), PartitionIndex::from_wire(1).unwrap());
    assert_eq!(topic.leader_epoch(first), LeaderEpoch::ZERO);
    assert!(!topic.raise_leader_epoch(second, LeaderEpoch::from_wire(9).unwrap()));
    assert_eq!(topic.leader_epoch(second).get(), 16);
    let of = |text| state.leader_epoch(&TopicPartition::parse_directory(text).unwrap()).get();
    assert_eq!(["orders-1", "notes-0", "notes-1", "unknown-0"].map(of), [16, 0, 3, 0]);
}

#[test]
fn a_newer_format_is_refused_whatever_else_it_holds() {
    let newer = br#"{"format_version": 4, "galaxies": []}"#;
    let error = DirectoryState::parse(newer).unwrap_err();
    assert!(matches!(error, StoredFormatError::Newer { found: 4, .. }), "{error}");
}

#[test]
fn anything_else_is_malformed() {
    let text = String::from_utf8(state().encode()).unwrap();
    for (from, to) in [
        ("orders", "../orders"),
        ("\"partitions\": 3", "\"partitions\": -3"),
        ("\"partitions\": 3", "\"parts\": 3"),
        ("CQkJCQkJCQkJCQkJCQkJCQ", "short"),
        ("{", ""),
    ] {
        assert!(text.contains(from), "{from}");
        let broken = text.replace(from, to);
        let error = DirectoryState::parse(broken.as_bytes()).unwrap_err();
        assert!(matches!(error, StoredFormatError::Malformed { .. }), "{to}: {error}");
    }
    assert!(DirectoryState::parse(b"").is_err());
    assert!(DirectoryState::parse(&[0xff; 9]).is_err());
}
