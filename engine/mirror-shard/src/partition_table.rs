//! The partitions of a shard: by place, by id, by the names that sources have for them.

use std::collections::BTreeMap;

use kafka_wire::fetch_event::FetchedTopic;
use kafka_wire::partition::{PartitionIndex, SourceId, TopicIdPartition, TopicPartition};

use crate::mirror_partition::MirrorPartition;
use crate::op::PartitionSlot;

/// Places of partitions; a place is reused once its partition is gone.
#[derive(Debug, Default)]
pub(crate) struct PartitionTable {
    places: Vec<Option<Box<MirrorPartition>>>,
    free: Vec<u32>,
    by_id: BTreeMap<TopicIdPartition, PartitionSlot>,
    /// Two sources may have a topic of the same name, which is another one here.
    by_source: BTreeMap<SourceId, ByName>,
}

type ByName = BTreeMap<Box<str>, BTreeMap<PartitionIndex, PartitionSlot>>;

impl PartitionTable {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn insert(&mut self, partition: Box<MirrorPartition>) -> PartitionSlot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("partition_count_max fits u32")
        });
        let spec = &partition.spec;
        self.by_id.insert(spec.id, PartitionSlot(slot));
        let by_name = self.by_source.entry(spec.leader.source).or_default();
        let named = by_name.entry(spec.topic_at_source().as_str().into()).or_default();
        named.insert(spec.id.partition, PartitionSlot(slot));
        self.places[slot as usize] = Some(partition);
        PartitionSlot(slot)
    }

    pub(crate) fn remove(&mut self, slot: PartitionSlot) -> Option<Box<MirrorPartition>> {
        let partition = self.places.get_mut(slot.0 as usize)?.take()?;
        self.free.push(slot.0);
        self.by_id.remove(&partition.spec.id);
        let (source, topic) = (partition.spec.leader.source, partition.spec.topic_at_source());
        if let Some(by_name) = self.by_source.get_mut(&source) {
            if let Some(named) = by_name.get_mut(topic.as_str()) {
                if named.get(&partition.spec.id.partition) == Some(&slot) {
                    named.remove(&partition.spec.id.partition);
                }
                if named.is_empty() {
                    by_name.remove(topic.as_str());
                }
            }
            if by_name.is_empty() {
                self.by_source.remove(&source);
            }
        }
        Some(partition)
    }

    pub(crate) fn get(&self, slot: PartitionSlot) -> Option<&MirrorPartition> {
        self.places.get(slot.0 as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, slot: PartitionSlot) -> Option<&mut MirrorPartition> {
        self.places.get_mut(slot.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn find(&self, id: &TopicIdPartition) -> Option<PartitionSlot> {
        self.by_id.get(id).copied()
    }

    /// The partition that a source calls so.
    pub(crate) fn find_name(
        &self,
        source: SourceId,
        name: &TopicPartition,
    ) -> Option<PartitionSlot> {
        self.find_named(source, name.topic.as_str(), name.partition)
    }

    fn find_named(
        &self,
        source: SourceId,
        topic: &str,
        partition: PartitionIndex,
    ) -> Option<PartitionSlot> {
        self.by_source.get(&source)?.get(topic)?.get(&partition).copied()
    }

    /// The partition a source's Fetch response speaks of.
    pub(crate) fn find_fetched(
        &self,
        source: SourceId,
        topic: &FetchedTopic,
        index: i32,
    ) -> Option<PartitionSlot> {
        let partition = PartitionIndex::from_wire(index)?;
        match topic {
            FetchedTopic::Id(topic_id) => {
                self.find(&TopicIdPartition { topic_id: *topic_id, partition })
            }
            FetchedTopic::Name(name) => self.find_named(source, name.as_str(), partition),
        }
    }

    pub(crate) fn slots(&self) -> Vec<PartitionSlot> {
        self.by_id.values().copied().collect()
    }
}

#[cfg(test)]
mod tests;
