//! Whole runs against the synthetic source: the real engine, real files, loopback.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use kafka_wire::partition::{BrokerId, TopicName, TopicPartition};
use mirror_coordinator::cluster_metadata::{BoundTopic, ClusterMetadata, Mirror};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::lifecycle::UncleanElection;
use mirror_coordinator::retry::RetryPolicy;
use mirror_node::client_properties::{ClientProperties, parse_address};
use mirror_node::control_loop::{ConfiguredMirror, EngineSettings, MirrorConfig};
use mirror_node::directory::DataDirectory;
use mirror_node::handover::{self, HandoverError, KafkaRelease};
use mirror_node::mirror_news::{MirrorEnd, MirrorNews, MirrorOutcome};
use mirror_node::partition_check;
use mirror_node::random_id::random_id;
use mirror_node::topic_filter::TopicFilter;
use mirror_node::verify::{self, VerifyConfig, VerifyReport};
use mirror_uring::ShardLimits;
use synthetic_source::SyntheticSource;
use synthetic_source::spec::{BatchContent, LogSize, SyntheticSpec, TopicSpec};

use super::{exit_code, headline, mirror, words_of_open_logs};
use crate::exit_code::{CommandError, ExitCode};

/// A source with the topic `orders` and a directory of its own, both gone at the end.
struct Rig {
    source: SyntheticSource,
    root: PathBuf,
}

impl Rig {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("ringmirror-run-{}", random_id().unwrap()));
        Self { source: source("one"), root }
    }

    fn config(&self, topics: &str) -> MirrorConfig {
        MirrorConfig {
            data_dir: self.root.clone(),
            mirror: ConfiguredMirror {
                name: super::mirror_name(),
                properties: self.properties(),
                filter: TopicFilter::new(topics, None).unwrap(),
                unclean_election: UncleanElection::Fail,
            },
            engine: EngineSettings {
                cores: vec![0],
                limits: ShardLimits::default(),
                recent_bytes: 0,
            },
            retry: RetryPolicy::default(),
            until_caught_up: true,
            seed: 1,
        }
    }

    fn properties(&self) -> ClientProperties {
        let address = parse_address(&self.source.bootstrap()).unwrap();
        ClientProperties {
            bootstrap_servers: vec![address],
            metadata_refresh_ms: 100,
            ..ClientProperties::default()
        }
    }

    fn mirror(&self, topics: &str) -> Result<(MirrorOutcome, Vec<MirrorNews>), CommandError> {
        let mut heard = Vec::new();
        let outcome = mirror(self.config(topics), &mut |news| heard.push(news))?;
        Ok((outcome, heard))
    }

    fn verify(&self) -> VerifyReport {
        let config = VerifyConfig {
            properties: self.properties(),
            data_dir: self.root.clone(),
            filter: TopicFilter::new(".*", None).unwrap(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(verify::verify(config, &mut |_| {})).unwrap()
    }

    /// Has `orders` be in a state that a node left it in.
    fn leave(&self, desired: DesiredState) {
        let mut directory = DataDirectory::open_or_create(&self.root).unwrap();
        let name = TopicName::parse("orders").unwrap();
        let topic_id = directory.state.topics[&name].topic_id;
        let mirror = super::mirror_name();
        let bound = BoundTopic { topic_id, mirror: mirror.clone(), desired, changed_at: 0 };
        directory.state.cluster_mirrors = ClusterMetadata::restored(
            1,
            BTreeMap::from([(mirror, Mirror::default())]),
            BTreeMap::from([(name, bound)]),
            Default::default(),
        )
        .unwrap();
        directory.write_state().unwrap();
    }

    fn orders(index: i32) -> TopicPartition {
        TopicPartition::parse_directory(&format!("orders-{index}")).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).unwrap();
    }
}

fn source(cluster_id: &str) -> SyntheticSource {
    source_with(cluster_id, &["orders"])
}

