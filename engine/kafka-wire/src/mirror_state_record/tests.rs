use proptest::prelude::*;

use super::*;
use crate::test_hex::hex;

fn key() -> MirrorPartitionKey {
    MirrorPartitionKey {
        mirror_name: "dc1".to_owned(),
        topic_id: TopicId::from_wire([9; 16]).unwrap(),
        partition: PartitionIndex::from_wire(2).unwrap(),
    }
}

fn position() -> MirrorStateRecord {
    let value = LastMirrorEpochsValue {
        last_mirror_epoch: SourceLeaderEpoch::from_wire(5),
        last_mirror_offset: Offset::from_wire(0x1_0203),
    };
    MirrorStateRecord::LastMirrorEpochs(key(), Some(value))
}

fn failed() -> MirrorStateRecord {
    let value = PartitionStateValue {
        state: 8,
        leader_epoch: LeaderEpoch::from_wire(14),
        state_epoch: 7,
        error_message: Some("bad".to_owned()),
        retry_attempt: 2,
        previous_state: 3,
    };
    MirrorStateRecord::PartitionState(key(), Some(value))
}

fn records() -> [MirrorStateRecord; 3] {
    let unknown =
        UnknownMirrorStateRecord { kind: 3, key: vec![0, 1, b'm'], value: Some(vec![0, 9]) };
    [position(), failed(), MirrorStateRecord::Unknown(unknown)]
}

fn decode(record: &EncodedMirrorStateRecord) -> Result<MirrorStateRecord, MirrorStateRecordError> {
    MirrorStateRecord::decode(&record.key, record.value.as_deref())
}

const KEY: &str = "0003 646331 09090909090909090909090909090909 00000002";

#[test]
fn a_position_is_written_as_the_schema_says() {
    let EncodedMirrorStateRecord { key, value } = position().encode().unwrap();
    assert_eq!(key, hex(&format!("0001 {KEY}")));
    assert_eq!(value, Some(hex("0000 00000005 0000000000010203 00")));
}

#[test]
fn a_state_is_written_as_the_schema_says() {
    let EncodedMirrorStateRecord { key, value } = failed().encode().unwrap();
    assert_eq!(key, hex(&format!("0002 {KEY}")));
    assert_eq!(value, Some(hex("0000 08 0000000e 00000007 04 626164 0002 03 00")));
}

#[test]
fn what_is_not_known_is_written_as_minus_one_or_null() {
    let none = LastMirrorEpochsValue { last_mirror_epoch: None, last_mirror_offset: None };
    let none = MirrorStateRecord::LastMirrorEpochs(key(), Some(none));
    let written = none.encode().unwrap();
    assert_eq!(written.value, Some(hex("0000 ffffffff ffffffffffffffff 00")));
    assert_eq!(decode(&written), Ok(none));
    let first = PartitionStateValue {
        state: 0,
        leader_epoch: None,
        state_epoch: 0,
        error_message: None,
        retry_attempt: 0,
        previous_state: -1,
    };
    let first = MirrorStateRecord::PartitionState(key(), Some(first));
    let written = first.encode().unwrap();
    assert_eq!(written.value, Some(hex("0000 00 ffffffff 00000000 00 0000 ff 00")));
    assert_eq!(decode(&written), Ok(first));
}

#[test]
fn every_record_and_its_tombstone_come_back_as_they_were_written() {
    for record in records() {
        let written = record.encode().unwrap();
        assert_eq!(decode(&written), Ok(record));
        let deleted = EncodedMirrorStateRecord { value: None, ..written };
        let tombstone = decode(&deleted).unwrap();
        assert_eq!(tombstone.encode(), Ok(deleted));
    }
    let deleted = MirrorStateRecord::decode(&hex(&format!("0001 {KEY}")), None);
    assert_eq!(deleted, Ok(MirrorStateRecord::LastMirrorEpochs(key(), None)));
    let deleted = MirrorStateRecord::decode(&hex(&format!("0002 {KEY}")), None);
    assert_eq!(deleted, Ok(MirrorStateRecord::PartitionState(key(), None)));
}

