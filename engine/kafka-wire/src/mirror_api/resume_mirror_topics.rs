//! Goes on mirroring topics that were paused (KIP-1279, API 103).

use crate::mirror_api::mirror_topic::{MirrorTopic, TopicOutcome};
use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks to go on with topics.
    pub struct ResumeMirrorTopicsRequest {
        /// The mirror.
        pub mirror_name: String,
        /// The topics.
        pub topics: Vec<MirrorTopic>,
        /// Offset of the metadata that the topics' states were checked in; -1 for no check.
        pub state_offset: i64,
    }
}

response! {
    /// What was resumed.
    pub struct ResumeMirrorTopicsResponse {
        /// The topics asked for.
        pub topics: Vec<TopicOutcome>,
    }
}
