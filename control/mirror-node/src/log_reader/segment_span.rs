//! Which segment holds an offset, where its batches end, and where in it to begin.

use std::sync::Arc;

use kafka_log::offset_index::OffsetIndexEntry;
use kafka_log::partition_files::FileName;
use kafka_wire::offset::Offset;
use kafka_wire::record_batch::HEADER_BYTES;

use super::batch_scan::{BatchScan, read_at};
use super::index_search::IndexFile;
use super::{LogReader, ReadError};
use crate::local_log::READABLE_BATCH_BYTES_MAX;
use crate::log_view::{LogState, LogView};

/// A segment as far as a state reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentSpan {
    /// Its base offset.
    pub(super) base: Offset,
    /// Base of the segment behind it; `None` for the last one.
    pub(super) next: Option<Offset>,
    /// Its offsets lie below: base of the next segment, or the log's end.
    pub(super) ceiling: Offset,
}

impl LogReader {
    /// The segment that holds `offset`, if one does.
    pub(super) fn span_of(
        &self,
        view: &LogView,
        state: &LogState,
        offset: Offset,
    ) -> Result<SegmentSpan, ReadError> {
        let active = state.end_place.segment;
        let mut reading = view.reading();
        reading.follow(view.directory(), state, &self.files).map_err(|error| {
            let file = FileName::log(active);
            match error.kind() {
                std::io::ErrorKind::NotFound => ReadError::Gone { file },
                _ => ReadError::Io { file, error },
            }
        })?;
        let (base, next) = reading.segment_of(offset).ok_or_else(|| gone(active))?;
        // The list may know segments that began after the state was published.
        if base >= active {
            let ceiling = state.log_end.offset();
            return Ok(SegmentSpan { base: active, next: None, ceiling });
        }
        let next = next.filter(|next| *next <= active).ok_or_else(|| gone(active))?;
        Ok(SegmentSpan { base, next: Some(next), ceiling: next })
    }

    /// A scan from where the index leads for `offset`: not behind the batch that holds it.
    pub(super) fn scan_to(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
        offset: Offset,
    ) -> Result<BatchScan, ReadError> {
        let entry = match self.offset_index(view, span)? {
            Some(index) => index.last_at_or_below(offset)?,
            None => None,
        };
        let position = match entry {
            Some(entry) if self.is_right(view, state, span, entry)? => entry.position,
            _ => 0,
        };
        self.scan_from(view, state, span, position)
    }

    /// True when the entry names a batch that is there: the last offset of each. An index of
    /// another life of the segment does not.
    fn is_right(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
        entry: OffsetIndexEntry,
    ) -> Result<bool, ReadError> {
        let mut scan = self.scan_from(view, state, span, entry.position)?;
        match scan.next_batch() {
            Ok(found) => Ok(found.is_some_and(|found| found.header.last_offset() == entry.offset)),
            Err(ReadError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A scan from `position`, where a batch must begin.
    pub(super) fn scan_from(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
        position: u32,
    ) -> Result<BatchScan, ReadError> {
        let log_id = view.reading().log_id;
        let file = self.files.get(log_id, view.directory(), FileName::log(span.base))?;
        let end = match span.next {
            None => state.end_place.position,
            Some(_) => self.end_of_batches(view, state, span)?,
        };
        let recent = self.recent.get().filter(|_| span.next.is_none());
        Ok(BatchScan::new(file, span, end, true, position).with_recent(recent.cloned()))
    }

    /// Where the batches of a segment end that others follow. What lies behind them is space that
    /// was reserved, unless the segment was finished, which the snapshot behind it proves: then it
    /// is damage, for whoever comes there.
    fn end_of_batches(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
    ) -> Result<u32, ReadError> {
        let (log_id, known) = {
            let reading = view.reading();
            (reading.log_id, reading.end_of(span.base))
        };
        if let Some(end) = known {
            return Ok(end);
        }
        let name = FileName::log(span.base);
        let failed = |error| ReadError::Io { file: name, error };
        // The proof first: the file is cut before it is written.
        let is_finished = is_finished(view, span);
        let file = self.files.get(log_id, view.directory(), name)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(READABLE_BATCH_BYTES_MAX);
        let mut end = self.scan_end(view, span, &file, bytes)?;
        if is_finished && end < bytes {
            let mut behind = [0; HEADER_BYTES];
            let read = read_at(&file, u64::from(end), &mut behind).map_err(failed)?;
            if behind[..read].iter().any(|byte| *byte != 0) {
                end = bytes;
            }
        }
        view.reading().note_end(state.cut_count, span.base, end);
        Ok(end)
    }

    /// Goes over the batches behind the last index entry that is right.
    fn scan_end(
        &self,
        view: &LogView,
        span: SegmentSpan,
        file: &Arc<std::fs::File>,
        bytes: u32,
    ) -> Result<u32, ReadError> {
        let entry = match self.offset_index(view, span)? {
            Some(index) => index.last::<OffsetIndexEntry>()?,
            None => None,
        };
        let scan = |position| BatchScan::new(Arc::clone(file), span, bytes, false, position);
        let mut from_entry = entry.map_or_else(|| scan(0), |entry| scan(entry.position));
        let first = from_entry.next_batch()?;
        let is_named = first
            .zip(entry)
            .is_some_and(|(first, entry)| first.header.last_offset() == entry.offset);
        let mut from = if is_named { from_entry } else { scan(0) };
        while from.next_batch()?.is_some() {}
        Ok(from.position)
    }

    /// The offset index of a segment; `None` when there is none yet.
    pub(super) fn offset_index(
        &self,
        view: &LogView,
        span: SegmentSpan,
    ) -> Result<Option<IndexFile>, ReadError> {
        self.index_file(view, FileName::offset_index(span.base))
    }

    /// An index file; `None` when there is none yet.
    pub(super) fn index_file(
        &self,
        view: &LogView,
        name: FileName,
    ) -> Result<Option<IndexFile>, ReadError> {
        let log_id = view.reading().log_id;
        match self.files.get(log_id, view.directory(), name) {
            Ok(file) => Ok(Some(IndexFile::new(file, name)?)),
            Err(ReadError::Gone { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The last position before `cut` where the index knows a batch to begin.
    pub(super) fn indexed_before(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
        cut: u32,
    ) -> Result<Option<u32>, ReadError> {
        let entry = match self.offset_index(view, span)? {
            Some(index) => index.last_at_or_before(cut)?,
            None => None,
        };
        Ok(match entry {
            Some(entry) if self.is_right(view, state, span, entry)? => Some(entry.position),
            _ => None,
        })
    }
}

/// True when a segment was finished: its files end where their contents do.
pub(super) fn is_finished(view: &LogView, span: SegmentSpan) -> bool {
    let snapshot = |next| view.directory().join(FileName::snapshot(next).text());
    span.next.is_some_and(|next| snapshot(next).exists())
}

const fn gone(segment: Offset) -> ReadError {
    ReadError::Gone { file: FileName::log(segment) }
}
