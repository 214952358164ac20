//! Reads the log of any partition, mirrored or written here, for the server: finds records, and
//! what lies around them, in files that their writer goes on writing.
//!
//! **What it is.** One for the node. Where a log ends, and what may be read, is always told by the
//! caller's [`LogState`]; files are found by name below the [`LogView`]'s directory, which also
//! keeps what was learnt of them. Blocking file calls; nothing is copied for a fetch: it is
//! answered with a range of a segment file.
//!
//! ```text
//!  offset -> segment (names) -> index entry (binary search) -> batch (headers, one after another)
//!                                         ^ checked against the batch it names, or not used
//! ```
//!
//! **Invariants.**
//! - Nothing is read past the state's `end_place`, nor past the batches of a segment: space
//!   reserved behind them, zeros or the older life of a recycled file, is never handed out.
//! - What was learnt of a log is dropped when its end was cut off (`cut_count`).
//! - Open files are limited for the whole node, those included that answers hold.
//!
//! **What it does not know.** Requests, sessions, who waits for records. Whether records below the
//! end may be shown is the caller's to say, as the `upper` offset.
//!
//! A segment that retention deletes while it is being sent stays readable through the open file:
//! run engines beside this with `reuse_files` off, or those bytes may become other batches.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};

use kafka_log::leader_epoch_checkpoint::EpochEndOffset;
use kafka_log::partition_files::FileName;
use kafka_log::partition_log::LogPlace;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use mirror_uring::recent_records::RecentRecords;

use crate::batch_records::RecordsError;
use crate::log_reader::batch_scan::{BatchScan, FoundBatch};
use crate::log_reader::log_files::LogFiles;
use crate::log_reader::reading::KnownTail;
use crate::log_reader::segment_span::SegmentSpan;
use crate::log_view::{LogState, LogView};

mod batch_scan;
mod index_search;
mod log_files;
pub(crate) mod reading;
mod segment_span;
mod timestamps;
mod transactions;

pub use timestamps::TimestampOffset;
pub use transactions::ABORTED_MAX;

/// Reads logs; shared by all of the node.
#[derive(Debug)]
pub struct LogReader {
    files: LogFiles,
    recent: Arc<OnceLock<RecentRecords>>,
}

/// How many files may be open for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Files kept open, whether somebody reads them or not; 0 counts as 1.
    pub open_max: usize,
    /// Files beyond these that answers hold: at so many, none is given to another answer. Up to
    /// `open_max` more come to be held when all that are kept open are.
    pub lent_max: usize,
}

/// A range of a segment file.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Arc<File>,
    /// Position of the first byte.
    pub position: u64,
    /// How many bytes.
    pub bytes: u32,
}

/// Where records are.
#[derive(Clone, Debug)]
pub struct Located {
    /// Their bytes: whole batches.
    pub range: FileRange,
    /// No offset in the range is below this one; may lie below the one asked for.
    pub base_offset: Offset,
    /// No offset in the range is at or above this one.
    pub end_offset: Offset,
    /// Base offset of the segment behind theirs; `None` when theirs is the last one.
    pub next_segment: Option<Offset>,
}

impl Located {
    fn of_tail(
        base_offset: Offset,
        tail: KnownTail,
        file: Arc<File>,
        next_segment: Option<Offset>,
    ) -> Self {
        let position = tail.begin.position;
        let bytes = tail.end - position;
        let range = FileRange { file, position: u64::from(position), bytes };
        Self { range, base_offset, end_offset: tail.end_offset, next_segment }
    }
}

/// How much to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Most bytes.
    pub bytes_max: u32,
    /// True when a first batch that is larger is read all the same.
    pub at_least_one_batch: bool,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is not in the log, or not any more.
    #[error("offset {offset} is not in the log, which begins at {log_start} and ends at {log_end}")]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// Where the log began.
        log_start: Offset,
        /// Where the log ended.
        log_end: Offset,
    },
    /// A file went away while it was looked for: look at the state again.
    #[error("{file} went away: the log has changed")]
    Gone {
        /// Its name.
        file: FileName,
    },
    /// No batch where there must be one.
    #[error("{file} at {position}: expected a batch that begins at offset {expected} or above")]
    Damaged {
        /// The file.
        file: FileName,
        /// Where in it.
        position: u32,
        /// Least offset that could be there.
        expected: Offset,
    },
    /// A batch whose records cannot be read.
    #[error("batch at offset {base_offset}: {error}")]
    Records {
        /// The batch.
        base_offset: Offset,
        /// What is wrong.
        error: RecordsError,
    },
    /// The system refused.
    #[error("{file}: {error}")]
    Io {
        /// What was read.
        file: FileName,
        /// What the system said.
        error: io::Error,
    },
}

impl LogReader {
    /// A reader without open files.
    #[must_use]
    pub fn new(limits: FileLimits) -> Self {
        Self { files: LogFiles::new(limits), recent: Arc::default() }
    }

