//! Fetch over sockets, from logs written here.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_log::log_config::LogConfig;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{EpochEndOffset, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::control_record::ControlRecord;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::message::{RequestHead, decode_response, encode_request};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, TopicId, TopicName};
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchAttributes;
use uuid::Uuid;

use super::Watch;
use crate::catalog::{Binding, Catalog, TopicSpec};
use crate::log_view::LogState;
use crate::node::{Node, NodeIdentity};
use crate::server::Server;
use crate::server::limits::{ANSWER_FILES_MAX, ServerLimits};
use crate::writable_log::{LogSettings, LogSpec, WritableLog};

const NOW_MS: i64 = 1_700_000_000_000;
const OUR_EPOCH: i32 = 3;
const TOPIC_ID: [u8; 16] = [9; 16];

/// A node that serves partitions of the topic `orders`.
struct Served {
    root: std::path::PathBuf,
    logs: Vec<WritableLog>,
    server: Option<Server>,
    address: SocketAddr,
}

impl Served {
    fn new() -> Self {
        Self::with(2, ServerLimits::default())
    }

    fn with(partition_count: i32, limits: ServerLimits) -> Self {
        let id = crate::random_id::random_id().unwrap();
        let root = std::env::temp_dir().join(format!("ringmirror-fetch-{id}"));
        std::fs::create_dir_all(&root).unwrap();
        let catalog = Arc::new(Catalog::new(root.clone()));
        let spec = TopicSpec {
            id: TopicId::from_wire(TOPIC_ID).unwrap(),
            binding: Binding::Unbound,
            configs: BTreeMap::new(),
            partition_count,
        };
        let topic = catalog.put(&TopicName::parse("orders").unwrap(), spec);
        let open = |partition: &Arc<crate::catalog::Partition>| {
            let spec = LogSpec {
                view: Arc::clone(&partition.view),
                topic_id: topic.id,
                settings: LogSettings::default(),
                recovery_point: None,
                log_start: None,
                clean: false,
                leader_epoch: LeaderEpoch::from_wire(OUR_EPOCH).unwrap(),
                cut_count: 0,
            };
            WritableLog::open(spec).unwrap().0
        };
        let logs = topic.partitions.iter().map(open).collect();
        let identity = NodeIdentity {
            cluster_id: "a-cluster".to_owned(),
            node_id: BrokerId::from_wire(4).unwrap(),
            host: "localhost".to_owned(),
            port: 9092,
        };
        let node = Arc::new(Node::new(identity, catalog, limits));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::start(node, listener, 2).unwrap();
        let address = server.address();
        Self { root, logs, server: Some(server), address }
    }

    fn append(&self, partition: usize, values: &[&[u8]]) -> Vec<u8> {
        let mut batch = BatchBuilder::new(Offset::ZERO, None);
        for value in values {
            batch.push(&NewRecord { timestamp_ms: NOW_MS, key: None, value: Some(value) });
        }
        let bytes = batch.finish();
        self.logs[partition].append_produced(&bytes, NOW_MS).unwrap();
        bytes
    }

    fn client(&self) -> Client {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { socket, version: 12 }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.take().unwrap().stop(Duration::from_secs(5));
        std::fs::remove_dir_all(&self.root).unwrap();
    }
}

struct Client {
    socket: TcpStream,
    version: i16,
}

impl Client {
    fn send(&mut self, request: &FetchRequest) {
        let head = RequestHead { version: self.version, correlation_id: 8, client_id: "t" };
        self.socket.write_all(&encode_request(&head, request).unwrap()).unwrap();
    }

    fn receive(&mut self) -> FetchResponse {
        let mut size = [0; 4];
        self.socket.read_exact(&mut size).unwrap();
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
        self.socket.read_exact(&mut frame).unwrap();
        decode_response(self.version, 8, frame.into()).unwrap()
    }

    fn fetch(&mut self, request: &FetchRequest) -> FetchResponse {
        self.send(request);
        self.receive()
    }
}

fn asked(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
}

