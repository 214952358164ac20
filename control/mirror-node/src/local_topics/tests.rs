use std::fs;
use std::os::unix::fs::MetadataExt as _;

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::{LogStartOffset, Offset};

use super::*;
use crate::directory::DataDirectory;
use crate::directory_state::MirrorTopic;
use crate::log_ledger::LogCheckpoint;
use crate::test_directory::TestDirectory;

const NOW_MS: i64 = 1_700_000_000_000;

/// A directory's local topics, as one start of a node has them.
fn start(root: &TestDirectory) -> (LocalTopics, Vec<LogNews>) {
    start_with_room(root, usize::MAX)
}

/// The same on a node with memory for so many partitions.
fn start_with_room(root: &TestDirectory, count_max: usize) -> (LocalTopics, Vec<LogNews>) {
    let directory = DataDirectory::open_or_create(&root.0).unwrap();
    let directory = SharedDirectory::with_room(directory, count_max).unwrap();
    directory.take_clean_marker().unwrap();
    let catalog = Arc::new(Catalog::new(root.0.clone()));
    let topics = LocalTopics::new(directory, catalog);
    let news = topics.open_all(&AtomicBool::new(false));
    (topics, news)
}

fn stop(topics: &LocalTopics) {
    topics.close_all();
    topics.directory.write_checkpoints().unwrap();
    assert!(topics.directory.write_clean_marker().unwrap());
}

fn name(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn batch() -> Vec<u8> {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    batch.push(&NewRecord { timestamp_ms: NOW_MS, key: None, value: Some(b"value") });
    batch.finish()
}

fn topic_of(topics: &LocalTopics) -> Arc<Topic> {
    topics.catalog.topic_named("notes").unwrap()
}

fn append(topic: &Topic) -> i64 {
    let log = topic.partitions[0].log().unwrap();
    log.append_produced(&batch(), NOW_MS).unwrap().base_offset.get()
}

#[test]
fn a_topic_is_there_after_a_restart_with_its_records() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let made = topics.create(&name("notes"), 2, configs(&[("segment.ms", "1000")])).unwrap();
    assert_eq!([append(&made), append(&made)], [0, 1]);
    stop(&topics);
    drop(topics);

    let (topics, news) = start(&root);
    assert!(news.is_empty(), "{news:?}");
    let topic = topics.catalog.topic_named("notes").unwrap();
    assert_eq!((topic.id, topic.partitions.len()), (made.id, 2));
    assert_eq!(topic.configs, configs(&[("segment.ms", "1000")]));
    let state = topic.partitions[0].view.state().unwrap();
    assert_eq!((state.log_end.offset().get(), state.leader_epoch.get()), (2, 0));
    assert_eq!(append(&topic), 2);
}

#[test]
fn a_log_that_was_not_closed_gets_another_epoch() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    append(&topics.create(&name("notes"), 1, BTreeMap::new()).unwrap());
    drop(topics);
    let (topics, _) = start(&root);
    let topic = topics.catalog.topic_named("notes").unwrap();
    assert_eq!(topic.partitions[0].view.state().unwrap().leader_epoch.get(), 1);
    assert_eq!(append(&topic), 1);
}

fn leader_epoch(topics: &LocalTopics) -> i32 {
    topic_of(topics).partitions[0].view.state().unwrap().leader_epoch.get()
}

#[test]
fn a_leader_epoch_that_clients_were_told_never_goes_back() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    append(&topics.create(&name("notes"), 1, BTreeMap::new()).unwrap());
    drop(topics);
    let (topics, _) = start(&root);
    assert_eq!(leader_epoch(&topics), 1);
    // Nothing was written in epoch 1: no batch tells of it.
    stop(&topics);
    drop(topics);
    let (topics, _) = start(&root);
    assert_eq!(leader_epoch(&topics), 1);
}

#[test]
fn an_epoch_whose_batches_were_lost_is_not_used_again() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    append(&topics.create(&name("notes"), 1, BTreeMap::new()).unwrap());
    drop(topics);
    let (topics, _) = start(&root);
    assert_eq!((leader_epoch(&topics), append(&topic_of(&topics))), (1, 1));
    drop(topics);
    // As a power cut leaves it: the batch of epoch 1 never reached the disk.
    let log = root.0.join("notes-0/00000000000000000000.log");
    let half = fs::metadata(&log).unwrap().len() / 2;
    fs::OpenOptions::new().write(true).open(log).unwrap().set_len(half).unwrap();
    let (topics, _) = start(&root);
    assert_eq!((leader_epoch(&topics), append(&topic_of(&topics))), (2, 1));
}

