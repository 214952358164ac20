use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::IndexBytesKind;

use super::*;
use crate::test_shard::{append_abort, append_plain, append_reset, append_transactional, at, spec};

/// All written: a record, and a transaction that begins at offset 1 and is aborted at offset 2.
fn with_an_abort() -> MirrorPartition {
    let mut log = PartitionLog::empty(LogConfig::default(), Offset::ZERO);
    append_plain(&mut log, 0);
    append_transactional(&mut log, 7);
    append_abort(&mut log, 7);
    append_plain(&mut log, 0);
    let mut partition = MirrorPartition::new(spec());
    partition.written = ReadableEnd::of(&log);
    partition.log = Some(log);
    partition
}

fn stable(partition: &MirrorPartition) -> Offset {
    partition.progress().last_stable_offset.offset()
}

#[test]
fn readers_stop_before_an_aborted_transaction_that_no_index_names() {
    let mut partition = with_an_abort();
    assert_eq!(stable(&partition), at(1), "its entry is pending");

    let log = partition.log.as_mut().unwrap();
    log.take_index_bytes(IndexBytesKind::Transaction, &mut [0; 100]).unwrap();
    partition.aborts_in_flight = Some(at(1));
    assert_eq!(stable(&partition), at(1), "its entry is being written");

    partition.aborts_in_flight = None;
    assert_eq!(stable(&partition), at(4), "its entry is on disk");
}

#[test]
fn readers_stop_before_an_aborted_transaction_of_a_segment_not_finished() {
    let mut partition = with_an_abort();
    let log = partition.log.as_mut().unwrap();
    let closed = Box::new(log.close().active);
    log.take_index_bytes(IndexBytesKind::Transaction, &mut [0; 100]).unwrap();
    partition.closing.push_back(RolledSegment::new(closed, at(4)));
    assert_eq!(stable(&partition), at(1));
    // Also while its files are being finished.
    partition.closing[0].closed = None;
    assert_eq!(stable(&partition), at(1));
    partition.closing.clear();
    assert_eq!(stable(&partition), at(4));
}

#[test]
fn the_last_stable_offset_is_that_of_what_is_written() {
    let mut partition = with_an_abort();
    let log = partition.log.as_mut().unwrap();
    log.take_index_bytes(IndexBytesKind::Transaction, &mut [0; 100]).unwrap();
    append_transactional(log, 8);
    append_plain(log, 0);
    assert_eq!(stable(&partition), at(4), "what is open there is not written");
    partition.written = ReadableEnd::of(partition.log.as_ref().unwrap());
    append_abort(partition.log.as_mut().unwrap(), 8);
    let progress = partition.progress();
    assert_eq!((progress.log_end.offset(), stable(&partition)), (at(6), at(4)));
    assert_eq!(progress.producer_id_max.map(|id| id.get()), Some(8));
}

#[test]
fn the_place_of_the_end_is_behind_what_is_written() {
    let mut partition = with_an_abort();
    let log = partition.log.as_mut().unwrap();
    let place = log.end_place();
    append_plain(log, 0);
    assert!(log.end_place() > place);
    assert_eq!(partition.progress().end_place, place);
}

#[test]
fn a_reset_in_mirrored_batches_frees_readers_from_transactions_open_before_it() {
    let mut partition = with_an_abort();
    let log = partition.log.as_mut().unwrap();
    log.take_index_bytes(IndexBytesKind::Transaction, &mut [0; 100]).unwrap();
    append_transactional(log, 8);
    append_plain(log, 0);
    partition.written = ReadableEnd::of(log);
    assert_eq!(stable(&partition), at(4));
    let log = partition.log.as_mut().unwrap();
    append_reset(log);
    assert_eq!(log.producers().iter().len(), 0);
    partition.written = ReadableEnd::of(log);
    assert_eq!(stable(&partition), at(7));
}
