use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::control_record::ControlRecord;
use kafka_wire::producer::ProducerEpoch;
use kafka_wire::record_batch::BatchAttributes;

use super::*;
use crate::test_history::{epoch, offset, producer, validated};

const CONFIG: LogConfig = LogConfig {
    segment_bytes: 400,
    segment_ms: 1_000,
    index_interval_bytes: 100,
    segment_index_bytes: 64,
};

/// A batch of one record: `bytes` long all in all, at least 70.
fn batch(base: i64, raw_epoch: i32, timestamp_ms: i64, bytes: usize) -> ValidatedBatch {
    let mut builder = BatchBuilder::new(offset(base), SourceLeaderEpoch::from_wire(raw_epoch));
    let empty = {
        let mut builder = builder.clone();
        builder.push(&NewRecord { timestamp_ms, key: None, value: Some(&[]) });
        builder.finish().len()
    };
    // Above 63 bytes, two lengths of the record take one byte more each.
    let overhead = if bytes - empty > 50 { empty + 2 } else { empty };
    let value = vec![0; bytes - overhead];
    builder.push(&NewRecord { timestamp_ms, key: None, value: Some(&value) });
    let batch = validated(&builder.finish());
    assert_eq!(batch.header.batch_bytes as usize, bytes);
    batch
}

fn append(log: &mut PartitionLog, batch: &ValidatedBatch) -> AppendOutcome {
    let plan = log.plan_append(&batch.header).unwrap();
    log.append(plan, batch)
}

fn take(log: &mut PartitionLog, kind: IndexBytesKind) -> Vec<u8> {
    let mut buffer = [0; 1000];
    let taken = log.take_index_bytes(kind, &mut buffer);
    taken.map_or(Vec::new(), |taken| buffer[..taken.bytes].to_vec())
}

#[test]
fn batches_lie_one_behind_the_other() {
    let mut log = PartitionLog::empty(CONFIG, offset(10));
    let plan = log.plan_append(&batch(10, 1, 0, 100).header).unwrap();
    assert_eq!(plan, AppendPlan { segment: offset(10), position: 0, rolls: false });
    append(&mut log, &batch(10, 1, 0, 100));
    let plan = log.plan_append(&batch(15, 1, 0, 100).header).unwrap();
    assert_eq!(plan, AppendPlan { segment: offset(10), position: 100, rolls: false });
    let outcome = append(&mut log, &batch(15, 1, 0, 100));
    assert_eq!(outcome.next_offset, offset(16));
    assert!(outcome.rolled.is_none());
    assert_eq!(log.accepted_end().offset(), offset(16));
    assert_eq!(log.active_bytes(), 200);
}

#[test]
fn a_batch_that_does_not_continue_the_log_is_refused() {
    let mut log = PartitionLog::empty(CONFIG, offset(10));
    let refusal = |log: &PartitionLog, base, raw_epoch| {
        log.plan_append(&batch(base, raw_epoch, 0, 100).header).unwrap_err()
    };
    assert_eq!(refusal(&log, 9, 1), AppendRefusal::StartsBelow { base: offset(9) });
    append(&mut log, &batch(10, 5, 0, 100));
    let expected = log.accepted_end();
    let backwards = AppendRefusal::OffsetBackwards { expected, found: offset(10) };
    assert_eq!(refusal(&log, 10, 5), backwards);
    assert_eq!(backwards.to_string(), "batch starts at offset 10, log ends at 11");
    let (latest, found) = (epoch(5), epoch(4));
    let older = AppendRefusal::EpochBackwards { offset: offset(11), latest, found };
    assert_eq!(refusal(&log, 11, 4), older);
    let mut huge = batch(11, 5, 0, 100).header;
    huge.batch_bytes = 1 << 31;
    let bytes_max = SEGMENT_FILE_BYTES_MAX;
    let too_large = AppendRefusal::BatchTooLarge { offset: offset(11), bytes: 1 << 31, bytes_max };
    assert_eq!(log.plan_append(&huge).unwrap_err(), too_large);
    assert!(log.plan_append(&batch(11, -1, 0, 100).header).is_ok(), "no epoch is no older one");
}

#[test]
fn a_segment_rolls_when_it_would_grow_too_long() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    append(&mut log, &batch(0, 1, 0, 300));
    let fits = log.plan_append(&batch(1, 1, 0, 100).header).unwrap();
    assert!(!fits.rolls);
    let plan = log.plan_append(&batch(3, 1, 0, 101).header).unwrap();
    assert_eq!(plan, AppendPlan { segment: offset(3), position: 0, rolls: true });
    let rolled = append(&mut log, &batch(3, 1, 0, 101)).rolled.unwrap();
    assert_eq!((rolled.base, rolled.end, rolled.log_bytes), (offset(0), offset(3), 300));
    assert_eq!(log.segment_bases().collect::<Vec<_>>(), [offset(0), offset(3)]);
}

