//! Work on logs that waits for the disk: done on other threads, a few at a time, that on one log
//! in the order in which it was asked for.

use std::collections::{BTreeSet, VecDeque};

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
    events: mpsc::Sender<LoopEvent>,
}

impl WorkQueue {
    pub(super) fn new(events: mpsc::Sender<LoopEvent>) -> Self {
        Self { waiting: VecDeque::new(), busy: BTreeSet::new(), events }
    }

    /// Does `work` on another thread, sooner or later; what it returns comes as an event.
    pub(super) fn add(
        &mut self,
        partition: TopicIdPartition,
        work: impl FnOnce() -> LogWorked + Send + 'static,
    ) {
        self.waiting.push_back((partition, Box::new(work)));
    }

    /// Notes that the work on a log is done.
    pub(super) fn note_done(&mut self, partition: TopicIdPartition) {
        self.busy.remove(&partition);
    }

    /// Begins nothing more.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
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
            tokio::spawn(async move {
                let done = tokio::task::spawn_blocking(work).await;
                let done = done.expect("work on a log does not panic");
                // Nobody listens any more when the loop is ending.
                let _ = events.send(LoopEvent::LogWorked(done)).await;
            });
        }
    }
}

/// Logs that are worked on at once: each waits for the disk some times, and a file system makes
/// many files durable in one go.
const RUNNING_MAX: usize = 16;
