//! A source partition's history: every batch it ever served, in every version of its past.
//!
//! An unclean election rewrites the past from some offset on: the old list is kept as a lineage
//! of its own, so that a mirror's bytes can be looked up in whichever version it followed.

use std::rc::Rc;

use bytes::Bytes;
use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::control_record::ControlRecord;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchAttributes;

use crate::random::Random;

/// One batch as the source keeps it.
#[derive(Debug)]
pub(crate) struct SourceBatch {
    pub(crate) base: i64,
    /// One past its last offset.
    pub(crate) next: i64,
    pub(crate) bytes: Bytes,
}

/// One version of the past, from the first batch ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage {
    pub(crate) batches: Vec<Rc<SourceBatch>>,
}

impl Lineage {
    pub(crate) fn end(&self) -> i64 {
        self.batches.last().map_or(0, |batch| batch.next)
    }

    /// Place of the first batch that ends behind `offset`.
    pub(crate) fn place_of(&self, offset: i64) -> usize {
        self.batches.partition_point(|batch| batch.next <= offset)
    }

    /// True when the bytes of the batches from the one based at or behind `base` on hold
    /// `bytes` at `position`.
    pub(crate) fn holds(&self, base: i64, mut position: u64, mut bytes: &[u8]) -> bool {
        let first = self.batches.partition_point(|batch| batch.base < base);
        for batch in &self.batches[first..] {
            let length = batch.bytes.len() as u64;
            if position >= length {
                position -= length;
                continue;
            }
            let from = &batch.bytes[usize::try_from(position).expect("below a length")..];
            let common = from.len().min(bytes.len());
            if from[..common] != bytes[..common] {
                return false;
            }
            (bytes, position) = (&bytes[common..], 0);
            if bytes.is_empty() {
                return true;
            }
        }
        bytes.is_empty()
    }
}

/// How big batches get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSizes {
    pub(crate) typical_bytes_max: u64,
    /// Per mille of batches that have up to `huge_bytes_max`.
    pub(crate) huge_permille: u64,
    pub(crate) huge_bytes_max: u64,
    pub(crate) gaps: bool,
    pub(crate) transactions: bool,
}

/// Makes the next batch of a partition.
#[derive(Clone, Debug)]
pub(crate) struct BatchMaker {
    sizes: BatchSizes,
    timestamp_ms: i64,
    sequence: i32,
}

impl BatchMaker {
    pub(crate) const fn new(sizes: BatchSizes) -> Self {
        Self { sizes, timestamp_ms: 1_700_000_000_000, sequence: 0 }
    }

    pub(crate) fn make(&mut self, random: &mut Random, end: i64, epoch: i32) -> SourceBatch {
        self.timestamp_ms += random.range_i64(-5, 3_000);
        let gap = if self.sizes.gaps && random.percent(10) { random.range_i64(1, 30) } else { 0 };
        let base = offset(end + gap);
        let source_epoch = SourceLeaderEpoch::from_wire(epoch);
        let builder = if self.sizes.transactions && random.percent(15) {
            self.marker(random, base, source_epoch)
        } else {
            self.data(random, base, source_epoch)
        };
        let bytes = Bytes::from(builder.finish());
        let header = kafka_wire::record_batch::RecordBatchView::parse(&bytes, u32::MAX)
            .expect("the writer makes whole batches");
        let next = header.header().next_offset().get();
        SourceBatch { base: base.get(), next, bytes }
    }

    fn marker(
        &self,
        random: &mut Random,
        base: Offset,
        epoch: Option<SourceLeaderEpoch>,
    ) -> BatchBuilder {
        let coordinator_epoch = 5;
        let marker = match random.below(5) {
            0 | 1 => ControlRecord::Abort { coordinator_epoch },
            2 | 3 => ControlRecord::Commit { coordinator_epoch },
            _ if self.timestamp_ms % 2 == 0 => {
                return BatchBuilder::mirror_pid_reset(base, epoch, self.timestamp_ms);
            }
            _ => ControlRecord::Other { kind: 2 },
        };
        let id = ProducerId::from_wire(random.range_i64(0, 3)).expect("not negative");
        let producer = (id, ProducerEpoch::from_wire(0));
        BatchBuilder::transaction_marker(base, epoch, producer, marker, self.timestamp_ms)
    }

    fn data(
        &mut self,
        random: &mut Random,
        base: Offset,
        epoch: Option<SourceLeaderEpoch>,
    ) -> BatchBuilder {
        let mut builder = BatchBuilder::new(base, epoch);
        if random.percent(40) {
            let id = ProducerId::from_wire(random.range_i64(0, 3));
            let epoch = ProducerEpoch::from_wire(i16::from(random.percent(5)));
            builder.producer = BatchProducer { id, epoch, base_sequence: self.sequence };
            self.sequence += 1;
            let transactional = self.sizes.transactions && random.percent(50);
            builder.attributes = BatchAttributes::from_wire(if transactional { 0x10 } else { 0 });
        }
        let huge = random.permille(self.sizes.huge_permille);
        let bytes_max = if huge { self.sizes.huge_bytes_max } else { self.sizes.typical_bytes_max };
        let bytes = random.below(bytes_max);
        let records = random.range(1, 5);
        let mut value = vec![0; usize::try_from(bytes / records).expect("small")];
        let stamp = random.next().to_be_bytes();
        for piece in value.chunks_mut(512) {
            let length = piece.len().min(stamp.len());
            piece[..length].copy_from_slice(&stamp[..length]);
        }
        for _ in 0..records {
            let timestamp_ms = self.timestamp_ms;
            builder.push(&NewRecord { timestamp_ms, key: None, value: Some(&value) });
        }
        if self.sizes.gaps && random.percent(10) {
            builder.end_at_delta(i32::try_from(random.range(5, 20)).expect("small"));
        }
        builder
    }
}

pub(crate) fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).expect("the simulator counts from 0")
}
