//! Which of the source's topic settings a stand-alone broker is given.

use std::collections::BTreeMap;

use kafka_wire::partition::TopicName;

use crate::handover::KafkaRelease;

/// The settings to write for a topic; what is left out or changed is noted.
pub(crate) fn handover_configs(
    topic: &TopicName,
    source: &BTreeMap<String, String>,
    release: &KafkaRelease,
    notes: &mut Vec<String>,
) -> Vec<(String, String)> {
    let mut configs = Vec::new();
    for (key, value) in source {
        if !HANDED_OVER.contains(&key.as_str()) {
            notes.push(format!("{topic}: {key}={value} is left to the new cluster's operator"));
            continue;
        }
        let least = release.segment_bytes_min;
        let too_small =
            key == SEGMENT_BYTES && value.trim().parse::<u64>().is_ok_and(|n| n < least);
        if too_small {
            let name = release.name;
            notes.push(format!(
                "{topic}: {key}={value} is raised to {least}, the least Kafka {name} takes"
            ));
            configs.push((key.clone(), least.to_string()));
        } else {
            configs.push((key.clone(), value.clone()));
        }
    }
    configs
}

const SEGMENT_BYTES: &str = "segment.bytes";

/// Settings that mean the same in any cluster and release. The others depend on replicas,
/// throttles or remote storage of the source, or are not known to every release.
const HANDED_OVER: [&str; 19] = [
    "cleanup.policy",
    "compression.type",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "index.interval.bytes",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "preallocate",
    "retention.bytes",
    "retention.ms",
    SEGMENT_BYTES,
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
];

#[cfg(test)]
mod tests;
