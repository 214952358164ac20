use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::partition::{TopicId, TopicName};
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchAttributes;

use super::*;
use crate::catalog::{Binding, Catalog, TopicSpec};
use crate::directory::DataDirectory;
use crate::directory_state::MirrorTopic;
use crate::shared_directory::SharedDirectory;
use crate::test_directory::TestDirectory;
use crate::writable_log::{AppendError, LogSettings, LogSpec};

mod together;

const NOW_MS: i64 = 1_700_000_000_000;
const SOURCE_EPOCH: i32 = 3;

/// A node's directory with one mirrored topic of one partition.
struct Node {
    topics: LocalTopics,
    partition: Arc<Partition>,
}

fn name() -> TopicName {
    TopicName::parse("orders").unwrap()
}

fn id() -> TopicId {
    TopicId::from_wire([7; 16]).unwrap()
}

fn epoch(raw: i32) -> LeaderEpoch {
    LeaderEpoch::from_wire(raw).unwrap()
}

fn producer(raw: i64) -> ProducerId {
    ProducerId::from_wire(raw).unwrap()
}

impl Node {
    fn start(root: &TestDirectory) -> Self {
        let mut directory = DataDirectory::open_or_create(&root.0).unwrap();
        let topic = MirrorTopic {
            topic_id: id(),
            source_has_topic_ids: true,
            partition_count: 1,
            configs: BTreeMap::new(),
            leader_epochs: vec![epoch(SOURCE_EPOCH)],
        };
        directory.state.topics.entry(name()).or_insert(topic);
        directory.write_state().unwrap();
        let directory = SharedDirectory::new(directory).unwrap();
        directory.take_clean_marker().unwrap();
        let catalog = Arc::new(Catalog::new(root.0.clone()));
        let spec = TopicSpec {
            id: id(),
            binding: Binding::Bound,
            configs: BTreeMap::new(),
            partition_count: 1,
        };
        let partition = Arc::clone(&catalog.put(&name(), spec).partitions[0]);
        Self { topics: LocalTopics::new(directory, catalog), partition }
    }

    /// Writes what the engine would have written, and leaves the log as it does.
    fn mirror(&self, batches: &[Vec<u8>]) {
        let partition = &self.partition;
        let spec = LogSpec {
            view: Arc::clone(&partition.view),
            topic_id: id(),
            settings: LogSettings::default(),
            recovery_point: None,
            log_start: None,
            clean: true,
            leader_epoch: epoch(SOURCE_EPOCH),
            cut_count: 4,
        };
        let (log, _) = WritableLog::open(spec).unwrap();
        for batch in batches {
            log.append_records(batch).unwrap();
        }
        let end = log.close_shown().unwrap();
        self.topics.note(partition, end, LogStartOffset::default());
        self.topics.directory.note_closed(&partition.name);
    }

    fn seal(&self, at: i32) -> Sealed {
        self.topics.seal(&self.partition, epoch(at), NOW_MS).unwrap()
    }

    /// Seals the log as one of many.
    fn seal_with_others(&self, at: i32) -> Sealed {
        let orders = [(Arc::clone(&self.partition), epoch(at))];
        self.topics.seal_together(&orders, NOW_MS).remove(0).unwrap()
    }

    /// The files of the log and their contents.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.partition.view.directory()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// The files are as a clean start needs them.
    fn assert_clean(&self) {
        let spec = self.topics.spec_of_log(&self.partition, LogSettings::default());
        assert!(spec.clean);
        let (_, findings) = WritableLog::open(spec).unwrap();
        assert_eq!(findings, []);
    }

    fn open(&self, at: i32) {
        self.topics.open_for_writing(&self.partition, epoch(at)).unwrap();
    }

    fn produce(&self, batch: &[u8]) -> Result<i64, AppendError> {
        let log = self.partition.log().unwrap();
        log.append_produced(batch, NOW_MS).map(|appended| appended.base_offset.get())
    }

    fn state(&self) -> Arc<LogState> {
        self.partition.view.state().unwrap()
    }

    fn end(&self) -> i64 {
        self.state().log_end.offset().get()
    }

    fn stop(self) {
        self.topics.close_all();
        self.topics.directory.write_checkpoints().unwrap();
        assert!(self.topics.directory.write_clean_marker().unwrap());
    }
}

fn data(by: BatchProducer, attributes: u16) -> Vec<u8> {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    batch.producer = by;
    batch.attributes = BatchAttributes::from_wire(attributes);
    batch.push(&NewRecord { timestamp_ms: NOW_MS, key: None, value: Some(b"value") });
    batch.finish()
}

fn plain() -> Vec<u8> {
    data(BatchProducer::NONE, 0)
}

fn by(id: i64, base_sequence: i32) -> BatchProducer {
    BatchProducer { id: Some(producer(id)), epoch: ProducerEpoch::from_wire(0), base_sequence }
}

fn idempotent(id: i64, sequence: i32) -> Vec<u8> {
    data(by(id, sequence), 0)
}