#[test]
fn a_record_cut_anywhere_or_longer_is_refused() {
    for record in [position(), failed()] {
        let EncodedMirrorStateRecord { key, value } = record.encode().unwrap();
        let value = value.unwrap();
        for length in 0..key.len() {
            let refused = MirrorStateRecord::decode(&key[..length], Some(&value));
            assert!(refused.is_err(), "key of {length} bytes of {record:?}");
        }
        for length in 0..value.len() {
            let refused = MirrorStateRecord::decode(&key, Some(&value[..length]));
            assert!(refused.is_err(), "value of {length} bytes of {record:?}");
        }
        for (key, value, part) in [
            ([&key[..], &[0]].concat(), value.clone(), "key"),
            (key.clone(), [&value[..], &[0]].concat(), "value"),
        ] {
            let trailing = MirrorStateRecordError(FieldError::TrailingBytes { part, bytes: 1 });
            assert_eq!(MirrorStateRecord::decode(&key, Some(&value)), Err(trailing));
        }
    }
}

#[test]
fn newer_versions_and_kinds_are_told_from_damage() {
    for (kind, what) in [(1, "last mirror position"), (2, "partition state")] {
        let key = hex(&format!("000{kind} {KEY}"));
        let error = MirrorStateRecord::decode(&key, Some(&hex("0001 ff"))).unwrap_err();
        assert_eq!(error.0, FieldError::Version { what, version: 1, known_max: 0 });
        let text = format!("mirror state record has a {what} of version 1, known are 0 to 0");
        assert_eq!(error.to_string(), text);
    }
    let newer = MirrorStateRecord::decode(&hex("0003 ff"), Some(&hex("0001"))).unwrap();
    let kept = UnknownMirrorStateRecord { kind: 3, key: hex("ff"), value: Some(hex("0001")) };
    assert_eq!(newer, MirrorStateRecord::Unknown(kept));
}

#[test]
fn tagged_fields_of_newer_writers_are_skipped() {
    let key = hex(&format!("0001 {KEY}"));
    let value = hex("0000 00000005 0000000000010203 02 00 03 010203 07 00");
    assert_eq!(MirrorStateRecord::decode(&key, Some(&value)), Ok(position()));
}

#[test]
fn impossible_fields_are_refused() {
    let refused = |key: &str, value: &str| {
        MirrorStateRecord::decode(&hex(key), Some(&hex(value))).unwrap_err().to_string()
    };
    let value = "0000 00000005 0000000000010203 00";
    let id = "09".repeat(16);
    for (key, field) in [
        (format!("0001 ffff {id} 00000002"), "mirror name"),
        (format!("0001 8000 {id} 00000002"), "mirror name"),
        (format!("0001 0001 ff {id} 00000002"), "mirror name"),
        (format!("0001 0001 6d {} 00000002", "00".repeat(16)), "topic id"),
        (format!("0001 0001 6d {id} ffffffff"), "partition"),
    ] {
        let text = format!("mirror state record has an unexpected {field}");
        assert_eq!(refused(&key, value), text, "{key}");
    }
    // A text of four billion bytes, and four billion tags, of which nothing is there.
    for value in [
        "0000 08 0000000e 00000007 ffffffff0f 00",
        "0000 08 0000000e 00000007 00 0002 03 ffffffff0f",
    ] {
        let told = refused(&format!("0002 {KEY}"), value);
        assert_eq!(told, "mirror state record is damaged: bytes end inside a value");
    }
}

#[test]
fn a_name_too_long_for_its_field_is_refused() {
    let long = MirrorPartitionKey { mirror_name: "m".repeat(40_000), ..key() };
    let refused = MirrorStateRecord::LastMirrorEpochs(long, None).encode();
    let too_long = FieldError::TooLong { field: "mirror name" };
    assert_eq!(refused, Err(MirrorStateRecordError(too_long)));
}

proptest! {
    #[test]
    fn any_state_comes_back(
        state in any::<i8>(),
        leader_epoch in -1..i32::MAX,
        state_epoch in any::<i32>(),
        error_message in any::<Option<String>>(),
        retry_attempt in any::<i16>(),
        previous_state in any::<i8>(),
        mirror_name in ".{0,40}",
    ) {
        let leader_epoch = LeaderEpoch::from_wire(leader_epoch);
        let key = MirrorPartitionKey { mirror_name, ..key() };
        let value = PartitionStateValue {
            state, leader_epoch, state_epoch, error_message, retry_attempt, previous_state,
        };
        let record = MirrorStateRecord::PartitionState(key, Some(value));
        prop_assert_eq!(decode(&record.encode().unwrap()), Ok(record));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        kind in 0_u8..4,
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let key = [&[0, kind][..], &key].concat();
        if let Ok(record) = MirrorStateRecord::decode(&key, Some(&value)) {
            prop_assert_eq!(decode(&record.encode().unwrap()), Ok(record));
        }
    }
}
