use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{ApiVersionsResponse, MetadataResponse};
use kafka_protocol::protocol::{Encodable, StrBytes};
use kafka_wire::mirror_api::MirrorApiKey;
use kafka_wire::mirror_api::delete_cluster_mirror::DeleteClusterMirrorRequest;
use kafka_wire::mirror_api::describe_cluster_mirrors::{DescribedPartition, DescribedTopic};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::client_properties::ClientProperties;
use crate::mirror_descriptions::last_positions;

/// What a fake broker does with a request about mirrors.
#[derive(Clone)]
enum Mirrors {
    /// Nothing: it is a stock one, which does not serve them.
    None,
    /// It answers so.
    Answers(MirrorResponse),
    /// It closes the connection.
    Closes,
}

/// A cluster of fake brokers that know of each other.
struct Cluster {
    listeners: Vec<TcpListener>,
    ports: Vec<u16>,
}

impl Cluster {
    async fn of(broker_count: usize) -> Self {
        let mut listeners = Vec::new();
        for _broker in 0..broker_count {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let ports =
            listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        Self { listeners, ports }
    }

    /// Starts the brokers, each with its own answer.
    fn serve(self, mirrors: Vec<Mirrors>) -> SourceClient {
        let address = BrokerAddress { host: Arc::from("127.0.0.1"), port: self.ports[0] };
        let metadata = Bytes::from(metadata(&self.ports));
        for (listener, mirrors) in self.listeners.into_iter().zip(mirrors) {
            let metadata = metadata.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(broker(stream, metadata.clone(), mirrors.clone()));
                }
            });
        }
        SourceClient::new(ClientProperties {
            bootstrap_servers: vec![address],
            ..ClientProperties::default()
        })
    }
}

/// Metadata version 5, that nobody leads anything in.
fn metadata(ports: &[u16]) -> Vec<u8> {
    let brokers = ports.iter().zip(0..).map(|(port, id)| {
        MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(i32::from(*port))
    });
    let mut body = BytesMut::new();
    let response = MetadataResponse::default().with_brokers(brokers.collect());
    response.encode(&mut body, 5).unwrap();
    body.to_vec()
}

fn versions(has_mirrors: bool) -> Vec<u8> {
    let keys = [(18, 3), (3, 5)]
        .into_iter()
        .chain(MirrorApiKey::ALL.into_iter().filter(|_| has_mirrors).map(|key| (key.get(), 0)));
    let keys = keys.map(|(key, max)| ApiVersion::default().with_api_key(key).with_max_version(max));
    let mut body = BytesMut::new();
    let response = ApiVersionsResponse::default().with_api_keys(keys.collect());
    response.encode(&mut body, 3).unwrap();
    body.to_vec()
}

/// Serves one connection until it ends.
async fn broker(mut stream: TcpStream, metadata: Bytes, mirrors: Mirrors) {
    while let Ok(bytes) = stream.read_i32().await {
        let mut request = vec![0; usize::try_from(bytes).unwrap()];
        stream.read_exact(&mut request).await.unwrap();
        let key = i16::from_be_bytes(request[..2].try_into().unwrap());
        let id = i32::from_be_bytes(request[4..8].try_into().unwrap());
        let body = match (key, &mirrors) {
            (18, mirrors) => versions(!matches!(mirrors, Mirrors::None)),
            (3, _) => metadata.to_vec(),
            (_, Mirrors::Answers(response)) => {
                stream.write_all(&response.encode_frame(id).unwrap()).await.unwrap();
                continue;
            }
            _ => return,
        };
        let mut frame = BytesMut::new();
        frame.put_i32(i32::try_from(body.len() + 4).unwrap());
        frame.put_i32(id);
        frame.put_slice(&body);
        stream.write_all(&frame).await.unwrap();
    }
}

fn delete() -> MirrorRequest {
    DeleteClusterMirrorRequest { mirror_name: "m".to_owned(), state_offset: -1 }.into()
}

fn describe() -> DescribeClusterMirrorsRequest {
    DescribeClusterMirrorsRequest {
        include_mirror_offset: false,
        cluster_id: Some("us".to_owned()),
        ..DescribeClusterMirrorsRequest::everything()
    }
}

