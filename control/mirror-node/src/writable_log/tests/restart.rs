use super::*;

#[test]
fn a_closed_log_opens_as_it_was_without_being_read() {
    let scratch = Scratch::new();
    let log = scratch.open(small_segments(300));
    for _ in 0..10 {
        append(&log, &plain(&[b"value"]));
    }
    let state = log.view().state().unwrap();
    let point = log.close().unwrap();
    assert_eq!(point, offset(10));
    assert_eq!(log.view().state(), None);
    let refused = log.append_produced(&plain(&[b"x"]), NOW_MS).unwrap_err();
    assert_eq!(refused.kafka_error(), ResponseError::NotLeaderOrFollower);
    let spec =
        LogSpec { recovery_point: Some(point), clean: true, ..scratch.spec(small_segments(300)) };
    let (log, findings) = WritableLog::open(spec).unwrap();
    assert_eq!(findings, []);
    assert_eq!(log.view().state().unwrap(), state);
    assert_eq!(append(&log, &plain(&[b"value"])), 10);
}

#[test]
fn a_log_that_was_not_closed_opens_with_all_that_was_written() {
    let scratch = Scratch::new();
    let log = scratch.open(small_segments(300));
    for _ in 0..7 {
        append(&log, &plain(&[b"value"]));
    }
    let state = log.view().state().unwrap();
    drop(log);
    let log = scratch.open(small_segments(300));
    assert_eq!(log.view().state().unwrap(), state);
    assert_eq!(append(&log, &plain(&[b"value"])), 7);
}

#[test]
fn a_torn_batch_at_the_end_is_cut_off() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &plain(&[b"a"]));
    append(&log, &plain(&[b"b"]));
    let path = scratch.path("00000000000000000000.log");
    let whole = fs::metadata(&path).unwrap().len();
    drop(log);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(whole - 5).unwrap();
    let (log, findings) = WritableLog::open(scratch.spec(LogSettings::default())).unwrap();
    let [LoadFinding::TornTail { kept_bytes, .. }] = findings[..] else { panic!("{findings:?}") };
    assert_eq!(kept_bytes, whole / 2);
    assert_eq!(append(&log, &plain(&[b"c"])), 1);
    assert_eq!(scratch.batches().len(), 2);
}

#[test]
fn a_flush_finishes_segments_and_gives_the_recovery_point() {
    let scratch = Scratch::new();
    let log = scratch.open(small_segments(300));
    while !log.append_produced(&plain(&[b"value"]), NOW_MS).unwrap().rolled {}
    let end = log_end(&log);
    assert_eq!(log.flush().unwrap(), offset(end));
    assert_eq!(log.flush().unwrap(), offset(end), "there is nothing more to do");
    let snapshot = scratch.path(&format!("{:020}.snapshot", end - 1));
    assert!(snapshot.exists(), "at the base of the new segment");
    assert_eq!(fs::read(scratch.path("leader-epoch-checkpoint")).unwrap(), b"0\n1\n3 0\n");
    drop(log);
    let spec = LogSpec { recovery_point: Some(offset(end)), ..scratch.spec(small_segments(300)) };
    let (log, findings) = WritableLog::open(spec).unwrap();
    assert_eq!((findings, log_end(&log)), (vec![], end));
}

#[test]
fn a_writer_that_rolls_faster_than_segments_are_finished_finishes_them() {
    let scratch = Scratch::new();
    let log = scratch.open(small_segments(100));
    for _ in 0..20 {
        append(&log, &plain(&[b"value"]));
    }
    let snapshots = fs::read_dir(scratch.path("")).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".snapshot")
    });
    assert!(snapshots.count() >= 16);
}

#[test]
fn a_new_log_begins_where_it_is_told_to() {
    let scratch = Scratch::new();
    let log_start = Some(LogStartOffset::new(offset(42)));
    let spec = LogSpec { log_start, ..scratch.spec(LogSettings::default()) };
    let (log, _) = WritableLog::open(spec).unwrap();
    assert_eq!(append(&log, &plain(&[b"a"])), 42);
}

#[test]
fn a_directory_of_another_topic_is_not_opened() {
    let scratch = Scratch::new();
    scratch.open(LogSettings::default()).close().unwrap();
    let topic_id = TopicId::from_wire([8; 16]).unwrap();
    let spec = LogSpec { topic_id, ..scratch.spec(LogSettings::default()) };
    assert!(WritableLog::open(spec).unwrap_err().to_string().contains("belongs to topic id"));
}

#[test]
fn a_deleted_log_leaves_nothing() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &plain(&[b"a"]));
    log.delete().unwrap();
    assert_eq!(fs::read_dir(scratch.root()).unwrap().count(), 0);
    assert!(matches!(log.append_records(&plain(&[b"a"])), Err(AppendError::Closed)));
    assert!(log.flush().is_err());
}
