use std::fs;
use std::path::PathBuf;

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicPartition;

use super::{LocalLog, LocalLogError, OpenEnd};
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
            Ok(Some(found)) => bases.push(found.header.base_offset.get()),
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

/// As [`read`] of a log that was not closed, with why the bytes behind its end are no batch.
fn read_open(log: &LocalLog, durable_end: i64) -> Result<(Vec<i64>, Option<OpenEnd>), String> {
    let mut batches = log.batches(Offset::ZERO).of_open_log(offset(durable_end));
    let mut bases = Vec::new();
    while let Some(found) = batches.next_batch().map_err(|error| error.to_string())? {
        bases.push(found.header.base_offset.get());
    }
    assert!(batches.next_batch().is_ok_and(|batch| batch.is_none()));
    Ok((bases, batches.open_end().cloned()))
}

#[test]
fn what_was_not_written_in_an_open_log_ends_it() {
    for (tail, is_reserved) in [
        (vec![0; 5000], true),
        (vec![0; 3], true),
        (batch(0), true),
        (batch(0)[20..].to_vec(), false),
        (batch(2)[..70].to_vec(), false),
    ] {
        let scratch = Scratch::new(&[(0, batch(0)), (1, [batch(1), tail.clone()].concat())]);
        let (bases, end) = read_open(&scratch.log(), 2).unwrap();
        assert_eq!(bases, [0, 1]);
        let end = end.unwrap();
        assert_eq!(end.bytes, tail.len() as u64);
        assert_eq!(end.place.position, batch(1).len() as u64);
        assert_eq!(end.reason.is_none(), is_reserved, "{:?}", end.reason);
    }
    let scratch = Scratch::new(&[(0, batch(0)), (1, vec![0; 4096])]);
    assert_eq!(read_open(&scratch.log(), 0).unwrap().0, [0]);
}

#[test]
fn reserved_space_of_an_earlier_segment_is_skipped() {
    for reserved in [vec![0; 100], batch(0)] {
        let first = [batch(0), reserved].concat();
        let scratch = Scratch::new(&[(0, first), (1, batch(1))]);
        assert_eq!(read_open(&scratch.log(), 0).unwrap(), (vec![0, 1], None));
    }
}

#[test]
fn damage_of_an_open_log_stays_damage() {
    let mut torn = batch(1);
    torn[70] ^= 1;
    let last = Scratch::new(&[(0, [batch(0), torn.clone()].concat())]);
    assert!(read_open(&last.log(), 2).is_err(), "it was durable");
    assert!(read_open(&last.log(), 1).is_ok(), "it was not");
    let earlier = Scratch::new(&[(0, [batch(0), torn].concat()), (2, batch(2))]);
    assert!(read_open(&earlier.log(), 0).is_err(), "others follow");
    let whole = Scratch::new(&[(0, batch(0))]);
    assert_eq!(read_open(&whole.log(), 1).unwrap(), (vec![0], None));
}
