//! What the lifecycle wants done.

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::partition::{SourceBroker, TopicIdPartition};

use super::input::{Ticket, UncleanElection};
use crate::mirror_name::MirrorName;
use crate::partition_state::MirrorPartitionState;
use crate::stored_state::StateWrite;

/// Something the lifecycle wants done. Actions are carried out in their order; those with a
/// [`Ticket`] are answered with the input of the same ticket, at once or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write a state; answered with [`super::Input::Persisted`] once it is durable.
    Persist {
        /// Repeated in the answer.
        ticket: Ticket,
        /// What to write.
        write: Box<StateWrite>,
    },
    /// Clients may not write to the partition, and its log is closed: it is cut next.
    CloseForMirroring(TopicIdPartition),
    /// Cut the closed log to where it may go on from the source (KIP-1279, log alignment);
    /// answered with [`super::Input::Aligned`].
    Align {
        /// Which partition.
        partition: TopicIdPartition,
        /// Repeated in the answer.
        ticket: Ticket,
    },
    /// Forget an alignment: the log is not changed on its behalf any more, once this is carried
    /// out. Its answer may come or not.
    CancelAlignment {
        /// Which partition.
        partition: TopicIdPartition,
        /// The ticket of that [`Action::Align`].
        ticket: Ticket,
    },
    /// Wait for other replicas; answered with [`super::Input::ReplicasConverged`], at once where
    /// there are none.
    AwaitReplicas {
        /// Which partition.
        partition: TopicIdPartition,
        /// Repeated in the answer.
        ticket: Ticket,
        /// What to wait for.
        goal: ReplicaGoal,
    },
    /// Tell where the closed log ends; answered with [`super::Input::LogMeasured`].
    MeasureLog {
        /// Which partition.
        partition: TopicIdPartition,
        /// Repeated in the answer.
        ticket: Ticket,
    },
    /// Make our leader epoch `max(above, ours) + 1`, or leave it where it is the largest there is
    /// and above `above`; answered with [`super::Input::LeaderEpochRaised`].
    RaiseLeaderEpoch {
        /// Which partition.
        partition: TopicIdPartition,
        /// Repeated in the answer.
        ticket: Ticket,
        /// The new epoch is above this; -1 for any.
        above: i32,
    },
    /// End what the source's producers left in the closed log, durably: an ABORT marker for each
    /// open transaction, then a reset of all producers; answered with
    /// [`super::Input::LogSealed`].
    SealLog {
        /// Which partition.
        partition: TopicIdPartition,
        /// Repeated in the answer.
        ticket: Ticket,
        /// Epoch of the batches to write.
        leader_epoch: LeaderEpoch,
    },
    /// Clients may write to the partition; answered with [`super::Input::OpenedForWriting`].
    OpenForWriting {
        /// Which partition.
        partition: TopicIdPartition,
        /// Repeated in the answer.
        ticket: Ticket,
        /// Epoch of the batches they write.
        leader_epoch: LeaderEpoch,
    },
    /// Hand the partition to the engine.
    AddPartition {
        /// Which partition.
        partition: TopicIdPartition,
        /// The broker to fetch from.
        leader: SourceBroker,
        /// The leader's epoch.
        source_epoch: Option<SourceLeaderEpoch>,
        /// Our leader epoch.
        leader_epoch: LeaderEpoch,
        /// What to do when the source loses records of it.
        unclean_election: UncleanElection,
    },
    /// Tell the engine where the partition's leader is now.
    SetSourceLeader {
        /// Which partition.
        partition: TopicIdPartition,
        /// Its leader.
        leader: SourceBroker,
        /// The leader's epoch.
        epoch: SourceLeaderEpoch,
    },
    /// Tell the engine our raised leader epoch.
    SetLeaderEpoch {
        /// Which partition.
        partition: TopicIdPartition,
        /// The new epoch.
        epoch: LeaderEpoch,
    },
    /// Tell the engine what to do from now on when the source loses records.
    SetUncleanElection {
        /// Which partition.
        partition: TopicIdPartition,
        /// What to do.
        unclean_election: UncleanElection,
    },
    /// Tell the engine to hold a partition; it answers with [`super::EngineEvent::Paused`].
    PauseFetcher(TopicIdPartition),
    /// Tell the engine to go on with a partition.
    ResumeFetcher(TopicIdPartition),
    /// Tell the engine to close the log and forget the partition, and to keep the files; it
    /// answers with [`super::EngineEvent::Removed`].
    RemoveFetcher(TopicIdPartition),
    /// Ask a mirror's source for its metadata at once.
    RefreshMetadata(MirrorName),
    /// Tell the operator that a partition moved.
    StateChanged {
        /// Which partition.
        partition: TopicIdPartition,
        /// State before.
        from: MirrorPartitionState,
        /// State after.
        to: MirrorPartitionState,
        /// Why, when it failed.
        reason: Option<String>,
        /// When it will be tried again, milliseconds on the caller's clock; `None` when never or
        /// when nothing failed.
        retry_at_ms: Option<u64>,
    },
}

/// What a wait for other replicas is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaGoal {
    /// No replica has records that ours no longer has; with unclean elections every replica
    /// counts (KIP-1279, replica convergence).
    SameAsOurs,
    /// Every replica in sync has all that ours has: the high watermark is at the end.
    HaveAllOfOurs,
}