fn source_with(cluster_id: &str, names: &[&str]) -> SyntheticSource {
    let topic = |name: &&str| {
        let name = TopicName::parse(name).unwrap();
        let mut topic = TopicSpec::new(name, 2, LogSize::Bytes(2 << 20));
        topic.content = BatchContent {
            transactions_permille: 200,
            cycle_bytes: 1 << 20,
            ..BatchContent::default()
        };
        topic
    };
    let (cluster_id, topics) = (cluster_id.to_owned(), names.iter().map(topic).collect());
    SyntheticSource::start(&SyntheticSpec { cluster_id, topics, ..SyntheticSpec::default() })
        .unwrap()
}

#[test]
fn what_was_mirrored_is_equal_and_a_second_run_takes_only_what_is_new() {
    let rig = Rig::new();
    let (outcome, _) = rig.mirror("orders").unwrap();
    assert_eq!((outcome.end, outcome.clean), (MirrorEnd::CaughtUp, true));
    assert!(rig.verify().equal);
    rig.source.append(&Rig::orders(0), 3).unwrap();
    let behind = rig.verify();
    assert!(behind.equal && behind.partitions[0].notes.len() == 1, "{behind:?}");
    let (outcome, _) = rig.mirror("orders").unwrap();
    assert!(outcome.progress.offsets_done > 0 && outcome.progress.offsets_done < 1_000);
    let report = rig.verify();
    assert!(report.equal && report.partitions[0].notes.is_empty(), "{report:?}");
}

#[test]
fn a_log_left_open_is_no_success() {
    let rig = Rig::new();
    let (mut outcome, _) = rig.mirror("orders").unwrap();
    assert_eq!((exit_code(&outcome, true), words_of_open_logs(&outcome)), (ExitCode::Done, None));
    // Logs of earlier runs that this one had nothing to do with are no fault of it.
    outcome.clean = false;
    assert_eq!(exit_code(&outcome, true), ExitCode::Done);
    assert!(words_of_open_logs(&outcome).unwrap().contains("did not touch"));
    outcome.closed = false;
    assert!(words_of_open_logs(&outcome).unwrap().contains("start again"));
    assert_eq!(exit_code(&outcome, true), ExitCode::Failed);
    outcome.end = MirrorEnd::Stopped;
    assert_eq!(exit_code(&outcome, false), ExitCode::Failed);
    assert_eq!(exit_code(&outcome, true), ExitCode::Interrupted);
}

#[test]
fn a_recreated_topic_is_never_merged_and_stays_stopped() {
    let rig = Rig::new();
    rig.mirror("orders").unwrap();
    let before = partition_check::check(&rig.root, &Rig::orders(0)).unwrap();
    rig.source.recreate_topic(&TopicName::parse("orders").unwrap()).unwrap();
    for _ in 0..2 {
        let (outcome, heard) = rig.mirror("orders").unwrap();
        assert_eq!(outcome.failed.len(), 1);
        assert!(outcome.failed[0].reason.contains("deleted and recreated"), "{outcome:?}");
        assert!(heard.iter().any(|news| matches!(news, MirrorNews::TopicLost { .. })));
    }
    let after = partition_check::check(&rig.root, &Rig::orders(0)).unwrap();
    assert_eq!((before.topic_id, before.log_end), (after.topic_id, after.log_end));
    assert!(!rig.verify().equal);
}

#[test]
fn another_cluster_behind_the_address_is_refused() {
    let mut rig = Rig::new();
    rig.mirror("orders").unwrap();
    rig.source = source("two");
    let error = rig.mirror("orders").unwrap_err();
    assert_eq!(error.code, ExitCode::Source);
    assert!(error.error.to_string().contains("mirrors cluster one"), "{:?}", error.error);
}

#[test]
fn a_filter_that_selects_nothing_says_so() {
    let rig = Rig::new();
    let (outcome, heard) = rig.mirror("payments").unwrap();
    assert_eq!(outcome.end, MirrorEnd::NothingSelected);
    assert!(heard.contains(&MirrorNews::NothingSelected { topics_at_source: 1 }));
}

