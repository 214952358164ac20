//! Answers to a socket. Records that the engine wrote a moment ago are sent from its memory, those
//! in the page cache go by `sendfile`, without a copy; others are read through the ring of the
//! segment reader.
//!
//! A buffer of the node's is lent to a client for a fraction of a second, by [`pace`], whether it
//! takes some of the bytes meanwhile or none. Beyond that a slow client holds its connection, its
//! open files and what its answer has in memory, which [`answer_room`](super::answer_room) limits.
//!
//! Records are checked to be still those that were found, before each piece: a log that was cut
//! meanwhile ends the connection. That is told to us after the cut was made, so a piece may have
//! left before; the CRC of its batch then tells the client.

use std::io;
use std::ops::Deref;
use std::time::Duration;

use mirror_uring::recent_records::{RecentBytes, RecentRecords};
use mirror_uring::segment_reader::{ReadBytes, SegmentReader};
use rustix::fs::sendfile;
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::log_reader::FileRange;
use crate::server::answer::{FoundRecords, Part};
use crate::server::answer_room::Reply;
use crate::server::limits::SENT_PER_SECOND_MIN;
use crate::server::sending::pace::{PIECE_BYTES, Pace};

mod pace;

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

/// Sends the answers of one connection.
#[derive(Debug)]
pub(super) struct Sender {
    pace: Pace,
    /// The longest time without progress.
    stall_max: Duration,
}

impl Sender {
    pub(super) fn new(stall_max: Duration) -> Self {
        Self { pace: Pace::default(), stall_max }
    }

    /// Sends an answer. One that holds room for answers is given up when it is not taken at a
    /// lowest rate: a client that takes a byte now and then does not keep others from theirs.
    pub(super) async fn send(
        &mut self,
        socket: &mut TcpStream,
        reply: Reply,
        source: RecordSource<'_>,
    ) -> io::Result<()> {
        let Reply { parts, room } = reply;
        if room.is_none() {
            return self.send_parts(socket, parts, source).await;
        }
        let bytes = parts.iter().map(Part::bytes).sum();
        let patience = self.patience(bytes);
        timeout(patience, self.send_parts(socket, parts, source)).await.map_err(|_| stalled())?
    }

    async fn send_parts(
        &mut self,
        socket: &mut TcpStream,
        parts: Vec<Part>,
        source: RecordSource<'_>,
    ) -> io::Result<()> {
        let has_files = parts.iter().any(|part| matches!(part, Part::File(_)));
        if has_files {
            // Header bytes and records leave in full packets.
            rustix::net::sockopt::set_tcp_cork(&*socket, true)?;
        }
        for part in parts {
            match part {
                Part::Bytes(bytes) => {
                    let patience = self.patience(bytes.len());
                    if send_within(socket, &bytes, patience).await? < bytes.len() {
                        return Err(stalled());
                    }
                }
                Part::File(records) => {
                    let source = source.of_part(records.is_tail);
                    self.send_records(socket, records, source).await?;
                }
            }
        }
        if has_files {
            rustix::net::sockopt::set_tcp_cork(&*socket, false)?;
        }
        Ok(())
    }

    /// How long it may take to send so many bytes.
    fn patience(&self, bytes: usize) -> Duration {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.stall_max + Duration::from_secs(1) * (bytes / SENT_PER_SECOND_MIN)
    }

