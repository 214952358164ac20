//! What several messages of KIP-1279 say about a topic.

use crate::mirror_api::schema::fields;

fields! {
    /// A topic that a request is about.
    pub struct MirrorTopic {
        /// Its name.
        pub topic_name: String,
    }
}

fields! {
    /// What became of a request for one topic.
    pub struct TopicOutcome {
        /// Name of the topic.
        pub name: String,
        /// Protocol error code, 0 for none.
        pub error_code: i16,
        /// The error for people.
        pub error_message: Option<String>,
    }
}

fields! {
    /// Partitions of a topic.
    pub struct TopicPartitions {
        /// Name of the topic.
        pub topic_name: String,
        /// Indexes of its partitions.
        pub partitions: Vec<i32>,
    }
}
