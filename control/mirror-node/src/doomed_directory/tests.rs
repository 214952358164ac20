use super::*;
use crate::test_directory::TestDirectory;

#[test]
fn a_directory_with_the_longest_name_of_a_partition_is_deleted() {
    let root = TestDirectory::new();
    let directory = root.0.join(format!("{}-9999", "n".repeat(249)));
    fs::create_dir_all(&directory).unwrap();
    remove(&directory).unwrap();
    assert_eq!(fs::read_dir(&root.0).unwrap().count(), 0);
}

#[test]
fn only_what_was_being_deleted_is_swept() {
    let root = TestDirectory::new();
    let kept = ["a-0", "a.b-delete-0", "x-delete", "a-0.short-delete", "lost+found"];
    let doomed =
        ["a-0.u1TKk6ktQ0iWEuGPwJkNdw-delete", "a.b-12.0123456789abcdef0123456789abcdef-delete"];
    for name in kept.iter().chain(&doomed) {
        fs::create_dir_all(root.0.join(name)).unwrap();
        fs::write(root.0.join(name).join("00000000000000000000.log"), "records").unwrap();
    }
    sweep(&root.0);
    assert!(kept.iter().all(|name| root.0.join(name).exists()));
    assert!(!doomed.iter().any(|name| root.0.join(name).exists()));
}
