use std::future::Future;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsResponse, MetadataRequest};
use kafka_protocol::protocol::Encodable;
use mirror_uring::BrokerAddress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{SourceConnection, SourceError, error_name};
use crate::client_properties::ClientProperties;

/// Runs a client against one accepted connection that `serve` handles.
fn against<Serve, Served>(serve: Serve) -> Result<SourceConnection, SourceError>
where
    Serve: FnOnce(TcpStream) -> Served,
    Served: Future<Output = ()> + 'static,
{
    on_runtime(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = BrokerAddress { host: Arc::from("127.0.0.1"), port };
        let properties =
            ClientProperties { request_timeout_ms: 300, ..ClientProperties::default() };
        let (connected, ()) =
            tokio::join!(SourceConnection::connect(&address, &properties), async {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream).await;
            });
        connected
    })
}

fn on_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Reads one request; returns its correlation id.
async fn take_request(stream: &mut TcpStream) -> i32 {
    let bytes = stream.read_i32().await.unwrap();
    let mut request = vec![0; usize::try_from(bytes).unwrap()];
    stream.read_exact(&mut request).await.unwrap();
    i32::from_be_bytes(request[4..8].try_into().unwrap())
}

async fn answer(stream: &mut TcpStream, correlation_id: i32, body: &[u8]) {
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(body.len() + 4).unwrap());
    frame.put_i32(correlation_id);
    frame.put_slice(body);
    stream.write_all(&frame).await.unwrap();
}

fn versions(error_code: i16) -> BytesMut {
    let keys = [(18, 0, 3), (3, 0, 5)].map(|(api_key, min, max)| {
        ApiVersion::default().with_api_key(api_key).with_min_version(min).with_max_version(max)
    });
    let response =
        ApiVersionsResponse::default().with_error_code(error_code).with_api_keys(keys.to_vec());
    let mut body = BytesMut::new();
    response.encode(&mut body, 3).unwrap();
    body
}

#[test]
fn versions_are_negotiated_with_a_broker() {
    let connection = against(|mut stream| async move {
        let id = take_request(&mut stream).await;
        answer(&mut stream, id, &versions(0)).await;
    })
    .unwrap();
    assert_eq!(connection.version::<MetadataRequest>(12).unwrap(), 5);
    let missing = connection.version::<kafka_protocol::messages::FetchRequest>(17).unwrap_err();
    assert!(missing.to_string().contains("serves Fetch in versions none"), "{missing}");
}

#[test]
fn a_web_server_is_told_apart_from_a_broker() {
    let error = against(|mut stream| async move {
        take_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    })
    .unwrap_err();
    assert!(error.to_string().contains("answers HTTP"), "{error}");
}

#[test]
fn an_ssl_listener_is_told_apart_from_a_plaintext_one() {
    let error = against(|mut stream| async move {
        take_request(&mut stream).await;
        stream.write_all(&[0x15, 3, 3, 0, 2, 2, 80]).await.unwrap();
    })
    .unwrap_err();
    assert!(error.to_string().contains("this is an SSL listener"), "{error}");
}

#[test]
fn a_peer_that_hangs_up_is_asked_whether_it_is_a_broker() {
    let error = against(|mut stream| async move {
        take_request(&mut stream).await;
    })
    .unwrap_err();
    assert!(error.to_string().contains("is this a Kafka broker's"), "{error}");
}

#[test]
fn a_peer_that_never_answers_is_left_after_the_timeout() {
    let error = against(|mut stream| async move {
        take_request(&mut stream).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    })
    .unwrap_err();
    assert!(matches!(error, SourceError::TimedOut { timeout_ms: 300, .. }), "{error}");
}

#[test]
fn a_wrong_correlation_id_in_the_handshake_is_no_broker() {
    let error = against(|mut stream| async move {
        let id = take_request(&mut stream).await;
        answer(&mut stream, id + 1, &versions(0)).await;
    })
    .unwrap_err();
    assert!(matches!(error, SourceError::NotKafka { .. }), "{error}");
}

#[test]
fn bytes_after_or_instead_of_a_response_are_refused() {
    for body in [&[0_u8; 3][..], &[0xff; 64][..]] {
        let body = body.to_vec();
        let error = against(|mut stream| async move {
            let id = take_request(&mut stream).await;
            answer(&mut stream, id, &body).await;
        })
        .unwrap_err();
        assert!(matches!(error, SourceError::NotKafka { .. }), "{error}");
    }
}

#[test]
fn a_broker_that_refuses_says_so() {
    let error = against(|mut stream| async move {
        let id = take_request(&mut stream).await;
        answer(&mut stream, id, &versions(29)).await;
    })
    .unwrap_err();
    assert!(
        error.to_string().contains("refuses ApiVersions: TOPIC_AUTHORIZATION_FAILED (29)"),
        "{error}"
    );
}

#[test]
fn nobody_listening_is_said_with_the_address() {
    let error = on_runtime(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let address = BrokerAddress { host: Arc::from("127.0.0.1"), port };
        SourceConnection::connect(&address, &ClientProperties::default()).await.unwrap_err()
    });
    assert!(error.to_string().starts_with("cannot connect to 127.0.0.1:"), "{error}");
}

#[test]
fn error_codes_are_named_as_kafka_names_them() {
    assert_eq!(error_name(0), "NONE");
    assert_eq!(error_name(6), "NOT_LEADER_OR_FOLLOWER");
    assert_eq!(error_name(100), "UNKNOWN_TOPIC_ID");
}
