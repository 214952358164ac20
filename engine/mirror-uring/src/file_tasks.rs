//! Slow work on partition directories: on helper threads, one task per partition at a time.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_log::closing::ClosedLog;
use kafka_log::recovery::LoadError;
use mirror_shard::op::{FileFault, FileOutcome, FileTask, PartitionSlot};
use tokio::sync::mpsc::UnboundedSender;

use crate::affinity::CpuMask;
use crate::file_work;
use crate::recycled::RecycledFiles;

/// Tasks of one shard running at a time; recovery scans read whole segments, and more of them
/// only fight for the disk.
pub(crate) const FILE_TASKS_MAX: usize = 4;
/// Tasks handed to the helpers ahead, so that none waits for the shard between two short ones,
/// or close their logs together.
const HANDED_OUT_MAX: usize = 256;
/// Fewer logs are closed one by one: syncing the file system writes what others have in the page
/// cache.
const CLOSED_TOGETHER_MIN: usize = 16;

/// A log to be closed.
type Closing = (PartitionSlot, PathBuf, Box<ClosedLog>);

/// The end of a task.
#[derive(Debug)]
pub(crate) struct FileTaskDone {
    /// Whose files.
    pub(crate) slot: PartitionSlot,
    /// What was done, or why not.
    pub(crate) result: Result<FileOutcome, FileFault>,
}

/// Tasks waiting and running. At most one of a slot runs; slots take turns.
#[derive(Debug)]
pub(crate) struct FileTasks {
    /// A slot is in here while a task of it waits or runs.
    queues: HashMap<PartitionSlot, VecDeque<(PathBuf, FileTask)>>,
    /// Slots with a task waiting and none running, in order of arrival.
    waiting: VecDeque<PartitionSlot>,
    /// Tasks handed to the helpers and not ended.
    handed_out_count: usize,
    desk: Arc<Mutex<Desk>>,
    helpers_mask: CpuMask,
    recycled: RecycledFiles,
}

/// Where the helpers take tasks from.
#[derive(Debug, Default)]
struct Desk {
    tasks: VecDeque<(PartitionSlot, PathBuf, FileTask)>,
    helper_count: usize,
}

impl FileTasks {
    /// Runs tasks on threads with the given CPU mask.
    pub(crate) fn new(helpers_mask: CpuMask, recycled: RecycledFiles) -> Self {
        let (queues, waiting) = (HashMap::new(), VecDeque::new());
        let desk = Arc::default();
        Self { queues, waiting, handed_out_count: 0, desk, helpers_mask, recycled }
    }

    /// Runs `task` on `directory` after the earlier tasks of `slot`; its end goes to `done`.
    ///
    /// Must be called on a tokio runtime.
    pub(crate) fn start(
        &mut self,
        slot: PartitionSlot,
        directory: PathBuf,
        task: FileTask,
        done: &UnboundedSender<FileTaskDone>,
    ) {
        let queue = self.queues.entry(slot).or_insert_with(|| {
            self.waiting.push_back(slot);
            VecDeque::new()
        });
        queue.push_back((directory, task));
        self.run_waiting(done);
    }

    /// Deletes retired files on a helper thread when `error` says that the disk is full.
    ///
    /// Must be called on a tokio runtime.
    pub(crate) fn make_room(&self, error: &io::Error) {
        if self.recycled.can_make_room(error) {
            let recycled = self.recycled.clone();
            tokio::task::spawn_blocking(move || recycled.delete_kept());
        }
    }

    /// Must be told of every end, so that the next task can start.
    pub(crate) fn task_done(&mut self, slot: PartitionSlot, done: &UnboundedSender<FileTaskDone>) {
        assert!(self.handed_out_count > 0, "a task of slot {} ended twice", slot.0);
        self.handed_out_count -= 1;
        let queue = self.queues.get(&slot).expect("a running task keeps its slot's queue");
        if queue.is_empty() {
            self.queues.remove(&slot);
        } else {
            self.waiting.push_back(slot);
        }
        self.run_waiting(done);
    }

