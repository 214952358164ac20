//! One client connection: requests in, answers out, in order, one at a time.

use std::net::SocketAddr;
use std::sync::Arc;

use kafka_wire::message::MessageError;
use kafka_wire::request::RequestError;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::node::Node;
use crate::server::answer::{Answer, Part};
use crate::server::dispatch::{Client, answer};
use crate::server::frame::{FrameError, FrameReader};
use crate::server::request::{Outcome, decode, encode};
use crate::server::sending::send;

/// Why a connection ended, when the client did not just leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// No further request.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A request that nobody can answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// An answer that its version cannot carry.
    #[error(transparent)]
    Answer(#[from] MessageError),
    /// The answer is the end of the connection.
    #[error("{0}")]
    Closed(String),
    /// The answer cannot be sent.
    #[error("cannot send the answer: {0}")]
    Send(#[from] std::io::Error),
}

/// Answers a client until it leaves, does something that cannot be answered, or the node stops.
pub(super) async fn serve(
    node: Arc<Node>,
    mut socket: TcpStream,
    peer: SocketAddr,
    mut frames: FrameReader,
    mut stop: watch::Receiver<bool>,
) {
    let mut client = Client::new(peer);
    let outcome = tokio::select! {
        outcome = converse(&node, &mut socket, &mut client, &mut frames) => outcome,
        _ = stop.wait_for(|stopping| *stopping) => Ok(()),
    };
    match outcome {
        Ok(()) | Err(ConnectionError::Frame(FrameError::Closed | FrameError::Idle)) => {}
        Err(error) => tracing::info!(%peer, client_id = client.id, "connection closed: {error}"),
    }
}

async fn converse(
    node: &Arc<Node>,
    socket: &mut TcpStream,
    client: &mut Client,
    frames: &mut FrameReader,
) -> Result<(), ConnectionError> {
    loop {
        let frame = frames.next(socket).await?;
        let request = match decode(frame.bytes.clone())? {
            Outcome::Request(request) => request,
            Outcome::Answered(bytes) => {
                let parts = vec![Part::Bytes(bytes)];
                send(socket, parts, &node.cold_reads, node.limits.stall_max).await?;
                continue;
            }
        };
        let head = request.head.clone();
        client.note(&head);
        let parts = match answer(node, client, *request).await {
            Answer::Message(message) => vec![Part::Bytes(encode(&head, &message)?)],
            Answer::Parts(parts) => parts,
            Answer::Nothing => continue,
            Answer::Close { reason } => return Err(ConnectionError::Closed(reason)),
        };
        drop(frame);
        send(socket, parts, &node.cold_reads, node.limits.stall_max).await?;
    }
}
