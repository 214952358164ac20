//! Where our log leaves the source's, and what is done about it.
//!
//! The rule is the follower's (`AbstractFetcherThread.getOffsetTruncationState`, KIP-101,
//! KIP-595): keep what both sides agree on by epoch, cut the rest, ask again when the answer
//! named an epoch we do not have.

use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::LogCut;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::{LogEndOffset, Offset};
use kafka_wire::offset_lookup::{EpochEndOffsetAnswer, LogEndAnswer};

use crate::answers::error_code;
use crate::bridge::{DivergencePolicy, PartitionEvent, PartitionFailure};
use crate::mirror_partition::{AfterBackoff, Phase, Repair};
use crate::op::PartitionSlot;
use crate::shard::Shard;

impl Shard {
    pub(crate) fn on_epoch_answer(
        &mut self,
        place: usize,
        slot: PartitionSlot,
        answer: &EpochEndOffsetAnswer,
    ) {
        let Some(partition) = self.partitions.get(slot) else { return };
        let asking = partition.lane.is_some_and(|at| at.connection == place);
        if partition.phase != Phase::Aligning || !asking {
            return;
        }
        match answer.error_code {
            0 => self.on_epoch_end(slot, answer.epoch, answer.end_offset),
            code => self.on_question_refused(slot, code, AfterBackoff::Align),
        }
    }

    fn on_question_refused(&mut self, slot: PartitionSlot, code: i16, then: AfterBackoff) {
        match code {
            error_code::NOT_LEADER_OR_FOLLOWER
            | error_code::FENCED_LEADER_EPOCH
            | error_code::UNKNOWN_LEADER_EPOCH => self.await_leader(slot, code),
            _ => {
                self.report(slot, PartitionEvent::SourceError { error_code: code });
                self.back_off(slot, then);
            }
        }
    }

    /// The source's largest epoch at or below ours ends at `end` there.
    pub(crate) fn on_epoch_end(
        &mut self,
        slot: PartitionSlot,
        epoch: Option<SourceLeaderEpoch>,
        end: i64,
    ) {
        let Some(partition) = self.partitions.get(slot) else { return };
        let Some(log) = &partition.log else { return };
        let Some(end) = Offset::from_wire(end) else {
            // The source knows no such epoch; fetching shows whether our place is still good.
            return self.enter_fetching(slot);
        };
        let target = shared_end(log, epoch, end);
        if target < log.accepted_end().offset() {
            self.diverge(slot, target);
        } else if partition.phase == Phase::Aligning {
            self.enter_fetching(slot);
        } else {
            // A diverging epoch that cuts nothing: do not ask the same thing at once.
            self.back_off(slot, AfterBackoff::Align);
        }
    }

    /// The source's history goes another way from `target` on.
    fn diverge(&mut self, slot: PartitionSlot, target: Offset) {
        let Some(partition) = self.partitions.get(slot) else { return };
        let Some(log) = &partition.log else { return };
        let log_end = log.accepted_end();
        match partition.spec.on_divergence {
            DivergencePolicy::Truncate if target <= log.log_start().offset() => {
                self.discard(slot, LogCut::StartAt(target));
            }
            DivergencePolicy::Truncate => self.discard(slot, LogCut::TruncateTo(target)),
            DivergencePolicy::Fail => {
                let failure = PartitionFailure::Diverged { source_end: target, log_end };
                self.fail(slot, failure);
            }
        }
    }

    pub(crate) fn on_offset_answer(
        &mut self,
        place: usize,
        slot: PartitionSlot,
        answer: &LogEndAnswer,
    ) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let asking = partition.lane.is_some_and(|at| at.connection == place);
        if partition.phase != Phase::Repairing || !asking {
            return;
        }
        let offset = Offset::from_wire(answer.offset);
        match (answer.error_code, offset, partition.source_end) {
            (0, Some(end), None) if end < partition.accepted_end() => {
                self.confirm(slot, Repair::EndsAt(end));
            }
            (0, Some(end), None) => {
                partition.source_end = Some(end);
                self.connections[place].repair_queue.push_back(slot);
            }
            (0, Some(start), Some(_)) if start > partition.fetch_position() => {
                self.confirm(slot, Repair::StartsAt(start));
            }
            // Our place is good again, but what lies below it may have changed meanwhile.
            (0, ..) => self.back_off(slot, AfterBackoff::Align),
            (code, ..) => self.on_question_refused(slot, code, AfterBackoff::Align),
        }
    }

    /// Repairs what answers by the topic's name ask for, once that name is known to be our topic's.
    ///
    /// They may be about a topic that was made after ours was deleted. If a fetch by id is refused
    /// for its offset before them and after them, our topic was there all the time.
    fn confirm(&mut self, slot: PartitionSlot, repair: Repair) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.unconfirmed_repair = Some(repair);
        if self.partitions.get(slot).is_some_and(|partition| self.asks_by_id(partition)) {
            self.enter_fetching(slot);
        } else {
            self.repair(slot);
        }
    }

    /// Does what was found out about a place that is gone, or finds it out.
    pub(crate) fn repair(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        match partition.unconfirmed_repair.take() {
            Some(Repair::EndsAt(end)) => self.diverge(slot, end),
            Some(Repair::StartsAt(start)) => self.on_source_start(slot, start),
            None => self.queue_repair(slot),
        }
    }

    /// Our place is below the source's log start.
    fn on_source_start(&mut self, slot: PartitionSlot, start: Offset) {
        let Some(partition) = self.partitions.get(slot) else { return };
        let Some(log) = &partition.log else { return };
        let (from, log_end) = (partition.fetch_position(), log.accepted_end());
        // A mirror that never held a record has lost none.
        if log_end != LogEndOffset::default() {
            self.report(slot, PartitionEvent::Gap { from, to: start });
        }
        self.discard(slot, LogCut::StartAt(start));
    }
}

/// Up to where both sides have the same records, as far as epochs tell.
fn shared_end(log: &PartitionLog, epoch: Option<SourceLeaderEpoch>, end: Offset) -> Offset {
    let ours = log.accepted_end().offset();
    let local = epoch.and_then(|epoch| log.epochs().end_offset_for(epoch, log.accepted_end()));
    local.map_or(ours, |local| local.end).min(end).min(ours)
}

#[cfg(test)]
mod tests;