fn told(index: i32, epoch: i32, offset: i64) -> Mirrors {
    let partition = DescribedPartition {
        partition_index: index,
        state_value: "STOPPED".to_owned(),
        error_message: None,
        retry_attempt: 0,
        source_offset: -1,
        destination_offset: -1,
        last_mirror_epoch: epoch,
        last_mirror_offset: offset,
        lag_ms: -1,
        measured_age_ms: -1,
    };
    let topic = DescribedTopic { topic_name: "a".to_owned(), partitions: vec![partition] };
    let mirror = DescribedMirror {
        error_code: 0,
        error_message: None,
        mirror_name: "m".to_owned(),
        source_bootstrap: None,
        source_cluster_id: None,
        authorized_operations: i32::MIN,
        topics: vec![topic],
        syncs: Vec::new(),
    };
    let mirrors = vec![mirror];
    let response = DescribeClusterMirrorsResponse {
        mirrors,
        ..DescribeClusterMirrorsResponse::outcome(0, None)
    };
    Mirrors::Answers(response.into())
}

fn refusing(key: MirrorApiKey, code: i16) -> Mirrors {
    Mirrors::Answers(MirrorResponse::refusal(key, code, "not now"))
}

#[tokio::test]
async fn a_stock_broker_has_no_mirrors() {
    let mut client = Cluster::of(1).await.serve(vec![Mirrors::None]);
    for _twice in 0..2 {
        let error = client.mirror_request(&delete()).await.unwrap_err();
        assert!(error.lacks_mirrors(), "{error}");
        let said = error.to_string();
        assert!(said.contains("it does not serve DeleteClusterMirror"), "{said}");
    }
    let error = client.describe_mirrors(&describe()).await.unwrap_err();
    assert!(matches!(error, SourceError::NoMirrors { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_comes_back_with_its_error() {
    let answer = refusing(MirrorApiKey::DeleteClusterMirror, 143);
    let mut client = Cluster::of(1).await.serve(vec![answer]);
    let answer = client.mirror_request(&delete()).await.unwrap();
    assert_eq!(answer.outcome(), (143, Some("not now")));
}

#[tokio::test]
async fn a_node_that_has_mirrors_switched_off_has_none() {
    let off = refusing(MirrorApiKey::DescribeClusterMirrors, 35);
    let mut client = Cluster::of(1).await.serve(vec![off]);
    let error = client.describe_mirrors(&describe()).await.unwrap_err();
    assert!(error.lacks_mirrors(), "{error}");
    assert!(error.to_string().contains("UNSUPPORTED_VERSION: not now (35)"), "{error}");
}

#[tokio::test]
async fn every_broker_is_asked_and_one_without_mirrors_has_nothing_to_tell() {
    let brokers = vec![told(0, 1, 10), Mirrors::None, told(0, 2, 5), told(1, 0, 7)];
    let mut client = Cluster::of(4).await.serve(brokers);
    let described = client.describe_mirrors(&describe()).await.unwrap();
    assert!(described.unanswered.is_empty(), "{:?}", described.unanswered);
    let positions = last_positions(&described.mirrors);
    let told = |index| positions.get(&("a", index)).map(|told| (told.epoch, told.offset));
    assert_eq!((told(0), told(1)), (Some((2, 5)), Some((0, 7))));
}

#[tokio::test]
async fn a_broker_that_could_not_be_asked_is_told_of() {
    let loading = refusing(MirrorApiKey::DescribeClusterMirrors, 14);
    let mut client = Cluster::of(3).await.serve(vec![told(0, 1, 10), loading, Mirrors::Closes]);
    let described = client.describe_mirrors(&describe()).await.unwrap();
    assert_eq!((described.mirrors.len(), described.unanswered.len()), (1, 2));
    assert!(!described.unanswered.iter().any(SourceError::lacks_mirrors));
}

#[tokio::test]
async fn where_one_knows_nothing_and_the_other_does_not_answer_nothing_is_known() {
    let mut client = Cluster::of(2).await.serve(vec![Mirrors::None, Mirrors::Closes]);
    let error = client.describe_mirrors(&describe()).await.unwrap_err();
    assert!(!error.lacks_mirrors(), "{error}");
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_sent_to_nobody_else() {
    let answer = refusing(MirrorApiKey::DeleteClusterMirror, 0);
    let cluster = Cluster::of(2).await;
    let second = BrokerAddress { host: Arc::from("127.0.0.1"), port: cluster.ports[1] };
    let mut client = cluster.serve(vec![Mirrors::Closes, answer]);
    client.properties.bootstrap_servers.push(second);
    let error = client.mirror_request(&delete()).await.unwrap_err();
    assert!(matches!(error, SourceError::Closed { .. }), "{error}");
}

#[tokio::test]
async fn nobody_to_ask_is_an_error_with_every_reason() {
    let cluster = Cluster::of(1).await;
    let port = cluster.ports[0];
    let mut client = cluster.serve(vec![]);
    client.properties.connect_timeout_ms = 1_000;
    client.properties.request_timeout_ms = 1_000;
    // The listener went with the cluster.
    let error = client.mirror_request(&delete()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}
