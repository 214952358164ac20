//! Sockets and files of one shard in memory; completes operations in the order it is told.

use std::collections::BTreeMap;
use std::io;

use kafka_log::closing::{close_log, close_segment, retire_segments};
use kafka_log::memory_files::MemoryFiles;
use kafka_log::partition_files::{FileName, PartitionFiles as _};
use kafka_log::recovery::load;
use mirror_shard::buffer_pool::BufferLease;
use mirror_shard::limits::DIRECT_ALIGNMENT;
use mirror_shard::op::{
    Completion, ConnectionId, FileFault, FileOutcome, FileTask, IndexKind, Op, PartitionSlot,
    WriteMode,
};

use crate::fake_source::Source;
use crate::input::Input;

/// How an operation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should; a receive waits while there is nothing to receive.
    Success,
    /// The system refuses; a peer goes away.
    Failure,
    /// As it should, but a receive brings bytes of the input instead of the peer's.
    Garbage,
}

/// The other side of a shard.
#[derive(Debug, Default)]
pub struct Kernel {
    /// Operations in flight, oldest first.
    ops: Vec<Op>,
    sockets: BTreeMap<ConnectionId, Socket>,
    files: BTreeMap<u32, MemoryFiles>,
    source: Source,
}

#[derive(Debug, Default)]
struct Socket {
    is_up: bool,
    is_ending: bool,
    ops: u32,
    /// What the peer sent and the shard did not receive.
    inbound: Vec<u8>,
}

impl Kernel {
    /// Takes operations over.
    ///
    /// # Panics
    /// When one is not legal.
    pub fn submit(&mut self, ops: &mut Vec<Op>) {
        for op in ops.drain(..) {
            self.check(&op);
            self.ops.push(op);
        }
    }

