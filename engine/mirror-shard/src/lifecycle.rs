//! How partitions come, change their phase and go.
//!
//! Slow work (`Discarding`, `Quiescing`) is level-triggered: `settle` is called whenever something
//! of the partition completed, and does the next thing that is possible now.

use std::cmp::Reverse;
use std::io;

use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::{LoadError, LoadRequest, LoadedLog, LogCut};
use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::SourceBroker;

use crate::bridge::{EngineReport, PartitionEvent, PartitionFailure, Progress};
use crate::chunk::ReadableEnd;
use crate::connection::ReceiveTarget;
use crate::limits::QUIESCE_PATIENCE_MS;
use crate::mirror_partition::{AfterBackoff, Goal, MirrorPartition, Phase};
use crate::op::{FileFault, FileOutcome, FileTask, Op, PartitionSlot};
use crate::shard::Shard;

impl Shard {
    pub(crate) fn load(&mut self, slot: PartitionSlot, request: LoadRequest) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.phase = Phase::Loading;
        partition.wanted_cut = request.cut;
        let task = FileTask::Load { partition: partition.spec.name.clone(), request };
        self.file_task(slot, task);
    }

    pub(crate) fn file_task(&mut self, slot: PartitionSlot, task: FileTask) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.pending.files += 1;
        self.ops.push(Op::File { slot, task });
    }

    pub(crate) fn resume(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if !matches!(partition.goal, Goal::Mirror | Goal::Pause) {
            return;
        }
        partition.goal = Goal::Mirror;
        partition.failures = 0;
        let stopped = matches!(partition.phase, Phase::Paused | Phase::Failed | Phase::Quiescing);
        match (stopped, partition.log.is_some()) {
            (true, true) => self.start_fetching(slot),
            (true, false) => self.load_again(slot),
            (false, _) => {}
        }
    }

    /// Sets what the host wants and goes there as far as possible now.
    pub(crate) fn aim(&mut self, slot: PartitionSlot, goal: Goal) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if matches!(partition.goal, Goal::Close | Goal::Delete) && goal == Goal::Pause {
            return;
        }
        // What the host had deleted from its own records must not come back, not even by a stop.
        if partition.goal != Goal::Delete {
            partition.goal = goal;
        }
        self.settle(slot);
        let receives = |held: &MirrorPartition| held.pending.receives > 0;
        if self.partitions.get(slot).is_some_and(receives) {
            self.set_timer(slot, QUIESCE_PATIENCE_MS);
        }
    }

    /// Records on their way hold up what the host wants of the partition, and do not come.
    fn lose_patience(&mut self, slot: PartitionSlot) {
        for place in 0..self.connections.len() {
            let target = self.connections[place].receiving;
            if matches!(target, Some(ReceiveTarget::Chunk { slot: held, .. }) if held == slot) {
                self.lose_connection(place, "records stopped arriving");
            }
        }
    }

    /// Fetching begins (again): with a question about epochs if there is anything to compare and
    /// a fetch does not ask it.
    pub(crate) fn start_fetching(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let has_epochs = partition.log.as_ref().and_then(PartitionLog::latest_epoch).is_some();
        partition.phase = if has_epochs { Phase::Aligning } else { Phase::Fetching };
        partition.unconfirmed_repair = None;
        self.join_lane(slot);
        self.queue_alignment(slot);
        // The source's log start may have moved while nothing could be done about it.
        self.list_upkeep(slot);
        self.settle(slot);
    }

    pub(crate) fn move_leader(
        &mut self,
        slot: PartitionSlot,
        leader: SourceBroker,
        epoch: Option<kafka_wire::epoch::SourceLeaderEpoch>,
    ) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if epoch < partition.spec.source_epoch || leader.source != partition.spec.leader.source {
            return; // older news than what we know, or about another partition of this name
        }
        let moved = partition.spec.leader != leader;
        let newer = epoch > partition.spec.source_epoch;
        (partition.spec.leader, partition.spec.source_epoch) = (leader, epoch);
        if newer {
            // Of a new history we do not know whether a batch lies there.
            partition.begins_inside = Offset::ZERO;
        }
        match partition.phase {
            Phase::LeaderUnknown => self.start_fetching(slot),
            Phase::Aligning | Phase::Fetching | Phase::Repairing if moved => {
                self.start_fetching(slot);
            }
            // A new epoch on the same broker may mean a new history.
            Phase::Aligning | Phase::Fetching | Phase::Repairing if newer => {
                self.start_fetching(slot);
            }
            Phase::Backoff(AfterBackoff::Fetch) if moved || newer => {
                partition.phase = Phase::Backoff(AfterBackoff::Align);
            }
            _ => {}
        }
    }

    /// Waits a while, longer after each failure in a row.
    pub(crate) fn back_off(&mut self, slot: PartitionSlot, then: AfterBackoff) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let attempt = partition.failures;
        partition.failures = attempt.saturating_add(1);
        partition.phase = Phase::Backoff(then);
        let source = partition.leader().source;
        let pause = self.pause_ms(attempt, source);
        self.set_timer(slot, pause);
        self.queue_change(slot);
        self.settle(slot);
    }

    fn set_timer(&mut self, slot: PartitionSlot, pause_ms: u64) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        self.last_timer = self.last_timer.wrapping_add(1);
        partition.timer = self.last_timer;
        self.timers.push(Reverse((self.now.after_ms(pause_ms), slot.0, partition.timer)));
    }

    pub(crate) fn on_partition_timer(&mut self, slot: PartitionSlot, timer: u32) {
        let Some(partition) = self.partitions.get(slot) else { return };
        if partition.timer != timer {
            return;
        }
        let waits = matches!(partition.phase, Phase::Quiescing | Phase::Discarding(_));
        if waits && partition.pending.receives > 0 {
            return self.lose_patience(slot);
        }
        match partition.phase {
            Phase::Backoff(AfterBackoff::Align) => self.start_fetching(slot),
            Phase::Backoff(AfterBackoff::Fetch) => self.enter_fetching(slot),
            Phase::Backoff(AfterBackoff::Load) => self.load_again(slot),
            // Still nobody: ask the host again, in case the request was lost.
            Phase::LeaderUnknown => self.await_leader(slot, 6),
            _ => {}
        }
    }

    /// Goes on fetching where the log ends, without a question about epochs.
    pub(crate) fn enter_fetching(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.phase = Phase::Fetching;
        self.join_lane(slot);
        self.settle(slot);
    }

    /// Asks the host for the leader; asks again while none is named.
    pub(crate) fn await_leader(&mut self, slot: PartitionSlot, error_code: i16) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let attempt = partition.failures;
        partition.failures = attempt.saturating_add(1);
        partition.phase = Phase::LeaderUnknown;
        let source = partition.leader().source;
        let pause = self.pause_ms(attempt.saturating_add(2), source);
        self.set_timer(slot, pause);
        self.report(slot, PartitionEvent::LeaderUnknown { error_code });
        self.queue_change(slot);
        self.settle(slot);
    }

    pub(crate) fn fail(&mut self, slot: PartitionSlot, failure: PartitionFailure) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.phase = Phase::Failed;
        self.report(slot, PartitionEvent::Failed(failure));
        self.queue_change(slot);
        self.list_upkeep(slot);
        self.settle(slot);
    }

    pub(crate) fn truncate_by_order(&mut self, slot: PartitionSlot, to: Offset) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        match partition.phase {
            Phase::Closing => {}
            // Where the log ends is not known, or not known any more.
            _ if partition.log.is_none() => {
                let earlier = partition.truncate_when_loaded;
                partition.truncate_when_loaded = Some(earlier.map_or(to, |other| other.min(to)));
            }
            _ if partition.accepted_end() > to => self.discard(slot, LogCut::TruncateTo(to)),
            _ => {}
        }
    }

    /// Drops what is not on disk yet and loads the log again with this cut.
    pub(crate) fn discard(&mut self, slot: PartitionSlot, cut: LogCut) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let cut = match partition.phase {
            Phase::Discarding(before) => lower_cut(before, cut),
            _ => cut,
        };
        partition.phase = Phase::Discarding(cut);
        partition.begins_inside = Offset::ZERO;
        self.stop_filling(slot);
        if cut != LogCut::Keep {
            self.counters.truncations += 1;
        }
        self.queue_change(slot);
        self.settle(slot);
    }

    /// Does the next thing the partition's phase and goal allow.
    pub(crate) fn settle(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if partition.goal != Goal::Mirror && partition.may_quiesce() {
            self.begin_quiescing(slot);
        }
        let Some(partition) = self.partitions.get(slot) else { return };
        match partition.phase {
            Phase::Discarding(cut) => self.settle_discarding(slot, cut),
            Phase::Quiescing => self.settle_quiescing(slot),
            Phase::Paused if partition.goal != Goal::Pause => self.settle_quiescing(slot),
            _ => {}
        }
    }

    fn begin_quiescing(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.phase = Phase::Quiescing;
        self.stop_filling(slot);
        self.queue_change(slot);
    }

    /// Ends a partition that was loaded only to be closed: no need to ask its source anything.
    fn quiesce(&mut self, slot: PartitionSlot) {
        self.begin_quiescing(slot);
        self.settle(slot);
    }

    fn settle_discarding(&mut self, slot: PartitionSlot, cut: LogCut) {
        self.drop_unwritten(slot);
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if !partition.pending.is_none() || !partition.open.is_empty() {
            return;
        }
        assert!(partition.writing.is_empty(), "nothing pending, nothing being written");
        match (cut, partition.goal) {
            // After a disk fault the disk gets time before it is asked again.
            (LogCut::Keep, Goal::Mirror) => {
                self.drop_below_source_start(slot);
                self.drop_log(slot, LogCut::Keep);
                let Some(partition) = self.partitions.get_mut(slot) else { return };
                partition.wanted_cut = LogCut::Keep;
                self.back_off(slot, AfterBackoff::Load);
            }
            _ => self.reload(slot, cut),
        }
    }

    /// Has the next load delete what the source has no more, before it writes anything: on a full
    /// disk nothing else may free the space that the load needs.
    fn drop_below_source_start(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        // What is not durable may be gone, and a log must not end below its start.
        let start = partition.source_log_start.min(partition.recovery_point);
        let Some(log) = partition.log.as_mut().filter(|log| log.log_start().offset() < start)
        else {
            return;
        };
        log.advance_log_start(LogStartOffset::new(start));
        // At once: the host must know the start before segments below it go.
        let progress = partition.progress();
        self.report(slot, PartitionEvent::Progress(progress));
    }

    /// Tries again what failed: a cut that was ordered is still wanted.
    fn load_again(&mut self, slot: PartitionSlot) {
        let cut = self.partitions.get(slot).map_or(LogCut::Keep, |held| held.wanted_cut);
        self.reload(slot, cut);
    }

    /// Forgets the log before it is loaded again; readers must not rely on its files until then.
    fn drop_log(&mut self, slot: PartitionSlot, cut: LogCut) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if partition.log.is_some() {
            partition.drop_log(cut);
            self.report(slot, PartitionEvent::Reloading);
        }
    }

    /// Loads the log again; nothing of it may be in flight.
    fn reload(&mut self, slot: PartitionSlot, cut: LogCut) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        assert!(partition.pending.is_none(), "files are reopened only when nothing uses them");
        self.drop_log(slot, cut);
        let Some(partition) = self.partitions.get(slot) else { return };
        let request = LoadRequest {
            topic_id: partition.spec.id.topic_id,
            config: partition.spec.log_config,
            recovery_point: Some(partition.recovery_point),
            log_start: partition.spec.log_start,
            clean: false,
            cut,
        };
        self.load(slot, request);
    }

    fn settle_quiescing(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get(slot) else { return };
        if partition.log.is_none() {
            if partition.pending.is_none() {
                self.finish_goal(slot);
            }
            return;
        }
        if !partition.filling {
            self.flush_open(slot);
        }
        let Some(partition) = self.partitions.get(slot) else { return };
        if partition.is_durable() {
            self.finish_goal(slot);
        } else {
            self.tend(slot);
            self.list_upkeep(slot);
        }
    }

    /// Everything accepted is durable: pause, close or delete.
    fn finish_goal(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let goal = partition.goal;
        let task = match (goal, &partition.log) {
            (Goal::Mirror, _) => return,
            (Goal::Pause, _) => {
                partition.phase = Phase::Paused;
                if partition.log.is_none() {
                    // The disk failed: what lies above what is durable is not known.
                    partition.written.offset = partition.recovery_point;
                }
                let progress = partition.progress();
                return self.report(slot, PartitionEvent::Paused(progress));
            }
            // With files to use again there is more to do than to close the log.
            (Goal::Close, Some(_)) if partition.is_as_closed() && !self.limits.reuse_files => {
                return self.on_log_closed(slot);
            }
            (Goal::Close, Some(log)) => FileTask::CloseLog(Box::new(log.close())),
            (Goal::Close, None) => return self.give_up(slot),
            (Goal::Delete, _) => FileTask::Remove,
        };
        partition.phase = Phase::Closing;
        self.leave_lane(slot);
        self.file_task(slot, task);
    }

    /// Forgets a partition whose log was not closed, or whose directory is still there.
    fn give_up(&mut self, slot: PartitionSlot) {
        if let Some(partition) = self.partitions.get(slot) {
            self.left_unclean.insert(partition.spec.name.clone());
        }
        self.forget(slot, None);
    }

    fn on_log_closed(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get(slot) else { return };
        if partition.goal == Goal::Delete {
            // Ordered while the log was being closed.
            return self.file_task(slot, FileTask::Remove);
        }
        let progress = partition.progress();
        self.forget(slot, Some(progress));
    }

    /// The partition's life is over; the next one begins if there is one.
    fn forget(&mut self, slot: PartitionSlot, progress: Option<Progress>) {
        self.leave_lane(slot);
        self.report(slot, PartitionEvent::Removed(progress));
        let Some(partition) = self.partitions.remove(slot) else { return };
        assert!(partition.pending.is_none(), "a partition goes when nothing of it is in flight");
        assert!(partition.open.is_empty(), "a partition goes when its buffers are home");
        let id = partition.spec.id;
        for _ in 0..partition.lives_skipped {
            let event = PartitionEvent::Removed(None);
            self.reports.push(EngineReport::Partition { partition: id, event });
        }
        if let Some(next) = partition.next_life {
            self.begin_next_life(*next);
        }
    }

    pub(crate) fn on_file(&mut self, slot: PartitionSlot, result: Result<FileOutcome, FileFault>) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.pending.files -= 1;
        match result {
            Ok(FileOutcome::Loaded(loaded)) => self.on_loaded(slot, *loaded),
            Ok(FileOutcome::SegmentClosed(_)) => self.on_segment_closed(slot),
            Ok(FileOutcome::EpochsWritten) => self.on_epochs_written(slot),
            Ok(FileOutcome::SegmentsRetired) => {}
            Ok(FileOutcome::LogClosed) => return self.on_log_closed(slot),
            Ok(FileOutcome::Removed) => return self.forget(slot, None),
            Err(fault) => self.on_file_fault(slot, fault),
        }
        self.settle(slot);
    }

    fn on_file_fault(&mut self, slot: PartitionSlot, fault: FileFault) {
        let Some(partition) = self.partitions.get(slot) else { return };
        let phase = partition.phase;
        match fault {
            // Waiting does not help where somebody has to act.
            FileFault::Io(error) | FileFault::Log(LoadError::Io(error))
                if phase == Phase::Loading && error.kind() == io::ErrorKind::PermissionDenied =>
            {
                let directory = &partition.spec.name;
                let reason = format!(
                    "{error}: give this process's user access to all files of {directory}/"
                );
                self.fail(slot, PartitionFailure::Unloadable { reason });
            }
            FileFault::Io(error) | FileFault::Log(LoadError::Io(error)) => {
                self.report_disk_fault(slot, &error);
                match phase {
                    Phase::Loading if self.is_kept(slot) => {
                        self.back_off(slot, AfterBackoff::Load);
                    }
                    // The host wants it gone: an unclean log is recovered when it is next opened.
                    Phase::Loading | Phase::Closing => self.give_up(slot),
                    _ => self.discard(slot, LogCut::Keep),
                }
            }
            FileFault::Log(error) => {
                let failure = PartitionFailure::Unloadable { reason: error.to_string() };
                self.fail(slot, failure);
            }
        }
    }

    fn on_loaded(&mut self, slot: PartitionSlot, loaded: LoadedLog) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let LoadedLog { log, findings, is_as_closed } = loaded;
        partition.closed_at = is_as_closed.then(|| (log.log_start(), log.accepted_end()));
        self.left_unclean.remove(&partition.spec.name);
        partition.written = ReadableEnd::of(&log);
        partition.aborts_in_flight = None;
        partition.recovery_point = partition.written.offset;
        partition.syncing_to = partition.written.offset;
        partition.epochs_written = log.epochs_version();
        partition.allocated = (log.active_segment(), 0);
        partition.spec.log_start = Some(log.log_start());
        partition.wanted_cut = LogCut::Keep;
        partition.unsynced_bytes = 0;
        partition.unsynced_since = None;
        let epochs = Box::new(log.epochs().clone());
        partition.log = Some(log);
        let to = LogEndOffset::new(partition.written.offset);
        let progress = partition.progress();
        if let Some(from) = partition.reloaded_from.take().filter(|from| *from > to) {
            let epochs = epochs.clone();
            self.report(slot, PartitionEvent::Truncated { from, to, epochs });
        }
        self.report(slot, PartitionEvent::Loaded { progress, findings, epochs });
        let wanted =
            self.partitions.get_mut(slot).and_then(|held| held.truncate_when_loaded.take());
        match wanted.filter(|cut| *cut < to.offset()) {
            Some(cut) => self.discard(slot, LogCut::TruncateTo(cut)),
            None if self.is_kept(slot) => self.start_fetching(slot),
            None => self.quiesce(slot),
        }
    }
}

