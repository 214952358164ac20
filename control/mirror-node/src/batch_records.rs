//! The records of a batch, walked one by one without being kept: what a broker has to know of
//! them. Compressed records are decompressed as a stream, so that a batch costs a buffer and the
//! window of its codec, whatever it grows to; how far it may grow is limited, and how many batches
//! are decompressed at one time.
//!
//! ```text
//!  record: length:varint | attributes:1 | timestampDelta:varlong | offsetDelta:varint
//!          | keyLength:varint key | valueLength:varint value | headerCount:varint headers
//! ```
//! Source: `DefaultRecord` in Apache Kafka's clients.

use std::io::{self, BufRead};
use std::ops::ControlFlow;

use kafka_wire::record_batch::BatchHeader;

mod decompression;
mod slots;

/// Bytes the records of one batch may have once decompressed: what checking one batch may cost.
pub const DECOMPRESSED_BYTES_MAX: u64 = 256 << 20;

/// Batches decompressed at one time, by all threads: a batch of a few bytes may ask for a window
/// of 128 MiB.
pub const DECOMPRESSIONS_AT_ONCE: usize = 8;

/// Bytes that may still be decompressed for one purpose, whatever the number of batches.
#[derive(Debug)]
pub struct DecompressionBudget {
    bytes: u64,
}

impl DecompressionBudget {
    /// So many bytes in all.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self { bytes }
    }
}

impl Default for DecompressionBudget {
    /// What one batch may take.
    fn default() -> Self {
        Self::new(DECOMPRESSED_BYTES_MAX)
    }
}

/// What a broker has to know of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// Its offset minus the batch's base offset.
    pub offset_delta: i32,
    /// Its timestamp minus the batch's base timestamp, milliseconds.
    pub timestamp_delta_ms: i64,
    /// False when its key is null.
    pub has_key: bool,
}

/// Why the records of a batch cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// No codec has this number.
    #[error("records are compressed with codec {codec}, expected 0 to 4")]
    UnknownCodec {
        /// Its number.
        codec: u16,
    },
    /// The codec refused the bytes, or they end early.
    #[error("record {index} cannot be read: {error}")]
    Unreadable {
        /// Which record of the batch.
        index: i32,
        /// What was said.
        error: io::Error,
    },
    /// Decompressed, the records are longer than [`DECOMPRESSED_BYTES_MAX`], or than what was left
    /// to decompress.
    #[error("records have more than {bytes_max} bytes once decompressed")]
    TooLong {
        /// The limit.
        bytes_max: u64,
    },
    /// A length or a count that cannot be.
    #[error("record {index} has {field} {found}")]
    Field {
        /// Which record of the batch.
        index: i32,
        /// Which field.
        field: &'static str,
        /// What it says.
        found: i64,
    },
    /// A record whose fields do not fill its length.
    #[error("record {index} has length {length}, its fields take {found} bytes")]
    Length {
        /// Which record of the batch.
        index: i32,
        /// Its length, as it says.
        length: i32,
        /// Bytes of its fields.
        found: u64,
    },
    /// Bytes behind the last record.
    #[error("bytes follow the last of {record_count} records")]
    Trailing {
        /// Records of the batch.
        record_count: i32,
    },
}

/// Shows `visit` every record of a batch with this header, until it breaks off; `body` is what
/// follows the header.
///
/// # Errors
/// When the records are not what their header and lengths say.
pub fn visit_records(
    header: &BatchHeader,
    body: &[u8],
    visit: impl FnMut(&RecordFacts) -> ControlFlow<()>,
) -> Result<(), RecordsError> {
    visit_records_within(&mut DecompressionBudget::default(), header, body, visit)
}

/// The same as [`visit_records`], for one of many batches that share a budget. Waits while
/// [`DECOMPRESSIONS_AT_ONCE`] others are decompressed.
///
/// # Errors
/// When the records are not what their header and lengths say, or the budget is used up.
pub fn visit_records_within(
    budget: &mut DecompressionBudget,
    header: &BatchHeader,
    body: &[u8],
    visit: impl FnMut(&RecordFacts) -> ControlFlow<()>,
) -> Result<(), RecordsError> {
    let count = header.record_count;
    decompression::with_records(header.attributes.codec(), body, Walk { count, visit, budget })
}

/// What is done with the decompressed bytes.
struct Walk<'a, V> {
    count: i32,
    visit: V,
    budget: &'a mut DecompressionBudget,
}

