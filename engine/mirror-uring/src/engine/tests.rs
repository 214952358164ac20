use super::*;
use crate::test_directory::TestDirectory;
use kafka_wire::partition::{BrokerId, PartitionIndex, TopicId};
use mirror_shard::bridge::EngineReport;
use mirror_shard::op::BrokerAddress;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn config(directory: &TestDirectory) -> EngineConfig {
    EngineConfig {
        data_dir: directory.path().to_owned(),
        cores: vec![],
        limits: ShardLimits { connection_count_max: 2, ..ShardLimits::default() },
        seed: 1,
    }
}

fn stopped_shards(reports: &mut Reports) -> Vec<(u32, bool)> {
    let mut stopped = Vec::new();
    while let Some(report) = reports.recv_timeout(LONG) {
        if let EngineReport::Stopped { shard, clean } = report {
            stopped.push((shard, clean));
        }
    }
    stopped.sort_unstable();
    stopped
}

fn all_clean(count: usize) -> Vec<(u32, bool)> {
    (0..u32::try_from(count).unwrap()).map(|shard| (shard, true)).collect()
}

#[test]
fn an_engine_without_partitions_starts_and_stops_on_every_core() {
    let directory = TestDirectory::new();
    let (engine, mut reports) = Engine::start(config(&directory)).unwrap();
    let count = engine.shard_count();
    assert_eq!(count, affinity::allowed_cpus().len());
    let address = BrokerAddress { host: "localhost".into(), port: 9 };
    let broker = BrokerId::from_wire(1).unwrap();
    engine.send_blocking(EngineCommand::SetBroker { broker, address }).unwrap();
    let received = engine.counters().into_iter().map(|counters| counters.bytes_received);
    assert_eq!(received.collect::<Vec<u64>>(), vec![0; count]);
    engine.stop().unwrap();
    assert_eq!(stopped_shards(&mut reports), all_clean(count));
}

#[test]
fn a_dropped_engine_ends_its_threads() {
    let directory = TestDirectory::new();
    let (engine, mut reports) = Engine::start(config(&directory)).unwrap();
    let count = engine.shard_count();
    drop(engine);
    assert_eq!(stopped_shards(&mut reports), all_clean(count));
}

#[test]
fn an_order_to_stop_ends_the_shards_and_later_orders_are_refused() {
    let directory = TestDirectory::new();
    let (engine, mut reports) = Engine::start(config(&directory)).unwrap();
    engine.try_send(EngineCommand::Stop).unwrap();
    assert_eq!(stopped_shards(&mut reports), all_clean(engine.shard_count()));
    let refused = engine.try_send(EngineCommand::Stop).unwrap_err();
    assert!(matches!(refused, EngineError::ShardEnded { shard: 0 }), "{refused}");
    engine.stop().unwrap();
}

#[test]
fn orders_for_unknown_partitions_are_refused() {
    let directory = TestDirectory::new();
    let (engine, _reports) = Engine::start(config(&directory)).unwrap();
    let topic_id = TopicId::from_wire([1; 16]).unwrap();
    let partition = PartitionIndex::from_wire(5).unwrap();
    let partition = TopicIdPartition { topic_id, partition };
    let refused = engine.try_send(EngineCommand::Pause(partition)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "partition 5 of topic AQEBAQEBAQEBAQEBAQEBAQ is not mirrored here"
    );
    engine.stop().unwrap();
}

#[test]
fn a_data_directory_that_is_missing_or_a_file_is_refused_by_name() {
    let directory = TestDirectory::new();
    let missing = directory.path().join("missing");
    let refused = Engine::start(EngineConfig { data_dir: missing.clone(), ..config(&directory) });
    let text = refused.unwrap_err().to_string();
    assert!(text.starts_with(&format!("data directory {}: ", missing.display())), "{text}");
    std::fs::write(&missing, b"").unwrap();
    let refused = Engine::start(EngineConfig { data_dir: missing, ..config(&directory) });
    assert!(matches!(refused.unwrap_err(), EngineError::DataDir { .. }));
}

#[test]
fn a_core_that_may_not_be_used_and_limits_that_do_not_fit_are_refused() {
    let directory = TestDirectory::new();
    let refused = Engine::start(EngineConfig { cores: vec![1000], ..config(&directory) });
    assert!(matches!(refused.unwrap_err(), EngineError::CoreNotAllowed { core: 1000, .. }));
    let limits = ShardLimits { writes_in_flight_max: 4000, ..config(&directory).limits };
    let refused = Engine::start(EngineConfig { limits, ..config(&directory) });
    assert!(matches!(refused.unwrap_err(), EngineError::Limits { .. }));
}

#[test]
fn a_refused_ring_is_explained_with_its_fix() {
    let text = |code| EngineError::from_ring(std::io::Error::from_raw_os_error(code)).to_string();
    assert!(text(libc::EPERM).contains("kernel.io_uring_disabled"));
    assert!(text(libc::ENOSYS).contains("no io_uring"));
    assert!(text(libc::EINVAL).contains("too old"));
}
