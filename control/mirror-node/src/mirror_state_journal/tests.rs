use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::AtomicBool;

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::mirror_state_record::{LastMirrorEpochsValue, PartitionStateValue};
use kafka_wire::partition::{PartitionIndex, TopicId};

use super::*;
use crate::catalog::{Binding, TopicSpec};
use crate::directory::DataDirectory;
use crate::local_log::LocalLog;
use crate::local_topics::LogNews;
use crate::shared_directory::SharedDirectory;
use crate::test_directory::TestDirectory;
use crate::test_log::FailingSync;
use crate::writable_log::WritableLog;

const NOW_MS: i64 = 1_700_000_000_000;

/// A node's topics, as one start has them.
struct Node {
    topics: Arc<LocalTopics>,
    catalog: Arc<Catalog>,
}

impl Node {
    fn start(root: &TestDirectory) -> Self {
        let directory = DataDirectory::open_or_create(&root.0).unwrap();
        let directory = SharedDirectory::new(directory).unwrap();
        directory.take_clean_marker().unwrap();
        let catalog = Arc::new(Catalog::new(root.0.clone()));
        let topics = Arc::new(LocalTopics::new(directory, Arc::clone(&catalog)));
        topics.open_all(&AtomicBool::new(false));
        Self { topics, catalog }
    }

    fn journal(&self) -> MirrorStateJournal {
        MirrorStateJournal::new(Arc::clone(&self.catalog), Arc::clone(&self.topics))
    }

    /// The journal with everything in it.
    fn loaded(&self) -> (MirrorStateJournal, Vec<MirrorStateRecord>) {
        let (mut journal, mut records) = (self.journal(), Vec::new());
        journal.load(&mut |record| records.push(record)).unwrap();
        (journal, records)
    }

    fn refusal(&self) -> String {
        self.journal().load(&mut |_| {}).unwrap_err().to_string()
    }

    fn stop(self) {
        self.topics.close_all();
        self.topics.directory().write_checkpoints().unwrap();
        assert!(self.topics.directory().write_clean_marker().unwrap());
    }

    fn log(&self, partition: i32) -> Arc<WritableLog> {
        let topic = self.catalog.topic_named(MIRROR_STATE_TOPIC).unwrap();
        topic.partition(partition).unwrap().log().unwrap()
    }

    /// Writes a record that this program would not.
    fn write_raw(&self, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) {
        let mut batch = BatchBuilder::new(Offset::ZERO, None);
        batch.push(&NewRecord { timestamp_ms: NOW_MS, key, value });
        self.log(partition).append_records(&batch.finish()).unwrap();
    }
}

fn key(mirror: &str, partition: i32) -> MirrorPartitionKey {
    MirrorPartitionKey {
        mirror_name: mirror.to_owned(),
        topic_id: TopicId::from_wire([7; 16]).unwrap(),
        partition: PartitionIndex::from_wire(partition).unwrap(),
    }
}

fn position(partition: i32, offset: i64) -> MirrorStateRecord {
    let value = LastMirrorEpochsValue {
        last_mirror_epoch: SourceLeaderEpoch::from_wire(3),
        last_mirror_offset: Offset::from_wire(offset),
    };
    MirrorStateRecord::LastMirrorEpochs(key("dr", partition), Some(value))
}

fn state(partition: i32, state: i8, error: Option<&str>) -> MirrorStateRecord {
    let value = PartitionStateValue {
        state,
        leader_epoch: Some(LeaderEpoch::ZERO),
        state_epoch: 1,
        error_message: error.map(str::to_owned),
        retry_attempt: 0,
        previous_state: -1,
    };
    MirrorStateRecord::PartitionState(key("dr", partition), Some(value))
}

#[test]
fn a_record_lies_where_javas_hash_of_its_name_says() {
    // Worked out with String.hashCode by hand:
    // -104513991, -104513990, -407477612, 1095569238, and -1574474019 over surrogates.
    let golden = [
        ("dr", 0, 41),
        ("dr", 1, 40),
        ("eu-to-us", 0, 12),
        ("a", i32::MAX, 38),
        ("\u{1d11e}", 0, 19),
        // Its hash is the least int32, whose absolute value is none.
        ("blshx7E", 0, 0),
    ];
    for (mirror, partition, expected) in golden {
        assert_eq!(state_partition_of(&key(mirror, partition)), expected, "{mirror}:{partition}");
    }
}

#[test]
fn nothing_is_made_before_something_is_written() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let (mut journal, records) = node.loaded();
    assert!(records.is_empty());
    journal.append(&[], NOW_MS).unwrap();
    assert!(node.catalog.topic_named(MIRROR_STATE_TOPIC).is_none());
    journal.append(&[position(0, 6)], NOW_MS).unwrap();
    let topic = node.catalog.topic_named(MIRROR_STATE_TOPIC).unwrap();
    assert_eq!((topic.partitions.len(), topic.is_internal()), (50, true));
    assert_eq!(topic.configs["cleanup.policy"], "compact");
}

