//! A Fetch response as scattered memory: small fields in an arena, records in place.
//!
//! Records are never copied: a response is written with vectored writes of the patched batch
//! heads (16 bytes each) and slices of the shared batches.

use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use super::batch_cycle::BatchCycle;
use super::synthetic_log::{PATCHED_BYTES, SyntheticLog};

/// A response under construction; reused from one response to the next.
#[derive(Debug, Default)]
pub(crate) struct FetchFrame {
    arena: Vec<u8>,
    pieces: Vec<Piece>,
    cycles: Vec<Arc<BatchCycle>>,
    /// First record byte that a fault may flip, as an index into `pieces`.
    records_piece: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    Arena { at: usize, bytes: usize },
    Cycle { cycle: usize, at: usize, bytes: usize },
}

impl FetchFrame {
    /// Empties the frame and leaves room for the length prefix.
    pub(crate) fn start(&mut self) {
        self.arena.clear();
        self.pieces.clear();
        self.cycles.clear();
        self.records_piece = None;
        self.put(&[0; 4]);
    }

    /// Appends small fields.
    pub(crate) fn put(&mut self, fields: &[u8]) {
        let at = self.arena.len();
        self.arena.extend_from_slice(fields);
        match self.pieces.last_mut() {
            Some(Piece::Arena { bytes, .. }) => *bytes += fields.len(),
            _ => self.pieces.push(Piece::Arena { at, bytes: fields.len() }),
        }
    }

    /// Appends `bytes` of records of `log`, from batch `first` on; the last may be cut.
    pub(crate) fn put_records(&mut self, log: &SyntheticLog, first: i64, bytes: usize) {
        let cycle = self.cycles.len();
        self.cycles.push(Arc::clone(log.cycle()));
        let mut missing = bytes;
        let mut number = first;
        while missing > 0 {
            let batch = log.batch(number);
            let head = missing.min(PATCHED_BYTES);
            self.put(&batch.head[..head]);
            missing -= head;
            let tail = missing.min(batch.tail.len());
            if tail > 0 {
                self.records_piece.get_or_insert(self.pieces.len());
                self.pieces.push(Piece::Cycle { cycle, at: log.tail_at(number), bytes: tail });
            }
            missing -= tail;
            number += 1;
        }
    }

    /// Bytes of the response, length prefix included.
    pub(crate) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes()).sum()
    }

    /// Writes the length prefix; `claimed` is the frame length it tells.
    pub(crate) fn seal(&mut self, claimed: i32) {
        self.arena[..4].copy_from_slice(&claimed.to_be_bytes());
    }

    /// Replaces the correlation id behind the length prefix.
    pub(crate) fn set_correlation(&mut self, correlation: i32) {
        self.arena[4..8].copy_from_slice(&correlation.to_be_bytes());
    }

    /// Flips one bit in the middle of the first batch; false when there are no records.
    pub(crate) fn flip_record_bit(&mut self) -> bool {
        let Some(index) = self.records_piece else { return false };
        let Piece::Cycle { cycle, at, bytes } = self.pieces[index] else { return false };
        let before = bytes / 2;
        let flipped = self.cycles[cycle].bytes[at + before] ^ 0x10;
        let arena_at = self.arena.len();
        self.arena.push(flipped);
        let behind = Piece::Cycle { cycle, at: at + before + 1, bytes: bytes - before - 1 };
        let parts = [
            Piece::Cycle { cycle, at, bytes: before },
            Piece::Arena { at: arena_at, bytes: 1 },
            behind,
        ];
        self.pieces.splice(index..=index, parts);
        true
    }

    /// Writes the first `limit` bytes of the response.
    pub(crate) fn write_to(&self, stream: &mut impl Write, limit: usize) -> io::Result<()> {
        let mut left = limit;
        let mut slices = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let bytes = self.slice(*piece);
            let taken = bytes.len().min(left);
            left -= taken;
            if taken > 0 {
                slices.push(IoSlice::new(&bytes[..taken]));
            }
        }
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let batch = rest.len().min(IO_SLICES_MAX);
            let written = stream.write_vectored(&rest[..batch])?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn slice(&self, piece: Piece) -> &[u8] {
        match piece {
            Piece::Arena { at, bytes } => &self.arena[at..at + bytes],
            Piece::Cycle { cycle, at, bytes } => &self.cycles[cycle].bytes[at..at + bytes],
        }
    }
}

impl Piece {
    fn bytes(self) -> usize {
        match self {
            Self::Arena { bytes, .. } | Self::Cycle { bytes, .. } => bytes,
        }
    }
}

/// Linux's `IOV_MAX`.
const IO_SLICES_MAX: usize = 1024;