/// Of two cuts wanted at the same time, the one that keeps less.
fn lower_cut(one: LogCut, other: LogCut) -> LogCut {
    match (one, other) {
        (LogCut::Keep, cut) | (cut, LogCut::Keep) => cut,
        (LogCut::TruncateTo(one), LogCut::TruncateTo(other)) => LogCut::TruncateTo(one.min(other)),
        // A log that starts elsewhere has lost everything already.
        (start @ LogCut::StartAt(_), LogCut::TruncateTo(_)) => start,
        (_, start @ LogCut::StartAt(_)) => start,
    }
}

impl MirrorPartition {
    /// Closing its log would change nothing: a node that stops has many that were idle.
    fn is_as_closed(&self) -> bool {
        let log = self.log.as_ref();
        self.closed_at.is_some()
            && self.closed_at == log.map(|log| (log.log_start(), log.accepted_end()))
    }

    /// Forgets the log before it is loaded again with `cut`, but for where it starts and ended.
    fn drop_log(&mut self, cut: LogCut) {
        // What keeps readers back is forgotten with the log.
        self.written.last_stable_offset = self.last_stable_offset();
        // Rolled segments are read back too; finished during a pause, they would be in its way.
        self.closing.clear();
        if let Some(log) = self.log.take() {
            self.spec.log_start = Some(log.log_start());
            self.reloaded_from = Some(match cut {
                // What no write had finished was never told: fetched again, it is no loss.
                LogCut::Keep => LogEndOffset::new(self.written.offset),
                LogCut::TruncateTo(_) | LogCut::StartAt(_) => log.accepted_end(),
            });
        }
    }

    /// Phases that a wish of the host ends at once; the others come back to `settle` later.
    fn may_quiesce(&self) -> bool {
        let stable = matches!(
            self.phase,
            Phase::Aligning
                | Phase::Fetching
                | Phase::Repairing
                | Phase::Backoff(_)
                | Phase::LeaderUnknown
                | Phase::Fenced
                | Phase::Failed
        );
        stable || (self.phase == Phase::Paused && self.goal != Goal::Pause)
    }
}

#[cfg(test)]
mod tests;
