//! The bound on what throttled partitions bring in (`mirror.replication.throttled.rate`, KIP-1279).
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! Bytes are paid for in time once they are taken in: while time is owed, throttled partitions are
//! left out of requests. They have a fetch session of their own on each connection, so that leaving
//! all of them out is not sending a request, and none of the others is held up.

use std::num::{NonZeroU64, NonZeroU128};

use crate::limits::{THROTTLE_CREDIT_MS, THROTTLED_RESPONSE_BYTES_MIN, THROTTLED_RESPONSE_PART};
use crate::op::Tick;

const US_PER_SECOND: u64 = 1_000_000;

/// What throttled partitions may bring in, and what they have brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throttle {
    /// Bytes per second; `None` is no bound.
    rate: Option<NonZeroU64>,
    /// Everything taken in is paid for then.
    owed_until: Tick,
    /// Bytes times microseconds per second that are too few for a microsecond.
    unpaid: u64,
}

impl Throttle {
    pub(crate) const fn is_on(&self) -> bool {
        self.rate.is_some()
    }

    /// Sets another rate. What is owed is owed at the better of both.
    pub(crate) fn set_rate(&mut self, rate: Option<NonZeroU64>, now: Tick) {
        let owed_us = u128::from(self.owed_until.0.saturating_sub(now.0));
        let scaled = match (self.rate, rate) {
            (Some(before), Some(after)) => {
                owed_us * u128::from(before.get()) / NonZeroU128::from(after)
            }
            _ => 0,
        };
        let owed_us = u64::try_from(scaled.min(owed_us)).expect("less than was owed");
        self.owed_until = Tick(now.0.saturating_add(owed_us));
        self.unpaid = 0;
        self.rate = rate;
    }

    /// `bytes` of throttled partitions were taken in.
    pub(crate) fn note(&mut self, bytes: u32, now: Tick) {
        let Some(rate) = self.rate else { return };
        let cost = self.unpaid.saturating_add(u64::from(bytes) * US_PER_SECOND);
        self.unpaid = cost % rate;
        // Time in which nothing came counts, up to a limit: the rate is one over seconds.
        let credit = Tick(now.0.saturating_sub(THROTTLE_CREDIT_MS * 1_000));
        self.owed_until = Tick(self.owed_until.max(credit).0.saturating_add(cost / rate));
    }

    /// When throttled partitions may be asked for again, if that is not now.
    pub(crate) fn blocked_until(&self, now: Tick) -> Option<Tick> {
        (self.is_on() && self.owed_until > now).then_some(self.owed_until)
    }

    /// Bytes to ask for at a time, at most `most`: a small part of a second's, so that others on
    /// the connection wait little for them.
    pub(crate) fn response_bytes(&self, most: u32) -> u32 {
        let Some(rate) = self.rate else { return most };
        let part = u32::try_from(rate.get() / THROTTLED_RESPONSE_PART).unwrap_or(u32::MAX);
        part.max(THROTTLED_RESPONSE_BYTES_MIN).min(most)
    }
}

#[cfg(test)]
mod tests;
