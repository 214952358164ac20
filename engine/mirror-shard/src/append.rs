//! Records into chunks: walk headers, check CRCs, admit, place, seal.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.

use kafka_log::leader_epoch_checkpoint::EpochEntry;
use kafka_log::partition_log::{AppendPlan, AppendRefusal, PartitionLog};
use kafka_log::recovery::LogCut;
use kafka_wire::batch_stream::{BatchStep, ValidatedBatch};
use kafka_wire::offset::{HighWatermark, Offset};
use kafka_wire::record_batch::{BatchError, BatchHeader, HEADER_BYTES};

use crate::admission::{Refusal, admit};
use crate::answers::error_code;
use crate::bridge::{PartitionEvent, PartitionFailure};
use crate::chunk::{Chunk, Extent, ReadableEnd};
use crate::connection::ConnectionPhase;
use crate::mirror_partition::{AfterBackoff, MirrorPartition, Phase, RolledSegment};
use crate::op::PartitionSlot;
use crate::shard::Shard;

impl Shard {
    /// Takes note of what a response says; true when its records are what we asked for.
    pub(crate) fn note_fetched(
        &mut self,
        slot: PartitionSlot,
        head: &kafka_wire::fetch_event::PartitionHead,
    ) -> bool {
        let Some(partition) = self.partitions.get_mut(slot) else { return false };
        if head.error_code != 0 {
            return false;
        }
        // Even when the records are not wanted now: a session does not tell these twice.
        let mark = Offset::from_wire(head.high_watermark).map(HighWatermark::new);
        let moved = mark.is_some() && mark != partition.source_high_watermark;
        partition.source_high_watermark = mark.or(partition.source_high_watermark);
        let start = Offset::from_wire(head.log_start_offset).unwrap_or(Offset::ZERO);
        let retire = start > partition.source_log_start;
        partition.source_log_start = partition.source_log_start.max(start);
        let wanted = partition.wants_fetch()
            && partition.asked.is_some_and(|(offset, _)| offset == partition.fetch_position());
        if moved {
            self.note_progress(slot);
        }
        if retire {
            self.list_upkeep(slot);
        }
        wanted
    }

    pub(crate) fn begin_filling(&mut self, slot: PartitionSlot) {
        let partition = self.partitions.get_mut(slot).expect("looked up by the caller");
        assert!(!partition.filling, "one connection at a time fills a partition");
        partition.filling = true;
        partition.held_since = None;
    }

    /// Makes sure the last open chunk has a buffer with room; false when none is to be had.
    pub(crate) fn ensure_room(&mut self, place: usize, slot: PartitionSlot) -> bool {
        let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
        let log = partition.log.as_ref().expect("filled partitions are loaded");
        let next = match partition.open.back() {
            Some(last) if last.buffer.is_some() && last.room() > 0 => return true,
            Some(last) if last.buffer.is_some() => last.place_of(last.fill),
            // Nothing, or a receive we gave up: whole batches are all there is.
            _ => {
                let position = u64::from(log.active_bytes());
                Extent { segment: log.active_segment(), position, start: 0 }
            }
        };
        let open = self.connections.iter().filter(|held| held.phase != ConnectionPhase::Vacant);
        let taken = self.pool.take_record(place, partition.open.len(), open.count());
        let Some(buffer) = taken else { return false };
        let start = Chunk::start_for(next.position);
        let first = Extent { start, ..next };
        let id = partition.next_chunk;
        partition.next_chunk += 1;
        let end = ReadableEnd::of(log);
        partition.open.push_back(Chunk::new(id, buffer, first, end));
        true
    }

    /// `bytes` more records lie behind the fill mark of the last open chunk.
    pub(crate) fn accept_bytes(&mut self, place: usize, slot: PartitionSlot, bytes: u32) {
        let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
        let chunk = partition.open.back_mut().expect("records lie in a chunk");
        let mut at = chunk.fill;
        chunk.fill += bytes;
        let end = chunk.fill;
        loop {
            let partition = self.partitions.get(slot).expect("filled partitions stay");
            let chunk = partition.open.back().expect("records lie in a chunk");
            let memory = chunk.buffer.as_ref().expect("the receive gave it back").bytes();
            let piece = &memory[at as usize..end as usize];
            let (used, step) = match self.connections[place].stream.feed(piece) {
                Ok(fed) => fed,
                Err(error) => {
                    self.refuse_bytes(place, slot, &error);
                    break;
                }
            };
            at += u32::try_from(used).expect("a piece fits a chunk");
            match step {
                BatchStep::NeedMore => break,
                BatchStep::Batch(batch) => self.append_batch(place, slot, &batch, at),
                BatchStep::Header(header) => {
                    if !self.admit_header(place, slot, &header) {
                        break;
                    }
                    self.look_ahead(place, slot, &header, end - at);
                }
            }
        }
        self.submit_full(slot);
    }

