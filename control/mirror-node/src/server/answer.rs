//! Answers on their way to a socket: bytes, and ranges of segment files that the kernel sends
//! without a copy.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::ResponseKind;
use rustix::fs::sendfile;
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a request is answered with.
#[derive(Debug)]
pub(super) enum Answer {
    /// A message of the protocol.
    Message(Box<ResponseKind>),
    /// A whole frame, parts of which lie in files.
    Parts(Vec<Part>),
    /// Nothing: a produce request with acks 0.
    Nothing,
    /// Nothing, and the connection ends: the client is to notice that something is wrong.
    Close {
        /// Why, for the log.
        reason: String,
    },
}

impl<T: Into<ResponseKind>> From<T> for Answer {
    fn from(message: T) -> Self {
        Self::Message(Box::new(message.into()))
    }
}

/// A part of a frame.
#[derive(Debug)]
pub(super) enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes in a file.
    File(FileRange),
}

/// A range of a segment file.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Arc<File>,
    /// Position of the first byte.
    pub position: u64,
    /// How many bytes.
    pub bytes: u32,
}

/// Sends the parts in order; `stall_max` is the longest time without progress.
pub(super) async fn send(
    socket: &mut TcpStream,
    parts: Vec<Part>,
    stall_max: Duration,
) -> io::Result<()> {
    let has_files = parts.iter().any(|part| matches!(part, Part::File(_)));
    if has_files {
        // Header bytes and records leave in full packets.
        rustix::net::sockopt::set_tcp_cork(&*socket, true)?;
    }
    for part in parts {
        match part {
            Part::Bytes(bytes) => send_bytes(socket, &bytes, stall_max).await?,
            Part::File(range) => send_range(socket, range, stall_max).await?,
        }
    }
    if has_files {
        rustix::net::sockopt::set_tcp_cork(&*socket, false)?;
    }
    Ok(())
}

async fn send_bytes(
    socket: &mut TcpStream,
    mut bytes: &[u8],
    stall_max: Duration,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let written = timeout(stall_max, socket.write(piece)).await.map_err(|_| stalled())??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

async fn send_range(
    socket: &mut TcpStream,
    mut range: FileRange,
    stall_max: Duration,
) -> io::Result<()> {
    while range.bytes > 0 {
        let piece = (range.bytes as usize).min(PIECE_BYTES);
        let sent = if is_in_memory(&range, piece)? {
            timeout(stall_max, send_cached(socket, &range, piece))
                .await
                .map_err(|_| stalled())??
        } else {
            let (file, position) = (Arc::clone(&range.file), range.position);
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; piece];
                file.read_exact_at(&mut bytes, position).map(|()| bytes)
            });
            let bytes = read.await.map_err(io::Error::other)??;
            send_bytes(socket, &bytes, stall_max).await?;
            piece
        };
        if sent == 0 {
            // The frame has announced these bytes: the client must not wait for them.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        range.position += u64::try_from(sent).expect("a piece is small");
        range.bytes -= u32::try_from(sent).expect("a piece is small");
    }
    Ok(())
}

/// Sends as much of the piece as the socket takes now.
async fn send_cached(socket: &TcpStream, range: &FileRange, piece: usize) -> io::Result<usize> {
    loop {
        socket.writable().await?;
        let mut position = range.position;
        let sent = socket.try_io(Interest::WRITABLE, || {
            Ok(sendfile(socket, &*range.file, Some(&mut position), piece)?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}

/// True when both ends of the piece can be read without the disk; then most likely all of it can.
fn is_in_memory(range: &FileRange, piece: usize) -> io::Result<bool> {
    let last = range.position + u64::try_from(piece).expect("a piece is small") - 1;
    for position in [range.position, last] {
        let mut byte = [0];
        let mut into = [io::IoSliceMut::new(&mut byte)];
        match preadv2(&*range.file, &mut into, position, ReadWriteFlags::NOWAIT) {
            Ok(1..) => {}
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            // A file system that cannot say: reading it may wait, sending it from there as well.
            Err(rustix::io::Errno::OPNOTSUPP) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answers")
}

const PIECE_BYTES: usize = 1 << 20;
