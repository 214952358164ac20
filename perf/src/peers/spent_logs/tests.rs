use std::os::unix::fs::MetadataExt as _;

use super::*;

#[test]
fn files_keep_their_inodes_and_lose_their_bytes() {
    let root = std::env::temp_dir().join(format!("spent-logs-{}", std::process::id()));
    let log = root.join("copy").join("orders-0");
    fs::create_dir_all(&log).unwrap();
    let segment = log.join("00000000000000000000.log");
    fs::write(&segment, [1; 5000]).unwrap();
    let inode = fs::metadata(&segment).unwrap().ino();

    let held = SpentLogs::hold(&root.join("spent"), &root.join("copy"), "orders", 1).unwrap();
    fs::remove_dir_all(&log).unwrap();
    let kept = root.join("spent/0/0-00000000000000000000.log");
    assert_eq!(fs::metadata(&kept).unwrap().len(), 5000);
    held.empty().unwrap();
    let kept = fs::metadata(&kept).unwrap();
    assert_eq!((kept.ino(), kept.len()), (inode, 0));

    fs::create_dir_all(&log).unwrap();
    fs::write(&segment, [1; 5000]).unwrap();
    SpentLogs::retire(&root.join("spent"), &root.join("copy")).unwrap();
    assert!(!log.exists());
    let retired = root.join("spent/1/orders-0/00000000000000000000.log");
    assert_eq!(fs::metadata(retired).unwrap().len(), 0);
    fs::remove_dir_all(root).unwrap();
}
