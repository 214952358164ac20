use std::fs;
use std::sync::Arc;

use kafka_log::log_config::LogConfig;
use kafka_log::recovery::{LoadRequest, LogCut, load};
use kafka_wire::batch_writer::BatchBuilder;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::HighWatermark;
use kafka_wire::partition::TopicId;
use kafka_wire::record_batch::{HEADER_BYTES, RecordBatchView};
use mirror_uring::real_files::RealFiles;

use super::*;
use crate::test_log::{NOW_MS, Scratch, batch_at, offset, plain};
use crate::writable_log::{LogSettings, WritableLog};

mod damage;
mod locate;
mod timestamps;
mod together;
mod transactions;

const ALL: ReadLimit = ReadLimit { bytes_max: u32::MAX, at_least_one_batch: true };

fn reader() -> LogReader {
    LogReader::new(FileLimits { open_max: 8, lent_max: 8 })
}

fn small_segments(segment_bytes: u32) -> LogSettings {
    let log = LogConfig { segment_bytes, index_interval_bytes: 200, ..LogConfig::default() };
    LogSettings { log, retention_ms: None, ..LogSettings::default() }
}

/// A log of `count` batches of two records each.
fn filled(scratch: &Scratch, settings: LogSettings, count: i64) -> WritableLog {
    let log = scratch.open(settings);
    append(&log, count);
    log
}

fn append(log: &WritableLog, count: i64) {
    for raw in 0..count {
        let at = NOW_MS + raw * 10;
        log.append_produced(&batch_at(at, &[b"first", b"second"]).finish(), at).unwrap();
    }
}

fn batch_bytes() -> u32 {
    u32::try_from(batch_at(NOW_MS, &[b"first", b"second"]).finish().len()).unwrap()
}

/// The log of a mirror: the segments' batches as the source wrote them.
fn mirrored(scratch: &Scratch, segments: &[(i64, &[BatchBuilder])]) -> (LogView, LogState) {
    fs::create_dir_all(scratch.path("")).unwrap();
    fs::write(scratch.path("partition.metadata"), "version: 0\ntopic_id: BwcHBwcHBwcHBwcHBwcHBw\n")
        .unwrap();
    for (base, batches) in segments {
        let contents: Vec<u8> = batches.iter().flat_map(BatchBuilder::finish).collect();
        fs::write(scratch.path(&format!("{base:020}.log")), contents).unwrap();
    }
    let request = LoadRequest {
        topic_id: TopicId::from_wire([7; 16]).unwrap(),
        config: small_segments(1 << 20).log,
        recovery_point: Some(offset(i64::MAX - 1)),
        log_start: None,
        clean: true,
        cut: LogCut::Keep,
    };
    let mut files = RealFiles::new(scratch.path(""));
    let log = load(&mut files, &request).unwrap().log;
    let state = LogState {
        log_start: log.log_start(),
        log_end: log.accepted_end(),
        high_watermark: HighWatermark::new(log.accepted_end().offset()),
        last_stable_offset: log.last_stable_offset(),
        end_place: log.end_place(),
        epochs: Arc::new(log.epochs().clone()),
        leader_epoch: LeaderEpoch::ZERO,
        cut_count: 0,
    };
    let view = LogView::new(scratch.path(""));
    view.publish(state.clone());
    (view, state)
}

fn locate_in(
    reader: &LogReader,
    view: &LogView,
    (from, upper): (i64, i64),
    limit: ReadLimit,
) -> Result<Option<Located>, ReadError> {
    let state = view.state().unwrap();
    reader.locate(view, &state, offset(from), offset(upper), limit)
}

/// All that can be read below the log's end.
fn locate(reader: &LogReader, log: &WritableLog, from: i64) -> Located {
    let upper = log.view().state().unwrap().log_end.offset().get();
    locate_in(reader, log.view(), (from, upper), ALL).unwrap().unwrap()
}

/// Base offsets of the whole batches in a range.
fn bases(located: &Located) -> Vec<i64> {
    let mut bytes = vec![0; located.range.bytes as usize];
    let read = batch_scan::read_at(&located.range.file, located.range.position, &mut bytes);
    assert_eq!(read.unwrap(), bytes.len());
    let (mut rest, mut found) = (&bytes[..], Vec::new());
    while let Ok(batch) = RecordBatchView::parse(rest, u32::MAX) {
        found.push(batch.header().base_offset.get());
        rest = &rest[batch.bytes().len()..];
    }
    found
}
