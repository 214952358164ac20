//! The fake kernel's books: operations in flight, buffers lent, and what becomes of each.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use kafka_log::partition_files::{FileName, PartitionFiles as _};
use kafka_log::recovery::LogCut;
use kafka_wire::offset::Offset;
use mirror_shard::buffer_pool::{BufferLease, ShardBuffers};
use mirror_shard::limits::{FRAME_BUFFER_BYTES, RECORD_BUFFER_BYTES, ShardLimits};
use mirror_shard::op::{
    Completion, ConnectionId, FileTask, IndexKind, Op, PartitionSlot, WriteMode,
};

use crate::disk::Disk;
use crate::network::Link;
use crate::random::Random;

/// An operation that was submitted and has not completed.
#[derive(Debug)]
pub(crate) enum InFlight {
    Connect(ConnectionId),
    Send {
        connection: ConnectionId,
        buffer: BufferLease,
        arrived: bool,
    },
    Disconnect(ConnectionId),
    Write(PendingWrite),
    WriteIndex(PendingIndexWrite),
    /// With the changes of the file when it was submitted.
    Sync {
        slot: PartitionSlot,
        segment: Offset,
        partition: i32,
        change_count: u64,
    },
    Allocate {
        slot: PartitionSlot,
        segment: Offset,
        partition: i32,
        end: u64,
    },
    File {
        slot: PartitionSlot,
        partition: i32,
        task: FileTask,
    },
}

#[derive(Debug)]
pub(crate) struct PendingWrite {
    pub(crate) slot: PartitionSlot,
    pub(crate) partition: i32,
    pub(crate) segment: Offset,
    pub(crate) chunk: u64,
    pub(crate) position: u64,
    pub(crate) buffer: BufferLease,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Debug)]
pub(crate) struct PendingIndexWrite {
    pub(crate) slot: PartitionSlot,
    pub(crate) partition: i32,
    pub(crate) file: FileName,
    pub(crate) position: u64,
    pub(crate) buffer: BufferLease,
    pub(crate) end: usize,
}

/// Operations in flight and the slab.
#[derive(Debug)]
pub(crate) struct Kernel {
    limits: ShardLimits,
    pub(crate) in_flight: BTreeMap<u64, InFlight>,
    pub(crate) next: u64,
    /// Which partition has a place in the shard's table.
    pub(crate) slots: BTreeMap<u32, i32>,
    /// Tasks behind the one in flight, by slot.
    pub(crate) tasks: BTreeMap<u32, VecDeque<FileTask>>,
    /// Buffers that operations own: size and number.
    pub(crate) lent: BTreeSet<(usize, u32)>,
    pub(crate) orphans: Vec<Completion>,
    pub(crate) idle_turns: u64,
}

thread_local! {
    /// Slabs outlive simulations: their memory is leaked once and used by the next ones.
    static SLAB: RefCell<ShardBuffers> = RefCell::new(ShardBuffers::default());
}

impl Kernel {
    pub(crate) const fn new(limits: &ShardLimits) -> Self {
        Self {
            limits: *limits,
            in_flight: BTreeMap::new(),
            next: 0,
            slots: BTreeMap::new(),
            tasks: BTreeMap::new(),
            lent: BTreeSet::new(),
            orphans: Vec::new(),
            idle_turns: 0,
        }
    }

    pub(crate) fn take_buffers(&self) -> ShardBuffers {
        let take = |held: &mut Vec<BufferLease>, count: u32, bytes: u32| {
            let bytes = bytes as usize;
            let fresh = |number: u32| {
                let memory = held.pop().map_or_else(
                    || -> &'static mut [u8] { Box::leak(vec![0; bytes].into_boxed_slice()) },
                    BufferLease::into_bytes,
                );
                BufferLease::new(number, memory)
            };
            (0..count).map(fresh).collect()
        };
        SLAB.with_borrow_mut(|slab| ShardBuffers {
            record: take(&mut slab.record, self.limits.record_buffer_count, RECORD_BUFFER_BYTES),
            frame: take(&mut slab.frame, self.limits.frame_buffer_count(), FRAME_BUFFER_BYTES),
        })
    }

    pub(crate) fn give_buffers(&self, buffers: ShardBuffers) {
        SLAB.with_borrow_mut(|slab| {
            slab.record.extend(buffers.record);
            slab.frame.extend(buffers.frame);
        });
    }

