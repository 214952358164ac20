use std::collections::BTreeMap;
use std::fs;

use kafka_wire::partition::TopicName;

use mirror_coordinator::retry::RetryPolicy;

use super::*;
use crate::control_loop::EngineSettings;
use crate::memory_cap::MemoryCap;
use crate::node::READ_ONLY_TOPIC;
use crate::test_directory::TestDirectory;

/// A directory with a topic that was made here, left as a clean stop leaves it.
fn left_clean() -> TestDirectory {
    let root = TestDirectory::new();
    let directory = DataDirectory::open_or_create(&root.0).unwrap();
    let destination = Destination {
        is_served: true,
        ..Destination::unserved(SharedDirectory::new(directory).unwrap())
    };
    destination.directory.take_clean_marker().unwrap();
    let catalog = Arc::clone(&destination.catalog);
    let local = LocalTopics::new(Arc::clone(&destination.directory), catalog);
    assert!(local.open_all(&AtomicBool::new(false)).is_empty());
    local.create(&TopicName::parse("orders").unwrap(), 2, BTreeMap::new()).unwrap();
    local.close_all();
    assert!(destination.settle(true, &mut |_| {}).clean);
    root
}

/// Starts a node that is told to stop at once.
fn stopped_at_once(root: &TestDirectory) -> MirrorOutcome {
    run_at_once(config(root)).unwrap()
}

fn config(root: &TestDirectory) -> NodeConfig {
    NodeConfig {
        data_dir: root.0.clone(),
        listen: BrokerAddress { host: "127.0.0.1".into(), port: 0 },
        advertised: None,
        node_id: BrokerId::from_wire(1).unwrap(),
        network_threads: 1,
        limits: ServerLimits::default(),
        mirrored_write_error: READ_ONLY_TOPIC,
        authorizer: None,
        metrics_listen: None,
        groups: GroupSettings::default(),
        mirror: None,
        broker_settings: BTreeMap::new(),
        memory: MemoryCap::usual(&EngineSettings::default()),
        engine: EngineSettings::default(),
        retry: RetryPolicy::default(),
        seed: 1,
    }
}

fn run_at_once(config: NodeConfig) -> Result<MirrorOutcome, NodeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(config, std::future::ready(()), &mut |_| {}))
}

#[test]
fn a_directory_with_more_partitions_than_there_is_memory_for_is_refused_as_it_is() {
    let root = left_clean();
    let with_room = |partition_count_max| {
        let config = config(&root);
        let memory = MemoryCap { partition_count_max, ..config.memory };
        run_at_once(NodeConfig { memory, ..config })
    };
    let refused = with_room(1).unwrap_err();
    assert!(matches!(refused, NodeError::Memory(_)), "{refused}");
    assert!(refused.to_string().contains("for 2 partitions"), "{refused}");
    assert!(with_room(2).unwrap().clean);
}

#[test]
fn a_stop_while_logs_are_opened_leaves_a_clean_directory_clean() {
    let root = left_clean();
    for _ in 0..5 {
        let outcome = stopped_at_once(&root);
        assert!(outcome.closed && outcome.clean, "{outcome:?}");
        assert!(root.0.join(".kafka_cleanshutdown").exists());
    }
}

#[test]
fn a_stop_while_logs_are_opened_leaves_what_it_opened_closed() {
    let root = left_clean();
    fs::remove_file(root.0.join(".kafka_cleanshutdown")).unwrap();
    for _ in 0..5 {
        let outcome = stopped_at_once(&root);
        assert!(outcome.closed, "{outcome:?}");
        assert_eq!(outcome.clean, root.0.join(".kafka_cleanshutdown").exists());
    }
}
