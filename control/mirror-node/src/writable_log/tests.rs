use std::fs;
use std::sync::Arc;

use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::LogPlace;
use kafka_log::recovery::LoadFinding;
use kafka_protocol::error::ResponseError;
use kafka_wire::batch_writer::{BatchProducer, NewRecord};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::TopicId;
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchAttributes;

use super::settings::{CleanupPolicy, LogSettings, TimestampType};
use super::{AppendError, LogSpec, WritableLog};
use crate::test_log::{NOW_MS, Scratch, batch_at, offset, plain};

mod append;
mod idempotence;
mod restart;
mod retention;
mod storage;

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
