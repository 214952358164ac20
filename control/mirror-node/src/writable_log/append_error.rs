//! Why a batch was not appended, for people and as Kafka's error codes.

use std::io;

use kafka_log::partition_log::AppendRefusal;
use kafka_protocol::error::ResponseError;
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchError;

use super::sync_watch::SyncFailed;
use crate::batch_records::RecordsError;

/// Why a batch was not appended. Nothing of it is in the log then.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The request holds no records.
    #[error("request holds no record batch")]
    NoBatch,
    /// More than one batch.
    #[error("{extra_bytes} bytes follow the record batch, expected exactly one batch")]
    ManyBatches {
        /// Bytes behind the first batch.
        extra_bytes: usize,
    },
    /// The bytes are no batch.
    #[error("{0}")]
    Batch(#[from] BatchError),
    /// Longer than `max.message.bytes`.
    #[error("batch has {bytes} bytes, max.message.bytes is {bytes_max}")]
    BatchTooLarge {
        /// Its size.
        bytes: u32,
        /// The setting.
        bytes_max: u32,
    },
    /// Longer than `segment.bytes`.
    #[error("batch has {bytes} bytes, segment.bytes is {bytes_max}")]
    AboveSegment {
        /// Its size.
        bytes: u32,
        /// The setting.
        bytes_max: u32,
    },
    /// Clients do not write control batches.
    #[error("control batches are written by brokers only")]
    ControlBatch,
    /// No transaction can be begun here, so none can be written in.
    #[error("batch is transactional, transactions are not supported here")]
    TransactionalBatch,
    /// A batch with a producer id and no sequence.
    #[error("batch of producer {producer_id} has base sequence {found}, expected none below 0")]
    Sequence {
        /// Whose batch.
        producer_id: ProducerId,
        /// Its base sequence.
        found: i32,
    },
    /// The count of records and the offsets do not go together.
    #[error("batch has {record_count} records and last offset delta {last_offset_delta}")]
    RecordCount {
        /// `recordCount`
        record_count: i32,
        /// `lastOffsetDelta`
        last_offset_delta: i64,
    },
    /// The records cannot be read.
    #[error("{0}")]
    Records(#[from] RecordsError),
    /// The records' offsets are not 0, 1, 2 and so on.
    #[error("record {index} has offset delta {found}")]
    OffsetDelta {
        /// Which record of the batch.
        index: i32,
        /// Its offset delta.
        found: i32,
    },
    /// The topic is compacted, and there is no key.
    #[error("record {index} has no key, the topic is compacted")]
    KeyMissing {
        /// Which record of the batch.
        index: i32,
    },
    /// A timestamp too far from our clock.
    #[error("record {index} has timestamp {found}, allowed are {earliest} to {latest}")]
    Timestamp {
        /// Which record of the batch.
        index: i32,
        /// Its timestamp.
        found: i64,
        /// Least legal.
        earliest: i64,
        /// Largest legal.
        latest: i64,
    },
    /// The batch says that its timestamps are ours.
    #[error("batch has timestamp type LogAppendTime, which is for brokers to set")]
    TimestampType,
    /// A batch of the producer is missing before this one, or it is an old one.
    #[error(
        "producer {producer_id} sent base sequence {found}, expected {expected} \
         (epoch {})", epoch.get()
    )]
    OutOfOrderSequence {
        /// Whose batch.
        producer_id: ProducerId,
        /// Epoch of the batch.
        epoch: ProducerEpoch,
        /// Next sequence of the producer.
        expected: i32,
        /// The batch's.
        found: i32,
    },
    /// A producer of the same id is newer.
    #[error(
        "producer {producer_id} has epoch {}, the log is at {}", found.get(), latest.get()
    )]
    ProducerEpoch {
        /// Whose batch.
        producer_id: ProducerId,
        /// Newest epoch of that producer.
        latest: ProducerEpoch,
        /// The batch's.
        found: ProducerEpoch,
    },
    /// The log refuses the batch.
    #[error("{0}")]
    Refused(#[from] AppendRefusal),
    /// The system refused; the log is as it was.
    #[error("log cannot be written: {0}")]
    Storage(#[from] io::Error),
    /// What was appended before may be lost, and who reads the log again has to say.
    #[error(transparent)]
    SyncFailed(#[from] SyncFailed),
    /// The log was closed or deleted.
    #[error("log is closed")]
    Closed,
}

impl AppendError {
    /// What a client is told.
    #[must_use]
    pub const fn kafka_error(&self) -> ResponseError {
        match self {
            Self::NoBatch
            | Self::ManyBatches { .. }
            | Self::ControlBatch
            | Self::TransactionalBatch
            | Self::Sequence { .. }
            | Self::RecordCount { .. }
            | Self::OffsetDelta { .. }
            | Self::KeyMissing { .. } => ResponseError::InvalidRecord,
            Self::Batch(error) => of_batch(error),
            Self::Records(RecordsError::UnknownCodec { .. }) => {
                ResponseError::UnsupportedCompressionType
            }
            Self::BatchTooLarge { .. } | Self::Records(RecordsError::TooLong { .. }) => {
                ResponseError::MessageTooLarge
            }
            Self::Records(_) => ResponseError::InvalidRecord,
            Self::AboveSegment { .. } | Self::Refused(AppendRefusal::BatchTooLarge { .. }) => {
                ResponseError::RecordListTooLarge
            }
            Self::Timestamp { .. } | Self::TimestampType => ResponseError::InvalidTimestamp,
            Self::OutOfOrderSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
            Self::ProducerEpoch { .. } => ResponseError::InvalidProducerEpoch,
            Self::Refused(_) | Self::Storage(_) | Self::SyncFailed(_) => {
                ResponseError::KafkaStorageError
            }
            Self::Closed => ResponseError::NotLeaderOrFollower,
        }
    }

    /// The record of the batch that is wrong, when it is one.
    #[must_use]
    pub const fn record_index(&self) -> Option<i32> {
        match self {
            Self::OffsetDelta { index, .. }
            | Self::KeyMissing { index }
            | Self::Timestamp { index, .. }
            | Self::Records(
                RecordsError::Unreadable { index, .. }
                | RecordsError::Field { index, .. }
                | RecordsError::Length { index, .. },
            ) => Some(*index),
            _ => None,
        }
    }
}

const fn of_batch(error: &BatchError) -> ResponseError {
    match error {
        BatchError::UnsupportedMagic { .. } => ResponseError::UnsupportedForMessageFormat,
        BatchError::TooLarge { .. } => ResponseError::MessageTooLarge,
        BatchError::OffsetRange { .. }
        | BatchError::RecordCount { .. }
        | BatchError::ControlRecord { .. } => ResponseError::InvalidRecord,
        BatchError::Length { .. } | BatchError::Crc { .. } | BatchError::Truncated { .. } => {
            ResponseError::CorruptMessage
        }
    }
}