#[test]
fn a_log_whose_new_epoch_cannot_be_remembered_is_shown_to_nobody() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
    drop(topics);
    let in_the_way = root.0.join("ringmirror.json.tmp");
    fs::create_dir(&in_the_way).unwrap();
    let (topics, news) = start(&root);
    assert!(matches!(news[..], [LogNews::Unusable { .. }]), "{news:?}");
    assert_eq!(topic_of(&topics).partitions[0].view.state(), None);
    drop(topics);
    fs::remove_dir(in_the_way).unwrap();
    assert_eq!(leader_epoch(&start(&root).0), 1);
}

/// A topic of one partition that the directory has from a mirror.
fn is_mirrored(topics: &LocalTopics, topic: &str) {
    let mirrored = MirrorTopic {
        topic_id: random_id().unwrap(),
        source_has_topic_ids: true,
        partition_count: 1,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    };
    topics.directory.lock().state.topics.insert(name(topic), mirrored);
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    is_mirrored(&topics, "mirrored");
    topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
    for taken in ["notes", "mirrored"] {
        let refused = topics.create(&name(taken), 1, BTreeMap::new());
        assert!(matches!(refused, Err(LocalTopicError::Exists { .. })), "{refused:?}");
    }
}

#[test]
fn a_deleted_topic_leaves_nothing_and_its_name_is_free() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let old = topics.create(&name("notes"), 2, BTreeMap::new()).unwrap();
    append(&old);
    topics.keep_up(NOW_MS);
    topics.delete(old.id).unwrap();
    assert!(topics.catalog.topic_named("notes").is_none());
    assert!(!root.0.join("notes-0").exists());
    assert_eq!(topics.directory.recovery_point(&old.partitions[0].name), None);
    assert!(topics.directory.lock().state.deleted_topics.is_empty());
    assert!(matches!(topics.delete(old.id), Err(LocalTopicError::Unknown { .. })));

    let new = topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
    assert_ne!(new.id, old.id);
    assert_eq!(append(&new), 0);
}

#[test]
fn a_deletion_that_a_crash_cut_short_is_ended_at_the_next_start() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let topic = topics.create(&name("notes"), 2, BTreeMap::new()).unwrap();
    topics.begin_deletion(&topic).unwrap();
    drop(topics);
    assert!(root.0.join("notes-1").exists());
    let (topics, news) = start(&root);
    assert!(news.is_empty(), "{news:?}");
    assert!(!root.0.join("notes-0").exists() && !root.0.join("notes-1").exists());
    assert!(topics.catalog.topics().is_empty());
    assert!(topics.directory.lock().state.deleted_topics.is_empty());
}

#[test]
fn a_directory_half_deleted_goes_at_the_next_start() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let topic = topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
    topics.begin_deletion(&topic).unwrap();
    drop(topics);
    // The node died deleting it.
    let doomed = root.0.join("notes-0.u1TKk6ktQ0iWEuGPwJkNdw-delete");
    fs::rename(root.0.join("notes-0"), &doomed).unwrap();
    start(&root);
    assert!(!doomed.exists());
}

#[test]
fn a_directory_of_another_topic_is_not_deleted_with_one_of_its_name() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let topic = topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
    let metadata = root.0.join("notes-0/partition.metadata");
    fs::write(&metadata, "version: 0\ntopic_id: u1TKk6ktQ0iWEuGPwJkNdw").unwrap();
    topics.begin_deletion(&topic).unwrap();
    topics.finish_deletions();
    assert!(metadata.exists());
}

#[test]
fn a_deletion_that_is_tried_again_leaves_a_mirrored_topic_of_that_name_alone() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let old = topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
    topics.begin_deletion(&old).unwrap();
    topics.close_deleted(&old);
    // A mirror took the name, and the engine is making the log.
    is_mirrored(&topics, "notes");
    let directory = root.0.join("notes-0");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    let partition = &old.partitions[0].name;
    let durable = Offset::from_wire(7).unwrap();
    let checkpoint = LogCheckpoint {
        recovery_point: durable,
        log_start: LogStartOffset::new(Offset::ZERO),
        high_watermark: None,
    };
    topics.directory.note(partition, checkpoint);
    topics.finish_deletions();
    assert_eq!(topics.directory.recovery_point(partition), Some(durable));
    assert!(directory.exists());
    assert!(topics.directory.lock().state.deleted_topics.is_empty());
}

