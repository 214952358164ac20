//! The topics there are, as far as assigning them needs to know.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::partition::{PartitionIndex, TopicId, TopicName};

/// Every topic, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicTable {
    by_name: BTreeMap<TopicName, TopicShape>,
    names: BTreeMap<TopicId, TopicName>,
}

/// A topic's id and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicShape {
    /// Its id.
    pub topic_id: TopicId,
    /// How many partitions it has.
    pub partition_count: u32,
}

impl TopicShape {
    /// Its partitions.
    pub(crate) fn partitions(self) -> impl Iterator<Item = PartitionIndex> {
        (0..self.partition_count)
            .map_while(|index| i32::try_from(index).ok().and_then(PartitionIndex::from_wire))
    }
}

impl TopicTable {
    /// Adds a topic.
    pub fn insert(&mut self, name: TopicName, shape: TopicShape) {
        self.names.insert(shape.topic_id, name.clone());
        if let Some(before) = self.by_name.insert(name, shape)
            && before.topic_id != shape.topic_id
        {
            self.names.remove(&before.topic_id);
        }
    }

    /// The topic of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<TopicShape> {
        self.by_name.get(&TopicName::parse(name)?).copied()
    }

    /// The name of a topic.
    #[must_use]
    pub fn name(&self, topic_id: TopicId) -> Option<&TopicName> {
        self.names.get(&topic_id)
    }

    /// The shapes of those of `names` that exist.
    pub(crate) fn shapes(&self, names: &BTreeSet<String>) -> BTreeMap<TopicId, u32> {
        let shapes = names.iter().filter_map(|name| self.get(name));
        shapes.map(|shape| (shape.topic_id, shape.partition_count)).collect()
    }

    /// The names of all topics, but for those Kafka keeps to itself.
    pub(crate) fn public_names(&self) -> impl Iterator<Item = &str> {
        let names = self.by_name.keys().map(TopicName::as_str);
        names.filter(|name| !INTERNAL_TOPICS.contains(name))
    }
}

/// Never meant by a regular expression.
const INTERNAL_TOPICS: [&str; 3] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state"];
