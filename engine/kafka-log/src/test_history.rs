//! A log under test: batches go to the state and to files in memory, as a shard would do it.

use kafka_wire::batch_stream::{BatchStep, BatchStream, ValidatedBatch};
use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::control_record::ControlRecord;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicId;
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchAttributes;
use proptest::prelude::*;

use crate::closing::{ClosedSegment, close_log, close_segment};
use crate::log_config::LogConfig;
use crate::memory_files::MemoryFiles;
use crate::partition_files::{FileName, PartitionFiles};
use crate::partition_log::{IndexBytesKind, PartitionLog};
use crate::recovery::{LoadRequest, LogCut};

pub(crate) const CONFIG: LogConfig = LogConfig {
    segment_bytes: 900,
    segment_ms: 3 * 24 * 3600 * 1000,
    index_interval_bytes: 150,
    segment_index_bytes: 10 << 20,
};

pub(crate) fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

pub(crate) fn epoch(raw: i32) -> SourceLeaderEpoch {
    SourceLeaderEpoch::from_wire(raw).unwrap()
}

pub(crate) fn producer(raw: i64) -> ProducerId {
    ProducerId::from_wire(raw).unwrap()
}

pub(crate) fn topic_id() -> TopicId {
    TopicId::from_wire([7; 16]).unwrap()
}

pub(crate) fn request() -> LoadRequest {
    LoadRequest {
        topic_id: topic_id(),
        config: CONFIG,
        recovery_point: None,
        log_start: None,
        clean: false,
        cut: LogCut::Keep,
    }
}

pub(crate) fn validated(bytes: &[u8]) -> ValidatedBatch {
    let mut stream = BatchStream::new(u32::MAX);
    let (taken, step) = stream.feed(bytes).unwrap();
    assert!(matches!(step, BatchStep::Header(_)));
    match stream.feed(&bytes[taken..]).unwrap() {
        (_, BatchStep::Batch(batch)) => batch,
        (_, step) => panic!("expected a batch, got {step:?}"),
    }
}

/// What the source appends next.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// Records of a producer (none when negative), after a gap.
    Data { producer: i64, transactional: bool, records: i64, gap: i64, value_bytes: usize },
    /// End of a producer's transaction.
    Marker { producer: i64, abort: bool },
    /// A mirror became writable: all producers are forgotten.
    Reset,
}

/// One batch of a source's history.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) next: Next,
    pub(crate) epoch_bump: i32,
    pub(crate) timestamp_step_ms: i64,
}

pub(crate) fn steps(count: usize, gaps: bool) -> impl Strategy<Value = Vec<Step>> {
    let gap = if gaps { 0_i64..3 } else { 0..1 };
    let data = (-1_i64..4, any::<bool>(), 1_i64..5, gap, 0_usize..200).prop_map(
        |(producer, transactional, records, gap, value_bytes)| Next::Data {
            producer,
            transactional: transactional && producer >= 0,
            records,
            gap,
            value_bytes,
        },
    );
    let marker =
        (0_i64..4, any::<bool>()).prop_map(|(producer, abort)| Next::Marker { producer, abort });
    let next = prop_oneof![6 => data, 2 => marker, 1 => Just(Next::Reset)];
    let day_ms = 24 * 3600 * 1000;
    let time = prop_oneof![Just(0_i64), Just(5), Just(-3), Just(day_ms / 2), Just(day_ms * 2)];
    let bump = prop_oneof![4 => Just(0_i32), 1 => 1_i32..3];
    let step = (next, bump, time).prop_map(|(next, epoch_bump, timestamp_step_ms)| Step {
        next,
        epoch_bump,
        timestamp_step_ms,
    });
    prop::collection::vec(step, 1..count)
}