fn request(partitions: Vec<FetchPartition>) -> FetchRequest {
    let topic = FetchTopic::default()
        .with_topic(StrBytes::from_static_str("orders").into())
        .with_partitions(partitions);
    FetchRequest::default()
        .with_max_wait_ms(10_000)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

fn only(response: &FetchResponse) -> &PartitionData {
    assert_eq!(response.error_code, 0);
    assert_eq!(response.responses.len(), 1);
    assert_eq!(response.responses[0].partitions.len(), 1);
    &response.responses[0].partitions[0]
}

fn records(partition: &PartitionData) -> &[u8] {
    partition.records.as_deref().unwrap_or_default()
}

/// Base offset of the batch and the bytes that nothing may change: all behind its epoch.
fn batch(records: &[u8]) -> (i64, &[u8]) {
    (i64::from_be_bytes(*records.first_chunk().unwrap()), &records[16..])
}

#[test]
fn every_version_brings_the_bytes_of_the_log() {
    let served = Served::new();
    let first = served.append(0, &[b"one", b"two"]);
    let second = served.append(0, &[b"three"]);
    let mut client = served.client();
    for version in 4..=17 {
        client.version = version;
        let mut wanted = request(vec![asked(0, 0)]);
        if version >= 13 {
            wanted.topics[0].topic_id = Uuid::from_bytes(TOPIC_ID);
            wanted.topics[0].topic = StrBytes::default().into();
        }
        let response = client.fetch(&wanted);
        let partition = only(&response);
        assert_eq!((partition.error_code, partition.high_watermark), (0, 3), "version {version}");
        let (base, rest) = batch(records(partition));
        assert_eq!((base, &rest[..first.len() - 16]), (0, &first[16..]), "version {version}");
        let (base, rest) = batch(&records(partition)[first.len()..]);
        assert_eq!((base, rest), (2, &second[16..]), "version {version}");
    }
}

#[test]
fn the_batch_that_holds_the_offset_comes_whole() {
    let served = Served::new();
    served.append(0, &[b"one", b"two"]);
    served.append(0, &[b"three", b"four"]);
    let response = served.client().fetch(&request(vec![asked(0, 3)]));
    assert_eq!(batch(records(only(&response))).0, 2);
}

#[test]
fn a_first_batch_comes_although_it_is_larger_than_asked_and_a_second_one_does_not() {
    let served = Served::new();
    for partition in 0..2 {
        served.append(partition, &[&[7; 5000]]);
        served.append(partition, &[&[7; 5000]]);
    }
    let small = |partition| asked(partition, 0).with_partition_max_bytes(100);
    for bytes_max in [i32::MIN, 0, 100] {
        let wanted = request(vec![small(0), small(1)]).with_max_bytes(bytes_max);
        let response = served.client().fetch(&wanted);
        let partitions = &response.responses[0].partitions;
        let bytes: Vec<usize> = partitions.iter().map(|found| records(found).len()).collect();
        assert!(bytes[0] > 5000 && bytes[0] < 10_000, "{bytes:?}");
        assert_eq!(bytes[1], 0);
    }
}

#[test]
fn a_fetch_at_the_end_waits_for_the_next_record() {
    let served = Served::new();
    served.append(0, &[b"one"]);
    let mut client = served.client();
    client.send(&request(vec![asked(0, 1), asked(1, 0)]).with_max_wait_ms(i32::MAX));
    served.append(0, &[b"two"]);
    let response = client.receive();
    let partitions = &response.responses[0].partitions;
    assert_eq!(batch(records(&partitions[0])).0, 1);
    assert!(records(&partitions[1]).is_empty());
}

#[test]
fn a_fetch_that_finds_too_little_is_answered_in_time_with_what_there_is() {
    let served = Served::new();
    served.append(0, &[b"one"]);
    let begun = Instant::now();
    let wanted = request(vec![asked(0, 0)]).with_min_bytes(1 << 20).with_max_wait_ms(50);
    let response = served.client().fetch(&wanted);
    assert!(!records(only(&response)).is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(50));
}

#[test]
fn no_more_is_waited_for_than_an_answer_may_hold() {
    let served = Served::new();
    served.append(0, &[&[7; 5000]]);
    let wanted = request(vec![asked(0, 0)]).with_min_bytes(i32::MAX).with_max_bytes(100);
    let response = served.client().fetch(&wanted.with_max_wait_ms(i32::MAX));
    assert!(!records(only(&response)).is_empty());
}

#[test]
fn a_fetch_of_an_older_segment_does_not_wait_for_more() {
    let served = Served::new();
    let log = LogConfig { segment_bytes: 6000, ..LogConfig::default() };
    served.logs[0].update_settings(LogSettings { log, ..LogSettings::default() });
    for _ in 0..2 {
        served.append(0, &[&[7; 5000]]);
    }
    let wanted = request(vec![asked(0, 0)]).with_min_bytes(1 << 20).with_max_wait_ms(i32::MAX);
    let response = served.client().fetch(&wanted);
    assert_eq!(batch(records(only(&response))).0, 0);
}

#[test]
fn an_answer_is_sent_from_a_limited_number_of_files_and_the_next_one_from_the_others() {
    let count = ANSWER_FILES_MAX + 3;
    let served = Served::with(i32::try_from(count).unwrap(), ServerLimits::default());
    for partition in 0..count {
        served.append(partition, &[b"one"]);
    }
    let mut client = served.client();
    let all = (0..i32::try_from(count).unwrap()).map(|partition| asked(partition, 0));
    let opened = client.fetch(&request(all.collect()).with_session_epoch(0));
    let with_records = |response: &FetchResponse| -> Vec<i32> {
        let told = response.responses.iter().flat_map(|topic| &topic.partitions);
        let found = told.filter(|told| !records(told).is_empty());
        found.map(|told| told.partition_index).collect()
    };
    assert_eq!(with_records(&opened).len(), ANSWER_FILES_MAX);
    let wanted = request(Vec::new()).with_topics(Vec::new()).with_session_id(opened.session_id);
    let next = client.fetch(&wanted.with_session_epoch(1));
    assert_eq!(with_records(&next)[..3], [256, 257, 258]);
}

#[test]
fn a_waiting_fetch_holds_no_files() {
    let limits = ServerLimits { open_files_max: 1, sent_files_max: 1, ..ServerLimits::default() };
    let served = Served::with(2, limits);
    served.append(0, &[b"one"]);
    served.append(1, &[b"one"]);
    let mut waiting = served.client();
    waiting.send(&request(vec![asked(0, 0)]).with_min_bytes(1 << 20).with_max_wait_ms(i32::MAX));
    let begun = Instant::now();
    while served.logs[0].view().watcher_count() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the fetch waits in time");
        std::thread::yield_now();
    }
    let mut client = served.client();
    for partition in [1, 0] {
        let wanted = request(vec![asked(partition, 0)]).with_max_wait_ms(0);
        while records(only(&client.fetch(&wanted))).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "partition {partition}");
        }
    }
}

