//! Raises leader epochs, so that ours stay at or above the source's (KIP-1279, API 105).
//!
//! Topics are named; an older revision of the proposal had their ids.

use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks the controller to raise leader epochs.
    pub struct BumpLeaderEpochsRequest {
        /// By topic.
        pub topics: Vec<BumpedTopic>,
    }
}

fields! {
    /// A topic.
    pub struct BumpedTopic {
        /// Its name.
        pub topic_name: String,
        /// Its partitions.
        pub partitions: Vec<BumpedPartition>,
    }
}

fields! {
    /// A partition whose leader epoch has to rise.
    pub struct BumpedPartition {
        /// Its index.
        pub partition_index: i32,
        /// Epoch that the new one has to exceed; -1 for none but the present one.
        pub min_leader_epoch: i32,
    }
}

response! {
    /// What was raised.
    pub struct BumpLeaderEpochsResponse {
        /// By topic.
        pub topics: Vec<BumpedTopicOutcome>,
    }
}

fields! {
    /// A topic.
    pub struct BumpedTopicOutcome {
        /// Its name.
        pub topic_name: String,
        /// Its partitions.
        pub partitions: Vec<BumpedPartitionOutcome>,
    }
}

fields! {
    /// What became of a partition's epoch.
    pub struct BumpedPartitionOutcome {
        /// Index of the partition.
        pub partition_index: i32,
        /// Protocol error code, 0 for none.
        pub error_code: i16,
        /// The error for people.
        pub error_message: Option<String>,
    }
}
