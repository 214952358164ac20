//! States on their way to `__mirror_state`, and what their arrival means.

use super::action::Action;
use super::input::{PersistFailure, Ticket};
use super::partition::{MirrorPartition, Stage, Surroundings, Turn};
use crate::desired_state::DesiredState;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState as State;
use crate::retry::FailureRecord;
use crate::state_epoch::StateEpoch;
use crate::stored_state::{NON_RETRYABLE, PositionChange, StateWrite, StoredState};

/// Pause before a write that did not succeed is tried again, milliseconds (KIP-1279).
pub(super) const REWRITE_PAUSE_MS: u64 = 1_000;
/// Longest text of an error that is stored, in bytes.
pub(super) const ERROR_BYTES_MAX: usize = 1_024;

/// What a write says of failures.
struct Bookkeeping {
    error: Option<String>,
    retry_attempt: i16,
    previous_state: State,
}

impl Bookkeeping {
    const CLEAR: Self = Self { error: None, retry_attempt: 0, previous_state: State::Unknown };
}

impl MirrorPartition {
    /// Asks for `target` to be written.
    pub(super) fn persist(&mut self, target: State, around: &mut Surroundings<'_>) {
        let moving = target != self.stored.state;
        let position = match target {
            State::LogAlignment if moving => PositionChange::Clear,
            _ => PositionChange::Keep,
        };
        let bookkeeping = self.bookkeeping(target, around);
        self.write(target, bookkeeping, position, around);
    }

    /// Asks for where mirroring ended to be written; the state stays.
    pub(super) fn persist_position(
        &mut self,
        position: MirrorPosition,
        around: &mut Surroundings<'_>,
    ) {
        let bookkeeping = self.stored_bookkeeping();
        let change = PositionChange::Set(position);
        self.write(self.stored.state, bookkeeping, change, around);
    }

    fn write(
        &mut self,
        state: State,
        bookkeeping: Bookkeeping,
        position: PositionChange,
        around: &mut Surroundings<'_>,
    ) {
        assert!(self.write.is_none(), "one write of a partition is under way at a time");
        let Bookkeeping { error, retry_attempt, previous_state } = bookkeeping;
        let write = Box::new(StateWrite {
            mirror: self.mirror.clone(),
            partition: self.id,
            state,
            leader_epoch: Some(self.leader_epoch),
            state_epoch: Some(self.stored.state_epoch),
            error,
            retry_attempt,
            previous_state,
            position,
        });
        let ticket = around.ticket();
        self.write = Some((ticket, write.clone()));
        around.push(Action::Persist { ticket, write });
    }

    fn stored_bookkeeping(&self) -> Bookkeeping {
        Bookkeeping {
            error: self.stored.error.clone(),
            retry_attempt: self.stored.retry_attempt,
            previous_state: self.stored.previous_state,
        }
    }

    /// What is written of failures with `target` (KIP-1279, FAILED and retry).
    fn bookkeeping(&self, target: State, around: &Surroundings<'_>) -> Bookkeeping {
        let here = self.stored.state;
        match target {
            State::Failed => self.failure_bookkeeping(around),
            State::LogAlignment | State::Paused | State::Stopped => Bookkeeping::CLEAR,
            State::Stopping if here == State::Stopping => self.stored_bookkeeping(),
            State::Stopping => {
                let again = here == State::Failed && self.turn == Turn::Due;
                let kept = if again { self.stored_bookkeeping() } else { Bookkeeping::CLEAR };
                let never_mirrored = !self.was_mirrored();
                let previous_state =
                    if never_mirrored { State::LogAlignment } else { State::Unknown };
                Bookkeeping { previous_state, ..kept }
            }
            _ if self.turn == Turn::Recovered || self.recovered => Bookkeeping::CLEAR,
            _ => self.stored_bookkeeping(),
        }
    }

    fn failure_bookkeeping(&self, around: &Surroundings<'_>) -> Bookkeeping {
        let Some(trouble) = &self.trouble else { return self.stored_bookkeeping() };
        let state = match self.stored.state {
            State::Stopping if !self.was_mirrored() => State::LogAlignment,
            state => state,
        };
        let attempts = if self.recovered { 0 } else { self.stored.retry_attempt };
        let attempts = if attempts == 0 { self.attempts_before } else { attempts };
        let failed_before = attempts != 0 || state == State::Failed;
        let earlier = failed_before.then(|| FailureRecord {
            previous_state: self.stored.previous_state,
            reason: String::new(),
            attempt: u32::try_from(attempts).ok(),
            due_ms: None,
        });
        let reason = shortened(&trouble.reason);
        let attempts_max = around.policy.attempts_max;
        let record = FailureRecord::after(earlier, state, reason, trouble.class, attempts_max);
        Bookkeeping {
            error: Some(record.reason),
            retry_attempt: record.attempt.map_or(NON_RETRYABLE, wire_attempt),
            previous_state: record.previous_state,
        }
    }