    /// Asks for a place for the batch whose header arrived; false ends the body.
    fn admit_header(&mut self, place: usize, slot: PartitionSlot, header: &BatchHeader) -> bool {
        let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
        let log = partition.log.as_ref().expect("filled partitions are loaded");
        let verdict = if partition.wants_fetch() {
            admit(log, partition.bounds(), header)
        } else {
            self.stop_body(place);
            self.cut_open(slot);
            return false;
        };
        match verdict {
            Ok(plan) => {
                if plan.rolls {
                    redirect_open(partition, plan.segment);
                }
                assert_placed(partition, &plan);
                if let Some(body) =
                    self.connections[place].current.as_mut().and_then(|c| c.body.as_mut())
                {
                    body.plan = Some(plan);
                }
                true
            }
            Err(refusal) => {
                self.stop_body(place);
                self.cut_open(slot);
                self.on_refusal(slot, refusal);
                false
            }
        }
    }

    /// Asks for what follows as soon as the header of the body's last whole batch has arrived;
    /// `behind` bytes behind it are here already.
    fn look_ahead(&mut self, place: usize, slot: PartitionSlot, header: &BatchHeader, behind: u32) {
        let Some(partition) = self.partitions.get(slot) else { return };
        let Some(at) = partition.lane else { return };
        let latest = partition.log.as_ref().and_then(PartitionLog::latest_epoch);
        if header.leader_epoch != latest {
            // The source would take the epoch we have so far for a history that left its own.
            return;
        }
        let to_come = u64::from(behind) + u64::from(self.connections[place].body_remaining());
        let next = match to_come.checked_sub(u64::from(header.body_bytes())) {
            // The next header will tell more.
            Some(rest) if rest >= HEADER_BYTES as u64 => return,
            Some(_) => header.next_offset(),
            // A batch cut off by the limit of the request: the one before was the last.
            None => {
                self.partitions.get(slot).map_or(header.base_offset, MirrorPartition::accepted_end)
            }
        };
        if at.connection == place {
            self.ask_ahead(at, slot, next);
        }
    }

    /// The batch that ends at `at` of the last open chunk is whole and right: it is ours now.
    fn append_batch(&mut self, place: usize, slot: PartitionSlot, batch: &ValidatedBatch, at: u32) {
        let body = self.connections[place].current.as_mut().and_then(|c| c.body.as_mut());
        let body = body.expect("batches arrive in bodies");
        let plan = body.plan.take().expect("a batch is admitted by its header");
        body.accepted_any = true;
        if plan.rolls {
            // Left to the end of the segment, they would hold readers back until it is synced.
            self.flush_aborts(slot);
        }
        let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
        let log = partition.log.as_mut().expect("filled partitions are loaded");
        let (end, epochs_version) = (log.accepted_end().offset(), log.epochs_version());
        let outcome = log.append(plan, batch);
        let index_bytes = log.pending_index_bytes();
        let began = log.epochs().entries().last().filter(|_| log.epochs_version() > epochs_version);
        let began = began.copied();
        if let Some(closed) = outcome.rolled {
            partition.closing.push_back(RolledSegment::new(closed, end));
        }
        if partition.throttled {
            self.throttle.note(batch.header.batch_bytes, self.now);
        }
        let last = partition.open.len() - 1;
        for chunk in partition.open.range_mut(..last) {
            chunk.sealed = chunk.fill;
        }
        partition.open[last].sealed = at;
        partition.open[last].end = ReadableEnd::of(log);
        self.counters.batches_accepted += 1;
        self.pool.end_large_batch(place);
        if let Some(EpochEntry { epoch, start }) = began {
            self.report(slot, PartitionEvent::EpochBegan { epoch, start });
        }
        if index_bytes > crate::limits::INDEX_PENDING_BYTES_MAX {
            self.flush_index(slot);
        }
    }

    /// The rest of the current body is not wanted.
    pub(crate) fn stop_body(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        connection.stream.reset();
        if let Some(body) = connection.current.as_mut().and_then(|c| c.body.as_mut()) {
            body.accept = false;
            body.plan = None;
        }
        self.pool.end_large_batch(place);
    }

    /// What is on its way to the partition is not wanted any more.
    pub(crate) fn stop_filling(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let (true, Some(at)) = (partition.filling, partition.lane) else { return };
        partition.filling = false;
        self.stop_body(at.connection);
        self.connections[at.connection].disown_current();
        self.cut_open(slot);
        let now = self.now;
        if let Some(partition) = self.partitions.get_mut(slot) {
            partition.held_since = (!partition.open.is_empty()).then_some(now);
        }
        self.list_upkeep(slot);
    }

    fn refuse_bytes(&mut self, place: usize, slot: PartitionSlot, error: &BatchError) {
        self.stop_body(place);
        self.cut_open(slot);
        let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
        let at = partition.accepted_end();
        if error.is_corruption() {
            self.on_corrupt(slot, error.to_string());
        } else {
            let reason = match error {
                BatchError::TooLarge { .. } => format!("{error}: raise batch_bytes_max to take it"),
                _ => error.to_string(),
            };
            self.fail(slot, PartitionFailure::Refused { at, reason });
        }
    }

