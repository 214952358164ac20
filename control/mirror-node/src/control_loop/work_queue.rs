//! Work on logs that waits for the disk: done on other threads, a few at a time, that on one log
//! in the order in which it was asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kafka_wire::partition::TopicIdPartition;
use tokio::sync::mpsc;

use super::LoopEvent;
use super::loop_event::LogWorked;

type Work = Box<dyn FnOnce() -> LogWorked + Send>;

/// What is to be done, and what is being done.
pub(super) struct WorkQueue {
    waiting: VecDeque<(TopicIdPartition, Work)>,
    /// Logs that somebody works on.
    busy: BTreeSet<TopicIdPartition>,
    /// How much is to be done or being done on each log, where that is anything.
    pending: BTreeMap<TopicIdPartition, usize>,
    events: mpsc::Sender<LoopEvent>,
}

impl WorkQueue {
    pub(super) fn new(events: mpsc::Sender<LoopEvent>) -> Self {
        let (busy, pending) = (BTreeSet::new(), BTreeMap::new());
        Self { waiting: VecDeque::new(), busy, pending, events }
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
    }

    /// True while something is being done.
    pub(super) fn is_running(&self) -> bool {
        !self.busy.is_empty()
    }

    /// Begins what may be begun; to be called after each event.
    pub(super) fn go_on(&mut self) {
        while self.busy.len() < RUNNING_MAX {
            let next = self.waiting.iter().position(|(id, _)| !self.busy.contains(id));
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

#[cfg(test)]
mod tests;
