//! Carries a shard's operations out and collects their completions.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use kafka_wire::offset::Offset;
use mirror_shard::buffer_pool::BufferLease;
use mirror_shard::limits::{DIRECT_ALIGNMENT, DIRECT_BYTES_MIN};
use mirror_shard::op::{
    BrokerAddress, Completion, ConnectionId, FileTask, Op, PartitionSlot, WriteMode,
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::affinity::CpuMask;
use crate::file_tasks::{FileTaskDone, FileTasks};
use crate::op_table::OpTable;
use crate::recent_records::{KeptBuffers, WrittenExtent};
use crate::recycled::RecycledFiles;
use crate::ring::{Done, InFlight, PageCache, Range};
use crate::segment_files::{FileKey, SegmentFile, SegmentFiles, UnsyncedDirectory};
use crate::socket::{self, Connections, Disconnect};

/// Writes through the page cache up to this size are made at once with pwrite: the ring would
/// hand them to a worker thread, and two thread switches cost more than the copy.
pub(crate) const INLINE_WRITE_BYTES_MAX: u32 = 64 << 10;

/// What an executor is made with.
#[derive(Clone, Debug)]
pub(crate) struct ExecutorConfig {
    /// Holds the partition directories.
    pub(crate) data_dir: PathBuf,
    /// Connections at a time.
    pub(crate) connection_count_max: usize,
    /// Files kept open.
    pub(crate) open_files_max: usize,
    /// Keep the files of retired segments for new ones.
    pub(crate) reuse_files: bool,
    /// Where the records written last stay for readers.
    pub(crate) recent: Arc<KeptBuffers>,
    /// Where helper threads may run.
    pub(crate) helpers_mask: CpuMask,
}

/// One shard's sockets, files and operations in flight.
///
/// Every operation given to [`Executor::submit`] ends in exactly one completion.
pub(crate) struct Executor {
    data_dir: PathBuf,
    table: OpTable<Purpose>,
    /// Operations that found the table full, in order.
    waiting: VecDeque<Op>,
    /// Scratch of [`Executor::submit`].
    behind: Vec<Op>,
    /// Scratch of [`Executor::poll`].
    finished: Vec<(Purpose, Done)>,
    completions: Vec<Completion>,
    is_turning: bool,
    connections: Connections,
    dials: (UnboundedSender<DialDone>, UnboundedReceiver<DialDone>),
    files: SegmentFiles,
    /// No write drops its pages any more, because one was refused.
    keeps_pages: bool,
    tasks: FileTasks,
    recent: Arc<KeptBuffers>,
    tasks_done: (UnboundedSender<FileTaskDone>, UnboundedReceiver<FileTaskDone>),
}

/// The end of a connect.
type DialDone = (ConnectionId, io::Result<OwnedFd>);

/// What an operation in flight is for: what its completion needs, and how it goes on.
enum Purpose {
    Receive { connection: ConnectionId },
    Send { connection: ConnectionId, range: Range },
    Write { slot: PartitionSlot, chunk: u64, segment: Offset, transfer: Transfer },
    WriteIndex { slot: PartitionSlot, transfer: Transfer },
    Sync { slot: PartitionSlot, segment: Offset },
    SyncDirectory { slot: PartitionSlot, segment: Offset, created_count: u64 },
    Allocate { slot: PartitionSlot, segment: Offset },
    Turn,
}

/// What is left of a write.
struct Transfer {
    file: Rc<File>,
    position: u64,
    range: Range,
    page_cache: PageCache,
    finishes: Option<WrittenExtent>,
}

impl Executor {
    /// Makes an executor with nothing in flight. Must be used on a tokio-uring runtime.
    pub(crate) fn new(config: ExecutorConfig) -> Self {
        let recycled = RecycledFiles::new(config.reuse_files);
        Self {
            data_dir: config.data_dir,
            table: OpTable::new(),
            waiting: VecDeque::new(),
            behind: Vec::new(),
            finished: Vec::new(),
            completions: Vec::new(),
            is_turning: false,
            connections: Connections::with_capacity(config.connection_count_max),
            dials: mpsc::unbounded_channel(),
            files: SegmentFiles::new(config.open_files_max, recycled.clone()),
            keeps_pages: false,
            tasks: FileTasks::new(config.helpers_mask, recycled),
            recent: config.recent,
            tasks_done: mpsc::unbounded_channel(),
        }
    }

    /// Starts every operation; some may be complete already when this returns.
    ///
    /// Writes go first, the others follow in order: a receive copies what has arrived while it is
    /// submitted, and the disk would idle meanwhile.
    pub(crate) fn submit(&mut self, ops: &mut Vec<Op>) {
        let mut behind = std::mem::take(&mut self.behind);
        for op in ops.drain(..) {
            match op {
                Op::Write { .. } | Op::Allocate { .. } => self.start_or_queue(op),
                op => behind.push(op),
            }
        }
        behind.drain(..).for_each(|op| self.start_or_queue(op));
        self.behind = behind;
    }

    fn start_or_queue(&mut self, op: Op) {
        if self.table.is_full() {
            self.waiting.push_back(op);
        } else {
            self.start(op);
        }
    }

    /// Collects what has ended; true when anything has. Wakes through `context` otherwise.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> bool {
        self.table.register(context);
        let mut finished = std::mem::take(&mut self.finished);
        let mut count = self.table.poll_ready(|purpose, done| finished.push((purpose, done)));
        for (purpose, done) in finished.drain(..) {
            self.finish(purpose, done);
        }
        self.finished = finished;
        while let Poll::Ready(Some((connection, result))) = self.dials.1.poll_recv(context) {
            count += 1;
            if let Some(result) = self.connections.connected(connection, result) {
                self.completions.push(Completion::Connected { connection, result });
            }
        }
        while let Poll::Ready(Some(done)) = self.tasks_done.1.poll_recv(context) {
            count += 1;
            self.tasks.task_done(done.slot, &self.tasks_done.0);
            self.completions.push(Completion::File { slot: done.slot, result: done.result });
        }
        while !self.table.is_full() {
            let Some(op) = self.waiting.pop_front() else { break };
            self.start(op);
        }
        count > 0
    }

    /// Moves the completions collected to the end of `into`.
    pub(crate) fn take_completions(&mut self, into: &mut Vec<Completion>) {
        into.append(&mut self.completions);
    }

    /// Starts an operation that does nothing but make [`Self::poll`] true when the kernel has
    /// taken it, and everything before it.
    pub(crate) fn turn(&mut self) {
        if !self.is_turning && !self.table.is_full() {
            self.is_turning = true;
            self.table.insert(Purpose::Turn, InFlight::turn());
        }
    }

    /// True from [`Self::turn`] until it is over.
    pub(crate) fn is_turning(&self) -> bool {
        self.is_turning
    }

    /// Operations the kernel has.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.table.len()
    }

    fn start(&mut self, op: Op) {
        match op {
            Op::Connect { connection, address } => self.connect(connection, address),
            Op::Send { connection, buffer, end } => {
                self.send(connection, buffer, Range { start: 0, end });
            }
            Op::Receive { connection, buffer, start, end } => {
                self.receive(connection, buffer, Range { start, end });
            }
            Op::Disconnect { connection } => self.disconnect(connection),
            Op::Write {
                slot,
                segment,
                chunk,
                position,
                buffer,
                start,
                end,
                mode,
                finishes_from,
            } => {
                let range = Range { start, end };
                let finishes = finishes_from.map(|from| WrittenExtent {
                    slot,
                    position: position - u64::from(start - from),
                    range: Range { start: from, end },
                });
                let write = WriteTarget { slot, segment, position, range, finishes };
                self.write(write, chunk, buffer, mode);
            }
            Op::WriteIndex { slot, segment, kind, position, buffer, end } => {
                let range = Range { start: 0, end };
                let write = WriteTarget { slot, segment, position, range, finishes: None };
                self.write_index(write, SegmentFile::Index(kind), buffer);
            }
            Op::Sync { slot, segment } => self.sync(slot, segment),
            Op::Allocate { slot, segment, position, bytes } => {
                self.allocate(slot, segment, position, bytes);
            }
            Op::File { slot, task } => self.file_task(slot, task),
        }
    }

    /// Goes on with an operation the kernel has answered, or completes it.
    fn finish(&mut self, purpose: Purpose, done: Done) {
        match purpose {
            Purpose::Receive { connection } => self.received(connection, done),
            Purpose::Send { connection, range } => self.sent(connection, range, done),
            Purpose::Write { slot, chunk, segment, transfer } => {
                self.written(WriteId { slot, segment, chunk }, transfer, done);
            }
            Purpose::WriteIndex { slot, transfer } => self.index_written(slot, transfer, done),
            Purpose::Sync { slot, segment } => self.data_synced(slot, segment, done.result),
            Purpose::SyncDirectory { slot, segment, created_count } => {
                let result = done.result.map(|_| self.files.directory_synced(slot, created_count));
                self.complete(Completion::Synced { slot, segment, result });
            }
            Purpose::Allocate { slot, segment } => {
                let result = allow_unsupported(done.result);
                self.complete(Completion::Allocated { slot, segment, result });
            }
            Purpose::Turn => self.is_turning = false,
        }
    }
}

/// Where a write goes.
#[derive(Clone, Copy)]
struct WriteTarget {
    slot: PartitionSlot,
    segment: Offset,
    position: u64,
    range: Range,
    /// What the buffer has given to the file when this is done, if it is its last write.
    finishes: Option<WrittenExtent>,
}

/// Which write of a log it is.
#[derive(Clone, Copy)]
struct WriteId {
    slot: PartitionSlot,
    segment: Offset,
    chunk: u64,
}

/// Reserving space is a help, not a duty: file systems that cannot are left alone.
fn allow_unsupported(result: io::Result<u32>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        result => result.map(drop),
    }
}

fn lease_of(done: Done) -> (io::Result<u32>, BufferLease) {
    (done.result, done.lease.expect("an operation given a buffer gives it back"))
}

mod disk;
mod network;

#[cfg(test)]
mod tests;
