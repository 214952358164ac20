//! The offsets a group committed.

use std::collections::BTreeMap;

use kafka_wire::partition::{PartitionIndex, TopicName};

use crate::limits::OFFSET_BYTES;
use kafka_wire::group_record::CommittedOffsetValue;

/// Offsets by topic and partition, and what they take.
#[derive(Debug, Default)]
pub(crate) struct CommittedOffsets {
    topics: BTreeMap<TopicName, BTreeMap<PartitionIndex, CommittedOffsetValue>>,
    count: usize,
    bytes: usize,
}

impl CommittedOffsets {
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Memory the offsets take, about.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(
        &self,
        topic: &TopicName,
        partition: PartitionIndex,
    ) -> Option<&CommittedOffsetValue> {
        self.topics.get(topic)?.get(&partition)
    }

    pub(crate) fn insert(
        &mut self,
        topic: TopicName,
        partition: PartitionIndex,
        offset: CommittedOffsetValue,
    ) {
        self.count += 1;
        self.bytes += offset_bytes(&offset.metadata);
        let before = self.topics.entry(topic).or_default().insert(partition, offset);
        self.forget(before.as_ref());
    }

    pub(crate) fn remove(&mut self, topic: &TopicName, partition: PartitionIndex) {
        let Some(partitions) = self.topics.get_mut(topic) else { return };
        let before = partitions.remove(&partition);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        self.forget(before.as_ref());
    }

    fn forget(&mut self, before: Option<&CommittedOffsetValue>) {
        if let Some(before) = before {
            self.count -= 1;
            self.bytes -= offset_bytes(&before.metadata);
        }
    }

    /// All of them, by topic and partition.
    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (&TopicName, PartitionIndex, &CommittedOffsetValue)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, offset)| (topic, *partition, offset))
        })
    }
}

/// Memory an offset with this metadata takes, about.
pub(crate) const fn offset_bytes(metadata: &str) -> usize {
    OFFSET_BYTES + metadata.len()
}
