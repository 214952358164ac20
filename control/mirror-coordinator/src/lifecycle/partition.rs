//! What is known of one partition, and the state that follows from it.

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::partition::{SourceBroker, TopicIdPartition};

use super::action::Action;
use super::input::{LogEnd, Ticket, UncleanElection};
use crate::desired_state::DesiredState;
use crate::mirror_name::MirrorName;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::{Jitter, RetryClass, RetryPolicy};
use crate::stored_state::{StateWrite, StoredState};

/// One partition of a mirror.
///
/// Everything here is a fact; what is done follows from the facts alone, by [`Self::settle`]. So
/// nothing is lost when a write is refused or an answer is late: the facts are looked at again.
#[derive(Debug)]
pub(super) struct MirrorPartition {
    pub(super) id: TopicIdPartition,
    pub(super) mirror: MirrorName,
    /// `None` until [`super::Input::Desired`] follows [`super::Input::Restored`].
    pub(super) desired: Option<DesiredState>,
    /// What `__mirror_state` said last.
    pub(super) stored: StoredState,
    pub(super) position: MirrorPosition,
    pub(super) leader_epoch: LeaderEpoch,
    /// We lead since this epoch, and no state was written in it yet.
    pub(super) reassert: Option<LeaderEpoch>,
    pub(super) source: SourceView,
    pub(super) fetcher: Fetcher,
    /// Epoch of the last batch in our log, as the engine said.
    pub(super) last_epoch: Option<SourceLeaderEpoch>,
    /// Epoch of the batch that the engine refused last.
    pub(super) fence: Option<SourceLeaderEpoch>,
    /// The engine cut our log, and other replicas may still have what was cut.
    pub(super) cut: bool,
    /// Where the closed log ends, while it is stopped.
    pub(super) end: Option<LogEnd>,
    /// How far the work of the current state has come.
    pub(super) stage: Stage,
    /// Our epoch could not be raised; not asked again until something new is heard.
    pub(super) raise_refused: bool,
    /// The write under way.
    pub(super) write: Option<(Ticket, Box<StateWrite>)>,
    /// Whether the last write was stored is not known, so neither is what is stored now.
    pub(super) write_in_doubt: bool,
    /// Refused or lost writes since the last that succeeded.
    pub(super) write_failures: u32,
    /// When to write again, milliseconds; nothing is done before.
    pub(super) rewrite_due_ms: Option<u64>,
    /// A failure that is not written yet.
    pub(super) trouble: Option<Trouble>,
    /// Failures before the alignment that is under way; the record of it has none.
    pub(super) attempts_before: i16,
    /// Progress was made since it failed, and that is not written yet.
    pub(super) recovered: bool,
    /// What a failed partition waits for.
    pub(super) turn: Turn,
    /// A step of the stop failed, so that wanting it stopped is no reason to try at once.
    pub(super) stop_failed: bool,
    /// When a failed partition is tried again, milliseconds.
    pub(super) retry_due_ms: Option<u64>,
}

/// What is known of the source's partition.
#[derive(Debug)]
pub(super) struct SourceView {
    pub(super) leader: Option<SourceBroker>,
    pub(super) epoch: Option<SourceLeaderEpoch>,
    pub(super) unclean_election: UncleanElection,
    /// The source was asked because no leader is known.
    pub(super) asked: bool,
}

/// The partition in the engine, and what the engine was told.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) presence: Presence,
    pub(super) leader: Option<SourceBroker>,
    pub(super) source_epoch: Option<SourceLeaderEpoch>,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) unclean_election: UncleanElection,
    /// The engine waits to be told a leader, even if it is the one it had.
    pub(super) leader_wanted: bool,
    /// It was asked to leave by the stop that is under way, so where its log ended then is where
    /// mirroring ended. A log that it left earlier may have been changed since.
    pub(super) leaves_for_stop: bool,
}

/// Where a partition stands in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Not there; its log is closed.
    Absent,
    /// Fetching.
    Running,
    /// Asked to hold.
    Holding,
    /// Held, or stopped by an error.
    Held,
    /// Asked to leave.
    Leaving,
}

