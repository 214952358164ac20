use super::*;

#[test]
fn every_offset_is_found_in_the_batch_that_holds_it() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes() * 40), 100);
    let reader = reader();
    for raw in 0..200 {
        let located = locate(&reader, &log, raw);
        assert_eq!(located.base_offset.get(), raw - raw % 2, "offset {raw}");
        let segment_end = ((raw / 80 + 1) * 80).min(200);
        assert_eq!(located.end_offset, offset(segment_end), "offset {raw}");
        let expected: Vec<i64> = (raw - raw % 2..segment_end).step_by(2).collect();
        assert_eq!(bases(&located), expected, "offset {raw}");
    }
}

#[test]
fn a_reader_follows_a_log_that_grows_and_rolls() {
    let scratch = Scratch::new();
    let log = scratch.open(small_segments(batch_bytes() * 3));
    let reader = reader();
    let mut next = 0;
    for _ in 0..20 {
        append(&log, 1);
        let located = locate(&reader, &log, next);
        assert_eq!(bases(&located), [next]);
        next = located.end_offset.get();
    }
    assert_eq!(next, 40);
    assert!(reader.files.count() <= 8);
    log.flush().unwrap();
    assert_eq!(bases(&locate(&reader, &log, 7)), [6, 8, 10]);
}

#[test]
fn files_that_answers_hold_are_counted_until_they_are_let_go() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes()), 8);
    let reader = LogReader::new(FileLimits { open_max: 1, lent_max: 4 });
    let mut held: Vec<Located> = (0..3).map(|batch| locate(&reader, &log, batch * 2)).collect();
    assert!(reader.may_lend(0));
    assert!(!reader.may_lend(1), "the other half is for who holds none");
    held.extend((3..5).map(|batch| locate(&reader, &log, batch * 2)));
    assert!(!reader.may_lend(0));
    held.truncate(1);
    assert!(reader.may_lend(1));
}

#[test]
fn a_range_ends_with_the_last_batch_within_the_limit() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 500);
    let reader = reader();
    for batches in [1, 2, 3, 7, 50, 499] {
        for more in [0, 1, batch_bytes() - 1] {
            let bytes_max = batch_bytes() * batches + more;
            let limit = ReadLimit { bytes_max, at_least_one_batch: true };
            let mut next = 0;
            while next < 1000 {
                let located = locate_in(&reader, log.view(), (next, 1000), limit);
                let located = located.unwrap().unwrap();
                let end = (next + i64::from(batches) * 2).min(1000);
                assert_eq!(bases(&located), (next..end).step_by(2).collect::<Vec<_>>());
                assert_eq!(located.end_offset, offset(end));
                assert_eq!(u64::from(located.range.bytes) % u64::from(batch_bytes()), 0);
                next = end;
            }
        }
    }
}

#[test]
fn a_first_batch_above_the_limit_is_read_when_asked_for() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 3);
    let reader = reader();
    let limit = |at_least_one_batch| ReadLimit { bytes_max: 1, at_least_one_batch };
    let located = locate_in(&reader, log.view(), (2, 6), limit(true)).unwrap().unwrap();
    assert_eq!(bases(&located), [2]);
    assert!(locate_in(&reader, log.view(), (2, 6), limit(false)).unwrap().is_none());
}

#[test]
fn no_batch_at_or_above_the_upper_offset_is_read() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes() * 40), 100);
    let reader = reader();
    for (from, upper, expected) in [
        (0, 6, vec![0, 2, 4]),
        (0, 7, vec![0, 2, 4]),
        (90, 94, vec![90, 92]),
        (195, 198, vec![194, 196]),
    ] {
        let located = locate_in(&reader, log.view(), (from, upper), ALL).unwrap().unwrap();
        assert_eq!((bases(&located), located.end_offset), (expected, offset(upper)));
    }
    assert!(locate_in(&reader, log.view(), (6, 6), ALL).unwrap().is_none());
    assert!(locate_in(&reader, log.view(), (6, 7), ALL).unwrap().is_none(), "half a batch");
    assert!(locate_in(&reader, log.view(), (200, 999), ALL).unwrap().is_none());
}

#[test]
fn offsets_outside_the_log_are_refused() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 3);
    log.delete_records(2).unwrap();
    let reader = reader();
    for wrong in [1, 7] {
        let refused = locate_in(&reader, log.view(), (wrong, 9), ALL).unwrap_err();
        assert!(matches!(refused, ReadError::OutOfRange { .. }), "{refused}");
    }
    assert_eq!(bases(&locate(&reader, &log, 2)), [2, 4]);
}

#[test]
fn a_state_that_is_old_is_read_as_it_was() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes() * 3), 2);
    let old = log.view().state().unwrap();
    append(&log, 10);
    let reader = reader();
    assert_eq!(bases(&locate(&reader, &log, 8)), [8, 10]);
    let located = reader.locate(log.view(), &old, offset(0), offset(4), ALL).unwrap().unwrap();
    assert_eq!((bases(&located), located.end_offset), (vec![0, 2], offset(4)));
}

