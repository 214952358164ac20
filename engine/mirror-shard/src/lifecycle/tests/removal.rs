//! Removals: prompt whatever the partition is doing, and no obstacle to a next life.

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};

use super::*;
use crate::bridge::{DivergencePolicy, PartitionFailure};
use crate::limits::ShardLimits;
use crate::mirror_partition::AfterBackoff;
use crate::test_shard::{broker, loaded, loaded_empty, shard_with};

const SLOT: PartitionSlot = PartitionSlot(0);

fn remove(delete: bool) -> EngineCommand {
    EngineCommand::Remove { partition: spec().id, delete }
}

fn add() -> EngineCommand {
    EngineCommand::AddPartition(Box::new(spec()))
}

fn log_of(records: usize) -> PartitionLog {
    let mut log = PartitionLog::empty(LogConfig::default(), Offset::ZERO);
    (0..records).for_each(|_| append_plain(&mut log, 3));
    log
}

fn shard_with_a_log() -> Shard {
    let mut shard = shard();
    step_ops(&mut shard, Tick(0), &[add()], Vec::new());
    step_ops(&mut shard, Tick(1), &[], vec![loaded(0, log_of(2))]);
    shard
}

/// The file tasks that the shard asks for, by name, and what it tells of the partition.
fn told(
    shard: &mut Shard,
    now: u64,
    commands: &[EngineCommand],
    completions: Vec<Completion>,
) -> (Vec<&'static str>, Vec<PartitionEvent>) {
    let (ops, reports) = step_ops(shard, Tick(now), commands, completions);
    let task = |op| match op {
        Op::File { task: FileTask::Load { .. }, .. } => Some("load"),
        Op::File { task: FileTask::CloseLog(_), .. } => Some("close"),
        Op::File { task: FileTask::Remove, .. } => Some("delete"),
        _ => None,
    };
    (ops.into_iter().filter_map(task).collect(), events(reports))
}

fn done(outcome: FileOutcome) -> Vec<Completion> {
    vec![Completion::File { slot: SLOT, result: Ok(outcome) }]
}

/// The offset at which each removal told says that the log was closed.
fn ends(told: &[PartitionEvent]) -> Vec<Option<i64>> {
    let end = |event: &PartitionEvent| match event {
        PartitionEvent::Removed(progress) => {
            Some(progress.map(|progress| progress.log_end.offset().get()))
        }
        _ => None,
    };
    told.iter().filter_map(end).collect()
}

#[test]
fn a_partition_is_closed_at_once_whatever_it_waits_for() {
    let phases = [
        Phase::Aligning,
        Phase::Fetching,
        Phase::Repairing,
        Phase::Backoff(AfterBackoff::Align),
        Phase::Backoff(AfterBackoff::Fetch),
        Phase::LeaderUnknown,
        Phase::Fenced,
        Phase::Failed,
    ];
    for phase in phases {
        let mut shard = shard_with_a_log();
        shard.partitions.get_mut(SLOT).unwrap().phase = phase;
        let (tasks, _) = told(&mut shard, 2, &[remove(false)], Vec::new());
        assert_eq!(tasks, ["close"], "{phase:?}");
        let (_, events) = told(&mut shard, 3, &[], done(FileOutcome::LogClosed));
        assert_eq!(ends(&events), [Some(2)], "{phase:?}");
        let [PartitionEvent::Removed(Some(progress))] = &events[..] else { panic!("{events:?}") };
        assert_eq!(progress.last_epoch, SourceLeaderEpoch::from_wire(3));
        assert_eq!(progress.recovery_point, progress.log_end.offset());
        assert_eq!(shard.partitions.len(), 0);
    }
}

#[test]
fn a_partition_that_could_not_be_loaded_is_given_up_at_once() {
    let mut waiting = shard_with_a_failed_load(spec());
    let (_, events) = told(&mut waiting, 2, &[remove(false)], Vec::new());
    assert_eq!(ends(&events), [None]);

    let mut failed = shard_with_a_failed_load(spec());
    failed.fail(SLOT, PartitionFailure::Unloadable { reason: "not a log".to_owned() });
    failed.reports.clear();
    let (_, events) = told(&mut failed, 2, &[remove(false)], Vec::new());
    assert_eq!(ends(&events), [None]);
}

