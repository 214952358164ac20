//! Tries failed partitions again, those too that no retry helps (KIP-1279, API 107).

use crate::mirror_api::mirror_topic::{MirrorTopic, TopicOutcome};
use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks to take the failed partitions of topics back to the state before.
    pub struct RecoverMirrorTopicsRequest {
        /// The mirror.
        pub mirror_name: String,
        /// The topics.
        pub topics: Vec<MirrorTopic>,
    }
}

response! {
    /// What is tried again.
    pub struct RecoverMirrorTopicsResponse {
        /// The topics asked for.
        pub topics: Vec<TopicOutcome>,
    }
}