    /// Looks for headers at the end of mirrored logs in the memory of the engine as well, once it
    /// is there: after direct writes, only the disk has them else.
    #[must_use]
    pub fn with_recent(self, recent: Arc<OnceLock<RecentRecords>>) -> Self {
        Self { recent, ..self }
    }

    /// True when an answer that holds `held` files already may hold one more that is located.
    #[must_use]
    pub fn may_lend(&self, held: usize) -> bool {
        self.files.may_lend(held)
    }

    /// Finds the batch that holds `from`, and what follows it in the same segment as far as the
    /// limit goes; nothing at or above `upper`, the high watermark or the last stable offset.
    /// `None` when there is nothing to read: `from` is at `upper`, or its batch too large.
    ///
    /// # Errors
    /// When the offset is not in the log, or the log cannot be read.
    pub fn locate(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
        upper: Offset,
        limit: ReadLimit,
    ) -> Result<Option<Located>, ReadError> {
        let upper = upper.min(state.log_end.offset());
        if from < state.log_start.offset() || from > state.log_end.offset() {
            return Err(out_of_range(state, from));
        }
        if from >= upper {
            return Ok(None);
        }
        let located = self
            .while_files_stay(view, |reader| reader.try_locate(view, state, from, upper, limit));
        match (located, view.state()) {
            // Its segment was deleted since the caller looked.
            (Err(ReadError::Gone { .. }), Some(now)) if from < now.log_start.offset() => {
                Err(out_of_range(&now, from))
            }
            (located, _) => located,
        }
    }

    /// Does `read`, again when files went away meanwhile: segments were deleted, or the list of
    /// them was old.
    fn while_files_stay<T>(
        &self,
        view: &LogView,
        read: impl Fn(&Self) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match read(self) {
            Err(ReadError::Gone { .. }) => {
                view.reading().forget(&self.files);
                read(self)
            }
            result => result,
        }
    }

    fn try_locate(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
        upper: Offset,
        limit: ReadLimit,
    ) -> Result<Option<Located>, ReadError> {
        if let Some(located) = self.tail_of_log(view, state, from, upper, limit)? {
            return Ok(Some(located));
        }
        let Some((scan, first)) = self.find_batch(view, state, from)? else { return Ok(None) };
        if first.header.next_offset() > upper {
            return Ok(None);
        }
        let span = scan.span;
        let end = if upper >= span.ceiling {
            scan.end
        } else {
            // The batch that holds the first offset not to be read, if it is in this segment.
            let mut to_upper = self.scan_to(view, state, span, upper)?;
            to_upper.find(upper)?.map_or(scan.end, |found| found.position)
        };
        if end < first.position + first.header.batch_bytes {
            // Batches out of order: this one lies below the upper offset, but not before its place.
            let (file, expected) = (scan.name(), upper);
            return Err(ReadError::Damaged { file, position: end, expected });
        }
        let available = end - first.position;
        if first.header.batch_bytes > limit.bytes_max && !limit.at_least_one_batch {
            return Ok(None);
        }
        let (until, end_offset) = if available <= limit.bytes_max {
            let is_segments_end = end == scan.end && span.next.is_some();
            let place = if is_segments_end {
                LogPlace { segment: span.ceiling, position: 0 }
            } else {
                LogPlace { segment: span.base, position: end }
            };
            view.reading().note_place(state.cut_count, upper.min(span.ceiling), place);
            (end, upper.min(span.ceiling))
        } else {
            let cut = first.position + limit.bytes_max.max(first.header.batch_bytes);
            let (position, next) = self.last_batch_before(view, state, span, &first, cut)?;
            let place = LogPlace { segment: span.base, position };
            view.reading().note_place(state.cut_count, next, place);
            (position, next)
        };
        let (position, bytes) = (u64::from(first.position), until - first.position);
        let range = FileRange { file: scan.file, position, bytes };
        let base_offset = first.header.base_offset;
        Ok(Some(Located { range, base_offset, end_offset, next_segment: span.next }))
    }

    /// What came since an earlier read ended at `from`, as far as the log's latest ends are known:
    /// the reader of a log's tail is answered without a look into the files, which the disk may
    /// have to bring first.
    fn tail_of_log(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
        upper: Offset,
        limit: ReadLimit,
    ) -> Result<Option<Located>, ReadError> {
        let Some((span, position)) = self.known_place(view, state, from)? else { return Ok(None) };
        let tail = view.reading().tail(state, from, upper, limit.bytes_max);
        let begin = LogPlace { segment: span.base, position };
        let Some(tail) = tail.filter(|tail| tail.begin == begin) else { return Ok(None) };
        let file = self.scan_from(view, state, span, position)?.file;
        Ok(Some(Located::of_tail(from, tail, file, span.next)))
    }

