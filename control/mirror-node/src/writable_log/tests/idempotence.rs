use super::*;

fn error_of(log: &WritableLog, batch: &[u8]) -> ResponseError {
    log.append_produced(batch, NOW_MS).unwrap_err().kafka_error()
}

/// The base offset of a batch that must be known already.
fn duplicate(log: &WritableLog, batch: &[u8]) -> i64 {
    let end = log_end(log);
    let appended = log.append_produced(batch, NOW_MS).unwrap();
    assert!(appended.is_duplicate, "at offset {}", appended.base_offset);
    assert_eq!(log_end(log), end);
    appended.base_offset.get()
}

#[test]
fn any_of_the_last_five_batches_is_known_when_it_comes_again() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    for base in 0..7 {
        assert_eq!(append(&log, &sequenced(0, base * 2, 2)), i64::from(base) * 2);
    }
    for base in 2..7 {
        assert_eq!(duplicate(&log, &sequenced(0, base * 2, 2)), i64::from(base) * 2);
    }
    let known = log.append_produced(&sequenced(0, 12, 2), NOW_MS).unwrap();
    assert_eq!((known.last_offset, known.log_append_time_ms), (offset(13), NOW_MS + 1));
    for base in [0, 1] {
        assert_eq!(
            error_of(&log, &sequenced(0, base * 2, 2)),
            ResponseError::OutOfOrderSequenceNumber
        );
    }
    let other_length = sequenced(0, 12, 1);
    assert_eq!(error_of(&log, &other_length), ResponseError::OutOfOrderSequenceNumber);
}

#[test]
fn a_gap_in_the_sequence_is_refused() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &sequenced(0, 0, 3));
    let refused = log.append_produced(&sequenced(0, 4, 1), NOW_MS).unwrap_err();
    assert_eq!(refused.kafka_error(), ResponseError::OutOfOrderSequenceNumber);
    let text = "producer 9 sent base sequence 4, expected 3 (epoch 0)";
    assert_eq!(refused.to_string(), text);
    assert_eq!(append(&log, &sequenced(0, 3, 1)), 3);
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    assert_eq!(append(&log, &sequenced(4, 1_000, 1)), 0);
    assert_eq!(append(&log, &sequenced(4, 1_001, 1)), 1);
}

#[test]
fn a_producer_without_sequence_is_refused() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    assert_eq!(error_of(&log, &sequenced(0, -1, 1)), ResponseError::InvalidRecord);
}

#[test]
fn sequences_go_on_at_zero_behind_the_largest() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &sequenced(0, i32::MAX - 2, 2));
    let wrapping = sequenced(0, i32::MAX, 3);
    assert_eq!(append(&log, &wrapping), 2);
    assert_eq!(duplicate(&log, &wrapping), 2);
    assert_eq!(append(&log, &sequenced(0, 2, 1)), 5);
    assert_eq!(duplicate(&log, &wrapping), 2);
    append(&log, &sequenced(0, 3, 1));
    let mut other = batch_at(NOW_MS, &[b"x"]);
    let (id, epoch) = (ProducerId::from_wire(10), ProducerEpoch::from_wire(0));
    other.producer = BatchProducer { id, epoch, base_sequence: i32::MAX };
    append(&log, &other.finish());
    other.producer.base_sequence = 0;
    append(&log, &other.finish());
}

#[test]
fn epochs_of_a_producer_only_rise_and_begin_at_zero() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &sequenced(1, 0, 1));
    assert_eq!(error_of(&log, &sequenced(0, 1, 1)), ResponseError::InvalidProducerEpoch);
    assert_eq!(error_of(&log, &sequenced(2, 1, 1)), ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(append(&log, &sequenced(2, 0, 1)), 1);
    assert_eq!(duplicate(&log, &sequenced(2, 0, 1)), 1);
    assert_eq!(error_of(&log, &sequenced(1, 1, 1)), ResponseError::InvalidProducerEpoch);
}

#[test]
fn after_a_clean_restart_the_last_batch_is_known() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &sequenced(0, i32::MAX - 1, 1));
    append(&log, &sequenced(0, i32::MAX, 4));
    log.close().unwrap();
    let spec = LogSpec { clean: true, ..scratch.spec(LogSettings::default()) };
    let (log, _) = WritableLog::open(spec).unwrap();
    assert_eq!(duplicate(&log, &sequenced(0, i32::MAX, 4)), 1);
    let known = log.append_produced(&sequenced(0, i32::MAX, 4), NOW_MS).unwrap();
    assert_eq!((known.last_offset, known.log_append_time_ms), (offset(4), NOW_MS + 3));
    let older = sequenced(0, i32::MAX - 1, 1);
    assert_eq!(error_of(&log, &older), ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(append(&log, &sequenced(0, 3, 1)), 5);
}

#[test]
fn after_a_crash_any_batch_that_was_not_answered_is_known() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    for base in 0..7 {
        append(&log, &sequenced(0, base * 2, 2));
    }
    drop(log);
    let log = scratch.open(LogSettings::default());
    for base in 2..7 {
        assert_eq!(duplicate(&log, &sequenced(0, base * 2, 2)), i64::from(base) * 2);
    }
    let older = sequenced(0, 2, 2);
    assert_eq!(error_of(&log, &older), ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(append(&log, &sequenced(0, 14, 1)), 14);
    assert_eq!(duplicate(&log, &sequenced(0, 6, 2)), 6);
}

#[test]
fn after_a_crash_the_snapshot_and_the_batches_behind_it_are_known() {
    let scratch = Scratch::new();
    let settings = small_segments(u32::try_from(sequenced(0, 0, 1).len() * 3).unwrap());
    let log = scratch.open(settings);
    for base in 0..5 {
        append(&log, &sequenced(0, base, 1));
    }
    let recovery_point = Some(log.flush().unwrap());
    drop(log);
    let spec = LogSpec { recovery_point, ..scratch.spec(settings) };
    let (log, _) = WritableLog::open(spec).unwrap();
    // The second segment begins at offset 3; the snapshot there holds the batch before.
    for base in 2..5 {
        assert_eq!(duplicate(&log, &sequenced(0, base, 1)), i64::from(base));
    }
    assert_eq!(error_of(&log, &sequenced(0, 1, 1)), ResponseError::OutOfOrderSequenceNumber);
}

#[test]
fn after_a_crash_batches_of_an_older_epoch_are_not_taken_for_known() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &sequenced(0, 0, 1));
    append(&log, &sequenced(1, 0, 2));
    drop(log);
    let log = scratch.open(LogSettings::default());
    assert_eq!(error_of(&log, &sequenced(1, 0, 1)), ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(duplicate(&log, &sequenced(1, 0, 2)), 1);
}

#[test]
fn a_compressed_batch_is_checked_like_any_other() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    let mut batch = sequenced(0, 0, 3);
    let packed = zstd::encode_all(&batch[61..], 3).unwrap();
    batch.truncate(61);
    batch.extend(packed);
    batch[22] = 4;
    let length = i32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(append(&log, &batch), 0);
    assert_eq!(duplicate(&log, &batch), 0);
    assert_eq!(scratch.batches()[0].1[61..], batch[61..], "it keeps its codec");
}