#[test]
fn a_waiting_fetch_is_known_to_each_of_its_logs_once() {
    let served = Served::new();
    let catalog = Catalog::new(served.root.clone());
    let put = |last_byte| {
        let spec = TopicSpec {
            id: TopicId::from_wire([last_byte; 16]).unwrap(),
            binding: Binding::Unbound,
            configs: BTreeMap::new(),
            partition_count: 1,
        };
        Arc::clone(&catalog.put(&TopicName::parse("orders").unwrap(), spec).partitions[0])
    };
    let (first, state) = (put(1), served.logs[0].view().state().unwrap());
    let mut watch = Watch::default();
    assert!(watch.follow([Some(&first), None].into_iter()));
    for _ in 0..1000 {
        assert!(!watch.follow([Some(&first), None].into_iter()));
        first.view.publish(LogState::clone(&state));
    }
    assert_eq!(first.view.watcher_count(), 1);
    let made_again = put(2);
    assert!(watch.follow([Some(&made_again), None].into_iter()));
    drop(watch);
    first.view.publish(LogState::clone(&state));
    assert_eq!((first.view.watcher_count(), made_again.view.watcher_count()), (0, 1));
}

#[test]
fn what_cannot_be_read_is_told_at_once() {
    let served = Served::new();
    served.append(0, &[b"one"]);
    let mut client = served.client();
    let mut code =
        |partition: FetchPartition| only(&client.fetch(&request(vec![partition]))).error_code;
    assert_eq!(code(asked(7, 0)), 3, "unknown partition");
    assert_eq!(code(asked(-1, 0)), 3, "no partition");
    assert_eq!(code(asked(0, 2)), 1, "above the log's end");
    assert_eq!(code(asked(0, -1)), 1, "negative");
    assert_eq!(code(asked(0, i64::MAX)), 1, "far above");
    assert_eq!(code(asked(0, 0).with_current_leader_epoch(OUR_EPOCH - 1)), 74, "fenced");
    assert_eq!(code(asked(0, 0).with_current_leader_epoch(OUR_EPOCH + 1)), 75, "not yet");
    let mut elsewhere = request(vec![asked(0, 0)]);
    elsewhere.topics[0].topic = StrBytes::from_static_str("../etc").into();
    assert_eq!(only(&client.fetch(&elsewhere)).error_code, 3);
    client.version = 13;
    let nameless = request(vec![asked(0, 0)]);
    assert_eq!(only(&client.fetch(&nameless)).error_code, 100, "topic id 0");
}

