use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::LogPlace;
use kafka_log::recovery::LoadFinding;
use kafka_protocol::error::ResponseError;
use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::{TopicId, TopicPartition};
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::{BatchAttributes, BatchHeader};

use super::settings::{CleanupPolicy, LogSettings, TimestampType};
use super::{AppendError, LogSpec, WritableLog};
use crate::local_log::LocalLog;
use crate::log_view::LogView;
use crate::random_id::random_id;

mod append;
mod idempotence;
mod restart;
mod retention;
mod storage;

pub(super) const NOW_MS: i64 = 1_700_000_000_000;

/// A data directory with room for the partition `a-0`, deleted at the end.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let name = format!("ringmirror-writable-log-{}", random_id().unwrap());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn spec(&self, settings: LogSettings) -> LogSpec {
        LogSpec {
            view: Arc::new(LogView::new(self.0.join("a-0"))),
            topic_id: TopicId::from_wire([7; 16]).unwrap(),
            settings,
            recovery_point: None,
            log_start: None,
            clean: false,
            leader_epoch: LeaderEpoch::from_wire(3).unwrap(),
            cut_count: 0,
        }
    }

    pub(crate) fn open(&self, settings: LogSettings) -> WritableLog {
        let (log, findings) = WritableLog::open(self.spec(settings)).unwrap();
        assert_eq!(findings, []);
        log
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join("a-0").join(name)
    }

    /// All batches on disk, as a checker of stock logs reads them.
    fn batches(&self) -> Vec<(BatchHeader, Vec<u8>)> {
        let log = LocalLog::open(&self.0, &TopicPartition::parse_directory("a-0").unwrap());
        let mut batches = log.unwrap().batches(Offset::ZERO);
        let mut found = Vec::new();
        while let Some(batch) = batches.next_batch().unwrap() {
            found.push((batch.header, batch.bytes.to_vec()));
        }
        found
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

/// A batch as a client sends it: `values` at `timestamp_ms` and the milliseconds after it.
fn batch_at(timestamp_ms: i64, values: &[&[u8]]) -> BatchBuilder {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    for (value, timestamp_ms) in values.iter().zip(timestamp_ms..) {
        batch.push(&NewRecord { timestamp_ms, key: Some(b"key"), value: Some(value) });
    }
    batch
}

pub(crate) fn plain(values: &[&[u8]]) -> Vec<u8> {
    batch_at(NOW_MS, values).finish()
}

/// A batch of producer 9.
fn sequenced(raw_epoch: i16, base_sequence: i32, count: usize) -> Vec<u8> {
    let mut batch = batch_at(NOW_MS, &vec![&b"value"[..]; count]);
    batch.producer = BatchProducer {
        id: ProducerId::from_wire(9),
        epoch: ProducerEpoch::from_wire(raw_epoch),
        base_sequence,
    };
    batch.finish()
}

fn small_segments(segment_bytes: u32) -> LogSettings {
    let log = LogConfig { segment_bytes, index_interval_bytes: 100, ..LogConfig::default() };
    LogSettings { log, ..LogSettings::default() }
}

/// Base offset of the batch appended.
fn append(log: &WritableLog, batch: &[u8]) -> i64 {
    log.append_produced(batch, NOW_MS).unwrap().base_offset.get()
}

fn log_end(log: &WritableLog) -> i64 {
    log.view().state().unwrap().log_end.offset().get()
}
