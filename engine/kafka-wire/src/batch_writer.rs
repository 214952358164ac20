//! Builds one uncompressed magic-2 batch: for bootstrap metadata, what a stopped mirror writes
//! behind its last batch, tests and synthetic load.
//!
//! Mirrored batches never pass here: they keep the bytes the source gave them.

use crate::byte_cursor::{push_unsigned_varint, push_varint, push_varlong};
use crate::control_record::{ControlRecord, MIRROR_PID_RESET_VALUE};
use crate::epoch::SourceLeaderEpoch;
use crate::offset::Offset;
use crate::producer::{ProducerEpoch, ProducerId};
use crate::record_batch::{BatchAttributes, CRC_START, HEADER_BYTES, LENGTH_PREFIX_BYTES, MAGIC};

/// A batch under construction: set the fields, push records, finish.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Epoch the batch carries; `None` writes -1.
    pub leader_epoch: Option<SourceLeaderEpoch>,
    /// Transactional, control, timestamp type; the codec must stay 0.
    pub attributes: BatchAttributes,
    /// Who produced it.
    pub producer: BatchProducer,
    records: Vec<u8>,
    record_count: i32,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    last_offset_delta: i32,
}

/// Producer fields of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchProducer {
    /// Producer; `None` writes -1.
    pub id: Option<ProducerId>,
    /// Its epoch, -1 without a producer.
    pub epoch: ProducerEpoch,
    /// Sequence of the first record, -1 without a producer and in control batches.
    pub base_sequence: i32,
}

impl BatchProducer {
    /// A plain batch: no idempotence, no transaction.
    pub const NONE: Self =
        Self { id: None, epoch: ProducerEpoch::from_wire(-1), base_sequence: -1 };
}

/// One record to write; without headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewRecord<'a> {
    /// When it was made, milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Key, or null.
    pub key: Option<&'a [u8]>,
    /// Value, or null.
    pub value: Option<&'a [u8]>,
}

impl BatchBuilder {
    /// A plain, empty batch at `base_offset`.
    #[must_use]
    pub const fn new(base_offset: Offset, leader_epoch: Option<SourceLeaderEpoch>) -> Self {
        Self {
            base_offset,
            leader_epoch,
            attributes: BatchAttributes::from_wire(0),
            producer: BatchProducer::NONE,
            records: Vec::new(),
            record_count: 0,
            base_timestamp_ms: NO_TIMESTAMP,
            max_timestamp_ms: NO_TIMESTAMP,
            last_offset_delta: 0,
        }
    }

    /// A control batch with one transaction marker of `producer`.
    #[must_use]
    pub fn transaction_marker(
        base_offset: Offset,
        leader_epoch: Option<SourceLeaderEpoch>,
        producer: (ProducerId, ProducerEpoch),
        marker: ControlRecord,
        timestamp_ms: i64,
    ) -> Self {
        let coordinator_epoch = match marker {
            ControlRecord::Abort { coordinator_epoch }
            | ControlRecord::Commit { coordinator_epoch } => coordinator_epoch,
            ControlRecord::MirrorPidReset | ControlRecord::Other { .. } => 0,
        };
        let mut batch = Self::new(base_offset, leader_epoch);
        batch.attributes = BatchAttributes::from_wire(CONTROL | TRANSACTIONAL);
        batch.producer =
            BatchProducer { id: Some(producer.0), epoch: producer.1, base_sequence: -1 };
        let mut value = Vec::from(CONTROL_VERSION.to_be_bytes());
        value.extend(coordinator_epoch.to_be_bytes());
        batch.push_control(marker.kind(), &value, timestamp_ms);
        batch
    }

    /// The control batch with which a stopped mirror voids what is known of producers (KIP-1279).
    #[must_use]
    pub fn mirror_pid_reset(
        base_offset: Offset,
        leader_epoch: Option<SourceLeaderEpoch>,
        timestamp_ms: i64,
    ) -> Self {
        let kind = ControlRecord::KIND_MIRROR_PID_RESET;
        Self::control(base_offset, leader_epoch, kind, &MIRROR_PID_RESET_VALUE, timestamp_ms)
    }

