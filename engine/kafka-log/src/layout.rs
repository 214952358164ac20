//! Small helpers shared by the file formats: big-endian fields and offsets relative to a base.

use kafka_wire::offset::Offset;

/// Bytes every segment file stays within, so that positions fit the offset index's `int32`.
pub(crate) const SEGMENT_FILE_BYTES_MAX: u32 = i32::MAX.unsigned_abs();

/// `offset - base` as written in an index, or `None` when it is negative or above `2^31 - 1`.
#[must_use]
pub(crate) fn relative_offset(base: Offset, offset: Offset) -> Option<u32> {
    let relative = i32::try_from((offset - base).get()).ok()?;
    u32::try_from(relative).ok()
}

/// The offset `relative` above `base`, or `None` when `relative` is negative or overflows.
#[must_use]
pub(crate) fn absolute_offset(base: Offset, relative: i32) -> Option<Offset> {
    if relative < 0 {
        return None;
    }
    Offset::from_wire(base.get().checked_add(i64::from(relative))?)
}

/// Reads big-endian fields from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }
}
