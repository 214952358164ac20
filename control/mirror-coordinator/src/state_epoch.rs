//! The count of states written for one partition of a mirror.

use std::fmt;

/// Counts the states written for a partition of a mirror (KIP-1279): one more with each record, so
/// that a writer who has not seen the last one is told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateEpoch(i32);

impl StateEpoch {
    /// Nothing was written yet.
    pub const ZERO: Self = Self(0);

    /// Parses an epoch read from the wire or disk, where negative means "do not check".
    #[must_use]
    pub const fn from_wire(raw: i32) -> Option<Self> {
        if raw < 0 { None } else { Some(Self(raw)) }
    }

    /// The integer as written on the wire.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// The epoch of the next state written; `None` past the largest.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }
}

impl fmt::Display for StateEpoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}