#[test]
fn a_log_that_left_ours_learns_where() {
    let served = Served::new();
    served.append(0, &[b"one", b"two"]);
    let mut client = served.client();
    let mut diverging = |offset, epoch| {
        let wanted = request(vec![asked(0, offset).with_last_fetched_epoch(epoch)]);
        let found = client.fetch(&wanted.with_max_wait_ms(0));
        let found = &only(&found).diverging_epoch;
        (found.epoch, found.end_offset)
    };
    assert_eq!(diverging(1, OUR_EPOCH), (-1, -1), "no divergence");
    assert_eq!(diverging(1, OUR_EPOCH - 1), (OUR_EPOCH - 1, 0), "an epoch before our first");
    assert_eq!(diverging(9, OUR_EPOCH), (OUR_EPOCH, 2), "a log longer than ours");
    let wanted = request(vec![asked(0, 1).with_last_fetched_epoch(OUR_EPOCH + 1)]);
    let response = client.fetch(&wanted);
    let unknown = only(&response);
    assert_eq!(unknown.error_code, 1, "an epoch above all of ours");
    assert_eq!(unknown.diverging_epoch, EpochEndOffset::default());
}

#[test]
fn a_reader_of_committed_records_sees_no_open_transaction_and_hears_of_aborted_ones() {
    let served = Served::new();
    let (id, epoch) = (ProducerId::from_wire(5), ProducerEpoch::from_wire(0));
    let transactional = |base_sequence| {
        let mut batch = BatchBuilder::new(Offset::ZERO, None);
        batch.attributes = BatchAttributes::from_wire(0x10);
        batch.producer = BatchProducer { id, epoch, base_sequence };
        batch.push(&NewRecord { timestamp_ms: NOW_MS, key: None, value: Some(b"in doubt") });
        batch.finish()
    };
    let log = &served.logs[0];
    served.append(0, &[b"before"]);
    log.append_records(&transactional(0)).unwrap();
    let mut client = served.client();
    let mut committed = |offset| {
        let wanted = request(vec![asked(0, offset)]).with_isolation_level(1);
        client.fetch(&wanted.with_max_wait_ms(0))
    };
    let response = committed(0);
    let open = only(&response);
    assert_eq!((open.last_stable_offset, open.high_watermark), (1, 2));
    assert_eq!(records(open).len(), served.append(1, &[b"before"]).len());
    assert!(records(only(&committed(1))).is_empty());
    let marker = BatchBuilder::transaction_marker(
        Offset::ZERO,
        None,
        (id.unwrap(), epoch),
        ControlRecord::Abort { coordinator_epoch: 0 },
        NOW_MS,
    );
    log.append_records(&marker.finish()).unwrap();
    let response = committed(0);
    let closed = only(&response);
    assert_eq!(closed.last_stable_offset, 3);
    let aborted = closed.aborted_transactions.as_ref().unwrap();
    let named: Vec<(i64, i64)> =
        aborted.iter().map(|found| (found.producer_id.0, found.first_offset)).collect();
    assert_eq!(named, [(5, 1)]);
    let uncommitted = served.client().fetch(&request(vec![asked(0, 0)]));
    assert!(only(&uncommitted).aborted_transactions.is_none());
}

#[test]
fn a_session_brings_only_what_is_new() {
    let served = Served::new();
    served.append(0, &[b"one"]);
    let mut client = served.client();
    let opened = client
        .fetch(&request(vec![asked(0, 1), asked(1, 0)]).with_session_epoch(0).with_max_wait_ms(0));
    assert!(opened.session_id > 0);
    assert_eq!(opened.responses[0].partitions.len(), 2);
    let go_on = |epoch| {
        let wanted = request(Vec::new()).with_session_id(opened.session_id);
        wanted.with_session_epoch(epoch).with_topics(Vec::new())
    };
    let nothing = client.fetch(&go_on(1).with_max_wait_ms(0));
    assert_eq!((nothing.error_code, nothing.responses.len()), (0, 0));
    served.append(1, &[b"two"]);
    let news = client.fetch(&go_on(2));
    assert_eq!(only(&news).partition_index, 1);
    let wrong = client.fetch(&go_on(9));
    assert_eq!((wrong.error_code, wrong.responses.len()), (71, 0));
}
