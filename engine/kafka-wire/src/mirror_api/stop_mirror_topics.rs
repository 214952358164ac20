//! Stops mirroring topics, which makes them writable: the failover (KIP-1279, API 96).

use crate::mirror_api::mirror_topic::{MirrorTopic, TopicOutcome};
use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks to stop topics.
    pub struct StopMirrorTopicsRequest {
        /// The mirror.
        pub mirror_name: String,
        /// The topics.
        pub topics: Vec<MirrorTopic>,
        /// Offset of the metadata that the topics' states were checked in; -1 for no check.
        pub state_offset: i64,
    }
    tagged {
        /// Patterns to take from the mirror's `topics.include`, or else to put into its
        /// `topics.exclude`, so that the topics are not started again.
        0 => pub patterns: Vec<String>,
    }
}

response! {
    /// What was stopped.
    pub struct StopMirrorTopicsResponse {
        /// The topics asked for.
        pub topics: Vec<TopicOutcome>,
    }
}
