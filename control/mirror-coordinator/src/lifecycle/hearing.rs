//! What the inputs about one partition change in what is known of it.

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::partition::SourceBroker;

use super::action::Action;
use super::input::{AlignmentFailure, EngineEvent, LogEnd, Ticket, UncleanElection};
use super::partition::{MirrorPartition, Presence, Stage, Surroundings, Turn};
use crate::desired_state::DesiredState;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::RetryClass;

impl MirrorPartition {
    pub(super) fn on_desired(
        &mut self,
        desired: DesiredState,
        leader_epoch: LeaderEpoch,
        around: &mut Surroundings<'_>,
    ) {
        let began = self.desired.is_none() || leader_epoch > self.leader_epoch;
        self.leader_epoch = self.leader_epoch.max(leader_epoch);
        if began && self.stored.leader_epoch < Some(self.leader_epoch) {
            self.reassert = Some(self.leader_epoch);
            self.rewrite_due_ms = None;
        }
        if !self.wants(desired) {
            self.stop_failed = false;
            let stopping = matches!(self.stored.state, State::Stopping | State::Stopped);
            if desired == DesiredState::Stopped && !stopping {
                self.trouble = None; // a stop needs neither source nor engine
            }
        }
        self.desired = Some(desired);
        self.settle(around);
    }

    /// True when [`Self::on_source_partition`] would change nothing.
    pub(super) fn knows_source(
        &self,
        leader: Option<SourceBroker>,
        epoch: Option<SourceLeaderEpoch>,
        unclean_election: UncleanElection,
    ) -> bool {
        let waits = self.source.asked || self.raise_refused || self.fetcher.leader_wanted;
        let source = &self.source;
        let is_same = (source.leader, source.epoch) == (leader, epoch)
            && source.unclean_election == unclean_election;
        is_same && leader.is_some() && !waits
    }

    pub(super) fn on_source_partition(
        &mut self,
        leader: Option<SourceBroker>,
        epoch: Option<SourceLeaderEpoch>,
        unclean_election: UncleanElection,
        around: &mut Surroundings<'_>,
    ) {
        self.source.asked = false;
        self.raise_refused = false;
        self.source.unclean_election = unclean_election;
        let old_metadata = epoch.is_some() && epoch < self.source.epoch;
        if !old_metadata {
            self.source.leader = leader.or(self.source.leader);
            self.source.epoch = epoch.or(self.source.epoch);
            if leader.is_some() && std::mem::take(&mut self.fetcher.leader_wanted) {
                self.fetcher.leader = None; // said again, even if it is the one it had
            }
        }
        self.settle(around);
    }

    pub(super) fn on_source_forgotten(&mut self, around: &mut Surroundings<'_>) {
        self.source.leader = None;
        self.source.epoch = None;
        self.source.asked = false;
        self.remove_fetcher(around);
        self.settle(around);
    }

    pub(super) fn on_mirroring_failed(
        &mut self,
        reason: String,
        class: RetryClass,
        around: &mut Surroundings<'_>,
    ) {
        self.fail_mirroring(reason, class);
        self.settle(around);
    }

    pub(super) fn on_engine(&mut self, event: EngineEvent, around: &mut Surroundings<'_>) {
        let leaves = matches!(self.fetcher.presence, Presence::Leaving | Presence::Absent);
        if leaves && !matches!(event, EngineEvent::Removed { .. }) {
            return; // said before it was asked to leave
        }
        match event {
            EngineEvent::Loaded { last_epoch } => self.note_last_epoch(last_epoch),
            EngineEvent::Progressed { last_epoch } => {
                self.note_last_epoch(last_epoch);
                if self.stored.state == State::Mirroring {
                    self.attempts_before = 0;
                    self.recovered = self.has_failures();
                }
            }
            EngineEvent::LeaderUnknown => {
                self.fetcher.leader_wanted = true;
                around.push(Action::RefreshMetadata(self.mirror.clone()));
            }
            EngineEvent::LeaderMoved { leader, epoch } => self.on_leader_moved(leader, epoch),
            EngineEvent::Fenced { batch_epoch } => {
                self.fence = self.fence.max(Some(batch_epoch));
                if self.leader_epoch.covers(batch_epoch) {
                    // Raised before the engine's word of it arrived; say it again.
                    self.fetcher.leader_epoch = LeaderEpoch::ZERO;
                }
            }
            EngineEvent::Truncated => {
                self.cut = true;
                self.last_epoch = None;
                self.hold_fetcher(around);
            }
            EngineEvent::Failed { reason, class } => {
                self.fetcher.presence = Presence::Held;
                self.fail_mirroring(reason, class);
                around.push(Action::RefreshMetadata(self.mirror.clone()));
            }
            EngineEvent::Paused => {
                if self.fetcher.presence == Presence::Holding {
                    self.fetcher.presence = Presence::Held;
                }
            }
            EngineEvent::Removed { end } => {
                self.fetcher.presence = Presence::Absent;
                let ours = std::mem::take(&mut self.fetcher.leaves_for_stop);
                if ours && self.stored.state == State::Stopping && self.stage == Stage::Start {
                    self.end = end;
                }
            }
        }
        self.settle(around);
    }

