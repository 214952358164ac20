//! Counts what a Produce request will take when it is decoded, before it is.
//!
//! Its frame may be large because of its records, which stay where they are. So the size of the
//! frame says little about the memory that a hostile one takes: this walk does, and skips records.

use super::RequestError;
use crate::byte_cursor::{ByteCursor, CursorError};
use crate::message::MessageError;

/// Most topics, partitions and tagged fields of one Produce request, together.
pub const PRODUCE_ELEMENTS_MAX: u32 = 1 << 17;

pub(super) fn check(version: i16, body: &[u8]) -> Result<(), RequestError> {
    let flexible = version >= FIRST_FLEXIBLE;
    let has_ids = version >= FIRST_WITH_TOPIC_IDS;
    let mut walk = Walk { cursor: ByteCursor::new(body), flexible, has_ids, elements: 0 };
    walk.request().map_err(|stop| match stop {
        Stop::Elements => RequestError::ProduceElements,
        Stop::Cursor(reason) => RequestError::Malformed(MessageError::Malformed {
            message: "ProduceRequest",
            version,
            reason: reason.to_string(),
        }),
    })
}

struct Walk<'a> {
    cursor: ByteCursor<'a>,
    flexible: bool,
    has_ids: bool,
    elements: u32,
}

enum Stop {
    Cursor(CursorError),
    Elements,
}

impl From<CursorError> for Stop {
    fn from(error: CursorError) -> Self {
        Self::Cursor(error)
    }
}

impl Walk<'_> {
    fn request(&mut self) -> Result<(), Stop> {
        self.skip_text()?;
        self.cursor.take(ACKS_AND_TIMEOUT_BYTES)?;
        for _ in 0..self.count()? {
            self.topic()?;
        }
        self.skip_tags()
    }

    fn topic(&mut self) -> Result<(), Stop> {
        self.element()?;
        if self.has_ids {
            self.cursor.take(TOPIC_ID_BYTES)?;
        } else {
            self.skip_text()?;
        }
        for _ in 0..self.count()? {
            self.element()?;
            self.cursor.take(PARTITION_INDEX_BYTES)?;
            let records = self.count()?;
            self.cursor.take(records as usize)?;
            self.skip_tags()?;
        }
        self.skip_tags()
    }

    fn skip_tags(&mut self) -> Result<(), Stop> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.cursor.unsigned_varint()? {
            self.element()?;
            self.cursor.unsigned_varint()?;
            let size = self.cursor.unsigned_varint()?;
            self.cursor.take(size as usize)?;
        }
        Ok(())
    }

    fn element(&mut self) -> Result<(), Stop> {
        self.elements += 1;
        if self.elements > PRODUCE_ELEMENTS_MAX { Err(Stop::Elements) } else { Ok(()) }
    }

    /// Elements of an array or bytes of records; none of them for null.
    fn count(&mut self) -> Result<u32, CursorError> {
        if self.flexible {
            return Ok(self.cursor.unsigned_varint()?.saturating_sub(1));
        }
        Ok(u32::try_from(self.cursor.i32()?).unwrap_or(0))
    }

    fn skip_text(&mut self) -> Result<(), CursorError> {
        let bytes = if self.flexible {
            self.cursor.unsigned_varint()?.saturating_sub(1)
        } else {
            u32::try_from(self.cursor.i16()?).unwrap_or(0)
        };
        self.cursor.take(bytes as usize).map(drop)
    }
}

const FIRST_FLEXIBLE: i16 = 9;
const FIRST_WITH_TOPIC_IDS: i16 = 13;
const ACKS_AND_TIMEOUT_BYTES: usize = 2 + 4;
const TOPIC_ID_BYTES: usize = 16;
const PARTITION_INDEX_BYTES: usize = 4;