    pub(crate) fn forget(&mut self) {
        assert!(self.in_flight.is_empty() && self.orphans.is_empty(), "all operations ended");
        self.slots.clear();
        self.tasks.clear();
        self.lent.clear();
    }

    pub(crate) fn begin(&mut self, op: InFlight) -> u64 {
        self.next += 1;
        self.in_flight.insert(self.next, op);
        self.next
    }

    pub(crate) fn lend(&mut self, buffer: &BufferLease) {
        let key = (buffer.bytes().len(), buffer.index());
        assert!(self.lent.insert(key), "buffer {key:?} is part of two operations");
    }

    pub(crate) fn unlend(&mut self, buffer: &BufferLease) {
        let key = (buffer.bytes().len(), buffer.index());
        assert!(self.lent.remove(&key), "buffer {key:?} comes back twice");
    }

    pub(crate) fn writes_in_flight(&self) -> usize {
        self.in_flight.values().filter(|op| matches!(op, InFlight::Write(_))).count()
    }

    /// True while a load that cuts the partition's log is in flight.
    pub(crate) fn is_cutting(&self, index: i32) -> bool {
        self.in_flight.values().any(|op| match op {
            InFlight::File { partition, task: FileTask::Load { request, .. }, .. } => {
                *partition == index && request.cut != LogCut::Keep
            }
            _ => false,
        })
    }

