//! Describes mirrors by partition, and tells another cluster where mirroring from it ended
//! (KIP-1279, API 99).
//!
//! The proposal's newest revision narrows the request by topics and by what is wanted, and leaves
//! the place of these fields open. Taken is the order of its table, with the lookups of an older
//! revision in the tag they had:
//!
//! ```text
//!  request   mirrorNames?: [string], includeAuthorizedOperations bool,
//!            topics?: [topicName, partitions: [i32]], includeMirrorState bool,
//!            includeMirrorOffset bool, tag 0 clusterId?,
//!            tag 1 lastMirrorEpochLookups: [topicId uuid, partitions: [i32]]
//! ```
//!
//! Tags 0 and 1 of a described partition are ours: lag in time. Tag 0 of a mirror is, too: how
//! what it carries beside records goes.

use crate::mirror_api::mirror_topic::TopicPartitions;
use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks about mirrors.
    pub struct DescribeClusterMirrorsRequest {
        /// Their names; null or empty for all.
        pub mirror_names: Option<Vec<String>>,
        /// True to be told what the caller may do with them.
        pub include_authorized_operations: bool,
        /// The only topics to tell of, each with its partitions, or all of them when none is
        /// named; null for all topics.
        pub topics: Option<Vec<TopicPartitions>>,
        /// True to ask the coordinators for states.
        pub include_mirror_state: bool,
        /// True to ask the leaders for offsets.
        pub include_mirror_offset: bool,
    }
    tagged {
        /// Cluster that asks, to be told the last mirror positions of mirrors that have it as
        /// their source.
        0 => pub cluster_id: Option<String>,
        /// Partitions whose last mirror positions are wanted, by topic id.
        1 => pub last_mirror_epoch_lookups: Vec<LastMirrorEpochLookup>,
    }
}

impl DescribeClusterMirrorsRequest {
    /// Asks for states and offsets of everything in all mirrors.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            mirror_names: None,
            include_authorized_operations: false,
            topics: None,
            include_mirror_state: true,
            include_mirror_offset: true,
            cluster_id: None,
            last_mirror_epoch_lookups: Vec::new(),
        }
    }
}

fields! {
    /// Partitions whose last mirror positions are wanted.
    pub struct LastMirrorEpochLookup {
        /// The topic.
        pub topic_id: [u8; 16],
        /// Indexes of its partitions.
        pub partitions: Vec<i32>,
    }
}

response! {
    /// What is known of the mirrors here; other brokers may know more.
    pub struct DescribeClusterMirrorsResponse {
        /// The mirrors.
        pub mirrors: Vec<DescribedMirror>,
    }
}

fields! {
    /// A mirror.
    pub struct DescribedMirror {
        /// Protocol error code, 0 for none.
        pub error_code: i16,
        /// The error for people; without one, what keeps the states of this mirror from changing.
        pub error_message: Option<String>,
        /// Its name.
        pub mirror_name: String,
        /// Its `bootstrap.servers`.
        pub source_bootstrap: Option<String>,
        /// Id of the source, null while it is not known.
        pub source_cluster_id: Option<String>,
        /// Bits of what the caller may do; `i32::MIN` when that was not asked.
        pub authorized_operations: i32,
        /// Its topics.
        pub topics: Vec<DescribedTopic>,
    }
    tagged {
        /// How what it carries beside records goes; told with the states, and empty when they are
        /// not asked for.
        0 => pub syncs: Vec<DescribedSync>,
    }
}

fields! {
    /// How one kind of thing that a mirror carries beside records goes.
    pub struct DescribedSync {
        /// What it is, as `consumer-groups`.
        pub task: String,
        /// How long ago all of it was done, milliseconds; -1 for never.
        pub success_age_ms: i64,
        /// How long the last round took, milliseconds.
        pub took_ms: i64,
        /// How many things are here as at the source.
        pub in_step: i64,
        /// How many things were written since the node started.
        pub written: i64,
        /// How many things failed since then.
        pub error_count: i64,
        /// The last of these.
        pub last_error: Option<String>,
        /// How long ago that was, milliseconds; -1 for never.
        pub last_error_age_ms: i64,
        /// How many things a rule left out in the last round.
        pub skipped_count: i64,
        /// The first of these, with the rule.
        pub skipped: Vec<String>,
        /// What was changed last, where that is told one by one.
        pub changed: Vec<String>,
    }
}

fields! {
    /// A topic of a mirror.
    pub struct DescribedTopic {
        /// Its name.
        pub topic_name: String,
        /// Its partitions.
        pub partitions: Vec<DescribedPartition>,
    }
}

fields! {
    /// A partition of a mirror.
    pub struct DescribedPartition {
        /// Its index.
        pub partition_index: i32,
        /// Name of its state.
        pub state_value: String,
        /// Why it failed.
        pub error_message: Option<String>,
        /// 0 when it did not fail, else how many times it did; -1 when no retry can help.
        pub retry_attempt: i16,
        /// High watermark of the source as last seen, -1 for unknown.
        pub source_offset: i64,
        /// Our high watermark, -1 for unknown.
        pub destination_offset: i64,
        /// Newest epoch in the log when mirroring stopped; -1 for unknown or not asked.
        pub last_mirror_epoch: i32,
        /// Where the log ended then; -1 for unknown or not asked.
        pub last_mirror_offset: i64,
    }
    tagged {
        /// For how long the log here has been behind the source, milliseconds; 0 when it is not,
        /// -1 for unknown.
        0 => pub lag_ms: i64 = -1,
        /// How long ago the source's high watermark was learnt, milliseconds; -1 for never.
        1 => pub measured_age_ms: i64 = -1,
    }
}
