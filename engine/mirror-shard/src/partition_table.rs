//! The partitions of a shard: by place, by id, by name.

use std::collections::BTreeMap;

use kafka_wire::fetch_event::FetchedTopic;
use kafka_wire::partition::{PartitionIndex, TopicIdPartition, TopicPartition};

use crate::mirror_partition::MirrorPartition;
use crate::op::PartitionSlot;

/// Places of partitions; a place is reused once its partition is gone.
#[derive(Debug, Default)]
pub(crate) struct PartitionTable {
    places: Vec<Option<Box<MirrorPartition>>>,
    free: Vec<u32>,
    by_id: BTreeMap<TopicIdPartition, PartitionSlot>,
    by_name: BTreeMap<Box<str>, BTreeMap<PartitionIndex, PartitionSlot>>,
}

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
        let named = self.by_name.entry(spec.name.topic.as_str().into()).or_default();
        named.insert(spec.id.partition, PartitionSlot(slot));
        self.places[slot as usize] = Some(partition);
        PartitionSlot(slot)
    }

    pub(crate) fn remove(&mut self, slot: PartitionSlot) -> Option<Box<MirrorPartition>> {
        let partition = self.places.get_mut(slot.0 as usize)?.take()?;
        self.free.push(slot.0);
        self.by_id.remove(&partition.spec.id);
        let topic = partition.spec.name.topic.as_str();
        if let Some(named) = self.by_name.get_mut(topic) {
            if named.get(&partition.spec.id.partition) == Some(&slot) {
                named.remove(&partition.spec.id.partition);
            }
            if named.is_empty() {
                self.by_name.remove(topic);
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

    pub(crate) fn find_named(&self, topic: &str, partition: i32) -> Option<PartitionSlot> {
        let partition = PartitionIndex::from_wire(partition)?;
        self.by_name.get(topic)?.get(&partition).copied()
    }

    pub(crate) fn find_name(&self, name: &TopicPartition) -> Option<PartitionSlot> {
        self.by_name.get(name.topic.as_str())?.get(&name.partition).copied()
    }

    /// The partition a Fetch response speaks of.
    pub(crate) fn find_fetched(&self, topic: &FetchedTopic, index: i32) -> Option<PartitionSlot> {
        match topic {
            FetchedTopic::Id(topic_id) => {
                let partition = PartitionIndex::from_wire(index)?;
                self.find(&TopicIdPartition { topic_id: *topic_id, partition })
            }
            FetchedTopic::Name(name) => self.find_named(name.as_str(), index),
        }
    }

    pub(crate) fn slots(&self) -> Vec<PartitionSlot> {
        self.by_id.values().copied().collect()
    }
}
