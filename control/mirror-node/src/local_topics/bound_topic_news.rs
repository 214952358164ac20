//! What clients change of topics that belong to a mirror: whoever mirrors has to hear of it.

use std::fmt;

use kafka_wire::partition::{TopicId, TopicName};

use super::LocalTopics;

/// A change of a topic that belongs to a mirror; it is on disk when it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundTopicNews {
    /// The topic is gone, and with it what bound it to a mirror.
    Deleted {
        /// Its name.
        name: TopicName,
        /// Its id.
        id: TopicId,
        /// Partitions it had.
        partition_count: i32,
    },
    /// Its settings changed.
    Configured {
        /// Its name.
        name: TopicName,
    },
    /// It has more partitions, of which no state is stored and whose logs nobody has open.
    Grown {
        /// Its name.
        name: TopicName,
        /// Its id.
        id: TopicId,
        /// Partitions it has.
        partition_count: i32,
    },
}

/// Takes news; called on threads that serve clients, and has to return at once.
pub(super) struct TellBoundTopicNews(Box<dyn Fn(BoundTopicNews) + Send + Sync>);

impl fmt::Debug for TellBoundTopicNews {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TellBoundTopicNews")
    }
}

impl LocalTopics {
    /// Tells `tell` from now on; it has to return at once.
    ///
    /// # Panics
    /// When somebody is told already.
    pub fn tell_bound_topic_news(&self, tell: impl Fn(BoundTopicNews) + Send + Sync + 'static) {
        let is_first = self.news.set(TellBoundTopicNews(Box::new(tell))).is_ok();
        assert!(is_first, "one control loop mirrors into a directory");
    }

    pub(super) fn tell(&self, news: BoundTopicNews) {
        if let Some(TellBoundTopicNews(tell)) = self.news.get() {
            tell(news);
        }
    }
}
