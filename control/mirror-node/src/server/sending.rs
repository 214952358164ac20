//! Answers to a socket. Records that the engine wrote a moment ago are sent from its memory, those
//! in the page cache go by `sendfile`, without a copy; others are read through the ring of the
//! segment reader.
//!
//! A client that does not read holds its own connection and nothing else: the node's buffers are
//! taken from it as soon as it stops reading, and filled again when it goes on.

use std::io;
use std::ops::Deref;
use std::time::Duration;

use mirror_uring::recent_records::{RecentBytes, RecentRecords};
use mirror_uring::segment_reader::{ReadBytes, SegmentReader};
use rustix::fs::sendfile;
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::log_reader::FileRange;
use crate::server::answer::Part;

/// Reads what is not in the page cache, for all connections; begins with the first such read.
#[derive(Debug, Default)]
pub(crate) struct ColdReads(OnceCell<SegmentReader>);

impl ColdReads {
    async fn read(&self, range: &FileRange, piece: u32) -> io::Result<ReadBytes> {
        let start = || async {
            let started = tokio::task::spawn_blocking(SegmentReader::start).await;
            started.map_err(io::Error::other)?.map_err(io::Error::other)
        };
        let reader = self.0.get_or_try_init(start).await?;
        let bytes = range.bytes.min(piece);
        reader.read(&range.file, range.position, bytes).await
    }
}

/// Where records come from that the page cache may not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordSource<'a> {
    pub(crate) cold: &'a ColdReads,
    /// What the engine wrote last, when there is an engine.
    pub(crate) recent: Option<&'a RecentRecords>,
}

/// Records in a buffer that is the engine's, or the segment reader's.
enum HeldBytes {
    Recent(RecentBytes),
    Read(ReadBytes),
}

impl Deref for HeldBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Recent(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

impl RecordSource<'_> {
    /// The source of one part: what lies far behind the log's end is not asked of the engine.
    fn of_part(self, is_tail: bool) -> Self {
        Self { recent: self.recent.filter(|_| is_tail), ..self }
    }

    fn recent(&self, range: &FileRange, piece: u32) -> io::Result<Option<RecentBytes>> {
        let Some(recent) = self.recent else { return Ok(None) };
        recent.find(&range.file, range.position, range.bytes.min(piece))
    }

    async fn read(&self, range: &FileRange, piece: u32) -> io::Result<HeldBytes> {
        match self.recent(range, piece)? {
            Some(bytes) => Ok(HeldBytes::Recent(bytes)),
            None => self.cold.read(range, piece).await.map(HeldBytes::Read),
        }
    }
}

/// Sends the parts in order; `stall_max` is the longest time without progress.
pub(super) async fn send(
    socket: &mut TcpStream,
    parts: Vec<Part>,
    source: RecordSource<'_>,
    stall_max: Duration,
) -> io::Result<()> {
    let has_files = parts.iter().any(|part| matches!(part, Part::File { .. }));
    if has_files {
        // Header bytes and records leave in full packets.
        rustix::net::sockopt::set_tcp_cork(&*socket, true)?;
    }
    for part in parts {
        match part {
            Part::Bytes(bytes) => {
                let sent = send_while_moving(socket, &bytes, stall_max).await?;
                if sent < bytes.len() {
                    return Err(stalled());
                }
            }
            Part::File { range, is_tail } => {
                send_range(socket, range, source.of_part(is_tail), stall_max).await?;
            }
        }
    }
    if has_files {
        rustix::net::sockopt::set_tcp_cork(&*socket, false)?;
    }
    Ok(())
}

/// Sends until all is sent or nothing moved for `patience`; says how much was sent.
async fn send_while_moving(
    socket: &mut TcpStream,
    bytes: &[u8],
    patience: Duration,
) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        let Ok(written) = timeout(patience, socket.write(&bytes[sent..])).await else { break };
        match written? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => sent += count,
        }
    }
    Ok(sent)
}

async fn send_range(
    socket: &mut TcpStream,
    mut range: FileRange,
    source: RecordSource<'_>,
    stall_max: Duration,
) -> io::Result<()> {
    while range.bytes > 0 {
        if source.recent(&range, PIECE_BYTES)?.is_some() || !is_cached(&range)? {
            send_held(socket, &mut range, source, stall_max).await?;
        } else {
            let sent = timeout(stall_max, send_cached(socket, &range)).await;
            // The frame has announced these bytes: a file that lost them ends the connection.
            match sent.map_err(|_| stalled())?? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                sent => range.advance(sent),
            }
        }
    }
    Ok(())
}

/// Sends as much of a piece as the socket takes now.
async fn send_cached(socket: &TcpStream, range: &FileRange) -> io::Result<usize> {
    loop {
        socket.writable().await?;
        let mut position = range.position;
        let sent = socket.try_io(Interest::WRITABLE, || {
            Ok(sendfile(socket, &*range.file, Some(&mut position), range.piece())?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}

/// Sends all of the range from buffers, one being read while the one before is sent.
async fn send_held(
    socket: &mut TcpStream,
    range: &mut FileRange,
    source: RecordSource<'_>,
    stall_max: Duration,
) -> io::Result<()> {
    let mut piece = PIECE_BYTES;
    let mut ahead: Option<HeldBytes> = None;
    while range.bytes > 0 {
        let bytes = match ahead.take() {
            Some(bytes) => bytes,
            None => source.read(range, piece).await?,
        };
        let held = bytes.len();
        let mut rest = range.clone();
        rest.advance(held);
        let read_ahead = async {
            let wanted = rest.bytes > 0 && piece == PIECE_BYTES;
            if wanted { source.read(&rest, piece).await.map(Some) } else { Ok(None) }
        };
        // Takes the buffer along: whoever waits for another one below must not hold this one, or
        // all connections together hold all buffers and none gets its second.
        let send = async {
            let bytes = bytes;
            send_while_moving(socket, &bytes, HOLD_MAX).await
        };
        let (sent, next) = tokio::join!(send, read_ahead);
        let (sent, next) = (sent?, next?);
        range.advance(sent);
        if sent == held {
            ahead = next;
            continue;
        }
        drop(next);
        piece = SLOW_PIECE_BYTES;
        timeout(stall_max, socket.writable()).await.map_err(|_| stalled())??;
    }
    Ok(())
}

impl FileRange {
    fn advance(&mut self, sent: usize) {
        let sent = u32::try_from(sent).expect("no more is sent than the range has");
        self.position += u64::from(sent);
        self.bytes -= sent;
    }

    fn piece(&self) -> usize {
        usize::try_from(self.bytes.min(PIECE_BYTES)).expect("usize holds 32 bits")
    }
}

/// True when the page cache has both ends of the next piece; then most likely it has all of it.
fn is_cached(range: &FileRange) -> io::Result<bool> {
    let last = range.position + u64::from(range.bytes.min(PIECE_BYTES)) - 1;
    for position in [range.position, last] {
        let mut byte = [0];
        let mut into = [io::IoSliceMut::new(&mut byte)];
        match preadv2(&*range.file, &mut into, position, ReadWriteFlags::NOWAIT) {
            Ok(1..) => {}
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            // Not in memory, or a file system that cannot tell.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::OPNOTSUPP) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answers")
}

const PIECE_BYTES: u32 = 1 << 20;
/// How much is read at a time for a client that did not take a whole piece at once.
const SLOW_PIECE_BYTES: u32 = 128 << 10;
/// A client that takes nothing for so long gives its buffer back.
const HOLD_MAX: Duration = Duration::from_millis(200);
