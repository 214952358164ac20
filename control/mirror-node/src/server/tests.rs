//! The server over real sockets, against good and bad clients.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener as StdListener, TcpStream as StdStream};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse,
    RequestHeader,
};
use kafka_protocol::protocol::{Encodable, Request as _, StrBytes};
use kafka_wire::message::{RequestHead, decode_response, encode_request};
use kafka_wire::partition::{BrokerId, TopicId, TopicName};

use super::*;
use crate::catalog::{Binding, Catalog, TopicSpec};
use crate::node::NodeIdentity;
use crate::server::limits::ServerLimits;

mod every_version;
mod generated;
mod hostile;
mod mirror_frames;

struct TestServer(Option<Server>, SocketAddr);

impl TestServer {
    fn start(limits: ServerLimits) -> Self {
        let catalog = Arc::new(Catalog::new("/nowhere".into()));
        let spec = TopicSpec {
            id: TopicId::from_wire([7; 16]).unwrap(),
            binding: Binding::Bound,
            configs: BTreeMap::new(),
            partition_count: 3,
        };
        catalog.put(&TopicName::parse("orders").unwrap(), spec);
        let identity = NodeIdentity {
            cluster_id: "a-cluster".to_owned(),
            node_id: BrokerId::from_wire(4).unwrap(),
            host: "localhost".to_owned(),
            port: 9092,
        };
        let node = Arc::new(Node::new(identity, catalog, limits));
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let server = Server::start(node, listener, 2).unwrap();
        let address = server.address();
        Self(Some(server), address)
    }

    fn connect(&self) -> TestClient {
        let socket = StdStream::connect(self.1).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        TestClient { socket }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(server) = self.0.take() {
            server.stop(Duration::from_secs(5));
        }
    }
}

struct TestClient {
    socket: StdStream,
}

impl TestClient {
    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The next frame without its size; `None` when the server has closed the connection.
    fn receive(&mut self) -> Option<Bytes> {
        let mut size = [0; 4];
        if self.socket.read_exact(&mut size).is_err() {
            return None;
        }
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
        self.socket.read_exact(&mut frame).unwrap();
        Some(frame.into())
    }

    fn is_closed(&mut self) -> bool {
        self.receive().is_none()
    }

    fn answers(&mut self) -> bool {
        self.send(&api_versions(3, 99));
        self.receive().is_some()
    }
}

fn head(version: i16, correlation_id: i32) -> RequestHead<'static> {
    RequestHead { version, correlation_id, client_id: "a-client" }
}

fn api_versions(version: i16, correlation_id: i32) -> Bytes {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("test"))
        .with_client_software_version(StrBytes::from_static_str("1"));
    encode_request(&head(version, correlation_id), &request).unwrap()
}

fn metadata(correlation_id: i32) -> Bytes {
    let request = MetadataRequest::default().with_topics(None);
    encode_request(&head(12, correlation_id), &request).unwrap()
}

/// Bytes of a frame with this size in front.
fn sized(size: i32, bytes: &[u8]) -> Vec<u8> {
    [&size.to_be_bytes()[..], bytes].concat()
}

#[test]
fn an_unknown_version_of_api_versions_is_told_which_are_known() {
    let server = TestServer::start(ServerLimits::default());
    let mut client = server.connect();
    // Key 18, version 99, correlation id 5, then what only version 99 knows.
    let frame = [0, 18, 0, 99, 0, 0, 0, 5, 1, 2, 3];
    client.send(&sized(11, &frame));
    let answer: ApiVersionsResponse = decode_response(0, 5, client.receive().unwrap()).unwrap();
    assert_eq!(answer.error_code, 35);
    let known = answer.api_keys.iter().find(|api| api.api_key == 18).unwrap();
    assert_eq!((known.min_version, known.max_version), (0, 4));
    assert!(client.answers());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start(ServerLimits::default());
    let mut client = server.connect();
    let mut all = Vec::new();
    for id in 0..50 {
        all.extend(metadata(id));
    }
    client.send(&all);
    for id in 0..50 {
        let answer: MetadataResponse = decode_response(12, id, client.receive().unwrap()).unwrap();
        assert_eq!(answer.topics[0].name.as_ref().unwrap().as_str(), "orders");
        assert_eq!(answer.topics[0].partitions.len(), 3);
        assert_eq!(answer.brokers[0].node_id.0, 4);
    }
}

