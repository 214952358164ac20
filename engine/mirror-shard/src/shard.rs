//! `Shard::step`: everything ready goes in, operations come out. Read this first.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! ```text
//!  commands ----\                             /---> ops (sockets, files)
//!  completions --+--> step(now, ..) ---------+
//!  timers ------/                             \---> reports
//! ```
//! Nothing happens between steps, and a step never waits: what cannot go on is remembered as a
//! phase with a deadline, and the completion or command it waits for moves it on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use kafka_wire::partition::{SourceBroker, SourceId, TopicPartition};

use crate::bridge::{EngineCommand, EngineReport, PartitionEvent};
use crate::broker::Broker;
use crate::buffer_pool::{BufferPool, ShardBuffers};
use crate::connection::{Connection, ConnectionPhase};
use crate::counters::ShardCounters;
use crate::limits::{REPORTS_BACKLOG_MAX, ShardLimits, SourceLimits, UPKEEP_INTERVAL_MS};
use crate::mirror_partition::{Goal, LaneRef};
use crate::op::{Completion, Op, PartitionSlot, Tick};
use crate::partition_table::PartitionTable;
use crate::throttle::Throttle;

/// One core's whole state; owned by one thread.
#[derive(Debug)]
pub struct Shard {
    pub(crate) index: u32,
    pub(crate) limits: ShardLimits,
    pub(crate) now: Tick,
    pub(crate) pool: BufferPool,
    pub(crate) connections: Vec<Connection>,
    pub(crate) brokers: BTreeMap<SourceBroker, Broker>,
    /// Limits of sources that have their own.
    pub(crate) sources: BTreeMap<SourceId, SourceLimits>,
    pub(crate) throttle: Throttle,
    pub(crate) partitions: PartitionTable,
    /// Deadlines of partitions; an entry whose number is not the partition's is out of date.
    pub(crate) timers: BinaryHeap<Reverse<(Tick, u32, u32)>>,
    /// Partitions with something unfinished, looked at every `UPKEEP_INTERVAL_MS`.
    pub(crate) upkeep: Vec<PartitionSlot>,
    pub(crate) next_upkeep: Option<Tick>,
    /// Chunks that wait for a place among the writes in flight.
    pub(crate) ready_writes: VecDeque<(PartitionSlot, u64)>,
    pub(crate) writes_in_flight: u32,
    pub(crate) ops: Vec<Op>,
    pub(crate) reports: Vec<EngineReport>,
    pub(crate) progress: Vec<PartitionSlot>,
    pub(crate) counters: ShardCounters,
    pub(crate) stopping: bool,
    /// Logs given up without closing them, and not opened since.
    pub(crate) left_unclean: BTreeSet<TopicPartition>,
    /// Number of the last timer set; no two are alike, whoever has the place in the table.
    pub(crate) last_timer: u32,
    stop_reported: bool,
    random: u64,
}

impl Shard {
    /// A shard without partitions. `seed` drives the jitter of its pauses.
    ///
    /// # Panics
    /// When `limits` do not pass [`ShardLimits::check`], or the buffers have other sizes or
    /// numbers than the limits say.
    #[must_use]
    pub fn new(index: u32, limits: ShardLimits, seed: u64, buffers: ShardBuffers) -> Self {
        limits.check().expect("limits are checked by whoever made them");
        assert!(buffers.record.len() >= limits.record_buffer_count as usize);
        assert!(buffers.frame.len() >= limits.frame_buffer_count() as usize);
        let connections = (0..limits.connection_count_max)
            .map(|place| Connection::vacant(place, &limits))
            .collect();
        Self {
            index,
            limits,
            now: Tick(0),
            pool: BufferPool::new(buffers, limits.largest_batch_count()),
            connections,
            brokers: BTreeMap::new(),
            sources: BTreeMap::new(),
            throttle: Throttle::default(),
            partitions: PartitionTable::default(),
            timers: BinaryHeap::new(),
            upkeep: Vec::new(),
            next_upkeep: None,
            ready_writes: VecDeque::new(),
            writes_in_flight: 0,
            ops: Vec::new(),
            reports: Vec::new(),
            progress: Vec::new(),
            counters: ShardCounters::default(),
            stopping: false,
            left_unclean: BTreeSet::new(),
            last_timer: 0,
            stop_reported: false,
            random: seed | 1,
        }
    }

    /// Takes everything ready, answers with operations and reports.
    ///
    /// Drains both inputs, appends to both outputs. Reports left undelivered in `reports` hold
    /// back progress reports, never others.
    pub fn step(
        &mut self,
        now: Tick,
        commands: &mut Vec<EngineCommand>,
        completions: &mut Vec<Completion>,
        ops: &mut Vec<Op>,
        reports: &mut Vec<EngineReport>,
    ) {
        assert!(now >= self.now, "time does not run backwards");
        self.now = now;
        std::mem::swap(&mut self.ops, ops);
        std::mem::swap(&mut self.reports, reports);
        for completion in completions.drain(..) {
            self.complete(completion);
        }
        for command in commands.drain(..) {
            self.obey(command);
        }
        self.run_timers();
        self.drive_connections();
        self.pump_writes();
        self.report_progress();
        self.counters.writes_in_flight = u64::from(self.writes_in_flight);
        self.counters.record_buffers_free = self.pool.free_record_count() as u64;
        std::mem::swap(&mut self.ops, ops);
        std::mem::swap(&mut self.reports, reports);
    }

