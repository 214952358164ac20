//! Frames of the APIs of mirrors, good and bad.

use kafka_wire::mirror_api::delete_cluster_mirror::DeleteClusterMirrorRequest;
use kafka_wire::mirror_api::{MirrorApiKey, MirrorRequest, MirrorResponse};
use kafka_wire::request::REQUEST_BYTES_MAX;

use super::generated::Dice;
use super::*;
use crate::mirror_orders::{MirrorOrder, MirrorOrders};
use crate::server::exchange::{Unanswered, exchange};
use crate::server::test_node::TestNode;

/// A frame without its size, from a client without a name.
fn frame(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let [key, version] = [api_key, version].map(i16::to_be_bytes);
    [&key[..], &version, &77_i32.to_be_bytes(), &[0xff, 0xff, 0], body].concat()
}

fn sent(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let frame = frame(api_key, version, body);
    sized(i32::try_from(frame.len()).unwrap(), &frame)
}

#[test]
fn what_is_no_request_about_mirrors_ends_its_connection_and_no_other() {
    let server = TestServer::start(ServerLimits::default());
    let mut bystander = server.connect();
    assert!(bystander.answers());
    let too_large = vec![0; REQUEST_BYTES_MAX + 1];
    let bad: [(i16, i16, &[u8]); 6] = [
        (97, 0, b"\x01\0"),
        (108, 0, b"\x01\0"),
        (104, 1, b"\x02m\xff\xff\xff\xff\xff\xff\xff\xff\0"),
        (104, -1, b"\x02m\xff\xff\xff\xff\xff\xff\xff\xff\0"),
        (104, 0, b"\x7fm"),
        (99, 0, &too_large),
    ];
    for (api_key, version, body) in bad {
        let mut client = server.connect();
        client.send(&sent(api_key, version, body));
        assert!(client.is_closed(), "key {api_key} version {version}");
    }
    // Well-formed: refused, since this node has no mirrors, and the connection goes on.
    let mut client = server.connect();
    client.send(&sent(104, 0, b"\x02m\xff\xff\xff\xff\xff\xff\xff\xff\0"));
    let answer = client.receive().unwrap();
    let key = MirrorApiKey::DeleteClusterMirror;
    let answer = MirrorResponse::decode_frame(key, 77, answer).unwrap();
    assert_eq!(answer.outcome().0, 35);
    assert!(client.answers() && bystander.answers());
}

#[test]
fn whatever_bytes_are_sent_the_answer_is_of_the_api_asked_or_there_is_none() {
    let node = TestNode::new();
    node.taking_orders(|order| {
        if let MirrorOrder::Api { request, reply } = order {
            let _ = reply.send(MirrorResponse::refusal(request.key(), 137, "unknown"));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peer = ([127, 0, 0, 1], 1).into();
    let mut dice = Dice::new(1);
    for key in MirrorApiKey::ALL {
        let (mut answered, mut closed) = (0, 0);
        for _ in 0..REQUESTS_PER_API {
            let body: Vec<u8> = (0..dice.below(60))
                .map(|_| dice.choose(&[0, 0, 0, 0, 1, 1, 2, 2, 3, b'm', 0x7f, 0xff]))
                .collect();
            let asked = Bytes::from(frame(key.get(), 0, &body));
            match runtime.block_on(exchange(&node.node, peer, asked)) {
                Ok(answer) => {
                    let answer = Bytes::from(answer).slice(4..);
                    let answer = MirrorResponse::decode_frame(key, 77, answer);
                    let code = answer.unwrap_or_else(|error| panic!("{error}: {body:02x?}"));
                    assert_eq!(code.outcome().0, 137);
                    answered += 1;
                }
                Err(Unanswered::Closed(_)) => closed += 1,
                Err(error) => panic!("{error:?}: {body:02x?}"),
            }
        }
        assert!(answered > 0 && closed > 0, "{key}: {answered} answered, {closed} closed");
    }
}

#[test]
fn a_client_that_leaves_has_its_order_answered_to_nobody() {
    let node = TestNode::new();
    let (orders, mut taken) = MirrorOrders::new();
    node.node.mirror_orders.set(orders).unwrap();
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(Arc::clone(&node.node), listener, 2).unwrap();
    let address = server.address();
    let server = TestServer(Some(server), address);
    let mut client = server.connect();
    let request = DeleteClusterMirrorRequest { mirror_name: "dc1".to_owned(), state_offset: -1 };
    client.send(&MirrorRequest::from(request).encode_frame(1, "t").unwrap());
    let order = taken.blocking_recv().unwrap();
    drop(client);
    // The node goes on serving others, and stops although nobody ever replies.
    assert!(server.connect().answers());
    drop(server);
    assert!(order.is_abandoned());
}

const REQUESTS_PER_API: usize = 500;
