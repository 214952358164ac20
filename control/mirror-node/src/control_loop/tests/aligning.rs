use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::protocol::Encodable as _;
use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::mirror_api::MirrorRequest;
use kafka_wire::mirror_api::list_cluster_mirrors::ListClusterMirrorsRequest;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicIdPartition};
use mirror_coordinator::mirror_config::BOOTSTRAP_SERVERS;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::partition_state::MirrorPartitionState;
use mirror_coordinator::retry::RetryClass;
use mirror_uring::BrokerAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::loop_rig::Stopped;
use super::memory::{source, starts_all};
use crate::client_properties::ClientProperties;
use crate::control_loop::MirrorLoop;
use crate::control_loop::align::cut_to;
use crate::control_loop::start_lookup::Resolved;
use crate::mirror_orders::{MirrorOrder, MirrorSettingChange, SettingOperation};
use crate::source_client::SourceClient;
use crate::source_sync::fake_source::{Reply, serve};

#[tokio::test]
async fn records_that_clients_wrote_until_the_log_was_closed_need_the_operators_word_to_go() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let partition = &node.topic.partitions[0];
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    batch.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(b"told to be written") });
    partition.log().unwrap().append_produced(&batch.finish(), 1).unwrap();
    let end = || partition.view.state().unwrap().log_end.offset().get();
    let cut = |is_confirmed| cut_to(&node.topics, partition, MirrorPosition::EMPTY, is_confirmed);
    let refused = cut(false).unwrap_err();
    assert_eq!((refused.class, end()), (RetryClass::NonRetryable, 1), "{}", refused.reason);
    assert!(partition.log().is_none(), "it was taken from clients first");
    cut(true).unwrap();
    assert_eq!(end(), 0);
}

/// A client with a connection to a broker that knows no mirrors, and takes no other connection.
async fn connected() -> SourceClient {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = BrokerAddress { host: Arc::from("127.0.0.1"), port };
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let bytes = stream.read_u32().await.unwrap();
        let mut request = vec![0; usize::try_from(bytes).unwrap()];
        stream.read_exact(&mut request).await.unwrap();
        let mut answer = BytesMut::from(&request[4..8]);
        ApiVersionsResponse::default().encode(&mut answer, 3).unwrap();
        let mut frame = BytesMut::new();
        frame.put_u32(u32::try_from(answer.len()).unwrap());
        frame.put_slice(&answer);
        stream.write_all(&frame).await.unwrap();
        // Until the client goes.
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    });
    let bootstrap_servers = vec![address];
    let mut client =
        SourceClient::new(ClientProperties { bootstrap_servers, ..ClientProperties::default() });
    let list = ListClusterMirrorsRequest {
        mirror_name: None,
        source_cluster_id: None,
        desired_states: Vec::new(),
    };
    let without = client.mirror_request(&list.into()).await.unwrap_err();
    assert!(without.lacks_mirrors(), "{without}");
    client
}

#[tokio::test]
async fn what_a_start_connected_alignment_asks_over() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    // Nobody is at the address of the mirror: asked anew, its source would not answer.
    assert_eq!(control.create("back").await, 0);
    let back = MirrorName::parse("back").unwrap();
    control.until(|control| control.sources.get(&back).unwrap().looked_at.is_some()).await;
    control.sources.get_mut(&back).unwrap().watch = None;
    let metadata = source(&[("large", 1)]);
    let topic_id = metadata.topics.values().next().unwrap().topic_id.unwrap();
    let resolved = Resolved { metadata, client: Some(connected().await), ..Resolved::default() };
    control.start(&starts_all(), resolved).await.unwrap();
    control.after_input().await.unwrap();
    let id = TopicIdPartition { topic_id, partition: PartitionIndex::default() };
    let is_aligned = |state| !matches!(state, S::Unknown | S::LogAlignment);
    control.until(|control| is_aligned(control.lifecycle.state(id))).await;
    assert_eq!(control.lifecycle.state(id), S::Mirroring);
    assert!(control.sources.get(&back).unwrap().connected.is_none(), "it was let go of");
}

/// Has the mirror `back` look for its source there; nobody does that by himself.
fn move_source(control: &mut MirrorLoop<'_>, bootstrap_servers: &str) {
    let operation = SettingOperation::Set(bootstrap_servers.to_owned());
    let changes = vec![MirrorSettingChange { name: BOOTSTRAP_SERVERS.to_owned(), operation }];
    let (mirror, validate_only) = ("back".to_owned(), false);
    let (reply, mut replied) = oneshot::channel();
    control.on_order(MirrorOrder::AlterConfigs { mirror, changes, validate_only, reply });
    assert_eq!(replied.try_recv().unwrap(), Ok(()));
    // A look would let go of the connection that a start made.
    control.sources.get_mut(&MirrorName::parse("back").unwrap()).unwrap().watch = None;
}

#[tokio::test]
async fn what_a_start_learnt_of_a_source_that_was_left_meanwhile_does_not_count() {
    let berlin = serve("berlin", 1, &[], Arc::new(|_, _| Reply::Closes)).await;
    let berlin = format!("127.0.0.1:{}", berlin.bootstrap_servers[0].port);
    let back = MirrorName::parse("back").unwrap();
    for is_left in [false, true] {
        let node = Stopped::new();
        let mut observe = |_| {};
        let mut control = node.begun(&mut observe).await;
        control.until(|_| node.topic.is_writable()).await;
        assert_eq!(control.create("back").await, 0);
        move_source(&mut control, &berlin);
        let (reply, mut replied) = oneshot::channel();
        let request = MirrorRequest::StartMirrorTopics(starts_all());
        control.on_order(MirrorOrder::Api { request, reply });
        if is_left {
            move_source(&mut control, "127.0.0.1:1");
        }
        let told = loop {
            let event = control.events.recv().await.unwrap();
            control.on_event(event).await.unwrap();
            if let Ok(told) = replied.try_recv() {
                break told;
            }
        };
        let goes_on = control.sources.get(&back).unwrap().connected.is_some();
        assert_eq!(goes_on, !is_left, "alignment asks over what the start connected");
        let (code, reason) = told.outcome();
        let refused = ResponseError::RequestTimedOut.code();
        assert_eq!(code, if is_left { refused } else { 0 }, "{reason:?}");
        let source = control.metadata.mirrors()[&back].source_cluster_id.as_deref();
        assert_eq!(source, (!is_left).then_some("berlin"));
    }
}

use MirrorPartitionState as S;
