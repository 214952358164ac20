use kafka_log::log_config::LogConfig;
use kafka_log::memory_files::MemoryFiles;
use kafka_log::partition_files::{FileName, PartitionFiles as _};
use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::{self, LoadRequest, LoadedLog, LogCut};
use kafka_wire::offset::{LogStartOffset, Offset};

use crate::bridge::{EngineCommand, EngineReport, NewPartition, PartitionEvent, Progress};
use crate::chunk::ReadableEnd;
use crate::mirror_partition::{MirrorPartition, Phase, RolledSegment};
use crate::op::{Completion, FileFault, FileOutcome, FileTask, Op, PartitionSlot, Tick};
use crate::shard::Shard;
use crate::test_shard::{
    append_abort, append_plain, append_transactional, at, events, shard, spec, step_ops,
};

/// Found by fuzzing: a rolled segment was finished during the pause before a reload, which then
/// met a partition whose files were in use.
#[test]
fn a_log_dropped_for_a_reload_leaves_no_segment_to_finish() {
    let mut partition = MirrorPartition::new(spec());
    partition.log = Some(PartitionLog::empty(LogConfig::default(), Offset::ZERO));
    partition.closing.push_back(RolledSegment {
        closed: None,
        end: Offset::ZERO,
        unindexed_aborts_from: None,
    });
    partition.drop_log(LogCut::Keep);
    assert!(partition.closing.is_empty());
    assert!(partition.log.is_none());
}

#[test]
fn a_log_dropped_for_a_reload_does_not_let_readers_on() {
    let mut partition = MirrorPartition::new(spec());
    let mut log = PartitionLog::empty(LogConfig::default(), Offset::ZERO);
    append_transactional(&mut log, 7);
    append_abort(&mut log, 7);
    partition.written = ReadableEnd::of(&log);
    partition.log = Some(log);
    partition.drop_log(LogCut::Keep);
    assert_eq!(partition.progress().last_stable_offset.offset(), Offset::ZERO);
}

/// A full disk was told as a cut of the log: records taken in and not written counted as lost.
#[test]
fn a_reload_that_keeps_the_log_loses_only_what_was_written() {
    let reloaded_from = |cut| {
        let mut partition = MirrorPartition::new(spec());
        partition.log = Some(PartitionLog::empty(LogConfig::default(), at(8880)));
        partition.written.offset = at(7608);
        partition.drop_log(cut);
        partition.reloaded_from.map(|end| end.offset())
    };
    assert_eq!(reloaded_from(LogCut::Keep), Some(at(7608)));
    assert_eq!(reloaded_from(LogCut::TruncateTo(at(8000))), Some(at(8880)));
}

/// Tells the shard something and returns the loads it asks for, and its reports.
fn step(
    shard: &mut Shard,
    now: Tick,
    commands: &[EngineCommand],
    completions: Vec<Completion>,
) -> (Vec<LoadRequest>, Vec<EngineReport>) {
    let (ops, reports) = step_ops(shard, now, commands, completions);
    let load = |op| match op {
        Op::File { task: FileTask::Load { request, .. }, .. } => Some(request),
        _ => None,
    };
    (ops.into_iter().filter_map(load).collect(), reports)
}

/// A shard whose partition could not be loaded: the disk refused.
fn shard_with_a_failed_load(spec: NewPartition) -> Shard {
    let mut shard = shard();
    step(&mut shard, Tick(0), &[EngineCommand::AddPartition(Box::new(spec))], Vec::new());
    let refused = FileFault::Io(std::io::ErrorKind::StorageFull.into());
    let failed = Completion::File { slot: PartitionSlot(0), result: Err(refused) };
    step(&mut shard, Tick(1), &[], vec![failed]);
    shard
}

#[test]
fn a_load_tried_again_trusts_what_the_first_one_trusted() {
    let recovery_point = Offset::from_wire(100);
    let mut shard = shard_with_a_failed_load(NewPartition { recovery_point, ..spec() });
    let (loads, _) = step(&mut shard, Tick(60_000_000), &[], Vec::new());
    assert_eq!(loads.len(), 1);
    assert_eq!(loads[0].recovery_point, recovery_point);
    assert!(loads[0].log_start.is_none());
}

#[test]
fn a_pause_before_the_log_is_loaded_reports_what_the_host_knows() {
    let recovery_point = Offset::from_wire(100);
    let spec = NewPartition { recovery_point, ..spec() };
    let id = spec.id;
    let mut shard = shard_with_a_failed_load(spec);
    let (_, reports) = step(&mut shard, Tick(2), &[EngineCommand::Pause(id)], Vec::new());
    let [EngineReport::Partition { event: PartitionEvent::Paused(progress), .. }] = &reports[..]
    else {
        panic!("one report of a pause, not {reports:?}")
    };
    let Progress { log_start, recovery_point, .. } = *progress;
    assert_eq!((log_start.offset(), recovery_point.get()), (Offset::ZERO, 100));
}

