//! What readers of one log have learnt of its files; kept in the log's view.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use kafka_log::partition_files::{FileKind, FileName};
use kafka_log::partition_log::LogPlace;
use kafka_wire::offset::Offset;

use super::log_files::LogFiles;
use crate::log_view::LogState;

/// Ends of reads remembered of each log: as many readers go on there without an index.
const PLACES_REMEMBERED: usize = 16;
/// Ends that the log had lately, remembered while it is read: readers that are not further behind
/// are answered without a look into the files.
const LOG_ENDS_REMEMBERED: usize = 128;
/// Least bytes from one of them to the next but one.
const LOG_END_DISTANCE: u32 = 256 << 10;

/// What was learnt, valid for one `cut_count`.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Tells the files of this log from those of any other.
    pub(super) log_id: u64,
    cut_count: u64,
    /// The segments, by base; empty until the directory was listed.
    segments: Vec<KnownSegment>,
    /// Where batches begin, by offset; the newest last.
    places: VecDeque<(Offset, LogPlace)>,
    /// Where the log ended, the newest last.
    log_ends: VecDeque<(Offset, LogPlace)>,
}

/// Batches near the log's end, in one segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownTail {
    pub(super) begin: LogPlace,
    /// One past their last offset.
    pub(super) end_offset: Offset,
    /// Where they end in the segment.
    pub(super) end: u32,
}

#[derive(Clone, Copy, Debug)]
struct KnownSegment {
    base: Offset,
    /// Where its batches end, once it is not written to any more and somebody looked.
    end: Option<u32>,
}

impl Default for Reading {
    fn default() -> Self {
        static LOGS: AtomicU64 = AtomicU64::new(0);
        Self {
            log_id: LOGS.fetch_add(1, Ordering::Relaxed),
            cut_count: 0,
            segments: Vec::new(),
            places: VecDeque::new(),
            log_ends: VecDeque::new(),
        }
    }
}

impl Reading {
    /// Forgets everything, open files as well.
    pub(super) fn forget(&mut self, files: &LogFiles) {
        self.segments.clear();
        self.places.clear();
        self.log_ends.clear();
        files.forget(self.log_id, |_| true);
    }

    /// Brings the list of segments up to what `state` says.
    pub(super) fn follow(
        &mut self,
        directory: &Path,
        state: &LogState,
        files: &LogFiles,
    ) -> io::Result<()> {
        if self.cut_count != state.cut_count {
            self.forget(files);
            self.cut_count = state.cut_count;
        }
        let last = self.segments.last().map(|segment| segment.base);
        if last.is_none_or(|last| last < state.end_place.segment) {
            self.list(directory)?;
        }
        let start = state.log_start.offset();
        let kept_from = self.segments.partition_point(|segment| segment.base <= start);
        if kept_from > 1 {
            self.segments.drain(..kept_from - 1);
            let first = self.segments[0].base;
            files.forget(self.log_id, |name| name.offset < first);
        }
        Ok(())
    }

