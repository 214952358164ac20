//! A batch as a client sent it: checked as a broker checks it, and given the header it will have
//! in the log. Nothing here needs the log itself, so it runs beside other appends.

use std::ops::ControlFlow;

use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::record_batch::{
    BatchAttributes, BatchError, BatchHeader, CRC_START, HEADER_BYTES, MAGIC, MAGIC_PREFIX_BYTES,
};

use super::append_error::AppendError;
use super::settings::{LogSettings, TimestampType};
use crate::batch_records::{DecompressionBudget, RecordFacts, visit_records_within};
use crate::local_log::READABLE_BATCH_BYTES_MAX;

/// A checked batch whose offset is not known yet.
#[derive(Clone, Debug)]
pub(super) struct ProducedBatch<'a> {
    /// Its header, at offset 0.
    pub(super) header: BatchHeader,
    /// The header's bytes.
    head: [u8; HEADER_BYTES],
    /// Everything behind the header.
    pub(super) body: &'a [u8],
    /// Our time, when the topic's timestamps are ours; else -1.
    pub(super) log_append_time_ms: i64,
}

impl<'a> ProducedBatch<'a> {
    /// Checks the records of one partition in a produce request (`LogValidator`).
    pub(super) fn check(
        bytes: &'a [u8],
        settings: &LogSettings,
        now_ms: i64,
        budget: &mut DecompressionBudget,
    ) -> Result<Self, AppendError> {
        let mut batch = Self::parse(bytes)?;
        batch.check_sizes(settings)?;
        batch.check_crc()?;
        batch.check_header()?;
        let max_timestamp_ms = batch.check_records(settings, now_ms, budget)?;
        match settings.timestamp_type {
            TimestampType::CreateTime => {
                batch.set_timestamps(batch.header.attributes, max_timestamp_ms);
            }
            TimestampType::LogAppendTime => {
                let attributes = batch.header.attributes.get() | LOG_APPEND_TIME;
                batch.set_timestamps(BatchAttributes::from_wire(attributes), now_ms);
                batch.log_append_time_ms = now_ms;
            }
        }
        Ok(batch)
    }

    /// Takes a batch built here: header and CRC are checked, its records are trusted.
    pub(super) fn built_here(bytes: &'a [u8]) -> Result<Self, AppendError> {
        let batch = Self::parse(bytes)?;
        batch.check_crc()?;
        Ok(batch)
    }

    fn parse(bytes: &'a [u8]) -> Result<Self, AppendError> {
        if bytes.is_empty() {
            return Err(AppendError::NoBatch);
        }
        let needed = HEADER_BYTES;
        let truncated = |needed| BatchError::Truncated { available: bytes.len(), needed };
        // Batches of older formats may be shorter than our header.
        let magic = bytes.get(MAGIC_PREFIX_BYTES - 1).map(|byte| i8::from_be_bytes([*byte]));
        if let Some(magic) = magic.filter(|magic| *magic != MAGIC) {
            return Err(BatchError::UnsupportedMagic { magic, base_offset: 0 }.into());
        }
        let (head, body) = bytes.split_first_chunk().ok_or_else(|| truncated(needed))?;
        let mut head: [u8; HEADER_BYTES] = *head;
        // The client's offset says nothing: the log gives its own.
        head[BASE_OFFSET].fill(0);
        let header = BatchHeader::parse(&head, READABLE_BATCH_BYTES_MAX)?;
        let batch_bytes = header.batch_bytes as usize;
        match bytes.len().checked_sub(batch_bytes) {
            None => Err(truncated(batch_bytes).into()),
            Some(0) => Ok(Self { header, head, body, log_append_time_ms: -1 }),
            Some(extra_bytes) => Err(AppendError::ManyBatches { extra_bytes }),
        }
    }

    fn check_sizes(&self, settings: &LogSettings) -> Result<(), AppendError> {
        let bytes = self.header.batch_bytes;
        let bytes_max = settings.max_message_bytes;
        if bytes > bytes_max {
            return Err(AppendError::BatchTooLarge { bytes, bytes_max });
        }
        let bytes_max = settings.log.segment_bytes;
        if bytes > bytes_max {
            return Err(AppendError::AboveSegment { bytes, bytes_max });
        }
        Ok(())
    }

    fn check_crc(&self) -> Result<(), BatchError> {
        self.header.check_crc(self.crc())
    }