#[test]
fn a_cut_ordered_before_the_log_is_loaded_is_made_once_it_is() {
    let spec = spec();
    let (partition, to) = (spec.id, Offset::from_wire(40).unwrap());
    let mut shard = shard_with_a_failed_load(spec);
    step(&mut shard, Tick(2), &[EngineCommand::Truncate { partition, to }], Vec::new());
    step(&mut shard, Tick(60_000_000), &[], Vec::new());
    let log = PartitionLog::empty(LogConfig::default(), Offset::from_wire(100).unwrap());
    let loaded = LoadedLog { log, findings: Vec::new(), is_as_closed: false };
    let result = Ok(FileOutcome::Loaded(Box::new(loaded)));
    let loaded = Completion::File { slot: PartitionSlot(0), result };
    let (loads, _) = step(&mut shard, Tick(60_000_001), &[], vec![loaded]);
    assert_eq!(loads.first().map(|request| request.cut), Some(LogCut::TruncateTo(to)));
}

#[test]
fn a_log_loaded_again_is_told_with_its_epochs_and_its_new_end() {
    let mut shard = shard();
    let spec = spec();
    let to = at(2);
    let order = EngineCommand::Truncate { partition: spec.id, to };
    step(&mut shard, Tick(0), &[EngineCommand::AddPartition(Box::new(spec))], Vec::new());
    let loaded = |records_by_epoch: &[i32]| {
        let mut log = PartitionLog::empty(LogConfig::default(), Offset::ZERO);
        records_by_epoch.iter().for_each(|epoch| append_plain(&mut log, *epoch));
        let loaded = LoadedLog { log, findings: Vec::new(), is_as_closed: false };
        let result = Ok(FileOutcome::Loaded(Box::new(loaded)));
        Completion::File { slot: PartitionSlot(0), result }
    };
    let (_, reports) = step(&mut shard, Tick(1), &[], vec![loaded(&[3, 3, 5])]);
    let told = events(reports);
    let [PartitionEvent::Loaded { progress, epochs, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((progress.log_end.offset(), epochs.entries().len()), (at(3), 2));

    let (loads, reports) = step(&mut shard, Tick(2), &[order], Vec::new());
    assert_eq!(loads.len(), 1);
    let told = events(reports);
    assert!(matches!(told[..], [PartitionEvent::Reloading]), "{told:?}");

    let (_, reports) = step(&mut shard, Tick(3), &[], vec![loaded(&[3, 3])]);
    let told = events(reports);
    let [PartitionEvent::Truncated { epochs: left, .. }, PartitionEvent::Loaded { epochs, .. }] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((left.entries().len(), epochs.entries().len()), (1, 1));
}

/// On a full disk nothing was retired, so a mirror that filled it could not free its own space.
#[test]
fn a_reload_after_a_disk_fault_begins_where_the_source_does() {
    for (source_start, durable, expected) in [(60, 100, 60), (60, 40, 40), (0, 100, 10)] {
        let mut shard = shard();
        let spec = NewPartition { log_start: Some(LogStartOffset::new(at(10))), ..spec() };
        step(&mut shard, Tick(0), &[EngineCommand::AddPartition(Box::new(spec))], Vec::new());
        let slot = PartitionSlot(0);
        let partition = shard.partitions.get_mut(slot).unwrap();
        partition.log = Some(log_with_a_gap(at(10), at(100)));
        partition.phase = Phase::Fetching;
        partition.pending.files = 0;
        (partition.written.offset, partition.recovery_point) = (at(100), at(durable));
        partition.source_log_start = at(source_start);
        shard.discard(slot, LogCut::Keep);
        let reports = std::mem::take(&mut shard.reports);
        let (loads, _) = step(&mut shard, Tick(60_000_000), &[], Vec::new());
        assert_eq!(loads.len(), 1);
        assert_eq!(loads[0].log_start, Some(LogStartOffset::new(at(expected))));
        // The host records the start before anything below it goes.
        let told = reports.iter().find_map(|report| match report {
            EngineReport::Partition { event: PartitionEvent::Progress(progress), .. } => {
                Some(progress.log_start.offset())
            }
            _ => None,
        });
        assert_eq!(told, (expected > 10).then(|| at(expected)));
    }
}

/// A log without records that starts at `start`, in one segment, and ends at `end`, in another.
fn log_with_a_gap(start: Offset, end: Offset) -> PartitionLog {
    let mut files = MemoryFiles::default();
    for base in [Offset::ZERO, end] {
        files.write_at(FileName::log(base), 0, &[]).unwrap();
    }
    let request = LoadRequest {
        topic_id: spec().id.topic_id,
        config: LogConfig::default(),
        recovery_point: Some(end),
        log_start: Some(LogStartOffset::new(start)),
        clean: true,
        cut: LogCut::Keep,
    };
    let log = recovery::load(&mut files, &request).unwrap().log;
    assert_eq!((log.log_start().offset(), log.accepted_end().offset()), (start, end));
    log
}

mod removal;
