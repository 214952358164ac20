//! Holds mirroring of topics; they stay as they are, and read-only (KIP-1279, API 102).

use crate::mirror_api::mirror_topic::{MirrorTopic, TopicOutcome};
use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks to hold topics.
    pub struct PauseMirrorTopicsRequest {
        /// The mirror.
        pub mirror_name: String,
        /// The topics.
        pub topics: Vec<MirrorTopic>,
        /// Offset of the metadata that the topics' states were checked in; -1 for no check.
        pub state_offset: i64,
    }
}

response! {
    /// What was held.
    pub struct PauseMirrorTopicsResponse {
        /// The topics asked for.
        pub topics: Vec<TopicOutcome>,
    }
}
