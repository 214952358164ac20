use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::TopicPartition;

use super::{LogCheckpoint, LogLedger};
use crate::directory::DirectoryCheckpoints;

fn name() -> TopicPartition {
    TopicPartition::parse_directory("a-0").unwrap()
}

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn checkpoint(start: i64, durable: i64, high_watermark: i64) -> LogCheckpoint {
    LogCheckpoint {
        recovery_point: offset(durable),
        log_start: LogStartOffset::new(offset(start)),
        high_watermark: Some(offset(high_watermark)),
    }
}

fn ledger() -> LogLedger {
    let mut checkpoints = DirectoryCheckpoints::default();
    let other = TopicPartition::parse_directory("not-in-this-run-7").unwrap();
    checkpoints.recovery_points.insert(other, offset(3));
    LogLedger::new(checkpoints)
}

#[test]
fn partitions_nobody_writes_keep_their_checkpoints() {
    let mut ledger = ledger();
    ledger.note(&name(), checkpoint(0, 10, 10));
    assert_eq!(ledger.checkpoints().recovery_points.len(), 2);
    assert!(ledger.checkpoints().log_starts.is_empty());
    ledger.forget(&name());
    assert_eq!(ledger.checkpoints().recovery_points.len(), 1);
}

#[test]
fn a_cut_log_takes_its_checkpoints_down_with_it() {
    let mut ledger = ledger();
    ledger.note(&name(), checkpoint(0, 10, 10));
    assert!(ledger.take_dirty());
    ledger.note_cut(&name(), offset(4));
    assert!(ledger.take_dirty());
    assert_eq!(ledger.checkpoints().recovery_points[&name()], offset(4));
    assert_eq!(ledger.checkpoints().high_watermarks[&name()], offset(4));
    ledger.note_cut(&name(), offset(9));
    assert_eq!(ledger.checkpoints().recovery_points[&name()], offset(4));
}

#[test]
fn news_that_change_nothing_make_no_checkpoint() {
    let mut ledger = ledger();
    ledger.note(&name(), checkpoint(5, 10, 10));
    assert!(ledger.take_dirty());
    ledger.note(&name(), checkpoint(5, 10, 10));
    assert!(!ledger.take_dirty());
    ledger.note(&name(), checkpoint(5, 11, 10));
    assert!(ledger.take_dirty());
}

#[test]
fn a_log_is_closed_when_its_last_writer_closed_it_or_nobody_came_since_a_clean_end() {
    let mut ledger = ledger();
    assert!(!ledger.is_closed(&name()));
    ledger.note_closed(&name(), true);
    assert!(ledger.is_closed(&name()));
    assert!(ledger.note_marker(true) && ledger.note_marker(false));
    ledger.note_closed(&name(), false);
    assert!(!ledger.is_closed(&name()));
    assert!(ledger.is_closed(&TopicPartition::parse_directory("untouched-1").unwrap()));
}