#[test]
fn a_request_in_small_pieces_is_answered() {
    let server = TestServer::start(ServerLimits::default());
    let mut client = server.connect();
    for byte in metadata(1).iter() {
        client.send(&[*byte]);
    }
    assert!(client.receive().is_some());
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    let server = TestServer::start(ServerLimits::default());
    let mut client = server.connect();
    let header = RequestHeader::default()
        .with_request_api_key(MetadataRequest::KEY)
        .with_request_api_version(12)
        .with_correlation_id(3)
        .with_unknown_tagged_fields([(77, Bytes::from_static(b"what is this"))].into());
    let request = MetadataRequest::default()
        .with_topics(None)
        .with_unknown_tagged_fields([(99, Bytes::from_static(b"and this"))].into());
    let mut frame = BytesMut::new();
    header.encode(&mut frame, ApiKey::Metadata.request_header_version(12)).unwrap();
    request.encode(&mut frame, 12).unwrap();
    client.send(&sized(i32::try_from(frame.len()).unwrap(), &frame));
    assert!(client.receive().is_some());
}

/// Each of these ends its connection, and nothing else.
#[test]
fn what_is_no_request_ends_its_connection_only() {
    let server = TestServer::start(ServerLimits::default());
    let mut bystander = server.connect();
    let too_large = i32::try_from(ServerLimits::default().request_bytes_max).unwrap() + 1;
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("length 0", sized(0, &[])),
        ("negative length", sized(-1, &[])),
        ("most negative length", sized(i32::MIN, &[])),
        ("above the limit", sized(too_large, &[])),
        ("shorter than a head", sized(3, &[0, 3, 0])),
        ("unknown API", sized(8, &[0x7f, 0xff, 0, 0, 0, 0, 0, 1])),
        ("negative API", sized(8, &[0xff, 0xff, 0, 0, 0, 0, 0, 1])),
        ("unknown version", sized(8, &[0, 3, 0, 99, 0, 0, 0, 1])),
        ("a body that ends early", sized(10, &[0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff])),
        ("a request of http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in bad {
        let mut client = server.connect();
        client.send(&bytes);
        assert!(client.is_closed(), "{what}");
        assert!(bystander.answers(), "after {what}");
    }
}

/// As a stock broker does, and as librdkafka sends them.
#[test]
fn bytes_behind_a_body_are_ignored() {
    let server = TestServer::start(ServerLimits::default());
    let mut client = server.connect();
    let longer = [&metadata(1)[4..], &[1, 0, 0]].concat();
    client.send(&sized(i32::try_from(longer.len()).unwrap(), &longer));
    assert!(client.receive().is_some());
    assert!(client.answers());
}

#[test]
fn half_a_request_and_a_closed_connection_harm_nobody() {
    let server = TestServer::start(ServerLimits::default());
    let whole = metadata(1);
    for cut in [1, 4, 5, whole.len() - 1] {
        let mut client = server.connect();
        client.send(&whole[..cut]);
        client.socket.shutdown(Shutdown::Write).unwrap();
        assert!(client.is_closed(), "cut at {cut}");
    }
    assert!(server.connect().answers());
}

#[test]
fn a_request_that_does_not_go_on_is_given_up() {
    let limits = ServerLimits { stall_max: Duration::from_millis(50), ..ServerLimits::default() };
    let server = TestServer::start(limits);
    let mut client = server.connect();
    client.send(&metadata(1)[..6]);
    assert!(client.is_closed());
}

#[test]
fn connections_above_the_limit_are_closed_and_those_below_go_on() {
    let limits = ServerLimits { connections_max: 2, ..ServerLimits::default() };
    let server = TestServer::start(limits);
    let (mut first, mut second) = (server.connect(), server.connect());
    assert!(first.answers() && second.answers());
    assert!(server.connect().is_closed());
    drop(first);
    // The place is free a moment after the client left.
    let freed = (0..1000).any(|_| {
        let mut client = server.connect();
        client.send(&api_versions(3, 1));
        client.receive().is_some()
    });
    assert!(freed);
    assert!(second.answers());
}

#[test]
fn large_requests_wait_for_room_instead_of_taking_memory() {
    let limits = ServerLimits { requests_bytes_max: 4 << 20, ..ServerLimits::default() };
    let server = TestServer::start(limits);
    // Announced, never sent: costs nothing.
    let mut announced: Vec<TestClient> = (0..20).map(|_| server.connect()).collect();
    for client in &mut announced {
        client.send(&sized(100 << 20, &[0, 3]));
    }
    assert!(server.connect().answers());
}

#[test]
fn a_stop_ends_every_connection() {
    let mut server = TestServer::start(ServerLimits::default());
    let mut client = server.connect();
    assert!(client.answers());
    server.0.take().unwrap().stop(Duration::from_secs(5));
    assert!(client.is_closed());
    assert!(StdStream::connect(server.1).is_err());
}
