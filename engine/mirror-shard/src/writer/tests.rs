use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::PartitionLog;

use super::*;
use crate::bridge::EngineCommand;
use crate::chunk::ReadableEnd;
use crate::limits::UPKEEP_INTERVAL_MS;
use crate::op::{Completion, Tick};
use crate::test_shard::{append_abort, append_transactional, at, events, shard, spec, step_ops};

const SLOT: PartitionSlot = PartitionSlot(0);

/// A shard whose partition has written a transaction from offset 0 and its abort, with the entry
/// for the transaction index pending.
fn shard_with_an_abort() -> Shard {
    let mut shard = shard();
    step_ops(&mut shard, Tick(0), &[EngineCommand::AddPartition(Box::new(spec()))], Vec::new());
    let mut log = PartitionLog::empty(LogConfig::default(), Offset::ZERO);
    append_transactional(&mut log, 7);
    append_abort(&mut log, 7);
    let partition = shard.partitions.get_mut(SLOT).unwrap();
    partition.phase = Phase::Fetching;
    partition.pending.files = 0;
    partition.written = ReadableEnd::of(&log);
    partition.recovery_point = partition.written.offset;
    partition.log = Some(log);
    shard.list_upkeep(SLOT);
    shard
}

fn transaction_index_writes(ops: Vec<Op>) -> Vec<(Offset, u64, u32, BufferLease)> {
    let write = |op| match op {
        Op::WriteIndex { kind: IndexKind::Transaction, segment, position, end, buffer, .. } => {
            Some((segment, position, end, buffer))
        }
        _ => None,
    };
    ops.into_iter().filter_map(write).collect()
}

fn after_upkeep(shard: &mut Shard) -> Vec<(Offset, u64, u32, BufferLease)> {
    let now = shard.now.after_ms(UPKEEP_INTERVAL_MS);
    transaction_index_writes(step_ops(shard, now, &[], Vec::new()).0)
}

#[test]
fn readers_go_past_an_abort_once_its_index_entry_is_written() {
    let mut shard = shard_with_an_abort();
    let mut writes = after_upkeep(&mut shard);
    let (segment, position, end, buffer) = writes.pop().unwrap();
    assert_eq!((segment, position, end), (Offset::ZERO, 0, 34));

    let log = shard.partitions.get_mut(SLOT).unwrap().log.as_mut().unwrap();
    append_transactional(log, 8);
    append_abort(log, 8);
    assert!(after_upkeep(&mut shard).is_empty(), "one write of the index at a time");

    let done = Completion::IndexWritten { slot: SLOT, buffer, result: Ok(()) };
    let now = shard.now;
    let (ops, reports) = step_ops(&mut shard, now, &[], vec![done]);
    let told = events(reports);
    let [PartitionEvent::Progress(progress)] = &told[..] else { panic!("not progress: {told:?}") };
    assert_eq!(progress.last_stable_offset.offset(), at(2));
    let next: Vec<_> =
        transaction_index_writes(ops).iter().map(|write| (write.1, write.2)).collect();
    assert_eq!(next, [(34, 34)], "the entry that came meanwhile follows");
}

#[test]
fn an_index_write_that_fails_reloads_the_log_and_lets_no_reader_on() {
    let mut shard = shard_with_an_abort();
    let (.., buffer) = after_upkeep(&mut shard).pop().unwrap();
    shard.note_progress(SLOT);
    let result = Err(io::Error::other("input/output error"));
    let failed = Completion::IndexWritten { slot: SLOT, buffer, result };
    let now = shard.now;
    let told = events(step_ops(&mut shard, now, &[], vec![failed]).1);
    let [PartitionEvent::DiskFault { .. }, PartitionEvent::Reloading] = &told[..] else {
        panic!("a fault and a reload, and no progress of a log that is closed: {told:?}")
    };
    let stable = shard.partitions.get(SLOT).unwrap().last_stable_offset();
    assert_eq!(stable.offset(), Offset::ZERO);
}

#[test]
fn without_aborts_no_index_is_written_early() {
    let mut shard = shard_with_an_abort();
    let mut log = PartitionLog::empty(LogConfig::default(), Offset::ZERO);
    append_transactional(&mut log, 7);
    shard.partitions.get_mut(SLOT).unwrap().log = Some(log);
    assert!(after_upkeep(&mut shard).is_empty());
    assert_eq!(shard.next_deadline(), None, "nothing is left to look at");
}
