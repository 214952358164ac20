use kafka_protocol::records::{NO_PRODUCER_ID, RecordBatchDecoder};

use super::*;
use crate::record_batch::RecordBatchView;

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

#[test]
fn a_compacted_batch_ends_behind_its_last_record() {
    let mut builder = BatchBuilder::new(offset(100), None);
    let bytes = builder.end_at_delta(9).finish();
    let view = RecordBatchView::parse(&bytes, 1 << 20).unwrap();
    assert_eq!((view.header().next_offset(), view.header().record_count), (offset(110), 0));
    assert!(view.body().is_empty());
}
