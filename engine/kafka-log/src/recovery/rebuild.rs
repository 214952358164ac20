//! Reads the chosen segments in order, cuts where batches end, and writes what the batches say.

use std::collections::VecDeque;
use std::io;

use kafka_wire::offset::Offset;

use super::inventory::{SegmentFiles, mend_index, replace_if_changed};
use super::loader::Loader;
use super::scan::{Bounds, Carried, ScanEnd, ScanTo, scan_segment};
use super::trusted::TrustedTail;
use super::{LoadFinding, LogCut};
use crate::partition_files::{FileName, PartitionFiles};
use crate::segment::Segment;

/// Snapshots kept: at the bases of the last two segments.
const BASE_SNAPSHOTS: usize = 2;

impl<F: PartitionFiles> Loader<'_, F> {
    /// Returns the active segment and the state at the log's end.
    pub(super) fn rebuild(&mut self, tail: Option<TrustedTail>) -> io::Result<(Segment, Carried)> {
        let mut carried = self.carried_at_start();
        let mut snapshots = VecDeque::new();
        let mut active = None;
        for base in self.found.bases() {
            if !self.found.segments.contains_key(&base) {
                break;
            }
            if !self.read.contains(&base) {
                continue;
            }
            if let Some(producers) = self.at_base.remove(&base) {
                carried.take_producers(producers);
            }
            if self.found.segments.keys().next() != Some(&base) {
                snapshots.truncate(BASE_SNAPSHOTS - 1);
                snapshots.push_front((base, carried.producers.snapshot()));
            }
            active = Some(self.read_segment(base, &mut carried)?);
        }
        let bases = self.found.bases();
        let last_bases = &bases[bases.len().saturating_sub(BASE_SNAPSHOTS)..];
        for (offset, contents) in snapshots {
            if !last_bases.contains(&offset) {
                continue;
            }
            let bytes = self.found.snapshots.get(&offset).copied();
            replace_if_changed(self.files, FileName::snapshot(offset), bytes, &contents)?;
        }
        if let Some(tail) = tail.filter(|tail| last_bases.contains(&tail.segment.base)) {
            let producers = self.at_base.remove(&tail.end);
            carried.take_producers(producers.expect("a trusted end has its snapshot"));
            carried.end = tail.end;
            return Ok((tail.segment, carried));
        }
        Ok((active.expect("the last segment is read unless its tail is trusted"), carried))
    }

    /// Epochs below the run of segments read at the end; that run brings its own.
    fn carried_at_start(&mut self) -> Carried {
        let mut epochs = std::mem::take(&mut self.epochs);
        let bases = self.found.segments.keys().rev();
        if let Some(base) = bases.take_while(|base| self.read.contains(base)).last() {
            epochs.truncate_from_end(*base);
        }
        Carried { epochs, ..Carried::default() }
    }

    fn read_segment(&mut self, base: Offset, carried: &mut Carried) -> io::Result<Segment> {
        let cut = match self.request.cut {
            LogCut::TruncateTo(cut) => Some(cut),
            LogCut::Keep | LogCut::StartAt(_) => None,
        };
        let bounds = Bounds { cut, next_base: self.next_base(base) };
        let config = &self.request.config;
        let to = ScanTo { carried, on_batch: &mut *self.on_batch };
        let (mut segment, end) = scan_segment(self.files, base, bounds, config, to)?;
        let found = self.found.segments[&base];
        if let Some(next) = bounds.next_base {
            if let Some(reason) = self.loss_before(next, &segment, &end, carried)? {
                self.report_loss(&segment, &found, reason);
                self.drop_behind(base)?;
            } else {
                carried.producers.expire(segment.max_timestamp_ms());
            }
        } else if let ScanEnd::Torn(reason) = end {
            let kept_bytes = u64::from(segment.bytes);
            let dropped_bytes = found.log_bytes - kept_bytes;
            self.findings.push(LoadFinding::TornTail {
                segment: base,
                kept_bytes,
                dropped_bytes,
                reason,
            });
        }
        self.write_segment(&mut segment, &found)?;
        Ok(segment)
    }

    /// Why batches between the end of a segment and `next` must be thought lost; `None` when
    /// there are none or the source has none there.
    fn loss_before(
        &mut self,
        next: Offset,
        segment: &Segment,
        end: &ScanEnd,
        carried: &Carried,
    ) -> io::Result<Option<String>> {
        if carried.end == next {
            return Ok(None);
        }
        let gap = format!("ends at offset {}, next segment starts at {next}", carried.end);
        Ok(match end {
            ScanEnd::Torn(reason) => Some(reason.clone()),
            ScanEnd::Unused | ScanEnd::Cut => Some(gap),
            ScanEnd::Whole if self.is_trusted(segment.base) => None,
            // A snapshot at a segment's end is written once its log was synced.
            ScanEnd::Whole if self.snapshot_at(next)?.is_some() => None,
            // Compaction leaves gaps, and so does a lost write: only the source knows.
            ScanEnd::Whole => Some(gap),
        })
    }

    fn report_loss(&mut self, segment: &Segment, found: &SegmentFiles, reason: String) {
        let kept_bytes = u64::from(segment.bytes);
        let dropped_bytes = found.log_bytes - kept_bytes;
        let segment = segment.base;
        self.findings.push(LoadFinding::CorruptMiddle {
            segment,
            kept_bytes,
            dropped_bytes,
            reason,
        });
    }

    /// Deletes the segments behind `base`, the last one first.
    fn drop_behind(&mut self, base: Offset) -> io::Result<()> {
        let behind: Vec<Offset> =
            self.found.segments.range(base.next()..).map(|(base, _)| *base).collect();
        if let Some(first) = behind.first().copied() {
            self.findings.push(LoadFinding::SegmentsDropped { first, count: behind.len() });
        }
        for base in behind.into_iter().rev() {
            self.found.segments.remove(&base);
            self.remove_segment(base)?;
        }
        // Before the cut itself: else a crash could leave the cut and what lay behind it.
        self.files.sync_directory()
    }

    /// Makes the segment's files what its batches say, durably.
    fn write_segment(&mut self, segment: &mut Segment, found: &SegmentFiles) -> io::Result<()> {
        let base = segment.base;
        let next = self.next_base(base);
        let is_active = next.is_none();
        // A snapshot at its end would have the segment trusted after a crash in between.
        let is_unfinished = next.is_none_or(|next| !self.found.snapshots.contains_key(&next));
        let write_index = if is_unfinished { mend_index } else { replace_if_changed };
        let log = FileName::log(base);
        if found.log_bytes > u64::from(segment.bytes) {
            self.files.truncate(log, u64::from(segment.bytes))?;
        }
        self.files.sync(log)?;
        let time = if is_active { segment.time_index.tail() } else { segment.closed_time_index() };
        let offset = segment.offset_index.tail();
        let aborts = segment.transaction_index.tail();
        for (name, bytes, tail) in [
            (FileName::offset_index(base), found.offset_index, offset),
            (FileName::time_index(base), found.time_index, time),
        ] {
            // An idle partition needs no index files; a closed segment has both.
            if !is_active || bytes.is_some() || !tail.bytes.is_empty() {
                write_index(self.files, name, bytes, &tail.bytes)?;
            }
        }
        let index = FileName::transaction_index(base);
        if aborts.bytes.is_empty() {
            self.files.remove(index)?;
        } else {
            write_index(self.files, index, found.transaction_index, &aborts.bytes)?;
        }
        segment.offset_index.mark_written();
        segment.time_index.mark_written();
        segment.transaction_index.mark_written();
        Ok(())
    }
}
