//! Segments that are not scanned: are their indexes plausible, and where does the last one end?

use std::io;

use kafka_wire::batch_stream::BatchStep;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;

use super::inventory::SegmentFiles;
use super::scan::{ScanEnd, read_batches};
use crate::layout::SEGMENT_FILE_BYTES_MAX;
use crate::offset_index::OffsetIndexEntry;
use crate::partition_files::{FileName, PartitionFiles};
use crate::segment::{PendingIndex, Segment};
use crate::time_index::{NO_TIMESTAMP_MS, TimeIndexEntry};
use crate::{offset_index, time_index, transaction_index};

/// The last entries of a segment's indexes, as far as they can be right.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastEntries {
    offset: Option<OffsetIndexEntry>,
    time: Option<TimeIndexEntry>,
}

/// Where a trusted active segment ends.
#[derive(Debug)]
pub(super) struct TrustedTail {
    pub(super) segment: Segment,
    pub(super) end: Offset,
    /// Largest epoch seen near the end.
    pub(super) epoch: Option<SourceLeaderEpoch>,
}

/// Checks what can be checked without reading the segment: lengths and last entries.
/// The error says what is wrong.
pub(super) fn check_indexes(
    files: &mut impl PartitionFiles,
    base: Offset,
    found: &SegmentFiles,
) -> io::Result<Result<LastEntries, String>> {
    let (Some(offset_bytes), Some(time_bytes)) = (found.offset_index, found.time_index) else {
        let name = if found.offset_index.is_none() { "offset" } else { "time" };
        return Ok(Err(format!("{name} index is missing")));
    };
    let aborts_bytes = found.transaction_index.unwrap_or_default();
    for (name, bytes, entry_bytes) in [
        ("offset", offset_bytes, offset_index::ENTRY_BYTES as u64),
        ("time", time_bytes, time_index::ENTRY_BYTES as u64),
        ("transaction", aborts_bytes, transaction_index::ENTRY_BYTES as u64),
    ] {
        if !bytes.is_multiple_of(entry_bytes) {
            return Ok(Err(format!(
                "{name} index has {bytes} bytes, expected a multiple of {entry_bytes}"
            )));
        }
    }
    check_last_entries(files, base, found)
}

fn check_last_entries(
    files: &mut impl PartitionFiles,
    base: Offset,
    found: &SegmentFiles,
) -> io::Result<Result<LastEntries, String>> {
    let mut raw = [0; offset_index::ENTRY_BYTES];
    let last = last_entry(files, FileName::offset_index(base), found.offset_index, &mut raw)?;
    let offset = match offset_index::parse(base, last) {
        Ok(entries) => entries.last().copied(),
        Err(error) => return Ok(Err(error.to_string())),
    };
    if let Some(entry) = offset.filter(|entry| u64::from(entry.position) >= found.log_bytes) {
        let position = entry.position;
        return Ok(Err(format!("offset index points to {position}, past the log's end")));
    }
    let mut raw = [0; time_index::ENTRY_BYTES];
    let last = last_entry(files, FileName::time_index(base), found.time_index, &mut raw)?;
    let time = match time_index::parse(base, last) {
        Ok(entries) => entries.last().copied(),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut raw = [0; transaction_index::ENTRY_BYTES];
    let name = FileName::transaction_index(base);
    let last = last_entry(files, name, found.transaction_index, &mut raw)?;
    if let Err(error) = transaction_index::parse(base, last) {
        return Ok(Err(error.to_string()));
    }
    Ok(Ok(LastEntries { offset, time }))
}

/// The last entry of an index file, or nothing when it is empty.
fn last_entry<'a>(
    files: &mut impl PartitionFiles,
    name: FileName,
    bytes: Option<u64>,
    into: &'a mut [u8],
) -> io::Result<&'a [u8]> {
    let Some(position) = bytes.unwrap_or_default().checked_sub(into.len() as u64) else {
        return Ok(&[]);
    };
    let read = files.read_at(name, position, into)?;
    Ok(&into[..read])
}

/// Reads the batches behind the last offset index entry. The error says what is wrong.
pub(super) fn read_tail(
    files: &mut impl PartitionFiles,
    base: Offset,
    found: &SegmentFiles,
    last: LastEntries,
) -> io::Result<Result<TrustedTail, String>> {
    let Some(bytes) =
        u32::try_from(found.log_bytes).ok().filter(|bytes| *bytes <= SEGMENT_FILE_BYTES_MAX)
    else {
        return Ok(Err(format!("log has {} bytes", found.log_bytes)));
    };
    let mut tail = TrustedTail { segment: Segment::empty(base), end: base, epoch: None };
    tail.segment.bytes = bytes;
    tail.segment.max_timestamp = last.time;
    let from = last.offset.map_or(0, |entry| entry.position);
    let mut wrong = None;
    let name = FileName::log(base);
    let end = read_batches(files, name, u64::from(from), &mut |step| {
        wrong = tail.take(step, last.offset);
        wrong.is_some().then_some(ScanEnd::Cut)
    })?;
    if let Some(reason) = wrong {
        return Ok(Err(reason));
    }
    if let ScanEnd::Torn(reason) = end {
        return Ok(Err(reason));
    }
    tail.segment.bytes_since_entry = bytes - from;
    tail.segment.last_time_entry_ms = last.time.map_or(NO_TIMESTAMP_MS, |time| time.timestamp_ms);
    tail.segment.offset_index = PendingIndex::at(found.offset_index.unwrap_or_default());
    tail.segment.time_index = PendingIndex::at(found.time_index.unwrap_or_default());
    tail.segment.transaction_index = PendingIndex::at(found.transaction_index.unwrap_or_default());
    tail.segment.first_timestamp_ms = first_timestamp_ms(files, base)?;
    Ok(Ok(tail))
}

impl TrustedTail {
    /// Takes a batch; tells what is wrong with it.
    fn take(&mut self, step: BatchStep, entry: Option<OffsetIndexEntry>) -> Option<String> {
        let BatchStep::Batch(batch) = step else { return None };
        let header = &batch.header;
        let first = self.end == self.segment.base;
        let last_offset = header.last_offset();
        if let Some(entry) = entry.filter(|entry| first && entry.offset != last_offset) {
            let named = entry.offset;
            return Some(format!("offset index names {named} for the batch of {last_offset}"));
        }
        if header.base_offset < self.end {
            return Some(format!("batch at offset {} goes backwards", header.base_offset));
        }
        if header.max_timestamp_ms > self.segment.max_timestamp_ms() {
            let timestamp_ms = header.max_timestamp_ms;
            self.segment.max_timestamp = Some(TimeIndexEntry { timestamp_ms, offset: last_offset });
        }
        self.epoch = self.epoch.max(header.leader_epoch);
        self.end = header.next_offset();
        None
    }
}

/// Largest timestamp of a segment's first batch.
fn first_timestamp_ms(files: &mut impl PartitionFiles, base: Offset) -> io::Result<Option<i64>> {
    let mut head = [0; kafka_wire::record_batch::HEADER_BYTES];
    let read = files.read_at(FileName::log(base), 0, &mut head)?;
    if read < head.len() {
        return Ok(None);
    }
    let header = kafka_wire::record_batch::BatchHeader::parse(&head, SEGMENT_FILE_BYTES_MAX);
    Ok(header.ok().map(|header| header.max_timestamp_ms))
}
