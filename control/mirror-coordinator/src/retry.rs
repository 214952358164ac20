//! When a failed partition is tried again (KIP-1279, `mirror.failed.retry.*`).

use crate::partition_state::MirrorPartitionState;

/// How long to wait between attempts and when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Base of the pause, milliseconds; the first pause is twice this.
    pub initial_ms: u64,
    /// Longest pause, milliseconds.
    pub max_ms: u64,
    /// Attempts before the operator is needed; 0 never retries.
    pub attempts_max: u32,
}

impl Default for RetryPolicy {
    /// The proposal's defaults: 200 ms, 400 ms, ... 300 s, about 47 minutes in 20 attempts.
    fn default() -> Self {
        Self { initial_ms: 100, max_ms: 300_000, attempts_max: 20 }
    }
}

impl RetryPolicy {
    /// The pause before attempt `attempt` (1 is the first), in milliseconds, with 20 % jitter.
    #[must_use]
    pub fn delay_ms(&self, attempt: u32, jitter: &mut Jitter) -> u64 {
        let doubled =
            self.initial_ms.saturating_mul(1_u64.checked_shl(attempt).unwrap_or(u64::MAX));
        let permille = 800 + jitter.below(401);
        let delay_ms = doubled.min(self.max_ms.saturating_mul(2)).saturating_mul(permille) / 1_000;
        delay_ms.min(self.max_ms)
    }
}

/// May a retry cure it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// Tried again after a pause.
    Retryable,
    /// Only the operator can help.
    NonRetryable,
}

/// Why a partition failed and what happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRecord {
    /// State before the first failure of this series; where a retry goes.
    pub previous_state: MirrorPartitionState,
    /// Why, for people.
    pub reason: String,
    /// Failures in this series; `None` when no retry can help.
    pub attempt: Option<u32>,
    /// When to try again, milliseconds on the caller's clock; `None` when never.
    pub due_ms: Option<u64>,
}

impl FailureRecord {
    /// The record after one more failure in state `state`.
    #[must_use]
    pub fn after(
        earlier: Option<Self>,
        state: MirrorPartitionState,
        reason: String,
        class: RetryClass,
        attempts_max: u32,
    ) -> Self {
        let given_up = earlier.as_ref().is_some_and(|record| record.attempt.is_none());
        let attempts = earlier.as_ref().and_then(|record| record.attempt).unwrap_or(0);
        let previous_state = match (&earlier, state) {
            (Some(record), MirrorPartitionState::Failed) => record.previous_state,
            _ => state,
        };
        let retryable = class == RetryClass::Retryable && !given_up;
        let attempt = retryable.then(|| attempts.saturating_add(1).min(attempts_max));
        Self { previous_state, reason, attempt, due_ms: None }
    }

    /// True while attempts are left.
    #[must_use]
    pub fn may_retry(&self, policy: &RetryPolicy) -> bool {
        self.attempt.is_some_and(|attempt| attempt < policy.attempts_max)
    }
}

/// Small numbers that differ between runs of different seeds (SplitMix64); not for secrets.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Numbers that follow from `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