    /// The power failed while `op` was in flight: some of it may have reached the disk. Returns
    /// the completion that ends it.
    pub(crate) fn half_done(
        &self,
        op: InFlight,
        disk: &mut Disk,
        random: &mut Random,
    ) -> Vec<Completion> {
        let happened = random.percent(50);
        match op {
            InFlight::Write(write) => {
                if happened {
                    let bytes = &write.buffer.bytes()[write.start..write.end];
                    let kept = &bytes[..random.place(bytes.len() + 1)];
                    let log = FileName::log(write.segment);
                    disk.files(write.partition)
                        .write_at(log, write.position, kept)
                        .expect("memory takes all bytes");
                }
                vec![fail_write(write)]
            }
            InFlight::WriteIndex(write) => {
                if happened {
                    let kept = &write.buffer.bytes()[..random.place(write.end + 1)];
                    disk.files(write.partition)
                        .write_at(write.file, write.position, kept)
                        .expect("memory takes all bytes");
                }
                vec![fail_index_write(write)]
            }
            InFlight::File { slot, partition, task } => {
                let waiting = self.tasks.get(&slot.0).map_or(0, VecDeque::len);
                if happened {
                    let budget = random.below(40);
                    disk.run(partition, task, budget, random).ok();
                }
                (0..=waiting).map(|_| failed_task(slot)).collect()
            }
            other => fail_in_flight(other),
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("power is gone")
}

fn failed_task(slot: PartitionSlot) -> Completion {
    Completion::File { slot, result: Err(lost().into()) }
}

fn fail_write(write: PendingWrite) -> Completion {
    let PendingWrite { slot, chunk, buffer, .. } = write;
    Completion::Written { slot, chunk, buffer, result: Err(lost()) }
}

fn fail_index_write(write: PendingIndexWrite) -> Completion {
    let PendingIndexWrite { slot, buffer, .. } = write;
    Completion::IndexWritten { slot, buffer, result: Err(lost()) }
}

fn fail_in_flight(op: InFlight) -> Vec<Completion> {
    let result = Err(lost());
    vec![match op {
        InFlight::Connect(connection) => Completion::Connected { connection, result },
        InFlight::Send { connection, buffer, .. } => {
            Completion::Sent { connection, buffer, result }
        }
        InFlight::Disconnect(connection) => Completion::Disconnected { connection },
        InFlight::Write(write) => fail_write(write),
        InFlight::WriteIndex(write) => fail_index_write(write),
        InFlight::Sync { slot, segment, .. } => Completion::Synced { slot, segment, result },
        InFlight::Allocate { slot, segment, .. } => Completion::Allocated { slot, segment, result },
        InFlight::File { slot, .. } => failed_task(slot),
    }]
}

/// The receive that a link holds, ended by an error.
pub(crate) fn fail_receive(connection: ConnectionId, link: Link) -> Option<Completion> {
    let buffer = link.receive?.buffer;
    Some(Completion::Received { connection, buffer, result: Err(lost()) })
}

/// The failure of an operation in a world where nothing works.
pub(crate) fn fail(op: Op) -> Option<Completion> {
    let result = Err(lost());
    Some(match op {
        Op::Connect { connection, .. } => Completion::Connected { connection, result },
        Op::Send { connection, buffer, .. } => Completion::Sent { connection, buffer, result },
        Op::Receive { connection, buffer, .. } => {
            Completion::Received { connection, buffer, result: Err(lost()) }
        }
        Op::Disconnect { connection } => Completion::Disconnected { connection },
        Op::Write { slot, chunk, buffer, .. } => {
            Completion::Written { slot, chunk, buffer, result }
        }
        Op::WriteIndex { slot, buffer, .. } => Completion::IndexWritten { slot, buffer, result },
        Op::Sync { slot, segment } => Completion::Synced { slot, segment, result },
        Op::Allocate { slot, segment, .. } => Completion::Allocated { slot, segment, result },
        Op::File { slot, .. } => failed_task(slot),
    })
}

pub(crate) const fn index_file(kind: IndexKind, segment: Offset) -> FileName {
    match kind {
        IndexKind::Offset => FileName::offset_index(segment),
        IndexKind::Time => FileName::time_index(segment),
        IndexKind::Transaction => FileName::transaction_index(segment),
    }
}

/// An operation in words.
pub(crate) fn describe(op: &Op) -> String {
    match op {
        Op::Connect { connection, address } => format!("connect {connection:?} {}", address.host),
        Op::Send { connection, buffer, end } => {
            let key = i16::from_be_bytes([buffer.bytes()[4], buffer.bytes()[5]]);
            format!("send {connection:?} key {key} b{} ..{end}", buffer.index())
        }
        Op::Receive { connection, buffer, start, end } => {
            let (index, size) = (buffer.index(), buffer.bytes().len());
            format!("receive {connection:?} b{index}/{size} {start}..{end}")
        }
        Op::Disconnect { connection } => format!("disconnect {connection:?}"),
        Op::Write { slot, segment, chunk, position, start, end, mode, .. } => format!(
            "write p{} {segment} chunk {chunk} at {position} {start}..{end} {}",
            slot.0,
            if *mode == WriteMode::Direct { "direct" } else { "buffered" }
        ),
        Op::WriteIndex { slot, segment, kind, position, end, .. } => {
            format!("write index p{} {segment} {kind:?} at {position} {end}", slot.0)
        }
        Op::Sync { slot, segment } => format!("sync p{} {segment}", slot.0),
        Op::Allocate { slot, segment, position, bytes } => {
            format!("allocate p{} {segment} {position}+{bytes}", slot.0)
        }
        Op::File { slot, task } => format!("file p{} {}", slot.0, describe_task(task)),
    }
}

fn describe_task(task: &FileTask) -> String {
    match task {
        FileTask::CloseSegment(closed) => format!("close segment {}..{}", closed.base, closed.end),
        FileTask::CloseLog(closed) => {
            format!("close log {}..{}", closed.active.base, closed.active.end)
        }
        FileTask::WriteEpochs(text) => {
            format!("write epochs {}", String::from_utf8_lossy(text).replace('\n', ";"))
        }
        other => format!("{other:?}"),
    }
}

/// A completion in words.
pub(crate) fn describe_completion(completion: &Completion) -> String {
    match completion {
        Completion::Connected { connection, result } => {
            format!("connected {connection:?} {result:?}")
        }
        Completion::Sent { connection, result, .. } => format!("sent {connection:?} {result:?}"),
        Completion::Received { connection, result, .. } => {
            format!("received {connection:?} {result:?}")
        }
        Completion::Disconnected { connection } => format!("disconnected {connection:?}"),
        Completion::Written { slot, chunk, result, .. } => {
            format!("written p{} chunk {chunk} {result:?}", slot.0)
        }
        Completion::IndexWritten { slot, result, .. } => {
            format!("index written p{} {result:?}", slot.0)
        }
        Completion::Synced { slot, segment, result } => {
            format!("synced p{} {segment} {result:?}", slot.0)
        }
        Completion::Allocated { slot, segment, result } => {
            format!("allocated p{} {segment} {result:?}", slot.0)
        }
        Completion::File { slot, result } => {
            let outcome = match result {
                Ok(mirror_shard::op::FileOutcome::Loaded(loaded)) => {
                    format!("loaded end {} {:?}", loaded.log.accepted_end(), loaded.findings)
                }
                other => format!("{other:?}"),
            };
            format!("file done p{} {outcome}", slot.0)
        }
    }
}
