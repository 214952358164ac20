//! Cost of what every mirrored byte passes: batch headers, CRC, Fetch response headers.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchResponse, ResponseHeader};
use kafka_protocol::protocol::Encodable as _;
use kafka_wire::batch_stream::{BatchStep, BatchStream};
use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::fetch_event::FetchEvent;
use kafka_wire::fetch_reader::{FRAME_BYTES_MAX, FetchReader};
use kafka_wire::offset::Offset;

const CHUNK_BYTES: usize = 1 << 20;
const BATCH_BYTES_MAX: u32 = 1 << 24;
const FETCH_VERSION: i16 = 17;
const CORRELATION_ID: i32 = 7;

/// At least `CHUNK_BYTES` of batches with values of `value_bytes`.
fn batches(value_bytes: usize) -> Vec<u8> {
    let value = vec![0x5a; value_bytes];
    let mut bytes = Vec::new();
    let mut offset = Offset::ZERO;
    while bytes.len() < CHUNK_BYTES {
        let mut builder = BatchBuilder::new(offset, None);
        builder.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(&value) });
        bytes.extend(builder.finish());
        offset = offset.next();
    }
    bytes
}

/// Batches validated in `bytes`, received in pieces of `piece_bytes`.
fn validate(stream: &mut BatchStream, bytes: &[u8], piece_bytes: usize) -> u32 {
    let mut count = 0;
    for mut piece in bytes.chunks(piece_bytes) {
        loop {
            let (taken, step) = stream.feed(piece).expect("the batches are valid");
            piece = &piece[taken..];
            match step {
                BatchStep::NeedMore => break,
                BatchStep::Header(_) => {}
                BatchStep::Batch(_) => count += 1,
            }
        }
    }
    assert!(stream.is_at_boundary(), "the bytes are whole batches");
    count
}

fn batch_stream(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch_stream");
    for value_bytes in [100, 1 << 10, 16 << 10, 256 << 10] {
        let bytes = batches(value_bytes);
        group.throughput(Throughput::Bytes(u64::try_from(bytes.len()).expect("64 bits")));
        for (name, piece_bytes) in [("one_piece", bytes.len()), ("64k_pieces", 64 << 10)] {
            let id = BenchmarkId::new(name, value_bytes);
            group.bench_with_input(id, &bytes, |bencher, bytes| {
                let mut stream = BatchStream::new(BATCH_BYTES_MAX);
                bencher.iter(|| validate(&mut stream, black_box(bytes), piece_bytes));
            });
        }
    }
    group.finish();
}

/// A response with this many partitions, each with a few bytes of records.
fn response(partition_count: i32) -> Vec<u8> {
    let partition = |index| {
        PartitionData::default().with_partition_index(index).with_records(Some(vec![0; 64].into()))
    };
    let topic = FetchableTopicResponse::default()
        .with_topic_id(uuid::Uuid::from_bytes([7; 16]))
        .with_partitions((0..partition_count).map(partition).collect());
    let mut body = Vec::new();
    let header = ResponseHeader::default().with_correlation_id(CORRELATION_ID);
    header.encode(&mut body, 1).expect("header is legal");
    let response = FetchResponse::default().with_responses(vec![topic]);
    response.encode(&mut body, FETCH_VERSION).expect("response is legal");
    let size = i32::try_from(body.len()).expect("response is small");
    [&size.to_be_bytes()[..], &body].concat()
}

/// Partitions read from `frame`.
fn read(reader: &mut FetchReader, frame: &[u8]) -> u32 {
    reader.begin(FETCH_VERSION, CORRELATION_ID);
    let mut rest = frame;
    let mut count = 0;
    loop {
        let (taken, event) = reader.read(rest).expect("the response is valid");
        rest = &rest[taken..];
        match event {
            FetchEvent::Partition(head) if head.records_bytes > 0 => {
                rest = &rest[head.records_bytes as usize..];
                reader.records_done();
            }
            FetchEvent::PartitionEnd(_) => count += 1,
            FetchEvent::NeedMore => panic!("the response is whole"),
            FetchEvent::End => return count,
            _ => {}
        }
    }
}

fn fetch_reader(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fetch_reader");
    for partition_count in [1_u32, 100, 1000] {
        let frame = response(i32::try_from(partition_count).expect("small"));
        group.throughput(Throughput::Elements(u64::from(partition_count)));
        let id = BenchmarkId::new("partitions", partition_count);
        group.bench_with_input(id, &frame, |bencher, frame| {
            let mut reader = FetchReader::new(FRAME_BYTES_MAX);
            bencher.iter(|| assert_eq!(read(&mut reader, black_box(frame)), partition_count));
        });
    }
    group.finish();
}

criterion_group!(wire, batch_stream, fetch_reader);
criterion_main!(wire);