#[test]
fn a_topic_that_a_node_stopped_is_left_out_and_told() {
    let mut rig = Rig::new();
    rig.source = source_with("one", &["orders", "payments"]);
    rig.mirror("orders").unwrap();
    for (desired, told) in [(DesiredState::Stopped, "STOPPED"), (DesiredState::Paused, "PAUSED")] {
        rig.leave(desired);
        let (outcome, heard) = rig.mirror("orders").unwrap();
        assert_eq!(outcome.end, MirrorEnd::NothingSelected);
        assert_eq!(headline(&outcome), "nothing to mirror: all that is selected is named below");
        assert_eq!(exit_code(&outcome, true), ExitCode::Failed);
        assert!(!heard.iter().any(|news| matches!(news, MirrorNews::NothingSelected { .. })));
        let (outcome, heard) = rig.mirror(".*").unwrap();
        assert_eq!((outcome.end, exit_code(&outcome, true)), (MirrorEnd::CaughtUp, ExitCode::Done));
        let [left_out] = &outcome.left_out[..] else { panic!("{outcome:?}") };
        assert!(left_out.name == "orders" && left_out.reason.contains(told), "{left_out:?}");
        let (topic, reason) = (left_out.name.clone(), left_out.reason.clone());
        let count = heard.iter().filter(|news| {
            **news == MirrorNews::TopicLost { topic: topic.clone(), reason: reason.clone() }
        });
        assert_eq!(count.count(), 1, "{heard:?}");
        assert_eq!(
            headline(&outcome),
            "caught up: what the source had at the start is here, but for what is named below"
        );
        let (outcome, _) = rig.mirror("payments").unwrap();
        assert!(outcome.left_out.is_empty(), "what is not asked for is not left out");
    }
}

#[test]
fn handover_refuses_damage_and_the_next_run_repairs_it() {
    let rig = Rig::new();
    rig.mirror("orders").unwrap();
    let segment = rig.root.join("orders-1/00000000000000000000.log");
    let mut contents = fs::read(&segment).unwrap();
    let middle = contents.len() / 2;
    contents[middle] ^= 0x40;
    fs::write(&segment, contents).unwrap();
    let report = rig.verify();
    assert!(!report.equal && report.partitions[1].difference.is_some());
    let node = BrokerId::from_wire(7).unwrap();
    let release = KafkaRelease::parse("4.0").unwrap();
    // As often as it is asked: what recovery would cut off is not given up.
    for _ in 0..2 {
        let error = handover::hand_over(&rig.root, node, release).unwrap_err();
        assert!(
            matches!(&error, HandoverError::Damaged { problems } if problems.len() == 1),
            "{error}"
        );
    }
    let (outcome, heard) = rig.mirror("orders").unwrap();
    assert!(outcome.clean);
    assert!(heard.iter().any(|news| matches!(news, MirrorNews::Repaired { .. })), "{heard:?}");
    assert!(rig.verify().equal);
    let handed = handover::hand_over(&rig.root, node, release).unwrap();
    assert_eq!(handed.partitions[0].leader_epoch, 1);
    assert!(handed.next_producer_id.is_some());
    for file in ["bootstrap.checkpoint", ".kafka_cleanshutdown", "meta.properties"] {
        assert!(rig.root.join(file).exists(), "{file}");
    }
}

#[test]
fn handover_closes_what_a_crash_left_open() {
    let rig = Rig::new();
    rig.mirror("orders").unwrap();
    fs::remove_file(rig.root.join(".kafka_cleanshutdown")).unwrap();
    fs::remove_file(rig.root.join("recovery-point-offset-checkpoint")).unwrap();
    let segment = rig.root.join("orders-0/00000000000000000000.log");
    let mut contents = fs::read(&segment).unwrap();
    contents.extend([0x55; 700]);
    fs::write(&segment, contents).unwrap();
    let release = KafkaRelease::parse("3.9").unwrap();
    let handed = handover::hand_over(&rig.root, BrokerId::from_wire(1).unwrap(), release).unwrap();
    assert!(handed.notes.iter().any(|note| note.contains("700 bytes")), "{:?}", handed.notes);
    assert!(rig.verify().equal);
}
