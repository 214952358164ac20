//! What an append costs beside its bytes: the plan, the indexes, epochs and producers.

use std::hint::black_box;

use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::{IndexBytesKind, PartitionLog};
use kafka_wire::batch_stream::ValidatedBatch;
use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::RecordBatchView;

use crate::workload::{Runs, Workload, counted};

const BATCHES: usize = 4096;
/// What a shard takes at a time.
const INDEX_BYTES: usize = 16 << 10;

/// Small batches, which the indexes skip; large ones, each of which gets an entry; and those of
/// idempotent producers.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        appending("log-append/100B", 100, 0),
        appending("log-append/16KiB", 16 << 10, 0),
        appending("log-append/16KiB-20-producers", 16 << 10, 20),
    ]
}

fn appending(name: &str, value_bytes: usize, producers: i64) -> Workload {
    Workload::new(name, "batch", move || {
        let mut log = PartitionLog::empty(LogConfig::default(), Offset::ZERO);
        let mut samples: Vec<_> =
            (0..producers).map(|id| sample(value_bytes, ProducerId::from_wire(id))).collect();
        if samples.is_empty() {
            samples.push(sample(value_bytes, None));
        }
        let mut index = vec![0; INDEX_BYTES];
        Runs::new(BATCHES, move || {
            counted(|| append(&mut log, black_box(&samples), &mut index));
        })
    })
}

/// Appends at the end of `log`, one of the samples after the other, and takes the index bytes.
fn append(log: &mut PartitionLog, samples: &[ValidatedBatch], index: &mut [u8]) {
    let mut next = samples.iter().cycle();
    for count in 0..BATCHES {
        let mut batch = *next.next().expect("there is a sample");
        batch.header.base_offset = log.accepted_end().offset();
        batch.header.max_timestamp_ms = batch.header.base_offset.get();
        let plan = log.plan_append(&batch.header).expect("the batch continues the log");
        let outcome = log.append(plan, &batch);
        assert_eq!(outcome.next_offset, log.accepted_end().offset(), "the log goes on");
        if count % 64 == 63 && log.pending_index_bytes() > 0 {
            log.take_index_bytes(IndexBytesKind::Offset, index);
            log.take_index_bytes(IndexBytesKind::Time, index);
        }
    }
}

fn sample(value_bytes: usize, id: Option<ProducerId>) -> ValidatedBatch {
    let mut builder = BatchBuilder::new(Offset::ZERO, SourceLeaderEpoch::from_wire(3));
    if id.is_some() {
        builder.producer =
            BatchProducer { id, epoch: ProducerEpoch::from_wire(0), base_sequence: 0 };
    }
    let value = vec![0x5a; value_bytes];
    builder.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(&value) });
    let bytes = builder.finish();
    let view = RecordBatchView::parse(&bytes, u32::MAX).expect("the batch is valid");
    ValidatedBatch { header: *view.header(), control: view.control() }
}