    fn crc(&self) -> u32 {
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        digest.update(&self.head[CRC_START..]);
        digest.update(self.body);
        u32::try_from(digest.finalize()).expect("a CRC-32 has 32 bits")
    }

    fn check_header(&self) -> Result<(), AppendError> {
        let header = &self.header;
        if header.attributes.is_control() {
            return Err(AppendError::ControlBatch);
        }
        if header.attributes.is_transactional() {
            return Err(AppendError::TransactionalBatch);
        }
        if let Some(producer_id) = header.producer_id.filter(|_| header.base_sequence < 0) {
            return Err(AppendError::Sequence { producer_id, found: header.base_sequence });
        }
        let (record_count, last_offset_delta) =
            (header.record_count, header.last_offset_delta.get());
        if record_count == 0 || i64::from(record_count) != last_offset_delta + 1 {
            return Err(AppendError::RecordCount { record_count, last_offset_delta });
        }
        Ok(())
    }

    /// Checks every record; returns the largest timestamp.
    fn check_records(
        &self,
        settings: &LogSettings,
        now_ms: i64,
        budget: &mut DecompressionBudget,
    ) -> Result<i64, AppendError> {
        let is_producers_time = settings.timestamp_type == TimestampType::CreateTime;
        if is_producers_time && self.header.attributes.get() & LOG_APPEND_TIME != 0 {
            return Err(AppendError::TimestampType);
        }
        let earliest = now_ms.saturating_sub(settings.timestamp_before_max_ms);
        let latest = now_ms.saturating_add(settings.timestamp_after_max_ms);
        let (mut index, mut max_timestamp_ms, mut wrong) = (0, NO_TIMESTAMP_MS, None);
        visit_records_within(budget, &self.header, self.body, |record: &RecordFacts| {
            let found = self.header.base_timestamp_ms.wrapping_add(record.timestamp_delta_ms);
            max_timestamp_ms = max_timestamp_ms.max(found);
            let is_timed = is_producers_time && found != NO_TIMESTAMP_MS;
            wrong = if record.offset_delta != index {
                Some(AppendError::OffsetDelta { index, found: record.offset_delta })
            } else if settings.cleanup.compacts() && !record.has_key {
                Some(AppendError::KeyMissing { index })
            } else if is_timed && !(earliest..=latest).contains(&found) {
                Some(AppendError::Timestamp { index, found, earliest, latest })
            } else {
                None
            };
            index += 1;
            if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        wrong.map_or(Ok(max_timestamp_ms), Err)
    }

    /// Sets attributes and largest timestamp, with the CRC when that changes the bytes.
    fn set_timestamps(&mut self, attributes: BatchAttributes, max_timestamp_ms: i64) {
        let header = &mut self.header;
        if header.attributes == attributes && header.max_timestamp_ms == max_timestamp_ms {
            return;
        }
        header.attributes = attributes;
        header.max_timestamp_ms = max_timestamp_ms;
        self.head[ATTRIBUTES].copy_from_slice(&attributes.get().to_be_bytes());
        self.head[MAX_TIMESTAMP].copy_from_slice(&max_timestamp_ms.to_be_bytes());
        self.header.crc = self.crc();
        self.head[CRC].copy_from_slice(&self.header.crc.to_be_bytes());
    }

    /// Gives the batch its place in the log: header and its bytes.
    pub(super) fn placed(
        &self,
        base_offset: Offset,
        leader_epoch: SourceLeaderEpoch,
    ) -> Result<(BatchHeader, [u8; HEADER_BYTES]), BatchError> {
        let mut head = self.head;
        head[BASE_OFFSET].copy_from_slice(&base_offset.get().to_be_bytes());
        head[LEADER_EPOCH].copy_from_slice(&leader_epoch.get().to_be_bytes());
        Ok((BatchHeader::parse(&head, READABLE_BATCH_BYTES_MAX)?, head))
    }
}

/// Timestamp type bit of the attributes.
const LOG_APPEND_TIME: u16 = 0x08;
const NO_TIMESTAMP_MS: i64 = -1;
const BASE_OFFSET: std::ops::Range<usize> = 0..8;
const LEADER_EPOCH: std::ops::Range<usize> = 12..16;
const CRC: std::ops::Range<usize> = 17..21;
const ATTRIBUTES: std::ops::Range<usize> = 21..23;
const MAX_TIMESTAMP: std::ops::Range<usize> = 35..43;
