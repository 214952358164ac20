use super::*;
use crate::test_directory::TestDirectory;

const SLOT: PartitionSlot = PartitionSlot(3);

fn key(base: i64, file: SegmentFile) -> FileKey {
    FileKey { slot: SLOT, base: Offset::from_wire(base).unwrap(), file }
}

fn files(open_files_max: usize) -> (SegmentFiles, TestDirectory) {
    let directory = TestDirectory::new();
    let mut files = SegmentFiles::new(open_files_max, RecycledFiles::new(true));
    files.bind(SLOT, directory.path().to_owned());
    (files, directory)
}

#[test]
fn files_are_created_under_the_names_kafka_gives_them() {
    let (mut files, directory) = files(8);
    files.open(key(42, SegmentFile::Log)).unwrap();
    files.open(key(42, SegmentFile::Index(IndexKind::Offset))).unwrap();
    files.open(key(42, SegmentFile::Index(IndexKind::Time))).unwrap();
    files.open(key(42, SegmentFile::Index(IndexKind::Transaction))).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["index", "log", "timeindex", "txnindex"];
    assert_eq!(names, expected.map(|extension| format!("00000000000000000042.{extension}")));
}

#[test]
fn the_file_not_used_lately_is_closed_when_there_are_too_many() {
    let (mut files, _directory) = files(2);
    let first = files.open(key(0, SegmentFile::Log)).unwrap();
    files.open(key(1, SegmentFile::Log)).unwrap();
    files.open(key(2, SegmentFile::Log)).unwrap();
    assert_eq!(files.open.len(), 2);
    assert_eq!(files.places.len(), 2);
    let again = files.open(key(0, SegmentFile::Log)).unwrap();
    assert!(!Rc::ptr_eq(&first, &again), "the first was closed");
    let kept = files.open(key(0, SegmentFile::Log)).unwrap();
    assert!(Rc::ptr_eq(&kept, &again), "the newest is still open");
}

#[test]
fn a_slot_without_a_directory_is_refused() {
    let (mut files, _directory) = files(2);
    files.unbind(SLOT);
    let error = files.open(key(0, SegmentFile::Log)).unwrap_err();
    assert_eq!(error.to_string(), "partition slot 3 has no directory");
}

#[test]
fn a_sync_does_not_create_a_file() {
    let (mut files, _directory) = files(2);
    let error = files.open_for_sync(SLOT, Offset::ZERO).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn closing_a_slot_leaves_the_files_of_others_open() {
    let (mut files, directory) = files(8);
    let other = PartitionSlot(4);
    files.bind(other, directory.path().to_owned());
    for base in 0..3 {
        files.open(key(base, SegmentFile::Log)).unwrap();
        files.open(FileKey { slot: other, ..key(base + 10, SegmentFile::Log) }).unwrap();
    }
    files.close_slot(SLOT);
    assert_eq!(files.open.len(), 3);
    assert!(files.open.iter().all(|open| open.key.slot == other));
    files.open(FileKey { slot: other, ..key(11, SegmentFile::Log) }).unwrap();
    assert_eq!(files.open.len(), 3);
}

#[test]
fn a_directory_is_unsynced_from_a_creation_until_a_sync_that_covers_it() {
    let (mut files, _directory) = files(8);
    assert!(files.unsynced_directory(SLOT).unwrap().is_none());
    files.open(key(0, SegmentFile::Log)).unwrap();
    let first = files.unsynced_directory(SLOT).unwrap().unwrap();
    files.open(key(1, SegmentFile::Log)).unwrap();
    files.directory_synced(SLOT, first.created_count);
    let second = files.unsynced_directory(SLOT).unwrap().unwrap();
    files.directory_synced(SLOT, second.created_count);
    assert!(files.unsynced_directory(SLOT).unwrap().is_none());
    files.close_slot(SLOT);
    files.open(key(1, SegmentFile::Log)).unwrap();
    assert!(files.unsynced_directory(SLOT).unwrap().is_none(), "it was there already");
}

#[test]
fn after_a_refusal_direct_files_go_through_the_page_cache() {
    let (mut files, _directory) = files(8);
    files.refuse_direct(&io::Error::from_raw_os_error(libc::EINVAL));
    let direct = files.open(key(0, SegmentFile::DirectLog)).unwrap();
    let buffered = files.open(key(0, SegmentFile::Log)).unwrap();
    assert!(Rc::ptr_eq(&direct, &buffered));
}

#[test]
fn a_segment_that_begins_with_direct_writes_takes_a_recycled_file() {
    let (mut files, directory) = files(8);
    let spare = directory.path().join("ringmirror-recycled-1");
    std::fs::write(&spare, b"older batches").unwrap();
    files.open(key(7, SegmentFile::Log)).unwrap();
    assert!(spare.exists());
    let file = files.open(key(8, SegmentFile::DirectLog)).unwrap();
    assert!(!spare.exists());
    assert_eq!(file.metadata().unwrap().len(), 13);
    assert_eq!(files.unsynced_directory(SLOT).unwrap().unwrap().created_count, 2);
}
