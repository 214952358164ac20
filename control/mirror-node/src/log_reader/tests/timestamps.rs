use super::*;

fn found(log: &WritableLog, timestamp_ms: i64) -> Option<(i64, i64)> {
    let state = log.view().state().unwrap();
    let upper = state.log_end.offset();
    let found = reader().offset_for_timestamp(log.view(), &state, timestamp_ms, upper).unwrap();
    found.map(|found| {
        assert_eq!(found.leader_epoch.map(SourceLeaderEpoch::get), Some(3));
        (found.offset.get(), found.timestamp_ms)
    })
}

#[test]
fn the_first_record_at_or_after_a_timestamp_is_found() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(batch_bytes() * 40), 100);
    // Batch n has records at 10 n and 10 n + 1.
    let check_all = || {
        assert_eq!(found(&log, 0), Some((0, NOW_MS)));
        for batch in 0..100 {
            let at = NOW_MS + batch * 10;
            assert_eq!(found(&log, at), Some((batch * 2, at)));
            assert_eq!(found(&log, at + 1), Some((batch * 2 + 1, at + 1)));
            assert_eq!(found(&log, at - 5), Some((batch * 2, at)));
        }
        assert_eq!(found(&log, NOW_MS + 992), None);
    };
    check_all();
    log.flush().unwrap();
    check_all();
    for base in [0, 80, 160] {
        fs::remove_file(scratch.path(&format!("{base:020}.timeindex"))).ok();
    }
    check_all();
}

#[test]
fn records_below_the_start_and_above_the_upper_offset_are_not_told() {
    let scratch = Scratch::new();
    let log = filled(&scratch, small_segments(1 << 20), 10);
    log.delete_records(3).unwrap();
    assert_eq!(found(&log, 0), Some((3, NOW_MS + 11)));
    let state = log.view().state().unwrap();
    let below = |upper| {
        let at = NOW_MS + 20;
        reader().offset_for_timestamp(log.view(), &state, at, offset(upper)).unwrap()
    };
    assert_eq!(below(5).map(|found| found.offset), Some(offset(4)));
    assert_eq!(below(4), None);
}

#[test]
fn timestamps_out_of_order_are_found_where_they_come_first() {
    let scratch = Scratch::new();
    let log = scratch.open(small_segments(batch_bytes() * 4));
    for at in [50, 10, 70, 30, 20, 90, 40, 60, 5, 80] {
        log.append_produced(&batch_at(at, &[b"first", b"second"]).finish(), NOW_MS).unwrap();
    }
    for (timestamp_ms, expected) in [(1, 0), (50, 0), (51, 1), (52, 4), (71, 5), (72, 10), (91, 11)]
    {
        let offset = found(&log, timestamp_ms).map(|(offset, _)| offset);
        assert_eq!(offset, Some(expected), "timestamp {timestamp_ms}");
    }
    assert_eq!(found(&log, 92), None);
    let state = log.view().state().unwrap();
    let newest = reader().max_timestamp_offset(log.view(), &state).unwrap().unwrap();
    assert_eq!((newest.offset, newest.timestamp_ms), (offset(11), 91));
}

#[test]
fn an_empty_log_has_no_times() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    let state = log.view().state().unwrap();
    assert_eq!(found(&log, 0), None);
    assert_eq!(reader().max_timestamp_offset(log.view(), &state).unwrap(), None);
}

#[test]
fn compressed_records_and_those_of_our_time_are_found() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    let mut batch = batch_at(NOW_MS, &[b"a", b"b", b"c"]).finish();
    let packed = zstd::encode_all(&batch[HEADER_BYTES..], 3).unwrap();
    batch.truncate(HEADER_BYTES);
    batch.extend(packed);
    batch[22] = 4;
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    log.append_produced(&batch, NOW_MS).unwrap();
    assert_eq!(found(&log, NOW_MS + 1), Some((1, NOW_MS + 1)));
    let ours = crate::writable_log::settings::TimestampType::LogAppendTime;
    log.update_settings(LogSettings { timestamp_type: ours, ..LogSettings::default() });
    log.append_produced(&batch_at(5, &[b"a", b"b"]).finish(), NOW_MS + 100).unwrap();
    assert_eq!(found(&log, NOW_MS + 50), Some((3, NOW_MS + 100)));
}
