use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::LogPlace;
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::{PartitionIndex, TopicId, TopicIdPartition, TopicPartition};
use mirror_uring::Progress;

use super::{BookEntry, PartitionBook};
use crate::directory::DirectoryCheckpoints;

fn id() -> TopicIdPartition {
    let topic_id = TopicId::from_wire([1; 16]).unwrap();
    TopicIdPartition { topic_id, partition: PartitionIndex::from_wire(0).unwrap() }
}

fn name() -> TopicPartition {
    TopicPartition::parse_directory("a-0").unwrap()
}

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn progress(start: i64, durable: i64, end: i64, high_watermark: i64) -> Progress {
    Progress {
        log_start: LogStartOffset::new(offset(start)),
        log_end: LogEndOffset::new(offset(end)),
        recovery_point: offset(durable),
        source_high_watermark: Some(HighWatermark::new(offset(high_watermark))),
        last_epoch: None,
        end_place: LogPlace::default(),
        last_stable_offset: LastStableOffset::new(offset(end)),
        producer_id_max: None,
    }
}

fn book() -> PartitionBook {
    let mut checkpoints = DirectoryCheckpoints::default();
    let other = TopicPartition::parse_directory("not-in-this-run-7").unwrap();
    checkpoints.recovery_points.insert(other, offset(3));
    let mut book = PartitionBook::new(checkpoints);
    let entry = || BookEntry {
        name: name(),
        source_has_topic_ids: true,
        log_config: LogConfig::default(),
        progress: None,
        loaded_end: None,
        target: None,
    };
    assert!(book.open(id(), entry).1);
    book
}

#[test]
fn a_checkpoint_never_covers_more_than_what_is_durable() {
    let mut book = book();
    book.note_progress(id(), progress(5, 10, 20, 30));
    assert!(book.take_dirty());
    assert!(!book.take_dirty());
    let checkpoints = book.checkpoints();
    assert_eq!(checkpoints.recovery_points[&name()], offset(10));
    assert_eq!(checkpoints.high_watermarks[&name()], offset(10));
    assert_eq!(checkpoints.log_starts[&name()], offset(5));
}

#[test]
fn partitions_outside_this_run_keep_their_checkpoints() {
    let mut book = book();
    book.note_progress(id(), progress(0, 10, 20, 30));
    assert_eq!(book.checkpoints().recovery_points.len(), 2);
    assert!(book.checkpoints().log_starts.is_empty());
}

#[test]
fn a_cut_log_takes_its_checkpoints_down_with_it() {
    let mut book = book();
    book.note_progress(id(), progress(0, 10, 20, 30));
    book.take_dirty();
    book.note_cut(id(), offset(4));
    assert!(book.take_dirty());
    assert_eq!(book.checkpoints().recovery_points[&name()], offset(4));
    assert_eq!(book.checkpoints().high_watermarks[&name()], offset(4));
    book.note_cut(id(), offset(9));
    assert_eq!(book.checkpoints().recovery_points[&name()], offset(4));
}

#[test]
fn news_that_change_nothing_make_no_checkpoint() {
    let mut book = book();
    book.note_progress(id(), progress(0, 10, 20, 30));
    book.take_dirty();
    book.note_progress(id(), progress(0, 10, 25, 35));
    assert!(!book.take_dirty());
}