#[test]
fn a_topic_grows_and_keeps_its_logs() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let topic = topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
    append(&topic);
    topics.grow(topic.id, 3).unwrap();
    let grown = topics.catalog.topic_named("notes").unwrap();
    assert_eq!(grown.partitions.len(), 3);
    assert!(grown.partitions.iter().all(|partition| partition.log().is_some()));
    assert_eq!(append(&grown), 1);
    let refused = topics.grow(topic.id, i32::MAX);
    assert!(matches!(refused, Err(LocalTopicError::TooMany { held: 3, .. })), "{refused:?}");
}

#[test]
fn the_topic_of_groups_finds_room_when_all_other_is_taken() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let spec = TopicSpec {
        id: random_id().unwrap(),
        binding: Binding::Unbound,
        configs: BTreeMap::new(),
        partition_count: 9_850,
    };
    topics.catalog.put(&name("many"), spec.clone());
    let refused = topics.create(&name("notes"), 1, BTreeMap::new());
    let Err(LocalTopicError::TooMany { held: 9_850, max: 9_850, .. }) = refused else {
        panic!("{refused:?}")
    };
    topics.create(&name(OFFSETS_TOPIC), 50, BTreeMap::new()).unwrap();
    // As an older ringmirror may have left it.
    topics.catalog.put(&name("many"), TopicSpec { partition_count: 10_000, ..spec });
    let refused = topics.create(&name("notes"), 1, BTreeMap::new());
    assert!(matches!(refused, Err(LocalTopicError::TooMany { .. })), "{refused:?}");
}

#[test]
fn partitions_without_memory_are_refused_but_for_those_of_the_node_itself() {
    let root = TestDirectory::new();
    let (topics, _) = start_with_room(&root, 3);
    let topic = topics.create(&name("notes"), 2, BTreeMap::new()).unwrap();
    for refused in
        [topics.create(&name("more"), 2, BTreeMap::new()).map(|_| ()), topics.grow(topic.id, 4)]
    {
        let Err(LocalTopicError::NoMemory(refused)) = refused else { panic!("{refused:?}") };
        assert_eq!((refused.asked, refused.held, refused.max), (2, 2, 3));
    }
    topics.create(&name(OFFSETS_TOPIC), 50, BTreeMap::new()).unwrap();
    topics.delete(topics.catalog.topic_named(OFFSETS_TOPIC).unwrap().id).unwrap();
    topics.grow(topic.id, 3).unwrap();
    topics.delete(topic.id).unwrap();
    topics.create(&name("more"), 3, BTreeMap::new()).unwrap();
    let room = topics.directory.partition_room(&topics.directory.lock().state);
    assert_eq!(room.held(), 3);
}

#[test]
fn a_topic_of_a_mirror_has_its_room_from_when_it_is_remembered() {
    let root = TestDirectory::new();
    let (topics, _) = start_with_room(&root, 3);
    let topic = MirrorTopic {
        topic_id: TopicId::from_wire([9; 16]).unwrap(),
        source_has_topic_ids: true,
        partition_count: 2,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    };
    // The control loop shows it next; a client comes before.
    topics.directory.lock().state.topics.insert(name("orders"), topic);
    let refused = topics.create(&name("notes"), 2, BTreeMap::new());
    let Err(LocalTopicError::NoMemory(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!((refused.asked, refused.held, refused.max), (2, 2, 3));
    topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
}

#[test]
fn settings_count_for_the_next_batch() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let topic = topics.create(&name("notes"), 1, BTreeMap::new()).unwrap();
    append(&topic);
    topics.configure(topic.id, configs(&[("max.message.bytes", "10")])).unwrap();
    let log = topic.partitions[0].log().unwrap();
    assert!(log.append_produced(&batch(), NOW_MS).is_err());
    let shown = topics.catalog.topic_named("notes").unwrap();
    assert_eq!(shown.configs, configs(&[("max.message.bytes", "10")]));
}

#[test]
fn old_records_leave_and_the_checkpoints_say_so() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let topic = topics.create(&name("notes"), 1, configs(&[("retention.ms", "1000")])).unwrap();
    append(&topic);
    topics.keep_up(NOW_MS + 1000);
    let of = &topic.partitions[0].name;
    assert_eq!(topics.directory.recovery_point(of), Offset::from_wire(1));
    assert_eq!(topics.directory.log_start(of), None);
    topics.keep_up(NOW_MS + 1001);
    let start = topics.directory.log_start(of).map(|start| start.offset().get());
    assert_eq!(start, Some(1));
}