/// The batches of a history, one by one.
pub(crate) fn batches(steps: &[Step]) -> Vec<Vec<u8>> {
    let (mut next_offset, mut leader_epoch, mut timestamp_ms) = (0_i64, 1_i32, 1_000_000_i64);
    let mut batches = Vec::new();
    for step in steps {
        leader_epoch += step.epoch_bump;
        timestamp_ms += step.timestamp_step_ms;
        let epoch = SourceLeaderEpoch::from_wire(leader_epoch);
        let bytes = match &step.next {
            Next::Data { producer, transactional, records, gap, value_bytes } => {
                let mut builder = BatchBuilder::new(offset(next_offset + gap), epoch);
                if let Some(id) = ProducerId::from_wire(*producer) {
                    let base_sequence = i32::try_from(next_offset).unwrap();
                    let epoch = ProducerEpoch::from_wire(i16::from(leader_epoch > 3));
                    builder.producer = BatchProducer { id: Some(id), epoch, base_sequence };
                    let bits = if *transactional { 0x10 } else { 0 };
                    builder.attributes = BatchAttributes::from_wire(bits);
                }
                let value = vec![b'v'; *value_bytes];
                for _ in 0..*records {
                    builder.push(&NewRecord { timestamp_ms, key: None, value: Some(&value) });
                }
                builder.finish()
            }
            Next::Marker { producer: id, abort } => {
                let coordinator_epoch = 5;
                let marker = if *abort {
                    ControlRecord::Abort { coordinator_epoch }
                } else {
                    ControlRecord::Commit { coordinator_epoch }
                };
                let ids = (producer(*id), ProducerEpoch::from_wire(i16::from(leader_epoch > 3)));
                let base = offset(next_offset);
                BatchBuilder::transaction_marker(base, epoch, ids, marker, timestamp_ms).finish()
            }
            Next::Reset => {
                let base = offset(next_offset);
                BatchBuilder::mirror_pid_reset(base, epoch, timestamp_ms).finish()
            }
        };
        next_offset = validated(&bytes).header.next_offset().get();
        batches.push(bytes);
    }
    batches
}

/// A log, its files, and what is still to be closed.
#[derive(Clone, Debug)]
pub(crate) struct TestLog {
    pub(crate) log: PartitionLog,
    pub(crate) files: MemoryFiles,
    pub(crate) to_close: Vec<ClosedSegment>,
    /// What fills a segment's file before it is used.
    pub(crate) preallocated: Vec<u8>,
}

impl TestLog {
    pub(crate) fn new() -> Self {
        let mut files = MemoryFiles::default();
        let log = crate::recovery::load(&mut files, &request()).unwrap().log;
        Self { log, files, to_close: Vec::new(), preallocated: Vec::new() }
    }

    pub(crate) fn with(batches: &[Vec<u8>]) -> Self {
        let mut test = Self::new();
        for batch in batches {
            test.append(batch);
            test.close_rolled();
        }
        test
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let batch = validated(bytes);
        let plan = self.log.plan_append(&batch.header).unwrap();
        let outcome = self.log.append(plan, &batch);
        self.to_close.extend(outcome.rolled.map(|closed| *closed));
        let log = FileName::log(plan.segment);
        if plan.position == 0 && !self.preallocated.is_empty() {
            self.files.write_at(log, 0, &self.preallocated).unwrap();
            self.files.sync(log).unwrap();
        }
        self.files.write_at(log, u64::from(plan.position), bytes).unwrap();
    }

    pub(crate) fn close_rolled(&mut self) {
        for segment in self.to_close.drain(..) {
            close_segment(&mut self.files, &segment).unwrap();
        }
    }

    pub(crate) fn write_indexes(&mut self) {
        let mut buffer = [0; 50];
        for kind in [IndexBytesKind::Offset, IndexBytesKind::Time, IndexBytesKind::Transaction] {
            while let Some(taken) = self.log.take_index_bytes(kind, &mut buffer) {
                let name = match kind {
                    IndexBytesKind::Offset => FileName::offset_index(taken.segment),
                    IndexBytesKind::Time => FileName::time_index(taken.segment),
                    IndexBytesKind::Transaction => FileName::transaction_index(taken.segment),
                };
                self.files.write_at(name, taken.position, &buffer[..taken.bytes]).unwrap();
            }
        }
    }

    pub(crate) fn close(&mut self) {
        self.close_rolled();
        close_log(&mut self.files, &self.log.close()).unwrap();
    }

    /// The state once everything pending is written, as far as the files tell it.
    pub(crate) fn settled(&self) -> PartitionLog {
        settled(&self.log)
    }

    /// All bytes of all segments, in order.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let bases: Vec<Offset> = self.log.segment_bases().collect();
        let mut bytes = Vec::new();
        for base in bases {
            bytes.extend_from_slice(self.files.contents(FileName::log(base)).unwrap_or_default());
        }
        bytes
    }
}

pub(crate) fn settled(log: &PartitionLog) -> PartitionLog {
    let mut log = log.clone();
    log.active.offset_index.mark_written();
    log.active.time_index.mark_written();
    log.active.transaction_index.mark_written();
    log.epochs_version = 0;
    // Ids of producers forgotten for their age are in segments that need no reading.
    log.producer_id_max = None;
    log
}
