use super::*;

#[test]
fn appended_batches_get_offsets_and_epoch_and_lie_in_the_file_as_sent() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    let first = log.append_produced(&plain(&[b"a", b"b"]), NOW_MS).unwrap();
    assert_eq!((first.base_offset, first.last_offset), (offset(0), offset(1)));
    assert_eq!((first.log_append_time_ms, first.is_duplicate, first.rolled), (-1, false, false));
    assert_eq!(append(&log, &plain(&[b"c"])), 2);
    let state = log.view().state().unwrap();
    assert_eq!(state.log_end.offset(), offset(3));
    assert_eq!(state.high_watermark.offset(), offset(3));
    assert_eq!(state.last_stable_offset.offset(), offset(3));
    assert_eq!(state.leader_epoch.get(), 3);
    assert_eq!(state.epochs.latest(), SourceLeaderEpoch::from_wire(3));
    let found = scratch.batches();
    let bytes: usize = found.iter().map(|(_, bytes)| bytes.len()).sum();
    let position = u32::try_from(bytes).unwrap();
    assert_eq!(state.end_place, LogPlace { segment: offset(0), position });
    for ((header, bytes), (base, sent)) in
        found.iter().zip([(0, plain(&[b"a", b"b"])), (2, plain(&[b"c"]))])
    {
        assert_eq!(header.base_offset, offset(base));
        assert_eq!(header.leader_epoch, SourceLeaderEpoch::from_wire(3));
        assert_eq!(bytes[16..], sent[16..], "magic, CRC and all behind it are the client's");
    }
}

#[test]
fn the_base_offset_of_the_client_says_nothing() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    let mut batch = plain(&[b"a"]);
    batch[..8].copy_from_slice(&(-77_i64).to_be_bytes());
    assert_eq!(append(&log, &batch), 0);
    batch[..8].copy_from_slice(&i64::MAX.to_be_bytes());
    assert_eq!(append(&log, &batch), 1);
}

#[test]
fn batches_of_this_node_take_the_next_offset_as_well() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings { max_message_bytes: 10, ..LogSettings::default() });
    let batch = plain(&[b"a"]);
    assert_eq!(log.append_records(&batch).unwrap().base_offset, offset(0));
    assert_eq!(log.append_records(&batch).unwrap().base_offset, offset(1));
    let mut wrong = batch;
    wrong[70] ^= 1;
    let refused = log.append_records(&wrong).unwrap_err();
    assert_eq!(refused.kafka_error(), ResponseError::CorruptMessage);
}

#[test]
fn our_time_replaces_the_largest_timestamp_when_the_topic_says_so() {
    let scratch = Scratch::new();
    let settings =
        LogSettings { timestamp_type: TimestampType::LogAppendTime, ..LogSettings::default() };
    let log = scratch.open(settings);
    let appended = log.append_produced(&batch_at(5, &[b"a"]).finish(), NOW_MS).unwrap();
    assert_eq!(appended.log_append_time_ms, NOW_MS);
    let (header, _) = scratch.batches()[0];
    assert_eq!(header.max_timestamp_ms, NOW_MS);
    assert_eq!(header.base_timestamp_ms, 5);
    assert_eq!(header.attributes.get() & 0x08, 0x08);
}

#[test]
fn a_wrong_largest_timestamp_is_set_right() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    let mut batch = plain(&[b"a", b"b"]);
    batch[35..43].copy_from_slice(&(NOW_MS + 99).to_be_bytes());
    set_crc(&mut batch);
    append(&log, &batch);
    assert_eq!(scratch.batches()[0].0.max_timestamp_ms, NOW_MS + 1);
}

fn set_crc(batch: &mut [u8]) {
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// Appends a batch that must be refused, with this error and text.
fn check(settings: LogSettings, batch: &[u8], expected: ResponseError, text: &str) {
    let scratch = Scratch::new();
    let log = scratch.open(settings);
    let refused = log.append_produced(batch, NOW_MS).unwrap_err();
    assert_eq!(refused.kafka_error(), expected, "{refused}");
    assert!(refused.to_string().contains(text), "{refused}");
    assert_eq!(log_end(&log), 0);
    assert_eq!(append(&log, &batch_at(NOW_MS, &[b"x"]).finish()), 0, "the log takes the next");
}

/// A batch with bytes changed behind the CRC, which is right.
fn changed(mut batch: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut batch);
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    set_crc(&mut batch);
    batch
}

#[test]
fn bytes_that_are_not_one_batch_of_magic_2_are_refused() {
    let settings = LogSettings::default();
    let batch = plain(&[b"a"]);
    check(settings, &[], ResponseError::InvalidRecord, "no record batch");
    let two = [batch.clone(), batch.clone()].concat();
    check(settings, &two, ResponseError::InvalidRecord, "exactly one batch");
    for magic in [0, 1, 3] {
        let mut other = batch[..30].to_vec();
        other[16] = magic;
        check(settings, &other, ResponseError::UnsupportedForMessageFormat, "magic");
    }
    for cut in [1, 16, 40, 61, batch.len() - 1] {
        check(settings, &batch[..cut], ResponseError::CorruptMessage, "batch ends after");
    }
    let mut short = batch.clone();
    short[8..12].copy_from_slice(&48_i32.to_be_bytes());
    check(settings, &short, ResponseError::CorruptMessage, "length 48");
    let mut wrong = batch;
    *wrong.last_mut().unwrap() ^= 1;
    check(settings, &wrong, ResponseError::CorruptMessage, "crc");
}

