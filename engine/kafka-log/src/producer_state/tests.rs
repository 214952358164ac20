use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};

use super::snapshot::SnapshotError;
use super::*;
use crate::test_history::{offset, producer, validated};

const TRANSACTIONAL: u16 = 0x10;

fn data(base: i64, id: i64, epoch: i16, base_sequence: i32, bits: u16) -> ValidatedBatch {
    let mut builder = BatchBuilder::new(offset(base), None);
    builder.attributes = kafka_wire::record_batch::BatchAttributes::from_wire(bits);
    let epoch = ProducerEpoch::from_wire(epoch);
    builder.producer = BatchProducer { id: Some(producer(id)), epoch, base_sequence };
    for _ in 0..3 {
        builder.push(&NewRecord { timestamp_ms: base, key: None, value: None });
    }
    validated(&builder.finish())
}

fn marker(base: i64, id: i64, epoch: i16, record: ControlRecord) -> ValidatedBatch {
    let ids = (producer(id), ProducerEpoch::from_wire(epoch));
    validated(&BatchBuilder::transaction_marker(offset(base), None, ids, record, base).finish())
}

const ABORT: ControlRecord = ControlRecord::Abort { coordinator_epoch: 9 };
const COMMIT: ControlRecord = ControlRecord::Commit { coordinator_epoch: 9 };

fn stable(states: &ProducerStates, log_end: i64) -> i64 {
    states.last_stable_offset(LogEndOffset::new(offset(log_end))).offset().get()
}

#[test]
fn the_last_batch_of_a_producer_is_remembered() {
    let mut states = ProducerStates::default();
    assert_eq!(states.apply(&data(10, 7, 2, 40, 0)), None);
    states.apply(&data(20, 7, 2, 43, 0));
    let state = states.get(producer(7)).unwrap();
    let last = LastBatch { last_sequence: 45, last_offset: offset(22), offset_delta: 2 };
    assert_eq!(state.last_batch, Some(last));
    assert_eq!((state.epoch.get(), state.timestamp_ms), (2, 20));
    assert_eq!((state.coordinator_epoch, state.open_transaction), (NONE, None));
    assert_eq!(stable(&states, 23), 23);
}

#[test]
fn sequences_wrap_to_zero() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 7, 0, i32::MAX - 1, 0));
    assert_eq!(states.get(producer(7)).unwrap().last_batch.unwrap().last_sequence, 0);
    states.apply(&data(3, 7, 0, i32::MAX, 0));
    assert_eq!(states.get(producer(7)).unwrap().last_batch.unwrap().last_sequence, 1);
}

#[test]
fn an_open_transaction_holds_the_last_stable_offset() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 1, 0, 0, TRANSACTIONAL));
    states.apply(&data(3, 2, 0, 0, TRANSACTIONAL));
    states.apply(&data(6, 1, 0, 3, TRANSACTIONAL));
    assert_eq!(stable(&states, 9), 0);
    assert_eq!(states.apply(&marker(9, 1, 0, COMMIT)), None);
    assert_eq!(stable(&states, 10), 3);
    let aborted = states.apply(&marker(10, 2, 0, ABORT)).unwrap();
    assert_eq!((aborted.first_offset, aborted.last_offset), (offset(3), offset(10)));
    assert_eq!(aborted.last_stable_offset.offset(), offset(11));
    assert_eq!(stable(&states, 11), 11);
    assert_eq!(states.get(producer(2)).unwrap().coordinator_epoch, 9);
}

#[test]
fn an_abort_names_the_oldest_transaction_still_open() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 1, 0, 0, TRANSACTIONAL));
    states.apply(&data(3, 2, 0, 0, TRANSACTIONAL));
    let aborted = states.apply(&marker(6, 2, 0, ABORT)).unwrap();
    assert_eq!(aborted.last_stable_offset.offset(), offset(0));
}

#[test]
fn a_marker_without_a_transaction_aborts_nothing() {
    let mut states = ProducerStates::default();
    assert_eq!(states.apply(&marker(0, 1, 3, ABORT)), None);
    let state = states.get(producer(1)).unwrap();
    assert_eq!((state.last_batch, state.coordinator_epoch), (None, 9));
    assert_eq!(states.apply(&marker(1, 1, 3, ControlRecord::Other { kind: 2 })), None);
}

fn reset(base: i64) -> ValidatedBatch {
    validated(&BatchBuilder::mirror_pid_reset(offset(base), None, base).finish())
}

#[test]
fn a_reset_forgets_all_producers_and_their_open_transactions() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 1, 4, 0, 0));
    states.apply(&data(3, 2, 0, 0, TRANSACTIONAL));
    assert_eq!(stable(&states, 6), 3);
    assert_eq!(states.apply(&reset(6)), None);
    assert_eq!(states, ProducerStates::default());
    assert_eq!(stable(&states, 7), 7);
    assert_eq!(ProducerStates::parse_snapshot(&states.snapshot()), Ok(ProducerStates::default()));
}

#[test]
fn behind_a_reset_an_id_used_before_is_another_producer() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 1, 4, 40, TRANSACTIONAL));
    states.apply(&reset(3));
    assert_eq!(states.apply(&marker(4, 1, 4, ABORT)), None, "its transaction is none any more");
    states.apply(&data(5, 1, 0, 0, TRANSACTIONAL));
    let state = states.get(producer(1)).unwrap();
    assert_eq!((state.epoch.get(), state.last_batch.unwrap().last_sequence), (0, 2));
    let aborted = states.apply(&marker(8, 1, 0, ABORT)).unwrap();
    assert_eq!((aborted.first_offset, aborted.last_offset), (offset(5), offset(8)));
}

