//! What each state does: the side effects of states that are stored.

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};

use super::action::{Action, ReplicaGoal};
use super::input::Ticket;
use super::partition::{MirrorPartition, Presence, Stage, Surroundings, Trouble};
use super::writing::REWRITE_PAUSE_MS;
use crate::desired_state::DesiredState;
use crate::epoch_fencing;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::RetryClass;

impl MirrorPartition {
    /// Does what is left to do in the state that is stored; asked again, it does nothing twice.
    pub(super) fn work(&mut self, around: &mut Surroundings<'_>) {
        match self.stored.state {
            State::Unknown => {}
            State::LogAlignment => self.align(around),
            State::EpochFencing => {
                if let (Stage::Start, Some(fence)) = (self.stage, self.uncovered_fence()) {
                    let base = self.source.epoch.map_or(fence, |epoch| epoch.max(fence));
                    self.ask_to_raise(epoch_fencing::raise_above(base), around);
                }
            }
            State::UleRecovery => {
                if std::mem::take(&mut self.cut) {
                    self.stage = Stage::Start;
                }
                self.hold_fetcher(around);
                if self.stage == Stage::Start {
                    self.await_replicas(ReplicaGoal::SameAsOurs, around);
                }
            }
            State::Mirroring => self.mirror(around),
            State::Pausing | State::Paused => self.hold_fetcher(around),
            State::Stopping => self.stop(around),
            State::Stopped if !self.wants(DesiredState::Stopped) => self.leave(around),
            State::Stopped => {
                if self.fetcher_is_gone(around) && self.stage == Stage::Start {
                    let ticket = around.ticket();
                    self.stage = Stage::Opening(ticket);
                    let (partition, leader_epoch) = (self.id, self.leader_epoch);
                    around.push(Action::OpenForWriting { partition, ticket, leader_epoch });
                }
            }
            State::Failed => {
                self.hold_fetcher(around);
                self.arm_retry(around);
            }
        }
    }

    /// Gives up what is under way and must not go on in another state.
    pub(super) fn leave(&mut self, around: &mut Surroundings<'_>) {
        match self.stage {
            Stage::Aligning(ticket) => {
                around.push(Action::CancelAlignment { partition: self.id, ticket });
                self.stage = Stage::Start;
            }
            Stage::Opening(_) | Stage::Open => {
                around.push(Action::CloseForMirroring(self.id));
                self.stage = Stage::Start;
            }
            _ => {}
        }
    }

    fn align(&mut self, around: &mut Surroundings<'_>) {
        if !self.fetcher_is_gone(around) {
            return;
        }
        match self.stage {
            Stage::Start => {
                let ticket = around.ticket();
                self.stage = Stage::Aligning(ticket);
                around.push(Action::CloseForMirroring(self.id));
                around.push(Action::Align { partition: self.id, ticket });
            }
            Stage::Aligned => self.await_replicas(ReplicaGoal::SameAsOurs, around),
            _ => {}
        }
    }

    fn mirror(&mut self, around: &mut Surroundings<'_>) {
        match self.fetcher.presence {
            Presence::Absent => self.add_to_engine(around),
            Presence::Running | Presence::Holding | Presence::Held => {
                self.tell_engine(around);
                if self.fetcher.presence == Presence::Held {
                    self.fetcher.presence = Presence::Running;
                    around.push(Action::ResumeFetcher(self.id));
                }
            }
            Presence::Leaving => {}
        }
        let known = self.source.epoch.max(self.last_epoch);
        if let Some(epoch) = known
            && self.stage == Stage::Start
            && !self.raise_refused
            && self.leader_epoch.get() < i32::MAX
            && epoch_fencing::needs_bump(epoch, self.leader_epoch)
        {
            self.ask_to_raise(epoch_fencing::raise_above(epoch), around);
        }
    }

