//! Requests from a socket: one frame after the other. Memory follows what has arrived: of a large
//! request each step is received once its first byte is there and room for it was found, so that a
//! size that is only announced costs nobody anything.

use std::io;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_wire::message::{MessageError, SIZE_BYTES, frame_size};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::server::limits::{SMALL_REQUEST_BYTES, ServerLimits};
use crate::server::request_room::{HeldRoom, RequestRoom};

/// What one connection has received and not yet answered.
#[derive(Debug)]
pub(super) struct FrameReader {
    buffer: BytesMut,
    limits: ServerLimits,
    room: Arc<RequestRoom>,
}

/// One request, without the size in front; holds its share of the node's memory.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    _room: HeldRoom,
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

impl FrameReader {
    pub(super) fn new(limits: ServerLimits, room: Arc<RequestRoom>) -> Self {
        Self { buffer: BytesMut::new(), limits, room }
    }

    /// The next request. May be cancelled only when the connection is given up.
    pub(super) async fn next(&mut self, socket: &TcpStream) -> Result<Frame, FrameError> {
        if self.buffer.is_empty() {
            // A buffer that once held a large request is not kept by an idle connection.
            self.buffer = BytesMut::new();
            let idle = Instant::now() + self.limits.idle_max;
            let mut room = HeldRoom::default();
            match timeout_at(idle, self.receive(socket, READ_BYTES, &mut room)).await {
                Err(_) => return Err(FrameError::Idle),
                Ok(Ok(0)) => return Err(FrameError::Closed),
                Ok(received) => received.map(|_| ())?,
            }
        }
        let deadline = Instant::now() + self.limits.stall_max;
        let mut room = HeldRoom::default();
        loop {
            let size = frame_size(&self.buffer, self.limits.request_bytes_max)?;
            let expected = SIZE_BYTES + size.map_or(0, |bytes| bytes as usize);
            if size.is_some() && self.buffer.len() >= expected {
                let bytes = self.buffer.split_to(expected).freeze().slice(SIZE_BYTES..);
                return Ok(Frame { bytes, _room: room });
            }
            let found = self.buffer.len();
            let missing = expected.saturating_sub(found).max(1);
            let receive = self.receive(socket, missing, &mut room);
            let received = timeout_at(deadline, receive).await;
            if received.map_err(|_| FrameError::Stalled { found, expected })?? == 0 {
                return Err(FrameError::Torn { found, expected });
            }
        }
    }

    /// Receives some of the missing bytes, when they are there and there is room for them; none at
    /// the end of the connection.
    async fn receive(
        &mut self,
        socket: &TcpStream,
        missing: usize,
        room: &mut HeldRoom,
    ) -> io::Result<usize> {
        loop {
            socket.readable().await?;
            let bytes = self.step(missing, room).await;
            self.buffer.reserve(bytes);
            match socket.try_read_buf(&mut (&mut self.buffer).limit(bytes)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }

    /// How much to receive next; waits for room for what goes beyond a small request.
    async fn step(&self, missing: usize, room: &mut HeldRoom) -> usize {
        let found = self.buffer.len();
        if found + missing <= SMALL_REQUEST_BYTES {
            // Further requests may have come with this one.
            return missing.max(READ_BYTES);
        }
        if found >= SMALL_REQUEST_BYTES + room.bytes() {
            self.room.take(room).await;
        }
        missing.min(SMALL_REQUEST_BYTES + room.bytes() - found)
    }
}

const READ_BYTES: usize = 4 << 10;
