//! What is copied: topics that differ in what copying them costs.

use kafka_protocol::records::Compression;

use crate::peers::produced_topic::TopicContent;

/// One kind of topic, and how it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// What the source holds.
    pub source: Source,
    /// Bytes of all batches, about.
    pub bytes: u64,
    /// Bytes asked for in one response, where a contender can be told.
    pub response_bytes_max: Option<u32>,
}

/// Where a topic is copied from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// The real broker.
    Broker(TopicContent),
    /// The synthetic one, with so many partitions: faster than a virtual machine can be.
    Synthetic(u32),
}

impl Source {
    /// How batches are compressed, by Kafka's name for it.
    #[must_use]
    pub const fn compression(&self) -> &'static str {
        match self {
            Self::Broker(TopicContent { codec: Compression::Gzip, .. }) => "gzip",
            Self::Broker(TopicContent { codec: Compression::Snappy, .. }) => "snappy",
            Self::Broker(TopicContent { codec: Compression::Lz4, .. }) => "lz4",
            Self::Broker(TopicContent { codec: Compression::Zstd, .. }) => "zstd",
            Self::Broker(_) | Self::Synthetic(_) => "none",
        }
    }
}

/// Bytes for a copy that takes a peer some seconds.
const BULK_BYTES: u64 = 4 << 30;

/// Large batches that nobody has to unpack.
pub(crate) const BULK: TopicContent =
    TopicContent { partitions: 8, value_bytes: 1024, batch_records: 253, codec: Compression::None };
/// Batches of about 16 KiB, the default of Kafka's producer.
const SMALL_BATCHES: TopicContent = TopicContent { batch_records: 15, ..BULK };

/// All scenarios, in the order of rows.
pub const SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: "8-partitions",
        what: "records of 1 KiB, not compressed, in batches of 260 KB",
        source: Source::Broker(BULK),
        bytes: BULK_BYTES,
        response_bytes_max: None,
    },
    Scenario {
        name: "1-partition",
        what: "the same in one partition",
        source: Source::Broker(TopicContent { partitions: 1, ..BULK }),
        bytes: BULK_BYTES,
        response_bytes_max: None,
    },
    Scenario {
        name: "1000-partitions",
        what: "records of 1 KiB in batches of 16 KB",
        source: Source::Broker(TopicContent { partitions: 1000, ..SMALL_BATCHES }),
        bytes: BULK_BYTES,
        response_bytes_max: None,
    },
    Scenario {
        name: "64KiB-responses",
        what: "8 partitions, records of 1 KiB in batches of 16 KB, 64 KiB asked for at a time",
        source: Source::Broker(SMALL_BATCHES),
        bytes: BULK_BYTES / 2,
        response_bytes_max: Some(64 << 10),
    },
    Scenario {
        name: "8-partitions-lz4",
        what: "orders of 1 KB in JSON, 283 in a batch, LZ4",
        source: Source::Broker(TopicContent {
            value_bytes: 1019,
            batch_records: 283,
            codec: Compression::Lz4,
            ..BULK
        }),
        bytes: BULK_BYTES / 2,
        response_bytes_max: None,
    },
    Scenario {
        name: "8-partitions-zstd",
        what: "orders of 1 KB in JSON, 316 in a batch, Zstandard",
        source: Source::Broker(TopicContent {
            value_bytes: 1019,
            batch_records: 316,
            codec: Compression::Zstd,
            ..BULK
        }),
        bytes: BULK_BYTES / 2,
        response_bytes_max: None,
    },
    Scenario {
        name: "100B-records",
        what: "8 partitions, records of 100 bytes, not compressed, in batches of 16 KB",
        source: Source::Broker(TopicContent { value_bytes: 100, batch_records: 150, ..BULK }),
        bytes: BULK_BYTES / 2,
        response_bytes_max: None,
    },
    Scenario {
        name: "synthetic",
        what: "8 partitions of a source that is no virtual machine, records of 1 KiB",
        source: Source::Synthetic(8),
        bytes: BULK_BYTES,
        response_bytes_max: None,
    },
];

#[cfg(test)]
mod tests;
