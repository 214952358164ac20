//! Against a segment that a real broker wrote; `tests/golden/ORIGIN.md` says how.

use kafka_protocol::records::{Record, RecordBatchDecoder};

use super::*;

const SEGMENT: &[u8] =
    include_bytes!("../../../../tests/golden/kafka-4-share-groups/share_group_state.log");

fn records() -> Vec<Record> {
    let mut bytes = bytes::Bytes::from_static(SEGMENT);
    let sets = RecordBatchDecoder::decode_all(&mut bytes).unwrap();
    sets.into_iter().flat_map(|set| set.records).collect()
}

fn decoded(record: &Record) -> Option<ShareStateRecord> {
    let key = record.key.as_ref().unwrap();
    ShareStateRecord::decode(key, record.value.as_deref()).unwrap()
}

#[test]
fn snapshots_are_read_and_written_as_a_broker_writes_them() {
    let mut seen = Vec::new();
    for record in records() {
        let Some(read) = decoded(&record) else { continue };
        let written = read.encode().unwrap();
        assert_eq!(Some(&written.key[..]), record.key.as_deref());
        assert_eq!(written.value.as_deref(), record.value.as_deref());
        let start = read.value.map(|value| value.start_offset.map_or(-1, Offset::get));
        seen.push((read.key.group, read.key.partition.get(), start));
    }
    let of = |group: &str, partition, start| (group.to_owned(), partition, start);
    assert_eq!(
        seen,
        [
            of("g", 1, Some(0)),
            of("g", 0, Some(0)),
            of("h", 0, Some(-1)),
            of("h", 1, Some(-1)),
            of("h", 0, None),
            of("h", 1, None),
        ]
    );
    let first = decoded(&records()[0]).unwrap().value.unwrap();
    assert_eq!((first.snapshot_epoch, first.state_epoch, first.leader_epoch), (0, 1, 0));
    assert_eq!(first.delivery_complete_count, 0);
    assert_eq!(first.write_timestamp_ms, 1_795_331_511_916);
}

#[test]
fn changes_since_a_snapshot_are_passed_over() {
    let others = records().iter().filter(|record| decoded(record).is_none()).count();
    assert_eq!(others, 2);
}

#[test]
fn damage_and_later_versions_are_refused() {
    let record = decoded(&records()[0]).unwrap().encode().unwrap();
    let value = record.value.unwrap();
    for length in 0..value.len() {
        let cut = &value[..length];
        assert!(ShareStateRecord::decode(&record.key, Some(cut)).is_err(), "{length} bytes");
    }
    for length in 0..record.key.len() {
        assert!(ShareStateRecord::decode(&record.key[..length], None).is_err(), "{length} bytes");
    }
    let mut newer = value.clone();
    newer[1] = 1;
    let refused = ShareStateRecord::decode(&record.key, Some(&newer)).unwrap_err();
    assert!(matches!(refused.0, FieldError::Version { version: 1, .. }), "{refused}");
}

#[test]
fn state_is_where_a_broker_looks_for_it() {
    // `Utils.abs("g:qwblzy4cRY2PbzqxM7LdGw:1".hashCode()) % 50` in Java.
    let key = decoded(&records()[0]).unwrap().key;
    assert_eq!(key.place(50), 12);
}
