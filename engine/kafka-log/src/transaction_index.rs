//! The transaction index, `<base>.txnindex`: aborted transactions, by the offset of their marker.
//!
//! ```text
//!  at  bytes  field
//!   0   2     version = 0
//!   2   8     producerId
//!  10   8     firstOffset         first record of the transaction
//!  18   8     lastOffset          its ABORT marker
//!  26   8     lastStableOffset    just after the marker
//! ```
//! Source: `AbortedTxn` and `TransactionIndex` in Apache Kafka's storage module.

use kafka_wire::offset::{LastStableOffset, Offset};
use kafka_wire::producer::ProducerId;

use crate::layout::Fields;

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 34;
const VERSION: i16 = 0;
const FIRST_OFFSET_AT: usize = 10;

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// Its first record.
    pub first_offset: Offset,
    /// Its ABORT marker.
    pub last_offset: Offset,
    /// First offset of a transaction still open after the marker, else the offset after it.
    pub last_stable_offset: LastStableOffset,
}

/// What is wrong with a transaction index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionIndexError {
    /// The file is not a whole number of entries.
    #[error("transaction index has {bytes} bytes, expected a multiple of {ENTRY_BYTES}")]
    PartialEntry {
        /// Bytes of the file.
        bytes: usize,
    },
    /// An entry of another version.
    #[error("transaction index entry {index} has version {version}, expected {VERSION}")]
    Version {
        /// Which entry.
        index: usize,
        /// Its version.
        version: i16,
    },
    /// A negative id or offset, or a marker that does not follow what it must follow.
    #[error("transaction index entry {index} is out of order or out of range")]
    Invalid {
        /// Which entry.
        index: usize,
    },
}

/// Encodes one entry.
#[must_use]
pub fn encode(entry: &AbortedTransaction) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
    bytes[2..10].copy_from_slice(&entry.producer_id.get().to_be_bytes());
    bytes[10..18].copy_from_slice(&entry.first_offset.get().to_be_bytes());
    bytes[18..26].copy_from_slice(&entry.last_offset.get().to_be_bytes());
    bytes[26..].copy_from_slice(&entry.last_stable_offset.offset().get().to_be_bytes());
    bytes
}

/// Least first offset of whole entries that [`encode`] made: where the earliest of these
/// transactions begins.
pub(crate) fn earliest_first_offset(entries: &[u8]) -> Option<Offset> {
    let first_offset = |entry: &[u8; ENTRY_BYTES]| {
        let mut fields = Fields(&entry[FIRST_OFFSET_AT..]);
        fields.i64().and_then(Offset::from_wire).expect("an entry we encoded has a first offset")
    };
    entries.as_chunks().0.iter().map(first_offset).min()
}

/// Parses the entries of a whole file of the segment that starts at `base`.
///
/// # Errors
/// When the bytes are no entries, or markers do not rise or lie below `base`.
pub fn parse(base: Offset, bytes: &[u8]) -> Result<Vec<AbortedTransaction>, TransactionIndexError> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return Err(TransactionIndexError::PartialEntry { bytes: bytes.len() });
    }
    let mut parsed: Vec<AbortedTransaction> = Vec::with_capacity(entries.len());
    for (index, raw) in entries.iter().enumerate() {
        let mut fields = Fields(raw);
        let version = fields.i16().expect("an entry starts with its version");
        if version != VERSION {
            return Err(TransactionIndexError::Version { index, version });
        }
        let entry = parse_fields(fields).ok_or(TransactionIndexError::Invalid { index })?;
        let follows = parsed.last().is_none_or(|last| last.last_offset < entry.last_offset);
        if !follows || entry.last_offset < base || entry.first_offset > entry.last_offset {
            return Err(TransactionIndexError::Invalid { index });
        }
        parsed.push(entry);
    }
    Ok(parsed)
}

fn parse_fields(mut fields: Fields<'_>) -> Option<AbortedTransaction> {
    Some(AbortedTransaction {
        producer_id: ProducerId::from_wire(fields.i64()?)?,
        first_offset: Offset::from_wire(fields.i64()?)?,
        last_offset: Offset::from_wire(fields.i64()?)?,
        last_stable_offset: LastStableOffset::new(Offset::from_wire(fields.i64()?)?),
    })
}

#[cfg(test)]
mod tests;