#[test]
fn a_partition_removed_while_it_is_loaded_is_closed_without_asking_its_source() {
    let mut shard = shard();
    told(&mut shard, 0, &[add(), remove(false)], Vec::new());
    let (tasks, events) = told(&mut shard, 1, &[], vec![loaded_empty(0)]);
    assert_eq!(tasks, ["close"]);
    assert!(matches!(events[..], [PartitionEvent::Loaded { .. }]), "{events:?}");
    assert!(shard.brokers.is_empty(), "no connection was wanted");
    let (_, events) = told(&mut shard, 2, &[], done(FileOutcome::LogClosed));
    assert_eq!(ends(&events), [Some(0)]);
}

#[test]
fn a_partition_added_again_during_its_removal_lives_again_behind_it() {
    let mut shard = shard_with_a_log();
    let (tasks, events) = told(&mut shard, 2, &[remove(false), add(), add()], Vec::new());
    assert_eq!((tasks, ends(&events)), (vec!["close"], vec![]));
    let (tasks, events) = told(&mut shard, 3, &[], done(FileOutcome::LogClosed));
    assert_eq!((tasks, ends(&events)), (vec!["load"], vec![Some(2)]));
    let (_, events) = told(&mut shard, 4, &[], vec![loaded(0, log_of(2))]);
    assert!(matches!(events[..], [PartitionEvent::Loaded { .. }]), "{events:?}");
}

#[test]
fn each_of_many_lives_has_its_end_told() {
    let mut shard = shard_with_a_log();
    let turns = [remove(false), add(), remove(false), add(), remove(false), add()];
    told(&mut shard, 2, &turns, Vec::new());
    let (tasks, events) = told(&mut shard, 3, &[], done(FileOutcome::LogClosed));
    assert_eq!((tasks, ends(&events)), (vec!["load"], vec![Some(2), None, None]));
    assert_eq!(shard.partitions.len(), 1);
    // And again, many times over.
    for turn in 0..20 {
        let now = 10 + 10 * turn;
        let (tasks, _) = told(&mut shard, now, &[], vec![loaded(0, log_of(2))]);
        assert_eq!(tasks, [""; 0]);
        let (tasks, _) = told(&mut shard, now + 1, &[remove(false), add()], Vec::new());
        assert_eq!(tasks, ["close"]);
        let (tasks, events) = told(&mut shard, now + 2, &[], done(FileOutcome::LogClosed));
        assert_eq!((tasks, ends(&events)), (vec!["load"], vec![Some(2)]));
    }
}

#[test]
fn orders_that_come_before_the_next_life_are_for_it() {
    let mut shard = shard_with_a_log();
    let partition = spec().id;
    let (leader, source_epoch) = (broker(0, 7), SourceLeaderEpoch::from_wire(9).unwrap());
    let epoch = LeaderEpoch::from_wire(12).unwrap();
    let policy = DivergencePolicy::Truncate;
    let orders = [
        remove(false),
        add(),
        EngineCommand::SetSourceLeader { partition, leader, epoch: source_epoch },
        EngineCommand::SetLeaderEpoch { partition, epoch },
        EngineCommand::SetDivergencePolicy { partition, policy },
        EngineCommand::Truncate { partition, to: at(1) },
        EngineCommand::Pause(partition),
    ];
    told(&mut shard, 2, &orders, Vec::new());
    told(&mut shard, 3, &[], done(FileOutcome::LogClosed));
    let held = shard.partitions.get(SLOT).unwrap();
    assert_eq!((held.leader(), held.source_epoch()), (leader, Some(source_epoch)));
    assert_eq!((held.spec.leader_epoch, held.spec.on_divergence), (epoch, policy));
    let (tasks, _) = told(&mut shard, 4, &[], vec![loaded(0, log_of(2))]);
    assert_eq!(tasks, ["load"], "the cut comes first");
    let (_, events) = told(&mut shard, 5, &[], vec![loaded(0, log_of(1))]);
    assert!(matches!(events.last(), Some(PartitionEvent::Paused(_))), "{events:?}");
}

#[test]
fn a_stop_ends_the_life_that_has_not_begun() {
    let mut shard = shard_with_a_log();
    told(&mut shard, 2, &[remove(false), add(), EngineCommand::Stop], Vec::new());
    let (tasks, events) = told(&mut shard, 3, &[], done(FileOutcome::LogClosed));
    assert_eq!((tasks, ends(&events)), (vec![], vec![Some(2), None]));
}

