//! A record buffer on its way from socket to disk.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! ```text
//!  0        start            sealed        fill        RECORD_BUFFER_BYTES
//!  |  unused  |  whole batches  |  part of a  |  free     |
//!  |          |  (may be       |  batch, CRC |           |
//!  |          |   written)     |  not seen   |           |
//! ```
//! `start` is chosen so that memory and file position agree modulo `DIRECT_ALIGNMENT`, which is
//! what lets the buffer be written directly. Where a segment is rolled inside the buffer, a new
//! extent begins; its bytes disagree with their new position and go through the page cache.

use kafka_log::partition_log::{LogPlace, PartitionLog};
use kafka_wire::offset::{LastStableOffset, Offset};

use crate::buffer_pool::BufferLease;
use crate::limits::{DIRECT_ALIGNMENT, DIRECT_BYTES_MIN, RECORD_BUFFER_BYTES};
use crate::op::WriteMode;

/// Where the bytes from `start` on belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Base offset of the segment.
    pub(crate) segment: Offset,
    /// Position of the first byte in the segment's file.
    pub(crate) position: u64,
    /// First byte in the buffer.
    pub(crate) start: u32,
}

/// What readers need to know of a log that ends behind some batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadableEnd {
    /// One past the batch's last offset.
    pub(crate) offset: Offset,
    /// One past its last byte.
    pub(crate) place: LogPlace,
    /// Below it no transaction was open behind the batch.
    pub(crate) last_stable_offset: LastStableOffset,
}

impl ReadableEnd {
    /// Behind the last batch accepted.
    pub(crate) fn of(log: &PartitionLog) -> Self {
        Self {
            offset: log.accepted_end().offset(),
            place: log.end_place(),
            last_stable_offset: log.last_stable_offset(),
        }
    }
}

/// One write operation's worth of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) segment: Offset,
    pub(crate) position: u64,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) mode: WriteMode,
}

#[derive(Debug)]
pub(crate) struct Chunk {
    /// `None` while an operation owns it.
    pub(crate) buffer: Option<BufferLease>,
    pub(crate) id: u64,
    /// One past the last byte received.
    pub(crate) fill: u32,
    /// One past the last byte of the last whole batch, or `fill` when a batch goes on behind.
    pub(crate) sealed: u32,
    /// Log end once this chunk and all before it are written.
    pub(crate) end: ReadableEnd,
    /// Next byte to write.
    pub(crate) written: u32,
    /// One past the last byte of the write in flight.
    pub(crate) writing_to: u32,
    first: Extent,
    /// Extents after the first; a segment roll inside a buffer is rare.
    rolled: Vec<Extent>,
}

impl Chunk {
    pub(crate) fn new(id: u64, buffer: BufferLease, place: Extent, end: ReadableEnd) -> Self {
        assert!(place.start < DIRECT_ALIGNMENT);
        Self {
            buffer: Some(buffer),
            id,
            fill: place.start,
            sealed: place.start,
            end,
            written: place.start,
            writing_to: place.start,
            first: place,
            rolled: Vec::new(),
        }
    }

    /// Start index for a chunk whose first byte goes to `position`.
    pub(crate) fn start_for(position: u64) -> u32 {
        u32::try_from(position % u64::from(DIRECT_ALIGNMENT)).expect("below the alignment")
    }

    pub(crate) fn room(&self) -> u32 {
        RECORD_BUFFER_BYTES - self.fill
    }

    pub(crate) fn is_full(&self) -> bool {
        self.fill == RECORD_BUFFER_BYTES
    }

    /// Bytes of whole batches, written or not.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.sealed - self.first.start)
    }

    /// Bytes of whole batches not yet written.
    pub(crate) fn sealed_bytes(&self) -> u32 {
        self.sealed - self.written
    }

    /// Where the byte at `at` belongs; `at` may be one past the last.
    pub(crate) fn place_of(&self, at: u32) -> Extent {
        let extent = self.rolled.iter().rev().find(|e| e.start <= at).unwrap_or(&self.first);
        let position = extent.position + u64::from(at - extent.start);
        Extent { segment: extent.segment, position, start: at }
    }

    /// Where the first byte behind the last whole batch belongs.
    pub(crate) fn place_of_unsealed(&self) -> Extent {
        self.place_of(self.sealed)
    }

    /// From `place.start` on, bytes belong elsewhere: a segment was rolled there.
    pub(crate) fn redirect(&mut self, place: Extent) {
        assert!(place.start >= self.sealed, "whole batches stay where they were placed");
        self.rolled.retain(|extent| extent.start < place.start);
        if place.start == self.first.start {
            self.first = place;
        } else {
            self.rolled.push(place);
        }
    }

    /// Forgets received bytes behind the last whole batch.
    pub(crate) fn cut_back(&mut self) {
        self.fill = self.sealed;
        let sealed = self.sealed;
        self.rolled.retain(|extent| extent.start < sealed);
    }

    /// Where the bytes of the segment begin that `piece` belongs to, when it is the last piece.
    pub(crate) fn finished_by(&self, piece: &Piece) -> Option<u32> {
        (piece.end == self.sealed).then(|| {
            let begins = self.rolled.iter().rev().find(|extent| extent.start <= piece.start);
            begins.unwrap_or(&self.first).start
        })
    }

    /// The next stretch to write, or `None` when all whole batches are written.
    pub(crate) fn next_piece(&self, direct_allowed: bool) -> Option<Piece> {
        let start = self.written;
        if start == self.sealed {
            return None;
        }
        let place = self.place_of(start);
        let behind = self.rolled.iter().map(|extent| extent.start).find(|at| *at > start);
        let extent_end = behind.unwrap_or(self.sealed).min(self.sealed);
        let (end, mode) = split_direct(place.position, start, extent_end, direct_allowed);
        Some(Piece { segment: place.segment, position: place.position, start, end, mode })
    }
}

/// Cuts `[start, end)`, bound for `position`, at the first point where the write mode changes.
fn split_direct(position: u64, start: u32, end: u32, direct_allowed: bool) -> (u32, WriteMode) {
    if !direct_allowed || Chunk::start_for(position) != start % DIRECT_ALIGNMENT {
        return (end, WriteMode::Buffered);
    }
    let middle_start = start.next_multiple_of(DIRECT_ALIGNMENT);
    let middle_end = end - end % DIRECT_ALIGNMENT;
    if middle_end < middle_start + DIRECT_BYTES_MIN {
        return (end, WriteMode::Buffered);
    }
    if start < middle_start {
        return (middle_start, WriteMode::Buffered);
    }
    (middle_end, WriteMode::Direct)
}

#[cfg(test)]
mod tests;