    /// What [`LogReader::locate`] finds for the reader of a log's tail, from memory alone: never
    /// blocks. `None` when that is not known, or nothing is there.
    #[must_use]
    pub fn recall(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
        upper: Offset,
        limit: ReadLimit,
    ) -> Option<Located> {
        let upper = upper.min(state.log_end.offset());
        if from < state.log_start.offset() || from >= upper {
            return None;
        }
        let mut reading = view.try_reading()?;
        let tail = reading.tail(state, from, upper, limit.bytes_max)?;
        let segment = tail.begin.segment;
        if segment != state.end_place.segment {
            return None;
        }
        let file = self.files.open_one(reading.log_id, FileName::log(segment))?;
        Some(Located::of_tail(from, tail, file, None))
    }

    /// Where the last batch ends that lies before `cut`, not before `first`, and the offset there.
    fn last_batch_before(
        &self,
        view: &LogView,
        state: &LogState,
        span: SegmentSpan,
        first: &FoundBatch,
        cut: u32,
    ) -> Result<(u32, Offset), ReadError> {
        let from = self.indexed_before(view, state, span, cut)?;
        let from = from.unwrap_or(0).max(first.position);
        let mut scan = self.scan_from(view, state, span, from)?;
        let mut last = (first.position + first.header.batch_bytes, first.header.next_offset());
        while let Some(found) = scan.next_batch()? {
            let end = found.position + found.header.batch_bytes;
            if end > cut {
                // An index entry names the batch that is cut: the one before ends where it begins.
                if found.position > last.0 {
                    last = (found.position, found.header.base_offset);
                }
                break;
            }
            last = (end, found.header.next_offset());
        }
        Ok(last)
    }

    /// Finds the first batch that ends at or above `from`, in the segment that may hold it or one
    /// behind; the scan stands behind it. `None` when there is none before the log's end.
    fn find_batch(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
    ) -> Result<Option<(BatchScan, FoundBatch)>, ReadError> {
        if let Some(found) = self.find_known(view, state, from)? {
            return Ok(Some(found));
        }
        let mut span = self.span_of(view, state, from)?;
        loop {
            let mut scan = self.scan_to(view, state, span, from)?;
            if let Some(found) = scan.find(from)? {
                return Ok(Some((scan, found)));
            }
            // Compaction may leave a segment without its last offsets.
            match span.next {
                Some(next) => span = self.span_of(view, state, next)?,
                None => return Ok(None),
            }
        }
    }

    /// The batch at `from` when an earlier read ended there.
    fn find_known(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
    ) -> Result<Option<(BatchScan, FoundBatch)>, ReadError> {
        let Some((span, position)) = self.known_place(view, state, from)? else { return Ok(None) };
        let mut scan = self.scan_from(view, state, span, position)?;
        let found = scan.next_batch()?;
        let is_first = |found: &FoundBatch| found.header.base_offset >= from;
        Ok(found.filter(is_first).map(|found| (scan, found)))
    }

    /// Segment and position at which an earlier read ended at `from`.
    fn known_place(
        &self,
        view: &LogView,
        state: &LogState,
        from: Offset,
    ) -> Result<Option<(SegmentSpan, u32)>, ReadError> {
        let Some(place) = view.reading().place_of(state.cut_count, from) else { return Ok(None) };
        let span = self.span_of(view, state, place.segment)?;
        Ok((span.base == place.segment).then_some((span, place.position)))
    }
}

/// Where `epoch` ends in the log; `None` when it is above all known ones. A broker that leads has
/// its own epoch in the history from the beginning; ours, which is above those of the batches,
/// stands at the log's end. So a client that has an epoch which was cut off learns where to go on,
/// also before the log has a batch of the next one.
#[must_use]
pub fn epoch_end_offset(state: &LogState, epoch: SourceLeaderEpoch) -> Option<EpochEndOffset> {
    let end = state.log_end.offset();
    let behind_all = match epoch.get().cmp(&state.leader_epoch.get()) {
        Ordering::Less => {
            let latest = state.epochs.latest().unwrap_or(epoch);
            Some(EpochEndOffset { epoch: latest, end })
        }
        Ordering::Equal => Some(EpochEndOffset { epoch, end }),
        Ordering::Greater => None,
    };
    state.epochs.end_offset_for(epoch, state.log_end).or(behind_all)
}

/// The epoch that wrote `offset`, or will write it; `None` when none is known.
#[must_use]
pub fn leader_epoch_of(state: &LogState, offset: Offset) -> Option<SourceLeaderEpoch> {
    let entries = state.epochs.entries();
    let above = entries.partition_point(|entry| entry.start <= offset);
    above.checked_sub(1).map(|place| entries[place].epoch)
}

fn out_of_range(state: &LogState, offset: Offset) -> ReadError {
    let (log_start, log_end) = (state.log_start.offset(), state.log_end.offset());
    ReadError::OutOfRange { offset, log_start, log_end }
}

#[cfg(test)]
mod tests;
