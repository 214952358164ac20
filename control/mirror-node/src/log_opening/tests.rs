use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::AtomicBool;

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicId, TopicName, TopicPartition};

use super::{leader_epoch, open_mirrored_logs};
use crate::destination::Destination;
use crate::directory::DataDirectory;
use crate::directory_state::MirrorTopic;
use crate::mirror_news::MirrorNews;
use crate::shared_directory::SharedDirectory;
use crate::test_directory::TestDirectory;

const ID: [u8; 16] = [7; 16];

/// A directory that remembers one topic of two partitions, of which one has a log.
fn destination(at: &TestDirectory) -> Destination {
    let mut directory = DataDirectory::open_or_create(&at.0).unwrap();
    let topic = MirrorTopic {
        topic_id: TopicId::from_wire(ID).unwrap(),
        source_has_topic_ids: true,
        partition_count: 2,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    };
    directory.state.topics.insert(TopicName::parse("a").unwrap(), topic);
    directory.write_state().unwrap();
    fs::create_dir(at.0.join("a-0")).unwrap();
    Destination::unserved(SharedDirectory::new(directory).unwrap())
}

fn epoch(raw: i32) -> LeaderEpoch {
    LeaderEpoch::from_wire(raw).unwrap()
}

#[test]
fn a_log_is_shown_and_left_closed_and_one_that_never_began_waits() {
    let at = TestDirectory::new();
    let destination = destination(&at);
    let news = open_mirrored_logs(&destination, 2, &AtomicBool::new(false));
    assert_eq!(news, []);
    let topic = destination.catalog.topic_named("a").unwrap();
    let state = topic.partitions[0].view.state().unwrap();
    assert_eq!(state.log_end.offset(), Offset::ZERO);
    assert!(topic.partitions[1].view.state().is_none());
    assert!(destination.directory.is_closed(&TopicPartition::parse_directory("a-0").unwrap()));
    assert!(destination.directory.write_clean_marker().unwrap());
}

#[test]
fn a_log_of_another_topic_is_told_and_not_shown() {
    let at = TestDirectory::new();
    let destination = destination(&at);
    let other = TopicId::from_wire([8; 16]).unwrap();
    let metadata = format!("version: 0\ntopic_id: {other}");
    fs::write(at.0.join("a-0/partition.metadata"), metadata).unwrap();
    let news = open_mirrored_logs(&destination, 2, &AtomicBool::new(false));
    let MirrorNews::LogUnusable { partition, reason } = &news[0] else { panic!("{news:?}") };
    assert!(partition == "a-0" && reason.contains(&other.to_string()), "{reason}");
    assert!(destination.catalog.topic_named("a").unwrap().partitions[0].view.state().is_none());
    assert!(!destination.directory.write_clean_marker().unwrap());
}

#[test]
fn a_node_that_is_to_stop_opens_nothing_more() {
    let at = TestDirectory::new();
    let destination = destination(&at);
    open_mirrored_logs(&destination, 2, &AtomicBool::new(true));
    assert!(destination.catalog.topic_named("a").unwrap().partitions[0].view.state().is_none());
}

#[test]
fn our_leader_epoch_is_above_the_logs_and_never_below_what_was_told() {
    let of_log = |raw| SourceLeaderEpoch::from_wire(raw);
    assert_eq!(leader_epoch(None, epoch(0)), epoch(0));
    assert_eq!(leader_epoch(of_log(1), epoch(0)), epoch(12));
    assert_eq!(leader_epoch(of_log(5), epoch(30)), epoch(30));
    assert_eq!(leader_epoch(of_log(29), epoch(30)), epoch(30));
    assert_eq!(leader_epoch(of_log(i32::MAX - 1), epoch(30)), epoch(i32::MAX - 1));
}

#[test]
fn our_leader_epoch_of_a_log_that_clients_write_to_is_the_same_at_every_start() {
    let mut told = epoch(30);
    for _ in 0..3 {
        let of_our_batches = SourceLeaderEpoch::from_wire(told.get());
        told = leader_epoch(of_our_batches, told);
    }
    assert_eq!(told, epoch(30));
}

#[test]
fn a_log_that_was_not_closed_is_closed_as_a_clean_stop_does_once_it_is_durable() {
    let at = TestDirectory::new();
    let destination = destination(&at);
    let name = TopicPartition::parse_directory("a-0").unwrap();
    let news = open_mirrored_logs(&destination, 2, &AtomicBool::new(false));
    assert_eq!(news, []);
    assert!(destination.directory.was_repaired(&name));
    let snapshot = at.0.join("a-0/00000000000000000000.snapshot");
    assert!(snapshot.is_file(), "what a clean start reads");
    let names = fs::read_dir(at.0.join("a-0")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.ends_with(".tmp")));
    let recovery_point = destination.directory.recovery_point(&name);
    assert_eq!(recovery_point, Some(Offset::ZERO));
}
