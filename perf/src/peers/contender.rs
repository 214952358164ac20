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
    /// The same with `buffered = true`, which appends through the page cache as all peers do, and
    /// has the kernel drop what is on the disk.
    RingmirrorBuffered,
    /// Kafka's follower with the settings it is shipped with.
    Follower,
    /// Kafka's follower with four fetchers and larger requests.
    FollowerTuned,
    /// MirrorMaker 2 with clients as they are shipped.
    MirrorMaker,
    /// MirrorMaker 2 with larger requests and batches, which compresses as the source does.
    MirrorMakerTuned,
    /// A program over librdkafka that consumes into a file for each partition.
    Librdkafka,
    /// The same, checking the CRC of every batch.
    LibrdkafkaCrc,
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
            Self::MirrorMaker => "MirrorMaker 2",
            Self::MirrorMakerTuned => "MirrorMaker 2, tuned",
            Self::Librdkafka => "librdkafka to files",
            Self::LibrdkafkaCrc => "librdkafka, CRCs checked",
            Self::Discard => "fetch and discard",
        }
    }

    /// False for those who stand beside the comparison: ringmirror itself, and who keeps nothing.
    #[must_use]
    pub const fn is_peer(self) -> bool {
        match self {
            Self::Ringmirror | Self::RingmirrorBuffered | Self::Discard => false,
            Self::Follower
            | Self::FollowerTuned
            | Self::MirrorMaker
            | Self::MirrorMakerTuned
            | Self::Librdkafka
            | Self::LibrdkafkaCrc => true,
        }
    }

    /// Whether it takes part in a scenario when nobody is named: those that take minutes, or copy
    /// less than the log, do so where it says something.
    #[must_use]
    pub fn is_usual_in(self, scenario: &str) -> bool {
        let bulk = ["8-partitions", "8-partitions-zstd", "8-partitions-lz4", "1-partition"];
        match self {
            Self::MirrorMaker | Self::MirrorMakerTuned => bulk[..2].contains(&scenario),
            Self::Librdkafka => bulk.contains(&scenario),
            Self::LibrdkafkaCrc => false,
            _ => true,
        }
    }

    /// Whether it warms up in every copying, so that a round before those that count is in vain.
    #[must_use]
    pub const fn warms_up_by_itself(self) -> bool {
        matches!(self, Self::MirrorMaker | Self::MirrorMakerTuned)
    }

    /// Whether what it makes is the source's log, byte for byte; others keep records, or nothing.
    #[must_use]
    pub const fn keeps_logs(self) -> bool {
        match self {
            Self::Ringmirror | Self::RingmirrorBuffered | Self::Follower | Self::FollowerTuned => {
                true
            }
            Self::MirrorMaker
            | Self::MirrorMakerTuned
            | Self::Librdkafka
            | Self::LibrdkafkaCrc
            | Self::Discard => false,
        }
    }

    /// Whether it is the program over librdkafka.
    #[must_use]
    pub const fn is_librdkafka(self) -> bool {
        matches!(self, Self::Librdkafka | Self::LibrdkafkaCrc)
    }
}

#[cfg(test)]
mod tests;
