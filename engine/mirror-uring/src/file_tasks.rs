//! Slow work on partition directories: on helper threads, one task per partition at a time.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
/// and short ones are done together.
const HANDED_OUT_MAX: usize = 1024;
/// Fewer tasks are done one by one: syncing the file system writes what others have in the page
/// cache.
const DONE_TOGETHER_MIN: usize = 16;

/// A task and where its files are.
type Task = (PartitionSlot, PathBuf, FileTask);

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
    tasks: VecDeque<Task>,
    /// Tasks that take longer to sync than to do, see [`file_work::is_short`].
    short: VecDeque<Task>,
    /// True while a helper does many of these together: those that come meanwhile wait, so that
    /// they are done together as well.
    has_group: bool,
    helper_count: usize,
}

/// What a helper does next.
enum NextWork {
    One(Task),
    Together(Vec<Task>),
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
            let queue = match file_work::is_short(&task) {
                true => &mut desk.short,
                false => &mut desk.tasks,
            };
            queue.push_back((slot, directory, task));
        }
        while desk.has_work() && desk.helper_count < FILE_TASKS_MAX.min(self.handed_out_count) {
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
        while let Some(next) = self.next() {
            match next {
                NextWork::One((slot, directory, task)) => {
                    let result = run_caught(&directory, &self.recycled, task);
                    // Nobody listens when the shard has ended.
                    let _ = self.done.send(FileTaskDone { slot, result });
                }
                NextWork::Together(tasks) => {
                    self.run_together(tasks);
                    lock(&self.desk).has_group = false;
                }
            }
        }
    }

    fn run_together(&self, tasks: Vec<Task>) {
        let slots: Vec<_> = tasks.iter().map(|(slot, ..)| *slot).collect();
        let tasks = tasks.into_iter().map(|(_, directory, task)| (directory, task)).collect();
        let results = panic::catch_unwind(AssertUnwindSafe(|| {
            file_work::run_together(tasks, &self.recycled)
        }));
        let results =
            results.unwrap_or_else(|panic| slots.iter().map(|_| Err(bug(&*panic))).collect());
        for (slot, result) in slots.into_iter().zip(results) {
            let result = result.inspect_err(|fault| make_room(&self.recycled, fault));
            let _ = self.done.send(FileTaskDone { slot, result });
        }
    }

    /// What to do next; without anything the helper has left, and another one comes with the next
    /// task. Whoever does many together looks again before it leaves.
    fn next(&self) -> Option<NextWork> {
        let mut desk = lock(&self.desk);
        let next = desk.next();
        if next.is_none() {
            desk.helper_count -= 1;
        }
        next
    }
}

impl Desk {
    fn has_work(&self) -> bool {
        !self.tasks.is_empty() || !self.has_group && !self.short.is_empty()
    }

    fn next(&mut self) -> Option<NextWork> {
        if !self.has_group && self.short.len() >= DONE_TOGETHER_MIN {
            self.has_group = true;
            return Some(NextWork::Together(self.short.drain(..).collect()));
        }
        let one = self.tasks.pop_front();
        one.or_else(|| self.short.pop_front_if(|_| !self.has_group)).map(NextWork::One)
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