/// How far the work of a state has come; the ticket is that of the answer waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Start,
    Aligning(Ticket),
    Aligned,
    Measuring(Ticket),
    Converging(Ticket),
    Converged,
    Raising(Ticket),
    Raised,
    /// Overtaken by another leader: an epoch above that leader's is asked for.
    Reclaiming(Ticket),
    Sealing(Ticket),
    Sealed,
    Opening(Ticket),
    Open,
}

/// A failure that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: String,
    pub(super) class: RetryClass,
}

/// What a failed partition waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Its time, or the operator.
    Waiting,
    /// Nothing: its time has come.
    Due,
    /// Nothing: the operator asked for it.
    Recovered,
}

/// What the partitions share while one of them is looked at.
pub(super) struct Surroundings<'a> {
    pub(super) now_ms: u64,
    pub(super) policy: &'a RetryPolicy,
    pub(super) jitter: &'a mut Jitter,
    pub(super) tickets: &'a mut u64,
    pub(super) actions: &'a mut Vec<Action>,
}

impl Surroundings<'_> {
    /// A ticket that was never handed out before.
    pub(super) fn ticket(&mut self) -> Ticket {
        *self.tickets += 1;
        Ticket(*self.tickets)
    }

    pub(super) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }
}

impl MirrorPartition {
    pub(super) const fn new(
        id: TopicIdPartition,
        mirror: MirrorName,
        leader_epoch: LeaderEpoch,
        presence: Presence,
    ) -> Self {
        let unclean_election = UncleanElection::Fail;
        Self {
            id,
            mirror,
            desired: None,
            stored: StoredState::UNKNOWN,
            position: MirrorPosition::EMPTY,
            leader_epoch,
            reassert: None,
            source: SourceView { leader: None, epoch: None, unclean_election, asked: false },
            fetcher: Fetcher {
                presence,
                leader: None,
                source_epoch: None,
                leader_epoch,
                unclean_election,
                leader_wanted: false,
                leaves_for_stop: false,
            },
            last_epoch: None,
            fence: None,
            cut: false,
            end: None,
            stage: Stage::Start,
            raise_refused: false,
            write: None,
            write_in_doubt: false,
            write_failures: 0,
            rewrite_due_ms: None,
            trouble: None,
            attempts_before: 0,
            recovered: false,
            turn: Turn::Waiting,
            stop_failed: false,
            retry_due_ms: None,
        }
    }

