//! The logs of topics made here: opened, kept small and durable, closed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kafka_log::recovery::LoadFinding;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::TopicPartition;

use super::sealing::CLOSED_TOGETHER_MAX;
use super::{LocalTopics, LogNews, log_settings};
use crate::catalog::{Partition, Topic};
use crate::directory::DirectoryError;
use crate::local_log::LocalLog;
use crate::log_ledger::LogCheckpoint;
use crate::mirror_state_journal::MIRROR_STATE_TOPIC;
use crate::writable_log::{LogSettings, LogSpec, WritableLog};

/// A log that was opened, and that nobody sees yet.
pub(super) struct OpenedLog {
    partition: Arc<Partition>,
    pub(super) log: WritableLog,
    /// The epoch it will have; clients may be told once it is remembered.
    pub(super) leader_epoch: LeaderEpoch,
}

impl LocalTopics {
    /// Opens the logs of topics that are not open.
    pub(super) fn open_logs(&self, topics: &[Arc<Topic>], stop: &AtomicBool) -> Vec<LogNews> {
        let partitions = topics.iter().flat_map(|topic| {
            let settings = log_settings::of(&topic.configs);
            let closed = topic.partitions.iter().filter(|one| one.log().is_none());
            closed.map(move |partition| (Arc::clone(partition), settings))
        });
        self.open_each(partitions.collect(), stop)
    }

    /// Opens logs and lets clients write to them.
    pub(super) fn open_each(
        &self,
        partitions: Vec<(Arc<Partition>, LogSettings)>,
        stop: &AtomicBool,
    ) -> Vec<LogNews> {
        let (mut opened, mut news) = (Vec::new(), Vec::new());
        for (partition, settings) in partitions {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let name = &partition.name;
            match self.open_unseen(&partition, settings) {
                Ok((log, findings)) => {
                    opened.push(log);
                    let repaired = |finding| LogNews::Repaired { partition: name.clone(), finding };
                    news.extend(findings.into_iter().map(repaired));
                }
                Err(reason) => {
                    news.push(LogNews::Unusable { partition: name.clone(), reason });
                }
            }
        }
        let remembered = self.remember_epochs(&opened);
        for opened in opened {
            let name = &opened.partition.name;
            let is_told = self.directory.lock().state.leader_epoch(name) >= opened.leader_epoch;
            match &remembered {
                Err(error) if !is_told => {
                    let reason = format!("its leader epoch cannot be remembered: {error}");
                    news.push(LogNews::Unusable { partition: name.clone(), reason });
                }
                _ => self.show_log(opened),
            }
        }
        news
    }

    /// Opens a log that nobody has open. Readers go on as before until it is shown.
    pub(super) fn open_unseen(
        &self,
        partition: &Arc<Partition>,
        settings: LogSettings,
    ) -> Result<(OpenedLog, Vec<LoadFinding>), String> {
        let (directory, name) = (&self.directory, &partition.name);
        let is_new = !partition.view.directory().is_dir();
        let spec = self.spec_of_log(partition, settings);
        let (clean, told, shown) = (spec.clean, spec.leader_epoch, partition.view.state());
        if name.topic.as_str() == MIRROR_STATE_TOPIC && !is_new {
            self.check_durable(name)?;
        }
        directory.note_open(name);
        let (log, findings) = WritableLog::open_unseen(spec).map_err(|error| {
            format!("cannot open the log: {}", self.with_cure(partition, error.to_string()))
        })?;
        log.note_cut_unless(shown.as_deref());
        // Most logs are not written to for long: the first to write opens what it needs.
        log.rest();
        // A node opens the logs of its mirrors first, and leaves them closed.
        let is_whole = clean && !directory.was_repaired(name);
        let leader_epoch = leader_epoch(told, log.latest_epoch(), is_whole);
        Ok((OpenedLog { partition: Arc::clone(partition), log, leader_epoch }, findings))
    }