#[test]
fn a_deletion_ordered_while_the_log_is_closed_deletes_it() {
    let mut shard = shard_with_a_log();
    told(&mut shard, 2, &[remove(false)], Vec::new());
    told(&mut shard, 3, &[remove(true)], Vec::new());
    let (tasks, events) = told(&mut shard, 4, &[], done(FileOutcome::LogClosed));
    assert_eq!((tasks, ends(&events)), (vec!["delete"], vec![]));
    let (_, events) = told(&mut shard, 5, &[], done(FileOutcome::Removed));
    assert_eq!(ends(&events), [None]);
}

#[test]
fn a_policy_told_counts_from_the_next_divergence_on() {
    let mut shard = shard_with_a_log();
    let (partition, policy) = (spec().id, DivergencePolicy::Truncate);
    told(&mut shard, 2, &[EngineCommand::SetDivergencePolicy { partition, policy }], Vec::new());
    assert_eq!(shard.partitions.get(SLOT).unwrap().spec.on_divergence, policy);
}

#[test]
fn a_removal_ends_the_connection_of_a_source_that_went_silent_within_a_batch() {
    use crate::connection::{ConnectionPhase, ReceiveTarget};
    let mut shard = shard_with_a_log();
    let place = shard.partitions.get(SLOT).unwrap().lane.unwrap().connection;
    shard.connections[place].phase = ConnectionPhase::Ready;
    let target = ReceiveTarget::Chunk { slot: SLOT, chunk: 0, start: 0 };
    shard.connections[place].receiving = Some(target);
    shard.partitions.get_mut(SLOT).unwrap().pending.receives = 1;
    let (ops, _) = step_ops(&mut shard, Tick(2), &[remove(false)], Vec::new());
    assert!(ops.is_empty(), "the records may still come: {ops:?}");
    let late = Tick(2).after_ms(crate::limits::QUIESCE_PATIENCE_MS);
    let (ops, _) = step_ops(&mut shard, late, &[], Vec::new());
    assert!(matches!(ops[..], [Op::Disconnect { .. }]), "{ops:?}");
}

/// A shard of a host that reads the logs, with a log that was closed cleanly before.
fn shard_with_a_closed_log(reuse_files: bool) -> Shard {
    let limits = ShardLimits {
        record_buffer_count: 4,
        connection_count_max: 1,
        reuse_files,
        ..ShardLimits::STANDARD
    };
    let mut shard = shard_with(limits);
    step_ops(&mut shard, Tick(0), &[add()], Vec::new());
    let log = LoadedLog { log: log_of(2), findings: Vec::new(), is_as_closed: true };
    let result = Ok(FileOutcome::Loaded(Box::new(log)));
    step_ops(&mut shard, Tick(1), &[], vec![Completion::File { slot: SLOT, result }]);
    let partition = shard.partitions.get_mut(SLOT).unwrap();
    assert_eq!(partition.recovery_point, at(2));
    shard
}

#[test]
fn a_log_that_did_not_change_since_it_was_closed_is_not_closed_again() {
    let mut shard = shard_with_a_closed_log(false);
    let (tasks, events) = told(&mut shard, 2, &[remove(false)], Vec::new());
    assert_eq!((tasks, ends(&events)), (vec![], vec![Some(2)]));
}

#[test]
fn a_log_that_changed_or_has_files_to_use_again_is_closed() {
    let mut reusing = shard_with_a_closed_log(true);
    assert_eq!(told(&mut reusing, 2, &[remove(false)], Vec::new()).0, ["close"]);

    let mut longer = shard_with_a_closed_log(false);
    let partition = longer.partitions.get_mut(SLOT).unwrap();
    append_plain(partition.log.as_mut().unwrap(), 3);
    (partition.written.offset, partition.recovery_point) = (at(3), at(3));
    assert_eq!(told(&mut longer, 2, &[remove(false)], Vec::new()).0, ["close"]);

    let mut shorter = shard_with_a_closed_log(false);
    let partition = shorter.partitions.get_mut(SLOT).unwrap();
    partition.log.as_mut().unwrap().advance_log_start(LogStartOffset::new(at(1)));
    assert_eq!(told(&mut shorter, 2, &[remove(false)], Vec::new()).0, ["close"]);

    let mut deleted = shard_with_a_closed_log(false);
    assert_eq!(told(&mut deleted, 2, &[remove(true)], Vec::new()).0, ["delete"]);
}
