//! The consumer groups of this node: the coordinator's state machine, run by a thread of its own
//! over the logs of `__consumer_offsets`.
//!
//! ```text
//!  connections -> calls (bounded) -> coordinator thread: step -> append -> step -> answers
//! ```
//! **Invariants.** One thread changes groups, in the order of the calls. What an answer promises
//! was appended before it is given. While groups are read from their logs every request is told
//! so; when the logs cannot be used, that the coordinator is not available.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use group_coordinator::answer::Answer;
use group_coordinator::coordinator::{GroupCoordinator, GroupSettings};
use group_coordinator::refusal::Refusal;
use group_coordinator::request::Request;
use group_coordinator::topics::{TopicShape, TopicTable};
use tokio::sync::oneshot;

use crate::catalog::Catalog;
use crate::groups::coordinator_thread::{Call, CoordinatorThread};
use crate::writable_log::WritableLog;

mod coordinator_thread;
mod loading;
mod offsets_journal;
#[cfg(test)]
pub(crate) mod test_topic;

/// Where groups are kept: the topic `__consumer_offsets`. All of it is called by one thread, and
/// may block.
pub trait OffsetsTopic: Send + fmt::Debug {
    /// The logs of its partitions, by index; `None` while there is no such topic.
    ///
    /// # Errors
    /// Why it cannot be opened, for people.
    fn open(&self) -> Result<Option<Vec<Arc<WritableLog>>>, String>;

    /// Makes the topic with `partition_count` partitions and the settings [`OFFSETS_CONFIGS`].
    ///
    /// # Errors
    /// Why it cannot be made, for people.
    fn make(&self, partition_count: u16) -> Result<Vec<Arc<WritableLog>>, String>;
}

/// Name of the topic that groups are kept in.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Its partitions when it is made here (`offsets.topic.num.partitions`).
pub const OFFSETS_PARTITIONS: u16 = 50;
/// Its settings when it is made here. Segments are smaller than Kafka's 100 MiB: what was written
/// anew lets whole segments go.
pub const OFFSETS_CONFIGS: [(&str, &str); 3] = [
    ("cleanup.policy", "compact"),
    ("compression.type", "producer"),
    ("segment.bytes", "16777216"),
];

/// The groups of a node. Dropping it ends the thread after what was asked before.
#[derive(Debug)]
pub struct Groups {
    calls: Mutex<Option<SyncSender<Call>>>,
    progress: Arc<Progress>,
    /// Up to which change of the catalog the coordinator was told the topics.
    topics_told: Mutex<Option<u64>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    settings: GroupSettings,
}

/// What the thread and those who call it know of each other.
#[derive(Debug, Default)]
struct Progress {
    readiness: Mutex<Readiness>,
    /// Nobody waits for groups that are still to be read.
    is_ending: AtomicBool,
}

/// May groups be asked?
#[derive(Clone, Copy, Debug, Default)]
enum Readiness {
    /// They are read from their logs.
    #[default]
    Loading,
    /// They may.
    Ready,
    /// Their logs cannot be used, and are tried again and again.
    Unusable,
}

impl Progress {
    fn readiness(&self) -> Readiness {
        *self.readiness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    fn set(&self, readiness: Readiness) {
        *self.readiness.lock().unwrap_or_else(PoisonError::into_inner) = readiness;
    }
}

impl Groups {
    /// Begins to read groups from their topic, and answers requests once that is done.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(topic: Box<dyn OffsetsTopic>, settings: GroupSettings) -> io::Result<Self> {
        let (calls, receiver) = sync_channel(CALLS_MAX);
        let progress = Arc::new(Progress::default());
        let thread = CoordinatorThread::new(topic, settings, receiver, Arc::clone(&progress));
        let thread =
            std::thread::Builder::new().name("groups".to_owned()).spawn(move || thread.run())?;
        let (calls, thread) = (Mutex::new(Some(calls)), Mutex::new(Some(thread)));
        Ok(Self { calls, progress, topics_told: Mutex::default(), thread, settings })
    }

    /// What holds for all groups.
    pub(crate) const fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    /// Answers what was asked before and ends; groups that are still being read are left at that.
    /// Logs stay open: they are closed by who opened them. Blocks.
    pub fn stop(&self) {
        self.progress.is_ending.store(true, Ordering::Relaxed);
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread of the group coordinator ended by a panic");
        }
    }

    /// Asks one group. The answer may wait for other members.
    ///
    /// # Errors
    /// When groups cannot be asked now.
    pub async fn ask(&self, body: Request) -> Result<Answer, Refusal> {
        self.begin(body)?.await.map_err(|_| Refusal::CoordinatorNotAvailable)
    }

    /// Asks one group at once: before all that is asked from now on. No answer comes when the
    /// groups end.
    ///
    /// # Errors
    /// When groups cannot be asked now.
    pub(crate) fn begin(&self, body: Request) -> Result<oneshot::Receiver<Answer>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.call(Call::Ask { body: Box::new(body), answer })?;
        Ok(answered)
    }

    /// Looks at the groups; `look` must not take long.
    ///
    /// # Errors
    /// When groups cannot be looked at now.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&GroupCoordinator) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        let look = move |coordinator: &GroupCoordinator| {
            // Whoever asked may have left.
            let _ = answer.send(look(coordinator));
        };
        self.call(Call::Look(Box::new(look)))?;
        answered.await.map_err(|_| Refusal::CoordinatorNotAvailable)
    }

    /// Tells the coordinator which topics there are, when it does not know yet.
    ///
    /// # Errors
    /// When groups cannot be asked now.
    pub fn follow_topics(&self, catalog: &Catalog) -> Result<(), Refusal> {
        // Held until the topics are on their way: an older state must not come after a newer one.
        let mut told = self.topics_told.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = catalog.changes();
        if *told == Some(changes) {
            return Ok(());
        }
        let mut table = TopicTable::default();
        for topic in catalog.topics() {
            let partition_count = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
            table.insert(topic.name.clone(), TopicShape { topic_id: topic.id, partition_count });
        }
        self.call(Call::Topics(table))?;
        *told = Some(changes);
        Ok(())
    }

    fn call(&self, call: Call) -> Result<(), Refusal> {
        match self.progress.readiness() {
            Readiness::Ready => {}
            Readiness::Loading => return Err(Refusal::CoordinatorLoadInProgress),
            Readiness::Unusable => return Err(Refusal::CoordinatorNotAvailable),
        }
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        match calls.as_ref().map(|calls| calls.try_send(call)) {
            Some(Ok(())) => Ok(()),
            None | Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) => {
                Err(Refusal::CoordinatorNotAvailable)
            }
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Calls that wait for the coordinator; with more, clients are told to try again.
const CALLS_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