    /// What is known of a log that nobody has open.
    pub(super) fn spec_of_log(&self, partition: &Partition, settings: LogSettings) -> LogSpec {
        let (directory, name) = (&self.directory, &partition.name);
        let is_new = !partition.view.directory().is_dir();
        LogSpec {
            view: Arc::clone(&partition.view),
            topic_id: partition.id.topic_id,
            settings,
            recovery_point: directory.recovery_point(name),
            log_start: directory.log_start(name),
            clean: is_new || directory.is_closed(name),
            leader_epoch: directory.lock().state.leader_epoch(name),
            cut_count: partition.view.cut_count(),
        }
    }

    /// Looks whether all that was durable is still there: recovery would cut off what is not, and
    /// nobody could tell any more. For logs that only this node has the records of.
    fn check_durable(&self, name: &TopicPartition) -> Result<(), String> {
        let Some(durable) = self.directory.recovery_point(name) else { return Ok(()) };
        let damaged = |what: String| {
            format!("what was durable is damaged: {what}: restore its directory from a copy")
        };
        let log = LocalLog::open(self.directory.root(), name);
        let log = log.map_err(|error| damaged(error.to_string()))?;
        let log_start = self.directory.log_start(name).unwrap_or_default();
        let mut batches = log.batches(log_start.offset()).of_open_log(durable);
        while batches.end() < durable {
            match batches.next_batch() {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let end = batches.end();
                    return Err(damaged(format!("it ends at {end}, and ended at {durable}")));
                }
                Err(error) => return Err(damaged(error.to_string())),
            }
        }
        Ok(())
    }

    /// Remembers the leader epochs that clients are about to be told.
    fn remember_epochs(&self, opened: &[OpenedLog]) -> Result<(), DirectoryError> {
        let mut directory = self.directory.lock();
        let is_told =
            |one: &OpenedLog| directory.state.leader_epoch(&one.partition.name) >= one.leader_epoch;
        if opened.iter().all(is_told) {
            return Ok(());
        }
        let before = directory.state.clone();
        for OpenedLog { partition, leader_epoch, .. } in opened {
            let TopicPartition { topic, partition } = &partition.name;
            if let Some(topic) = directory.state.local_topics.get_mut(topic) {
                topic.raise_leader_epoch(*partition, *leader_epoch);
            } else if let Some(topic) = directory.state.topics.get_mut(topic) {
                topic.raise_leader_epoch(*partition, *leader_epoch);
            }
        }
        directory.write_state().inspect_err(|_| directory.state = before)
    }

    /// Clients may read the log and write to it.
    fn show_log(&self, opened: OpenedLog) {
        let OpenedLog { partition, log, leader_epoch } = opened;
        log.set_leader_epoch(leader_epoch);
        // Recovery made all it kept durable.
        if let Some(state) = partition.view.state() {
            self.note(&partition, state.log_end.offset(), state.log_start);
        }
        self.catalog.note_producer_id(log.producer_id_max());
        partition.set_log(Arc::new(log));
    }

    /// Makes what was written durable and lets old records go; the next checkpoint has both. Ask
    /// every few seconds; `now_ms` is our clock, milliseconds since 1970. What the disk refuses is
    /// logged, and tried again the next time; a log that a sync of failed is left alone.
    pub fn keep_up(&self, now_ms: i64) {
        let partitions = self.held_partitions();
        self.close_sealed_on_disk(&partitions);
        for partition in partitions {
            let _alone = partition.lock_upkeep();
            let log = partition.held_log().filter(|log| !log.has_sync_failed());
            let Some(log) = log else { continue };
            if let Err(error) = log.apply_retention(now_ms) {
                warn_of_fault(&partition, &error);
            }
            let is_quiet = log.is_durable();
            match log.flush() {
                Ok(recovery_point) => {
                    self.note_flushed(&partition, recovery_point);
                    if is_quiet {
                        log.rest();
                    }
                }
                Err(error) => warn_of_fault(&partition, &error),
            }
        }
    }

    /// Closes every log: all is durable, and the next start need not read it. Clients cannot write
    /// any more. What cannot be closed is recovered at the next start.
    pub fn close_all(&self) {
        let _unchanged = self.lock_changing();
        let partitions = self.held_partitions();
        if partitions.len() >= CLOSED_TOGETHER_MIN {
            let groups = partitions.chunks(CLOSED_TOGETHER_MAX);
            on_threads(GROUPS_MAX, groups, |group| self.close_on_disk(group));
        }
        on_threads(CLOSING_THREADS_MAX, partitions.iter(), |one| self.close_log(one));
    }

    fn close_log(&self, partition: &Partition) {
        let _alone = partition.lock_upkeep();
        let Some(log) = partition.held_log() else { return };
        let log_start = partition.view.state().map(|state| state.log_start);
        match (log.close(), log_start) {
            (Ok(end), Some(log_start)) => {
                self.note(partition, end, log_start);
                self.directory.note_closed(&partition.name);
            }
            (Ok(_), None) => {}
            (Err(error), _) => {
                tracing::warn!("{}: cannot close the log: {error}", partition.name);
            }
        }
    }

    /// The partitions whose logs are open here, of topics made here and of stopped mirrors.
    fn held_partitions(&self) -> Vec<Arc<Partition>> {
        let topics = self.catalog.topics().into_iter();
        let partitions = topics.flat_map(|topic| topic.partitions.clone());
        partitions.filter(|partition| partition.held_log().is_some()).collect()
    }

    pub(super) fn note_flushed(&self, partition: &Partition, recovery_point: Offset) {
        // A topic that was deleted meanwhile has no checkpoint any more.
        let is_there = self.catalog.partition(partition.id).is_some();
        if let Some(state) = partition.view.state().filter(|_| is_there) {
            self.note(partition, recovery_point.max(state.log_start.offset()), state.log_start);
        }
    }

    pub(super) fn note(
        &self,
        partition: &Partition,
        recovery_point: Offset,
        log_start: LogStartOffset,
    ) {
        let high_watermark = Some(recovery_point);
        let checkpoint = LogCheckpoint { recovery_point, log_start, high_watermark };
        self.directory.note(&partition.name, checkpoint);
    }
}

