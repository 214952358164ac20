//! A writer, its upkeep and readers at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::sync::Notify;

use super::*;

const BATCHES: i64 = 1_000;

/// Reads the whole log while it is written; returns the base offsets of the batches.
fn follow(reader: &LogReader, log: &WritableLog, bytes_max: u32) -> Vec<i64> {
    let limit = ReadLimit { bytes_max, at_least_one_batch: true };
    let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let changed = Arc::new(Notify::new());
    let (mut found, mut next) = (Vec::new(), offset(0));
    log.view().watch(&changed);
    while next.get() < BATCHES * 2 {
        let state = log.view().state().unwrap();
        let upper = state.log_end.offset();
        match reader.locate(log.view(), &state, next, upper, limit).unwrap() {
            Some(located) => {
                let read = bases(&located);
                assert_eq!(read.first().copied(), Some(next.get()));
                found.extend(read);
                next = located.end_offset;
            }
            None => waiting.block_on(changed.notified()),
        }
    }
    found
}

#[test]
fn readers_see_every_batch_once_while_segments_roll_and_are_finished() {
    let scratch = Scratch::new();
    let log = scratch.open(small_segments(batch_bytes() * 25));
    let reader = reader();
    let is_done = AtomicBool::new(false);
    let expected: Vec<i64> = (0..BATCHES * 2).step_by(2).collect();
    thread::scope(|scope| {
        let (reader, log) = (&reader, &log);
        let followers = [1, batch_bytes() * 3 + 1, u32::MAX]
            .map(|bytes_max| scope.spawn(move || follow(reader, log, bytes_max)));
        let upkeep = scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                log.flush().unwrap();
                log.apply_retention(NOW_MS).unwrap();
            }
        });
        append(log, BATCHES);
        for follower in followers {
            assert_eq!(follower.join().unwrap(), expected);
        }
        is_done.store(true, Ordering::Release);
        upkeep.join().unwrap();
    });
    assert_eq!(log.close().unwrap(), offset(BATCHES * 2));
    assert_eq!(i64::try_from(scratch.batches().len()), Ok(BATCHES));
}

#[test]
fn records_deleted_under_a_reader_are_out_of_range_and_nothing_else() {
    let scratch = Scratch::new();
    let log = scratch.open(small_segments(batch_bytes() * 5));
    let reader = reader();
    thread::scope(|scope| {
        let deleting = scope.spawn(|| {
            for _ in 0..100 {
                append(&log, 5);
                let end = log.view().state().unwrap().log_end.offset().get();
                log.delete_records((end - 7).max(0)).unwrap();
            }
        });
        let mut next = 0;
        while !deleting.is_finished() {
            let state = log.view().state().unwrap();
            let from = offset(next);
            match reader.locate(log.view(), &state, from, state.log_end.offset(), ALL) {
                Ok(Some(located)) => {
                    let first = bases(&located)[0];
                    assert!(first == next || first + 1 == next, "{first} for {next}");
                    next = located.end_offset.get();
                }
                Ok(None) => {}
                Err(ReadError::OutOfRange { log_start, .. }) => next = log_start.get(),
                Err(error) => panic!("{error}"),
            }
        }
        deleting.join().unwrap();
    });
}
