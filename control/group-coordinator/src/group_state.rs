//! The states of a classic group and the one table of legal moves.
//!
//! ```text
//!                join of a member              every member joined
//!   EMPTY ----------------------> PREPARING_REBALANCE ----------> COMPLETING_REBALANCE
//!     ^                            |      ^    ^   ^                 |            |
//!     +----------------------------+      |    |   +-----------------+            |
//!          no member joined               |    |     join, leave, expiry          |
//!                                         |    |                                  |
//!                       join, leave, expiry    +------------- STABLE <------------+
//!                                                                  assignment kept
//!   any -> DEAD
//! ```
//! Source: `ClassicGroupState` and KIP-62.

use std::fmt;

/// Where a classic group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClassicGroupState {
    /// No members; kept for its offsets.
    Empty,
    /// Waiting for its members to join the next generation.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// Being removed; nothing is known of such a group.
    Dead,
}

/// What moves a classic group from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// Membership or a subscription changed: a new generation is needed.
    RebalanceWanted,
    /// The members that joined are the next generation.
    MembersJoined,
    /// Nobody joined the next generation.
    NobodyJoined,
    /// The leader's assignment is kept.
    AssignmentKept,
    /// The group is removed.
    Removed,
}

impl ClassicGroupState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Empty,
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Stable,
        Self::Dead,
    ];

    /// The state after `event`; `None` when the event cannot happen in this state.
    #[must_use]
    pub const fn after(self, event: GroupEvent) -> Option<Self> {
        match (self, event) {
            (
                Self::Empty | Self::CompletingRebalance | Self::Stable,
                GroupEvent::RebalanceWanted,
            ) => Some(Self::PreparingRebalance),
            (Self::PreparingRebalance, GroupEvent::MembersJoined) => {
                Some(Self::CompletingRebalance)
            }
            (Self::PreparingRebalance, GroupEvent::NobodyJoined) => Some(Self::Empty),
            (Self::CompletingRebalance, GroupEvent::AssignmentKept) => Some(Self::Stable),
            (_, GroupEvent::Removed) => Some(Self::Dead),
            _ => None,
        }
    }

    /// Kafka's name of the state.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl GroupEvent {
    /// Every event.
    pub const ALL: [Self; 5] = [
        Self::RebalanceWanted,
        Self::MembersJoined,
        Self::NobodyJoined,
        Self::AssignmentKept,
        Self::Removed,
    ];
}

impl fmt::Display for ClassicGroupState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