fn transactional(id: i64, sequence: i32) -> Vec<u8> {
    data(by(id, sequence), 0x10)
}

#[test]
fn sealing_aborts_every_open_transaction_once() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[transactional(5, 0), plain(), transactional(6, 0)]);
    assert_eq!(node.state().last_stable_offset.offset().get(), 0);
    // Two markers and the reset.
    let sealed = node.seal(9);
    assert_eq!((sealed.aborted, sealed.log_end.offset().get()), (2, 6));
    assert_eq!(node.state().last_stable_offset.offset().get(), 6);
    // Again: no second marker.
    let sealed = node.seal(9);
    assert_eq!((sealed.aborted, sealed.log_end.offset().get()), (0, 7));
}

#[test]
fn what_is_written_behind_mirrored_batches_has_the_raised_epoch() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain(), plain()]);
    node.seal(9);
    let entries = node.state().epochs.entries().to_vec();
    let entries: Vec<_> =
        entries.iter().map(|entry| (entry.epoch.get(), entry.start.get())).collect();
    assert_eq!(entries, [(SOURCE_EPOCH, 0), (9, 2)]);
    assert_eq!(node.state().leader_epoch, epoch(9));
    let told = node.topics.directory.lock().state.leader_epoch(&node.partition.name);
    assert_eq!(told, epoch(9), "it is remembered before it is told");
}

#[test]
fn a_sealed_log_is_read_but_not_written_to_by_clients() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.seal(9);
    assert!(node.partition.log().is_none());
    assert_eq!(node.end(), 2);
    node.open(9);
    assert_eq!(node.produce(&plain()).unwrap(), 2);
}

#[test]
fn a_local_producer_with_the_id_of_a_source_producer_begins_anew() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[idempotent(5, 0), idempotent(5, 1)]);
    node.seal(9);
    node.open(9);
    assert_eq!(node.produce(&idempotent(5, 0)).unwrap(), 3, "not a repetition of offset 0");
    assert_eq!(node.produce(&idempotent(5, 0)).unwrap(), 3, "a repetition of offset 3");
    assert_eq!(node.produce(&idempotent(5, 1)).unwrap(), 4);
}

#[test]
fn the_barrier_between_producers_holds_after_a_crash() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[idempotent(5, 0), idempotent(5, 1)]);
    node.seal(9);
    drop(node);
    let node = Node::start(&root);
    node.open(9);
    assert_eq!(node.produce(&idempotent(5, 0)).unwrap(), 3);
}

#[test]
fn readers_see_the_log_all_the_way_and_no_cut() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain(), plain()]);
    let shown = |end| {
        let state = node.state();
        assert_eq!((state.cut_count, state.log_end.offset().get()), (4, end));
    };
    shown(2);
    node.seal(9);
    shown(3);
    node.open(9);
    node.produce(&plain()).unwrap();
    node.topics.close_for_mirroring(&node.partition).unwrap();
    shown(4);
}

#[test]
fn closing_makes_what_was_acknowledged_durable_and_refuses_the_rest() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.seal(9);
    node.open(9);
    // A request that is under way has the log.
    let log = node.partition.log().unwrap();
    log.append_produced(&plain(), NOW_MS).unwrap();
    node.topics.close_for_mirroring(&node.partition).unwrap();
    assert!(node.partition.log().is_none());
    let refused = log.append_produced(&plain(), NOW_MS);
    assert!(matches!(refused, Err(AppendError::Closed)), "{refused:?}");
    let name = &node.partition.name;
    assert!(node.topics.directory.is_closed(name));
    assert_eq!(node.topics.directory.recovery_point(name).unwrap().get(), 3);
    // Nobody has it: that is no error.
    node.topics.close_for_mirroring(&node.partition).unwrap();
}

#[test]
fn a_cut_takes_the_batch_that_holds_the_offset_whole() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let mut pair = BatchBuilder::new(Offset::ZERO, None);
    for _ in 0..2 {
        pair.push(&NewRecord { timestamp_ms: NOW_MS, key: None, value: Some(b"value") });
    }
    node.mirror(&[plain(), pair.finish(), plain()]);
    let cut = LogCut::TruncateTo(Offset::from_wire(2).unwrap());
    let ends = node.topics.truncate_closed(&node.partition, cut).unwrap();
    assert_eq!((ends.log_start.offset().get(), ends.log_end.offset().get()), (0, 1));
    assert!(ends.was_cut);
    assert_eq!((node.end(), node.state().cut_count), (1, 5));
}

#[test]
fn clients_are_told_a_higher_epoch_when_a_log_was_cut() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain(), plain()]);
    let cut = LogCut::TruncateTo(Offset::from_wire(1).unwrap());
    let ends = node.topics.truncate_closed(&node.partition, cut).unwrap();
    assert_eq!(ends.leader_epoch, epoch(SOURCE_EPOCH + 1));
    assert_eq!(node.state().leader_epoch, epoch(SOURCE_EPOCH + 1));
    let told = node.topics.directory.lock().state.leader_epoch(&node.partition.name);
    assert_eq!(told, epoch(SOURCE_EPOCH + 1));
}

