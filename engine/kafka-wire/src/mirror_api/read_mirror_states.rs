//! Reads the states of partitions from their coordinator (KIP-1279, API 100).

use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks for states.
    pub struct ReadMirrorStatesRequest {
        /// The mirror.
        pub mirror_name: String,
        /// The partitions.
        pub topics: Vec<StateTopic>,
    }
}

fields! {
    /// Partitions of a topic whose states are wanted.
    pub struct StateTopic {
        /// Name of the topic.
        pub topic_name: String,
        /// Its partitions.
        pub partitions: Vec<StatePartition>,
    }
}

fields! {
    /// A partition whose state is wanted.
    pub struct StatePartition {
        /// Its index.
        pub partition_index: i32,
    }
}

response! {
    /// The states.
    pub struct ReadMirrorStatesResponse {
        /// By topic.
        pub topics: Vec<ReadTopic>,
    }
}

fields! {
    /// A topic.
    pub struct ReadTopic {
        /// Its name.
        pub topic_name: String,
        /// Its partitions.
        pub partitions: Vec<ReadPartition>,
    }
}

fields! {
    /// What the coordinator knows of a partition.
    pub struct ReadPartition {
        /// Its index.
        pub partition_index: i32,
        /// Number of its state, -1 for unknown.
        pub state: i8,
        /// Epoch of the leader that wrote it, -1 for unknown.
        pub leader_epoch: i32,
        /// Counts the states written, 0 for none.
        pub state_epoch: i32,
        /// Newest epoch in the log when mirroring stopped, -1 for unknown.
        pub last_mirror_epoch: i32,
        /// Where the log ended then, -1 for unknown.
        pub last_mirror_offset: i64,
        /// Protocol error code, 0 for none.
        pub error_code: i16,
        /// Why the partition failed, or the error for people.
        pub error_message: Option<String>,
        /// 0 when it did not fail, else how many times it did; -1 when no retry can help.
        pub retry_attempt: i16,
        /// Number of the state before it failed; any that is no state, 16 in one revision of the
        /// proposal, stands for unknown.
        pub previous_state: i8,
    }
}
