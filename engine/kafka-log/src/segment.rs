//! Hot path: no lock, no clock, no log line, no syscall; allocates when pending indexes grow.
//!
//! The active segment of a log: how long it is, and the index entries its batches earn.

use kafka_wire::offset::Offset;
use kafka_wire::record_batch::BatchHeader;

use crate::closing::IndexTail;
use crate::layout::{SEGMENT_FILE_BYTES_MAX, relative_offset};
use crate::log_config::LogConfig;
use crate::offset_index::OffsetIndexEntry;
use crate::time_index::{NO_TIMESTAMP_MS, TimeIndexEntry};
use crate::transaction_index::AbortedTransaction;
use crate::{offset_index, time_index, transaction_index};

/// Entries of one index file that are not handed out yet, and where they go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PendingIndex {
    /// File position of the first pending byte.
    position: u64,
    bytes: Vec<u8>,
}

impl PendingIndex {
    /// An index whose first `position` bytes are on disk.
    pub(crate) const fn at(position: u64) -> Self {
        Self { position, bytes: Vec::new() }
    }

    /// Bytes of the file once everything pending is written.
    pub(crate) const fn file_bytes(&self) -> u64 {
        self.position + self.bytes.len() as u64
    }

    pub(crate) const fn pending_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes
    }

    /// Moves whole entries of `entry_bytes` into `into`; returns their position and length.
    pub(crate) fn take(&mut self, entry_bytes: usize, into: &mut [u8]) -> Option<(u64, usize)> {
        let fits = self.bytes.len().min(into.len());
        let taken = fits - fits % entry_bytes;
        if taken == 0 {
            return None;
        }
        into[..taken].copy_from_slice(&self.bytes[..taken]);
        self.bytes.drain(..taken);
        let position = self.position;
        self.position += taken as u64;
        Some((position, taken))
    }

    /// Everything pending, as what is left to write when the file is closed.
    pub(crate) fn tail(&self) -> IndexTail {
        IndexTail { position: self.position, bytes: self.bytes.clone() }
    }

    /// Forgets the bytes: they are on disk.
    pub(crate) fn mark_written(&mut self) {
        self.position = self.file_bytes();
        self.bytes = Vec::new();
    }
}

/// The segment that batches are appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) base: Offset,
    /// Bytes of batches in the log file.
    pub(crate) bytes: u32,
    /// Largest timestamp of the first batch; `segment.ms` counts from it.
    pub(crate) first_timestamp_ms: Option<i64>,
    /// Largest timestamp so far and who holds it.
    pub(crate) max_timestamp: Option<TimeIndexEntry>,
    /// Timestamp of the last time index entry.
    pub(crate) last_time_entry_ms: i64,
    /// Bytes appended since the batch of the last offset index entry began.
    pub(crate) bytes_since_entry: u32,
    pub(crate) offset_index: PendingIndex,
    pub(crate) time_index: PendingIndex,
    pub(crate) transaction_index: PendingIndex,
}

impl Segment {
    pub(crate) const fn empty(base: Offset) -> Self {
        Self {
            base,
            bytes: 0,
            first_timestamp_ms: None,
            max_timestamp: None,
            last_time_entry_ms: NO_TIMESTAMP_MS,
            bytes_since_entry: 0,
            offset_index: PendingIndex::at(0),
            time_index: PendingIndex::at(0),
            transaction_index: PendingIndex::at(0),
        }
    }

    /// Must a new segment begin before this batch (`LogSegment.shouldRoll`)?
    pub(crate) fn rolls_before(&self, header: &BatchHeader, config: &LogConfig) -> bool {
        if relative_offset(self.base, header.last_offset()).is_none() {
            return true;
        }
        if self.bytes == 0 {
            return false;
        }
        let bytes_max = config.segment_bytes.min(SEGMENT_FILE_BYTES_MAX);
        u64::from(self.bytes) + u64::from(header.batch_bytes) > u64::from(bytes_max)
            || self.is_too_old_for(header, config)
            || self.is_index_full(config)
    }

