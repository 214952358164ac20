use std::fs;
use std::path::{Path, PathBuf};

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::Offset;
use mirror_node::random_id::random_id;

use super::{Reporter, partition_of};
use crate::output::Output;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("ringmirror-inspect-{}", random_id().unwrap());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Facts and problems of one path.
fn inspected(path: &Path) -> (String, usize) {
    let mut output = Output::new(true);
    let mut reporter =
        Reporter { output: &mut output, entries: true, seen: Vec::new(), problems: 0 };
    reporter.inspect(path).unwrap();
    let texts = reporter
        .seen
        .iter()
        .flat_map(|seen| seen.facts.iter().chain(&seen.entries).chain(&seen.problems).cloned());
    (texts.collect::<Vec<_>>().join("\n"), reporter.problems)
}

fn batch(base: i64) -> Vec<u8> {
    let mut batch = BatchBuilder::new(Offset::from_wire(base).unwrap(), None);
    batch.push(&NewRecord { timestamp_ms: 5, key: None, value: Some(b"hello") });
    batch.finish()
}

#[test]
fn garbage_in_any_file_is_a_problem_and_never_a_panic() {
    let scratch = Scratch::new();
    for name in [
        "00000000000000000000.log",
        "00000000000000000000.index",
        "00000000000000000000.timeindex",
        "00000000000000000000.txnindex",
        "00000000000000000007.snapshot",
        "leader-epoch-checkpoint",
        "partition.metadata",
        "meta.properties",
        "ringmirror.json",
        "recovery-point-offset-checkpoint",
        "log-start-offset-checkpoint",
        "replication-offset-checkpoint",
        "cleaner-offset-checkpoint",
        "bootstrap.checkpoint",
    ] {
        for contents in [&[0xff_u8; 333][..], &[0x7f; 61], &[0x80; 4096], b"\n\n0\n-1\nxy"] {
            let path = scratch.write(name, contents);
            let (text, problems) = inspected(&path);
            assert!(problems > 0, "{name}: {text}");
        }
    }
}

#[test]
fn a_segment_is_told_batch_by_batch_up_to_the_damage() {
    let scratch = Scratch::new();
    let mut contents = batch(0);
    contents.extend(batch(1));
    let path = scratch.write("00000000000000000000.log", &contents);
    let (text, problems) = inspected(&path);
    assert_eq!(problems, 0, "{text}");
    assert!(text.contains("offsets 0 to 2, 2 batches, 2 records"), "{text}");
    *contents.last_mut().unwrap() ^= 1;
    scratch.write("00000000000000000000.log", &contents);
    let (text, problems) = inspected(&path);
    assert_eq!(problems, 1, "{text}");
    assert!(text.contains("offsets 0 to 1, 1 batches"), "{text}");
}

#[test]
fn a_directory_that_is_no_partition_is_a_problem() {
    let scratch = Scratch::new();
    scratch.write("photos/cat.jpg", b"miaow");
    let (text, problems) = inspected(&scratch.0);
    assert_eq!(problems, 1, "{text}");
    assert!(text.contains("not a partition"), "{text}");
}

#[test]
fn partition_directories_are_known_by_their_names() {
    assert!(partition_of(Path::new("/x/orders-0")).is_some());
    assert!(partition_of(Path::new("/x/orders")).is_none());
}

#[test]
fn a_strange_file_is_named_and_is_no_problem() {
    let scratch = Scratch::new();
    let path = scratch.write("README", b"hello");
    let (text, problems) = inspected(&path);
    assert_eq!(problems, 0);
    assert!(text.contains("a broker ignores it"), "{text}");
}
