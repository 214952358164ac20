//! The states of a mirrored partition and the one table of legal moves.
//!
//! ```text
//!             start                        first load
//! UNKNOWN ------------> LOG_ALIGNMENT ------------------> MIRRORING <------------------+
//! STOPPED ------------^       |                            |  |  |                     |
//!                             |                            |  |  +-> EPOCH_FENCING ----+
//!                             |                            |  +----> ULE_RECOVERY -----+
//!                             |                            +-------> PAUSING -> PAUSED-+
//!                             +----------------------------+-------> STOPPING -> STOPPED
//! any -> FAILED -> the state before
//! ```
//! Source: KIP-1279, states and transitions.

use std::fmt;

/// Where a mirrored partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MirrorPartitionState {
    /// Nothing is known about it yet.
    Unknown,
    /// Finding where our log may continue from the source. A directory has no other replicas, so
    /// this lasts as long as opening the log.
    LogAlignment,
    /// A source batch carries an epoch above ours; ours is being raised.
    EpochFencing,
    /// Our log was cut because the source lost records; waiting until every replica agrees.
    UleRecovery,
    /// Fetching.
    Mirroring,
    /// Asked to pause; what was accepted is still being written.
    Pausing,
    /// Holding, everything durable.
    Paused,
    /// Taking the steps of a failover.
    Stopping,
    /// Detached from the source; writable.
    Stopped,
    /// Stopped by an error.
    Failed,
}

impl MirrorPartitionState {
    /// Every state, in the order of the protocol's numbers, `Unknown` first.
    pub const ALL: [Self; 10] = [
        Self::Unknown,
        Self::LogAlignment,
        Self::EpochFencing,
        Self::UleRecovery,
        Self::Mirroring,
        Self::Pausing,
        Self::Paused,
        Self::Stopping,
        Self::Stopped,
        Self::Failed,
    ];

    /// True when a partition in this state may move to `target`. Staying is always legal.
    #[must_use]
    pub const fn may_move_to(self, target: Self) -> bool {
        is_legal_move(self, target)
    }

    /// The state's number on the wire and on disk.
    #[must_use]
    pub const fn number(self) -> i8 {
        match self {
            Self::Unknown => -1,
            Self::LogAlignment => 0,
            Self::EpochFencing => 1,
            Self::UleRecovery => 2,
            Self::Mirroring => 3,
            Self::Pausing => 4,
            Self::Paused => 5,
            Self::Stopping => 6,
            Self::Stopped => 7,
            Self::Failed => 8,
        }
    }

    /// The state of a number; [`Self::Unknown`] for numbers that are no state (one schema has 16
    /// for "none").
    #[must_use]
    pub fn from_number(number: i8) -> Self {
        let known = Self::ALL.into_iter().find(|state| state.number() == number);
        known.unwrap_or(Self::Unknown)
    }

    /// The state's name as the protocol spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::LogAlignment => "LOG_ALIGNMENT",
            Self::EpochFencing => "EPOCH_FENCING",
            Self::UleRecovery => "ULE_RECOVERY",
            Self::Mirroring => "MIRRORING",
            Self::Pausing => "PAUSING",
            Self::Paused => "PAUSED",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
        }
    }
}

impl fmt::Display for MirrorPartitionState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

use MirrorPartitionState as S;

/// The transition table, read by target.
const fn is_legal_move(from: S, target: S) -> bool {
    match target {
        S::Unknown => matches!(from, S::Unknown),
        S::LogAlignment => {
            matches!(from, S::Unknown | S::Stopped | S::LogAlignment | S::Failed)
        }
        S::EpochFencing => matches!(from, S::Mirroring | S::EpochFencing | S::Failed),
        S::UleRecovery => matches!(from, S::Mirroring | S::UleRecovery | S::Failed),
        S::Mirroring => !matches!(from, S::Unknown | S::Pausing | S::Stopping | S::Stopped),
        S::Pausing => matches!(from, S::Mirroring | S::Pausing | S::Failed),
        S::Paused => matches!(from, S::Pausing | S::Paused | S::Failed),
        S::Stopping => !matches!(from, S::Unknown | S::Stopped),
        S::Stopped => matches!(from, S::Stopping | S::Stopped | S::Failed),
        S::Failed => true,
    }
}

#[cfg(test)]
mod tests;
