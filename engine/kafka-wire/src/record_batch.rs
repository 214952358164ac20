//! Record batches, magic 2: the header in place, and the CRC of everything behind it.
//!
//! ```text
//!  at  bytes  field                     at  bytes  field
//!   0   8     baseOffset                27   8     baseTimestamp
//!   8   4     batchLength               35   8     maxTimestamp
//!  12   4     partitionLeaderEpoch      43   8     producerId
//!  16   1     magic = 2                 51   2     producerEpoch
//!  17   4     crc (CRC-32C of 21..)     53   4     baseSequence
//!  21   2     attributes                57   4     recordCount
//!  23   4     lastOffsetDelta           61   ..    records
//! ```
//! Source: `DefaultRecordBatch` in Apache Kafka's clients.

use crate::byte_cursor::{ByteCursor, CursorError};
use crate::control_record::{CONTROL_PREFIX_BYTES, ControlRecord};
use crate::epoch::SourceLeaderEpoch;
use crate::offset::{Offset, OffsetDelta};
use crate::producer::{ProducerEpoch, ProducerId};

/// Bytes of a magic-2 batch header.
pub const HEADER_BYTES: usize = 61;
/// Bytes of the part common to every magic: `baseOffset`, `batchLength`.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// Bytes up to and with the magic byte: enough to tell the format.
pub const MAGIC_PREFIX_BYTES: usize = 17;
/// First byte the CRC covers.
pub const CRC_START: usize = 21;
/// The only magic we take.
pub const MAGIC: i8 = 2;

/// Header of one record batch, already checked: magic 2, legal length, offsets and deltas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record, even if compaction removed it.
    pub base_offset: Offset,
    /// Bytes of the whole batch, header included (12 + `batchLength`).
    pub batch_bytes: u32,
    /// Epoch of the leader that appended it; `None` when the field is -1.
    pub leader_epoch: Option<SourceLeaderEpoch>,
    /// CRC-32C of bytes 21 to the end.
    pub crc: u32,
    /// Codec, timestamp type, transactional, control, delete horizon.
    pub attributes: BatchAttributes,
    /// Last offset minus base offset.
    pub last_offset_delta: OffsetDelta,
    /// Timestamp the records' deltas start from, or the delete horizon; milliseconds.
    pub base_timestamp_ms: i64,
    /// Largest timestamp in the batch; milliseconds.
    pub max_timestamp_ms: i64,
    /// Producer, or `None` for plain batches.
    pub producer_id: Option<ProducerId>,
    /// Epoch of the producer.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, -1 for control batches and plain batches.
    pub base_sequence: i32,
    /// Records in the batch; may be 0.
    pub record_count: i32,
}

impl BatchHeader {
    /// Parses and checks a header; the CRC is for the caller, who has the rest of the batch.
    ///
    /// # Errors
    /// Any [`BatchError`] but [`BatchError::Crc`] and those about bytes behind the header.
    pub fn parse(bytes: &[u8; HEADER_BYTES], batch_bytes_max: u32) -> Result<Self, BatchError> {
        check_magic(bytes)?;
        let whole = "a header holds all its fields";
        let mut cursor = ByteCursor::new(bytes);
        let raw_base = cursor.i64().expect(whole);
        let batch_bytes = check_length(raw_base, cursor.i32().expect(whole), batch_bytes_max)?;
        let leader_epoch = SourceLeaderEpoch::from_wire(cursor.i32().expect(whole));
        cursor.i8().expect(whole);
        let crc = u32::from_be_bytes(cursor.array().expect(whole));
        let attributes = BatchAttributes(u16::from_be_bytes(cursor.array().expect(whole)));
        let (base_offset, last_offset_delta) = check_range(raw_base, cursor.i32().expect(whole))?;
        Ok(Self {
            base_offset,
            batch_bytes,
            leader_epoch,
            crc,
            attributes,
            last_offset_delta,
            base_timestamp_ms: cursor.i64().expect(whole),
            max_timestamp_ms: cursor.i64().expect(whole),
            producer_id: ProducerId::from_wire(cursor.i64().expect(whole)),
            producer_epoch: ProducerEpoch::from_wire(cursor.i16().expect(whole)),
            base_sequence: cursor.i32().expect(whole),
            record_count: check_count(raw_base, cursor.i32().expect(whole))?,
        })
    }

    /// Bytes behind the header.
    #[must_use]
    pub const fn body_bytes(&self) -> u32 {
        self.batch_bytes - HEADER_BYTES_U32
    }

