//! Reading a partition back, as a digest to compare or record by record.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Driver;

/// What a consumer is allowed to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Everything below the high watermark, aborted records included.
    ReadUncommitted,
    /// Only committed records below the last stable offset.
    ReadCommitted,
}

impl Isolation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ReadUncommitted, Self::ReadCommitted];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read_uncommitted",
            Self::ReadCommitted => "read_committed",
        }
    }
}

/// Offsets to read; `Default` is from the log start to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First offset, or the log start.
    pub from: Option<i64>,
    /// One past the last offset, or the end as of the request.
    pub to: Option<i64>,
}

/// All that a consumer got from a partition, condensed: two partitions with equal digests give
/// their consumers the same records at the same offsets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Digest {
    /// SHA-256 over offset, timestamp, key, value and headers of every record.
    pub sha256: String,
    /// Number of records.
    pub count: u64,
    /// Runs of consecutive offsets, first and last.
    pub offsets: Vec<(i64, i64)>,
    /// Leader epochs in the batches and the first record of each.
    pub epochs: Vec<(i32, i64)>,
    /// Where reading ended: the high watermark or the last stable offset.
    pub end: i64,
}

impl Digest {
    /// Whether offsets are missing between `log_start` and the last record.
    #[must_use]
    pub fn has_gaps(&self, log_start: i64) -> bool {
        let starts_later = self.offsets.first().is_some_and(|(first, _)| *first > log_start);
        starts_later || self.offsets.len() > 1
    }
}

/// One record as a consumer got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp in ms.
    pub timestamp: i64,
    /// The leader epoch of its batch, -1 when unknown.
    pub leader_epoch: i32,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl Driver {
    /// Reads a whole partition with a stock consumer and condenses it.
    ///
    /// # Errors
    /// As Kafka refuses, a corrupt batch included.
    pub fn digest(&self, topic: &str, partition: i32, isolation: Isolation) -> Result<Digest> {
        self.digest_range(topic, partition, isolation, Range::default())
    }

    /// As [`Self::digest`] for a range of offsets, to find where two partitions differ.
    ///
    /// # Errors
    /// As [`Self::digest`].
    pub fn digest_range(
        &self,
        topic: &str,
        partition: i32,
        isolation: Isolation,
        range: Range,
    ) -> Result<Digest> {
        self.ask(&read("digest", topic, partition, isolation, range))
    }

    /// Waits until the cleaner has been over a partition: records are gone and no more go.
    ///
    /// # Errors
    /// When none is gone after a minute.
    pub fn await_compaction(&self, topic: &str, partition: i32) -> Result<Digest> {
        let deadline = Instant::now() + COMPACTION_WAIT;
        let log_start = self.log_start(topic, partition)?;
        let mut last = self.digest(topic, partition, Isolation::ReadUncommitted)?;
        loop {
            thread::sleep(CLEANER_PAUSE);
            let now = self.digest(topic, partition, Isolation::ReadUncommitted)?;
            if now.has_gaps(log_start) && now == last {
                return Ok(now);
            }
            if Instant::now() > deadline {
                bail!("{topic}-{partition} is not compacted after {COMPACTION_WAIT:?}: {now:?}");
            }
            last = now;
        }
    }

    fn log_start(&self, topic: &str, partition: i32) -> Result<i64> {
        let topic = self.describe_topic(topic)?;
        let found = topic.partitions.iter().find(|found| found.partition == partition);
        Ok(found.with_context(|| format!("no partition {partition}"))?.log_start)
    }

    /// Reads records one by one; for small ranges.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn records(
        &self,
        topic: &str,
        partition: i32,
        isolation: Isolation,
        range: Range,
    ) -> Result<Vec<Record>> {
        let answer: RawRecords = self.ask(&read("records", topic, partition, isolation, range))?;
        answer.records.into_iter().map(RawRecord::decoded).collect()
    }

    /// Reads on in a consumer group, from the log start at first, until `count` records came;
    /// commits behind the last one and leaves the group. Returns how many came: more only when
    /// there are several partitions, less when there are none within half a minute.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn read_in_group(&self, group: &str, topic: &str, count: u64) -> Result<u64> {
        let request =
            json!({"do": "read_in_group", "group": group, "topic": topic, "count": count});
        Ok(self.ask::<ReadInGroup>(&request)?.read)
    }

    /// As [`Self::read_in_group`] with the group protocol `protocol` (`classic` or `consumer`, of
    /// releases that know both); returns the offsets that came, in order.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn offsets_in_group(
        &self,
        group: &str,
        protocol: &str,
        topic: &str,
        count: u64,
    ) -> Result<Vec<i64>> {
        let request = json!({
            "do": "read_in_group", "group": group, "protocol": protocol, "topic": topic,
            "count": count,
        });
        Ok(self.ask::<ReadInGroup>(&request)?.offsets)
    }
}

fn read(command: &str, topic: &str, partition: i32, isolation: Isolation, range: Range) -> Value {
    json!({
        "do": command, "topic": topic, "partition": partition, "isolation": isolation.name(),
        "from": range.from, "to": range.to,
    })
}

#[derive(Deserialize)]
struct ReadInGroup {
    read: u64,
    offsets: Vec<i64>,
}

#[derive(Deserialize)]
struct RawRecords {
    records: Vec<RawRecord>,
}

#[derive(Deserialize)]
struct RawRecord {
    offset: i64,
    timestamp: i64,
    epoch: i32,
    key: Option<String>,
    value: Option<String>,
}

impl RawRecord {
    fn decoded(self) -> Result<Record> {
        Ok(Record {
            offset: self.offset,
            timestamp: self.timestamp,
            leader_epoch: self.epoch,
            key: bytes(self.key)?,
            value: bytes(self.value)?,
        })
    }
}

fn bytes(text: Option<String>) -> Result<Option<Vec<u8>>> {
    text.map(|text| STANDARD.decode(text).context("driver sends no base64")).transpose()
}

const COMPACTION_WAIT: Duration = Duration::from_secs(60);

/// Over twice the `log.cleaner.backoff.ms` of the harness.
const CLEANER_PAUSE: Duration = Duration::from_millis(500);
