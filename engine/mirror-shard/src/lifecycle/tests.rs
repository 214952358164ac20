use kafka_log::log_config::LogConfig;
use kafka_log::memory_files::MemoryFiles;
use kafka_log::partition_files::{FileName, PartitionFiles as _};
use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::{self, LoadRequest, LoadedLog, LogCut};
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::{
    BrokerId, PartitionIndex, TopicId, TopicIdPartition, TopicName, TopicPartition,
};

use crate::bridge::{
    DivergencePolicy, EngineCommand, EngineReport, NewPartition, PartitionEvent, Progress,
};
use crate::buffer_pool::{BufferLease, ShardBuffers};
use crate::limits::{FRAME_BUFFER_BYTES, RECORD_BUFFER_BYTES, ShardLimits};
use crate::mirror_partition::{MirrorPartition, Phase, RolledSegment};
use crate::op::{Completion, FileFault, FileOutcome, FileTask, Op, PartitionSlot, Tick};
use crate::shard::Shard;

fn spec() -> NewPartition {
    let partition = PartitionIndex::from_wire(0).unwrap();
    NewPartition {
        id: TopicIdPartition { topic_id: TopicId::from_wire([7; 16]).unwrap(), partition },
        name: TopicPartition { topic: TopicName::parse("topic").unwrap(), partition },
        source_has_topic_ids: true,
        leader: BrokerId::from_wire(1).unwrap(),
        source_epoch: None,
        leader_epoch: LeaderEpoch::ZERO,
        log_config: LogConfig::default(),
        recovery_point: None,
        log_start: None,
        clean: false,
        on_divergence: DivergencePolicy::Fail,
    }
}

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

/// A full disk was told as a cut of the log: records taken in and not written counted as lost.
#[test]
fn a_reload_that_keeps_the_log_loses_only_what_was_written() {
    let at = |offset| Offset::from_wire(offset).unwrap();
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

fn shard() -> Shard {
    let limits = ShardLimits {
        record_buffer_count: 4,
        connection_count_max: 1,
        batch_bytes_max: RECORD_BUFFER_BYTES,
        ..ShardLimits::STANDARD
    };
    let make = |count, bytes| {
        let lease = |index| BufferLease::new(index, vec![0; bytes as usize].leak());
        (0..count).map(lease).collect()
    };
    let record = make(limits.record_buffer_count, RECORD_BUFFER_BYTES);
    let frame = make(limits.frame_buffer_count(), FRAME_BUFFER_BYTES);
    Shard::new(0, limits, 1, ShardBuffers { record, frame })
}

/// Tells the shard something and returns the loads it asks for, and its reports.
fn step(
    shard: &mut Shard,
    now: Tick,
    commands: &[EngineCommand],
    completions: Vec<Completion>,
) -> (Vec<LoadRequest>, Vec<EngineReport>) {
    let (mut commands, mut completions) = (commands.to_vec(), completions);
    let (mut ops, mut reports) = (Vec::new(), Vec::new());
    shard.step(now, &mut commands, &mut completions, &mut ops, &mut reports);
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
    let loaded = LoadedLog { log, findings: Vec::new() };
    let result = Ok(FileOutcome::Loaded(Box::new(loaded)));
    let loaded = Completion::File { slot: PartitionSlot(0), result };
    let (loads, _) = step(&mut shard, Tick(60_000_001), &[], vec![loaded]);
    assert_eq!(loads.first().map(|request| request.cut), Some(LogCut::TruncateTo(to)));
}

/// On a full disk nothing was retired, so a mirror that filled it could not free its own space.
#[test]
fn a_reload_after_a_disk_fault_begins_where_the_source_does() {
    let at = |offset| Offset::from_wire(offset).unwrap();
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
