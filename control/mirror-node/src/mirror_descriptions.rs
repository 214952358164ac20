//! What several brokers tell of the same mirrors, made one: a state is known where it is kept, an
//! offset where the partition is led, a position wherever it was written.
//!
//! Values are as sent by a peer. What is known wins over what is not; of two positions the larger
//! one, since the smaller is from before.

use std::collections::BTreeMap;

use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsResponse, DescribedMirror, DescribedPartition, DescribedTopic,
};

/// Where mirroring of a partition ended, as a peer tells it; neither value is -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToldPosition {
    /// Newest epoch in the log then.
    pub epoch: i32,
    /// End of the log then.
    pub offset: i64,
}

/// The descriptions of all brokers as one, by name, topic and index.
#[must_use]
pub fn merged(told: Vec<DescribeClusterMirrorsResponse>) -> Vec<DescribedMirror> {
    let mut mirrors: BTreeMap<String, Merging> = BTreeMap::new();
    for mirror in told.into_iter().flat_map(|response| response.mirrors) {
        mirrors.entry(mirror.mirror_name.clone()).or_default().take(mirror);
    }
    mirrors.into_values().filter_map(Merging::finish).collect()
}

/// The largest position that any mirror tells for each partition, by topic and index. Missing are
/// those that were never mirrored from who asks.
#[must_use]
pub fn last_positions(mirrors: &[DescribedMirror]) -> BTreeMap<(&str, i32), ToldPosition> {
    let mut positions = BTreeMap::new();
    for topic in mirrors.iter().flat_map(|mirror| &mirror.topics) {
        for partition in &topic.partitions {
            let Some(told) = position(partition) else { continue };
            let key = (topic.topic_name.as_str(), partition.partition_index);
            let held = positions.entry(key).or_insert(told);
            *held = told.max(*held);
        }
    }
    positions
}

fn position(told: &DescribedPartition) -> Option<ToldPosition> {
    let (epoch, offset) = (told.last_mirror_epoch, told.last_mirror_offset);
    (epoch >= 0 && offset >= 0).then_some(ToldPosition { epoch, offset })
}

/// A mirror that several brokers tell of.
#[derive(Default)]
struct Merging {
    mirror: Option<DescribedMirror>,
    topics: BTreeMap<String, BTreeMap<i32, DescribedPartition>>,
}

impl Merging {
    fn take(&mut self, mut told: DescribedMirror) {
        for topic in std::mem::take(&mut told.topics) {
            let partitions = self.topics.entry(topic.topic_name).or_default();
            for partition in topic.partitions {
                let index = partition.partition_index;
                let known = match partitions.remove(&index) {
                    Some(held) => better_of(held, partition),
                    None => partition,
                };
                partitions.insert(index, known);
            }
        }
        match &mut self.mirror {
            // Who tells of it knows it, whatever another says.
            Some(held) if held.error_code == 0 || told.error_code != 0 => {
                if held.error_code == told.error_code {
                    held.error_message = held.error_message.take().or(told.error_message);
                }
                held.source_cluster_id = held.source_cluster_id.take().or(told.source_cluster_id);
                if held.syncs.is_empty() {
                    held.syncs = told.syncs;
                }
            }
            held => *held = Some(told),
        }
    }

    fn finish(self) -> Option<DescribedMirror> {
        let topics = self.topics.into_iter().map(|(topic_name, partitions)| DescribedTopic {
            topic_name,
            partitions: partitions.into_values().collect(),
        });
        Some(DescribedMirror { topics: topics.collect(), ..self.mirror? })
    }
}

fn better_of(held: DescribedPartition, told: DescribedPartition) -> DescribedPartition {
    let position = position(&held).max(position(&told));
    let source_offset = held.source_offset.max(told.source_offset);
    let destination_offset = held.destination_offset.max(told.destination_offset);
    let (lag_ms, measured_age_ms) = newer_measurement(&held, &told);
    let state = if has_state(&held) { held } else { told };
    DescribedPartition {
        source_offset,
        destination_offset,
        last_mirror_epoch: position.map_or(-1, |position| position.epoch),
        last_mirror_offset: position.map_or(-1, |position| position.offset),
        lag_ms,
        measured_age_ms,
        ..state
    }
}

fn has_state(partition: &DescribedPartition) -> bool {
    !matches!(partition.state_value.as_str(), "" | "UNKNOWN")
}

fn newer_measurement(held: &DescribedPartition, told: &DescribedPartition) -> (i64, i64) {
    let is_newer = told.measured_age_ms >= 0
        && (held.measured_age_ms < 0 || told.measured_age_ms < held.measured_age_ms);
    let from = if is_newer { told } else { held };
    (from.lag_ms, from.measured_age_ms)
}

#[cfg(test)]
mod tests;
