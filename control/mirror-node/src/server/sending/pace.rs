//! How much a client is given of the node's buffers, and for how long, by what it took before.

use std::time::Duration;

/// What a client is believed to take: little, until it took more.
#[derive(Debug)]
pub(super) struct Pace {
    piece_bytes: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { piece_bytes: SLOW_PIECE_BYTES }
    }
}

impl Pace {
    /// Bytes to hold a buffer for at one time.
    pub(super) const fn piece_bytes(&self) -> u32 {
        self.piece_bytes
    }

    /// How long such a piece may hold its buffer, from its first byte to its last.
    pub(super) fn hold_max(&self) -> Duration {
        HOLD_MAX * self.piece_bytes / PIECE_BYTES
    }

    /// True when the next piece may be read while this one is sent: a second buffer.
    pub(super) const fn may_read_ahead(&self) -> bool {
        self.piece_bytes == PIECE_BYTES
    }

    /// The client took all of a piece in time, or did not.
    pub(super) fn note(&mut self, was_whole: bool) {
        self.piece_bytes =
            if was_whole { (self.piece_bytes * 2).min(PIECE_BYTES) } else { SLOW_PIECE_BYTES };
    }
}

/// Bytes sent at one time.
pub(super) const PIECE_BYTES: u32 = 1 << 20;
/// The same for a client that did not take a piece in time, and at first.
const SLOW_PIECE_BYTES: u32 = 128 << 10;
/// A client that takes less than a piece in this time gives its buffer back, and gets one again
/// when its socket takes bytes.
const HOLD_MAX: Duration = Duration::from_millis(250);

const _: () = assert!(PIECE_BYTES.is_multiple_of(SLOW_PIECE_BYTES));

#[cfg(test)]
mod tests;