    fn is_too_old_for(&self, header: &BatchHeader, config: &LogConfig) -> bool {
        let age = |first: i64| header.max_timestamp_ms.saturating_sub(first) > config.segment_ms;
        self.first_timestamp_ms.filter(|first| *first >= 0).is_some_and(age)
    }

    /// True when either index has no room; the time index keeps one entry for its end.
    fn is_index_full(&self, config: &LogConfig) -> bool {
        let room = u64::from(config.segment_index_bytes);
        let offset_room = room - room % offset_index::ENTRY_BYTES as u64;
        let time_entries = room / time_index::ENTRY_BYTES as u64;
        let time_room = time_entries.saturating_sub(1) * time_index::ENTRY_BYTES as u64;
        self.offset_index.file_bytes() >= offset_room || self.time_index.file_bytes() >= time_room
    }

    /// Takes a batch that lies at the segment's end (`LogSegment.append`).
    pub(crate) fn push(&mut self, header: &BatchHeader, config: &LogConfig) {
        let last_offset = header.last_offset();
        self.first_timestamp_ms.get_or_insert(header.max_timestamp_ms);
        if header.max_timestamp_ms > self.max_timestamp.map_or(NO_TIMESTAMP_MS, time_of) {
            let timestamp_ms = header.max_timestamp_ms;
            self.max_timestamp = Some(TimeIndexEntry { timestamp_ms, offset: last_offset });
        }
        if self.bytes_since_entry > config.index_interval_bytes && !self.is_index_full(config) {
            let entry = OffsetIndexEntry { offset: last_offset, position: self.bytes };
            let encoded = offset_index::encode(self.base, entry);
            let encoded = encoded.expect("a batch that does not fit the index rolls the segment");
            self.offset_index.bytes.extend_from_slice(&encoded);
            self.push_time_entry();
            self.bytes_since_entry = 0;
        }
        let bytes = self.bytes.checked_add(header.batch_bytes);
        self.bytes = bytes.expect("a batch that does not fit the file rolls the segment");
        self.bytes_since_entry = self.bytes_since_entry.saturating_add(header.batch_bytes);
    }

    pub(crate) fn push_aborted(&mut self, aborted: &AbortedTransaction) {
        self.transaction_index.bytes.extend_from_slice(&transaction_index::encode(aborted));
    }

    /// Notes the largest timestamp so far, when the time index does not have it yet.
    fn push_time_entry(&mut self) {
        if let Some((entry, encoded)) = self.next_time_entry() {
            self.last_time_entry_ms = entry.timestamp_ms;
            self.time_index.bytes.extend_from_slice(&encoded);
        }
    }

    fn next_time_entry(&self) -> Option<(TimeIndexEntry, [u8; time_index::ENTRY_BYTES])> {
        let entry = self.max_timestamp.filter(|max| max.timestamp_ms > self.last_time_entry_ms)?;
        let encoded = time_index::encode(self.base, entry);
        Some((entry, encoded.expect("a batch that does not fit the index rolls the segment")))
    }

    /// What is left to write to the time index when the segment is closed: one last entry.
    pub(crate) fn closed_time_index(&self) -> IndexTail {
        let mut tail = self.time_index.tail();
        if let Some((_, encoded)) = self.next_time_entry() {
            tail.bytes.extend_from_slice(&encoded);
        }
        tail
    }

    /// Forgets what was left to write: the segment was closed on disk.
    pub(crate) fn note_closed(&mut self) {
        self.push_time_entry();
        self.offset_index.mark_written();
        self.time_index.mark_written();
        self.transaction_index.mark_written();
    }

    /// Largest timestamp of the segment, milliseconds; -1 when it has none.
    pub(crate) fn max_timestamp_ms(&self) -> i64 {
        self.max_timestamp.map_or(NO_TIMESTAMP_MS, time_of)
    }
}

const fn time_of(entry: TimeIndexEntry) -> i64 {
    entry.timestamp_ms
}