    /// When the shard wants to be stepped at the latest, even if nothing completes.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        let partitions = self.timers.peek().map(|Reverse((at, ..))| *at);
        let blocked = self.throttle.blocked_until(self.now);
        // A shard that stops asks nothing more.
        let deadline = |connection: &Connection| {
            if self.stopping { connection.deadline } else { connection.next_deadline(blocked) }
        };
        let connections = self.connections.iter().filter_map(deadline).min();
        [partitions, connections, self.next_upkeep].into_iter().flatten().min()
    }

    /// True once [`EngineCommand::Stop`] took effect: logs closed, sockets gone, buffers home.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop_reported && self.pool.all_home()
    }

    /// Gives the buffers back.
    ///
    /// # Panics
    /// When the shard is not stopped.
    #[must_use]
    pub fn into_buffers(self) -> ShardBuffers {
        assert!(self.is_stopped(), "buffers may still be part of operations");
        self.pool.into_buffers()
    }

    /// What the shard counted so far.
    #[must_use]
    pub fn counters(&self) -> &ShardCounters {
        &self.counters
    }

    fn complete(&mut self, completion: Completion) {
        match completion {
            Completion::Connected { connection, result } => self.on_connected(connection, result),
            Completion::Sent { connection, buffer, result } => {
                self.on_sent(connection, buffer, result);
            }
            Completion::Received { connection, buffer, result } => {
                self.on_received(connection, buffer, result);
            }
            Completion::Disconnected { connection } => self.on_disconnected(connection),
            Completion::Written { slot, chunk, buffer, result } => {
                self.on_written(slot, chunk, buffer, result);
            }
            Completion::IndexWritten { slot, buffer, result } => {
                self.on_index_written(slot, buffer, result);
            }
            Completion::Synced { slot, result, .. } => self.on_synced(slot, result),
            Completion::Allocated { slot, .. } => self.on_allocated(slot),
            Completion::File { slot, result } => self.on_file(slot, result),
        }
    }

    fn run_timers(&mut self) {
        while let Some(Reverse((at, slot, timer))) = self.timers.peek().copied() {
            if at > self.now {
                break;
            }
            self.timers.pop();
            self.on_partition_timer(PartitionSlot(slot), timer);
        }
        if self.next_upkeep.is_some_and(|at| at <= self.now) {
            self.next_upkeep = None;
            self.run_upkeep();
        }
        for place in 0..self.connections.len() {
            if self.connections[place].deadline.is_some_and(|at| at <= self.now) {
                self.on_connection_deadline(place);
            }
        }
        if self.stopping {
            self.finish_stop();
        }
    }

    fn drive_connections(&mut self) {
        for place in 0..self.connections.len() {
            if matches!(
                self.connections[place].phase,
                ConnectionPhase::Handshaking | ConnectionPhase::Ready
            ) {
                self.drive_receive(place);
                self.ask(place);
            }
        }
    }

    /// Sends what the connection has to ask, one request at a time.
    fn ask(&mut self, place: usize) {
        if self.stopping || self.connections[place].phase != ConnectionPhase::Ready {
            return;
        }
        self.ask_epochs(place);
        self.ask_offsets(place);
        for lane in 0..self.connections[place].lanes.len() {
            self.try_fetch(LaneRef { connection: place, lane });
        }
    }

    fn finish_stop(&mut self) {
        let vacant = |connection: &Connection| connection.phase == ConnectionPhase::Vacant;
        if self.partitions.len() > 0 || self.stop_reported {
            return;
        }
        for place in 0..self.connections.len() {
            if !vacant(&self.connections[place]) {
                self.drop_connection(place);
            }
        }
        if self.connections.iter().all(vacant) {
            self.stop_reported = true;
            let clean = self.left_unclean.is_empty();
            self.reports.push(EngineReport::Stopped { shard: self.index, clean });
        }
    }

    /// Reports where partitions stand, unless the host is behind with listening.
    fn report_progress(&mut self) {
        while self.reports.len() < REPORTS_BACKLOG_MAX {
            let Some(slot) = self.progress.pop() else { break };
            let Some(partition) = self.partitions.get_mut(slot) else { continue };
            partition.progress_listed = false;
            if partition.log.is_none() {
                // It is loaded again, and reported then.
                continue;
            }
            let event = PartitionEvent::Progress(partition.progress());
            self.reports.push(EngineReport::Partition { partition: partition.spec.id, event });
        }
    }

    /// Has the partition's progress reported at the end of this step or a later one.
    pub(crate) fn note_progress(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if !partition.progress_listed && partition.log.is_some() {
            partition.progress_listed = true;
            self.progress.push(slot);
        }
    }

    pub(crate) fn report(&mut self, slot: PartitionSlot, event: PartitionEvent) {
        if let Some(partition) = self.partitions.get(slot) {
            self.reports.push(EngineReport::Partition { partition: partition.spec.id, event });
        }
    }

    /// Puts the partition on the list that is looked at every few milliseconds.
    pub(crate) fn list_upkeep(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if !partition.upkeep_listed {
            partition.upkeep_listed = true;
            self.upkeep.push(slot);
        }
        self.next_upkeep =
            Some(self.next_upkeep.unwrap_or_else(|| self.now.after_ms(UPKEEP_INTERVAL_MS)));
    }

    /// A pause of about `backoff_ms * 2^attempt`, never above the limit, with a fifth of jitter.
    pub(crate) fn pause_ms(&mut self, attempt: u32, source: SourceId) -> u64 {
        let limits = self.source_limits(source);
        let doubled = limits.backoff_ms.saturating_mul(1 << attempt.min(20));
        let capped = doubled.min(limits.backoff_max_ms);
        // xorshift64: jitter needs no more, and the simulator needs it to follow from the seed.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        capped * (80 + self.random % 41) / 100
    }

    /// False when the host wants the partition closed or deleted.
    pub(crate) fn is_kept(&self, slot: PartitionSlot) -> bool {
        self.partitions
            .get(slot)
            .is_some_and(|partition| matches!(partition.goal, Goal::Mirror | Goal::Pause))
    }
}
