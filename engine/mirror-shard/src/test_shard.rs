//! Shards, partitions and batches for tests.

use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::LoadedLog;
use kafka_wire::batch_stream::{BatchStep, BatchStream, ValidatedBatch};
use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::control_record::ControlRecord;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{
    BrokerId, PartitionIndex, SourceBroker, SourceId, TopicId, TopicIdPartition, TopicName,
    TopicPartition,
};
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchAttributes;

use crate::bridge::{DivergencePolicy, EngineCommand, EngineReport, NewPartition, PartitionEvent};
use crate::buffer_pool::{BufferLease, ShardBuffers};
use crate::limits::{FRAME_BUFFER_BYTES, RECORD_BUFFER_BYTES, ShardLimits};
use crate::op::{Completion, FileOutcome, Op, PartitionSlot, Tick};
use crate::shard::Shard;

pub(crate) fn at(offset: i64) -> Offset {
    Offset::from_wire(offset).unwrap()
}

pub(crate) fn broker(source: u32, id: i32) -> SourceBroker {
    SourceBroker { source: SourceId::new(source), broker: BrokerId::from_wire(id).unwrap() }
}

pub(crate) fn spec() -> NewPartition {
    spec_of(0)
}

/// A partition of the topic, of broker 1 of source 0.
pub(crate) fn spec_of(index: i32) -> NewPartition {
    let partition = PartitionIndex::from_wire(index).unwrap();
    NewPartition {
        id: TopicIdPartition { topic_id: TopicId::from_wire([7; 16]).unwrap(), partition },
        name: TopicPartition { topic: TopicName::parse("topic").unwrap(), partition },
        source_topic: None,
        source_has_topic_ids: true,
        leader: broker(0, 1),
        source_epoch: None,
        leader_epoch: LeaderEpoch::ZERO,
        log_config: LogConfig::default(),
        recovery_point: None,
        log_start: None,
        clean: false,
        on_divergence: DivergencePolicy::Fail,
    }
}

pub(crate) fn shard() -> Shard {
    shard_with(ShardLimits {
        record_buffer_count: 4,
        connection_count_max: 1,
        ..ShardLimits::STANDARD
    })
}

/// A shard with these limits, for batches up to the size of a record buffer.
pub(crate) fn shard_with(limits: ShardLimits) -> Shard {
    let limits = ShardLimits { batch_bytes_max: RECORD_BUFFER_BYTES, ..limits };
    let make = |count, bytes| {
        let lease = |index| BufferLease::new(index, vec![0; bytes as usize].leak());
        (0..count).map(lease).collect()
    };
    let record = make(limits.record_buffer_count, RECORD_BUFFER_BYTES);
    let frame = make(limits.frame_buffer_count(), FRAME_BUFFER_BYTES);
    Shard::new(0, limits, 1, ShardBuffers { record, frame })
}

/// The load of the partition at a place ends: the log is empty.
pub(crate) fn loaded_empty(slot: u32) -> Completion {
    loaded(slot, PartitionLog::empty(LogConfig::default(), Offset::ZERO))
}

/// The load of the partition at a place ends with this log.
pub(crate) fn loaded(slot: u32, log: PartitionLog) -> Completion {
    let loaded = LoadedLog { log, findings: Vec::new(), is_as_closed: false };
    let result = Ok(FileOutcome::Loaded(Box::new(loaded)));
    Completion::File { slot: PartitionSlot(slot), result }
}

/// Tells the shard something and returns what it asks for, and its reports.
pub(crate) fn step_ops(
    shard: &mut Shard,
    now: Tick,
    commands: &[EngineCommand],
    mut completions: Vec<Completion>,
) -> (Vec<Op>, Vec<EngineReport>) {
    let mut commands = commands.to_vec();
    let (mut ops, mut reports) = (Vec::new(), Vec::new());
    shard.step(now, &mut commands, &mut completions, &mut ops, &mut reports);
    (ops, reports)
}

/// What the reports say of partitions.
pub(crate) fn events(reports: Vec<EngineReport>) -> Vec<PartitionEvent> {
    let event = |report| match report {
        EngineReport::Partition { event, .. } => Some(event),
        _ => None,
    };
    reports.into_iter().filter_map(event).collect()
}

/// Appends one record of epoch `epoch` outside of any transaction.
pub(crate) fn append_plain(log: &mut PartitionLog, epoch: i32) {
    let base = log.accepted_end().offset();
    let mut builder = BatchBuilder::new(base, SourceLeaderEpoch::from_wire(epoch));
    builder.push(&NewRecord { timestamp_ms: 0, key: None, value: None });
    append(log, builder);
}

/// Appends one record of a transaction of `producer`.
pub(crate) fn append_transactional(log: &mut PartitionLog, producer: i64) {
    let base = log.accepted_end().offset();
    let mut builder = BatchBuilder::new(base, None);
    let (id, epoch) = (ProducerId::from_wire(producer), ProducerEpoch::from_wire(0));
    builder.producer = BatchProducer { id, epoch, base_sequence: 0 };
    builder.attributes = BatchAttributes::from_wire(0x10);
    builder.push(&NewRecord { timestamp_ms: 0, key: None, value: None });
    append(log, builder);
}

/// Appends the marker that aborts the transaction of `producer`.
pub(crate) fn append_abort(log: &mut PartitionLog, producer: i64) {
    let base = log.accepted_end().offset();
    let producer = (ProducerId::from_wire(producer).unwrap(), ProducerEpoch::from_wire(0));
    let marker = ControlRecord::Abort { coordinator_epoch: 1 };
    append(log, BatchBuilder::transaction_marker(base, None, producer, marker, 0));
}

/// Appends the mark that voids what is known of producers.
pub(crate) fn append_reset(log: &mut PartitionLog) {
    append(log, BatchBuilder::mirror_pid_reset(log.accepted_end().offset(), None, 0));
}

fn append(log: &mut PartitionLog, builder: BatchBuilder) {
    let batch = validated(&builder.finish());
    let plan = log.plan_append(&batch.header).unwrap();
    assert!(log.append(plan, &batch).rolled.is_none());
}

fn validated(bytes: &[u8]) -> ValidatedBatch {
    let mut stream = BatchStream::new(u32::MAX);
    let (taken, step) = stream.feed(bytes).unwrap();
    assert!(matches!(step, BatchStep::Header(_)));
    match stream.feed(&bytes[taken..]).unwrap() {
        (_, BatchStep::Batch(batch)) => batch,
        (_, step) => panic!("expected a batch, got {step:?}"),
    }
}
