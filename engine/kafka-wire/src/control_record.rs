//! The record inside a control batch: transaction markers and the log's own marks.
//!
//! ```text
//!  record: length varint | attributes i8 | timestampDelta varlong | offsetDelta varint
//!          keyLength varint   | key:   version i16, type i16
//!          valueLength varint | value: version i16, coordinatorEpoch i32   (types 0 and 1)
//!                                      version i16, tagged fields          (type 7)
//! ```
//! Source: `ControlRecordType` and `EndTransactionMarker` in Apache Kafka's clients; KIP-1279 for
//! type 7.

use crate::byte_cursor::{ByteCursor, CursorError};

/// Bytes at the start of a control batch's body that hold all we read of it.
pub const CONTROL_PREFIX_BYTES: usize = 64;

// Key and value of a marker are 4 and 6 bytes; the rest are varints and one attribute byte.
const _: () = assert!(5 + 1 + 10 + 5 + 5 + 4 + 5 + 6 <= CONTROL_PREFIX_BYTES);

/// Value of a [`ControlRecord::MirrorPidReset`]: version 0, no tagged fields.
pub const MIRROR_PID_RESET_VALUE: [u8; 3] = [0; 3];

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
    /// The log became writable here: what it knew of producers, transactional or not, is void
    /// (KIP-1279).
    MirrorPidReset,
    /// A mark without meaning for producers: leader change, snapshot header, ...
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
    /// Type number of the mark that voids what is known of producers.
    pub const KIND_MIRROR_PID_RESET: i16 = 7;

    /// Type number in the record's key.
    #[must_use]
    pub const fn kind(self) -> i16 {
        match self {
            Self::Abort { .. } => Self::KIND_ABORT,
            Self::Commit { .. } => Self::KIND_COMMIT,
            Self::MirrorPidReset => Self::KIND_MIRROR_PID_RESET,
            Self::Other { kind } => kind,
        }
    }

    /// Parses the first record of a control batch from the start of the batch's body.
    ///
    /// A value is read for what markers say in it; that of a reset says nothing yet, and one of a
    /// newer version is a reset too.
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
        match kind {
            Self::KIND_ABORT | Self::KIND_COMMIT => {}
            Self::KIND_MIRROR_PID_RESET => return Ok(Self::MirrorPidReset),
            _ => return Ok(Self::Other { kind }),
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
