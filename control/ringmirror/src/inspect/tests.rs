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

/// A partition of two segments whose last one is cut open; `tail` lies behind its only batch.
fn open_partition(scratch: &Scratch, tail: &[u8]) -> PathBuf {
    scratch.write("meta.properties", b"");
    let id = kafka_log::partition_metadata::encode(random_id().unwrap());
    scratch.write("orders-0/partition.metadata", &id);
    for name in ["00000000000000000000", "00000000000000000001"] {
        scratch.write(&format!("orders-0/{name}.index"), b"");
        scratch.write(&format!("orders-0/{name}.timeindex"), b"");
    }
    scratch.write("orders-0/00000000000000000000.log", &batch(0));
    let mut last = batch(1);
    last.extend(tail);
    scratch.write("orders-0/00000000000000000001.log", &last);
    scratch.0.join("orders-0")
}

#[test]
fn the_end_of_an_open_log_is_told_and_is_no_problem() {
    for (tail, words) in [
        (vec![0; 5000], "5000 bytes reserved behind the last batch"),
        (vec![7; 5000], "5000 bytes behind the last batch belong to no batch"),
        (batch(0), "behind the last batch belong to no batch"),
        (vec![0; 3], "3 bytes reserved behind the last batch"),
    ] {
        let scratch = Scratch::new();
        let (text, problems) = inspected(&open_partition(&scratch, &tail));
        assert_eq!(problems, 0, "{text}");
        assert!(text.contains(words), "{text}");
        assert!(text.contains("2 segments, offsets 0 to 2"), "{text}");
    }
}

#[test]
fn an_open_segment_of_reserved_space_only_is_no_problem() {
    let scratch = Scratch::new();
    let path = open_partition(&scratch, &[]);
    scratch.write("orders-0/00000000000000000001.log", &[0; 4096]);
    let (text, problems) = inspected(&path);
    assert_eq!(problems, 0, "{text}");
    assert!(text.contains("segment 1: 4096 bytes reserved"), "{text}");
}

#[test]
fn the_end_of_a_closed_log_or_of_an_earlier_segment_stays_a_problem() {
    let scratch = Scratch::new();
    let path = open_partition(&scratch, &[0; 100]);
    let marker = scratch.write(".kafka_cleanshutdown", b"{\"version\":0,\"brokerEpoch\":-1}");
    let (text, problems) = inspected(&path);
    assert!(problems > 0, "{text}");
    fs::remove_file(marker).unwrap();
    assert_eq!(inspected(&path).1, 0);
    let mut earlier = batch(0);
    earlier.extend([0; 100]);
    scratch.write("orders-0/00000000000000000000.log", &earlier);
    let (text, problems) = inspected(&path);
    assert!(problems > 0, "{text}");
}

#[test]
fn reserved_index_entries_are_no_problem_in_the_last_segment_only() {
    for tail in [&[][..], &[0; 100]] {
        let scratch = Scratch::new();
        let path = open_partition(&scratch, tail);
        scratch.write("orders-0/00000000000000000001.index", &[0; 80]);
        scratch.write("orders-0/00000000000000000001.timeindex", &[0; 120]);
        let (text, problems) = inspected(&path);
        assert_eq!(problems, 0, "{text}");
        assert!(text.contains("80 bytes reserved at its end"), "{text}");
        scratch.write("orders-0/00000000000000000000.index", &[0; 80]);
        let (text, problems) = inspected(&path);
        assert!(problems > 0, "{text}");
    }
}

#[test]
fn a_damaged_file_beside_an_open_log_stays_a_problem() {
    for name in ["00000000000000000001.index", "leader-epoch-checkpoint"] {
        let scratch = Scratch::new();
        let path = open_partition(&scratch, &[0; 100]);
        scratch.write(&format!("orders-0/{name}"), &[0xff; 80]);
        let (text, problems) = inspected(&path);
        assert!(problems > 0, "{name}: {text}");
    }
}

#[test]
fn indexes_that_an_open_log_does_not_have_yet_are_no_problem() {
    for tail in [&[][..], &[0; 100]] {
        let scratch = Scratch::new();
        let path = open_partition(&scratch, tail);
        for kind in ["index", "timeindex"] {
            let last = scratch.0.join(format!("orders-0/00000000000000000001.{kind}"));
            fs::remove_file(last).unwrap();
        }
        let (text, problems) = inspected(&path);
        assert_eq!(problems, 0, "{text}");
        assert!(!tail.is_empty() || text.contains("00000000000000000001.index yet"), "{text}");
        fs::remove_file(scratch.0.join("orders-0/00000000000000000000.index")).unwrap();
        let (text, problems) = inspected(&path);
        assert!(problems > 0, "{text}");
    }
}

#[test]
fn a_retired_segment_is_named_and_is_no_problem() {
    let scratch = Scratch::new();
    let path = open_partition(&scratch, &[]);
    scratch.write("orders-0/ringmirror-recycled-1", &[9; 123]);
    let (text, problems) = inspected(&path);
    assert_eq!(problems, 0, "{text}");
    assert!(text.contains("ringmirror-recycled-1: 123 bytes; a retired segment"), "{text}");
    assert!(!text.contains("not a file of a Kafka log"), "{text}");
}