impl<V: FnMut(&RecordFacts) -> ControlFlow<()>> Walk<'_, V> {
    fn over_decompressed(mut self, source: impl BufRead) -> Result<(), RecordsError> {
        let bytes_max = self.budget.bytes.min(DECOMPRESSED_BYTES_MAX);
        let mut bytes = RecordBytes { source, index: 0, taken: 0, bytes_max };
        let walked = self.over(&mut bytes);
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes.taken);
        walked
    }

    fn over_plain(mut self, source: impl BufRead) -> Result<(), RecordsError> {
        self.over(&mut RecordBytes { source, index: 0, taken: 0, bytes_max: u64::MAX })
    }

    fn over(&mut self, bytes: &mut RecordBytes<impl BufRead>) -> Result<(), RecordsError> {
        for index in 0..self.count {
            bytes.index = index;
            let record = bytes.record()?;
            if (self.visit)(&record).is_break() {
                return Ok(());
            }
        }
        if bytes.is_at_end()? {
            return Ok(());
        }
        Err(RecordsError::Trailing { record_count: self.count })
    }
}

/// Decompressed bytes, taken from the front.
struct RecordBytes<R> {
    source: R,
    /// The record being read, for errors.
    index: i32,
    taken: u64,
    bytes_max: u64,
}

impl<R: BufRead> RecordBytes<R> {
    fn record(&mut self) -> Result<RecordFacts, RecordsError> {
        let length = self.varint()?;
        self.non_negative("length", length)?;
        let begin = self.taken;
        self.byte()?;
        let timestamp_delta_ms = self.varlong()?;
        let offset_delta = self.varint()?;
        let has_key = self.skip_nullable("key length")?;
        self.skip_nullable("value length")?;
        let header_count = self.varint()?;
        for _ in 0..self.non_negative("header count", header_count)? {
            let key_length = self.varint()?;
            let key_length = self.non_negative("header key length", key_length)?;
            self.skip(key_length)?;
            self.skip_nullable("header value length")?;
        }
        let found = self.taken - begin;
        if u64::try_from(length) != Ok(found) {
            return Err(RecordsError::Length { index: self.index, length, found });
        }
        Ok(RecordFacts { offset_delta, timestamp_delta_ms, has_key })
    }

    fn non_negative(&self, field: &'static str, found: i32) -> Result<u64, RecordsError> {
        let refused = RecordsError::Field { index: self.index, field, found: i64::from(found) };
        u64::try_from(found).map_err(|_| refused)
    }

    /// Skips bytes with a length in front; -1 is null. True when they are not null.
    fn skip_nullable(&mut self, field: &'static str) -> Result<bool, RecordsError> {
        let length = self.varint()?;
        if length == -1 {
            return Ok(false);
        }
        let length = self.non_negative(field, length)?;
        self.skip(length)?;
        Ok(true)
    }

    fn skip(&mut self, count: u64) -> Result<(), RecordsError> {
        self.take(count)?;
        let mut left = usize::try_from(count).expect("an int32 length fits a size");
        while left > 0 {
            let here = self.fill()?;
            let skipped = here.min(left);
            self.source.consume(skipped);
            left -= skipped;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, RecordsError> {
        self.take(1)?;
        self.fill()?;
        let index = self.index;
        let unreadable = |error| RecordsError::Unreadable { index, error };
        let byte = self.source.fill_buf().map_err(unreadable)?[0];
        self.source.consume(1);
        Ok(byte)
    }

    /// Bytes ready, at least one.
    fn fill(&mut self) -> Result<usize, RecordsError> {
        let index = self.index;
        match self.source.fill_buf() {
            Ok([]) => {
                let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                Err(RecordsError::Unreadable { index, error })
            }
            Ok(ready) => Ok(ready.len()),
            Err(error) => Err(RecordsError::Unreadable { index, error }),
        }
    }

    fn is_at_end(&mut self) -> Result<bool, RecordsError> {
        let index = self.index;
        let unreadable = |error| RecordsError::Unreadable { index, error };
        self.source.fill_buf().map(<[u8]>::is_empty).map_err(unreadable)
    }

    /// Counts bytes about to be taken.
    fn take(&mut self, count: u64) -> Result<(), RecordsError> {
        self.taken += count;
        if self.taken > self.bytes_max {
            return Err(RecordsError::TooLong { bytes_max: self.bytes_max });
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<i32, RecordsError> {
        let value = self.varlong()?;
        let refused =
            RecordsError::Field { index: self.index, field: "varint out of range", found: value };
        i32::try_from(value).map_err(|_| refused)
    }

    fn varlong(&mut self) -> Result<i64, RecordsError> {
        let mut raw = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            raw |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed());
            }
        }
        Err(RecordsError::Field { index: self.index, field: "varint without end", found: -1 })
    }
}

#[cfg(test)]
mod tests;
