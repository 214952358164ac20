use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::writable_log::{DeleteRecordsError, Retired};

/// A log of batches of one record, two in each segment, a second apart.
fn filled(scratch: &Scratch, settings: LogSettings, count: i64) -> WritableLog {
    let log = scratch.open(settings);
    for raw in 0..count {
        let batch = batch_at(NOW_MS + raw * 1000, &[b"value"]).finish();
        log.append_produced(&batch, NOW_MS + raw * 1000).unwrap();
    }
    log
}

fn batch_bytes() -> u32 {
    u32::try_from(batch_at(NOW_MS, &[b"value"]).finish().len()).unwrap()
}

fn two_each() -> LogSettings {
    LogSettings { retention_ms: None, ..small_segments(batch_bytes() * 2) }
}

fn offsets(raw: &[i64]) -> Vec<Offset> {
    raw.iter().copied().map(offset).collect()
}

fn segment_names(scratch: &Scratch) -> Vec<String> {
    let names = fs::read_dir(scratch.path("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut logs: Vec<_> = names.filter(|name| name.ends_with(".log")).collect();
    logs.sort();
    logs
}

#[test]
fn segments_whose_newest_record_is_too_old_leave() {
    let scratch = Scratch::new();
    let log = filled(&scratch, two_each(), 7);
    let none = log.apply_retention(i64::MAX).unwrap();
    assert_eq!(none.segments, [], "without a limit nothing leaves");
    log.update_settings(LogSettings { retention_ms: Some(2_000), ..two_each() });
    // Records 0 and 1 are in the first segment; 1 is of second 1, 3 of second 3.
    let at = |seconds: i64| log.apply_retention(NOW_MS + seconds * 1000).unwrap();
    assert_eq!(at(3).segments, []);
    let retired = at(4);
    let log_start = LogStartOffset::new(offset(2));
    assert_eq!(retired, Retired { segments: offsets(&[0]), log_start });
    assert_eq!(log.view().state().unwrap().log_start, log_start);
    assert_eq!(segment_names(&scratch).len(), 3);
    let all = at(100);
    assert_eq!(all.segments, offsets(&[2, 4, 6]), "the active segment is rolled to leave");
    assert_eq!((log_end(&log), all.log_start), (7, LogStartOffset::new(offset(7))));
    assert_eq!(segment_names(&scratch), ["00000000000000000007.log"]);
    assert_eq!(append(&log, &plain(&[b"value"])), 7);
    drop(log);
    let log = scratch.open(two_each());
    assert_eq!(log_end(&log), 8);
}

#[test]
fn the_oldest_segments_leave_while_there_are_too_many_bytes() {
    let scratch = Scratch::new();
    let log = filled(&scratch, two_each(), 7);
    let limit = |batches: u32| {
        let retention_bytes = Some(u64::from(batch_bytes() * batches));
        log.update_settings(LogSettings { retention_bytes, ..two_each() });
        log.apply_retention(NOW_MS).unwrap().segments
    };
    assert_eq!(limit(7), []);
    assert_eq!(limit(6), [], "one batch too many is no whole segment");
    assert_eq!(limit(5), offsets(&[0]));
    assert_eq!(limit(1), offsets(&[2, 4]));
    assert_eq!(limit(0), offsets(&[6]));
    assert_eq!(limit(0), []);
}

#[test]
fn ages_of_segments_are_known_after_a_restart() {
    let scratch = Scratch::new();
    filled(&scratch, two_each(), 5).close().unwrap();
    let log = scratch.open(LogSettings { retention_ms: Some(2_000), ..two_each() });
    assert_eq!(log.apply_retention(NOW_MS + 4_000).unwrap().segments, offsets(&[0]));
}

#[test]
fn records_without_timestamps_are_as_old_as_their_files() {
    let scratch = Scratch::new();
    let without = batch_at(-1, &[b"value"]).finish();
    let two_each = small_segments(u32::try_from(without.len()).unwrap() * 2);
    let log = scratch.open(LogSettings { retention_ms: Some(2_000), ..two_each });
    for _ in 0..5 {
        append(&log, &without);
    }
    let written = UNIX_EPOCH + Duration::from_millis(u64::try_from(NOW_MS).unwrap());
    for (name, seconds) in segment_names(&scratch).iter().zip([0, 1, 2]) {
        let file = fs::OpenOptions::new().write(true).open(scratch.path(name)).unwrap();
        file.set_modified(written + Duration::from_secs(seconds)).unwrap();
    }
    let at = |seconds: i64| log.apply_retention(NOW_MS + seconds * 1000).unwrap().segments;
    assert_eq!(at(2), []);
    assert_eq!(at(3), offsets(&[0]));
    assert_eq!(at(5), offsets(&[2, 4]));
}

#[test]
fn a_topic_that_is_only_compacted_keeps_all() {
    let scratch = Scratch::new();
    let settings = LogSettings { cleanup: CleanupPolicy::Compact, ..two_each() };
    let log = filled(&scratch, LogSettings { retention_ms: Some(0), ..settings }, 5);
    assert_eq!(log.apply_retention(i64::MAX).unwrap().segments, []);
    assert!(matches!(log.delete_records(1), Err(DeleteRecordsError::Compacted)));
}

#[test]
fn deleted_records_are_below_the_start_and_whole_segments_leave() {
    let scratch = Scratch::new();
    let log = filled(&scratch, two_each(), 7);
    let start = |before| log.delete_records(before).unwrap().offset().get();
    assert_eq!(start(1), 1);
    assert_eq!(segment_names(&scratch).len(), 4);
    assert_eq!(start(5), 5);
    assert_eq!(segment_names(&scratch).len(), 2);
    assert_eq!(start(3), 5, "a start never moves back");
    assert_eq!(log.view().state().unwrap().log_start.offset(), offset(5));
    let epochs = log.view().state().unwrap().epochs.clone();
    assert_eq!(epochs.entries()[0].start, offset(5));
    for wrong in [8, -2, i64::MIN] {
        let refused = log.delete_records(wrong).unwrap_err();
        assert_eq!(refused.kafka_error(), ResponseError::OffsetOutOfRange);
    }
    assert_eq!(start(-1), 7);
    assert_eq!(append(&log, &plain(&[b"value"])), 7);
}

#[test]
fn a_start_inside_a_segment_holds_after_a_restart_when_it_is_remembered() {
    let scratch = Scratch::new();
    let log = filled(&scratch, two_each(), 7);
    log.delete_records(3).unwrap();
    log.close().unwrap();
    let log_start = Some(LogStartOffset::new(offset(3)));
    let (log, _) = WritableLog::open(LogSpec { log_start, ..scratch.spec(two_each()) }).unwrap();
    assert_eq!(log.view().state().unwrap().log_start.offset(), offset(3));
}