#[test]
fn a_record_that_only_looks_like_a_reset_forgets_nothing() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 1, 0, 0, 0));
    let other = BatchBuilder::control(offset(3), None, 6, &[0; 3], 3);
    states.apply(&validated(&other.finish()));
    // The same bytes as application data.
    let mut bytes = reset(4);
    bytes.header.attributes = kafka_wire::record_batch::BatchAttributes::from_wire(0);
    bytes.control = None;
    states.apply(&bytes);
    assert!(states.get(producer(1)).is_some());
}

#[test]
fn a_new_producer_epoch_forgets_the_last_batch() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 1, 0, 0, TRANSACTIONAL));
    states.apply(&marker(3, 1, 1, ABORT));
    let state = states.get(producer(1)).unwrap();
    assert_eq!((state.epoch.get(), state.last_batch, state.open_transaction), (1, None, None));
}

#[test]
fn producers_expire_a_day_behind_unless_a_transaction_is_open() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 1, 0, 0, 0));
    states.apply(&data(1, 2, 0, 0, TRANSACTIONAL));
    states.apply(&data(4, 3, 0, 0, 0));
    states.expire(PRODUCER_EXPIRATION_MS + 3);
    let left: Vec<i64> = states.iter().map(|(id, _)| id.get()).collect();
    assert_eq!(left, [2, 3]);
    states.expire(i64::MIN);
    assert_eq!(states.iter().len(), 2);
}

#[test]
fn producers_are_bounded_and_the_longest_silent_go_first() {
    let mut states = ProducerStates::default();
    states.apply(&data(0, 0, 0, 0, TRANSACTIONAL));
    let first = data(3, 1, 0, 0, 0);
    for id in 1..=i64::try_from(PRODUCERS_MAX).unwrap() {
        let mut next = first;
        next.header.producer_id = Some(producer(id));
        next.header.max_timestamp_ms = id;
        states.apply(&next);
    }
    assert_eq!(states.iter().len(), PRODUCERS_MAX - EVICTED_AT_ONCE + 1);
    assert!(states.get(producer(0)).is_some(), "an open transaction is never forgotten");
    assert!(states.get(producer(1)).is_none());
    assert!(states.get(producer(i64::try_from(EVICTED_AT_ONCE).unwrap() + 1)).is_some());
}

#[test]
fn a_snapshot_holds_46_bytes_per_producer() {
    let mut states = ProducerStates::default();
    states.apply(&data(10, 258, 2, 40, TRANSACTIONAL));
    let bytes = states.snapshot();
    assert_eq!(bytes.len(), 56);
    assert_eq!(bytes[..2], [0, 1]);
    assert_eq!(bytes[2..6], crc32c::crc32c(&bytes[6..]).to_be_bytes());
    assert_eq!(bytes[6..10], [0, 0, 0, 1]);
    let entry = [
        [0, 0, 0, 0, 0, 0, 1, 2].as_slice(),
        &[0, 2],
        &[0, 0, 0, 42],
        &[0, 0, 0, 0, 0, 0, 0, 12],
        &[0, 0, 0, 2],
        &[0, 0, 0, 0, 0, 0, 0, 10],
        &[0xff; 4],
        &[0, 0, 0, 0, 0, 0, 0, 10],
    ]
    .concat();
    assert_eq!(bytes[10..], entry);
    assert_eq!(ProducerStates::parse_snapshot(&bytes), Ok(states));
}

#[test]
fn a_producer_known_by_its_marker_only_has_no_batch_in_the_snapshot() {
    let mut states = ProducerStates::default();
    states.apply(&marker(5, 1, 0, COMMIT));
    let bytes = states.snapshot();
    let batch = [[0xff; 12].as_slice(), &[0; 4]].concat();
    assert_eq!(bytes[20..36], batch);
    assert_eq!(bytes[48..], [0xff; 8]);
    assert_eq!(ProducerStates::parse_snapshot(&bytes), Ok(states));
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let mut states = ProducerStates::default();
    states.apply(&data(10, 1, 0, 0, TRANSACTIONAL));
    let good = states.snapshot();
    let refusal = |bytes: &[u8]| ProducerStates::parse_snapshot(bytes).unwrap_err();
    let sealed = |mut bytes: Vec<u8>| {
        let crc = crc32c::crc32c(&bytes[6..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        bytes
    };
    assert_eq!(refusal(&good[..9]), SnapshotError::Length { bytes: 9, expected: 10 });
    let mut newer = good.clone();
    newer[1] = 2;
    assert_eq!(refusal(&newer), SnapshotError::Version { version: 2 });
    let mut flipped = good.clone();
    flipped[30] ^= 1;
    assert!(matches!(refusal(&flipped), SnapshotError::Crc { .. }));
    let short = sealed(good[..55].to_vec());
    assert_eq!(refusal(&short), SnapshotError::Length { bytes: 55, expected: 56 });
    let mut negative = good.clone();
    negative[10] = 0x80;
    assert_eq!(refusal(&sealed(negative)), SnapshotError::Entry { index: 0 });
    let mut twice = [good.as_slice(), &good[10..]].concat();
    twice[9] = 2;
    assert_eq!(refusal(&sealed(twice)), SnapshotError::Entry { index: 1 });
}
