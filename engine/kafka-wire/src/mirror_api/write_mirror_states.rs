//! Writes the states of partitions to their coordinator, which refuses a leader or a state that
//! is not the newest (KIP-1279, API 101).

use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks to write states.
    pub struct WriteMirrorStatesRequest {
        /// The mirror.
        pub mirror_name: String,
        /// By topic.
        pub topics: Vec<WrittenTopic>,
    }
}

fields! {
    /// A topic.
    pub struct WrittenTopic {
        /// Its name.
        pub topic_name: String,
        /// Its partitions.
        pub partitions: Vec<WrittenPartition>,
    }
}

fields! {
    /// What to write about a partition.
    pub struct WrittenPartition {
        /// Its index.
        pub partition_index: i32,
        /// Number of the state, -1 to write the position only.
        pub state: i8,
        /// Epoch of the leader that writes, -1 for no check.
        pub leader_epoch: i32,
        /// State epoch that the writer knows, -1 for no check.
        pub state_epoch: i32,
        /// Newest epoch in the log; the position is written if this or the offset is not -1.
        pub last_mirror_epoch: i32,
        /// Where the log ends, or -1.
        pub last_mirror_offset: i64,
        /// Why it failed.
        pub error_message: Option<String>,
        /// How many times it failed, -1 to keep what is stored.
        pub retry_attempt: i32,
        /// True when no retry can help.
        pub non_retryable: bool,
    }
}

response! {
    /// What was written.
    pub struct WriteMirrorStatesResponse {
        /// By topic.
        pub topics: Vec<WrittenTopicOutcome>,
    }
}

fields! {
    /// A topic.
    pub struct WrittenTopicOutcome {
        /// Its name.
        pub topic_name: String,
        /// Its partitions.
        pub partitions: Vec<WrittenPartitionOutcome>,
    }
}

fields! {
    /// What became of a write.
    pub struct WrittenPartitionOutcome {
        /// Index of the partition.
        pub partition_index: i32,
        /// Its state epoch after the write, -1 when it was refused.
        pub state_epoch: i32,
        /// Protocol error code, 0 for none.
        pub error_code: i16,
        /// The error for people.
        pub error_message: Option<String>,
    }
}