#[test]
fn a_batch_longer_than_a_segment_has_one_to_itself() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    assert!(!log.plan_append(&batch(0, 1, 0, 1000).header).unwrap().rolls);
    append(&mut log, &batch(0, 1, 0, 1000));
    assert!(log.plan_append(&batch(1, 1, 0, 100).header).unwrap().rolls);
}

#[test]
fn a_segment_rolls_by_the_timestamps_of_its_batches() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    append(&mut log, &batch(0, 1, 5_000, 100));
    assert!(!log.plan_append(&batch(1, 1, 6_000, 100).header).unwrap().rolls);
    assert!(log.plan_append(&batch(1, 1, 6_001, 100).header).unwrap().rolls);
    let mut untimed = PartitionLog::empty(CONFIG, offset(0));
    append(&mut untimed, &batch(0, 1, -1, 100));
    assert!(!untimed.plan_append(&batch(1, 1, 6_001, 100).header).unwrap().rolls);
}

#[test]
fn a_segment_rolls_before_an_offset_its_indexes_cannot_name() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    let last = i64::from(i32::MAX);
    assert!(!log.plan_append(&batch(last, 1, 0, 100).header).unwrap().rolls);
    let far = batch(last + 1, 1, 0, 100);
    let plan = log.plan_append(&far.header).unwrap();
    assert_eq!(plan, AppendPlan { segment: offset(last + 1), position: 0, rolls: true });
    append(&mut log, &far);
    assert_eq!(log.segment_bases().count(), 2, "the empty segment stays");
}

#[test]
fn a_segment_rolls_when_its_time_index_has_one_entry_left() {
    let config = LogConfig { segment_bytes: 1 << 20, ..CONFIG };
    let mut log = PartitionLog::empty(config, offset(0));
    // 64 bytes hold 5 time entries; the fifth is for the segment's end.
    let rolls = (0..7_i64).map(|raw| {
        let next = batch(raw, 1, raw, 101);
        let rolls = log.plan_append(&next.header).unwrap().rolls;
        append(&mut log, &next);
        rolls
    });
    assert_eq!(rolls.collect::<Vec<_>>(), [false, false, false, false, false, true, false]);
}

#[test]
fn indexes_name_every_batch_that_follows_enough_bytes() {
    let mut log = PartitionLog::empty(CONFIG, offset(100));
    for (base, timestamp_ms) in [(100, 50), (101, 40), (103, 40), (104, 60)] {
        append(&mut log, &batch(base, 1, timestamp_ms, 80));
    }
    // 160 bytes lie before the third batch: more than 100. After it, 80 only.
    assert_eq!(log.pending_index_bytes(), 20);
    assert_eq!(take(&mut log, IndexBytesKind::Offset), [0, 0, 0, 3, 0, 0, 0, 160]);
    assert_eq!(take(&mut log, IndexBytesKind::Time), [0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 0]);
    assert_eq!(take(&mut log, IndexBytesKind::Transaction), []);
    assert_eq!(log.pending_index_bytes(), 0);
    let closed = log.close().active;
    assert_eq!(closed.offset_index, crate::closing::IndexTail { position: 8, bytes: vec![] });
    assert_eq!(closed.time_index.position, 12);
    assert_eq!(closed.time_index.bytes, [0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 4]);
}

#[test]
fn index_bytes_are_handed_out_in_whole_entries() {
    let config = LogConfig { index_interval_bytes: 1, segment_bytes: 1 << 20, ..CONFIG };
    let mut log = PartitionLog::empty(config, offset(0));
    for raw in 0..4 {
        append(&mut log, &batch(raw, 1, 0, 100));
    }
    let mut buffer = [0; 20];
    let taken = log.take_index_bytes(IndexBytesKind::Offset, &mut buffer).unwrap();
    assert_eq!(taken, IndexBytes { segment: offset(0), position: 0, bytes: 16 });
    let taken = log.take_index_bytes(IndexBytesKind::Offset, &mut buffer).unwrap();
    assert_eq!(taken, IndexBytes { segment: offset(0), position: 16, bytes: 8 });
    assert_eq!(log.take_index_bytes(IndexBytesKind::Offset, &mut buffer), None);
    assert_eq!(log.take_index_bytes(IndexBytesKind::Time, &mut buffer[..11]), None);
}

#[test]
fn moving_the_start_retires_segments_wholly_below_it() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    for raw in 0..4_i32 {
        append(&mut log, &batch(i64::from(raw) * 10, raw, 0, 300));
    }
    let moved = |log: &mut PartitionLog, to| log.advance_log_start(LogStartOffset::new(offset(to)));
    assert_eq!(moved(&mut log, 9), []);
    assert_eq!(moved(&mut log, 15), [offset(0)]);
    let version = log.epochs_version();
    assert_eq!(moved(&mut log, 3), [], "a start never moves back");
    assert_eq!((log.log_start().offset(), log.epochs_version()), (offset(15), version));
    assert_eq!(log.epoch_checkpoint(offset(30)), b"0\n2\n1 15\n2 20\n");
    assert_eq!(moved(&mut log, 1_000), [offset(10), offset(20)], "the active segment stays");
    assert_eq!(log.log_start().offset(), offset(31), "a start stays within the log");
    assert_eq!(log.segment_bases().collect::<Vec<_>>(), [offset(30)]);
}

