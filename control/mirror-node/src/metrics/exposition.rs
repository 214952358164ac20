//! The figures as Prometheus reads them: KIP-1279's (section Metrics), and how what is carried over
//! beside records goes.
//!
//! The proposal's meters of errors are `sync_errors`: TopicMetadataRefreshError with the task
//! `topic-metadata`, TopicConfigSyncError `topic-configs`, ConsumerGroupOffsetSyncError
//! `consumer-groups`, AclSyncError `acls`.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use kafka_wire::mirror_api::describe_cluster_mirrors::{DescribedMirror, DescribedPartition};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::mirror_news::MirrorProgress;

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMirror {
    mirror: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    mirror: String,
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTask {
    mirror: String,
    task: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPartition {
    mirror: String,
    topic: String,
    partition: i32,
}

type Figures<L> = Family<L, Gauge<f64, AtomicU64>>;
type Counts<L> = Family<L, Counter>;

/// Everything there is to tell now.
pub(super) fn text(mirrors: &[DescribedMirror], progress: &MirrorProgress) -> String {
    let mut registry = Registry::with_prefix("ringmirror");
    of_node(&mut registry, progress);
    of_mirrors(&mut registry, mirrors);
    of_partitions(&mut registry, mirrors);
    of_tasks(&mut registry, mirrors);
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes all text");
    text
}

fn of_node(registry: &mut Registry, progress: &MirrorProgress) {
    for (name, help, count) in [
        ("received_bytes", "Bytes received from sources", progress.bytes_received),
        ("written_bytes", "Bytes of batches written", progress.bytes_written),
        ("batches", "Batches taken", progress.batches),
        ("damaged_batches", "Batches that arrived damaged", progress.batches_corrupt),
        ("buffer_waits", "Times a connection waited for a buffer", progress.buffer_waits),
    ] {
        let counter = <Counter>::default();
        counter.inc_by(count);
        registry.register(name, help, counter);
    }
}

fn of_mirrors(registry: &mut Registry, mirrors: &[DescribedMirror]) {
    let (topics, states) = (Figures::default(), Figures::default());
    let lags = [
        ("lag_records_max", "Largest lag of a partition, records; -1 when none is known"),
        ("lag_seconds_max", "Longest time that a partition has been behind; -1 for unknown"),
        ("measured_age_seconds_max", "Age of the oldest measurement of a lag; -1 for none"),
    ]
    .map(|(name, help)| (name, help, Figures::default()));
    for mirror in mirrors {
        let name = || mirror.mirror_name.clone();
        topics.get_or_create(&OfMirror { mirror: name() }).set(figure(mirror.topics.len()));
        let mut counts: BTreeMap<&str, usize> =
            STATES.into_iter().map(|state| (state, 0)).collect();
        let partitions = || mirror.topics.iter().flat_map(|topic| &topic.partitions);
        for partition in partitions() {
            *counts.entry(&partition.state_value).or_default() += 1;
        }
        for (state, count) in counts {
            let labels = OfState { mirror: name(), state: state.to_owned() };
            states.get_or_create(&labels).set(figure(count));
        }
        let mirrored = || partitions().filter(|partition| partition.state_value != STOPPED);
        let largest = |of: fn(&DescribedPartition) -> f64| mirrored().map(of).fold(-1.0, f64::max);
        let values = [
            largest(lag),
            largest(|partition| seconds(partition.lag_ms)),
            largest(|partition| seconds(partition.measured_age_ms)),
        ];
        for ((_, _, family), value) in lags.iter().zip(values) {
            family.get_or_create(&OfMirror { mirror: name() }).set(value);
        }
    }
    registry.register("topics", "Topics bound to a mirror", topics);
    registry.register("partitions", "Partitions of a mirror by their state", states);
    for (name, help, family) in lags {
        registry.register(name, help, family);
    }
}

/// Of few partitions each has a line.
fn of_partitions(registry: &mut Registry, mirrors: &[DescribedMirror]) {
    let family = Figures::default();
    let topics =
        || mirrors.iter().flat_map(|mirror| mirror.topics.iter().map(move |t| (mirror, t)));
    let count: usize = topics().map(|(_, topic)| topic.partitions.len()).sum();
    for (mirror, topic) in topics().filter(|_| count <= PARTITIONS_TOLD_MAX) {
        for partition in &topic.partitions {
            let labels = OfPartition {
                mirror: mirror.mirror_name.clone(),
                topic: topic.topic_name.clone(),
                partition: partition.partition_index,
            };
            family.get_or_create(&labels).set(lag(partition));
        }
    }
    let help = "Records between a partition and its source, -1 for unknown; none of them is told \
                where there are more than 10000 partitions";
    registry.register("partition_lag_records", help, family);
}

fn of_tasks(registry: &mut Registry, mirrors: &[DescribedMirror]) {
    let (errors, written) = (Counts::default(), Counts::default());
    let gauges = [
        (
            "sync_success_age_seconds",
            "Time since all of it was carried over; +Inf for not since the start",
        ),
        ("sync_round_seconds", "How long the last round took"),
        ("sync_in_step", "Things that are here as at the source"),
        ("sync_left_out", "Things that a rule left out in the last round"),
    ]
    .map(|(name, help)| (name, help, Figures::default()));
    for (mirror, sync) in mirrors.iter().flat_map(|one| one.syncs.iter().map(move |s| (one, s))) {
        let labels = OfTask { mirror: mirror.mirror_name.clone(), task: sync.task.clone() };
        errors.get_or_create(&labels).inc_by(u64::try_from(sync.error_count).unwrap_or(0));
        written.get_or_create(&labels).inc_by(u64::try_from(sync.written).unwrap_or(0));
        let values = [
            // So that whoever waits for too old a success is called when there is none.
            Some(sync.success_age_ms).filter(|ms| *ms >= 0).map_or(f64::INFINITY, seconds),
            seconds(sync.took_ms),
            number(sync.in_step),
            number(sync.skipped_count),
        ];
        for ((_, _, family), value) in gauges.iter().zip(values) {
            family.get_or_create(&labels).set(value);
        }
    }
    registry.register("sync_errors", "Things that could not be carried over", errors);
    registry.register("sync_written", "Things written here", written);
    for (name, help, family) in gauges {
        registry.register(name, help, family);
    }
}

/// Records behind the source; -1 for unknown.
fn lag(partition: &DescribedPartition) -> f64 {
    let (theirs, ours) = (partition.source_offset, partition.destination_offset);
    if theirs < 0 || ours < 0 { -1.0 } else { number((theirs - ours).max(0)) }
}

fn seconds(ms: i64) -> f64 {
    if ms < 0 { -1.0 } else { number(ms) / 1000.0 }
}

fn figure(count: usize) -> f64 {
    number(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Exact up to 2^53, and near enough above.
#[expect(clippy::cast_precision_loss, reason = "figures for people and their alarms")]
fn number(value: i64) -> f64 {
    value as f64
}

const STOPPED: &str = "STOPPED";
/// States that have a line also when no partition is in them, so that alarms find it.
const STATES: [&str; 9] = [
    "LOG_ALIGNMENT",
    "EPOCH_FENCING",
    "ULE_RECOVERY",
    "MIRRORING",
    "PAUSING",
    "PAUSED",
    "STOPPING",
    STOPPED,
    "FAILED",
];
const PARTITIONS_TOLD_MAX: usize = 10_000;
