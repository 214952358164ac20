//! Whole rounds of a shard: a fetch, its answer received, checked and placed, the writes.

use std::sync::Arc;

use kafka_log::log_config::LogConfig;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::{
    BrokerId, PartitionIndex, SourceBroker, SourceId, TopicId, TopicIdPartition, TopicName,
    TopicPartition,
};
use mirror_shard::bridge::{DivergencePolicy, EngineCommand, NewPartition};
use mirror_shard::op::BrokerAddress;

use crate::batch_walk::batches;
use crate::fake_edge::FakeEdge;
use crate::fetch_messages::TOPIC_ID;
use crate::workload::{Runs, Workload};

const FETCHES: usize = 8;

/// One partition in large and in small batches, and very many partitions with a batch each.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    vec![
        rounds("shard/1-partition-1MiB-of-16KiB", 1, 16 << 10, 1 << 20),
        rounds("shard/1-partition-64KiB-of-16KiB", 1, 16 << 10, 64 << 10),
        rounds("shard/1-partition-1MiB-of-100B", 1, 100, 1 << 20),
        rounds("shard/8-partitions-1MiB-of-16KiB", 8, 16 << 10, 1 << 20),
        rounds("shard/1000-partitions-100B", 1000, 100, 1),
    ]
}

/// Rounds in which each partition gets so many bytes of batches, a record of `value_bytes` in each.
fn rounds(name: &str, partitions: usize, value_bytes: usize, partition_bytes: usize) -> Workload {
    Workload::new(name, "batch", move || {
        let (bytes, count) = batches(value_bytes, partition_bytes);
        let mut edge = FakeEdge::new(commands(partitions), partitions, &bytes);
        edge.answer_fetches(FETCHES);
        let units = FETCHES * partitions * count;
        let expected = u64::try_from(units).expect("a count fits 64 bits");
        Runs::new(units, move || {
            let before = edge.counters();
            edge.answer_fetches(FETCHES);
            let after = edge.counters();
            let accepted = after.batches_accepted - before.batches_accepted;
            assert_eq!(accepted, expected, "all batches are taken");
            assert!(after.bytes_written > before.bytes_written, "batches are written");
        })
    })
}

/// Tells a shard to mirror so many partitions of one broker.
fn commands(partitions: usize) -> Vec<EngineCommand> {
    let broker = BrokerId::from_wire(1).expect("not negative");
    let leader = SourceBroker { source: SourceId::new(0), broker };
    let address = BrokerAddress { host: Arc::from("source"), port: 9092 };
    let mut commands = vec![EngineCommand::SetBroker { broker: leader, address }];
    for index in 0..partitions {
        let index = i32::try_from(index).expect("partitions are few");
        let partition = PartitionIndex::from_wire(index).expect("not negative");
        let topic_id = TopicId::from_wire(TOPIC_ID).expect("an id");
        let topic = TopicName::parse("topic").expect("a legal name");
        commands.push(EngineCommand::AddPartition(Box::new(NewPartition {
            id: TopicIdPartition { topic_id, partition },
            name: TopicPartition { topic, partition },
            source_topic: None,
            source_has_topic_ids: true,
            leader,
            source_epoch: None,
            leader_epoch: LeaderEpoch::ZERO,
            log_config: LogConfig::default(),
            recovery_point: None,
            log_start: None,
            clean: false,
            on_divergence: DivergencePolicy::Fail,
        })));
    }
    commands
}
