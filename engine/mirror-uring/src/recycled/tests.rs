use super::*;
use crate::test_directory::TestDirectory;

fn log(directory: &TestDirectory, name: &str, bytes: u64) -> PathBuf {
    let path = directory.path().join(name);
    fs::File::create(&path).unwrap().set_len(bytes).unwrap();
    path
}

fn names(directory: &TestDirectory) -> Vec<String> {
    let read = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<String> =
        read.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_retired_file_becomes_the_next_segments_file() {
    let directory = TestDirectory::new();
    let recycled = RecycledFiles::new(true);
    let old = log(&directory, "0.log", BYTES_MIN);
    recycled.keep(directory.path(), &old).unwrap();
    assert_eq!(names(&directory), ["ringmirror-recycled-0"]);
    assert!(recycled.take(directory.path(), &directory.path().join("9.log")).unwrap());
    assert_eq!(names(&directory), ["9.log"]);
    assert!(!recycled.take(directory.path(), &directory.path().join("10.log")).unwrap());
    assert!(recycled.kept().is_empty());
}

#[test]
fn small_files_and_more_than_enough_are_left_to_be_deleted() {
    let directory = TestDirectory::new();
    let recycled = RecycledFiles::new(true);
    let small = log(&directory, "0.log", BYTES_MIN - 1);
    recycled.keep(directory.path(), &small).unwrap();
    assert_eq!(names(&directory), ["0.log"]);
    for name in ["1.log", "2.log", "3.log"] {
        recycled.keep(directory.path(), &log(&directory, name, BYTES_MIN)).unwrap();
    }
    let expected = ["0.log", "3.log", "ringmirror-recycled-0", "ringmirror-recycled-1"];
    assert_eq!(names(&directory), expected);
}

#[test]
fn where_files_are_not_reused_none_is_kept() {
    let directory = TestDirectory::new();
    let recycled = RecycledFiles::new(false);
    let old = log(&directory, "0.log", BYTES_MIN);
    recycled.keep(directory.path(), &old).unwrap();
    assert_eq!(names(&directory), ["0.log"], "left to be deleted");
    log(&directory, "ringmirror-recycled-0", BYTES_MIN);
    recycled.adopt(directory.path()).unwrap();
    assert_eq!(names(&directory), ["0.log"], "nor what an earlier process kept");
    assert!(!recycled.take(directory.path(), &directory.path().join("9.log")).unwrap());
}

#[test]
fn a_shard_keeps_a_bounded_number_whatever_is_found() {
    let recycled = RecycledFiles::new(true);
    let directories: Vec<TestDirectory> =
        (0..=RECYCLED_FILES_MAX).map(|_| TestDirectory::new()).collect();
    for directory in &directories {
        log(directory, "ringmirror-recycled-0", BYTES_MIN);
        recycled.adopt(directory.path()).unwrap();
    }
    let kept = directories.iter().filter(|directory| !names(directory).is_empty()).count();
    assert_eq!(kept, RECYCLED_FILES_MAX);
    for directory in &directories {
        recycled.clear(directory.path()).unwrap();
        assert!(names(directory).is_empty());
    }
    assert!(recycled.kept().is_empty());
}

#[test]
fn a_full_disk_takes_the_retired_files_of_all_partitions() {
    let recycled = RecycledFiles::new(true);
    let directories = [TestDirectory::new(), TestDirectory::new()];
    for directory in &directories {
        let old = log(directory, "0.log", BYTES_MIN);
        recycled.keep(directory.path(), &old).unwrap();
        recycled.adopt(directory.path()).unwrap();
    }
    assert_eq!(recycled.kept().len(), 2, "each counts once");
    recycled.make_room(&io::ErrorKind::NotFound.into());
    assert_eq!(recycled.kept().len(), 2, "another error needs no room");
    assert!(recycled.can_make_room(&io::Error::from_raw_os_error(libc::EDQUOT)));
    recycled.make_room(&io::Error::from_raw_os_error(libc::ENOSPC));
    assert!(directories.iter().all(|directory| names(directory).is_empty()));
    assert!(recycled.kept().is_empty());
}
