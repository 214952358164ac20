use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, FetchRequest, FetchResponse, RequestHeader, ResponseHeader,
    TopicName as WireTopic,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use kafka_protocol::records::{Compression, RecordBatchDecoder};
use uuid::Uuid;

use super::spec::{BatchContent, Codec, EpochSpec, GapSpec, LogSize, TopicSpec};
use super::*;

mod control;
mod serving;

/// A client that speaks through `kafka-protocol` only.
struct Client {
    stream: TcpStream,
    correlation: i32,
}

impl Client {
    fn connect(source: &SyntheticSource) -> Self {
        Self::to(source, 0)
    }

    fn to(source: &SyntheticSource, broker: usize) -> Self {
        let stream = TcpStream::connect(source.brokers()[broker].1).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, correlation: 0 }
    }

    fn send<R: Request>(&mut self, request: &R, version: i16) {
        self.correlation += 1;
        let key = ApiKey::try_from(R::KEY).unwrap();
        let mut frame = BytesMut::zeroed(4);
        RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("test")))
            .encode(&mut frame, key.request_header_version(version))
            .unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame).unwrap();
    }

    fn frame(&mut self) -> std::io::Result<Bytes> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix)?;
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap()];
        self.stream.read_exact(&mut body)?;
        Ok(body.into())
    }

    fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version);
        let mut body = self.frame().unwrap();
        let key = ApiKey::try_from(R::KEY).unwrap();
        let header =
            ResponseHeader::decode(&mut body, key.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation);
        let response = R::Response::decode(&mut body, version).unwrap();
        assert!(body.is_empty(), "{} bytes left in a version {version} response", body.len());
        response
    }
}

/// What a test asks of partition 0.
#[derive(Clone, Copy)]
struct Ask {
    version: i16,
    offset: i64,
    leader_epoch: i32,
    fetched_epoch: i32,
    partition_bytes: i32,
    bytes: i32,
    wait_ms: i32,
    session: (i32, i32),
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            version: 17,
            offset: 0,
            leader_epoch: -1,
            fetched_epoch: -1,
            partition_bytes: 1 << 20,
            bytes: 1 << 26,
            wait_ms: 0,
            session: (0, -1),
        }
    }
}

fn request(source: &SyntheticSource, partitions: &[i32], ask: Ask) -> FetchRequest {
    let partitions = partitions.iter().map(|index| {
        FetchPartition::default()
            .with_partition(*index)
            .with_current_leader_epoch(ask.leader_epoch)
            .with_fetch_offset(ask.offset)
            .with_last_fetched_epoch(ask.fetched_epoch)
            .with_partition_max_bytes(ask.partition_bytes)
    });
    let mut topic = FetchTopic::default().with_partitions(partitions.collect());
    if ask.version >= 13 {
        topic = topic.with_topic_id(Uuid::from_bytes(source.topic_id(&name()).unwrap().bytes()));
    } else {
        topic = topic.with_topic(WireTopic(StrBytes::from_static_str("orders")));
    }
    let topics = if topic.partitions.is_empty() { Vec::new() } else { vec![topic] };
    let mut request = FetchRequest::default()
        .with_max_wait_ms(ask.wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(ask.bytes)
        .with_topics(topics);
    if ask.version >= 7 {
        request = request.with_session_id(ask.session.0).with_session_epoch(ask.session.1);
    }
    request
}

fn fetch(source: &SyntheticSource, client: &mut Client, ask: Ask) -> PartitionData {
    let response = client.call(&request(source, &[0], ask), ask.version);
    assert_eq!(response.error_code, 0);
    only_partition(response)
}

fn only_partition(mut response: FetchResponse) -> PartitionData {
    assert_eq!(response.responses.len(), 1);
    let mut topic = response.responses.remove(0);
    assert_eq!(topic.partitions.len(), 1);
    topic.partitions.remove(0)
}

fn name() -> TopicName {
    TopicName::parse("orders").unwrap()
}

fn partition(index: i32) -> TopicPartition {
    TopicPartition { topic: name(), partition: PartitionIndex::from_wire(index).unwrap() }
}

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn epoch(raw: i32) -> SourceLeaderEpoch {
    SourceLeaderEpoch::from_wire(raw).unwrap()
}

/// A small topic: 1 KiB batches of 100-byte records, a 16 KiB cycle, 64 KiB per partition.
fn topic(partition_count: i32) -> TopicSpec {
    TopicSpec {
        content: BatchContent {
            record_bytes: 100,
            batch_bytes: 1024,
            cycle_bytes: 16 * 1024,
            ..BatchContent::default()
        },
        ..TopicSpec::new(name(), partition_count, LogSize::Bytes(64 * 1024))
    }
}

/// Everything at once: codecs, transactions, epochs, a gap, a first offset.
fn rich_topic() -> TopicSpec {
    let mut topic = topic(1);
    topic.first_offset = 1000;
    topic.content.codecs = vec![Codec::None, Codec::Lz4, Codec::Zstd];
    topic.content.transactions_permille = 300;
    topic.epochs = vec![
        EpochSpec { epoch: epoch(2), from_permille: 0 },
        EpochSpec { epoch: epoch(5), from_permille: 400 },
        EpochSpec { epoch: epoch(9), from_permille: 800 },
    ];
    topic.gaps = vec![GapSpec { at_permille: 600, records: 77 }];
    topic
}

fn start(topic: TopicSpec) -> SyntheticSource {
    SyntheticSource::start(&SyntheticSpec { topics: vec![topic], ..SyntheticSpec::default() })
        .unwrap()
}

fn start_with_brokers(topic: TopicSpec, broker_count: i32) -> SyntheticSource {
    let spec = SyntheticSpec { topics: vec![topic], broker_count, ..SyntheticSpec::default() };
    SyntheticSource::start(&spec).unwrap()
}

/// The log's bytes from its start to its end.
fn whole(log: &SyntheticLog) -> Vec<u8> {
    let mut bytes = Vec::new();
    log.reader(log.start_offset().offset(), log.end_offset().offset())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}
