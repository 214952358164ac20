//! How many bytes of each partition a lane asks for: more where answers take long to begin.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! A lane asks for what follows when an answer ends, so its connection is silent for a round trip
//! between two answers. Over a long link that silence is most of the time, unless answers are long
//! as well: a mebibyte every 80 ms is 13 MB/s, whatever the link carries. So a lane whose answers
//! are full and short beside the silence before them asks for twice as much the next time.

use crate::limits::SourceLimits;
use crate::op::Tick;

/// An answer shorter than this many times the silence before it is too short.
const ANSWER_SILENCES_MIN: u64 = 10;
/// An answer longer than this many times the silence before it need not be as long.
const ANSWER_SILENCES_MAX: u64 = 100;

/// What a lane asks for, and what it has seen of the answer being read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FetchSize {
    /// Times that the first size was doubled.
    doublings: u32,
    /// Microseconds in which nothing came before the answer being read.
    silence_us: u64,
    began: Tick,
    /// A partition brought about as much as was asked for: it likely has more.
    is_filled: bool,
}

impl FetchSize {
    /// Bytes of each partition to ask for.
    pub(crate) fn partition_bytes(self, limits: &SourceLimits) -> u32 {
        let first = limits.partition_fetch_bytes;
        let doubled = first.saturating_mul(1_u32.checked_shl(self.doublings).unwrap_or(u32::MAX));
        doubled.min(most(limits))
    }

    /// An answer begins at `now`; nothing came since `silent_since`.
    pub(crate) fn answer_begins(&mut self, silent_since: Tick, now: Tick) {
        self.silence_us = now.0.saturating_sub(silent_since.0);
        self.began = now;
        self.is_filled = false;
    }

    /// The answer has this many bytes of records of a partition.
    pub(crate) fn note_partition(&mut self, records_bytes: u32, limits: &SourceLimits) {
        let asked = self.partition_bytes(limits);
        // Brokers that send whole batches only stay a little below.
        self.is_filled |= records_bytes >= asked - asked / 4;
    }

    /// The answer was read to its end at `now`.
    pub(crate) fn answer_ends(&mut self, limits: &SourceLimits, now: Tick) {
        let answer_us = now.0.saturating_sub(self.began.0);
        if !self.is_filled {
            return;
        }
        if answer_us < self.silence_us.saturating_mul(ANSWER_SILENCES_MIN) {
            if self.partition_bytes(limits) < most(limits) {
                self.doublings += 1;
            }
        } else if answer_us > self.silence_us.saturating_mul(ANSWER_SILENCES_MAX) {
            self.doublings = self.doublings.saturating_sub(1);
        }
    }
}

/// The most to ask for of each partition, whatever the link.
fn most(limits: &SourceLimits) -> u32 {
    limits.partition_fetch_bytes_max.min(limits.fetch_bytes_max)
}

#[cfg(test)]
mod tests;
