use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use harness::temp_dir::TempDir;

use super::check;
use crate::peers::CopyPlan;

fn write(directory: &Path, partition: u32, segments: &[(u32, &[u8])]) {
    let log = directory.join(format!("t-{partition}"));
    fs::create_dir_all(&log).unwrap();
    for (base, bytes) in segments {
        fs::write(log.join(format!("{base:020}.log")), bytes).unwrap();
    }
    fs::write(log.join("00000000000000000000.index"), [9; 64]).unwrap();
}

#[track_caller]
fn refusal(copy: [&[(u32, &[u8])]; 2]) -> String {
    let root = TempDir::new("copied-logs").unwrap();
    let (original, directory) = (root.path().join("original"), root.path().join("copy"));
    write(&original, 0, &[(0, b"abcdef")]);
    write(&original, 1, &[(0, b"gh"), (2, b"ij")]);
    for (partition, segments) in (0..).zip(copy) {
        write(&directory, partition, segments);
    }
    let plan = CopyPlan {
        source: SocketAddr::from(([127, 0, 0, 1], 1)),
        topic: "t",
        partitions: 2,
        records: 10,
        end_offsets: &[6, 4],
        bytes: 10,
        response_bytes_max: None,
        directory: &directory,
        spent: Path::new("/spent"),
        needed: &[],
        compare_with: Some(&original),
    };
    let refused = check(&plan, &directory).err().map(|error| error.to_string());
    refused.unwrap_or_default().replace(&format!("{}/", directory.display()), "")
}

#[test]
fn a_copy_may_have_other_segments_but_no_other_bytes() {
    assert_eq!(refusal([&[(0, b"abc"), (3, b"def")], &[(0, b"ghij")]]), "");
    let told = refusal([&[(0, b"abcdef")], &[(0, b"gh"), (2, b"xj")]]);
    let place = "byte 0 of t-1/00000000000000000002.log";
    assert_eq!(told, format!("t-1 differs from the source at byte 2: {place}"));
    let told = refusal([&[(0, b"abcdxf")], &[(0, b"ghij")]]);
    let place = "byte 4 of t-0/00000000000000000000.log";
    assert_eq!(told, format!("t-0 differs from the source at byte 4: {place}"));
}

#[test]
fn a_copy_that_is_too_short_is_refused() {
    assert_eq!(refusal([&[(0, b"abcdef")], &[(0, b"ghi")]]), "9 bytes were copied of 10");
    let told = refusal([&[(0, b"abcde")], &[(0, b"ghijk")]]);
    let place = "byte 5 of t-0/00000000000000000000.log";
    assert_eq!(told, format!("t-0 differs from the source at byte 5: {place}"));
}
