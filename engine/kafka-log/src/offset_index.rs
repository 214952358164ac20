//! The offset index, `<base>.index`: where in the segment a batch starts.
//!
//! ```text
//!  at  bytes  field
//!   0   4     relativeOffset   last offset of the batch - base of the segment
//!   4   4     position         where the batch starts in <base>.log
//! ```
//! Source: `OffsetIndex` and `LogSegment.append` in Apache Kafka's storage module.

use kafka_wire::offset::Offset;

use crate::layout::{Fields, absolute_offset, relative_offset};

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 8;

/// One entry: a batch and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetIndexEntry {
    /// Last offset of the batch.
    pub offset: Offset,
    /// File position of the batch's first byte.
    pub position: u32,
}

/// What is wrong with an offset index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetIndexError {
    /// The file is not a whole number of entries.
    #[error("offset index has {bytes} bytes, expected a multiple of {ENTRY_BYTES}")]
    PartialEntry {
        /// Bytes of the file.
        bytes: usize,
    },
    /// An entry holds a negative number.
    #[error("offset index entry {index} is negative: offset +{relative}, position {position}")]
    Negative {
        /// Which entry.
        index: usize,
        /// Its relative offset.
        relative: i32,
        /// Its position.
        position: i32,
    },
    /// An entry is not above the one before it.
    #[error("offset index entry {index} does not rise above the one before it")]
    NotRising {
        /// Which entry.
        index: usize,
    },
}

/// Encodes an entry of the segment that starts at `base`; `None` when it does not fit the format.
#[must_use]
pub fn encode(base: Offset, entry: OffsetIndexEntry) -> Option<[u8; ENTRY_BYTES]> {
    let relative = relative_offset(base, entry.offset)?;
    let position = i32::try_from(entry.position).ok()?;
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..4].copy_from_slice(&relative.to_be_bytes());
    bytes[4..].copy_from_slice(&position.to_be_bytes());
    Some(bytes)
}

/// Parses the entries of a whole file, or of its end, in order.
///
/// # Errors
/// When the bytes are no entries, or the entries do not rise strictly.
pub fn parse(base: Offset, bytes: &[u8]) -> Result<Vec<OffsetIndexEntry>, OffsetIndexError> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return Err(OffsetIndexError::PartialEntry { bytes: bytes.len() });
    }
    let mut parsed: Vec<OffsetIndexEntry> = Vec::with_capacity(entries.len());
    for (index, raw) in entries.iter().enumerate() {
        let entry = parse_entry(base, index, raw)?;
        let rises =
            |last: &OffsetIndexEntry| last.offset < entry.offset && last.position < entry.position;
        if !parsed.last().is_none_or(rises) {
            return Err(OffsetIndexError::NotRising { index });
        }
        parsed.push(entry);
    }
    Ok(parsed)
}

fn parse_entry(
    base: Offset,
    index: usize,
    raw: &[u8; ENTRY_BYTES],
) -> Result<OffsetIndexEntry, OffsetIndexError> {
    let mut fields = Fields(raw);
    let relative = fields.i32().expect("an entry holds two integers");
    let position = fields.i32().expect("an entry holds two integers");
    match (absolute_offset(base, relative), u32::try_from(position)) {
        (Some(offset), Ok(position)) => Ok(OffsetIndexEntry { offset, position }),
        _ => Err(OffsetIndexError::Negative { index, relative, position }),
    }
}

#[cfg(test)]
mod tests;
