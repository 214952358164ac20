//! What the operator wants of a topic that belongs to a mirror.

use std::fmt;

/// The intent for one topic. A topic that belongs to no mirror has none (`UNKNOWN`, -1).
///
/// The numbers are those of the states of partitions (KIP-1279, decision Q4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DesiredState {
    /// Follow the source.
    Mirroring,
    /// Hold what is here; read-only.
    Paused,
    /// Detached; writable once every step of the stop is done.
    Stopped,
}

impl DesiredState {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 3] = [Self::Mirroring, Self::Paused, Self::Stopped];

    /// The state of a number on the wire or on disk; `None` when it is none.
    #[must_use]
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The number, as messages and files carry it.
    #[must_use]
    pub const fn number(self) -> i8 {
        match self {
            Self::Mirroring => 3,
            Self::Paused => 5,
            Self::Stopped => 7,
        }
    }

    /// The name, as the protocol spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mirroring => "MIRRORING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }
}

impl fmt::Display for DesiredState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