    /// Compares the CRC in the header with the one of bytes 21 to the end.
    ///
    /// # Errors
    /// [`BatchError::Crc`] when they differ.
    pub const fn check_crc(&self, computed: u32) -> Result<(), BatchError> {
        if self.crc == computed {
            return Ok(());
        }
        let base_offset = self.base_offset.get();
        Err(BatchError::Crc { base_offset, expected: self.crc, computed })
    }

    /// Reads the control record from the first bytes of the body, if this batch holds one.
    ///
    /// # Errors
    /// [`BatchError::ControlRecord`] when the body does not start with a control record.
    pub fn control_record(&self, body: &[u8]) -> Result<Option<ControlRecord>, BatchError> {
        if !self.holds_control_record() {
            return Ok(None);
        }
        let prefix = &body[..body.len().min(CONTROL_PREFIX_BYTES)];
        let base_offset = self.base_offset.get();
        let refused = |cause| BatchError::ControlRecord { base_offset, cause };
        ControlRecord::parse(prefix).map(Some).map_err(refused)
    }

    /// True for control batches that compaction has not emptied.
    #[must_use]
    pub const fn holds_control_record(&self) -> bool {
        self.attributes.is_control() && self.record_count > 0
    }

    /// Offset of the last record, even if compaction removed it.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        Offset::from_wire(self.base_offset.get() + self.last_offset_delta.get())
            .expect("checked when the header was parsed")
    }

    /// Offset the log ends at once this batch is its last.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchAttributes(u16);

impl BatchAttributes {
    /// Takes the bits as read from the wire.
    #[must_use]
    pub const fn from_wire(raw: u16) -> Self {
        Self(raw)
    }

    /// The bits as written on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Compression codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    #[must_use]
    pub const fn codec(self) -> u16 {
        self.0 & 0x07
    }

    /// True when the batch belongs to a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// True when the batch holds a control record.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & 0x20 != 0
    }
}

/// One whole record batch in a slice: header, CRC and control record are checked.
#[derive(Clone, Copy, Debug)]
pub struct RecordBatchView<'a> {
    header: BatchHeader,
    control: Option<ControlRecord>,
    bytes: &'a [u8],
}

impl<'a> RecordBatchView<'a> {
    /// Parses the batch at the start of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// Any [`BatchError`]; [`BatchError::Truncated`] when `bytes` end inside the batch.
    pub fn parse(bytes: &'a [u8], batch_bytes_max: u32) -> Result<Self, BatchError> {
        let truncated = |needed: usize| BatchError::Truncated { available: bytes.len(), needed };
        if let Some(prefix) = bytes.first_chunk() {
            check_magic_prefix(prefix)?;
        }
        let head = bytes.first_chunk().ok_or_else(|| truncated(HEADER_BYTES))?;
        let header = BatchHeader::parse(head, batch_bytes_max)?;
        let batch_bytes = header.batch_bytes as usize;
        let bytes = bytes.get(..batch_bytes).ok_or_else(|| truncated(batch_bytes))?;
        header.check_crc(crc_fast::crc32_iscsi(&bytes[CRC_START..]))?;
        let control = header.control_record(&bytes[HEADER_BYTES..])?;
        Ok(Self { header, control, bytes })
    }

    /// The checked header.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// What a control batch says; `None` for data and for emptied control batches.
    #[must_use]
    pub const fn control(&self) -> Option<ControlRecord> {
        self.control
    }

    /// The whole batch.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records, compressed as the header's attributes say.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }
}

