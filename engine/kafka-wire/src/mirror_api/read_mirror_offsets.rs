//! Reads from their leader how far partitions are mirrored (KIP-1279, API 106).

use crate::mirror_api::mirror_topic::TopicPartitions;
use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks how far partitions are mirrored.
    pub struct ReadMirrorOffsetsRequest {
        /// The mirror.
        pub mirror_name: String,
        /// The partitions.
        pub topics: Vec<TopicPartitions>,
    }
}

response! {
    /// How far partitions are mirrored.
    pub struct ReadMirrorOffsetsResponse {
        /// By topic.
        pub topics: Vec<MirroredTopic>,
    }
}

fields! {
    /// A topic.
    pub struct MirroredTopic {
        /// Its name.
        pub topic_name: String,
        /// Its partitions.
        pub partitions: Vec<MirroredPartition>,
    }
}

fields! {
    /// A partition.
    pub struct MirroredPartition {
        /// Its index.
        pub partition_index: i32,
        /// High watermark of the source as last seen, -1 for unknown.
        pub source_offset: i64,
        /// Our high watermark, -1 for unknown.
        pub destination_offset: i64,
    }
}
