//! Starts to mirror topics (KIP-1279, API 95).
//!
//! The proposal has two shapes of the request: patterns, which clients send, and topics with the
//! state they were looked at in, which brokers send to the controller. Both are kept together:
//!
//! ```text
//!  mirrorName, includePatterns: [string], timeoutMs i32,
//!  topics: [topicId uuid, topicName, numPartitions i32], stateOffset i64, tag 0 excludePatterns,
//!  tag 1 confirm bool, tag 2 planOnly bool
//! ```
//!
//! Tags 1 and 2, and those of the response, are ours: what a start would do to a log is told
//! before it is done, and a log that would lose records of its own is not touched without a word.

use crate::mirror_api::mirror_topic::TopicOutcome;
use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks to mirror the topics that patterns match, or those that are named.
    pub struct StartMirrorTopicsRequest {
        /// The mirror.
        pub mirror_name: String,
        /// Names or expressions, in the syntax of RE2, for its `topics.include`.
        pub include_patterns: Vec<String>,
        /// How long to look for topics at the source, milliseconds.
        pub timeout_ms: i32,
        /// Topics that were found at the source; none in what clients send.
        pub topics: Vec<StartedTopic>,
        /// Offset of the metadata that the topics' states were checked in; -1 for no check.
        pub state_offset: i64,
    }
    tagged {
        /// Names or expressions for its `topics.exclude`, which wins.
        0 => pub exclude_patterns: Vec<String>,
        /// True to cut logs that have records of their own and no position to go on from.
        1 => pub confirm: bool,
        /// True to be told what a start would do, and to have nothing done.
        2 => pub plan_only: bool,
    }
}

fields! {
    /// A topic as the source has it.
    pub struct StartedTopic {
        /// Its id at the source; all zero for none.
        pub topic_id: [u8; 16],
        /// Its name.
        pub topic_name: String,
        /// How many partitions it has there.
        pub num_partitions: i32,
    }
}

response! {
    /// What was started.
    pub struct StartMirrorTopicsResponse {
        /// The topics that matched; none when the patterns were saved for topics to come.
        pub topics: Vec<TopicOutcome>,
    }
    tagged {
        /// What would be done with each partition; empty unless only that was asked.
        0 => pub plan: Vec<PlannedPartition>,
        /// Settings of topics that would be others here, the first of them and a word on the rest;
        /// empty unless only a plan was asked for.
        1 => pub changed_configs: Vec<String>,
        /// Settings of topics that would count for nothing here, likewise.
        2 => pub ineffective_configs: Vec<String>,
        /// Access control lists that would come and go, likewise.
        3 => pub changed_acls: Vec<String>,
    }
}

fields! {
    /// What a start would do with a partition.
    pub struct PlannedPartition {
        /// Name of its topic.
        pub topic_name: String,
        /// Its index.
        pub partition_index: i32,
        /// True when it would be made.
        pub is_new: bool,
        /// First offset here, -1 when there is no log.
        pub local_start: i64,
        /// End of the log here, -1 when there is no log.
        pub local_end: i64,
        /// Where the log would be cut: records from here to `local_end` go; -1 when there is no
        /// log.
        pub truncate_to: i64,
        /// End of the log at the source, -1 when it is not known.
        pub source_end: i64,
        /// Newest epoch in the log when mirroring in the other direction ended, as the source
        /// tells it; -1 for none.
        pub last_mirror_epoch: i32,
        /// Where the log ended then; -1 for none.
        pub last_mirror_offset: i64,
        /// True when the start is refused unless it is confirmed: records that are only here
        /// would go.
        pub needs_confirmation: bool,
        /// Why the partition cannot be started, 0 when it can.
        pub error_code: i16,
        /// The error for people.
        pub error_message: Option<String>,
    }
    tagged {
        /// Bytes that would be copied, -1 when that is not known.
        0 => pub copied_bytes: i64 = -1,
    }
}
