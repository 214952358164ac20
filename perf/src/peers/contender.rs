//! Who copies.

use serde::{Deserialize, Serialize};

/// One who copies, in the order of rows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// ringmirror as it is: a node that is ordered to mirror.
    Ringmirror,
    /// The same with `buffered = true`, which appends through the page cache as all peers do.
    RingmirrorBuffered,
    /// Kafka's follower with the settings it is shipped with.
    Follower,
    /// Kafka's follower with four fetchers and larger requests.
    FollowerTuned,
    /// Receives and throws away.
    Discard,
}

impl Contender {
    /// What tables call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ringmirror => "ringmirror",
            Self::RingmirrorBuffered => "ringmirror, buffered",
            Self::Follower => "Kafka follower",
            Self::FollowerTuned => "Kafka follower, tuned",
            Self::Discard => "fetch and discard",
        }
    }

    /// False for those who stand beside the comparison: ringmirror itself, and who keeps nothing.
    #[must_use]
    pub const fn is_peer(self) -> bool {
        match self {
            Self::Ringmirror | Self::RingmirrorBuffered | Self::Discard => false,
            Self::Follower | Self::FollowerTuned => true,
        }
    }
}
