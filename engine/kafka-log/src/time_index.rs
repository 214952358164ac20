//! The time index, `<base>.timeindex`: the largest timestamp up to an offset.
//!
//! ```text
//!  at  bytes  field
//!   0   8     timestamp        largest so far, milliseconds
//!   8   4     relativeOffset   last offset of the batch that holds it - base of the segment
//! ```
//! Source: `TimeIndex` in Apache Kafka's storage module.

use kafka_wire::offset::Offset;

use crate::layout::{Fields, absolute_offset, relative_offset};

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 12;
/// The timestamp of "no timestamp"; never written.
pub const NO_TIMESTAMP_MS: i64 = -1;

/// One entry: the largest timestamp so far and the batch that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// The timestamp, milliseconds.
    pub timestamp_ms: i64,
    /// Last offset of the batch that holds it.
    pub offset: Offset,
}

/// What is wrong with a time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeIndexError {
    /// The file is not a whole number of entries.
    #[error("time index has {bytes} bytes, expected a multiple of {ENTRY_BYTES}")]
    PartialEntry {
        /// Bytes of the file.
        bytes: usize,
    },
    /// An entry holds a negative offset.
    #[error("time index entry {index} has the negative relative offset {relative}")]
    Negative {
        /// Which entry.
        index: usize,
        /// Its relative offset.
        relative: i32,
    },
    /// An entry is not above the one before it.
    #[error("time index entry {index} does not rise above the one before it")]
    NotRising {
        /// Which entry.
        index: usize,
    },
}

/// Encodes an entry of the segment that starts at `base`; `None` when it does not fit the format.
#[must_use]
pub fn encode(base: Offset, entry: TimeIndexEntry) -> Option<[u8; ENTRY_BYTES]> {
    let relative = relative_offset(base, entry.offset)?;
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..8].copy_from_slice(&entry.timestamp_ms.to_be_bytes());
    bytes[8..].copy_from_slice(&relative.to_be_bytes());
    Some(bytes)
}

/// Parses the entries of a whole file, or of its end, in order.
///
/// # Errors
/// When the bytes are no entries, or timestamps do not rise strictly, or offsets fall.
pub fn parse(base: Offset, bytes: &[u8]) -> Result<Vec<TimeIndexEntry>, TimeIndexError> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return Err(TimeIndexError::PartialEntry { bytes: bytes.len() });
    }
    let mut parsed: Vec<TimeIndexEntry> = Vec::with_capacity(entries.len());
    for (index, raw) in entries.iter().enumerate() {
        let entry = parse_entry(base, index, raw)?;
        let rises = |last: &TimeIndexEntry| {
            last.timestamp_ms < entry.timestamp_ms && last.offset <= entry.offset
        };
        if !parsed.last().is_none_or(rises) {
            return Err(TimeIndexError::NotRising { index });
        }
        parsed.push(entry);
    }
    Ok(parsed)
}

fn parse_entry(
    base: Offset,
    index: usize,
    raw: &[u8; ENTRY_BYTES],
) -> Result<TimeIndexEntry, TimeIndexError> {
    let mut fields = Fields(raw);
    let timestamp_ms = fields.i64().expect("an entry holds a timestamp and an offset");
    let relative = fields.i32().expect("an entry holds a timestamp and an offset");
    let offset =
        absolute_offset(base, relative).ok_or(TimeIndexError::Negative { index, relative })?;
    Ok(TimeIndexEntry { timestamp_ms, offset })
}

#[cfg(test)]
mod tests;
