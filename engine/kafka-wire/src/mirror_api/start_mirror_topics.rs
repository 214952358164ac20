//! Starts to mirror topics (KIP-1279, API 95).
//!
//! The proposal has two shapes of the request: patterns, which clients send, and topics with the
//! state they were looked at in, which brokers send to the controller. Both are kept together:
//!
//! ```text
//!  mirrorName, includePatterns: [string], timeoutMs i32,
//!  topics: [topicId uuid, topicName, numPartitions i32], stateOffset i64, tag 0 excludePatterns
//! ```

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
}
