use std::sync::atomic::AtomicBool;

use super::*;
use crate::directory::DataDirectory;
use crate::shared_directory::SharedDirectory;
use crate::test_directory::TestDirectory;

/// Share groups of a directory, as one start of a node has them.
fn start(at: &TestDirectory) -> (ShareGroups, Arc<LocalTopics>) {
    let directory = DataDirectory::open_or_create(&at.0).unwrap();
    let directory = SharedDirectory::new(directory).unwrap();
    let catalog = Arc::new(Catalog::new(at.0.clone()));
    let topics = Arc::new(LocalTopics::new(directory, Arc::clone(&catalog)));
    let _news = topics.open_all(&AtomicBool::new(false));
    (ShareGroups::new(catalog, Arc::clone(&topics)), topics)
}

fn group(name: &str) -> GroupId {
    GroupId::parse(name).unwrap()
}

fn at(name: &str, topic: u8, partition: i32, offset: i64) -> ShareStart {
    ShareStart {
        group: group(name),
        topic: TopicName::parse("orders").unwrap(),
        topic_id: TopicId::from_wire([topic; 16]).unwrap(),
        partition: PartitionIndex::from_wire(partition).unwrap(),
        offset: Offset::from_wire(offset).unwrap(),
    }
}

/// Topic, partition, offset, and the number of the snapshot.
fn kept(groups: &ShareGroups, name: &str) -> Vec<(u8, i32, i64, i32)> {
    let states = groups.states_of(&group(name)).unwrap().unwrap_or_default();
    let states = states.into_iter().map(|((topic, partition), state)| {
        let offset = state.start_offset.unwrap().get();
        (topic.bytes()[0], partition.get(), offset, state.snapshot_epoch)
    });
    states.collect()
}

#[test]
fn what_was_kept_is_there_again_after_a_restart() {
    let root = TestDirectory::new();
    let (groups, topics) = start(&root);
    assert_eq!(groups.ids().unwrap(), []);
    let refused = groups.keep(&[at("a", 1, 0, 5)], 7).unwrap_err();
    assert!(refused.to_string().contains("it is gone"), "{refused}");
    groups.make().unwrap();
    groups.make().unwrap();
    let first = [at("a", 1, 0, 5), at("a", 2, 3, 6), at("b", 1, 0, 7)];
    assert_eq!(groups.keep(&first, 7).unwrap(), 3);
    assert_eq!(groups.keep(&first, 8).unwrap(), 0, "nothing is new");
    assert_eq!(groups.keep(&[at("a", 1, 0, 9)], 9).unwrap(), 1);
    assert!(groups.forget(&group("b"), 9).unwrap());
    assert!(!groups.forget(&group("b"), 9).unwrap());
    topics.close_all();
    drop((groups, topics));

    let (groups, _topics) = start(&root);
    assert_eq!(kept(&groups, "a"), [(1, 0, 9, 1), (2, 3, 6, 0)]);
    assert_eq!(groups.ids().unwrap(), [group("a")]);
}

#[test]
fn a_log_that_has_grown_is_written_anew_without_topics_that_are_gone() {
    let root = TestDirectory::new();
    let (groups, topics) = start(&root);
    groups.make().unwrap();
    let name = TopicName::parse("orders").unwrap();
    let topic = topics.create(&name, 1, BTreeMap::new()).unwrap();
    let there = |offset| ShareStart { topic_id: topic.id, ..at("a", 1, 0, offset) };
    groups.keep(&[at("gone", 1, 0, 5)], 7).unwrap();
    let bytes_at_least = 100;
    for offset in 0..i64::try_from(GROWTH_BYTES_MAX).unwrap() / bytes_at_least {
        groups.keep(&[there(offset)], 7).unwrap();
    }
    let last = i64::try_from(GROWTH_BYTES_MAX).unwrap() / bytes_at_least - 1;
    let state = groups.catalog.topic_named(SHARE_STATE_TOPIC).unwrap();
    let starts = state.partitions.iter().map(|one| one.view.state().unwrap().log_start.offset());
    assert_eq!(starts.filter(|start| *start > Offset::ZERO).count(), 1);
    assert_eq!(groups.ids().unwrap(), [group("a")]);
    topics.close_all();
    drop((groups, topics, state, topic));
    let (groups, _topics) = start(&root);
    let states = groups.states_of(&group("a")).unwrap().unwrap();
    let offsets: Vec<_> = states.values().map(|one| one.start_offset.unwrap().get()).collect();
    assert_eq!(offsets, [last]);
}
