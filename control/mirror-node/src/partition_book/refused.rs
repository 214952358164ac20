//! Errors in place of what was asked of a partition. While one is the last word, that its broker
//! answers others says nothing of it: the topic may be gone.

use std::time::Duration;

use mirror_uring::SourceLimits;
use tokio::time::Instant;

/// Refusals of one partition in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// When the first one came.
    since: Instant,
    count: u32,
    /// By then another one would have come. A partition without news answers with silence.
    over_at: Instant,
}

/// How long the engine waits before it asks again: it doubles, up to a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    least: Duration,
    most: Duration,
}

impl Refused {
    pub(crate) fn again(earlier: Option<Self>, now: Instant, pauses: &Pauses) -> Self {
        let earlier = earlier.filter(|earlier| earlier.since(now).is_some());
        let since = earlier.map_or(now, |earlier| earlier.since);
        let count = earlier.map_or(1, |earlier| earlier.count.saturating_add(1));
        // A pause that cannot be added is as good as none that ends.
        let over_at = now.checked_add(pauses.longest_after(count)).unwrap_or(now + FAR_AWAY);
        Self { since, count, over_at }
    }

    /// Since when the source refuses; `None` when it must have answered well meanwhile.
    pub(crate) fn since(&self, now: Instant) -> Option<Instant> {
        (now < self.over_at).then_some(self.since)
    }
}

impl Pauses {
    pub(crate) fn of(limits: &SourceLimits) -> Self {
        let millis = Duration::from_millis;
        Self { least: millis(limits.backoff_ms), most: millis(limits.backoff_max_ms) }
    }

    /// More than passes until an answer after so many refusals. While it waits for a leader, the
    /// engine begins with four times the least; a fifth is jitter.
    fn longest_after(&self, count: u32) -> Duration {
        let doubled = self.least.saturating_mul(1 << count.saturating_add(2).min(20));
        let pause = doubled.min(self.most);
        pause.saturating_add(pause / 2).saturating_add(ANSWER_PATIENCE)
    }
}

/// An error is told at once, by a broker that answers at all.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
const FAR_AWAY: Duration = Duration::from_secs(86_400);