    fn list(&mut self, directory: &Path) -> io::Result<()> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let known = name.to_str().and_then(FileName::parse);
            if let Some(FileName { kind: FileKind::Log, offset: base }) = known {
                let end = self.known(base).and_then(|segment| segment.end);
                listed.push(KnownSegment { base, end });
            }
        }
        listed.sort_unstable_by_key(|segment| segment.base);
        self.segments = listed;
        Ok(())
    }

    fn known(&self, base: Offset) -> Option<&KnownSegment> {
        let place = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        Some(&self.segments[place])
    }

    /// Bases of the last segment at or below `offset`, if there is one, and of the next one.
    pub(super) fn segment_of(&self, offset: Offset) -> Option<(Offset, Option<Offset>)> {
        let above = self.segments.partition_point(|segment| segment.base <= offset);
        let place = above.checked_sub(1)?;
        let next = self.segments.get(place + 1).map(|segment| segment.base);
        Some((self.segments.get(place)?.base, next))
    }

    /// Where the batches of a segment end that others follow.
    pub(super) fn end_of(&self, base: Offset) -> Option<u32> {
        self.known(base).and_then(|segment| segment.end)
    }

    pub(super) fn note_end(&mut self, cut_count: u64, base: Offset, end: u32) {
        let found = self.segments.binary_search_by_key(&base, |segment| segment.base);
        if let Ok(place) = found
            && self.cut_count == cut_count
        {
            self.segments[place].end = Some(end);
        }
    }

    /// Where the batch at `offset` begins, or the one behind when there is none.
    pub(super) fn place_of(&self, cut_count: u64, offset: Offset) -> Option<LogPlace> {
        let known = || self.places.iter().rev().chain(self.log_ends.iter().rev());
        let known = || known().find(|(known, _)| *known == offset).map(|(_, place)| *place);
        if self.cut_count == cut_count { known() } else { None }
    }

    /// What a reader at `from` can be given, at most `bytes_max` and nothing at or above `upper`,
    /// as far as the log's latest ends are known.
    pub(super) fn tail(
        &mut self,
        state: &LogState,
        from: Offset,
        upper: Offset,
        bytes_max: u32,
    ) -> Option<KnownTail> {
        let begin = self.place_of(state.cut_count, from)?;
        let (log_end, end) = (state.log_end.offset(), state.end_place);
        let rest = end.position.saturating_sub(begin.position);
        let is_rest = upper == log_end && end.segment == begin.segment;
        let (end_offset, end) = if is_rest && (1..=bytes_max).contains(&rest) {
            (log_end, end)
        } else {
            self.last_place_within(state.cut_count, begin, bytes_max, upper)?
        };
        self.note_place(state.cut_count, end_offset, end);
        Some(KnownTail { begin, end_offset, end: end.position })
    }

    /// The last known place where a batch begins, or will, among those behind `from`, in the same
    /// segment, at most `bytes_max` behind it and at or below the offset `upper`.
    fn last_place_within(
        &self,
        cut_count: u64,
        from: LogPlace,
        bytes_max: u32,
        upper: Offset,
    ) -> Option<(Offset, LogPlace)> {
        let reach = from.position.saturating_add(bytes_max);
        let is_within = |(offset, place): &&(Offset, LogPlace)| {
            place.segment == from.segment
                && place.position > from.position
                && place.position <= reach
                && *offset <= upper
        };
        self.log_ends.iter().rev().find(is_within).filter(|_| self.cut_count == cut_count).copied()
    }

    /// The log ends there now; remembered while there are readers.
    pub(crate) fn note_log_end(&mut self, cut_count: u64, offset: Offset, place: LogPlace) {
        if self.places.is_empty() || self.cut_count != cut_count {
            return;
        }
        if self.log_ends.back().is_some_and(|(last, _)| *last >= offset) {
            return;
        }
        // Ends that lie close together are not all needed: the last one stands for them.
        let before = self.log_ends.len().checked_sub(2).map(|before| self.log_ends[before].1);
        let is_near = |before: LogPlace| {
            before.segment == place.segment && place.position - before.position < LOG_END_DISTANCE
        };
        if before.is_some_and(is_near) {
            self.log_ends.pop_back();
        }
        if self.log_ends.len() == LOG_ENDS_REMEMBERED {
            self.log_ends.pop_front();
        }
        self.log_ends.push_back((offset, place));
    }

    pub(crate) fn note_place(&mut self, cut_count: u64, offset: Offset, place: LogPlace) {
        // What the log's ends tell now is no reason to leave it out: they are thinned out.
        if self.cut_count != cut_count || self.places.contains(&(offset, place)) {
            return;
        }
        self.places.retain(|(known, _)| *known != offset);
        if self.places.len() == PLACES_REMEMBERED {
            self.places.pop_front();
        }
        self.places.push_back((offset, place));
    }
}

#[cfg(test)]
mod tests;
