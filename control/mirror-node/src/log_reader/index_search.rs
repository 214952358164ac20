//! Looking up entries in index files on disk: a few small reads, nothing kept.

use std::fs::File;
use std::sync::Arc;

use kafka_log::offset_index::OffsetIndexEntry;
use kafka_log::partition_files::FileName;
use kafka_log::time_index::TimeIndexEntry;
use kafka_log::{offset_index, time_index};
use kafka_wire::offset::Offset;

use super::ReadError;
use super::batch_scan::read_at;

/// An index file and its length.
#[derive(Debug)]
pub(super) struct IndexFile {
    file: Arc<File>,
    name: FileName,
    bytes: u64,
}

impl IndexFile {
    pub(super) fn new(file: Arc<File>, name: FileName) -> Result<Self, ReadError> {
        let bytes = file.metadata().map_err(|error| ReadError::Io { file: name, error })?.len();
        Ok(Self { file, name, bytes })
    }

    /// The last entry at or below `offset` of an offset index.
    pub(super) fn last_at_or_below(
        &self,
        offset: Offset,
    ) -> Result<Option<OffsetIndexEntry>, ReadError> {
        let above = self.search(|entry: &OffsetIndexEntry| entry.offset <= offset)?;
        self.before(above)
    }

    /// The last entry.
    pub(super) fn last<E: IndexEntry>(&self) -> Result<Option<E>, ReadError> {
        self.before(self.entry_count::<E>())
    }

    /// The last entry whose batch begins at or before `position`.
    pub(super) fn last_at_or_before(
        &self,
        position: u32,
    ) -> Result<Option<OffsetIndexEntry>, ReadError> {
        let behind = self.search(|entry: &OffsetIndexEntry| entry.position <= position)?;
        self.before(behind)
    }

    /// The last entry of a time index below `timestamp_ms`: batches up to its own hold nothing
    /// newer than it says.
    pub(super) fn last_before(
        &self,
        timestamp_ms: i64,
    ) -> Result<Option<TimeIndexEntry>, ReadError> {
        let place = self.search(|entry: &TimeIndexEntry| entry.timestamp_ms < timestamp_ms)?;
        self.before(place)
    }

    fn before<E: IndexEntry>(&self, place: u64) -> Result<Option<E>, ReadError> {
        place.checked_sub(1).map_or(Ok(None), |place| self.entry(place))
    }

    const fn entry_count<E: IndexEntry>(&self) -> u64 {
        self.bytes / E::BYTES as u64
    }

    /// Index of the first entry for which `is_before` does not hold. Entries that make no sense
    /// count as behind: what is found is checked against the batch it names.
    fn search<E: IndexEntry>(&self, is_before: impl Fn(&E) -> bool) -> Result<u64, ReadError> {
        let (mut low, mut high) = (0, self.entry_count::<E>());
        while high - low > ENTRIES_AT_ONCE {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.is_some_and(|entry| is_before(&entry)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut raw = [0; ENTRIES_BYTES];
        let wanted = usize::try_from(high - low).expect("few entries are left") * E::BYTES;
        let read = self.read(low * E::BYTES as u64, &mut raw[..wanted])?;
        let (mut before, mut behind) = (0, read / E::BYTES);
        while before < behind {
            let middle = before + (behind - before) / 2;
            let entry = E::parse(self.name.offset, &raw[middle * E::BYTES..][..E::BYTES]);
            if entry.is_some_and(|entry| is_before(&entry)) {
                before = middle + 1;
            } else {
                behind = middle;
            }
        }
        Ok(low + before as u64)
    }

    fn read(&self, position: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        read_at(&self.file, position, into)
            .map_err(|error| ReadError::Io { file: self.name, error })
    }

    fn entry<E: IndexEntry>(&self, place: u64) -> Result<Option<E>, ReadError> {
        let mut raw = [0; ENTRY_BYTES_MAX];
        let raw = &mut raw[..E::BYTES];
        let read = self.read(place * E::BYTES as u64, raw)?;
        Ok(if read == E::BYTES { E::parse(self.name.offset, raw) } else { None })
    }
}

/// An entry of one of the index formats.
pub(super) trait IndexEntry: Sized {
    const BYTES: usize;

    /// `None` when the bytes are no entry.
    fn parse(base: Offset, raw: &[u8]) -> Option<Self>;
}

impl IndexEntry for OffsetIndexEntry {
    const BYTES: usize = offset_index::ENTRY_BYTES;

    fn parse(base: Offset, raw: &[u8]) -> Option<Self> {
        offset_index::parse(base, raw).ok()?.pop()
    }
}

impl IndexEntry for TimeIndexEntry {
    const BYTES: usize = time_index::ENTRY_BYTES;

    fn parse(base: Offset, raw: &[u8]) -> Option<Self> {
        time_index::parse(base, raw).ok()?.pop()
    }
}

/// Entries that are read in one piece rather than one by one.
const ENTRIES_AT_ONCE: u64 = 128;
const ENTRIES_BYTES: usize = 128 * ENTRY_BYTES_MAX;
const ENTRY_BYTES_MAX: usize = 12;
const _: () = assert!(
    offset_index::ENTRY_BYTES <= ENTRY_BYTES_MAX && time_index::ENTRY_BYTES <= ENTRY_BYTES_MAX
);
