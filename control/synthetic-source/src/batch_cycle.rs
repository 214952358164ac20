//! The prebuilt batches a log repeats: built once, valid byte for byte.
//!
//! The CRC of a batch covers bytes 21 and up, so `baseOffset` and `partitionLeaderEpoch` are
//! patched when a batch is served and everything else is shared memory.

use anyhow::{Context, Result};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};

use super::spec::{BatchContent, Codec};

/// Contiguous batches whose offsets start at 0.
#[derive(Debug)]
pub(crate) struct BatchCycle {
    /// The batches, back to back, with leader epoch 0.
    pub(crate) bytes: Vec<u8>,
    /// Where each batch lies.
    pub(crate) batches: Vec<CycleBatch>,
    /// Offsets the batches cover.
    pub(crate) records: i64,
    /// Batches before which no transaction is open: where a partition may enter the cycle.
    pub(crate) entries: Vec<usize>,
}

/// One batch of a cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CycleBatch {
    /// Where it starts in the cycle's bytes.
    pub(crate) at: usize,
    /// Its bytes.
    pub(crate) bytes: usize,
    /// Its base offset, from the start of the cycle.
    pub(crate) first: i64,
    /// Offsets it covers.
    pub(crate) records: i64,
    /// Batches back to the first one of the transaction that is open behind this batch.
    pub(crate) open_back: Option<i64>,
}

impl BatchCycle {
    /// Builds about `content.cycle_bytes` of batches, at least one.
    pub(crate) fn build(content: &BatchContent, seed: u64) -> Result<Self> {
        let mut builder = CycleBuilder::new(content, seed);
        while builder.buffer.len() < content.cycle_bytes || builder.cycle.batches.is_empty() {
            let draw = builder.random.next() % 1000;
            if draw < u64::from(content.transactions_permille) {
                builder.push_transaction()?;
            } else {
                builder.cycle.entries.push(builder.cycle.batches.len());
                builder.push_data(None)?;
            }
        }
        let CycleBuilder { mut cycle, buffer, .. } = builder;
        cycle.bytes = buffer.to_vec();
        Ok(cycle)
    }
}

/// Markers alternate: every third transaction is aborted.
const ABORT_EVERY: u64 = 3;
/// Producers that take turns, so that producer state stays small.
const PRODUCER_COUNT: usize = 8;
/// First producer id; low ids are left to real producers.
const PRODUCER_ID_FIRST: i64 = 4000;
/// Data batches of a transaction.
const TRANSACTION_BATCHES: usize = 3;
/// Timestamp of the first record; 2023-11-14.
const TIMESTAMP_FIRST_MS: i64 = 1_700_000_000_000;
/// Bytes the values are cut from.
const POOL_BYTES: usize = 1 << 20;
/// Bytes of a record besides its value, about.
const RECORD_OVERHEAD_BYTES: usize = 20;

#[derive(Clone, Copy)]
struct ProducerTurn {
    producer: usize,
    first_batch: usize,
}

struct CycleBuilder<'a> {
    content: &'a BatchContent,
    random: Random,
    pool: Bytes,
    buffer: BytesMut,
    cycle: BatchCycle,
    sequences: [i32; PRODUCER_COUNT],
    transactions: u64,
}

impl<'a> CycleBuilder<'a> {
    fn new(content: &'a BatchContent, seed: u64) -> Self {
        let mut random = Random(seed | 1);
        let pool = random.pool(POOL_BYTES + content.record_bytes);
        let cycle =
            BatchCycle { bytes: Vec::new(), batches: Vec::new(), records: 0, entries: Vec::new() };
        Self {
            content,
            random,
            pool,
            buffer: BytesMut::with_capacity(content.cycle_bytes + 2 * content.batch_bytes),
            cycle,
            sequences: [0; PRODUCER_COUNT],
            transactions: 0,
        }
    }

    fn push_transaction(&mut self) -> Result<()> {
        let first_batch = self.cycle.batches.len();
        self.cycle.entries.push(first_batch);
        let producer = usize::try_from(self.transactions)? % PRODUCER_COUNT;
        let turn = ProducerTurn { producer, first_batch };
        for _ in 0..TRANSACTION_BATCHES {
            self.push_data(Some(turn))?;
        }
        let is_abort = self.transactions % ABORT_EVERY == ABORT_EVERY - 1;
        self.transactions += 1;
        self.push_marker(producer, is_abort)
    }