/// Which file each partition's closing wrote last.
fn snapshots(root: &TestDirectory, end: i64) -> Vec<u64> {
    let path = |index| root.0.join(format!("notes-{index}/{end:020}.snapshot"));
    (0..40).map(|index| fs::metadata(path(index)).unwrap().ino()).collect()
}

#[test]
fn a_stop_writes_only_what_was_written_to() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    topics.create(&name("notes"), 40, BTreeMap::new()).unwrap();
    stop(&topics);
    drop(topics);
    let before = snapshots(&root, 0);
    let (topics, news) = start(&root);
    assert!(news.is_empty(), "{news:?}");
    stop(&topics);
    drop(topics);
    assert_eq!(snapshots(&root, 0), before);

    let (topics, _) = start(&root);
    for partition in &topic_of(&topics).partitions {
        partition.log().unwrap().append_produced(&batch(), NOW_MS).unwrap();
    }
    stop(&topics);
    drop(topics);
    let written = snapshots(&root, 1);
    let (topics, news) = start(&root);
    assert!(news.is_empty(), "{news:?}");
    // Records that left are for the checkpoint, and for the epochs' file.
    let first = topic_of(&topics).partitions[0].log().unwrap().clone();
    first.delete_records(1).unwrap();
    stop(&topics);
    drop(topics);
    assert_eq!(snapshots(&root, 1)[1..], written[1..]);
    let (topics, news) = start(&root);
    assert!(news.is_empty(), "{news:?}");
    let state = topic_of(&topics).partitions[0].view.state().unwrap();
    assert_eq!(state.log_start.offset().get(), 1);
}

#[test]
fn many_logs_are_closed_together_those_with_unsynced_records_too() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    let made = topics.create(&name("notes"), 20, BTreeMap::new()).unwrap();
    let write_to = |partitions: std::ops::Range<usize>| {
        for partition in &made.partitions[partitions] {
            partition.log().unwrap().append_produced(&batch(), NOW_MS).unwrap();
        }
    };
    write_to(0..15);
    topics.keep_up(NOW_MS);
    write_to(10..20);
    stop(&topics);
    drop(topics);
    let (topics, news) = start(&root);
    assert!(news.is_empty(), "{news:?}");
    let notes = topic_of(&topics);
    let ends = notes.partitions.iter().map(|one| one.view.state().unwrap().log_end);
    let ends: Vec<_> = ends.map(|end| end.offset().get()).collect();
    assert_eq!((&ends[..10], &ends[10..15], &ends[15..]), (&[1; 10][..], &[2; 5][..], &[1; 5][..]));
}

#[test]
fn a_topic_that_cannot_be_made_is_not_remembered() {
    let root = TestDirectory::new();
    let (topics, _) = start(&root);
    fs::write(root.0.join("notes-1"), "a file is in the way").unwrap();
    let refused = topics.create(&name("notes"), 2, BTreeMap::new());
    assert!(matches!(refused, Err(LocalTopicError::Log { .. })), "{refused:?}");
    assert!(topics.catalog.topics().is_empty());
    assert!(topics.directory.lock().state.local_topics.is_empty());
    assert!(!root.0.join("notes-0").exists());
}

#[test]
fn without_a_policy_nothing_leaves() {
    let settings = log_settings::of(&configs(&[("cleanup.policy", ""), ("retention.bytes", "1")]));
    assert_eq!((settings.retention_ms, settings.retention_bytes), (None, None));
    let settings = log_settings::of(&configs(&[("retention.bytes", "1")]));
    assert_eq!((settings.retention_ms, settings.retention_bytes), (Some(604_800_000), Some(1)));
}