/// Why bytes are not a record batch we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Written in a message format other than magic 2.
    #[error("batch at offset {base_offset} has magic {magic}, expected 2")]
    UnsupportedMagic {
        /// Magic found.
        magic: i8,
        /// Base offset as found.
        base_offset: i64,
    },
    /// `batchLength` below the rest of a header.
    #[error("batch at offset {base_offset} has length {found}, expected at least 49")]
    Length {
        /// Base offset as found.
        base_offset: i64,
        /// `batchLength` found.
        found: i32,
    },
    /// Longer than the limit given.
    #[error("batch at offset {base_offset} has {batch_bytes} bytes, limit is {batch_bytes_max}")]
    TooLarge {
        /// Base offset as found.
        base_offset: i64,
        /// Bytes of the whole batch.
        batch_bytes: u32,
        /// Limit, in bytes.
        batch_bytes_max: u32,
    },
    /// Negative base offset, negative last offset delta, or a sum past the largest offset.
    #[error("batch at offset {base_offset} has last offset delta {last_offset_delta}")]
    OffsetRange {
        /// Base offset found.
        base_offset: i64,
        /// `lastOffsetDelta` found.
        last_offset_delta: i32,
    },
    /// Negative record count.
    #[error("batch at offset {base_offset} has record count {found}, expected none below 0")]
    RecordCount {
        /// Base offset of the batch.
        base_offset: i64,
        /// `recordCount` found.
        found: i32,
    },
    /// The bytes are not those the CRC was computed of.
    #[error(
        "batch at offset {base_offset} has crc {expected:#010x}, its bytes give {computed:#010x}"
    )]
    Crc {
        /// Base offset of the batch; itself not covered by the CRC.
        base_offset: i64,
        /// CRC-32C in the header.
        expected: u32,
        /// CRC-32C of the bytes.
        computed: u32,
    },
    /// A control batch without a readable control record.
    #[error("control batch at offset {base_offset} holds no control record: {cause}")]
    ControlRecord {
        /// Base offset of the batch.
        base_offset: i64,
        /// What stopped the reading.
        cause: CursorError,
    },
    /// The slice ends inside the batch.
    #[error("batch ends after {available} bytes, expected {needed}")]
    Truncated {
        /// Bytes given.
        available: usize,
        /// Bytes the header or the batch needs.
        needed: usize,
    },
}

impl BatchError {
    /// True when the bytes are damaged: reading them again elsewhere may help.
    ///
    /// False for [`Self::UnsupportedMagic`] and [`Self::TooLarge`]: the source means it.
    #[must_use]
    pub const fn is_corruption(&self) -> bool {
        !matches!(self, Self::UnsupportedMagic { .. } | Self::TooLarge { .. })
    }
}

/// Refuses formats other than magic 2 as soon as the magic byte is there.
pub(crate) fn check_magic_prefix(bytes: &[u8; MAGIC_PREFIX_BYTES]) -> Result<(), BatchError> {
    let magic = i8::from_be_bytes([bytes[MAGIC_PREFIX_BYTES - 1]]);
    if magic == MAGIC {
        return Ok(());
    }
    let base_offset = *bytes.first_chunk().expect("a prefix holds the base offset");
    Err(BatchError::UnsupportedMagic { magic, base_offset: i64::from_be_bytes(base_offset) })
}

fn check_magic(bytes: &[u8; HEADER_BYTES]) -> Result<(), BatchError> {
    check_magic_prefix(bytes.first_chunk().expect("a header holds the magic byte"))
}

fn check_length(base_offset: i64, found: i32, batch_bytes_max: u32) -> Result<u32, BatchError> {
    let refused = BatchError::Length { base_offset, found };
    let batch_bytes = u32::try_from(found).map_err(|_| refused)? + LENGTH_PREFIX_BYTES_U32;
    if batch_bytes < HEADER_BYTES_U32 {
        return Err(refused);
    }
    if batch_bytes > batch_bytes_max {
        return Err(BatchError::TooLarge { base_offset, batch_bytes, batch_bytes_max });
    }
    Ok(batch_bytes)
}

/// Both ends must be offsets, and so must the one after the last.
fn check_range(base: i64, last_delta: i32) -> Result<(Offset, OffsetDelta), BatchError> {
    let refused = BatchError::OffsetRange { base_offset: base, last_offset_delta: last_delta };
    let base_offset = Offset::from_wire(base).ok_or(refused)?;
    if last_delta < 0 {
        return Err(refused);
    }
    let delta = OffsetDelta::new(i64::from(last_delta));
    let last = base_offset.checked_add(delta).ok_or(refused)?;
    if last.get() == i64::MAX {
        return Err(refused);
    }
    Ok((base_offset, delta))
}

const fn check_count(base_offset: i64, found: i32) -> Result<i32, BatchError> {
    if found < 0 {
        return Err(BatchError::RecordCount { base_offset, found });
    }
    Ok(found)
}

const HEADER_BYTES_U32: u32 = 61;
const LENGTH_PREFIX_BYTES_U32: u32 = 12;
const _: () = assert!(HEADER_BYTES_U32 as usize == HEADER_BYTES);
const _: () = assert!(LENGTH_PREFIX_BYTES_U32 as usize == LENGTH_PREFIX_BYTES);

#[cfg(test)]
mod tests;
