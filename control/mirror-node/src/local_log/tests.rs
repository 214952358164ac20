use std::fs;
use std::path::PathBuf;

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicPartition;

use super::{LocalLog, LocalLogError};
use crate::random_id::random_id;

/// A data directory with the partition `a-0` in it, deleted at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(segments: &[(i64, Vec<u8>)]) -> Self {
        let name = format!("ringmirror-local-log-{}", random_id().unwrap());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(root.join("a-0")).unwrap();
        for (base, contents) in segments {
            fs::write(root.join(format!("a-0/{base:020}.log")), contents).unwrap();
        }
        Self(root)
    }

    fn log(&self) -> LocalLog {
        LocalLog::open(&self.0, &TopicPartition::parse_directory("a-0").unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn batch(base: i64) -> Vec<u8> {
    let mut batch = BatchBuilder::new(offset(base), None);
    batch.push(&NewRecord { timestamp_ms: 0, key: None, value: Some(b"value") });
    batch.finish()
}

/// Base offsets read from `from` on, and how reading ended.
fn read(log: &LocalLog, from: i64) -> (Vec<i64>, Result<(), LocalLogError>) {
    let mut batches = log.batches(offset(from));
    let mut bases = Vec::new();
    loop {
        match batches.next_batch() {
            Ok(Some(found)) => bases.push(found.batch.header().base_offset.get()),
            Ok(None) => return (bases, Ok(())),
            Err(error) => return (bases, Err(error)),
        }
    }
}

#[test]
fn batches_are_read_across_segments_from_the_one_that_holds_the_offset() {
    let first = [batch(0), batch(1)].concat();
    let scratch = Scratch::new(&[(0, first), (10, batch(12)), (20, Vec::new())]);
    let log = scratch.log();
    assert_eq!(read(&log, 0).0, [0, 1, 12]);
    assert_eq!(read(&log, 9).0, [0, 1, 12]);
    assert_eq!(read(&log, 10).0, [12]);
    assert_eq!(read(&log, 99).0, Vec::<i64>::new());
    let mut batches = log.batches(Offset::ZERO);
    while batches.next_batch().unwrap().is_some() {}
    assert_eq!(batches.end(), offset(20));
}

#[test]
fn damage_is_named_with_its_place() {
    let mut contents = [batch(0), batch(1)].concat();
    let length = contents.len();
    contents[length - 1] ^= 1;
    let scratch = Scratch::new(&[(0, contents)]);
    let (bases, end) = read(&scratch.log(), 0);
    assert_eq!(bases, [0]);
    let text = end.unwrap_err().to_string();
    assert!(text.contains(&format!(".log at {}: ", length / 2)), "{text}");
}

#[test]
fn a_torn_batch_and_a_torn_header_are_refused() {
    for cut in [1, 30, 61] {
        let mut contents = [batch(0), batch(1)].concat();
        contents.truncate(contents.len() - cut);
        let scratch = Scratch::new(&[(0, contents)]);
        let (bases, end) = read(&scratch.log(), 0);
        assert_eq!(bases, [0]);
        assert!(matches!(end, Err(LocalLogError::Torn { .. })), "{cut}: {end:?}");
    }
}

#[test]
fn offsets_that_fall_are_refused() {
    let scratch = Scratch::new(&[(0, [batch(5), batch(5)].concat())]);
    let (_, end) = read(&scratch.log(), 0);
    assert!(matches!(end, Err(LocalLogError::OffsetOrder { .. })), "{end:?}");
    let scratch = Scratch::new(&[(7, batch(6))]);
    let (_, end) = read(&scratch.log(), 0);
    assert!(matches!(end, Err(LocalLogError::OffsetOrder { .. })), "{end:?}");
}