    async fn send_records(
        &mut self,
        socket: &mut TcpStream,
        mut records: FoundRecords,
        source: RecordSource<'_>,
    ) -> io::Result<()> {
        // Looked for once for each piece: a socket takes a part of one at a time.
        let mut cached_until = 0;
        while records.range.bytes > 0 {
            let range = &records.range;
            if range.position >= cached_until {
                let recent = source.recent(range, self.pace.piece_bytes())?;
                if recent.is_some() || !is_cached(range)? {
                    let first = recent.map(HeldBytes::Recent);
                    self.send_held(socket, &mut records, source, first).await?;
                    continue;
                }
                cached_until = range.position + u64::from(range.bytes.min(PIECE_BYTES));
            }
            records.check()?;
            let bytes = usize::try_from(cached_until - range.position).expect("at most a piece");
            let sent = timeout(self.stall_max, send_cached(socket, range, bytes)).await;
            // The frame has announced these bytes: a file that lost them ends the connection.
            match sent.map_err(|_| stalled())?? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                sent => records.range.advance(sent),
            }
        }
        Ok(())
    }

    /// Sends from buffers, one being read while the one before is sent when the client is fast,
    /// until all is sent or a piece was not taken in time: then the rest is looked for again.
    /// `ahead` is the first piece, when it was found already.
    async fn send_held(
        &mut self,
        socket: &mut TcpStream,
        records: &mut FoundRecords,
        source: RecordSource<'_>,
        mut ahead: Option<HeldBytes>,
    ) -> io::Result<()> {
        while records.range.bytes > 0 {
            let piece = self.pace.piece_bytes();
            let bytes = match ahead.take() {
                Some(bytes) => bytes,
                None => source.read(&records.range, piece).await?,
            };
            records.check()?;
            let held = bytes.len();
            let mut rest = records.range.clone();
            rest.advance(held);
            let wants_more = rest.bytes > 0 && self.pace.may_read_ahead();
            let read_ahead = async {
                if wants_more { source.read(&rest, piece).await.map(Some) } else { Ok(None) }
            };
            // Takes the buffer along: whoever waits for another one below must not hold this one,
            // or all connections together hold all buffers and none gets its second.
            let hold_max = self.pace.hold_max();
            let send = async {
                let bytes = bytes;
                send_within(socket, &bytes, hold_max).await
            };
            let (sent, next) = tokio::join!(send, read_ahead);
            let (sent, next) = (sent?, next?);
            records.range.advance(sent);
            self.pace.note(sent == held);
            if sent < held {
                drop(next);
                let writable = timeout(self.stall_max, socket.writable()).await;
                return writable.map_err(|_| stalled())?;
            }
            ahead = next;
        }
        Ok(())
    }
}

/// Sends until all is sent or the time is over; says how much was sent.
async fn send_within(
    socket: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    patience: Duration,
) -> io::Result<usize> {
    let mut sent = 0;
    let all = async {
        while sent < bytes.len() {
            match socket.write(&bytes[sent..]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => sent += count,
            }
        }
        io::Result::Ok(())
    };
    // Over: what was sent counts all the same.
    timeout(patience, all).await.unwrap_or(Ok(()))?;
    Ok(sent)
}

/// Sends as much of the first `bytes` of a range as the socket takes now.
async fn send_cached(socket: &TcpStream, range: &FileRange, bytes: usize) -> io::Result<usize> {
    loop {
        socket.writable().await?;
        let mut position = range.position;
        let sent = socket.try_io(Interest::WRITABLE, || {
            Ok(sendfile(socket, &*range.file, Some(&mut position), bytes)?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}

impl FileRange {
    fn advance(&mut self, sent: usize) {
        let sent = u32::try_from(sent).expect("no more is sent than the range has");
        self.position += u64::from(sent);
        self.bytes -= sent;
    }
}

/// True when the page cache has both ends of the next piece and what lies between them here and
/// there; then most likely it has all of it. The ends alone are there too when somebody looked for
/// them.
fn is_cached(range: &FileRange) -> io::Result<bool> {
    let last = u64::from(range.bytes.min(PIECE_BYTES)) - 1;
    for part in 0..=PARTS_LOOKED_AT {
        let position = range.position + last * part / PARTS_LOOKED_AT;
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

/// Into how many parts a piece is cut to see whether the page cache has it.
const PARTS_LOOKED_AT: u64 = 4;

#[cfg(test)]
mod tests;