#[test]
fn batches_beyond_the_size_settings_are_refused() {
    let batch = plain(&[&[0; 500]]);
    let small = LogSettings { max_message_bytes: 500, ..LogSettings::default() };
    check(small, &batch, ResponseError::MessageTooLarge, "max.message.bytes is 500");
    check(small_segments(500), &batch, ResponseError::RecordListTooLarge, "segment.bytes is 500");
}

#[test]
fn control_and_transactional_batches_of_clients_are_refused() {
    let settings = LogSettings::default();
    let with = |attributes| {
        let mut batch = batch_at(NOW_MS, &[b"a"]);
        batch.attributes = BatchAttributes::from_wire(attributes);
        batch.finish()
    };
    check(settings, &with(0x20), ResponseError::InvalidRecord, "control");
    check(settings, &with(0x10), ResponseError::InvalidRecord, "transactions are not supported");
}

#[test]
fn records_that_do_not_fit_their_header_are_refused() {
    let settings = LogSettings::default();
    let batch = plain(&[b"a", b"b"]);
    let count = |count: i32| {
        changed(batch.clone(), |batch| batch[57..61].copy_from_slice(&count.to_be_bytes()))
    };
    check(settings, &count(1), ResponseError::InvalidRecord, "last offset delta 1");
    check(settings, &count(3), ResponseError::InvalidRecord, "3 records");
    check(settings, &count(0), ResponseError::InvalidRecord, "0 records");
    check(settings, &count(-1), ResponseError::InvalidRecord, "record count -1");
    let trailing = changed(batch.clone(), |batch| batch.push(0));
    check(settings, &trailing, ResponseError::InvalidRecord, "bytes follow the last");
    // length, attributes, timestamp delta, offset delta
    let twice = changed(batch.clone(), |batch| batch[64] = 2);
    check(settings, &twice, ResponseError::InvalidRecord, "record 0 has offset delta 1");
    let cut = changed(batch.clone(), |batch| batch.truncate(batch.len() - 3));
    check(settings, &cut, ResponseError::InvalidRecord, "record 1 cannot be read");
    let unknown = changed(batch, |batch| batch[22] = 6);
    check(settings, &unknown, ResponseError::UnsupportedCompressionType, "codec 6");
}

#[test]
fn a_compacted_topic_takes_records_with_keys_only() {
    for cleanup in [CleanupPolicy::Compact, CleanupPolicy::CompactAndDelete] {
        let settings = LogSettings { cleanup, ..LogSettings::default() };
        let mut batch = batch_at(NOW_MS, &[b"a"]);
        batch.push(&NewRecord { timestamp_ms: NOW_MS, key: None, value: None });
        let batch = batch.finish();
        check(settings, &batch, ResponseError::InvalidRecord, "record 1 has no key");
        let refused = scratch_refusal(settings, &batch);
        assert_eq!(refused.record_index(), Some(1));
    }
}

fn scratch_refusal(settings: LogSettings, batch: &[u8]) -> AppendError {
    Scratch::new().open(settings).append_produced(batch, NOW_MS).unwrap_err()
}

#[test]
fn timestamps_too_far_from_our_clock_are_refused() {
    let settings = LogSettings {
        timestamp_before_max_ms: 1000,
        timestamp_after_max_ms: 10,
        ..LogSettings::default()
    };
    let at = |timestamp_ms| batch_at(timestamp_ms, &[b"a"]).finish();
    check(settings, &at(NOW_MS - 1001), ResponseError::InvalidTimestamp, "record 0");
    check(settings, &at(NOW_MS + 11), ResponseError::InvalidTimestamp, "record 0");
    let log_scratch = Scratch::new();
    let log = log_scratch.open(settings);
    for timestamp_ms in [NOW_MS - 1000, NOW_MS + 10, -1] {
        append(&log, &at(timestamp_ms));
    }
    let mut ours = batch_at(NOW_MS, &[b"a"]);
    ours.attributes = BatchAttributes::from_wire(0x08);
    check(settings, &ours.finish(), ResponseError::InvalidTimestamp, "LogAppendTime");
}

#[test]
fn settings_change_while_the_log_is_open() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    let batch = plain(&[&[0; 500]]);
    append(&log, &batch);
    log.update_settings(LogSettings { max_message_bytes: 500, ..LogSettings::default() });
    let refused = log.append_produced(&batch, NOW_MS).unwrap_err();
    assert_eq!(refused.kafka_error(), ResponseError::MessageTooLarge);
    log.update_settings(small_segments(600));
    assert!(log.append_produced(&batch, NOW_MS).unwrap().rolled);
}

#[test]
fn a_newer_epoch_begins_with_the_next_batch() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &plain(&[b"a"]));
    log.set_leader_epoch(LeaderEpoch::from_wire(5).unwrap());
    assert_eq!(log.view().state().unwrap().leader_epoch.get(), 5);
    append(&log, &plain(&[b"b"]));
    let epochs = log.view().state().unwrap().epochs.clone();
    let found: Vec<_> =
        epochs.entries().iter().map(|entry| (entry.epoch.get(), entry.start)).collect();
    assert_eq!(found, [(3, offset(0)), (5, offset(1))]);
}
