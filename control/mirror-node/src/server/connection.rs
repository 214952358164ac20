//! One client connection: requests in, answers out, in order, one at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use kafka_wire::message::MessageError;
use kafka_wire::request::RequestError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::node::Node;
use crate::server::answer::{Answer, Part};
use crate::server::answer_room::{NoRoom, Reply};
use crate::server::api::AskedApi;
use crate::server::dispatch::{Client, answer};
use crate::server::frame::{FrameError, FrameReader};
use crate::server::malformed_warnings::MalformedWarnings;
use crate::server::mirror_requests;
use crate::server::request::{Outcome, asked_api, decode, encode};
use crate::server::rooms::Rooms;
use crate::server::sending::Sender;

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
    /// An answer that nobody has memory for.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The answer is the end of the connection.
    #[error("{0}")]
    Closed(String),
    /// The answer cannot be sent.
    #[error("cannot send the answer: {0}")]
    Send(#[from] std::io::Error),
}

impl ConnectionError {
    /// True when the client sent what is no request that anybody could answer.
    const fn is_malformed(&self) -> bool {
        matches!(self, Self::Request(_) | Self::Frame(FrameError::Size(_)))
    }
}

/// What a connection brings, and its share of what all connections may take.
pub(super) struct Incoming {
    pub(super) frames: FrameReader,
    pub(super) rooms: Rooms,
    pub(super) warnings: Arc<MalformedWarnings>,
}

/// Answers a client until it leaves, does something that cannot be answered, or the node stops.
pub(super) async fn serve(
    node: Arc<Node>,
    mut socket: TcpStream,
    peer: SocketAddr,
    mut incoming: Incoming,
    mut stop: watch::Receiver<bool>,
) {
    let mut client = Client::new(peer);
    let outcome = tokio::select! {
        outcome = converse(&node, &mut socket, &mut client, &mut incoming) => outcome,
        _ = stop.wait_for(|stopping| *stopping) => Ok(()),
    };
    match outcome {
        Ok(()) | Err(ConnectionError::Frame(FrameError::Closed | FrameError::Idle)) => {}
        Err(error) if error.is_malformed() && incoming.warnings.take(peer.ip(), Instant::now()) => {
            tracing::warn!(
                %peer,
                client_id = client.id,
                "connection closed: {error}; more of this address is told at level info for a while"
            );
        }
        Err(error) => tracing::info!(%peer, client_id = client.id, "connection closed: {error}"),
    }
}

async fn converse(
    node: &Arc<Node>,
    socket: &mut TcpStream,
    client: &mut Client,
    incoming: &mut Incoming,
) -> Result<(), ConnectionError> {
    let mut sender = Sender::new(node.limits.stall_max);
    loop {
        let frame = incoming.frames.next(socket).await?;
        let may_leave = waits_for_others(asked_api(&frame.bytes));
        let reply = {
            let answered = answer_frame(node, client, frame.bytes.clone(), &incoming.rooms);
            if may_leave {
                tokio::select! {
                    // First, so that what a client asks for before it leaves is begun.
                    biased;
                    answered = answered => answered?,
                    () = left(socket) => return Err(FrameError::Closed.into()),
                }
            } else {
                answered.await?
            }
        };
        drop(frame);
        sender.send(socket, reply, node.record_source()).await?;
    }
}

/// Answers one request, given as a frame without its size; nothing at all is an answer too.
pub(super) async fn answer_frame(
    node: &Arc<Node>,
    client: &mut Client,
    frame: Bytes,
    rooms: &Rooms,
) -> Result<Reply, ConnectionError> {
    let asked = asked_api(&frame);
    let _working = rooms.work.take(asked).await;
    let decoding = rooms.decoding.take(asked, &frame).await;
    let request = match decode(frame, node.mirror_orders.get().is_some())? {
        Outcome::Request(request) => request,
        Outcome::Mirror(head, request) => {
            client.note(&head);
            let answer = mirror_requests::answer(node, client, &head, *request).await?;
            drop(decoding);
            return Ok(rooms.answers.take(vec![Part::Bytes(answer)])?);
        }
        Outcome::Answered(bytes) => return Ok(rooms.answers.take(vec![Part::Bytes(bytes)])?),
    };
    // Whoever waits for others holds nothing that these may need.
    let decoding = decoding.filter(|_| !waits_for_others(asked));
    let head = request.head.clone();
    client.note(&head);
    let answered = answer(node, client, *request).await;
    drop(decoding);
    let parts = match answered {
        Answer::Message(message) => vec![Part::Bytes(encode(&head, &message)?)],
        Answer::Parts(parts) => parts,
        Answer::Nothing => Vec::new(),
        Answer::Close { reason } => return Err(ConnectionError::Closed(reason)),
    };
    Ok(rooms.answers.take(parts)?)
}

/// True when the answer may depend on what other clients do. Nobody waits for it in vain: such a
/// request is given up when its client leaves.
fn waits_for_others(asked: Option<AskedApi>) -> bool {
    let Some(AskedApi::Kafka(key)) = asked else { return false };
    matches!(key, ApiKey::Fetch | ApiKey::JoinGroup | ApiKey::SyncGroup)
}

/// Returns when the client has closed its side. Behind a further request, which is not read yet,
/// that is seen only by looking for it.
async fn left(socket: &TcpStream) {
    if let Ok(1..) = socket.peek(&mut [0]).await {
        while !has_hung_up(socket) {
            sleep(LEFT_LOOK_EVERY).await;
        }
    }
}

fn has_hung_up(socket: &TcpStream) -> bool {
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    let mut asked = [PollFd::new(socket, gone)];
    // A failure says nothing of the client.
    poll(&mut asked, Some(&Timespec::default())).is_ok() && asked[0].revents().intersects(gone)
}

/// How often a client that sent a further request is looked after while it waits for an answer.
const LEFT_LOOK_EVERY: Duration = Duration::from_secs(1);