    /// Damaged in transit or at the source: drop it, wait, ask again; the others go on.
    fn on_corrupt(&mut self, slot: PartitionSlot, reason: String) {
        let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
        partition.corrupt_count += 1;
        let (at, count) = (partition.accepted_end(), partition.corrupt_count);
        self.counters.batches_corrupt += 1;
        self.report(slot, PartitionEvent::Corrupt { at, reason, count });
        self.back_off(slot, AfterBackoff::Fetch);
    }

    fn on_refusal(&mut self, slot: PartitionSlot, refusal: Refusal) {
        match refusal {
            Refusal::Fenced { batch_epoch, leader_epoch } => {
                let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
                partition.phase = Phase::Fenced;
                self.report(slot, PartitionEvent::Fenced { batch_epoch, leader_epoch });
                self.queue_change(slot);
            }
            Refusal::Unannounced { .. } => {
                self.await_leader(slot, error_code::UNKNOWN_LEADER_EPOCH)
            }
            Refusal::Log(AppendRefusal::StartsBelow { base }) => {
                let partition = self.partitions.get_mut(slot).expect("filled partitions stay");
                let inside = partition.fetch_position();
                self.discard(slot, LogCut::StartAt(base));
                if let Some(partition) = self.partitions.get_mut(slot) {
                    partition.begins_inside = inside;
                }
            }
            Refusal::Log(refusal @ AppendRefusal::OffsetBackwards { .. })
            | Refusal::Log(refusal @ AppendRefusal::EpochBackwards { .. }) => {
                self.on_corrupt(slot, refusal.to_string());
            }
            Refusal::Log(refusal) => {
                let partition = self.partitions.get(slot).expect("filled partitions stay");
                let at = partition.accepted_end();
                let failure = PartitionFailure::Refused { at, reason: refusal.to_string() };
                self.fail(slot, failure);
            }
        }
    }

    /// The response's records of this partition are read to their end.
    pub(crate) fn finish_body(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        let Some(current) = &mut connection.current else { return };
        let Some(body) = current.body.take() else { return };
        let slot = current.slot;
        connection.stream.reset();
        self.pool.end_large_batch(place);
        let Some(slot) = slot else { return };
        self.end_filling(slot, body.accepted_any);
    }

    fn end_filling(&mut self, slot: PartitionSlot, accepted_any: bool) {
        self.cut_open(slot);
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        partition.filling = false;
        if accepted_any {
            partition.failures = 0;
        }
        if partition.is_behind() || !partition.writing.is_empty() {
            partition.held_since = Some(self.now);
        } else {
            self.flush_open(slot);
        }
        self.list_upkeep(slot);
        self.queue_change(slot);
        self.settle(slot);
    }

    /// The connection is gone in the middle of a body: what is whole stays, the rest goes.
    pub(crate) fn abandon_body(&mut self, place: usize) {
        let Some(current) = self.connections[place].current.take() else { return };
        if let (Some(slot), Some(body)) = (current.slot, current.body) {
            self.end_filling(slot, body.accepted_any);
        }
    }

    /// A receive that nobody waits for any more gave its chunk back. Another connection may be
    /// filling the chunks behind it.
    pub(crate) fn return_given_up(&mut self, slot: PartitionSlot, chunk: u64) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let Some(place) = partition.open.iter().position(|held| held.id == chunk) else { return };
        partition.open[place].cut_back();
        if partition.open[place].sealed_bytes() == 0
            && let Some(lease) =
                partition.open.remove(place).and_then(|mut held| held.buffer.take())
        {
            self.pool.give_record(lease);
        }
        self.submit_full(slot);
    }

    /// Forgets received bytes that belong to no whole batch.
    pub(crate) fn cut_open(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        for chunk in &mut partition.open {
            self.counters.bytes_discarded += u64::from(chunk.fill - chunk.sealed);
            chunk.cut_back();
        }
        // A chunk that a receive still fills may lie behind one that is empty now.
        let pool = &mut self.pool;
        partition.open.retain_mut(|chunk| {
            let emptied = if chunk.sealed_bytes() == 0 { chunk.buffer.take() } else { None };
            emptied.map(|lease| pool.give_record(lease)).is_none()
        });
    }
}

/// The batch being received lies where the log expects it.
fn assert_placed(partition: &MirrorPartition, plan: &AppendPlan) {
    let chunk = partition.open.iter().find(|chunk| chunk.sealed < chunk.fill);
    let place = chunk.expect("its header was received").place_of_unsealed();
    assert_eq!((place.segment, place.position), (plan.segment, u64::from(plan.position)));
}

/// Bytes behind the last whole batch belong to a new segment that starts with them.
fn redirect_open(partition: &mut MirrorPartition, segment: Offset) {
    let mut position = 0;
    for chunk in &mut partition.open {
        if chunk.sealed < chunk.fill || position > 0 {
            chunk.redirect(Extent { segment, position, start: chunk.sealed });
            position += u64::from(chunk.fill - chunk.sealed);
        }
    }
}