#[test]
fn a_cut_behind_the_end_changes_nothing() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain(), plain()]);
    let before = node.state();
    let cut = LogCut::TruncateTo(Offset::from_wire(2).unwrap());
    let ends = node.topics.truncate_closed(&node.partition, cut).unwrap();
    assert!(!ends.was_cut);
    assert_eq!(*node.state(), *before);
}

#[test]
fn checkpoints_are_down_on_disk_when_a_log_was_cut() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain(), plain(), plain()]);
    node.topics.directory.write_checkpoints().unwrap();
    let cut = LogCut::TruncateTo(Offset::from_wire(1).unwrap());
    node.topics.truncate_closed(&node.partition, cut).unwrap();
    for file in ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"] {
        let text = fs::read_to_string(root.0.join(file)).unwrap();
        assert!(text.contains("orders 0 1\n"), "{file}: {text}");
    }
}

#[test]
fn a_log_that_is_trusted_in_nothing_starts_anew_at_zero() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain(), plain(), plain()]);
    node.seal(9);
    node.open(9);
    let log = node.partition.log().unwrap();
    log.delete_records(2).unwrap();
    drop(log);
    node.topics.close_for_mirroring(&node.partition).unwrap();
    let ends = node.topics.truncate_closed(&node.partition, CUT_ALL).unwrap();
    assert_eq!((ends.log_start.offset().get(), ends.log_end.offset().get()), (0, 0));
    assert_eq!((ends.latest_epoch, node.end()), (None, 0));
    let name = &node.partition.name;
    assert_eq!(node.topics.directory.log_start(name), None);
    assert_eq!(node.topics.directory.recovery_point(name), Some(Offset::ZERO));
    // Once more: there is nothing left to cut.
    assert!(!node.topics.truncate_closed(&node.partition, CUT_ALL).unwrap().was_cut);
}

#[test]
fn a_partition_that_was_never_mirrored_has_nothing_to_cut() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let ends = node.topics.truncate_closed(&node.partition, CUT_ALL).unwrap();
    assert_eq!((ends.log_end, ends.was_cut), (LogEndOffset::default(), false));
    assert!(!node.partition.view.directory().exists());
}

#[test]
fn a_partition_that_was_never_mirrored_can_be_stopped() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    assert_eq!(node.seal(9).log_end.offset().get(), 1);
    node.open(9);
    assert_eq!(node.produce(&plain()).unwrap(), 1);
}

#[test]
fn a_log_that_clients_write_to_is_not_cut() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.seal(9);
    node.open(9);
    let refused = node.topics.truncate_closed(&node.partition, CUT_ALL).unwrap_err();
    assert_eq!(refused, "orders-0: its log is open for writing: close it first");
}

#[test]
fn a_stopped_log_is_kept_up_and_closed_and_there_after_a_restart() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.seal(9);
    node.open(9);
    node.produce(&plain()).unwrap();
    node.topics.keep_up(NOW_MS);
    let name = node.partition.name.clone();
    assert_eq!(node.topics.directory.recovery_point(&name).unwrap().get(), 3);
    node.produce(&plain()).unwrap();
    node.stop();

    let node = Node::start(&root);
    let opened = node.topics.open_stopped(&[Arc::clone(&node.partition)], &AtomicBool::new(false));
    assert!(opened.is_empty(), "{opened:?}");
    assert_eq!(node.state().leader_epoch, epoch(9));
    assert_eq!(node.produce(&plain()).unwrap(), 4);
}

#[test]
fn a_stopped_log_that_was_not_closed_gets_another_epoch() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.seal(9);
    node.open(9);
    node.produce(&plain()).unwrap();
    drop(node);
    let node = Node::start(&root);
    node.topics.open_stopped(&[Arc::clone(&node.partition)], &AtomicBool::new(false));
    assert_eq!(node.state().leader_epoch, epoch(10));
    let told = node.topics.directory.lock().state.leader_epoch(&node.partition.name);
    assert_eq!(told, epoch(10));
}

#[test]
fn ids_given_out_stay_above_those_that_a_reset_makes_the_log_forget() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.topics.directory.lock().state.next_producer_id = Some(producer(1000));
    node.mirror(&[idempotent(5000, 0)]);
    node.seal(9);
    let next = node.topics.directory.lock().state.next_producer_id;
    assert_eq!(next, Some(producer(5001)));
    assert_eq!(node.topics.catalog.producer_id_max(), Some(producer(5000)));
}

#[test]
fn a_log_is_handed_to_clients_at_once_only_when_it_is_open_and_its_epoch_is_told() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    assert!(!node.topics.open_if_held(&node.partition, epoch(9)), "nobody has it open");
    node.seal(9);
    assert!(!node.topics.open_if_held(&node.partition, epoch(10)), "that is not on disk");
    assert!(node.partition.log().is_none());
    assert!(node.topics.open_if_held(&node.partition, epoch(9)));
    assert_eq!(node.produce(&plain()).unwrap(), 2);
}