#[test]
fn a_hole_between_segments_is_stepped_over() {
    let scratch = Scratch::new();
    let at = |base| {
        let mut batch = batch_at(NOW_MS, &[b"value"]);
        batch.base_offset = offset(base);
        batch
    };
    let (view, _) = mirrored(&scratch, &[(0, &[at(0), at(5)]), (20, &[at(30)])]);
    let reader = reader();
    // Where an earlier read ended, the first batch is not looked at again.
    for (from, expected) in [(0, 0), (1, 5), (5, 5), (6, 30), (20, 20), (30, 30)] {
        let located = locate_in(&reader, &view, (from, 31), ALL).unwrap().unwrap();
        assert_eq!(located.base_offset, offset(expected), "offset {from}");
    }
    let first = locate_in(&reader, &view, (0, 31), ALL).unwrap().unwrap();
    assert_eq!(first.end_offset, offset(20));
}

#[test]
fn epochs_are_answered_from_the_history() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 3);
    log.set_leader_epoch(LeaderEpoch::from_wire(5).unwrap());
    append(&log, 1);
    let state = log.view().state().unwrap();
    let epoch = |raw| SourceLeaderEpoch::from_wire(raw).unwrap();
    assert_eq!(leader_epoch_of(&state, offset(5)), Some(epoch(3)));
    assert_eq!(leader_epoch_of(&state, offset(6)), Some(epoch(5)));
    assert_eq!(epoch_end_offset(&state, epoch(4)).unwrap().end, offset(6));
    assert_eq!(epoch_end_offset(&state, epoch(6)), None);
    let ours = LogState { leader_epoch: LeaderEpoch::from_wire(7).unwrap(), ..(*state).clone() };
    // As a broker would whose history has its own epoch 7 at the log's end.
    let end_of = |epoch| Some(EpochEndOffset { epoch, end: offset(8) });
    assert_eq!(epoch_end_offset(&ours, epoch(6)), end_of(epoch(5)));
    assert_eq!(epoch_end_offset(&ours, epoch(7)), end_of(epoch(7)));
    assert_eq!(epoch_end_offset(&ours, epoch(8)), None);
    let bare = LogState { epochs: Arc::default(), ..ours };
    assert_eq!(epoch_end_offset(&bare, epoch(6)), end_of(epoch(6)));
}

#[test]
fn a_reader_not_far_behind_the_end_is_answered_without_a_look_into_the_files() {
    let scratch = Scratch::new();
    let (reader, log) = (reader(), filled(&scratch, small_segments(1 << 20), 1));
    let batch = batch_bytes();
    assert_eq!(locate(&reader, &log, 0).end_offset, offset(2));
    for _ in 0..3 {
        append(&log, 1);
    }
    let path = scratch.path("00000000000000000000.log");
    fs::write(path, vec![0; 4 * batch as usize]).unwrap();
    // Of ends that lie close together, not all are remembered.
    let limit = ReadLimit { bytes_max: 2 * batch + 10, at_least_one_batch: true };
    let located = locate_in(&reader, log.view(), (2, 8), limit).unwrap().unwrap();
    assert_eq!((located.range.position, located.range.bytes), (u64::from(batch), batch));
    assert_eq!((located.base_offset, located.end_offset), (offset(2), offset(4)));
    let located = locate_in(&reader, log.view(), (4, 8), limit).unwrap().unwrap();
    assert_eq!(located.range.bytes, 2 * batch, "goes on where the answer before ended");
    locate_in(&reader, log.view(), (2, 3), limit).unwrap_err();
}

#[test]
fn the_reader_of_a_tail_is_answered_from_memory_alone() {
    let scratch = Scratch::new();
    let settings = small_segments(batch_bytes() * 3);
    let (reader, log) = (reader(), filled(&scratch, settings, 1));
    let recall = |from| {
        let state = log.view().state().unwrap();
        reader.recall(log.view(), &state, offset(from), state.log_end.offset(), ALL)
    };
    assert!(recall(0).is_none(), "nobody read it yet");
    assert_eq!(locate(&reader, &log, 0).end_offset, offset(2));
    append(&log, 1);
    fs::rename(scratch.path(""), scratch.root().join("away")).unwrap();
    let located = recall(2).unwrap();
    assert_eq!((bases(&located), located.end_offset), (vec![2], offset(4)));
    assert!(recall(4).is_none(), "nothing is there yet");
    let held = log.view().reading();
    assert!(recall(2).is_none(), "whoever reads may wait for the disk");
    drop(held);
    fs::rename(scratch.root().join("away"), scratch.path("")).unwrap();
    append(&log, 2);
    assert!(recall(2).is_none(), "the log goes on in another segment");
    assert_eq!(bases(&locate(&reader, &log, 4)), [4]);
}
