//! The record inside a control batch: transaction markers and the log's own marks.
//!
//! ```text
//!  record: length varint | attributes i8 | timestampDelta varlong | offsetDelta varint
//!          keyLength varint   | key:   version i16, type i16
//!          valueLength varint | value: version i16, coordinatorEpoch i32   (types 0 and 1)
//! ```
//! Source: `ControlRecordType` and `EndTransactionMarker` in Apache Kafka's clients.

use crate::byte_cursor::{ByteCursor, CursorError};

/// Bytes at the start of a control batch's body that hold all we read of it.
pub const CONTROL_PREFIX_BYTES: usize = 64;

// Key and value of a marker are 4 and 6 bytes; the rest are varints and one attribute byte.
const _: () = assert!(5 + 1 + 10 + 5 + 5 + 4 + 5 + 6 <= CONTROL_PREFIX_BYTES);

/// What a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's open transaction is aborted.
    Abort {
        /// Epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// The producer's open transaction is committed.
    Commit {
        /// Epoch of the transaction coordinator that wrote the marker.
        coordinator_epoch: i32,
    },
    /// A mark without meaning for transactions: leader change, snapshot header, ...
    Other {
        /// Type number in the record's key.
        kind: i16,
    },
}

impl ControlRecord {
    /// Type number of an abort marker.
    pub const KIND_ABORT: i16 = 0;
    /// Type number of a commit marker.
    pub const KIND_COMMIT: i16 = 1;

    /// Parses the first record of a control batch from the start of the batch's body.
    ///
    /// # Errors
    /// When the record's lengths do not fit each other or the bytes given.
    pub fn parse(body_prefix: &[u8]) -> Result<Self, CursorError> {
        let mut cursor = ByteCursor::new(body_prefix);
        cursor.varint()?;
        cursor.i8()?;
        cursor.varlong()?;
        cursor.varint()?;
        let mut key = sized(&mut cursor)?;
        key.i16()?;
        let kind = key.i16()?;
        if !matches!(kind, Self::KIND_ABORT | Self::KIND_COMMIT) {
            return Ok(Self::Other { kind });
        }
        let mut value = sized(&mut cursor)?;
        value.i16()?;
        let coordinator_epoch = value.i32()?;
        Ok(match kind {
            Self::KIND_ABORT => Self::Abort { coordinator_epoch },
            _ => Self::Commit { coordinator_epoch },
        })
    }
}

fn sized<'a>(cursor: &mut ByteCursor<'a>) -> Result<ByteCursor<'a>, CursorError> {
    let bytes = usize::try_from(cursor.varint()?).map_err(|_| CursorError::Varint)?;
    Ok(ByteCursor::new(cursor.take(bytes)?))
}