    fn add_to_engine(&mut self, around: &mut Surroundings<'_>) {
        let Some(leader) = self.source.leader else {
            if !std::mem::replace(&mut self.source.asked, true) {
                around.push(Action::RefreshMetadata(self.mirror.clone()));
            }
            return;
        };
        let (source_epoch, leader_epoch) = (self.source.epoch, self.leader_epoch);
        let unclean_election = self.source.unclean_election;
        self.fetcher.presence = Presence::Running;
        self.fetcher.leader = Some(leader);
        self.fetcher.source_epoch = source_epoch;
        self.fetcher.leader_epoch = leader_epoch;
        self.fetcher.unclean_election = unclean_election;
        self.fetcher.leader_wanted = false;
        let partition = self.id;
        around.push(Action::AddPartition {
            partition,
            leader,
            source_epoch,
            leader_epoch,
            unclean_election,
        });
    }

    /// Tells the engine what changed since it was told.
    fn tell_engine(&mut self, around: &mut Surroundings<'_>) {
        let (partition, fetcher, source) = (self.id, &mut self.fetcher, &self.source);
        let moved = fetcher.leader != source.leader || fetcher.source_epoch != source.epoch;
        if let (true, Some(leader), Some(epoch)) = (moved, source.leader, source.epoch) {
            (fetcher.leader, fetcher.source_epoch) = (source.leader, source.epoch);
            around.push(Action::SetSourceLeader { partition, leader, epoch });
        }
        if fetcher.unclean_election != source.unclean_election {
            fetcher.unclean_election = source.unclean_election;
            let unclean_election = source.unclean_election;
            around.push(Action::SetUncleanElection { partition, unclean_election });
        }
        if fetcher.leader_epoch < self.leader_epoch {
            fetcher.leader_epoch = self.leader_epoch;
            around.push(Action::SetLeaderEpoch { partition, epoch: self.leader_epoch });
        }
    }

    /// The steps of a stop (KIP-1279), each once the one before it is done: close the log, see
    /// where it ends, have all of it everywhere, write that down once, raise our epoch, seal.
    fn stop(&mut self, around: &mut Surroundings<'_>) {
        if !self.fetcher_is_gone(around) {
            return;
        }
        let partition = self.id;
        match (self.stage, self.end) {
            (Stage::Start, None) => {
                let ticket = around.ticket();
                self.stage = Stage::Measuring(ticket);
                around.push(Action::MeasureLog { partition, ticket });
            }
            (Stage::Start, Some(_)) => self.await_replicas(ReplicaGoal::HaveAllOfOurs, around),
            (Stage::Converged, Some(end)) if self.was_mirrored() && self.position.is_empty() => {
                let position = MirrorPosition { epoch: end.last_epoch, offset: Some(end.offset) };
                self.persist_position(position, around);
            }
            (Stage::Converged, Some(end)) => self.raise_above_log(end.last_epoch, around),
            (Stage::Raised, _) => {
                let ticket = around.ticket();
                self.stage = Stage::Sealing(ticket);
                let leader_epoch = self.leader_epoch;
                around.push(Action::SealLog { partition, ticket, leader_epoch });
            }
            _ => {}
        }
    }

    fn raise_above_log(
        &mut self,
        last_epoch: Option<SourceLeaderEpoch>,
        around: &mut Surroundings<'_>,
    ) {
        let above = last_epoch.map_or(-1, SourceLeaderEpoch::get);
        if self.leader_epoch.get() < i32::MAX {
            self.ask_to_raise(above, around);
        } else if above < i32::MAX {
            // It cannot be raised, and is above every batch as it is.
            self.stage = Stage::Raised;
            self.stop(around);
        } else {
            let reason = format!("the log's last epoch {above} leaves none for our own batches");
            self.trouble = Some(Trouble { reason, class: RetryClass::NonRetryable });
            self.settle(around);
        }
    }

    fn ask_to_raise(&mut self, above: i32, around: &mut Surroundings<'_>) {
        let ticket = around.ticket();
        self.stage = Stage::Raising(ticket);
        around.push(Action::RaiseLeaderEpoch { partition: self.id, ticket, above });
    }

    fn await_replicas(&mut self, goal: ReplicaGoal, around: &mut Surroundings<'_>) {
        let ticket = around.ticket();
        self.stage = Stage::Converging(ticket);
        around.push(Action::AwaitReplicas { partition: self.id, ticket, goal });
    }

