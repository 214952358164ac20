//! What those who work for the control loop tell it.

use std::time::Duration;

use kafka_wire::partition::{BrokerId, TopicIdPartition};
use mirror_coordinator::lifecycle::{Input, LogEnd, Ticket};
use mirror_coordinator::mirror_name::MirrorName;

use super::align::PeerAsked;
use super::create_mirror::AskedCreate;
use super::persist::PersistedStates;
use super::start_topics::ResolvedStart;
use crate::source_connection::SourceError;
use crate::source_watch::SourceLook;

/// Something that was done beside the loop.
#[derive(Debug)]
pub(crate) enum LoopEvent {
    /// A mirror's source was looked at.
    Looked {
        /// Which mirror.
        mirror: MirrorName,
        /// Number of the watch; another one than the mirror's saw what is not its source any more.
        watch: u64,
        /// How long that took.
        took: Duration,
        /// What was seen.
        outcome: Result<SourceLook, SourceError>,
    },
    /// Brokers of a mirror's source showed that they are there.
    Answered {
        /// Which mirror.
        mirror: MirrorName,
        /// As in [`Self::Looked`].
        watch: u64,
        /// Those that did.
        brokers: Vec<BrokerId>,
    },
    /// States were written, or not.
    Persisted(PersistedStates),
    /// A source was asked what it knows of partitions that are to be aligned with it.
    PeerAsked(PeerAsked),
    /// The source of a mirror that is to be made was asked what it allows.
    CreateAsked(Box<AskedCreate>),
    /// The topics of a start were looked up at the source.
    StartResolved(Box<ResolvedStart>),
    /// A log was worked on.
    LogWorked(LogWorked),
}

/// What became of work on a log.
#[derive(Debug)]
pub(crate) struct LogWorked {
    /// Whose log.
    pub(super) partition: TopicIdPartition,
    /// What the lifecycle is told of it, when it waits for that.
    pub(super) answer: Option<Input>,
    /// True when clients were to get it, nobody waits for that, and it failed: to be tried again.
    pub(super) is_left_closed: bool,
}

impl LogWorked {
    pub(super) const fn answered(partition: TopicIdPartition, answer: Option<Input>) -> Self {
        Self { partition, answer, is_left_closed: false }
    }
}

/// Work on a log that the engine does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogWork {
    /// Clients may not write any more.
    CloseForMirroring,
    /// Where does it end?
    Measure(Ticket),
    /// Open transactions are aborted, producers forgotten.
    Seal(Ticket),
    /// Clients may write.
    OpenForWriting(Ticket),
}

impl LogWork {
    /// What the lifecycle is told when it cannot be done.
    pub(super) fn failed(self, partition: TopicIdPartition, reason: String) -> Option<Input> {
        match self {
            Self::CloseForMirroring => None,
            Self::Measure(ticket) => {
                Some(Input::LogMeasured { partition, ticket, outcome: Err(reason) })
            }
            _ => self.done(partition, Err(reason)),
        }
    }

    /// What the lifecycle is told when it was done, or not.
    pub(super) fn done(
        self,
        partition: TopicIdPartition,
        outcome: Result<(), String>,
    ) -> Option<Input> {
        match self {
            Self::CloseForMirroring | Self::Measure(_) => None,
            Self::Seal(ticket) => Some(Input::LogSealed { partition, ticket, outcome }),
            Self::OpenForWriting(ticket) => {
                Some(Input::OpenedForWriting { partition, ticket, outcome })
            }
        }
    }

    /// What the lifecycle is told of a log that was measured.
    pub(super) fn measured(self, partition: TopicIdPartition, end: LogEnd) -> Option<Input> {
        match self {
            Self::Measure(ticket) => {
                Some(Input::LogMeasured { partition, ticket, outcome: Ok(end) })
            }
            _ => None,
        }
    }
}
