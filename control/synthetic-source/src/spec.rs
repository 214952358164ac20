//! What a synthetic source holds and how it behaves; every field has a default that works.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::partition::TopicName;

/// A whole source cluster.
#[derive(Clone, Debug)]
pub struct SyntheticSpec {
    /// Cluster id as Metadata and `DescribeCluster` report it.
    pub cluster_id: String,
    /// Picks record contents and topic ids; equal seeds give equal bytes.
    pub seed: u64,
    /// Brokers, with ids from 1; each has its own listener. Partitions are led in turn.
    pub broker_count: i32,
    /// Where the first broker listens; the others take the following ports, or any if it is 0.
    pub listen: SocketAddr,
    /// The topics.
    pub topics: Vec<TopicSpec>,
    /// Newest version announced for these requests, to imitate old sources.
    pub version_max: Vec<(ApiKey, i16)>,
    /// How slow to be.
    pub pace: Pace,
    /// Connections served at a time, all brokers together; more are closed at once.
    pub connections_max: usize,
}

impl Default for SyntheticSpec {
    fn default() -> Self {
        Self {
            cluster_id: "synthetic-source-00000".to_owned(),
            seed: 1,
            broker_count: 1,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            topics: Vec::new(),
            version_max: Vec::new(),
            pace: Pace::default(),
            connections_max: 256,
        }
    }
}

/// How slow the source is; all zero by default, so as fast as it can.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Waits this long before each Fetch response.
    pub response_delay: Duration,
    /// Reported as `throttle_time_ms` in Fetch responses.
    pub throttle_ms: i32,
    /// Rate limit of each connection, in bytes per second.
    pub bytes_per_second: Option<u64>,
}

/// One topic; its partitions differ in where they enter the shared content.
#[derive(Clone, Debug)]
pub struct TopicSpec {
    /// Name of the topic.
    pub name: TopicName,
    /// Number of partitions.
    pub partition_count: i32,
    /// Size of each partition at the start.
    pub size: LogSize,
    /// Offset of the first record.
    pub first_offset: i64,
    /// What the batches look like.
    pub content: BatchContent,
    /// Leader epochs in rising order; the last is the current one. The first starts the log.
    pub epochs: Vec<EpochSpec>,
    /// Ranges of offsets that are missing, as compaction leaves them, in rising order.
    pub gaps: Vec<GapSpec>,
    /// The log start trails the highest fetched offset by about this many bytes.
    pub log_start_follows: Option<u64>,
    /// Overridden configs, as `DescribeConfigs` reports them.
    pub configs: Vec<(String, String)>,
}

impl TopicSpec {
    /// A topic of one epoch (0) without gaps or transactions.
    #[must_use]
    pub fn new(name: TopicName, partition_count: i32, size: LogSize) -> Self {
        Self {
            name,
            partition_count,
            size,
            first_offset: 0,
            content: BatchContent::default(),
            epochs: Vec::new(),
            gaps: Vec::new(),
            log_start_follows: None,
            configs: Vec::new(),
        }
    }
}

/// Size of a partition; rounded up to whole batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSize {
    /// At least this many bytes of batches.
    Bytes(u64),
    /// At least this many offsets.
    Records(u64),
    /// Exactly this many batches.
    Batches(u32),
}

/// What the batches of a topic look like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchContent {
    /// Bytes of each record's value.
    pub record_bytes: usize,
    /// Bytes of records in a batch, before compression.
    pub batch_bytes: usize,
    /// Codecs of the batches, in turn.
    pub codecs: Vec<Codec>,
    /// How many of 1000 groups of batches are transactions (3 batches and a marker).
    pub transactions_permille: u32,
    /// Bytes of prebuilt batches; the log repeats them.
    pub cycle_bytes: usize,
}

impl Default for BatchContent {
    fn default() -> Self {
        Self {
            record_bytes: 1024,
            batch_bytes: 64 * 1024,
            codecs: vec![Codec::None],
            transactions_permille: 0,
            cycle_bytes: 8 * 1024 * 1024,
        }
    }
}

/// Compression of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// Records as they are.
    None,
    /// gzip.
    Gzip,
    /// Snappy in Kafka's framing.
    Snappy,
    /// LZ4 frame.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// A leader epoch and where in the log it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochSpec {
    /// The epoch.
    pub epoch: SourceLeaderEpoch,
    /// Its first batch, as a share of the log in thousandths.
    pub from_permille: u32,
}

/// A range of missing offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapSpec {
    /// The batch behind it, as a share of the log in thousandths; never the first batch.
    pub at_permille: u32,
    /// Missing offsets.
    pub records: u32,
}
