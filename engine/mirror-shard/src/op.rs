//! What a shard asks the edge to do, and what comes back.
//!
//! Every operation ends in exactly one completion, also when it fails or is cut off by
//! [`Op::Disconnect`]. An operation owns its buffer until then.

use std::io;
use std::sync::Arc;

use kafka_log::closing::{ClosedLog, ClosedSegment};
use kafka_log::recovery::{LoadRequest, LoadedLog};
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicPartition;

use crate::buffer_pool::BufferLease;

/// Monotonic time handed to the shard, in microseconds since the engine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u64);

impl Tick {
    /// This moment `ms` milliseconds later.
    #[must_use]
    pub const fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000)))
    }
}

/// True for an error that room on the disk cures.
#[must_use]
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A connection of this shard to a source broker; the generation tells reuse of a place apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Place in the shard's connection table.
    pub index: u32,
    /// Counts the connections that had this place.
    pub generation: u32,
}

/// Place of a partition in the shard's partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionSlot(pub u32);

/// Where a source broker listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerAddress {
    /// Host name or IP address.
    pub host: Arc<str>,
    /// TCP port.
    pub port: u16,
}

/// How bytes go to a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Past the page cache; position, length and memory are multiples of
    /// [`DIRECT_ALIGNMENT`](crate::limits::DIRECT_ALIGNMENT).
    Direct,
    /// Through the page cache; any position and length.
    Buffered,
}

/// Which of a segment's index files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexKind {
    /// `<base>.index`
    Offset,
    /// `<base>.timeindex`
    Time,
    /// `<base>.txnindex`
    Transaction,
}

/// One thing for the edge to do.
#[derive(Debug)]
pub enum Op {
    /// Resolve, connect, set TCP_NODELAY.
    Connect {
        /// The connection to bring up.
        connection: ConnectionId,
        /// Where to.
        address: BrokerAddress,
    },
    /// Send `buffer[..end]`, all of it.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// Holds the bytes; comes back with the completion.
        buffer: BufferLease,
        /// End of the bytes.
        end: u32,
    },
    /// Receive at least one byte into `buffer[start..end]`; into a record buffer, as many as the
    /// range holds unless the connection ends before.
    Receive {
        /// On which connection.
        connection: ConnectionId,
        /// Takes the bytes; comes back with the completion.
        buffer: BufferLease,
        /// First free byte.
        start: u32,
        /// One past the last byte that may be filled.
        end: u32,
    },
    /// Shut the connection down; operations in flight on it complete with an error.
    Disconnect {
        /// The connection to end.
        connection: ConnectionId,
    },
    /// Write `buffer[start..end]` to a segment's log file, all of it; creates the file.
    Write {
        /// Whose log.
        slot: PartitionSlot,
        /// Base offset of the segment.
        segment: Offset,
        /// The shard's number for this write, returned unchanged.
        chunk: u64,
        /// Position in the file.
        position: u64,
        /// Holds the bytes; comes back with the completion.
        buffer: BufferLease,
        /// First byte.
        start: u32,
        /// One past the last byte.
        end: u32,
        /// Direct or buffered.
        mode: WriteMode,
        /// Set on the buffer's last write: where in the buffer the bytes of this segment begin.
        /// Once it is done, all from there to `end` is in the file.
        finishes_from: Option<u32>,
    },
    /// Write `buffer[..end]` to an index file; creates the file.
    WriteIndex {
        /// Whose log.
        slot: PartitionSlot,
        /// Base offset of the segment.
        segment: Offset,
        /// Which index.
        kind: IndexKind,
        /// Position in the file.
        position: u64,
        /// Holds the bytes; comes back with the completion.
        buffer: BufferLease,
        /// End of the bytes.
        end: u32,
    },
    /// Make all completed writes to a segment's log file durable.
    Sync {
        /// Whose log.
        slot: PartitionSlot,
        /// Base offset of the segment.
        segment: Offset,
    },
    /// Reserve disk space ahead of direct writes; the file may grow to `position + bytes`.
    Allocate {
        /// Whose log.
        slot: PartitionSlot,
        /// Base offset of the segment.
        segment: Offset,
        /// First reserved position.
        position: u64,
        /// Bytes to reserve.
        bytes: u64,
    },
    /// Slow work on a partition's files. The edge runs the tasks of one partition in order, off
    /// the ring; it drops its open files of that partition first.
    File {
        /// Whose files.
        slot: PartitionSlot,
        /// What to do.
        task: FileTask,
    },
}

