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

use crate::epoch::SourceLeaderEpoch;
use crate::offset::{Offset, OffsetDelta};
use crate::producer::{ProducerEpoch, ProducerId};

/// Bytes of a magic-2 batch header.
pub const HEADER_BYTES: usize = 61;
/// Bytes of the part common to every magic: `baseOffset`, `batchLength`.
pub const LENGTH_PREFIX_BYTES: usize = 12;

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
