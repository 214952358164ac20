use super::*;
use crate::test_directory::TestDirectory;
use kafka_log::log_config::LogConfig;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::{
    BrokerId, PartitionIndex, SourceBroker, SourceId, TopicId, TopicPartition,
};
use mirror_shard::bridge::{DivergencePolicy, EngineReport, NewPartition, PartitionEvent};
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

fn broker(id: i32) -> SourceBroker {
    SourceBroker { source: SourceId::new(0), broker: BrokerId::from_wire(id).unwrap() }
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
    let broker = broker(1);
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

fn new_partition(directory_name: &str, clean: bool) -> NewPartition {
    let name = TopicPartition::parse_directory(directory_name).unwrap();
    let topic_id = TopicId::from_wire([1; 16]).unwrap();
    NewPartition {
        id: TopicIdPartition { topic_id, partition: name.partition },
        name,
        source_topic: None,
        source_has_topic_ids: true,
        leader: broker(1),
        source_epoch: None,
        leader_epoch: LeaderEpoch::ZERO,
        log_config: LogConfig::default(),
        recovery_point: None,
        log_start: None,
        clean,
        on_divergence: DivergencePolicy::Truncate,
    }
}

/// Takes reports until `wanted` says yes to one.
fn wait_for(reports: &mut Reports, wanted: impl Fn(&EngineReport) -> bool) {
    loop {
        let report = reports.recv_timeout(LONG).expect("the report wanted comes in time");
        if wanted(&report) {
            return;
        }
    }
}

#[test]
fn partitions_of_an_unreachable_broker_are_loaded_reported_and_closed() {
    let directory = TestDirectory::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for is_again in [false, true] {
        let (engine, mut reports) = Engine::start(config(&directory)).unwrap();
        let address = BrokerAddress { host: "127.0.0.1".into(), port };
        let broker = broker(1);
        engine.send_blocking(EngineCommand::SetBroker { broker, address }).unwrap();
        for name in ["orders-0", "orders-1"] {
            let new = Box::new(new_partition(name, is_again));
            let id = new.id;
            engine.send_blocking(EngineCommand::AddPartition(new)).unwrap();
            assert!(engine.shard_of(&id).is_some());
        }
        for _ in 0..2 {
            wait_for(&mut reports, |report| match report {
                EngineReport::Partition { event, .. } => {
                    matches!(event, PartitionEvent::Loaded { findings, .. } if findings.is_empty())
                }
                _ => false,
            });
        }
        wait_for(&mut reports, |report| {
            matches!(report, EngineReport::BrokerUnreachable { reason, attempt: 2, .. }
                if reason.contains("refused"))
        });
        let count = engine.shard_count();
        engine.stop().unwrap();
        assert_eq!(stopped_shards(&mut reports), all_clean(count));
        for name in ["orders-0", "orders-1"] {
            assert!(directory.path().join(name).join("partition.metadata").exists());
        }
    }
}

#[test]
fn a_removed_partition_loses_its_directory_and_its_route() {
    let directory = TestDirectory::new();
    let (engine, mut reports) = Engine::start(config(&directory)).unwrap();
    let new = Box::new(new_partition("orders-7", false));
    let partition = new.id;
    engine.send_blocking(EngineCommand::AddPartition(new)).unwrap();
    engine.send_blocking(EngineCommand::Remove { partition, delete: true }).unwrap();
    wait_for(&mut reports, |report| {
        matches!(report, EngineReport::Partition { event: PartitionEvent::Removed(_), .. })
    });
    assert_eq!(engine.shard_of(&partition), None);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    engine.stop().unwrap();
}

/// Opens the log as another writer does that trusts its files, and tells what has to be repaired.
fn open_handed_over(
    directory: &TestDirectory,
    name: &str,
) -> Vec<kafka_log::recovery::LoadFinding> {
    let mut files = crate::real_files::RealFiles::new(directory.path().join(name));
    let request = kafka_log::recovery::LoadRequest {
        topic_id: TopicId::from_wire([1; 16]).unwrap(),
        config: LogConfig::default(),
        recovery_point: None,
        log_start: None,
        clean: true,
        cut: kafka_log::recovery::LogCut::Keep,
    };
    kafka_log::recovery::load(&mut files, &request).unwrap().findings
}

#[test]
fn a_partition_is_handed_over_and_taken_back_many_times() {
    let directory = TestDirectory::new();
    let (engine, mut reports) = Engine::start(config(&directory)).unwrap();
    let partition = new_partition("orders-3", false).id;
    let is_removed = |report: &EngineReport| {
        let EngineReport::Partition { event: PartitionEvent::Removed(progress), .. } = report
        else {
            return false;
        };
        assert!(progress.is_some(), "nothing hindered closing the log");
        true
    };
    let add = || EngineCommand::AddPartition(Box::new(new_partition("orders-3", false)));
    engine.send_blocking(add()).unwrap();
    for _ in 0..5 {
        wait_for(&mut reports, |report| {
            let EngineReport::Partition { event, .. } = report else { return false };
            matches!(event, PartitionEvent::Loaded { findings, .. } if findings.is_empty())
        });
        engine.send_blocking(EngineCommand::Remove { partition, delete: false }).unwrap();
        wait_for(&mut reports, is_removed);
        assert_eq!(open_handed_over(&directory, "orders-3"), vec![]);
        engine.send_blocking(add()).unwrap();
    }
    // At once, without waiting for the end of the life before.
    engine.send_blocking(EngineCommand::Remove { partition, delete: false }).unwrap();
    engine.send_blocking(add()).unwrap();
    wait_for(&mut reports, is_removed);
    assert!(engine.shard_of(&partition).is_some());
    let count = engine.shard_count();
    engine.stop().unwrap();
    assert_eq!(stopped_shards(&mut reports), all_clean(count));
}

#[test]
fn a_rate_is_shared_out_without_anything_left_over() {
    let share = |rate, shards| share_of(NonZeroU64::new(rate).unwrap(), shards).get();
    assert_eq!(share(1_000, 1), 1_000);
    assert_eq!(share(1_000, 3), 333);
    assert_eq!(share(2, 3), 1, "no shard is told that there is no bound");
}