#[test]
fn what_was_appended_is_read_in_order_after_a_stop_and_after_a_crash() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let first = [state(0, 3, None), position(0, 6), state(0, 6, None)];
    let (mut journal, _) = node.loaded();
    journal.append(&first, NOW_MS).unwrap();
    drop(journal);
    node.stop();

    let node = Node::start(&root);
    let (mut journal, records) = node.loaded();
    assert_eq!(records, first);
    let gone = MirrorStateRecord::LastMirrorEpochs(key("dr", 0), None);
    journal.append(std::slice::from_ref(&gone), NOW_MS).unwrap();
    drop((journal, node));

    let node = Node::start(&root);
    let (_, records) = node.loaded();
    assert_eq!(records[..3], first);
    assert_eq!(records[3..], [gone]);
}

#[test]
fn what_was_appended_is_durable() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let mut journal = node.journal();
    let records: Vec<_> = (0..200).map(|partition| state(partition, 3, None)).collect();
    journal.append(&records, NOW_MS).unwrap();
    for partition in 0..50 {
        let log = node.log(partition);
        let end = log.view().state().unwrap().log_end.offset();
        // Nothing is left for this flush.
        assert_eq!(log.flush().unwrap(), end);
    }
    assert!(journal.partitions.iter().all(|partition| partition.grown_bytes > 0));
}

#[test]
fn a_hundred_thousand_records_are_one_call() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let mut journal = node.journal();
    let records: Vec<_> = (0..100_000).map(|partition| position(partition, 6)).collect();
    journal.append(&records, NOW_MS).unwrap();
    drop((journal, node));
    let node = Node::start(&root);
    assert_eq!(node.loaded().1.len(), 100_000);
}

#[test]
fn records_above_a_mebibyte_become_several_batches() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let mut journal = node.journal();
    let text = "e".repeat(30_000);
    let records: Vec<_> = (0..80).map(|_| state(0, 8, Some(&text))).collect();
    journal.append(&records, NOW_MS).unwrap();
    let place = i32::from(state_partition_of(&key("dr", 0)));
    let batches = batch_sizes(&node, place);
    assert!(batches.len() >= 3, "{batches:?}");
    assert!(batches.iter().all(|bytes| *bytes <= (1 << 20) + 100), "{batches:?}");
    drop(journal);
    assert_eq!(node.loaded().1.len(), 80);
}

fn batch_sizes(node: &Node, partition: i32) -> Vec<u32> {
    let topic = node.catalog.topic_named(MIRROR_STATE_TOPIC).unwrap();
    let name = &topic.partition(partition).unwrap().name;
    let log = LocalLog::open(node.catalog.root(), name).unwrap();
    let (mut read, mut sizes) = (log.batches(Offset::ZERO), Vec::new());
    while let Some(batch) = read.next_batch().unwrap() {
        sizes.push(batch.header.batch_bytes);
    }
    sizes
}

#[test]
fn a_torn_tail_is_cut() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.journal().append(&[state(0, 3, None)], NOW_MS).unwrap();
    drop(node);
    let place = state_partition_of(&key("dr", 0));
    let path = root.0.join(format!("__mirror_state-{place}/00000000000000000000.log"));
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0]).unwrap();
    let node = Node::start(&root);
    let (mut journal, records) = node.loaded();
    assert_eq!(records, [state(0, 3, None)]);
    journal.append(&[state(0, 5, None)], NOW_MS).unwrap();
    assert_eq!(node.loaded().1, [state(0, 3, None), state(0, 5, None)]);
}

#[test]
fn a_newer_record_is_refused_by_name() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.journal().append(&[state(0, 3, None)], NOW_MS).unwrap();
    let encoded = state(0, 3, None).encode().unwrap();
    let mut value = encoded.value.unwrap();
    value[1] = 4;
    node.write_raw(41, Some(&encoded.key), Some(&value));
    assert_eq!(
        node.refusal(),
        "__mirror_state-41, offset 1: the partition state has version 4, known are 0 to 0: use \
         the ringmirror that wrote it, or a newer one"
    );
}

#[test]
fn a_damaged_record_is_refused_by_name() {
    let encoded = state(0, 3, None).encode().unwrap();
    let value = encoded.value.unwrap();
    let key = &encoded.key[..];
    let damaged = [(None, None), (Some(&key[..9]), None), (Some(key), Some(&value[..5]))];
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.journal().append(&[state(0, 3, None)], NOW_MS).unwrap();
    for ((key, value), partition) in damaged.into_iter().zip([9, 8, 7]) {
        // The first that is damaged is named.
        node.write_raw(partition, key, value);
        let refusal = node.refusal();
        let expected = format!("__mirror_state-{partition}, offset 0: ");
        assert!(refusal.starts_with(&expected), "{refusal}");
        let cure = format!("restore the directory __mirror_state-{partition} from a copy");
        assert!(refusal.ends_with(&cure), "{refusal}");
    }
}

