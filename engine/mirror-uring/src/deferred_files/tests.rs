use std::fs;
use std::os::unix::fs::MetadataExt as _;

use kafka_log::partition_files::{FileName, PartitionFiles as _};
use kafka_wire::offset::Offset;

use super::{DeferredFiles, SharedSync};
use crate::test_directory::TestDirectory;

const EPOCHS: FileName = FileName::LEADER_EPOCH_CHECKPOINT;

fn snapshot(raw: i64) -> FileName {
    FileName::snapshot(Offset::from_wire(raw).unwrap())
}

#[test]
fn contents_and_deletions_take_place_when_all_is_settled() {
    let directory = TestDirectory::new();
    let root = directory.path();
    let sync = SharedSync::open(root).unwrap();
    let paths = ["a-0", "b-0"].map(|name| root.join(name));
    let mut logs = Vec::new();
    for path in &paths {
        fs::create_dir(path).unwrap();
        fs::write(path.join(EPOCHS.text()), "old").unwrap();
        fs::write(path.join(snapshot(1).text()), "gone").unwrap();
        let mut files = DeferredFiles::new(path.clone());
        files.replace(EPOCHS, b"newer").unwrap();
        files.sync(EPOCHS).unwrap();
        files.remove(snapshot(1)).unwrap();
        // Whoever goes on with these files sees them as they will be.
        let mut read = [0; 8];
        assert_eq!(files.read_at(EPOCHS, 1, &mut read).unwrap(), 4);
        assert_eq!(&read[..4], b"ewer");
        assert_eq!(files.list().unwrap(), [(EPOCHS, 5)]);
        assert!(files.read_at(snapshot(1), 0, &mut read).is_err());
        logs.push(files);
    }
    for path in &paths {
        assert_eq!(fs::read(path.join(EPOCHS.text())).unwrap(), b"old", "as before until then");
        assert!(path.join(snapshot(1).text()).exists());
    }
    assert!(sync.settle(logs).into_iter().all(|outcome| outcome.is_ok()));
    for path in &paths {
        assert_eq!(fs::read(path.join(EPOCHS.text())).unwrap(), b"newer");
        let names = fs::read_dir(path).unwrap();
        assert_eq!(names.count(), 1, "neither the deleted file nor a temporary one");
    }
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let directory = TestDirectory::new();
    let sync = SharedSync::open(directory.path()).unwrap();
    let path = directory.path().join("a-0");
    fs::create_dir(&path).unwrap();
    let log = FileName::log(Offset::ZERO);
    fs::write(path.join(EPOCHS.text()), "same").unwrap();
    fs::write(path.join(log.text()), "records").unwrap();
    let written =
        |name: FileName| fs::metadata(path.join(name.text())).unwrap().modified().unwrap();
    let before = (written(EPOCHS), written(log));
    let mut files = DeferredFiles::new(path.clone());
    files.replace(EPOCHS, b"same").unwrap();
    files.write_at(log, 0, &[]).unwrap();
    files.truncate(log, 7).unwrap();
    assert!(!files.is_anything_left());
    assert!(sync.settle(vec![files]).remove(0).is_ok());
    assert_eq!((written(EPOCHS), written(log)), before);
}

#[test]
fn a_file_that_is_emptied_and_written_as_it_was_is_left_alone() {
    let directory = TestDirectory::new();
    let sync = SharedSync::open(directory.path()).unwrap();
    let index = FileName::time_index(Offset::ZERO);
    let path = directory.path().join(index.text());
    fs::write(&path, "an entry").unwrap();
    let before = fs::metadata(&path).unwrap();
    // What recovery and closing do to the last entry of a log that was closed before.
    let mut files = DeferredFiles::new(directory.path().to_owned());
    files.replace(index, b"").unwrap();
    files.write_at(index, 0, b"an entry").unwrap();
    files.truncate(index, 8).unwrap();
    files.sync(index).unwrap();
    assert_eq!(files.list().unwrap(), [(index, 8)]);
    assert!(sync.settle(vec![files]).remove(0).is_ok());
    assert_eq!(fs::read(&path).unwrap(), b"an entry");
    let after = fs::metadata(&path).unwrap();
    assert_eq!(
        (after.ino(), after.modified().unwrap()),
        (before.ino(), before.modified().unwrap())
    );
    // Also pieces behind what was replaced.
    let mut files = DeferredFiles::new(directory.path().to_owned());
    files.replace(index, b"two").unwrap();
    files.write_at(index, 2, b"ice").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"an entry", "as before until then");
    assert!(sync.settle(vec![files]).remove(0).is_ok());
    assert_eq!(fs::read(&path).unwrap(), b"twice");
}

#[test]
fn bytes_and_lengths_are_written_at_once_and_a_file_that_was_to_go_begins_anew() {
    let directory = TestDirectory::new();
    let sync = SharedSync::open(directory.path()).unwrap();
    let log = FileName::log(Offset::ZERO);
    let mut files = DeferredFiles::new(directory.path().to_owned());
    files.write_at(log, 0, b"records").unwrap();
    files.truncate(log, 3).unwrap();
    assert_eq!(fs::read(directory.path().join(log.text())).unwrap(), b"rec");
    files.remove(log).unwrap();
    files.write_at(log, 0, b"x").unwrap();
    assert!(sync.settle(vec![files]).remove(0).is_ok());
    assert_eq!(fs::read(directory.path().join(log.text())).unwrap(), b"x");
}

#[test]
fn a_log_that_cannot_be_put_in_place_fails_alone() {
    let directory = TestDirectory::new();
    let sync = SharedSync::open(directory.path()).unwrap();
    let path = directory.path().join("a-0");
    fs::create_dir(&path).unwrap();
    let mut gone = DeferredFiles::new(directory.path().join("no-such-0"));
    gone.replace(EPOCHS, b"x").unwrap();
    let mut there = DeferredFiles::new(path.clone());
    there.replace(EPOCHS, b"x").unwrap();
    let outcomes = sync.settle(vec![gone, there]);
    assert!(outcomes[0].is_err() && outcomes[1].is_ok());
    assert_eq!(fs::read(path.join(EPOCHS.text())).unwrap(), b"x");
}
