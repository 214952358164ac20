//! What is done every few milliseconds for partitions with something unfinished: flush buffers
//! that waited long enough, sync, write epoch checkpoints, finish rolled segments, follow the
//! source's log start.
//!
//! Order that makes checkpoints honest: bytes are synced, then the epoch checkpoint that covers
//! them is written, then the recovery point moves.

use std::io;

use kafka_log::recovery::LogCut;
use kafka_wire::offset::LogStartOffset;

use crate::mirror_partition::{MirrorPartition, Phase};
use crate::op::{FileTask, Op, PartitionSlot, Tick};
use crate::shard::Shard;

impl MirrorPartition {
    /// A chunk that could be written waits for more records, and nobody is filling it.
    pub(crate) fn holds_idle_buffer(&self) -> bool {
        self.held_since.is_some() && !self.filling
    }

    /// Nothing left that upkeep would do.
    fn is_tended(&self) -> bool {
        let retired = self.log.as_ref().is_none_or(|log| {
            log.log_start().offset() >= self.source_log_start.min(self.written.offset)
        });
        let quiet = matches!(self.phase, Phase::Paused | Phase::Failed | Phase::Loading);
        self.held_since.is_none()
            && self.unsynced_bytes == 0
            && self.closing.is_empty()
            && self.pending.syncs == 0
            && !self.has_aborts_to_flush()
            && (retired || quiet)
    }
}

fn older_than(since: Option<Tick>, age_ms: u64, now: Tick) -> bool {
    since.is_some_and(|since| since.after_ms(age_ms) <= now)
}

impl Shard {
    pub(crate) fn run_upkeep(&mut self) {
        let mut at = 0;
        while at < self.upkeep.len() {
            let slot = self.upkeep[at];
            self.tend(slot);
            let done = self.partitions.get_mut(slot).is_none_or(|partition| {
                partition.upkeep_listed = !partition.is_tended();
                !partition.upkeep_listed
            });
            if done {
                self.upkeep.swap_remove(at);
            } else {
                at += 1;
            }
        }
        if !self.upkeep.is_empty() {
            let interval = crate::limits::UPKEEP_INTERVAL_MS;
            self.next_upkeep = Some(self.now.after_ms(interval));
        }
    }

    /// Does whatever is due for one partition.
    pub(crate) fn tend(&mut self, slot: PartitionSlot) {
        let (now, linger) = (self.now, self.limits.linger_ms);
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if matches!(partition.phase, Phase::Loading | Phase::Closing | Phase::Discarding(_)) {
            return;
        }
        let durable = partition.written.offset == partition.recovery_point;
        if durable && partition.pending.syncs == 0 {
            partition.unsynced_bytes = 0;
            partition.unsynced_since = None;
        }
        if partition.holds_idle_buffer() && older_than(partition.held_since, linger, now) {
            self.flush_open(slot);
        }
        self.close_rolled(slot);
        self.flush_aborts(slot);
        self.sync_if_due(slot);
        self.retire_if_due(slot);
        self.settle_if_quiescing(slot);
    }

    fn settle_if_quiescing(&mut self, slot: PartitionSlot) {
        let durable = self
            .partitions
            .get(slot)
            .is_some_and(|partition| partition.phase == Phase::Quiescing && partition.is_durable());
        if durable {
            self.settle(slot);
        }
    }

    /// Finishes the oldest rolled segment once all of it is written.
    pub(crate) fn close_rolled(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let pending = partition.pending;
        let busy = pending.index_writes + pending.allocations + pending.files + pending.syncs > 0;
        if busy || matches!(partition.phase, Phase::Discarding(_)) {
            return;
        }
        let written_end = partition.written.offset;
        let Some(front) = partition.closing.front_mut() else { return };
        if written_end < front.end {
            return;
        }
        if let Some(closed) = front.closed.take() {
            self.file_task(slot, FileTask::CloseSegment(closed));
        }
    }

    pub(crate) fn on_segment_closed(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let Some(front) = partition.closing.pop_front() else { return };
        assert!(front.closed.is_none(), "closed segments were handed out");
        partition.recovery_point = partition.recovery_point.max(front.end);
        self.note_progress(slot);
        self.close_rolled(slot);
    }

    fn sync_if_due(&mut self, slot: PartitionSlot) {
        let (now, limits) = (self.now, self.limits);
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let pending = partition.pending;
        let busy = pending.syncs + pending.files > 0 || !partition.closing.is_empty();
        let Some(log) = partition.log.as_ref().filter(|_| !busy) else { return };
        let behind = partition.written.offset > partition.recovery_point;
        let due = partition.unsynced_bytes >= limits.sync_bytes
            || older_than(partition.unsynced_since, limits.sync_interval_ms, now)
            || (partition.phase == Phase::Quiescing && partition.writing.is_empty());
        if !due || !behind {
            return;
        }
        partition.unsynced_bytes = 0;
        partition.unsynced_since = None;
        partition.syncing_to = partition.written.offset;
        partition.pending.syncs += 1;
        self.ops.push(Op::Sync { slot, segment: log.active_segment() });
    }

    pub(crate) fn on_synced(&mut self, slot: PartitionSlot, result: io::Result<()>) {
        let partition = self.partitions.get_mut(slot).expect("a sync keeps its partition");
        partition.pending.syncs -= 1;
        if let Err(error) = result {
            // What a failed sync lost is unknown: only what can be read back counts.
            self.report_disk_fault(slot, &error);
            return self.discard(slot, LogCut::Keep);
        }
        self.counters.syncs += 1;
        if !matches!(partition.phase, Phase::Discarding(_)) {
            self.cover_epochs(slot);
        }
        self.settle(slot);
    }

    /// Synced bytes count once the epoch checkpoint knows their epochs.
    fn cover_epochs(&mut self, slot: PartitionSlot) {
        let partition = self.partitions.get_mut(slot).expect("looked up by the caller");
        let Some(log) = &partition.log else { return };
        if log.epochs_version() == partition.epochs_written {
            return self.on_covered(slot);
        }
        // Entries of records not synced yet are left out: they come with the next sync.
        let last = log.epochs().entries().last();
        if last.is_none_or(|entry| entry.start < partition.syncing_to) {
            partition.epochs_written = log.epochs_version();
        }
        let contents = log.epoch_checkpoint(partition.syncing_to);
        self.file_task(slot, FileTask::WriteEpochs(contents));
    }

    pub(crate) fn on_epochs_written(&mut self, slot: PartitionSlot) {
        self.on_covered(slot);
    }

    fn on_covered(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        assert!(partition.syncing_to <= partition.written.offset);
        partition.recovery_point = partition.recovery_point.max(partition.syncing_to);
        self.note_progress(slot);
        self.close_rolled(slot);
    }

    /// Follows the source's log start: segments wholly below it are retired.
    fn retire_if_due(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let busy = partition.pending.files > 0 || !partition.closing.is_empty();
        let start = partition.source_log_start.min(partition.written.offset);
        let Some(log) = partition.log.as_mut().filter(|_| !busy) else { return };
        if log.log_start().offset() >= start {
            return;
        }
        let retired = log.advance_log_start(LogStartOffset::new(start));
        if !retired.is_empty() {
            self.file_task(slot, FileTask::RetireSegments(retired));
        }
        self.note_progress(slot);
    }
}
