//! The topic that this node's groups are kept in: a local topic like any other, made when the
//! first group needs it.

use std::sync::Arc;

use kafka_wire::partition::TopicName;

use crate::catalog::{Binding, Catalog, Topic};
use crate::groups::{OFFSETS_CONFIGS, OFFSETS_TOPIC, OffsetsTopic};
use crate::local_topics::LocalTopics;
use crate::writable_log::WritableLog;

/// `__consumer_offsets` among the topics made here.
#[derive(Debug)]
pub(crate) struct LocalOffsetsTopic {
    catalog: Arc<Catalog>,
    topics: Arc<LocalTopics>,
}

impl LocalOffsetsTopic {
    pub(crate) const fn new(catalog: Arc<Catalog>, topics: Arc<LocalTopics>) -> Self {
        Self { catalog, topics }
    }
}

impl OffsetsTopic for LocalOffsetsTopic {
    fn open(&self) -> Result<Option<Vec<Arc<WritableLog>>>, String> {
        let topic = self.catalog.topic_named(OFFSETS_TOPIC);
        topic.map(|topic| own_logs(&topic)).transpose()
    }

    fn make(&self, partition_count: u16) -> Result<Vec<Arc<WritableLog>>, String> {
        let name = TopicName::parse(OFFSETS_TOPIC).expect("the topic of groups has a legal name");
        let configs = OFFSETS_CONFIGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let made = self.topics.create(&name, i32::from(partition_count), configs.into());
        let topic = made.map_err(|error| error.to_string())?;
        own_logs(&topic)
    }
}

/// The logs of the partitions of a topic that this node keeps something in; all must be open.
pub(crate) fn own_logs(topic: &Topic) -> Result<Vec<Arc<WritableLog>>, String> {
    if topic.binding == Binding::Bound {
        return Err(format!(
            "{} is mirrored, and this node needs one of its own: leave it out of the mirror",
            topic.name
        ));
    }
    let open = topic.partitions.iter().map(|partition| {
        let log = partition.log();
        log.ok_or_else(|| format!("the log of {} cannot be opened", partition.name))
    });
    open.collect()
}

#[cfg(test)]
mod tests;
