//! Work on logs that waits for the disk: done on other threads, a few at a time, that on one log
//! in the order in which it was asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::lifecycle::Ticket;
use tokio::sync::mpsc;

use super::LoopEvent;
use super::loop_event::LogWorked;
use crate::catalog::Partition;

type Work = Box<dyn FnOnce() -> LogWorked + Send>;
type Sealer = Arc<dyn Fn(Vec<SealOrder>) -> Vec<LogWorked> + Send + Sync>;

/// A log to be sealed, with others if there are.
#[derive(Debug)]
pub(super) struct SealOrder {
    pub(super) partition: Arc<Partition>,
    pub(super) ticket: Ticket,
    pub(super) leader_epoch: LeaderEpoch,
}

/// What is to be done, and what is being done.
pub(super) struct WorkQueue {
    waiting: VecDeque<(TopicIdPartition, Work)>,
    /// Logs to be sealed; nothing else is to be done on them before.
    sealing: VecDeque<SealOrder>,
    /// Logs waiting or being sealed.
    in_group: BTreeSet<TopicIdPartition>,
    /// Seals logs; none where there is no node.
    sealer: Option<Sealer>,
    /// Those of them that are being sealed.
    sealed_now: usize,
    /// Logs that somebody works on.
    busy: BTreeSet<TopicIdPartition>,
    /// How much is to be done or being done on each log, where that is anything.
    pending: BTreeMap<TopicIdPartition, usize>,
    events: mpsc::Sender<LoopEvent>,
}

impl WorkQueue {
    pub(super) fn new(events: mpsc::Sender<LoopEvent>) -> Self {
        Self {
            waiting: VecDeque::new(),
            sealing: VecDeque::new(),
            in_group: BTreeSet::new(),
            sealer: None,
            sealed_now: 0,
            busy: BTreeSet::new(),
            pending: BTreeMap::new(),
            events,
        }
    }

    /// Who seals logs from now on.
    pub(super) fn set_sealer(
        &mut self,
        sealer: impl Fn(Vec<SealOrder>) -> Vec<LogWorked> + Send + Sync + 'static,
    ) {
        self.sealer = Some(Arc::new(sealer));
    }

    /// Has a log sealed on which nothing else is to be done before; others that wait by then are
    /// sealed with it.
    pub(super) fn add_seal(&mut self, order: SealOrder) {
        let id = order.partition.id;
        assert!(self.is_done_with(id), "the order of work on a log is kept");
        *self.pending.entry(id).or_default() += 1;
        self.in_group.insert(id);
        self.sealing.push_back(order);
    }

    /// Does `work` on another thread, sooner or later; what it returns comes as an event.
    pub(super) fn add(
        &mut self,
        partition: TopicIdPartition,
        work: impl FnOnce() -> LogWorked + Send + 'static,
    ) {
        *self.pending.entry(partition).or_default() += 1;
        self.waiting.push_back((partition, Box::new(work)));
    }

    /// True when nothing is to be done on a log: what needs no disk may be done at once.
    pub(super) fn is_done_with(&self, partition: TopicIdPartition) -> bool {
        !self.pending.contains_key(&partition)
    }

    /// Notes that the work on a log is done.
    pub(super) fn note_done(&mut self, partition: TopicIdPartition) {
        self.busy.remove(&partition);
        if self.in_group.remove(&partition) {
            self.sealed_now -= 1;
        }
        self.count_done(partition);
    }

    fn count_done(&mut self, partition: TopicIdPartition) {
        if let Some(count) = self.pending.get_mut(&partition) {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&partition);
            }
        }
    }

    /// Begins nothing more.
    pub(super) fn forget_waiting(&mut self) {
        for (partition, _) in std::mem::take(&mut self.waiting) {
            self.count_done(partition);
        }
        for order in std::mem::take(&mut self.sealing) {
            self.in_group.remove(&order.partition.id);
            self.count_done(order.partition.id);
        }
    }

    /// True while something is being done.
    pub(super) fn is_running(&self) -> bool {
        !self.busy.is_empty()
    }

    /// One group at a time, so that what comes meanwhile is sealed together as well; a second one
    /// works while the first waits for the disk when that makes no small group.
    fn may_begin_group(&self) -> bool {
        let is_whole = self.sealing.len() >= SEALED_TOGETHER_MAX;
        self.sealed_now == 0 || is_whole && self.sealed_now <= SEALED_TOGETHER_MAX
    }

    /// Begins to seal what waits, when not too much is being sealed.
    fn begin_seals(&mut self) {
        let Some(sealer) = &self.sealer else { return };
        while !self.sealing.is_empty() && self.may_begin_group() {
            let count = self.sealing.len().min(SEALED_TOGETHER_MAX);
            let orders: Vec<_> = self.sealing.drain(..count).collect();
            self.busy.extend(orders.iter().map(|order| order.partition.id));
            self.sealed_now += count;
            let (sealer, events) = (Arc::clone(sealer), self.events.clone());
            tokio::task::spawn_blocking(move || {
                for worked in sealer(orders) {
                    // Nobody listens any more when the loop is ending.
                    let _ = events.blocking_send(LoopEvent::LogWorked(worked));
                }
            });
        }
    }

    /// Begins what may be begun; to be called after each event.
    pub(super) fn go_on(&mut self) {
        self.begin_seals();
        while self.busy.len() - self.sealed_now < RUNNING_MAX {
            let is_free = |id| !self.busy.contains(id) && !self.in_group.contains(id);
            let next = self.waiting.iter().position(|(id, _)| is_free(id));
            let Some((id, work)) = next.and_then(|at| self.waiting.remove(at)) else { return };
            self.busy.insert(id);
            let events = self.events.clone();
            tokio::task::spawn_blocking(move || {
                // Nobody listens any more when the loop is ending.
                let _ = events.blocking_send(LoopEvent::LogWorked(work()));
            });
        }
    }
}

/// Logs that are worked on at once: each waits for the disk some times, and a file system makes
/// many files durable in one go.
const RUNNING_MAX: usize = 16;

/// Logs that are sealed together: two syncs serve all of them.
const SEALED_TOGETHER_MAX: usize = 512;

#[cfg(test)]
mod tests;