/// A log that was closed or deleted meanwhile has no fault.
fn warn_of_fault(partition: &Partition, error: &io::Error) {
    if partition.view.state().is_some() {
        tracing::warn!("{}: cannot keep the log up: {error}", partition.name);
    }
}

/// The epoch of new batches, never below one that clients were told: another one when the log may
/// have lost some, so that a reader who saw them notices.
fn leader_epoch(
    told: LeaderEpoch,
    latest: Option<SourceLeaderEpoch>,
    is_clean: bool,
) -> LeaderEpoch {
    let known = latest.map_or_else(|| told.get(), |latest| latest.get().max(told.get()));
    let next = if is_clean { known } else { known.saturating_add(1) };
    LeaderEpoch::from_wire(next).expect("an epoch of a log is not negative")
}

/// Does something to each of these, on so many threads at most.
fn on_threads<T: Send>(
    threads_max: usize,
    all: impl ExactSizeIterator<Item = T> + Send,
    act: impl Fn(T) + Sync,
) {
    let threads = all.len().min(threads_max);
    let waiting = Mutex::new(all);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(one) = next else { return };
                    act(one);
                }
            });
        }
    });
}

/// Fewer logs are closed one by one: syncing the file system writes what others have in the page
/// cache.
const CLOSED_TOGETHER_MIN: usize = 16;
/// Groups of logs that are closed at once: one is written while another one is synced.
const GROUPS_MAX: usize = 3;
/// Logs that are closed at once: each waits for the disk some eight times, and a file system makes
/// many files durable in one go.
const CLOSING_THREADS_MAX: usize = 16;
