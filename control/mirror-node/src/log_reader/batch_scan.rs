//! Batch headers of one segment, read one after another.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use kafka_log::partition_files::FileName;
use kafka_wire::control_record::CONTROL_PREFIX_BYTES;
use kafka_wire::offset::Offset;
use kafka_wire::record_batch::{BatchHeader, HEADER_BYTES};
use mirror_uring::recent_records::RecentRecords;

use super::ReadError;
use super::segment_span::SegmentSpan;
use crate::local_log::READABLE_BATCH_BYTES_MAX;

/// Bytes read at once: the headers of many small batches.
const AHEAD_BYTES: u32 = 8 << 10;

const _: () = assert!(AHEAD_BYTES as usize >= HEADER_BYTES + CONTROL_PREFIX_BYTES);

/// Goes over the batches of a segment.
#[derive(Debug)]
pub(super) struct BatchScan {
    pub(super) file: Arc<File>,
    pub(super) span: SegmentSpan,
    /// Where the segment's batches end, at most.
    pub(super) end: u32,
    /// True when batches reach up to `end`: bytes that are none are damage then.
    pub(super) is_end_known: bool,
    /// Where the next batch begins.
    pub(super) position: u32,
    /// Least base offset it may have.
    least: Offset,
    ahead: Vec<u8>,
    ahead_position: u32,
    /// Where bytes may be that are not in the page cache.
    recent: Option<RecentRecords>,
}

/// A batch and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundBatch {
    pub(super) header: BatchHeader,
    pub(super) position: u32,
}

impl BatchScan {
    pub(super) const fn new(
        file: Arc<File>,
        span: SegmentSpan,
        end: u32,
        is_end_known: bool,
        position: u32,
    ) -> Self {
        let least = span.base;
        Self {
            file,
            span,
            end,
            is_end_known,
            position,
            least,
            ahead: Vec::new(),
            ahead_position: 0,
            recent: None,
        }
    }

    pub(super) fn with_recent(self, recent: Option<RecentRecords>) -> Self {
        Self { recent, ..self }
    }

    pub(super) const fn name(&self) -> FileName {
        FileName::log(self.span.base)
    }

    /// The next batch; `None` behind the last one.
    pub(super) fn next_batch(&mut self) -> Result<Option<FoundBatch>, ReadError> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        let left = self.end - position;
        let wanted = HEADER_BYTES.min(left as usize);
        let head: Option<&[u8; HEADER_BYTES]> = self.bytes_at(position, wanted)?.first_chunk();
        let header = head.and_then(|head| BatchHeader::parse(head, READABLE_BATCH_BYTES_MAX).ok());
        let is_next = |header: &BatchHeader| {
            header.batch_bytes <= left
                && header.base_offset >= self.least
                && header.next_offset() <= self.span.ceiling
        };
        let Some(header) = header.filter(is_next) else {
            if self.is_end_known {
                let (file, expected) = (self.name(), self.least);
                return Err(ReadError::Damaged { file, position, expected });
            }
            self.end = position;
            return Ok(None);
        };
        self.position += header.batch_bytes;
        self.least = header.next_offset();
        Ok(Some(FoundBatch { header, position }))
    }

    /// The first batch that ends at or above `offset`.
    pub(super) fn find(&mut self, offset: Offset) -> Result<Option<FoundBatch>, ReadError> {
        loop {
            match self.next_batch()? {
                Some(found) if found.header.last_offset() < offset => {}
                found => return Ok(found),
            }
        }
    }

    /// The first bytes behind a batch's header: what a control batch says.
    pub(super) fn body_start(&mut self, found: &FoundBatch) -> Result<&[u8], ReadError> {
        let body_bytes = found.header.body_bytes() as usize;
        let wanted = HEADER_BYTES + body_bytes.min(CONTROL_PREFIX_BYTES);
        let bytes = self.bytes_at(found.position, wanted)?;
        Ok(bytes.get(HEADER_BYTES..).unwrap_or_default())
    }

    /// `count` bytes at `position`, fewer only at the end of the file.
    fn bytes_at(&mut self, position: u32, count: usize) -> Result<&[u8], ReadError> {
        let held = |scan: &Self| {
            let skipped = position.checked_sub(scan.ahead_position)? as usize;
            (skipped + count <= scan.ahead.len()).then_some(skipped)
        };
        if held(self).is_none() {
            let file = self.name();
            let read = self.read_ahead(u64::from(position), count);
            read.map_err(|error| ReadError::Io { file, error })?;
            self.ahead_position = position;
        }
        let skipped = held(self).unwrap_or(0);
        let until = self.ahead.len().min(skipped + count);
        Ok(&self.ahead[skipped..until])
    }

    /// Fills `ahead`, with `count` bytes at least unless the file ends before.
    fn read_ahead(&mut self, position: u64, count: usize) -> io::Result<()> {
        let recent = match &self.recent {
            Some(recent) => recent.find(&self.file, position, AHEAD_BYTES)?,
            None => None,
        };
        self.ahead.clear();
        if let Some(bytes) = recent.filter(|bytes| bytes.len() >= count) {
            self.ahead.extend_from_slice(&bytes);
            return Ok(());
        }
        self.ahead.resize(AHEAD_BYTES as usize, 0);
        let read = read_at(&self.file, position, &mut self.ahead)?;
        self.ahead.truncate(read);
        Ok(())
    }
}

/// Reads up to `into.len()` bytes; fewer only at the end of the file.
pub(super) fn read_at(file: &File, position: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