/// Slow work on the files of one partition, done with blocking calls off the ring.
#[derive(Debug)]
pub enum FileTask {
    /// Create or open the partition's directory, recover, cut as asked (`kafka_log::recovery`).
    Load {
        /// Whose directory: `<topic>-<partition>`.
        partition: TopicPartition,
        /// What to expect and where to cut.
        request: LoadRequest,
    },
    /// Finish a rolled segment: index tails, trim, sync, snapshot (`kafka_log::closing`).
    CloseSegment(Box<ClosedSegment>),
    /// Replace `leader-epoch-checkpoint`.
    WriteEpochs(Vec<u8>),
    /// Delete (or recycle) these segments and their indexes, snapshots at their bases too.
    RetireSegments(Vec<Offset>),
    /// Finish the log for good or for a pause (`kafka_log::closing`).
    CloseLog(Box<ClosedLog>),
    /// Delete the partition's directory.
    Remove,
}

/// What became of a [`FileTask`].
#[derive(Debug)]
pub enum FileOutcome {
    /// The log is open.
    Loaded(Box<LoadedLog>),
    /// The segment with this base offset is closed and durable.
    SegmentClosed(Offset),
    /// The epoch checkpoint is durable.
    EpochsWritten,
    /// The segments are gone.
    SegmentsRetired,
    /// The log is closed and durable.
    LogClosed,
    /// The directory is gone.
    Removed,
}

/// The end of an [`Op`].
#[derive(Debug)]
pub enum Completion {
    /// End of [`Op::Connect`].
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// Up, or why not.
        result: io::Result<()>,
    },
    /// End of [`Op::Send`].
    Sent {
        /// The connection.
        connection: ConnectionId,
        /// The buffer given.
        buffer: BufferLease,
        /// All bytes went, or why not.
        result: io::Result<()>,
    },
    /// End of [`Op::Receive`].
    Received {
        /// The connection.
        connection: ConnectionId,
        /// The buffer given.
        buffer: BufferLease,
        /// Bytes filled from `start`; 0 when the peer closed.
        result: io::Result<u32>,
    },
    /// End of [`Op::Disconnect`].
    Disconnected {
        /// The connection.
        connection: ConnectionId,
    },
    /// End of [`Op::Write`].
    Written {
        /// Whose log.
        slot: PartitionSlot,
        /// The number given.
        chunk: u64,
        /// The buffer given.
        buffer: BufferLease,
        /// All bytes written, or why not.
        result: io::Result<()>,
    },
    /// End of [`Op::WriteIndex`].
    IndexWritten {
        /// Whose log.
        slot: PartitionSlot,
        /// The buffer given.
        buffer: BufferLease,
        /// All bytes written, or why not.
        result: io::Result<()>,
    },
    /// End of [`Op::Sync`].
    Synced {
        /// Whose log.
        slot: PartitionSlot,
        /// Base offset of the segment.
        segment: Offset,
        /// Durable, or why not.
        result: io::Result<()>,
    },
    /// End of [`Op::Allocate`].
    Allocated {
        /// Whose log.
        slot: PartitionSlot,
        /// Base offset of the segment.
        segment: Offset,
        /// Reserved, or why not.
        result: io::Result<()>,
    },
    /// End of [`Op::File`].
    File {
        /// Whose files.
        slot: PartitionSlot,
        /// What was done, or why not.
        result: Result<FileOutcome, FileFault>,
    },
}

/// Why a [`FileTask`] failed.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The files are not what they should be, beyond repair from the source.
    #[error("{0}")]
    Log(#[from] kafka_log::recovery::LoadError),
}