    fn run_waiting(&mut self, done: &UnboundedSender<FileTaskDone>) {
        if self.waiting.is_empty() || self.handed_out_count >= HANDED_OUT_MAX {
            return;
        }
        let mut desk = lock(&self.desk);
        while self.handed_out_count < HANDED_OUT_MAX {
            let Some(slot) = self.waiting.pop_front() else { break };
            let queue = self.queues.get_mut(&slot).expect("a waiting slot has a queue");
            let (directory, task) = queue.pop_front().expect("a waiting slot has a task");
            self.handed_out_count += 1;
            desk.tasks.push_back((slot, directory, task));
        }
        while desk.helper_count < FILE_TASKS_MAX.min(self.handed_out_count) {
            desk.helper_count += 1;
            let helper = Helper {
                desk: Arc::clone(&self.desk),
                done: done.clone(),
                recycled: self.recycled.clone(),
            };
            let mask = self.helpers_mask;
            tokio::task::spawn_blocking(move || {
                mask.apply();
                helper.work();
            });
        }
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    // Tasks run without the lock, and nothing else panics.
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes tasks until none is left.
struct Helper {
    desk: Arc<Mutex<Desk>>,
    done: UnboundedSender<FileTaskDone>,
    recycled: RecycledFiles,
}

impl Helper {
    fn work(self) {
        while let Some((slot, directory, task)) = self.next() {
            let task = match task {
                FileTask::CloseLog(log) => {
                    let mut closings = vec![(slot, directory, log)];
                    closings.append(&mut self.more_closings());
                    self.close(closings);
                    continue;
                }
                task => task,
            };
            let result = run_caught(&directory, &self.recycled, task);
            // Nobody listens when the shard has ended.
            let _ = self.done.send(FileTaskDone { slot, result });
        }
    }

    /// Logs to be closed that come next.
    fn more_closings(&self) -> Vec<Closing> {
        let mut desk = lock(&self.desk);
        let mut closings = Vec::new();
        while let Some((slot, directory, task)) = desk.tasks.pop_front() {
            let FileTask::CloseLog(log) = task else {
                desk.tasks.push_front((slot, directory, task));
                break;
            };
            closings.push((slot, directory, log));
        }
        closings
    }

    fn close(&self, closings: Vec<Closing>) {
        let run_alone = |(slot, directory, log): Closing| {
            let result = run_caught(&directory, &self.recycled, FileTask::CloseLog(log));
            let _ = self.done.send(FileTaskDone { slot, result });
        };
        if closings.len() < CLOSED_TOGETHER_MIN {
            closings.into_iter().for_each(run_alone);
            return;
        }
        let slots: Vec<_> = closings.iter().map(|(slot, ..)| *slot).collect();
        let logs = closings.into_iter().map(|(_, directory, log)| (directory, log)).collect();
        let results = panic::catch_unwind(AssertUnwindSafe(|| {
            file_work::close_together(logs, &self.recycled)
        }));
        let results =
            results.unwrap_or_else(|panic| slots.iter().map(|_| Err(bug(&*panic))).collect());
        for (slot, result) in slots.into_iter().zip(results) {
            let result = result.inspect_err(|fault| make_room(&self.recycled, fault));
            let _ = self.done.send(FileTaskDone { slot, result });
        }
    }

    /// The next task; without one the helper has left, and another one comes with the next task.
    fn next(&self) -> Option<(PartitionSlot, PathBuf, FileTask)> {
        let mut desk = lock(&self.desk);
        let task = desk.tasks.pop_front();
        if task.is_none() {
            desk.helper_count -= 1;
        }
        task
    }
}

/// Runs a task; a panic in it becomes an error, because its completion must come.
fn run_caught(
    directory: &Path,
    recycled: &RecycledFiles,
    task: FileTask,
) -> Result<FileOutcome, FileFault> {
    panic::catch_unwind(AssertUnwindSafe(|| file_work::run(directory, recycled, task)))
        .unwrap_or_else(|panic| Err(bug(&*panic)))
        .inspect_err(|fault| make_room(recycled, fault))
}

fn bug(panic: &(dyn Any + Send)) -> FileFault {
    io::Error::other(format!("bug: file work panicked: {}", panic_text(panic))).into()
}

fn make_room(recycled: &RecycledFiles, fault: &FileFault) {
    match fault {
        FileFault::Io(error) | FileFault::Log(LoadError::Io(error)) => recycled.make_room(error),
        FileFault::Log(_) => {}
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(text) => text,
        None => panic.downcast_ref::<&str>().unwrap_or(&"no message"),
    }
}

#[cfg(test)]
mod tests;
