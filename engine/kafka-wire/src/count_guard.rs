//! Keeps a hostile element count from allocating: the generated decoders reserve room for as
//! many elements as a message announces, before they look whether the bytes for them are there.
//!
//! The guard is the buffer they read from. An integer that would be such a count, and is larger
//! than all bytes that follow it, is handed out smaller: still too large to be satisfied, so the
//! decoder fails, but not large enough to hurt. An integer that is no count changes nothing but
//! itself; [`CountGuard::has_clipped`] tells the caller to decode once more without the guard.
//! Array counts are read with `try_get_i32`, varints byte by byte with `try_get_u8`.
//!
//! A count may also be true and its elements many and small, each of them far larger in memory
//! than on the wire. So the guard counts reads, of which every element takes one at least, and
//! ends the bytes when there were too many; [`CountGuard::has_ended_early`] tells.

use std::ops::Range;

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;

use crate::byte_cursor::VARINT_BYTES_MAX;

/// Counts up to this are let through: reserving for them is harmless.
const COUNT_HARMLESS: usize = 4096;

/// A buffer that hands out no count far above the bytes it holds.
#[derive(Debug)]
pub(crate) struct CountGuard {
    bytes: Bytes,
    has_clipped: bool,
    /// Bytes to hand out instead of the next ones, last first.
    instead: Vec<u8>,
    /// Bytes of the current varint that were already looked at.
    varint_left: usize,
    reads_left: u32,
    has_ended_early: bool,
}

impl CountGuard {
    pub(crate) const fn new(bytes: Bytes, reads_max: u32) -> Self {
        Self {
            bytes,
            has_clipped: false,
            instead: Vec::new(),
            varint_left: 0,
            reads_left: reads_max,
            has_ended_early: false,
        }
    }

    pub(crate) const fn has_clipped(&self) -> bool {
        self.has_clipped
    }

    pub(crate) const fn has_ended_early(&self) -> bool {
        self.has_ended_early
    }

    fn count_read(&mut self) {
        match self.reads_left.checked_sub(1) {
            Some(left) => self.reads_left = left,
            None => {
                self.has_ended_early = true;
                self.bytes = Bytes::new();
            }
        }
    }

    /// Largest integer to hand out when `left` bytes follow it, if it is to stay a lie.
    fn clip(left: usize) -> u32 {
        u32::try_from(left.max(COUNT_HARMLESS)).unwrap_or(u32::MAX - 2) + 2
    }

    /// Looks at a whole varint when its first byte is asked for; false when it does not end.
    ///
    /// A flag is read like a varint's first byte. One above 0x7f makes us take the bytes behind
    /// it for its rest; that rest is a varint too, ends at the same byte, and is smaller.
    fn look_at_varint(&mut self) -> bool {
        let mut value = 0_u64;
        let mut length = 0;
        let mut ends = false;
        for &byte in self.bytes.iter().take(VARINT_BYTES_MAX) {
            value |= u64::from(byte & 0x7f) << (7 * length);
            length += 1;
            ends = byte < 0x80;
            if ends {
                break;
            }
        }
        self.varint_left = length;
        let clip = Self::clip(self.bytes.len() - length);
        if !ends || value <= u64::from(clip) {
            return ends;
        }
        self.has_clipped = true;
        for index in (0..length).rev() {
            let low = (clip >> (7 * index)).to_le_bytes()[0] & 0x7f;
            self.instead.push(if index + 1 < length { low | 0x80 } else { low });
        }
        true
    }
}

impl Buf for CountGuard {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.count_read();
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        self.count_read();
        if self.varint_left == 0 && !self.look_at_varint() {
            let available = self.bytes.len();
            return Err(TryGetError { requested: available + 1, available });
        }
        let byte = self.bytes.try_get_u8()?;
        self.varint_left -= 1;
        Ok(self.instead.pop().unwrap_or(byte))
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.count_read();
        let found = self.bytes.try_get_i32()?;
        let clip = i32::try_from(Self::clip(self.bytes.len())).unwrap_or(i32::MAX);
        self.has_clipped |= found > clip;
        Ok(found.min(clip))
    }
}

impl ByteBuf for CountGuard {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        let taken = self.bytes.split_to(size);
        self.count_read();
        taken
    }
}

#[cfg(test)]
mod tests;
