//! Producing: deterministic records, with every kind of producer Kafka has.

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use super::Driver;

/// Compression of the batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Uncompressed.
    None,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4.
    Lz4,
    /// zstd.
    Zstd,
}

impl Codec {
    /// All five.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The name as in `compression.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// How a transaction ends within the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Committed.
    Commit,
    /// Aborted.
    Abort,
    /// Left open; [`Driver::end_transaction`] or a later [`Produce`] with the same transactional
    /// id ends it.
    Open,
}

/// Records to produce to one partition.
///
/// Record `i` has the key `key-<i>` (or `i` modulo the key count), a value of reproducible letters,
/// the timestamp `timestamp + i`, and a header when `i` is a multiple of 5.
#[derive(Clone, Debug)]
pub struct Produce {
    topic: String,
    partition: i32,
    count: u64,
    first: u64,
    value_bytes: u32,
    key_count: u64,
    tombstone_every: u64,
    records_per_batch: u64,
    batch_bytes: u32,
    timestamp: Option<i64>,
    codec: Codec,
    acks: &'static str,
    idempotent: bool,
    producer: Option<String>,
    outcome: Option<Outcome>,
}

/// Where the records went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Produced {
    /// Offset of the first record, or -1 without records.
    pub first_offset: i64,
    /// Offset of the last record, or -1 without records.
    pub last_offset: i64,
}

impl Produce {
    /// `count` small uncompressed records from a plain producer.
    #[must_use]
    pub fn new(topic: &str, partition: i32, count: u64) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            count,
            first: 0,
            value_bytes: 100,
            key_count: 0,
            tombstone_every: 0,
            records_per_batch: 0,
            batch_bytes: 65_536,
            timestamp: None,
            codec: Codec::None,
            acks: "all",
            idempotent: false,
            producer: None,
            outcome: None,
        }
    }

    /// Index of the first record, which decides keys and values.
    #[must_use]
    pub fn first(mut self, index: u64) -> Self {
        self.first = index;
        self
    }

    /// Length of each value.
    #[must_use]
    pub fn value_bytes(mut self, length: u32) -> Self {
        self.value_bytes = length;
        self
    }

    /// How many different keys there are; for compacted topics.
    #[must_use]
    pub fn keys(mut self, count: u64) -> Self {
        self.key_count = count;
        self
    }

    /// Every n-th record has no value.
    #[must_use]
    pub fn tombstone_every(mut self, n: u64) -> Self {
        self.tombstone_every = n;
        self
    }

    /// Exactly so many records in each batch, as long as they fit [`Self::batch_bytes`].
    #[must_use]
    pub fn records_per_batch(mut self, count: u64) -> Self {
        self.records_per_batch = count;
        self
    }

    /// The producer's `batch.size`.
    #[must_use]
    pub fn batch_bytes(mut self, size: u32) -> Self {
        self.batch_bytes = size;
        self
    }

    /// Timestamp of record 0 in ms since 1970 instead of the time now.
    #[must_use]
    pub fn timestamp(mut self, ms: i64) -> Self {
        self.timestamp = Some(ms);
        self
    }

    /// The compression.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Wait for the leader only (`acks=1`).
    #[must_use]
    pub fn leader_acks(mut self) -> Self {
        self.acks = "1";
        self
    }

    /// From an idempotent producer of its own.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// From the idempotent producer called `name`, which stays for later requests: same producer
    /// id, sequences go on. Its codec and batch size are those of its first request.
    #[must_use]
    pub fn idempotent_as(mut self, name: &str) -> Self {
        self.idempotent = true;
        self.producer = Some(name.to_owned());
        self
    }

    /// Within a transaction of `transactional_id`, begun if none of it is open.
    #[must_use]
    pub fn transaction(mut self, transactional_id: &str, outcome: Outcome) -> Self {
        self.idempotent = true;
        self.producer = Some(transactional_id.to_owned());
        self.outcome = Some(outcome);
        self
    }
}

impl Driver {
    /// Produces and waits for the acknowledgements.
    ///
    /// # Errors
    /// The first refusal of a record or of the transaction.
    pub fn produce(&self, records: &Produce) -> Result<Produced> {
        let outcome = match records.outcome {
            None => "none",
            Some(Outcome::Commit) => "commit",
            Some(Outcome::Abort) => "abort",
            Some(Outcome::Open) => "open",
        };
        self.ask(&json!({
            "do": "produce",
            "topic": records.topic,
            "partition": records.partition,
            "count": records.count,
            "first": records.first,
            "value_bytes": records.value_bytes,
            "key_count": records.key_count,
            "tombstone_every": records.tombstone_every,
            "records_per_batch": records.records_per_batch,
            "batch_bytes": records.batch_bytes,
            "timestamp": records.timestamp,
            "codec": records.codec.name(),
            "acks": records.acks,
            "idempotent": records.idempotent,
            "producer": records.producer,
            "outcome": outcome,
        }))
    }

    /// Ends a transaction that was left open.
    ///
    /// # Errors
    /// When none is open or Kafka refuses.
    pub fn end_transaction(&self, transactional_id: &str, commit: bool) -> Result<()> {
        self.tell(&json!({"do": "end_transaction", "producer": transactional_id, "commit": commit}))
    }

    /// Transactional ids whose transaction is neither committed nor aborted, in order.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn ongoing_transactions(&self) -> Result<Vec<String>> {
        let answer: Ongoing = self.ask(&json!({"do": "ongoing_transactions"}))?;
        Ok(answer.transactional_ids)
    }

    /// Closes a named or transactional producer; the next request with that name makes a new one.
    ///
    /// # Errors
    /// When there is none.
    pub fn close_producer(&self, name: &str) -> Result<()> {
        self.tell(&json!({"do": "close_producer", "producer": name}))
    }
}

#[derive(Deserialize)]
struct Ongoing {
    transactional_ids: Vec<String>,
}
