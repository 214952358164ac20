//! From chunks to segment files: order, depth, mode, and what a completed write means.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.

use std::io;

use kafka_log::partition_log::IndexBytesKind;
use kafka_log::recovery::LogCut;
use kafka_wire::offset::Offset;

use crate::bridge::PartitionEvent;
use crate::buffer_pool::BufferLease;
use crate::chunk::{Chunk, Piece};
use crate::limits::{ALLOCATE_BYTES_MIN, ALLOCATE_LEAD_BYTES_MAX, RECORD_BUFFER_BYTES};
use crate::mirror_partition::{MirrorPartition, Phase};
use crate::op::{IndexKind, Op, PartitionSlot, WriteMode, is_disk_full};
use crate::shard::Shard;

impl Shard {
    /// Hands every chunk that will not grow any more to the writer.
    pub(crate) fn submit_full(&mut self, slot: PartitionSlot) {
        self.submit_open(slot, |chunk, is_last| chunk.is_full() || !is_last);
    }

    /// Hands everything whole to the writer, however little it is.
    pub(crate) fn flush_open(&mut self, slot: PartitionSlot) {
        self.submit_open(slot, |_, _| true);
        if let Some(partition) = self.partitions.get_mut(slot) {
            partition.held_since = None;
        }
    }

    fn submit_open(&mut self, slot: PartitionSlot, ripe: impl Fn(&Chunk, bool) -> bool) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        while let Some(front) = partition.open.front() {
            let whole = front.buffer.is_some() && front.sealed == front.fill;
            let is_last = partition.open.len() == 1;
            if !whole || front.sealed_bytes() == 0 || !ripe(front, is_last) {
                break;
            }
            let chunk = partition.open.pop_front().expect("looked at above");
            self.ready_writes.push_back((slot, chunk.id));
            partition.writing.push_back(chunk);
        }
    }

    /// Starts writes while there is room among those in flight.
    pub(crate) fn pump_writes(&mut self) {
        while self.writes_in_flight < self.limits.writes_in_flight_max {
            let Some((slot, id)) = self.ready_writes.pop_front() else { break };
            self.start_write(slot, id);
        }
    }

    fn start_write(&mut self, slot: PartitionSlot, id: u64) {
        let direct = self.limits.direct_writes;
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let held = partition.writing.iter_mut().find(|chunk| chunk.id == id);
        let Some(chunk) = held else { return };
        let (Some(piece), Some(buffer)) = (chunk.next_piece(direct), chunk.buffer.take()) else {
            return;
        };
        chunk.writing_to = piece.end;
        let finishes_from = chunk.finished_by(&piece);
        // A segment rolled inside a full chunk begins with a buffered write; direct ones follow.
        let is_bulk = piece.mode == WriteMode::Direct || (direct && chunk.is_full());
        partition.pending.writes += 1;
        self.writes_in_flight += 1;
        match piece.mode {
            WriteMode::Direct => self.counters.writes_direct += 1,
            WriteMode::Buffered => self.counters.writes_buffered += 1,
        }
        if is_bulk {
            self.reserve_ahead(slot, &piece);
        }
        let Piece { segment, position, start, end, mode } = piece;
        self.ops.push(Op::Write {
            slot,
            segment,
            chunk: id,
            position,
            buffer,
            start,
            end,
            mode,
            finishes_from,
        });
    }

    /// Direct writes into reserved space do not wait for each other; reserve in growing steps.
    ///
    /// Comes before the first write of a segment, so that its file can be one used before.
    fn reserve_ahead(&mut self, slot: PartitionSlot, piece: &Piece) {
        let most = self.limits.allocate_bytes_max;
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if most == 0 || partition.pending.allocations > 0 {
            return;
        }
        let (segment, reserved) = match partition.allocated {
            (segment, reserved) if segment == piece.segment => (segment, reserved),
            _ => (piece.segment, piece.position),
        };
        let lead = piece.position.clamp(u64::from(RECORD_BUFFER_BYTES), ALLOCATE_LEAD_BYTES_MAX);
        let reach = piece.position + lead;
        let active =
            partition.log.as_ref().map(kafka_log::partition_log::PartitionLog::active_segment);
        if reserved > reach || active != Some(segment) {
            return;
        }
        let segment_bytes = u64::from(partition.spec.log_config.segment_bytes);
        let step = piece.position.clamp(ALLOCATE_BYTES_MIN.min(most), most);
        let position = reserved.max(piece.position);
        let end = (position + step).min(segment_bytes.max(position));
        if end == position {
            return;
        }
        partition.allocated = (segment, end);
        partition.pending.allocations += 1;
        self.ops.push(Op::Allocate { slot, segment, position, bytes: end - position });
    }

    pub(crate) fn on_allocated(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        // Without reserved space the writes themselves find out whether there is room.
        partition.pending.allocations -= 1;
        self.settle(slot);
    }

    pub(crate) fn on_written(
        &mut self,
        slot: PartitionSlot,
        id: u64,
        buffer: BufferLease,
        result: io::Result<()>,
    ) {
        self.writes_in_flight -= 1;
        let partition = self.partitions.get_mut(slot).expect("a write keeps its partition");
        partition.pending.writes -= 1;
        let held = partition.writing.iter_mut().find(|chunk| chunk.id == id);
        let chunk = held.expect("a write keeps its chunk");
        chunk.buffer = Some(buffer);
        match result {
            Err(error) => {
                self.report_disk_fault(slot, &error);
                return self.discard(slot, LogCut::Keep);
            }
            Ok(()) => {
                self.counters.bytes_written += u64::from(chunk.writing_to - chunk.written);
                chunk.written = chunk.writing_to;
            }
        }
        if chunk.sealed_bytes() > 0 {
            self.ready_writes.push_front((slot, id));
        } else {
            let lease = chunk.buffer.take().expect("put there above");
            self.pool.give_record(lease);
            self.advance_written(slot);
        }
        self.settle(slot);
    }

    /// The log ends behind the last chunk before which nothing is missing on disk.
    fn advance_written(&mut self, slot: PartitionSlot) {
        let partition = self.partitions.get_mut(slot).expect("a write keeps its partition");
        if matches!(partition.phase, Phase::Discarding(_)) {
            return;
        }
        while let Some(front) = partition.writing.front() {
            if front.buffer.is_some() || front.sealed_bytes() > 0 {
                break;
            }
            assert!(front.end.offset >= partition.written.offset, "log ends only rise");
            partition.unsynced_bytes += front.bytes();
            partition.written = front.end;
            partition.writing.pop_front();
        }
        partition.unsynced_since = partition.unsynced_since.or(Some(self.now));
        let idle = partition.writing.is_empty() && !partition.filling;
        if idle && !partition.is_behind() {
            self.flush_open(slot);
        }
        self.note_progress(slot);
        self.list_upkeep(slot);
        self.close_rolled(slot);
        self.flush_aborts(slot);
    }

    /// Gives back every buffer whose bytes are not on their way to disk.
    pub(crate) fn drop_unwritten(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let pool = &mut self.pool;
        let mut give_back = |chunk: &mut Chunk| {
            let lease = chunk.buffer.take();
            lease.map(|lease| pool.give_record(lease)).is_some()
        };
        // A chunk without its buffer is part of a receive; in `writing` it may be just done.
        partition.open.retain_mut(|chunk| !give_back(chunk));
        partition.writing.retain_mut(|chunk| !give_back(chunk) && chunk.sealed_bytes() > 0);
        self.ready_writes.retain(|(held, _)| *held != slot);
        partition.held_since = None;
    }

    /// Frees buffers that wait to be filled, because somebody waits for a buffer and no write will
    /// give one back.
    pub(crate) fn relieve_pressure(&mut self) {
        if self.writes_in_flight > 0 || !self.ready_writes.is_empty() {
            return;
        }
        for at in 0..self.upkeep.len() {
            let slot = self.upkeep[at];
            let held = self.partitions.get(slot).is_some_and(MirrorPartition::holds_idle_buffer);
            if held {
                self.flush_open(slot);
            }
        }
    }

    pub(crate) fn report_disk_fault(&mut self, slot: PartitionSlot, error: &io::Error) {
        let full = is_disk_full(error);
        self.report(slot, PartitionEvent::DiskFault { reason: error.to_string(), full });
    }

    /// Writes index bytes of the active segment, as many as one frame buffer takes per kind.
    pub(crate) fn flush_index(&mut self, slot: PartitionSlot) {
        for kind in [IndexKind::Offset, IndexKind::Time] {
            self.flush_index_kind(slot, kind);
        }
        self.flush_aborts(slot);
    }

    /// Writes what the transaction index lacks: readers of committed records wait for it.
    ///
    /// One write at a time, so that whoever reads the file while it grows finds whole entries
    /// and no hole between them.
    pub(crate) fn flush_aborts(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get(slot) else { return };
        if partition.has_aborts_to_flush() {
            self.flush_index_kind(slot, IndexKind::Transaction);
        }
    }

    fn flush_index_kind(&mut self, slot: PartitionSlot, kind: IndexKind) {
        let bytes_kind = match kind {
            IndexKind::Offset => IndexBytesKind::Offset,
            IndexKind::Time => IndexBytesKind::Time,
            IndexKind::Transaction => IndexBytesKind::Transaction,
        };
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let Some(log) = &mut partition.log else { return };
        let Some(mut buffer) = self.pool.take_frame() else { return };
        let unindexed = log.unindexed_aborts_from().filter(|_| kind == IndexKind::Transaction);
        let Some(taken) = log.take_index_bytes(bytes_kind, buffer.bytes_mut()) else {
            return self.pool.give_frame(buffer);
        };
        partition.aborts_in_flight = partition.aborts_in_flight.or(unindexed);
        partition.pending.index_writes += 1;
        let end = u32::try_from(taken.bytes).expect("fits a frame buffer");
        let (segment, position): (Offset, u64) = (taken.segment, taken.position);
        self.ops.push(Op::WriteIndex { slot, segment, kind, position, buffer, end });
    }

    pub(crate) fn on_index_written(
        &mut self,
        slot: PartitionSlot,
        buffer: BufferLease,
        result: io::Result<()>,
    ) {
        self.pool.give_frame(buffer);
        let partition = self.partitions.get_mut(slot).expect("a write keeps its partition");
        partition.pending.index_writes -= 1;
        if let Err(error) = result {
            self.report_disk_fault(slot, &error);
            return self.discard(slot, LogCut::Keep);
        }
        // Of a log that is discarded, the write that failed may be the one of the aborts.
        let all_written =
            partition.pending.index_writes == 0 && !matches!(partition.phase, Phase::Discarding(_));
        if all_written && partition.aborts_in_flight.take().is_some() {
            self.note_progress(slot);
        }
        self.close_rolled(slot);
        self.flush_aborts(slot);
        self.settle(slot);
    }
}

impl MirrorPartition {
    /// The transaction index on disk lacks an abort, and nothing that would add it is on its way.
    pub(crate) fn has_aborts_to_flush(&self) -> bool {
        self.aborts_in_flight.is_none()
            && !matches!(self.phase, Phase::Discarding(_))
            && self.log.as_ref().is_some_and(|log| log.unindexed_aborts_from().is_some())
    }
}

#[cfg(test)]
mod tests;