    /// Operations in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.ops.len()
    }

    /// Ends operation number `place`, unless it has to wait.
    pub fn complete(
        &mut self,
        place: usize,
        ending: Ending,
        input: &mut Input<'_>,
    ) -> Option<Completion> {
        let place = self.first_of_its_files(place);
        if self.must_wait(place, ending) {
            return None;
        }
        let op = self.ops.remove(place);
        let refused = (ending == Ending::Failure).then(|| io::Error::from(io::ErrorKind::Other));
        let result = refused.map_or(Ok(()), Err);
        Some(match op {
            Op::Connect { .. } | Op::Send { .. } | Op::Receive { .. } | Op::Disconnect { .. } => {
                self.complete_socket(op, ending, input)
            }
            Op::Write { slot, segment, chunk, position, buffer, start, end, .. } => {
                let bytes = &buffer.bytes()[start as usize..end as usize];
                let result = result.and_then(|()| {
                    self.files_of(slot).write_at(FileName::log(segment), position, bytes)
                });
                Completion::Written { slot, chunk, buffer, result }
            }
            Op::WriteIndex { slot, segment, kind, position, buffer, end } => {
                let name = match kind {
                    IndexKind::Offset => FileName::offset_index(segment),
                    IndexKind::Time => FileName::time_index(segment),
                    IndexKind::Transaction => FileName::transaction_index(segment),
                };
                let bytes = &buffer.bytes()[..end as usize];
                let result =
                    result.and_then(|()| self.files_of(slot).write_at(name, position, bytes));
                Completion::IndexWritten { slot, buffer, result }
            }
            Op::Sync { slot, segment } => Completion::Synced { slot, segment, result },
            Op::Allocate { slot, segment, .. } => Completion::Allocated { slot, segment, result },
            Op::File { slot, task } => {
                let done = |()| self.run(slot, task);
                Completion::File { slot, result: result.map_err(FileFault::Io).and_then(done) }
            }
        })
    }

    fn check(&mut self, op: &Op) {
        match op {
            Op::Connect { connection, .. } => {
                let known = self.sockets.insert(*connection, Socket::default());
                assert!(known.is_none(), "connects a connection again");
                self.socket(*connection).ops += 1;
            }
            Op::Send { connection, buffer, end } => {
                assert!(*end as usize <= buffer.bytes().len());
                self.begin(*connection, true);
            }
            Op::Receive { connection, buffer, start, end } => {
                assert!(start < end && *end as usize <= buffer.bytes().len());
                self.begin(*connection, true);
            }
            Op::Disconnect { connection } => {
                self.begin(*connection, false);
                let ending = std::mem::replace(&mut self.socket(*connection).is_ending, true);
                assert!(!ending, "disconnects twice");
            }
            Op::Write { position, buffer, start, end, mode, .. } => {
                assert!(start < end && *end as usize <= buffer.bytes().len());
                let aligned = |at: u64| at.is_multiple_of(u64::from(DIRECT_ALIGNMENT));
                let all = [*position, u64::from(*start), u64::from(*end)];
                assert!(*mode == WriteMode::Buffered || all.into_iter().all(aligned));
            }
            Op::WriteIndex { buffer, end, .. } => assert!(*end as usize <= buffer.bytes().len()),
            Op::Sync { .. } | Op::Allocate { .. } | Op::File { .. } => {}
        }
    }

    fn begin(&mut self, connection: ConnectionId, needs_peer: bool) {
        let socket = self.socket(connection);
        assert!(!needs_peer || socket.is_up && !socket.is_ending, "uses a socket that is not up");
        socket.ops += 1;
    }

    fn socket(&mut self, connection: ConnectionId) -> &mut Socket {
        self.sockets.get_mut(&connection).expect("operations name connections that were made")
    }

    /// The tasks of one partition run in order, and after its other operations.
    fn first_of_its_files(&self, place: usize) -> usize {
        let slot_of = |op: &Op| match op {
            Op::File { slot, .. } => Some(*slot),
            _ => None,
        };
        let Some(slot) = slot_of(&self.ops[place]) else { return place };
        self.ops.iter().position(|op| slot_of(op) == Some(slot)).unwrap_or(place)
    }

    fn must_wait(&self, place: usize, ending: Ending) -> bool {
        let Op::Receive { connection, .. } = &self.ops[place] else { return false };
        let socket = &self.sockets[connection];
        ending == Ending::Success && socket.inbound.is_empty() && !socket.is_ending
    }

    fn complete_socket(&mut self, op: Op, ending: Ending, input: &mut Input<'_>) -> Completion {
        let (Op::Connect { connection, .. }
        | Op::Send { connection, .. }
        | Op::Receive { connection, .. }
        | Op::Disconnect { connection }) = op
        else {
            unreachable!("only called for sockets")
        };
        let socket = self.sockets.get_mut(&connection).expect("checked when it was submitted");
        let refused = ending == Ending::Failure || socket.is_ending;
        let error = || io::Error::from(io::ErrorKind::ConnectionReset);
        let result = if refused { Err(error()) } else { Ok(()) };
        socket.ops -= 1;
        let completion = match op {
            Op::Connect { .. } => {
                socket.is_up = !refused;
                Completion::Connected { connection, result }
            }
            Op::Send { buffer, end, .. } => {
                if !refused {
                    let request = &buffer.bytes()[..end as usize];
                    socket.inbound.extend(self.source.answer(request, input));
                }
                Completion::Sent { connection, buffer, result }
            }
            Op::Receive { mut buffer, start, end, .. } => {
                let bytes = receive(socket, &mut buffer, (start, end), ending, input);
                Completion::Received { connection, buffer, result: result.map(|()| bytes) }
            }
            _ => Completion::Disconnected { connection },
        };
        if socket.ops == 0 && (socket.is_ending || !socket.is_up) {
            // A failed connect is still to be disconnected.
            if socket.is_ending {
                self.sockets.remove(&connection);
            }
        }
        completion
    }

    fn files_of(&mut self, slot: PartitionSlot) -> &mut MemoryFiles {
        self.files.entry(slot.0).or_default()
    }

    fn run(&mut self, slot: PartitionSlot, task: FileTask) -> Result<FileOutcome, FileFault> {
        let files = self.files_of(slot);
        Ok(match task {
            FileTask::Load { request, .. } => FileOutcome::Loaded(Box::new(load(files, &request)?)),
            FileTask::CloseSegment(segment) => {
                close_segment(files, &segment)?;
                FileOutcome::SegmentClosed(segment.base)
            }
            FileTask::WriteEpochs(contents) => {
                files.replace(FileName::LEADER_EPOCH_CHECKPOINT, &contents)?;
                FileOutcome::EpochsWritten
            }
            FileTask::RetireSegments(bases) => {
                retire_segments(files, &bases)?;
                FileOutcome::SegmentsRetired
            }
            FileTask::CloseLog(log) => {
                close_log(files, &log)?;
                FileOutcome::LogClosed
            }
            FileTask::Remove => {
                *files = MemoryFiles::default();
                FileOutcome::Removed
            }
        })
    }
}

/// Fills the buffer from the peer or from the input; tells how many bytes that were.
fn receive(
    socket: &mut Socket,
    buffer: &mut BufferLease,
    (start, end): (u32, u32),
    ending: Ending,
    input: &mut Input<'_>,
) -> u32 {
    let room = &mut buffer.bytes_mut()[start as usize..end as usize];
    if ending == Ending::Garbage {
        let length = usize::from(input.byte());
        let bytes = input.take(length.min(room.len()));
        room[..bytes.len()].copy_from_slice(bytes);
        return u32::try_from(bytes.len()).expect("fits the room");
    }
    let piece = match input.byte() {
        short @ 0..16 => usize::from(short) + 1,
        middle @ 16..128 => usize::from(middle) * 16,
        _ => usize::MAX,
    };
    let bytes = piece.min(room.len()).min(socket.inbound.len());
    room[..bytes].copy_from_slice(&socket.inbound[..bytes]);
    socket.inbound.drain(..bytes);
    u32::try_from(bytes).expect("fits the room")
}