    /// Stops the fetcher as the state that is stored now wants it, before anything else is done.
    pub(super) fn stop_fetching(&mut self, around: &mut Surroundings<'_>) {
        match self.stored.state {
            State::Unknown | State::LogAlignment | State::Stopping | State::Stopped => {
                self.remove_fetcher(around);
            }
            State::UleRecovery | State::Pausing | State::Paused | State::Failed => {
                self.hold_fetcher(around);
            }
            // The engine appends nothing before our epoch is raised.
            State::EpochFencing | State::Mirroring => {}
        }
    }

    /// True when the engine has closed the log; else the engine is asked to.
    fn fetcher_is_gone(&mut self, around: &mut Surroundings<'_>) -> bool {
        self.remove_fetcher(around);
        self.fetcher.presence == Presence::Absent
    }

    pub(super) fn remove_fetcher(&mut self, around: &mut Surroundings<'_>) {
        if !matches!(self.fetcher.presence, Presence::Absent | Presence::Leaving) {
            self.fetcher.presence = Presence::Leaving;
            self.fetcher.leaves_for_stop = self.stored.state == State::Stopping;
            around.push(Action::RemoveFetcher(self.id));
        }
    }

    pub(super) fn hold_fetcher(&mut self, around: &mut Surroundings<'_>) {
        if self.fetcher.presence == Presence::Running {
            self.fetcher.presence = Presence::Holding;
            around.push(Action::PauseFetcher(self.id));
        }
    }

    /// Stops what only a leader may do. A log that clients may write to stays so if its partition
    /// is only unbound; whoever makes another one its leader closes it.
    pub(super) fn resign(&mut self, around: &mut Surroundings<'_>) {
        self.remove_fetcher(around);
        if matches!(self.stage, Stage::Aligning(_)) {
            self.leave(around);
        }
    }

    /// Another leader wrote: stop what only a leader may do, and ask for an epoch above that
    /// leader's. Whoever hands out epochs refuses if we do not lead.
    pub(super) fn ask_for_a_new_epoch(&mut self, around: &mut Surroundings<'_>) {
        self.remove_fetcher(around);
        self.leave(around);
        if !matches!(self.stage, Stage::Reclaiming(_)) {
            let above = self.stored.leader_epoch.map_or(-1, LeaderEpoch::get);
            let ticket = around.ticket();
            self.stage = Stage::Reclaiming(ticket);
            around.push(Action::RaiseLeaderEpoch { partition: self.id, ticket, above });
        }
    }

    /// The answer to a raise of our epoch.
    pub(super) fn on_raised(
        &mut self,
        ticket: Ticket,
        outcome: Result<LeaderEpoch, String>,
        around: &mut Surroundings<'_>,
    ) {
        let (raising, reclaiming) = (Stage::Raising(ticket), Stage::Reclaiming(ticket));
        match outcome {
            Ok(epoch) => {
                if self.is_deposed() {
                    self.reassert = Some(self.leader_epoch.max(epoch));
                }
                self.leader_epoch = self.leader_epoch.max(epoch);
                if self.stage == raising && self.stored.state == State::Stopping {
                    self.stage = Stage::Raised;
                } else if self.stage == raising || self.stage == reclaiming {
                    self.stage = Stage::Start;
                }
            }
            Err(_) if self.stage == reclaiming => {
                self.stage = Stage::Start;
                self.rewrite_due_ms = Some(around.now_ms.saturating_add(REWRITE_PAUSE_MS));
            }
            Err(_) if self.stage != raising => {}
            Err(reason) => {
                self.stage = Stage::Start;
                self.raise_refused = true;
                if matches!(self.stored.state, State::EpochFencing | State::Stopping) {
                    let reason = format!("our leader epoch could not be raised: {reason}");
                    self.fail_step(reason, RetryClass::Retryable);
                }
            }
        }
        self.settle(around);
    }

    /// Notes that a step of our own failed.
    pub(super) fn fail_step(&mut self, reason: String, class: RetryClass) {
        self.trouble = Some(Trouble { reason, class });
    }

    /// Notes that the source or the engine failed; a stop needs neither.
    pub(super) fn fail_mirroring(&mut self, reason: String, class: RetryClass) {
        let stopping = matches!(self.stored.state, State::Stopping | State::Stopped);
        if !self.wants(DesiredState::Stopped) && !stopping {
            self.trouble = Some(Trouble { reason, class });
        }
    }
}