    /// A control batch without producer, as the metadata log and snapshots have them.
    #[must_use]
    pub fn control(
        base_offset: Offset,
        leader_epoch: Option<SourceLeaderEpoch>,
        kind: i16,
        value: &[u8],
        timestamp_ms: i64,
    ) -> Self {
        let mut batch = Self::new(base_offset, leader_epoch);
        batch.attributes = BatchAttributes::from_wire(CONTROL);
        batch.push_control(kind, value, timestamp_ms);
        batch
    }

    /// Adds a record at the next offset.
    ///
    /// # Panics
    /// When the batch grows beyond what its length field can say.
    pub fn push(&mut self, record: &NewRecord<'_>) -> &mut Self {
        if self.record_count == 0 {
            self.base_timestamp_ms = record.timestamp_ms;
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(record.timestamp_ms);
        let offset_delta = self.record_count;
        let mut body = vec![RECORD_ATTRIBUTES];
        push_varlong(&mut body, record.timestamp_ms.wrapping_sub(self.base_timestamp_ms));
        push_varint(&mut body, offset_delta);
        push_nullable(&mut body, record.key);
        push_nullable(&mut body, record.value);
        push_unsigned_varint(&mut body, NO_HEADERS);
        push_varint(&mut self.records, length(body.len()));
        self.records.extend_from_slice(&body);
        self.last_offset_delta = self.last_offset_delta.max(offset_delta);
        self.record_count += 1;
        self
    }

    /// Makes the batch end at a later offset than its last record, as compaction leaves it.
    ///
    /// # Panics
    /// When a record lies behind `delta`.
    pub fn end_at_delta(&mut self, delta: i32) -> &mut Self {
        assert!(delta >= self.last_offset_delta, "records lie before the end of their batch");
        self.last_offset_delta = delta;
        self
    }

    /// The bytes of the batch.
    ///
    /// # Panics
    /// When the batch is longer than its length field can say.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        assert!(self.attributes.codec() == 0, "this writer does not compress");
        let mut out = Vec::with_capacity(HEADER_BYTES + self.records.len());
        let batch_length = HEADER_BYTES - LENGTH_PREFIX_BYTES + self.records.len();
        out.extend(self.base_offset.get().to_be_bytes());
        out.extend(length(batch_length).to_be_bytes());
        out.extend(self.leader_epoch.map_or(-1, SourceLeaderEpoch::get).to_be_bytes());
        out.extend(MAGIC.to_be_bytes());
        out.extend(NO_CRC_YET);
        out.extend(self.attributes.get().to_be_bytes());
        out.extend(self.last_offset_delta.to_be_bytes());
        out.extend(self.base_timestamp_ms.to_be_bytes());
        out.extend(self.max_timestamp_ms.to_be_bytes());
        out.extend(self.producer.id.map_or(-1, ProducerId::get).to_be_bytes());
        out.extend(self.producer.epoch.get().to_be_bytes());
        out.extend(self.producer.base_sequence.to_be_bytes());
        out.extend(self.record_count.to_be_bytes());
        out.extend_from_slice(&self.records);
        let crc = crc_fast::crc32_iscsi(&out[CRC_START..]);
        out[CRC_START - NO_CRC_YET.len()..CRC_START].copy_from_slice(&crc.to_be_bytes());
        out
    }

    fn push_control(&mut self, kind: i16, value: &[u8], timestamp_ms: i64) {
        let mut key = Vec::from(CONTROL_VERSION.to_be_bytes());
        key.extend(kind.to_be_bytes());
        self.push(&NewRecord { timestamp_ms, key: Some(&key), value: Some(value) });
    }
}

fn push_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    push_varint(out, bytes.map_or(-1, |bytes| length(bytes.len())));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("batches are built below 2 GiB")
}

const CONTROL: u16 = 0x20;
const TRANSACTIONAL: u16 = 0x10;
const CONTROL_VERSION: i16 = 0;
const RECORD_ATTRIBUTES: u8 = 0;
const NO_HEADERS: u32 = 0;
const NO_TIMESTAMP: i64 = -1;
const NO_CRC_YET: [u8; 4] = [0; 4];

#[cfg(test)]
mod tests;
