use std::fs::File;
use std::io::Read as _;
use std::net::TcpStream as StdStream;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::catalog::Partition;
use crate::log_view::LogState;
use crate::server::test_node::TestNode;

#[tokio::test]
async fn a_client_that_takes_a_byte_now_and_then_gives_its_buffer_back() {
    let (mut server, mut client) = tokio::io::duplex(16);
    let taking = tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_millis(5));
        while client.read_u8().await.is_ok() {
            every.tick().await;
        }
    });
    let bytes = vec![7; 1 << 20];
    let send = send_within(&mut server, &bytes, Duration::from_millis(100));
    let sent = timeout(Duration::from_secs(10), send).await.unwrap().unwrap();
    assert!((16..1 << 20).contains(&sent), "{sent}");
    drop(server);
    taking.await.unwrap();
}

#[test]
fn what_is_in_memory_must_be_taken_at_a_lowest_rate() {
    let sender = Sender::new(Duration::from_secs(30));
    assert_eq!(sender.patience(1000), Duration::from_secs(30));
    assert_eq!(sender.patience(8 << 20), Duration::from_secs(30 + 32));
}

/// A server's end of a connection and the client's.
async fn connected() -> (TcpStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tokio::task::spawn_blocking(move || StdStream::connect(address));
    let (server, _) = listener.accept().await.unwrap();
    (server, client.await.unwrap().unwrap())
}

fn records_of(partition: &Arc<Partition>, path: &std::path::Path) -> FoundRecords {
    std::fs::write(path, vec![1; RECORDS_BYTES as usize]).unwrap();
    FoundRecords {
        range: FileRange {
            file: Arc::new(File::open(path).unwrap()),
            position: 0,
            bytes: RECORDS_BYTES,
        },
        is_tail: false,
        partition: Arc::clone(partition),
        cut_count: partition.view.state().unwrap().cut_count,
    }
}

#[tokio::test]
async fn an_answer_ends_when_its_log_is_cut_while_it_is_sent() {
    let node = TestNode::writable();
    let topic = node.local("notes", &[]);
    let partition = &topic.partitions[0];
    let (mut server, mut client) = connected().await;
    let records = records_of(partition, &node.node.catalog.root().join("records"));
    let reply = Reply { parts: vec![Part::File(records)], room: None };
    let mut sender = Sender::new(Duration::from_secs(20));
    let source = node.node.record_source();
    let view = &partition.view;
    let cut = async {
        // The answer has begun.
        server_has_sent(&client).await;
        let state = LogState::clone(&view.state().unwrap());
        view.publish(LogState { cut_count: state.cut_count + 1, ..state });
        tokio::task::spawn_blocking(move || {
            let mut taken = 0;
            let mut buffer = vec![0; 1 << 20];
            while let Ok(count @ 1..) = client.read(&mut buffer) {
                taken += count;
            }
            taken
        })
        .await
        .unwrap()
    };
    let send = async {
        let sent = sender.send(&mut server, reply, source).await;
        drop(server);
        sent
    };
    let (sent, taken) = tokio::join!(send, cut);
    let error = sent.unwrap_err().to_string();
    assert_eq!(error, "the log of notes-0 was cut or closed meanwhile");
    assert!(taken < RECORDS_BYTES as usize);
}

async fn server_has_sent(client: &StdStream) {
    let client = client.try_clone().unwrap();
    let peeked = tokio::task::spawn_blocking(move || client.peek(&mut [0]));
    assert_eq!(peeked.await.unwrap().unwrap(), 1);
}

/// More than sockets buffer.
const RECORDS_BYTES: u32 = 64 << 20;
