use super::*;
use kafka_wire::offset::Offset;

const LOG: FileName = FileName::log(Offset::ZERO);

fn synced() -> MemoryFiles {
    let mut files = MemoryFiles::default();
    files.write_at(LOG, 0, b"abc").unwrap();
    files.sync(LOG).unwrap();
    files
}

#[test]
fn what_was_synced_survives_and_the_rest_is_lost() {
    let mut files = synced();
    files.write_at(LOG, 3, b"def").unwrap();
    files.truncate(LOG, 4).unwrap();
    files.write_at(FileName::offset_index(Offset::ZERO), 0, b"x").unwrap();
    assert_eq!(files.contents(LOG), Some(b"abcd".as_slice()));
    files.crash(|_, _| 0);
    assert_eq!(files.contents(LOG), Some(b"abc".as_slice()));
    assert_eq!(files.names().count(), 1);
}

#[test]
fn a_write_can_be_torn_and_a_later_one_survive() {
    let mut files = synced();
    files.write_at(LOG, 3, b"def").unwrap();
    files.write_at(LOG, 8, b"gh").unwrap();
    let mut kept = [1, 2].into_iter();
    files.crash(|_, _| kept.next().unwrap());
    assert_eq!(files.contents(LOG), Some(b"abcd\0\0\0\0gh".as_slice()));
}

#[test]
fn a_deletion_is_undone_until_the_directory_is_synced() {
    let mut files = synced();
    files.remove(LOG).unwrap();
    let mut undone = files.clone();
    undone.crash(|_, _| 0);
    assert_eq!(undone.contents(LOG), Some(b"abc".as_slice()));
    files.sync_directory().unwrap();
    files.crash(|_, _| 0);
    assert_eq!(files.contents(LOG), None);
}

#[test]
fn a_replacement_is_durable_at_once() {
    let mut files = synced();
    files.replace(LOG, b"new").unwrap();
    files.crash(|_, _| 0);
    assert_eq!(files.contents(LOG), Some(b"new".as_slice()));
}

#[test]
fn a_missing_file_cannot_be_read_or_cut() {
    let mut files = MemoryFiles::default();
    assert_eq!(files.read_at(LOG, 0, &mut [0]).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(files.truncate(LOG, 0).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(files.sync(LOG).unwrap_err().kind(), io::ErrorKind::NotFound);
    files.remove(LOG).unwrap();
}
