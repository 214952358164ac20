//! Finishing files: what remains to be written when a segment is rolled or a log is closed, and
//! how segments leave.

use std::io;

use kafka_wire::offset::Offset;

use crate::partition_files::{FileKind, FileName, PartitionFiles};
use crate::transaction_index::earliest_first_offset;

/// The end of an index file: what is not written yet. The file ends where it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexTail {
    /// Position in the file.
    pub position: u64,
    /// Bytes from there to the end of the file.
    pub bytes: Vec<u8>,
}

/// A rolled segment, to be finished on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedSegment {
    /// Base offset.
    pub base: Offset,
    /// Base offset of the segment that follows, or the end of a closed log.
    pub end: Offset,
    /// Bytes of batches; a file that is longer was preallocated.
    pub log_bytes: u32,
    /// What the offset index misses.
    pub offset_index: IndexTail,
    /// What the time index misses, with its last entry.
    pub time_index: IndexTail,
    /// What the transaction index misses.
    pub transaction_index: IndexTail,
    /// Contents of the producer snapshot at `end`.
    pub snapshot: Vec<u8>,
    /// Contents of `leader-epoch-checkpoint` up to `end`.
    pub epochs: Vec<u8>,
}

impl ClosedSegment {
    /// Where the earliest aborted transaction begins that finishing the segment adds to its
    /// transaction index.
    #[must_use]
    pub fn unindexed_aborts_from(&self) -> Option<Offset> {
        earliest_first_offset(&self.transaction_index.bytes)
    }
}

/// A log to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedLog {
    /// The segment that was active, finished where the log ends.
    pub active: ClosedSegment,
}

/// Finishes a rolled segment: index ends written, files cut to their entries, all synced, then
/// the epoch checkpoint and the producer snapshot at its end. A recovery point may move to
/// `segment.end` once this returned.
///
/// # Errors
/// When the system refuses; calling again is safe.
pub fn close_segment(files: &mut impl PartitionFiles, segment: &ClosedSegment) -> io::Result<()> {
    let base = segment.base;
    let log = FileName::log(base);
    files.write_at(log, 0, &[])?;
    files.truncate(log, u64::from(segment.log_bytes))?;
    files.sync(log)?;
    finish_index(files, FileName::offset_index(base), &segment.offset_index)?;
    finish_index(files, FileName::time_index(base), &segment.time_index)?;
    let aborts = &segment.transaction_index;
    if aborts.position > 0 || !aborts.bytes.is_empty() {
        finish_index(files, FileName::transaction_index(base), aborts)?;
    }
    files.sync_directory()?;
    files.replace(FileName::LEADER_EPOCH_CHECKPOINT, &segment.epochs)?;
    files.replace(FileName::snapshot(segment.end), &segment.snapshot)?;
    // Snapshots at segment bases live as long as their segments, as in Kafka; those of clean
    // stops in between have served.
    for (name, _) in files.list()? {
        let is_inside = name.offset > base && name.offset < segment.end;
        if name.kind == FileKind::ProducerSnapshot && is_inside {
            files.remove(name)?;
        }
    }
    Ok(())
}

fn finish_index(
    files: &mut impl PartitionFiles,
    name: FileName,
    tail: &IndexTail,
) -> io::Result<()> {
    files.write_at(name, tail.position, &tail.bytes)?;
    files.truncate(name, tail.position + tail.bytes.len() as u64)?;
    files.sync(name)
}

/// Finishes a log: its last segment, and the snapshot at its end that a clean start needs.
///
/// # Errors
/// When the system refuses; calling again is safe.
pub fn close_log(files: &mut impl PartitionFiles, log: &ClosedLog) -> io::Result<()> {
    close_segment(files, &log.active)
}

/// Deletes segments with their indexes and the snapshots at their bases, in the order given.
///
/// # Errors
/// When the system refuses; calling again is safe.
pub fn retire_segments(files: &mut impl PartitionFiles, bases: &[Offset]) -> io::Result<()> {
    for base in bases {
        remove_segment(files, *base)?;
    }
    files.sync_directory()
}

/// Deletes the files of one segment, the log first: without it the others mean nothing.
pub(crate) fn remove_segment(files: &mut impl PartitionFiles, base: Offset) -> io::Result<()> {
    files.remove(FileName::log(base))?;
    files.remove(FileName::offset_index(base))?;
    files.remove(FileName::time_index(base))?;
    files.remove(FileName::transaction_index(base))?;
    files.remove(FileName::snapshot(base))
}

#[cfg(test)]
mod tests;