#[test]
fn what_was_durable_and_is_damaged_is_named_and_not_cut() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.journal().append(&[state(0, 3, None)], NOW_MS).unwrap();
    node.stop();
    let path = root.0.join("__mirror_state-41/00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let node = Node::start(&root);
    assert_eq!(
        node.refusal(),
        "__mirror_state cannot be used: the log of __mirror_state-41 cannot be opened"
    );
    let told = node.topics.open_all(&AtomicBool::new(false));
    let [LogNews::Unusable { partition, reason }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(partition.to_string(), "__mirror_state-41");
    assert!(reason.starts_with("what was durable is damaged: "), "{reason}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn unknown_kinds_are_left_out_and_kept() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.journal().append(&[state(0, 3, None)], NOW_MS).unwrap();
    let unknown = [0, 9, b'k'];
    node.write_raw(41, Some(&unknown), Some(b"old"));
    node.write_raw(41, Some(&unknown), Some(b"new"));
    let (mut journal, records) = node.loaded();
    assert_eq!(records, [state(0, 3, None)]);
    grow(&mut journal);
    journal.write_anew([state(0, 6, None)], NOW_MS);
    let log = node.log(41).view().state().unwrap();
    assert_eq!((log.log_end.offset() - log.log_start.offset()).get(), 2);
    let (journal, records) = node.loaded();
    assert_eq!(records, [state(0, 6, None)]);
    assert_eq!(journal.unknown[41][&(9, b"k".to_vec())], Some(b"new".to_vec()));
}

/// Writes to one partition until it is to be written anew.
fn grow(journal: &mut MirrorStateJournal) {
    let text = "e".repeat(30_000);
    let records: Vec<_> = (0..50).map(|_| state(0, 8, Some(&text))).collect();
    assert!(!journal.has_grown());
    journal.append(&records, NOW_MS).unwrap();
    assert!(journal.has_grown());
}

#[test]
fn a_log_that_has_grown_is_written_anew_and_others_stay() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let mut journal = node.journal();
    journal.append(&[position(1, 9)], NOW_MS).unwrap();
    grow(&mut journal);
    journal.write_anew([state(0, 6, None), position(0, 6), position(1, 9)], NOW_MS);
    assert!(!journal.has_grown());
    assert!(node.log(41).view().state().unwrap().log_start.offset() > Offset::ZERO);
    assert_eq!(node.log(40).view().state().unwrap().log_start.offset(), Offset::ZERO);
    drop(journal);
    node.stop();
    let node = Node::start(&root);
    let records = node.loaded().1;
    assert_eq!(records.len(), 3);
    assert_eq!(records[0], position(1, 9), "of partition 40, before 41");
    assert_eq!(records[1..], [state(0, 6, None), position(0, 6)]);
}

#[test]
fn another_number_of_partitions_is_refused() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let name = TopicName::parse(MIRROR_STATE_TOPIC).unwrap();
    node.topics.create(&name, 3, BTreeMap::new()).unwrap();
    let expected = "__mirror_state cannot be used: it has 3 partitions, expected 50: another \
                    number makes nothing in it be found";
    assert_eq!(node.refusal(), expected);
    assert_eq!(node.journal().append(&[position(0, 6)], NOW_MS).unwrap_err().to_string(), expected);
}

#[test]
fn the_states_of_the_source_are_not_taken_for_ours() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let spec = TopicSpec {
        id: TopicId::from_wire([1; 16]).unwrap(),
        binding: Binding::Bound,
        configs: BTreeMap::new(),
        partition_count: 50,
    };
    node.catalog.put(&TopicName::parse(MIRROR_STATE_TOPIC).unwrap(), spec);
    assert!(node.refusal().contains("__mirror_state is mirrored"));
}

#[test]
fn after_a_sync_that_failed_no_log_takes_anything_until_it_was_read_again() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    let (mut journal, _) = node.loaded();
    journal.append(&[position(0, 6), position(1, 7)], NOW_MS).unwrap();
    let failing = FailingSync::of(&node.log(state_partition_of(&key("dr", 0)).into()));
    let failed = journal.append(&[position(0, 8)], NOW_MS).unwrap_err().to_string();
    assert!(failed.starts_with("__mirror_state-41: "), "{failed}");
    // The disk says that all is well now; it lies.
    failing.mend();
    for other in [position(0, 9), position(1, 9)] {
        let refused = journal.append(&[other], NOW_MS).unwrap_err().to_string();
        assert!(refused.contains("restart the node"), "{refused}");
    }
    drop((journal, node));
    let (mut journal, records) = Node::start(&root).loaded();
    assert!(records.contains(&position(0, 6)) && records.contains(&position(1, 7)));
    assert!(!records.contains(&position(0, 9)) && !records.contains(&position(1, 9)));
    journal.append(&[position(0, 10)], NOW_MS).unwrap();
}
