use std::io::Write as _;

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use kafka_wire::record_batch::{HEADER_BYTES, RecordBatchView};

use super::*;

fn record(offset: i64, key: Option<&'static str>, value: Vec<u8>) -> Record {
    let headers = [("h".to_owned().into(), Some(Bytes::from_static(b"header")))];
    Record {
        transactional: false,
        control: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        delete_horizon: false,
        offset,
        sequence: i32::try_from(offset).unwrap(),
        timestamp: 1_000 + offset,
        key: key.map(|key| Bytes::from_static(key.as_bytes())),
        value: Some(value.into()),
        headers: headers.into_iter().collect(),
    }
}

fn encoded(records: &[Record], compression: Compression) -> Vec<u8> {
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression };
    RecordBatchEncoder::encode(&mut out, records, &options).unwrap();
    out.to_vec()
}

fn visited(batch: &[u8]) -> Result<Vec<RecordFacts>, RecordsError> {
    let view = RecordBatchView::parse(batch, u32::MAX).unwrap();
    visit_body(view.header(), view.body())
}

fn visit_body(header: &BatchHeader, body: &[u8]) -> Result<Vec<RecordFacts>, RecordsError> {
    let mut found = Vec::new();
    visit_records(header, body, |record| {
        found.push(*record);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

#[test]
fn records_of_every_codec_are_walked() {
    let records = [
        record(0, Some("key"), vec![7; 100_000]),
        record(1, None, vec![]),
        record(2, Some(""), vec![1; 70]),
    ];
    for codec in CODECS {
        let found = visited(&encoded(&records, codec)).unwrap();
        let expected = [(0, 0, true), (1, 1, false), (2, 2, true)];
        let expected = expected.map(|(offset_delta, timestamp_delta_ms, has_key)| RecordFacts {
            offset_delta,
            timestamp_delta_ms,
            has_key,
        });
        assert_eq!(found, expected, "{codec:?}");
    }
}

#[test]
fn snappy_without_blocks_is_read_as_one() {
    let plain = encoded(&[record(0, None, vec![3; 1000])], Compression::None);
    let mut header = *RecordBatchView::parse(&plain, u32::MAX).unwrap().header();
    header.attributes = kafka_wire::record_batch::BatchAttributes::from_wire(2);
    let raw = snap::raw::Encoder::new().compress_vec(&plain[HEADER_BYTES..]).unwrap();
    assert_eq!(visit_body(&header, &raw).unwrap().len(), 1);
    let lies = [0xff, 0xff, 0xff, 0x7f, 0];
    let refused = visit_body(&header, &lies).unwrap_err().to_string();
    assert!(refused.contains("longer than it can be"), "{refused}");
}

#[test]
fn records_that_grow_beyond_the_limit_are_refused_without_being_held() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let record_bytes = i32::try_from(DECOMPRESSED_BYTES_MAX + 1024).unwrap();
    let mut head = Vec::new();
    push_varint(&mut head, record_bytes);
    head.extend([0, 0, 0, 1]);
    push_varint(&mut head, record_bytes - 20);
    bomb.write_all(&head).unwrap();
    for _ in 0..=DECOMPRESSED_BYTES_MAX >> 20 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let plain = encoded(&[record(0, None, vec![])], Compression::None);
    let mut header = *RecordBatchView::parse(&plain, u32::MAX).unwrap().header();
    header.attributes = kafka_wire::record_batch::BatchAttributes::from_wire(1);
    let refused = visit_body(&header, &bomb.finish().unwrap()).unwrap_err();
    assert!(matches!(refused, RecordsError::TooLong { .. }), "{refused}");
}

#[test]
fn batches_share_what_may_be_decompressed() {
    let batch = encoded(&[record(0, None, vec![0; 100_000])], Compression::Zstd);
    let view = RecordBatchView::parse(&batch, u32::MAX).unwrap();
    let mut budget = DecompressionBudget::new(250_000);
    let mut visit = || {
        visit_records_within(&mut budget, view.header(), view.body(), |_| ControlFlow::Continue(()))
    };
    visit().unwrap();
    visit().unwrap();
    assert!(matches!(visit(), Err(RecordsError::TooLong { bytes_max: ..100_000 })));
    let plain = encoded(&[record(0, None, vec![0; 100_000])], Compression::None);
    let view = RecordBatchView::parse(&plain, u32::MAX).unwrap();
    let none = &mut DecompressionBudget::new(0);
    visit_records_within(none, view.header(), view.body(), |_| ControlFlow::Continue(())).unwrap();
}

fn push_varint(out: &mut Vec<u8>, value: i32) {
    let mut raw = u64::try_from(value).unwrap() << 1;
    while raw >= 0x80 {
        out.push(u8::try_from(raw & 0x7f).unwrap() | 0x80);
        raw >>= 7;
    }
    out.push(u8::try_from(raw).unwrap());
}

#[test]
fn records_that_are_not_what_their_header_says_are_refused() {
    let plain = encoded(&[record(0, None, vec![9; 10])], Compression::None);
    let view = RecordBatchView::parse(&plain, u32::MAX).unwrap();
    let (header, body) = (*view.header(), view.body());
    let refusal =
        |header: &BatchHeader, body: &[u8]| visit_body(header, body).unwrap_err().to_string();
    assert_eq!(
        refusal(&BatchHeader { record_count: 0, ..header }, body),
        "bytes follow the last of 0 records"
    );
    let two = BatchHeader { record_count: 2, ..header };
    assert_eq!(refusal(&two, body), "record 1 cannot be read: unexpected end of file");
    let mut longer = body.to_vec();
    longer[0] += 2;
    longer.push(0);
    let refused = refusal(&header, &longer);
    assert!(refused.starts_with("record 0 has length"), "{refused}");
    let mut negative = body.to_vec();
    negative[0] = 1;
    assert_eq!(refusal(&header, &negative), "record 0 has length -1");
    let endless = refusal(&header, &[0xff; 20]);
    assert_eq!(endless, "record 0 has varint without end -1");
    let unknown = kafka_wire::record_batch::BatchAttributes::from_wire(5);
    let unknown = BatchHeader { attributes: unknown, ..header };
    assert_eq!(refusal(&unknown, body), "records are compressed with codec 5, expected 0 to 4");
    for codec in 1..5 {
        let attributes = kafka_wire::record_batch::BatchAttributes::from_wire(codec);
        assert!(visit_body(&BatchHeader { attributes, ..header }, body).is_err(), "codec {codec}");
    }
}