    /// The answer to a write.
    pub(super) fn on_persisted(
        &mut self,
        ticket: Ticket,
        outcome: Result<StateEpoch, PersistFailure>,
        around: &mut Surroundings<'_>,
    ) {
        if self.write.as_ref().is_none_or(|(awaited, _)| *awaited != ticket) {
            return;
        }
        let Some((_, write)) = self.write.take() else { return };
        self.write_in_doubt = matches!(outcome, Err(PersistFailure::Unavailable { .. }));
        match outcome {
            Ok(state_epoch) => {
                self.write_failures = 0;
                self.reassert = self.reassert.filter(|since| write.leader_epoch < Some(*since));
                let position = write.position.applied_to(self.position);
                let stored = StoredState {
                    state: write.state,
                    leader_epoch: write.leader_epoch,
                    state_epoch,
                    error: write.error,
                    retry_attempt: write.retry_attempt,
                    previous_state: write.previous_state,
                };
                if stored.state == State::Failed {
                    self.trouble = None;
                }
                self.adopt(stored, position, around);
            }
            Err(PersistFailure::Refused { stored, position }) => {
                self.write_failures = self.write_failures.saturating_add(1);
                if self.write_failures > 1 && stored.state == self.stored.state {
                    self.rewrite_due_ms = Some(around.now_ms.saturating_add(REWRITE_PAUSE_MS));
                }
                self.adopt(stored, position, around);
            }
            Err(PersistFailure::Unavailable { .. }) => {
                self.write_failures = self.write_failures.saturating_add(1);
                self.rewrite_due_ms = Some(around.now_ms.saturating_add(REWRITE_PAUSE_MS));
            }
        }
        self.settle(around);
    }

    /// Takes over what is stored now.
    fn adopt(
        &mut self,
        stored: StoredState,
        position: MirrorPosition,
        around: &mut Surroundings<'_>,
    ) {
        let before = std::mem::replace(&mut self.stored, stored);
        self.position = position;
        let (from, to) = (before.state, self.stored.state);
        self.recovered = self.recovered && (self.stored.error.is_some() || self.has_failures());
        if from == to && before.retry_attempt == self.stored.retry_attempt {
            return;
        }
        if from == to && to != State::Failed {
            return;
        }
        self.enter(&before, around);
        let failed = to == State::Failed;
        around.push(Action::StateChanged {
            partition: self.id,
            from,
            to,
            reason: if failed { self.stored.error.clone() } else { None },
            retry_at_ms: self.retry_due_ms,
        });
        self.stop_fetching(around);
    }

    /// Forgets what only mattered in the state before.
    fn enter(&mut self, before: &StoredState, around: &mut Surroundings<'_>) {
        self.leave(around);
        self.stage = Stage::Start;
        self.raise_refused = false;
        self.recovered = false;
        self.retry_due_ms = None;
        let turn = std::mem::replace(&mut self.turn, Turn::Waiting);
        let from = before.state;
        let stop_failed = std::mem::take(&mut self.stop_failed);
        match self.stored.state {
            State::LogAlignment => {
                let again = from == State::Failed && turn == Turn::Due;
                self.attempts_before = if again { before.retry_attempt } else { 0 };
                (self.cut, self.fence, self.last_epoch, self.end) = (false, None, None, None);
            }
            State::UleRecovery => self.cut = false,
            State::Stopping => (self.cut, self.fence, self.end) = (false, None, None),
            State::Stopped => self.attempts_before = 0,
            State::Failed => {
                let in_stop = matches!(from, State::Stopping | State::Stopped);
                let again = from == State::Failed && stop_failed;
                self.stop_failed = self.wants(DesiredState::Stopped) && (in_stop || again);
                self.arm_retry(around);
            }
            _ => {}
        }
    }

    /// Plans the next attempt of a failed partition, once.
    pub(super) fn arm_retry(&mut self, around: &mut Surroundings<'_>) {
        let Ok(attempt) = u32::try_from(self.stored.retry_attempt) else { return };
        let left = attempt > 0 && attempt < around.policy.attempts_max;
        if left && self.retry_due_ms.is_none() && self.turn == Turn::Waiting {
            let delay_ms = around.policy.delay_ms(attempt, around.jitter);
            self.retry_due_ms = Some(around.now_ms.saturating_add(delay_ms));
        }
    }

    pub(super) const fn has_failures(&self) -> bool {
        self.stored.retry_attempt != 0 || self.stored.error.is_some()
    }
}

fn wire_attempt(attempt: u32) -> i16 {
    i16::try_from(attempt).unwrap_or(i16::MAX)
}

fn shortened(reason: &str) -> String {
    let end =
        (0..=ERROR_BYTES_MAX.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
    reason[..end.unwrap_or(0)].to_owned()
}
