//! What `__mirror_state` says of a partition, and what is to be written there.

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::mirror_state_record::PartitionStateValue;
use kafka_wire::partition::TopicIdPartition;

use crate::mirror_name::MirrorName;
use crate::mirror_position::MirrorPosition;
use crate::partition_state::MirrorPartitionState;
use crate::state_epoch::StateEpoch;

/// [`StoredState::retry_attempt`] of a failure that no retry can cure.
pub const NON_RETRYABLE: i16 = -1;

/// The stored state of a partition of a mirror (KIP-1279, partition metadata).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredState {
    /// Where it stands.
    pub state: MirrorPartitionState,
    /// Highest leader epoch that wrote a state; writers below it are refused.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Counts the states written.
    pub state_epoch: StateEpoch,
    /// Why it failed; kept until it makes progress again.
    pub error: Option<String>,
    /// 0 when it did not fail, n for the n-th failure, [`NON_RETRYABLE`] when no retry can help.
    pub retry_attempt: i16,
    /// The state before it failed; in `STOPPING`, `LOG_ALIGNMENT` when the stop came before
    /// mirroring began, so that no position is to be recorded.
    pub previous_state: MirrorPartitionState,
}

impl StoredState {
    /// What is known of a partition of which nothing is stored.
    pub const UNKNOWN: Self = Self {
        state: MirrorPartitionState::Unknown,
        leader_epoch: None,
        state_epoch: StateEpoch::ZERO,
        error: None,
        retry_attempt: 0,
        previous_state: MirrorPartitionState::Unknown,
    };

    /// A stored state from a record; numbers that are no state count as unknown.
    #[must_use]
    pub fn from_record(value: &PartitionStateValue) -> Self {
        Self {
            state: MirrorPartitionState::from_number(value.state),
            leader_epoch: value.leader_epoch,
            state_epoch: StateEpoch::from_wire(value.state_epoch).unwrap_or(StateEpoch::ZERO),
            error: value.error_message.clone(),
            retry_attempt: value.retry_attempt,
            previous_state: MirrorPartitionState::from_number(value.previous_state),
        }
    }

    /// The record that says this.
    #[must_use]
    pub fn to_record(&self) -> PartitionStateValue {
        PartitionStateValue {
            state: self.state.number(),
            leader_epoch: self.leader_epoch,
            state_epoch: self.state_epoch.get(),
            error_message: self.error.clone(),
            retry_attempt: self.retry_attempt,
            previous_state: self.previous_state.number(),
        }
    }
}

/// A state to be written for a partition, as `WriteMirrorStates` asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    /// The mirror.
    pub mirror: MirrorName,
    /// The partition.
    pub partition: TopicIdPartition,
    /// The state to go to; [`MirrorPartitionState::Unknown`] writes the position only, unfenced.
    pub state: MirrorPartitionState,
    /// The writer's leader epoch; `None` is not checked.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The state epoch that the writer read or wrote last; `None` is not checked.
    pub state_epoch: Option<StateEpoch>,
    /// Why it failed.
    pub error: Option<String>,
    /// As in [`StoredState::retry_attempt`].
    pub retry_attempt: i16,
    /// As in [`StoredState::previous_state`].
    pub previous_state: MirrorPartitionState,
    /// What becomes of the last mirror position, in the same step.
    pub position: PositionChange,
}

/// What a write does to the last mirror position of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionChange {
    /// Nothing.
    Keep,
    /// It becomes this one.
    Set(MirrorPosition),
    /// It goes: the log is about to be aligned, and what it says of this log is void.
    Clear,
}

impl PositionChange {
    /// The position after this change to `position`.
    #[must_use]
    pub const fn applied_to(self, position: MirrorPosition) -> MirrorPosition {
        match self {
            Self::Keep => position,
            Self::Set(new) => new,
            Self::Clear => MirrorPosition::EMPTY,
        }
    }
}
