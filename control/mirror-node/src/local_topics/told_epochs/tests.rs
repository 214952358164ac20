use std::collections::BTreeMap;
use std::sync::Barrier;
use std::{fs, thread};

use kafka_wire::partition::{PartitionIndex, TopicId, TopicName};

use super::*;
use crate::directory::DataDirectory;
use crate::directory_state::LocalTopic;
use crate::test_directory::TestDirectory;

const PARTITIONS: i32 = 32;

fn promise(partition: i32, leader_epoch: i32) -> Promise {
    let topic = TopicName::parse("notes").unwrap();
    let partition = PartitionIndex::from_wire(partition).unwrap();
    Promise {
        name: TopicPartition { topic, partition },
        leader_epoch: LeaderEpoch::from_wire(leader_epoch).unwrap(),
        producer_id: None,
    }
}

fn directory(root: &TestDirectory) -> std::sync::Arc<SharedDirectory> {
    let mut directory = DataDirectory::open_or_create(&root.0).unwrap();
    let topic = LocalTopic {
        topic_id: TopicId::from_wire([7; 16]).unwrap(),
        partition_count: PARTITIONS,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    };
    directory.state.local_topics.insert(TopicName::parse("notes").unwrap(), topic);
    SharedDirectory::new(directory).unwrap()
}

fn on_disk(root: &TestDirectory) -> DirectoryState {
    DirectoryState::parse(&fs::read(root.0.join("ringmirror.json")).unwrap()).unwrap()
}

#[test]
fn what_many_remember_at_once_is_on_disk_for_each_when_it_returns() {
    let root = TestDirectory::new();
    let directory = directory(&root);
    let (told, begin) = (ToldEpochs::default(), Barrier::new(32));
    thread::scope(|scope| {
        for partition in 0..PARTITIONS {
            let (told, directory, begin, root) = (&told, &directory, &begin, &root);
            scope.spawn(move || {
                let promise = promise(partition, partition + 5);
                begin.wait();
                told.remember(directory, &promise).unwrap();
                assert!(promise.is_kept(&on_disk(root)));
            });
        }
    });
    assert!(told.waiting.lock().unwrap().is_empty());
}

#[test]
fn an_epoch_that_cannot_be_written_is_not_remembered() {
    let root = TestDirectory::new();
    let directory = directory(&root);
    let told = ToldEpochs::default();
    // A directory where the file is to be: nothing can take its place.
    let path = root.0.join("ringmirror.json");
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("x")).unwrap();
    assert!(told.remember(&directory, &promise(0, 5)).is_err());
    assert!(!promise(0, 5).is_kept(&directory.lock().state));
    fs::remove_dir_all(&path).unwrap();
    told.remember(&directory, &promise(0, 5)).unwrap();
    assert!(promise(0, 5).is_kept(&on_disk(&root)));
}
