//! Offsets by time: the first record at or after a timestamp, and the newest one.
//! Source: `UnifiedLog.fetchOffsetByTimestamp` and `LogSegment.findOffsetByTimestamp`.

use std::ops::ControlFlow;

use kafka_log::partition_files::FileName;
use kafka_log::time_index::TimeIndexEntry;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::record_batch::HEADER_BYTES;

use super::batch_scan::{BatchScan, FoundBatch, read_at};
use super::segment_span::{SegmentSpan, is_finished};
use super::{LogReader, ReadError};
use crate::batch_records::visit_records;
use crate::log_view::{LogState, LogView};

/// Largest batch whose records are looked at; of a larger one the first offset is told.
const SEARCHED_BATCH_BYTES_MAX: u32 = 128 << 20;
/// Timestamp type bit of the attributes: all records have the batch's largest timestamp.
const LOG_APPEND_TIME: u16 = 0x08;

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, milliseconds.
    pub timestamp_ms: i64,
    /// The epoch it was written in.
    pub leader_epoch: Option<SourceLeaderEpoch>,
}

/// Which record of a batch is wanted.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    timestamp_ms: i64,
    /// It may not lie below.
    from: Offset,
}

impl LogReader {
    /// The first record with a timestamp at or above `timestamp_ms` below `upper`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn offset_for_timestamp(
        &self,
        view: &LogView,
        state: &LogState,
        timestamp_ms: i64,
        upper: Offset,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let wanted = Wanted { timestamp_ms, from: state.log_start.offset() };
        let found = self.while_files_stay(view, |reader| {
            for span in reader.spans(view, state, wanted.from)? {
                if span.base >= upper {
                    break;
                }
                if !reader.may_hold(view, state, span, timestamp_ms)? {
                    continue;
                }
                if let Some(found) = reader.find_time(view, state, span, wanted)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })?;
        Ok(found.filter(|found| found.offset < upper))
    }

    /// The newest record: of those with the largest timestamp, the first one. Below the log's end.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn max_timestamp_offset(
        &self,
        view: &LogView,
        state: &LogState,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        self.while_files_stay(view, |reader| {
            let from = state.log_start.offset();
            let mut newest: Option<(i64, SegmentSpan)> = None;
            for span in reader.spans(view, state, from)? {
                let max_ms = reader.max_timestamp_ms(view, state, span)?;
                if let Some(max_ms) = max_ms
                    && newest.is_none_or(|(newest_ms, _)| newest_ms < max_ms)
                {
                    newest = Some((max_ms, span));
                }
            }
            let Some((timestamp_ms, span)) = newest else { return Ok(None) };
            reader.find_time(view, state, span, Wanted { timestamp_ms, from })
        })
    }

    /// The segments from the one that holds `from` to the last.
    pub(super) fn spans(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
    ) -> Result<Vec<SegmentSpan>, ReadError> {
        let first = self.span_of(view, state, from)?;
        let mut spans = vec![first];
        while let Some(next) = spans.last().and_then(|span| span.next) {
            spans.push(self.span_of(view, state, next)?);
        }
        Ok(spans)
    }

    /// False when no record of the segment is so new; true when one may be.
    fn may_hold(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
        timestamp_ms: i64,
    ) -> Result<bool, ReadError> {
        if span.next.is_none() {
            return Ok(true);
        }
        let max_ms = self.max_timestamp_ms(view, state, span)?;
        Ok(max_ms.is_some_and(|max_ms| max_ms >= timestamp_ms))
    }

    /// Largest timestamp of a segment; `None` when it holds no batch.
    fn max_timestamp_ms(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
    ) -> Result<Option<i64>, ReadError> {
        let index = self.index_file(view, FileName::time_index(span.base))?;
        let entry = match index {
            Some(index) => index.last::<TimeIndexEntry>()?,
            None => None,
        };
        // The last entry of a finished index is that of the newest batch.
        if let Some(entry) = entry.filter(|_| is_finished(view, span)) {
            return Ok(Some(entry.timestamp_ms));
        }
        let mut scan = match entry {
            Some(entry) => self.scan_to(view, state, span, entry.offset)?,
            None => self.scan_from(view, state, span, 0)?,
        };
        let mut max_ms = None;
        while let Some(found) = scan.next_batch()? {
            max_ms = max_ms.max(Some(found.header.max_timestamp_ms));
        }
        Ok(max_ms)
    }

    /// The first record of the segment that is wanted.
    fn find_time(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
        wanted: Wanted,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let index = self.index_file(view, FileName::time_index(span.base))?;
        let older = match index {
            Some(index) => index.last_before(wanted.timestamp_ms)?,
            None => None,
        };
        let from = older.map_or(wanted.from, |older| older.offset.max(wanted.from));
        let mut scan = self.scan_to(view, state, span, from)?;
        while let Some(found) = scan.next_batch()? {
            let header = &found.header;
            if header.max_timestamp_ms < wanted.timestamp_ms || header.last_offset() < wanted.from {
                continue;
            }
            if let Some(record) = find_record(&scan, &found, wanted)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// The first record of the batch that is wanted; compaction may have taken it.
fn find_record(
    scan: &BatchScan,
    found: &FoundBatch,
    wanted: Wanted,
) -> Result<Option<TimestampOffset>, ReadError> {
    let header = &found.header;
    let leader_epoch = header.leader_epoch;
    let at = |offset, timestamp_ms| Some(TimestampOffset { offset, timestamp_ms, leader_epoch });
    let is_ours = header.attributes.get() & LOG_APPEND_TIME != 0;
    if header.batch_bytes > SEARCHED_BATCH_BYTES_MAX || header.record_count == 0 {
        let offset = header.base_offset.max(wanted.from);
        return Ok(at(offset, header.max_timestamp_ms).filter(|_| header.record_count > 0));
    }
    let mut body = vec![0; header.body_bytes() as usize];
    let position = u64::from(found.position) + HEADER_BYTES as u64;
    let file = scan.name();
    let read =
        read_at(&scan.file, position, &mut body).map_err(|error| ReadError::Io { file, error })?;
    let mut record = None;
    visit_records(header, &body[..read], |facts| {
        let timestamp_ms = if is_ours {
            header.max_timestamp_ms
        } else {
            header.base_timestamp_ms.wrapping_add(facts.timestamp_delta_ms)
        };
        let raw = header.base_offset.get().saturating_add(i64::from(facts.offset_delta));
        let offset = Offset::from_wire(raw).unwrap_or(header.base_offset);
        if timestamp_ms < wanted.timestamp_ms || offset < wanted.from {
            return ControlFlow::Continue(());
        }
        record = at(offset, timestamp_ms);
        ControlFlow::Break(())
    })
    .map_err(|error| ReadError::Records { base_offset: header.base_offset, error })?;
    Ok(record)
}
