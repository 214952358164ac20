use kafka_protocol::records::{NO_PRODUCER_ID, RecordBatchDecoder};

use super::*;
use crate::record_batch::RecordBatchView;
use crate::test_hex::hex;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

#[test]
fn a_plain_batch_decodes_as_its_records() {
    let mut builder = BatchBuilder::new(offset(40), SourceLeaderEpoch::from_wire(6));
    builder.push(&NewRecord { timestamp_ms: 1000, key: Some(b"k"), value: Some(b"first") });
    builder.push(&NewRecord { timestamp_ms: 900, key: None, value: None });
    let bytes = builder.finish();
    let view = RecordBatchView::parse(&bytes, 1 << 20).unwrap();
    assert_eq!((view.header().base_offset, view.header().next_offset()), (offset(40), offset(42)));
    assert_eq!((view.header().base_timestamp_ms, view.header().max_timestamp_ms), (1000, 1000));
    assert_eq!(view.header().producer_id, None);
    let mut rest = bytes::Bytes::from(bytes);
    let records = RecordBatchDecoder::decode(&mut rest).unwrap().records;
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].offset, records[1].offset), (40, 41));
    assert_eq!((records[0].timestamp, records[1].timestamp), (1000, 900));
    assert_eq!(records[0].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(records[0].value.as_deref(), Some(&b"first"[..]));
    assert_eq!((records[1].key.as_ref(), records[1].value.as_ref()), (None, None));
    assert_eq!((records[1].producer_id, records[1].partition_leader_epoch), (NO_PRODUCER_ID, 6));
}

#[test]
fn a_marker_reads_back_as_what_it_says() {
    let producer = (ProducerId::from_wire(7).unwrap(), ProducerEpoch::from_wire(3));
    for marker in [
        ControlRecord::Abort { coordinator_epoch: 11 },
        ControlRecord::Commit { coordinator_epoch: 12 },
    ] {
        let bytes = BatchBuilder::transaction_marker(offset(9), None, producer, marker, 5).finish();
        let view = RecordBatchView::parse(&bytes, 1 << 20).unwrap();
        assert_eq!(view.control(), Some(marker));
        assert!(view.header().attributes.is_transactional());
        assert_eq!(view.header().producer_id, Some(producer.0));
    }
}

/// The header of a control batch of one record at offset 9, epoch 6, of 5 ms, with its CRC.
fn control_batch(attributes: &str, producer: &str, record: &str) -> Vec<u8> {
    let delta_and_times = "00000000 0000000000000005 0000000000000005";
    let checked = hex(&format!("{attributes} {delta_and_times} {producer} 00000001 {record}"));
    let length = u32::try_from(9 + checked.len()).unwrap();
    let start = [&hex("0000000000000009")[..], &length.to_be_bytes(), &hex("00000006 02")];
    let crc = crc32c::crc32c(&checked).to_be_bytes();
    [&start.concat()[..], &crc, &checked].concat()
}

#[test]
fn a_stopped_mirror_writes_the_batches_of_kip_1279() {
    let epoch = SourceLeaderEpoch::from_wire(6);
    let producer = (ProducerId::from_wire(7).unwrap(), ProducerEpoch::from_wire(3));
    let abort = ControlRecord::Abort { coordinator_epoch: 11 };
    let written = BatchBuilder::transaction_marker(offset(9), epoch, producer, abort, 5).finish();
    let record = "20 00 00 00 08 0000 0000 0c 0000 0000000b 00";
    assert_eq!(written, control_batch("0030", "0000000000000007 0003 ffffffff", record));
    let written = BatchBuilder::mirror_pid_reset(offset(9), epoch, 5).finish();
    let record = "1a 00 00 00 08 0000 0007 06 0000 00 00";
    assert_eq!(written, control_batch("0020", "ffffffffffffffff ffff ffffffff", record));
}

#[test]
fn a_reset_of_producers_is_told_from_other_marks() {
    let bytes = BatchBuilder::mirror_pid_reset(offset(9), None, 5).finish();
    let view = RecordBatchView::parse(&bytes, 1 << 20).unwrap();
    assert_eq!(view.control(), Some(ControlRecord::MirrorPidReset));
    assert!(view.header().attributes.is_control() && !view.header().attributes.is_transactional());
    assert_eq!((view.header().producer_id, view.header().base_sequence), (None, -1));
    assert_eq!(view.header().next_offset(), offset(10));
    // An older revision named the source in its value; a newer one may say more.
    for value in [&b"\0\0\x05kafka\0"[..], b"\0\x09", b""] {
        let kind = ControlRecord::KIND_MIRROR_PID_RESET;
        let bytes = BatchBuilder::control(offset(9), None, kind, value, 5).finish();
        let view = RecordBatchView::parse(&bytes, 1 << 20).unwrap();
        assert_eq!(view.control(), Some(ControlRecord::MirrorPidReset));
    }
    for kind in [2, 3, 4, 5, 6, 8, -1] {
        let bytes = BatchBuilder::control(offset(9), None, kind, &[0; 3], 5).finish();
        let view = RecordBatchView::parse(&bytes, 1 << 20).unwrap();
        assert_eq!(view.control(), Some(ControlRecord::Other { kind }));
        assert_eq!(view.control().map(ControlRecord::kind), Some(kind));
    }
}

#[test]
fn a_control_record_cut_inside_its_key_is_refused() {
    let batch = BatchBuilder::mirror_pid_reset(offset(9), None, 5).finish();
    let body = &batch[HEADER_BYTES..];
    let key_end = body.len() - MIRROR_PID_RESET_VALUE.len() - 2;
    for length in 0..body.len() {
        let cut = ControlRecord::parse(&body[..length]);
        assert_eq!(cut.is_ok(), length >= key_end, "{length} of {} bytes", body.len());
    }
}

#[test]
fn a_compacted_batch_ends_behind_its_last_record() {
    let mut builder = BatchBuilder::new(offset(100), None);
    let bytes = builder.end_at_delta(9).finish();
    let view = RecordBatchView::parse(&bytes, 1 << 20).unwrap();
    assert_eq!((view.header().next_offset(), view.header().record_count), (offset(110), 0));
    assert!(view.body().is_empty());
}
