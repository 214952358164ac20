//! What the lifecycle is told.

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, SourceBroker, TopicId, TopicIdPartition};

use crate::desired_state::DesiredState;
use crate::mirror_name::MirrorName;
use crate::mirror_position::MirrorPosition;
use crate::retry::RetryClass;
use crate::state_epoch::StateEpoch;
use crate::stored_state::StoredState;

/// Names one thing that was asked for in an action; the answer repeats it. An answer to something
/// that is no longer wanted is thereby known and ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// What to do when the source lost records that we have (unclean election at the source).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UncleanElection {
    /// Cut our log where the source's history leaves ours and go on.
    Truncate,
    /// Keep our log and stop the partition.
    Fail,
}

/// Where a closed log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// Epoch of its last batch; `None` when it has no batch with an epoch.
    pub last_epoch: Option<SourceLeaderEpoch>,
    /// One past its last offset.
    pub offset: Offset,
}

/// Something the lifecycle is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// What is stored of a partition, before the first [`Input::Desired`] of it; nothing follows
    /// from it by itself, and later it is ignored.
    ///
    /// Where the node itself hands out leader epochs, the one to tell is the larger of what its
    /// metadata and the stored state say: behind the stored state, the partition asks to be raised
    /// first.
    Restored {
        /// Which partition.
        partition: TopicIdPartition,
        /// The mirror it belongs to.
        mirror: MirrorName,
        /// What is stored.
        stored: StoredState,
        /// Its last mirror position.
        position: MirrorPosition,
        /// Our leader epoch.
        leader_epoch: LeaderEpoch,
    },
    /// A partition is bound to a mirror, or what is wanted of it changed, or we became its leader.
    Desired {
        /// Which partition.
        partition: TopicIdPartition,
        /// The mirror it belongs to.
        mirror: MirrorName,
        /// What is wanted.
        desired: DesiredState,
        /// Our leader epoch; a higher one than before has the state written again.
        leader_epoch: LeaderEpoch,
    },
    /// A partition belongs to no mirror any more, or is gone, or we no longer lead it. It is
    /// forgotten; answers that are under way are ignored. A log that clients may write to stays so:
    /// the topic is an ordinary one now. Where it is led elsewhere, the host closes it.
    Unbound(TopicIdPartition),
    /// The source's metadata names this partition; repeated at every refresh.
    SourcePartition {
        /// Which partition.
        partition: TopicIdPartition,
        /// The broker that leads it, `None` when it has no leader.
        leader: Option<SourceBroker>,
        /// The leader's epoch, `None` when the source does not tell.
        epoch: Option<SourceLeaderEpoch>,
        /// What to do when the source loses records of it.
        unclean_election: UncleanElection,
    },
    /// The connection settings of a mirror changed: what is known of its leaders is void, and its
    /// partitions leave the engine until they are named again.
    SourceForgotten(MirrorName),
    /// A topic is no longer what we mirror: deleted at the source, or recreated.
    TopicLost {
        /// Our topic's id.
        topic_id: TopicId,
        /// What was seen, for people.
        reason: String,
    },
    /// A mirror's source is another cluster than it was.
    SourceReplaced {
        /// Which mirror.
        mirror: MirrorName,
        /// What was seen, for people.
        reason: String,
    },
    /// News of one partition from the engine.
    Engine {
        /// Which partition.
        partition: TopicIdPartition,
        /// What happened.
        event: EngineEvent,
    },
    /// Answer to [`super::Action::Persist`].
    Persisted {
        /// Which partition.
        partition: TopicIdPartition,
        /// The action's ticket.
        ticket: Ticket,
        /// The state epoch written, or why it was not.
        outcome: Result<StateEpoch, PersistFailure>,
    },
    /// Answer to [`super::Action::RaiseLeaderEpoch`]; a raised epoch also counts without ticket.
    LeaderEpochRaised {
        /// Which partition.
        partition: TopicIdPartition,
        /// The action's ticket.
        ticket: Ticket,
        /// Our leader epoch now, or why it stays.
        outcome: Result<LeaderEpoch, String>,
    },
    /// Answer to [`super::Action::Align`].
    Aligned {
        /// Which partition.
        partition: TopicIdPartition,
        /// The action's ticket.
        ticket: Ticket,
        /// Our log is cut to where it may go on, or why it is not.
        outcome: Result<(), AlignmentFailure>,
    },
    /// Answer to [`super::Action::AwaitReplicas`].
    ReplicasConverged {
        /// Which partition.
        partition: TopicIdPartition,
        /// The action's ticket.
        ticket: Ticket,
    },
    /// Answer to [`super::Action::MeasureLog`].
    LogMeasured {
        /// Which partition.
        partition: TopicIdPartition,
        /// The action's ticket.
        ticket: Ticket,
        /// Where the log ends, or why that cannot be told.
        outcome: Result<LogEnd, String>,
    },
    /// Answer to [`super::Action::SealLog`].
    LogSealed {
        /// Which partition.
        partition: TopicIdPartition,
        /// The action's ticket.
        ticket: Ticket,
        /// Done, or why not.
        outcome: Result<(), String>,
    },
    /// Answer to [`super::Action::OpenForWriting`].
    OpenedForWriting {
        /// Which partition.
        partition: TopicIdPartition,
        /// The action's ticket.
        ticket: Ticket,
        /// Done, or why not.
        outcome: Result<(), String>,
    },
    /// A mirror's source answers again after it did not: its partitions that wait to be tried again
    /// need not wait any longer.
    SourceAnswered(MirrorName),
    /// The operator wants a failed partition tried again (`RecoverMirrorTopics`).
    Recover(TopicIdPartition),
    /// Time passed.
    Tick,
}

/// What the engine says of a partition, as far as the lifecycle depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// Its log is open; `last_epoch` is the epoch of its last batch.
    Loaded {
        /// Epoch of the last batch in our log.
        last_epoch: Option<SourceLeaderEpoch>,
    },
    /// Bytes were appended or confirmed; `last_epoch` as above.
    Progressed {
        /// Epoch of the last batch in our log.
        last_epoch: Option<SourceLeaderEpoch>,
    },
    /// No broker is known to lead it.
    LeaderUnknown,
    /// The engine followed the partition to another broker of its source by itself.
    LeaderMoved {
        /// The new leader.
        leader: BrokerId,
        /// Its epoch.
        epoch: SourceLeaderEpoch,
    },
    /// A batch carries an epoch above ours; nothing is appended until ours is raised.
    Fenced {
        /// The batch's epoch.
        batch_epoch: SourceLeaderEpoch,
    },
    /// Our log was cut because the source's history differs.
    Truncated,
    /// It stopped with an error.
    Failed {
        /// Why, for people.
        reason: String,
        /// May a retry cure it?
        class: RetryClass,
    },
    /// The pause asked for is in effect.
    Paused,
    /// The engine closed the log and forgot the partition.
    Removed {
        /// Where the log ended; `None` when the engine never had it open.
        end: Option<LogEnd>,
    },
}

/// Why a state was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersistFailure {
    /// Refused (74, 124, or an illegal move): what is stored was read again, and is this.
    Refused {
        /// The stored state; [`StoredState::UNKNOWN`] when there is none.
        stored: StoredState,
        /// The stored position.
        position: MirrorPosition,
    },
    /// It could not be written, or whether it was is not known; tried again after a pause.
    Unavailable {
        /// Why, for people.
        reason: String,
    },
}

/// Why a log could not be aligned with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlignmentFailure {
    /// Why, for people.
    pub reason: String,
    /// May a retry cure it?
    pub class: RetryClass,
}
