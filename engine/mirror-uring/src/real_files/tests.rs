use super::*;
use crate::test_directory::TestDirectory;
use kafka_wire::offset::Offset;

const LOG: FileName = FileName::log(Offset::ZERO);

#[test]
fn what_is_written_is_listed_and_read_back_and_strangers_are_ignored() {
    let directory = TestDirectory::new();
    let mut files = RealFiles::new(directory.path().join("orders-3"));
    files.create_directory().unwrap();
    files.create_directory().unwrap();
    files.write_at(LOG, 0, b"batches").unwrap();
    files.write_at(LOG, 7, b" and more").unwrap();
    files.write_at(FileName::snapshot(Offset::from_wire(9).unwrap()), 0, b"s").unwrap();
    fs::write(directory.path().join("orders-3/notes.txt"), b"mine").unwrap();
    let listed = files.list().unwrap();
    assert_eq!(listed, [(LOG, 16), (FileName::snapshot(Offset::from_wire(9).unwrap()), 1)]);
    let mut into = [0; 32];
    assert_eq!(files.read_at(LOG, 8, &mut into).unwrap(), 8);
    assert_eq!(&into[..8], b"and more");
}

#[test]
fn truncation_cuts_and_the_rest_stays() {
    let directory = TestDirectory::new();
    let mut files = RealFiles::new(directory.path().to_owned());
    files.write_at(LOG, 0, b"batches").unwrap();
    files.truncate(LOG, 5).unwrap();
    files.sync(LOG).unwrap();
    assert_eq!(files.list().unwrap(), [(LOG, 5)]);
}

#[test]
fn a_replaced_file_leaves_no_temporary_and_is_read_anew() {
    let directory = TestDirectory::new();
    let mut files = RealFiles::new(directory.path().to_owned());
    let name = FileName::LEADER_EPOCH_CHECKPOINT;
    files.write_at(name, 0, b"old and longer").unwrap();
    files.replace(name, b"new").unwrap();
    let mut into = [0; 32];
    assert_eq!(files.read_at(name, 0, &mut into).unwrap(), 3);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn removing_twice_is_no_error_and_reading_a_missing_file_is() {
    let directory = TestDirectory::new();
    let mut files = RealFiles::new(directory.path().to_owned());
    files.write_at(LOG, 0, b"x").unwrap();
    files.remove(LOG).unwrap();
    files.remove(LOG).unwrap();
    let error = files.read_at(LOG, 0, &mut [0; 4]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_file_that_cannot_be_replaced_stays_and_no_part_of_the_new_one_does() {
    let directory = TestDirectory::new();
    let mut files = RealFiles::new(directory.path().to_owned());
    let name = FileName::LEADER_EPOCH_CHECKPOINT;
    files.replace(name, b"old").unwrap();
    let part = directory.path().join("leader-epoch-checkpoint.tmp");
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = files.replace(name, b"new").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    assert_eq!(fs::read(directory.path().join(name.text())).unwrap(), b"old");
}