    /// When the partition wants to be looked at again though nothing happened.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.rewrite_due_ms.into_iter().chain(self.retry_due_ms).min()
    }

    pub(super) fn wants(&self, desired: DesiredState) -> bool {
        self.desired == Some(desired)
    }

    /// True when another leader, one with a higher epoch than ours, wrote a state.
    pub(super) fn is_deposed(&self) -> bool {
        self.stored.leader_epoch > Some(self.leader_epoch)
    }

    /// True when mirroring began since the last alignment, so that a stop records where it ended.
    pub(super) const fn was_mirrored(&self) -> bool {
        match self.stored.state {
            State::Unknown | State::LogAlignment | State::Stopped => false,
            State::EpochFencing | State::UleRecovery | State::Mirroring => true,
            State::Pausing | State::Paused => true,
            State::Stopping => !matches!(self.stored.previous_state, State::LogAlignment),
            State::Failed => {
                let before = self.stored.previous_state;
                !matches!(before, State::Unknown | State::LogAlignment | State::Stopped)
            }
        }
    }

    /// The epoch of the batch that waits for ours to be raised.
    pub(super) fn uncovered_fence(&self) -> Option<SourceLeaderEpoch> {
        self.fence.filter(|fence| !self.leader_epoch.covers(*fence))
    }

    /// Looks at the facts: writes the state that follows from them, or does the work of the one
    /// the partition is in. While a write is under way its answer comes first.
    pub(super) fn settle(&mut self, around: &mut Surroundings<'_>) {
        let Some(desired) = self.desired else { return };
        if self.write.is_some() || self.rewrite_due_ms.is_some() {
            if self.stored.state == State::Stopped && desired != DesiredState::Stopped {
                self.leave(around); // clients may write only while that is wanted
            }
            return;
        }
        if self.is_deposed() {
            self.ask_for_a_new_epoch(around);
            return;
        }
        if matches!(self.stage, Stage::Reclaiming(_)) {
            self.stage = Stage::Start; // an epoch came from elsewhere
        }
        if self.trouble.as_ref().is_some_and(|trouble| !self.fails_by(trouble)) {
            self.trouble = None;
        }
        let target = self.target(desired);
        debug_assert!(self.stored.state.may_move_to(target), "targets are legal moves");
        let news = self.reassert.is_some() || self.recovered || self.trouble.is_some();
        let written = target == self.stored.state && !news && !self.write_in_doubt;
        if written || target == State::Unknown {
            self.work(around);
        } else {
            let here = self.stored.state;
            if target == State::LogAlignment && matches!(here, State::Unknown | State::Stopped) {
                // Clients may write only while that is wanted, and it no longer is.
                self.stage = Stage::Start;
                around.push(Action::CloseForMirroring(self.id));
            } else if target != here {
                self.leave(around);
            }
            self.persist(target, around);
        }
    }

    /// The state to go to; the first that applies (KIP-1279, choosing the target, with stopping
    /// before failures).
    fn target(&self, desired: DesiredState) -> State {
        use DesiredState as Desired;
        if self.trouble.is_some() {
            return State::Failed;
        }
        let here = self.stored.state;
        let converged = self.stage == Stage::Converged;
        match (here, desired) {
            (State::Failed, _) => self.target_after_failure(desired),
            (State::Unknown, Desired::Paused) => here,
            (State::Unknown, _) | (State::Stopped, Desired::Mirroring) => State::LogAlignment,
            (State::Stopped, _) => here,
            (State::Stopping, _) if self.stage == Stage::Sealed => State::Stopped,
            (State::Stopping, _) | (_, Desired::Stopped) => State::Stopping,
            (State::LogAlignment | State::UleRecovery, _) if converged => State::Mirroring,
            (State::LogAlignment | State::UleRecovery, _) => here,
            (State::EpochFencing, _) if self.uncovered_fence().is_none() => State::Mirroring,
            (State::EpochFencing, _) => here,
            (State::Mirroring, _) if self.cut => State::UleRecovery,
            (State::Mirroring, Desired::Paused) => State::Pausing,
            (State::Mirroring, _) if self.uncovered_fence().is_some() => State::EpochFencing,
            (State::Mirroring, _) | (State::Paused, Desired::Mirroring) => State::Mirroring,
            (State::Pausing, _) => match self.fetcher.presence {
                Presence::Absent | Presence::Held => State::Paused,
                Presence::Running | Presence::Holding | Presence::Leaving => here,
            },
            (State::Paused, _) => here,
        }
    }

    fn target_after_failure(&self, desired: DesiredState) -> State {
        let stop = desired == DesiredState::Stopped;
        if self.turn == Turn::Waiting && (!stop || self.stop_failed) {
            return State::Failed;
        }
        let pause = desired == DesiredState::Paused;
        match self.stored.previous_state {
            State::Stopped if stop => State::Stopped,
            _ if stop => State::Stopping,
            State::Unknown | State::Failed | State::LogAlignment => State::LogAlignment,
            State::Stopped => State::LogAlignment,
            State::Stopping => State::Stopping,
            State::UleRecovery => State::UleRecovery,
            State::Paused if pause => State::Paused,
            _ if pause => State::Pausing,
            State::EpochFencing => State::EpochFencing,
            State::Mirroring | State::Pausing | State::Paused => State::Mirroring,
        }
    }

    /// True when `trouble` is news: a failed partition can only fail for good.
    fn fails_by(&self, trouble: &Trouble) -> bool {
        let for_good = trouble.class == RetryClass::NonRetryable;
        self.stored.state != State::Failed
            || (for_good && self.stored.retry_attempt != crate::stored_state::NON_RETRYABLE)
    }
}
