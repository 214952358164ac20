//! Error codes of cluster mirroring (KIP-1279), which `kafka-protocol` does not have.
//!
//! The numbers are those of the prototype; a release of Apache Kafka may assign others.

/// Why a request about a mirror or a mirrored topic is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("{}", self.name())]
pub enum MirrorError {
    /// The topic is mirrored: only its source is written to.
    ReadOnlyTopic,
    /// Not a name for a mirror. Older revisions only: newer ones answer `INVALID_REQUEST`.
    InvalidClusterMirrorName,
    /// A mirror of this name exists.
    ClusterMirrorAlreadyExists,
    /// No mirror of this name exists.
    UnknownClusterMirror,
    /// The topic belongs to another mirror.
    TopicAlreadyInClusterMirror,
    /// The topic does not belong to this mirror.
    TopicNotInClusterMirror,
    /// The topic is paused; what was asked needs one that is not.
    MirrorTopicAlreadyPaused,
    /// The topic is not paused; what was asked needs one that is.
    MirrorTopicNotPaused,
    /// The topic is being stopped or is stopped already.
    MirrorTopicBeingStopped,
    /// Topics of the mirror are mirrored or paused still.
    ClusterMirrorNotEmpty,
    /// The caller may not do this with this mirror.
    ClusterMirrorAuthorizationFailed,
    /// A topic or partition is not in a state in which this can be done.
    InvalidClusterMirrorState,
    /// The topic was started before and is not stopped.
    MirrorTopicNotStopped,
}

impl MirrorError {
    /// Every error, in the order of its code.
    pub const ALL: [Self; 13] = [
        Self::ReadOnlyTopic,
        Self::InvalidClusterMirrorName,
        Self::ClusterMirrorAlreadyExists,
        Self::UnknownClusterMirror,
        Self::TopicAlreadyInClusterMirror,
        Self::TopicNotInClusterMirror,
        Self::MirrorTopicAlreadyPaused,
        Self::MirrorTopicNotPaused,
        Self::MirrorTopicBeingStopped,
        Self::ClusterMirrorNotEmpty,
        Self::ClusterMirrorAuthorizationFailed,
        Self::InvalidClusterMirrorState,
        Self::MirrorTopicNotStopped,
    ];

    /// The error of a code; `None` when it is none of ours.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.code() == code)
    }

    /// The code, as messages carry it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::ReadOnlyTopic => 134,
            Self::InvalidClusterMirrorName => 135,
            Self::ClusterMirrorAlreadyExists => 136,
            Self::UnknownClusterMirror => 137,
            Self::TopicAlreadyInClusterMirror => 138,
            Self::TopicNotInClusterMirror => 139,
            Self::MirrorTopicAlreadyPaused => 140,
            Self::MirrorTopicNotPaused => 141,
            Self::MirrorTopicBeingStopped => 142,
            Self::ClusterMirrorNotEmpty => 143,
            Self::ClusterMirrorAuthorizationFailed => 144,
            Self::InvalidClusterMirrorState => 145,
            Self::MirrorTopicNotStopped => 146,
        }
    }

    /// The name, as the protocol spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnlyTopic => "READ_ONLY_TOPIC",
            Self::InvalidClusterMirrorName => "INVALID_CLUSTER_MIRROR_NAME",
            Self::ClusterMirrorAlreadyExists => "CLUSTER_MIRROR_ALREADY_EXISTS",
            Self::UnknownClusterMirror => "UNKNOWN_CLUSTER_MIRROR",
            Self::TopicAlreadyInClusterMirror => "TOPIC_ALREADY_IN_CLUSTER_MIRROR",
            Self::TopicNotInClusterMirror => "TOPIC_NOT_IN_CLUSTER_MIRROR",
            Self::MirrorTopicAlreadyPaused => "MIRROR_TOPIC_ALREADY_PAUSED",
            Self::MirrorTopicNotPaused => "MIRROR_TOPIC_NOT_PAUSED",
            Self::MirrorTopicBeingStopped => "MIRROR_TOPIC_BEING_STOPPED",
            Self::ClusterMirrorNotEmpty => "CLUSTER_MIRROR_NOT_EMPTY",
            Self::ClusterMirrorAuthorizationFailed => "CLUSTER_MIRROR_AUTHORIZATION_FAILED",
            Self::InvalidClusterMirrorState => "INVALID_CLUSTER_MIRROR_STATE",
            Self::MirrorTopicNotStopped => "MIRROR_TOPIC_NOT_STOPPED",
        }
    }
}

#[cfg(test)]
mod tests;
