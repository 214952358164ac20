//! What a shard and a broker say to each other about many partitions: requests written, responses
//! read.

use std::hint::black_box;

use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchResponse, ResponseHeader};
use kafka_protocol::protocol::Encodable as _;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::fetch_event::FetchEvent;
use kafka_wire::fetch_reader::{FRAME_BYTES_MAX, FetchReader};
use kafka_wire::fetch_request::{FetchPartition, FetchRequestHead, FetchRequestWriter, TopicRef};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicId};

use crate::workload::{Runs, Workload, counted};

/// Version of the messages.
pub(crate) const FETCH_VERSION: i16 = 17;
/// Topic of all partitions.
pub(crate) const TOPIC_ID: [u8; 16] = [7; 16];
const CORRELATION_ID: i32 = 7;

/// Responses with records and without, requests for as many partitions.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut all = Vec::new();
    for partition_count in [1, 100, 1000] {
        let name = format!("fetch-reader/{partition_count}-partitions");
        all.push(reading(name, partition_count, &[0; 64]));
    }
    // What the first answer of a session looks like when nothing is new; later ones are empty.
    all.push(reading("fetch-reader/1000-idle-partitions".to_owned(), 1000, &[]));
    all.push(reading("fetch-reader/empty-session-answer".to_owned(), 0, &[]));
    for partition_count in [1, 100, 1000] {
        all.push(writing(partition_count));
    }
    all
}

fn reading(name: String, partition_count: usize, records: &'static [u8]) -> Workload {
    let unit = if partition_count == 0 { "response" } else { "partition" };
    Workload::new(name, unit, move || {
        let frame = response(CORRELATION_ID, partition_count, records);
        let mut reader = FetchReader::new(FRAME_BYTES_MAX);
        Runs::new(partition_count.max(1), move || {
            let found = counted(|| read(&mut reader, black_box(&frame)));
            assert_eq!(found, partition_count, "every partition is found");
        })
    })
}

/// A response, size included, in which each partition has these records.
pub(crate) fn response(correlation_id: i32, partition_count: usize, records: &[u8]) -> Vec<u8> {
    let records = bytes::Bytes::copy_from_slice(records);
    let partition = |index| {
        let index = i32::try_from(index).expect("partitions are few");
        PartitionData::default().with_partition_index(index).with_records(Some(records.clone()))
    };
    let topic = FetchableTopicResponse::default()
        .with_topic_id(uuid::Uuid::from_bytes(TOPIC_ID))
        .with_partitions((0..partition_count).map(partition).collect());
    let topics = if partition_count > 0 { vec![topic] } else { Vec::new() };
    let mut body = Vec::new();
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut body, 1).expect("header is legal");
    let response = FetchResponse::default().with_session_id(SESSION_ID).with_responses(topics);
    response.encode(&mut body, FETCH_VERSION).expect("response is legal");
    let size = i32::try_from(body.len()).expect("response is small");
    [&size.to_be_bytes()[..], &body].concat()
}

/// Partitions read from `frame`.
fn read(reader: &mut FetchReader, frame: &[u8]) -> usize {
    let mut count = 0;
    walk(reader, CORRELATION_ID, frame, |_| count += 1);
    count
}

/// Reads a whole response; tells where the records of each partition lie.
pub(crate) fn walk(
    reader: &mut FetchReader,
    correlation_id: i32,
    frame: &[u8],
    mut on_records: impl FnMut(std::ops::Range<usize>),
) {
    reader.begin(FETCH_VERSION, correlation_id);
    let mut at = 0;
    loop {
        let (taken, event) = reader.read(&frame[at..]).expect("the response is valid");
        at += taken;
        match event {
            FetchEvent::Partition(head) => {
                let end = at + head.records_bytes as usize;
                on_records(at..end);
                if head.records_bytes > 0 {
                    reader.records_done();
                }
                at = end;
            }
            FetchEvent::NeedMore => panic!("the response is whole"),
            FetchEvent::End => return,
            _ => {}
        }
    }
}

fn writing(partition_count: usize) -> Workload {
    let name = format!("fetch-request/{partition_count}-partitions");
    Workload::new(name, "partition", move || {
        let mut buffer = vec![0; 64 << 10];
        Runs::new(partition_count, move || {
            let end = counted(|| write(black_box(&mut buffer), partition_count));
            assert!(end > partition_count * 30, "every partition is named");
        })
    })
}

/// Writes a request of a session that names all partitions; tells its bytes.
fn write(buffer: &mut [u8], partition_count: usize) -> usize {
    let head = FetchRequestHead {
        version: FETCH_VERSION,
        correlation_id: CORRELATION_ID,
        client_id: "ringmirror",
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 64 << 20,
        session_id: SESSION_ID,
        session_epoch: 1,
    };
    let mut writer = FetchRequestWriter::start(buffer, &head).expect("the buffer holds the head");
    let topic = TopicRef::Id(TopicId::from_wire(TOPIC_ID).expect("a topic has an id"));
    for index in 0..partition_count {
        let index = i32::try_from(index).expect("partitions are few");
        let partition = FetchPartition {
            topic,
            partition: PartitionIndex::from_wire(index).expect("indexes are not negative"),
            current_leader_epoch: SourceLeaderEpoch::from_wire(3),
            fetch_offset: Offset::ZERO,
            last_fetched_epoch: SourceLeaderEpoch::from_wire(3),
            log_start: -1,
            max_bytes: 1 << 20,
        };
        writer.partition(&partition).expect("the buffer holds all partitions");
    }
    writer.finish()
}

const SESSION_ID: i32 = 5;