    fn push_data(&mut self, turn: Option<ProducerTurn>) -> Result<()> {
        let per_batch =
            self.content.batch_bytes / (self.content.record_bytes + RECORD_OVERHEAD_BYTES);
        let count = i64::try_from(per_batch.max(1))?;
        let codec = self.content.codecs.get(self.cycle.batches.len() % self.content.codecs.len());
        let compression = codec.copied().map_or(Compression::None, compression);
        let base_sequence = turn.map_or(NO_SEQUENCE, |turn| self.sequences[turn.producer]);
        let first = self.cycle.records;
        let records = (0..count)
            .map(|index| {
                let mut record = plain_record(first + index, self.value());
                // The encoder keeps records in one batch while offset and sequence rise together.
                record.sequence = base_sequence + i32::try_from(index)?;
                if let Some(turn) = turn {
                    record.transactional = true;
                    record.producer_id = PRODUCER_ID_FIRST + i64::try_from(turn.producer)?;
                    record.producer_epoch = 0;
                }
                Ok(record)
            })
            .collect::<Result<Vec<_>>>()?;
        if let Some(turn) = turn {
            self.sequences[turn.producer] += i32::try_from(count)?;
        }
        let batch = self.cycle.batches.len();
        let open_back = turn.map(|turn| i64::try_from(batch - turn.first_batch)).transpose()?;
        self.encode(&records, compression, open_back)
    }

    fn push_marker(&mut self, producer: usize, is_abort: bool) -> Result<()> {
        let mut key = BytesMut::new();
        key.put_i16(0);
        key.put_i16(if is_abort { 0 } else { 1 });
        let mut value = BytesMut::new();
        value.put_i16(0);
        value.put_i32(0);
        let record = Record {
            transactional: true,
            control: true,
            producer_id: PRODUCER_ID_FIRST + i64::try_from(producer)?,
            producer_epoch: 0,
            key: Some(key.freeze()),
            ..plain_record(self.cycle.records, value.freeze())
        };
        self.encode(&[record], Compression::None, None)
    }

    fn encode(
        &mut self,
        records: &[Record],
        compression: Compression,
        open_back: Option<i64>,
    ) -> Result<()> {
        let at = self.buffer.len();
        let options = RecordEncodeOptions { version: 2, compression };
        RecordBatchEncoder::encode(&mut self.buffer, records, &options)
            .context("encoding a synthetic batch")?;
        let count = i64::try_from(records.len())?;
        self.cycle.batches.push(CycleBatch {
            at,
            bytes: self.buffer.len() - at,
            first: self.cycle.records,
            records: count,
            open_back,
        });
        self.cycle.records += count;
        Ok(())
    }

    fn value(&mut self) -> Bytes {
        let draw = self.random.next() % u64::try_from(POOL_BYTES).unwrap_or(1);
        let at = usize::try_from(draw).unwrap_or(0);
        self.pool.slice(at..at + self.content.record_bytes)
    }
}

fn plain_record(offset: i64, value: Bytes) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: NO_SEQUENCE,
        timestamp: TIMESTAMP_FIRST_MS + offset,
        key: Some(Bytes::copy_from_slice(&offset.to_be_bytes())),
        value: Some(value),
        headers: IndexMap::new(),
    }
}

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::None,
        Codec::Gzip => Compression::Gzip,
        Codec::Snappy => Compression::Snappy,
        Codec::Lz4 => Compression::Lz4,
        Codec::Zstd => Compression::Zstd,
    }
}

/// xorshift64*: the same on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Half noise, half text, so that compression has something to do.
    fn pool(&mut self, bytes: usize) -> Bytes {
        let mut pool = Vec::with_capacity(bytes + 32);
        while pool.len() < bytes {
            pool.extend_from_slice(&self.next().to_be_bytes());
            pool.extend_from_slice(&self.next().to_be_bytes());
            pool.extend_from_slice(b"synthetic record");
        }
        Bytes::from(pool)
    }
}
