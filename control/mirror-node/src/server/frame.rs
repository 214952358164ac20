//! Requests from a socket: one frame after the other, never more memory than has arrived.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_wire::message::{MessageError, SIZE_BYTES, frame_size};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::server::limits::{SMALL_REQUEST_BYTES, ServerLimits};

/// What one connection has received and not yet answered.
#[derive(Debug)]
pub(super) struct FrameReader {
    buffer: BytesMut,
    limits: ServerLimits,
    room: Arc<Semaphore>,
}

/// One request, without the size in front; holds its share of the node's memory.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a connection brings no further request.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The client left between two requests.
    #[error("the client closed the connection")]
    Closed,
    /// The client left in the middle of a request.
    #[error("the client closed the connection after {found} of {expected} bytes of a request")]
    Torn { found: usize, expected: usize },
    /// Nothing came for too long.
    #[error("no request for too long")]
    Idle,
    /// A request was not completed in time.
    #[error("a request was not complete in time: {found} of {expected} bytes")]
    Stalled { found: usize, expected: usize },
    /// The size in front is no size.
    #[error(transparent)]
    Size(#[from] MessageError),
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Room for the requests of all connections, in units of [`ROOM_UNIT_BYTES`].
pub(super) fn request_room(limits: &ServerLimits) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limits.requests_bytes_max / ROOM_UNIT_BYTES))
}

impl FrameReader {
    pub(super) fn new(limits: ServerLimits, room: Arc<Semaphore>) -> Self {
        Self { buffer: BytesMut::new(), limits, room }
    }

    /// True when nothing of a further request has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next request. May be cancelled only when the connection is given up.
    pub(super) async fn next(&mut self, socket: &mut TcpStream) -> Result<Frame, FrameError> {
        if self.buffer.is_empty() {
            // A buffer that once held a large request is not kept by an idle connection.
            self.buffer = BytesMut::new();
            let idle = Instant::now() + self.limits.idle_max;
            match timeout_at(idle, self.receive(socket, READ_BYTES)).await {
                Err(_) => return Err(FrameError::Idle),
                Ok(Ok(0)) => return Err(FrameError::Closed),
                Ok(received) => received.map(|_| ())?,
            }
        }
        let deadline = Instant::now() + self.limits.stall_max;
        let mut room: Option<OwnedSemaphorePermit> = None;
        loop {
            let size = frame_size(&self.buffer, self.limits.request_bytes_max)?;
            let expected = SIZE_BYTES + size.map_or(0, |bytes| bytes as usize);
            if size.is_some() && self.buffer.len() >= expected {
                let bytes = self.buffer.split_to(expected).freeze().slice(SIZE_BYTES..);
                return Ok(Frame { bytes, _room: room });
            }
            let found = self.buffer.len();
            let stalled = |_| FrameError::Stalled { found, expected };
            let more = self.more(expected.saturating_sub(found), &mut room);
            let wanted = timeout_at(deadline, more).await.map_err(stalled)?;
            let received = timeout_at(deadline, self.receive(socket, wanted)).await;
            if received.map_err(stalled)?? == 0 {
                return Err(FrameError::Torn { found, expected });
            }
        }
    }

    /// How much to receive next; waits for room when the request is a large one.
    async fn more(&self, missing: usize, room: &mut Option<OwnedSemaphorePermit>) -> usize {
        if self.buffer.len() + missing <= SMALL_REQUEST_BYTES {
            return missing.max(READ_BYTES);
        }
        let step = missing.min(STEP_BYTES);
        let units = u32::try_from(step.div_ceil(ROOM_UNIT_BYTES)).unwrap_or(1);
        let taken = Arc::clone(&self.room).acquire_many_owned(units).await;
        let taken = taken.expect("the room is never closed");
        match room {
            Some(held) => held.merge(taken),
            None => *room = Some(taken),
        }
        step
    }

    async fn receive(&mut self, socket: &mut TcpStream, bytes: usize) -> io::Result<usize> {
        self.buffer.reserve(bytes);
        socket.read_buf(&mut self.buffer).await
    }
}

const READ_BYTES: usize = 4 << 10;
/// A large request is received in steps of so many bytes, each after room was found for it.
const STEP_BYTES: usize = 1 << 20;
const ROOM_UNIT_BYTES: usize = 1 << 10;
