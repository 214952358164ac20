//! A source for tests: brokers that answer as they are told, over sockets.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, MetadataRequest, MetadataResponse, RequestHeader, RequestKind,
    ResponseKind,
};
use kafka_protocol::protocol::{Decodable as _, StrBytes};
use kafka_wire::message::encode_response_kind;
use mirror_uring::BrokerAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::client_properties::ClientProperties;

/// True for a question about the cluster alone.
fn names_none(asked: &MetadataRequest) -> bool {
    asked.topics.as_ref().is_none_or(Vec::is_empty)
}

/// What a broker does with a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// It answers.
    With(Box<ResponseKind>),
    /// It begins an answer of so many bytes.
    Announces(i32),
    /// It closes the connection.
    Closes,
}

impl Reply {
    pub(crate) fn with(response: impl Into<ResponseKind>) -> Self {
        Self::With(Box::new(response.into()))
    }
}

/// Brokers by their ids from 0, and what each does with requests, but for metadata of the
/// cluster alone.
pub(crate) type Answers = dyn Fn(i32, RequestKind) -> Reply + Send + Sync;

/// The newest version that brokers serve of each request, by its key.
pub(crate) type Served = &'static [(ApiKey, i16)];

/// Starts brokers of the cluster `id`; they end with the runtime. Returns how they are reached.
pub(crate) async fn serve(
    id: &str,
    broker_count: i32,
    served: Served,
    answers: Arc<Answers>,
) -> ClientProperties {
    let mut listeners = Vec::new();
    for _broker in 0..broker_count {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let ports: Vec<u16> =
        listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    let brokers = ports.iter().zip(0..).map(|(port, id)| {
        MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(i32::from(*port))
    });
    let metadata = MetadataResponse::default()
        .with_cluster_id(Some(StrBytes::from_string(id.to_owned())))
        .with_brokers(brokers.collect());
    for (listener, broker) in listeners.into_iter().zip(0..) {
        let (metadata, answers) = (metadata.clone(), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = (served, metadata.clone());
                tokio::spawn(connection(stream, broker, told, Arc::clone(&answers)));
            }
        });
    }
    let address = BrokerAddress { host: Arc::from("127.0.0.1"), port: ports[0] };
    ClientProperties { bootstrap_servers: vec![address], ..ClientProperties::default() }
}

async fn connection(
    mut stream: TcpStream,
    broker: i32,
    (served, metadata): (Served, MetadataResponse),
    answers: Arc<Answers>,
) {
    while let Ok(bytes) = stream.read_i32().await {
        let mut request = vec![0; usize::try_from(bytes).unwrap()];
        stream.read_exact(&mut request).await.unwrap();
        let key = ApiKey::try_from(i16::from_be_bytes(request[..2].try_into().unwrap())).unwrap();
        let version = i16::from_be_bytes(request[2..4].try_into().unwrap());
        let mut frame = Bytes::from(request);
        let header =
            RequestHeader::decode(&mut frame, key.request_header_version(version)).unwrap();
        let reply = match RequestKind::decode(key, &mut frame, version).unwrap() {
            RequestKind::ApiVersions(_) => Reply::with(versions(served)),
            RequestKind::Metadata(asked) if names_none(&asked) => Reply::with(metadata.clone()),
            other => answers(broker, other),
        };
        match reply {
            Reply::With(response) => {
                let frame = encode_response_kind(version, header.correlation_id, &response);
                stream.write_all(&frame.unwrap()).await.unwrap();
            }
            Reply::Announces(bytes) => stream.write_i32(bytes).await.unwrap(),
            Reply::Closes => return,
        }
    }
}

fn versions(served: Served) -> ApiVersionsResponse {
    let always = [(ApiKey::ApiVersions, 3), (ApiKey::Metadata, 12)];
    let keys = always.iter().chain(served).map(|(key, newest)| {
        ApiVersion::default().with_api_key(*key as i16).with_max_version(*newest)
    });
    ApiVersionsResponse::default().with_api_keys(keys.collect())
}