#[test]
fn a_segment_begun_at_the_end_lets_all_records_leave() {
    let mut log = PartitionLog::empty(CONFIG, offset(5));
    assert!(log.roll_at_end().is_none(), "an empty segment is not rolled");
    append(&mut log, &batch(5, 1, 7_000, 100));
    assert_eq!(log.active_max_timestamp_ms(), Some(7_000));
    let rolled = log.roll_at_end().unwrap();
    assert_eq!((rolled.base, rolled.end, rolled.log_bytes), (offset(5), offset(6), 100));
    assert_eq!((log.active_segment(), log.active_max_timestamp_ms()), (offset(6), None));
    assert_eq!(log.advance_log_start(LogStartOffset::new(offset(6))), [offset(5)]);
    assert!(log.is_empty());
}

#[test]
fn other_sizes_count_from_the_next_batch() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    append(&mut log, &batch(0, 1, 0, 300));
    log.set_config(LogConfig { segment_bytes: 1 << 20, ..CONFIG });
    assert!(!log.plan_append(&batch(1, 1, 0, 300).header).unwrap().rolls);
}

#[test]
fn every_new_epoch_counts_and_is_checkpointed_once_durable() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    append(&mut log, &batch(0, 3, 0, 100));
    append(&mut log, &batch(1, 3, 0, 100));
    append(&mut log, &batch(2, 4, 0, 100));
    assert_eq!(log.epochs_version(), 2);
    assert_eq!(log.latest_epoch(), Some(epoch(4)));
    assert_eq!(log.epoch_checkpoint(offset(2)), b"0\n1\n3 0\n");
    let end = log.epoch_end_offset(epoch(3)).unwrap();
    assert_eq!((end.epoch, end.end), (epoch(3), offset(2)));
}

/// A batch of a transaction, or its ABORT marker.
fn transactional(base: i64, raw_producer: i64, is_abort: bool) -> ValidatedBatch {
    let producer = (producer(raw_producer), ProducerEpoch::from_wire(0));
    if is_abort {
        let marker = ControlRecord::Abort { coordinator_epoch: 1 };
        let builder =
            BatchBuilder::transaction_marker(offset(base), Some(epoch(1)), producer, marker, 0);
        return validated(&builder.finish());
    }
    let mut builder = BatchBuilder::new(offset(base), Some(epoch(1)));
    let (id, epoch) = producer;
    builder.producer = BatchProducer { id: Some(id), epoch, base_sequence: 0 };
    builder.attributes = BatchAttributes::from_wire(0x10);
    builder.push(&NewRecord { timestamp_ms: 0, key: None, value: None });
    validated(&builder.finish())
}

#[test]
fn an_abort_is_unindexed_until_its_entry_was_handed_out() {
    let config = LogConfig { segment_bytes: 1 << 20, ..CONFIG };
    let mut log = PartitionLog::empty(config, offset(0));
    append(&mut log, &transactional(0, 7, false));
    append(&mut log, &transactional(1, 8, false));
    append(&mut log, &transactional(2, 8, true));
    assert_eq!(log.unindexed_aborts_from(), Some(offset(1)));
    append(&mut log, &transactional(3, 7, true));
    assert_eq!(log.unindexed_aborts_from(), Some(offset(0)), "the earliest counts");
    assert_eq!(log.close().active.unindexed_aborts_from(), Some(offset(0)));
    take(&mut log, IndexBytesKind::Transaction);
    assert_eq!(log.unindexed_aborts_from(), None);
    assert_eq!(log.close().active.unindexed_aborts_from(), None);
}

#[test]
fn a_segment_that_rolls_takes_its_unindexed_aborts_along() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    append(&mut log, &transactional(0, 7, false));
    append(&mut log, &transactional(1, 7, true));
    let rolled = append(&mut log, &batch(2, 1, 0, 400)).rolled.unwrap();
    assert_eq!(rolled.unindexed_aborts_from(), Some(offset(0)));
    assert_eq!(log.unindexed_aborts_from(), None);
}

#[test]
fn the_largest_producer_id_is_kept() {
    let mut log = PartitionLog::empty(CONFIG, offset(0));
    append(&mut log, &batch(0, 1, 0, 100));
    assert_eq!(log.producer_id_max(), None);
    append(&mut log, &transactional(1, 9, false));
    append(&mut log, &transactional(2, 3, false));
    append(&mut log, &batch(3, 1, 0, 100));
    assert_eq!(log.producer_id_max(), Some(producer(9)));
}