    fn note_last_epoch(&mut self, last_epoch: Option<SourceLeaderEpoch>) {
        if last_epoch > self.last_epoch {
            self.raise_refused = false;
        }
        self.last_epoch = last_epoch;
    }

    fn on_leader_moved(
        &mut self,
        leader: kafka_wire::partition::BrokerId,
        epoch: SourceLeaderEpoch,
    ) {
        let Some(known) = self.source.leader else { return };
        let leader = SourceBroker { source: known.source, broker: leader };
        (self.fetcher.leader, self.fetcher.source_epoch) = (Some(leader), Some(epoch));
        if Some(epoch) >= self.source.epoch {
            (self.source.leader, self.source.epoch) = (Some(leader), Some(epoch));
        }
    }

    pub(super) fn on_aligned(
        &mut self,
        ticket: Ticket,
        outcome: Result<(), AlignmentFailure>,
        around: &mut Surroundings<'_>,
    ) {
        if self.stage != Stage::Aligning(ticket) {
            return;
        }
        match outcome {
            Ok(()) => self.stage = Stage::Aligned,
            Err(AlignmentFailure { reason, class }) => {
                self.stage = Stage::Start;
                self.fail_mirroring(reason, class);
            }
        }
        self.settle(around);
    }

    pub(super) fn on_converged(&mut self, ticket: Ticket, around: &mut Surroundings<'_>) {
        if self.stage == Stage::Converging(ticket) {
            self.stage = Stage::Converged;
            self.settle(around);
        }
    }

    pub(super) fn on_measured(
        &mut self,
        ticket: Ticket,
        outcome: Result<LogEnd, String>,
        around: &mut Surroundings<'_>,
    ) {
        if self.stage != Stage::Measuring(ticket) {
            return;
        }
        self.stage = Stage::Start;
        match outcome {
            Ok(end) => self.end = Some(end),
            Err(reason) => {
                let reason = format!("where the log ends cannot be told: {reason}");
                self.fail_step(reason, RetryClass::Retryable);
            }
        }
        self.settle(around);
    }

    pub(super) fn on_sealed(
        &mut self,
        ticket: Ticket,
        outcome: Result<(), String>,
        around: &mut Surroundings<'_>,
    ) {
        if self.stage != Stage::Sealing(ticket) {
            return;
        }
        match outcome {
            Ok(()) => self.stage = Stage::Sealed,
            Err(reason) => {
                self.stage = Stage::Start;
                let reason = format!("the log could not be sealed: {reason}");
                self.fail_step(reason, RetryClass::Retryable);
            }
        }
        self.settle(around);
    }

    pub(super) fn on_opened(
        &mut self,
        ticket: Ticket,
        outcome: Result<(), String>,
        around: &mut Surroundings<'_>,
    ) {
        if self.stage != Stage::Opening(ticket) {
            return;
        }
        match outcome {
            Ok(()) => self.stage = Stage::Open,
            Err(reason) => {
                self.stage = Stage::Start;
                let reason = format!("the log could not be opened for writing: {reason}");
                self.fail_step(reason, RetryClass::Retryable);
            }
        }
        self.settle(around);
    }

    pub(super) fn on_recover(&mut self, around: &mut Surroundings<'_>) {
        if self.stored.state == State::Failed {
            self.turn = Turn::Recovered;
            self.retry_due_ms = None;
            self.rewrite_due_ms = None;
            around.push(Action::RefreshMetadata(self.mirror.clone()));
            self.settle(around);
        }
    }

    /// A retry that is planned need not wait: its attempts are counted as before.
    pub(super) fn on_source_answered(&mut self, around: &mut Surroundings<'_>) {
        if self.stored.state == State::Failed && self.retry_due_ms.take().is_some() {
            self.turn = Turn::Due;
            self.settle(around);
        }
    }

    /// Time passed.
    pub(super) fn on_due(&mut self, around: &mut Surroundings<'_>) {
        let is_due = |due_ms: &Option<u64>| due_ms.is_some_and(|due_ms| due_ms <= around.now_ms);
        if is_due(&self.rewrite_due_ms) {
            self.rewrite_due_ms = None;
        }
        if is_due(&self.retry_due_ms) {
            self.retry_due_ms = None;
            if self.stored.state == State::Failed {
                self.turn = Turn::Due;
                around.push(Action::RefreshMetadata(self.mirror.clone()));
            }
        }
        self.settle(around);
    }
}
