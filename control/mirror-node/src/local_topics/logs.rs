//! The logs of topics made here: opened, kept small and durable, closed.

use std::io;
use std::sync::{Arc, PoisonError};

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::{LogStartOffset, Offset};

use super::{LocalTopics, LogNews, log_settings};
use crate::catalog::{Origin, Partition, Topic};
use crate::log_ledger::LogCheckpoint;
use crate::writable_log::{LogSettings, LogSpec, WritableLog};

impl LocalTopics {
    /// Opens the logs of a topic that are not open.
    pub(super) fn open_logs(&self, topic: &Topic) -> Vec<LogNews> {
        let settings = log_settings::of(&topic.configs);
        let closed = topic.partitions.iter().filter(|partition| partition.log().is_none());
        closed.flat_map(|partition| self.open_log(partition, settings)).collect()
    }

    fn open_log(&self, partition: &Arc<Partition>, settings: LogSettings) -> Vec<LogNews> {
        let (directory, name) = (&self.directory, &partition.name);
        let is_new = !partition.view.directory().is_dir();
        let clean = is_new || directory.is_closed(name);
        let spec = LogSpec {
            view: Arc::clone(&partition.view),
            topic_id: partition.id.topic_id,
            settings,
            recovery_point: directory.recovery_point(name),
            log_start: directory.log_start(name),
            clean,
            leader_epoch: LeaderEpoch::ZERO,
            cut_count: 0,
        };
        directory.note_open(name);
        let (log, findings) = match WritableLog::open(spec) {
            Ok(opened) => opened,
            Err(error) => {
                let reason = format!("cannot open the log: {error}");
                return vec![LogNews::Unusable { partition: name.clone(), reason }];
            }
        };
        log.set_leader_epoch(leader_epoch(&log, clean));
        // Recovery made all it kept durable.
        if let Some(state) = partition.view.state() {
            self.note(partition, state.log_end.offset(), state.log_start);
        }
        partition.set_log(Arc::new(log));
        let found = findings.into_iter();
        found.map(|finding| LogNews::Repaired { partition: name.clone(), finding }).collect()
    }

    /// Makes what was written durable and lets old records go; the next checkpoint has both. Ask
    /// every few seconds; `now_ms` is our clock, milliseconds since 1970. What the disk refuses is
    /// logged, and tried again the next time; a log that a sync of failed is left alone.
    pub fn keep_up(&self, now_ms: i64) {
        let _alone = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in self.local_partitions() {
            let Some(log) = partition.log().filter(|log| !log.has_sync_failed()) else { continue };
            if let Err(error) = log.apply_retention(now_ms) {
                warn_of_fault(&partition, &error);
            }
            match log.flush() {
                Ok(recovery_point) => self.note_flushed(&partition, recovery_point),
                Err(error) => warn_of_fault(&partition, &error),
            }
        }
    }

    /// Closes every log: all is durable, and the next start need not read it. Clients cannot write
    /// any more. What cannot be closed is recovered at the next start.
    pub fn close_all(&self) {
        let _unchanged = self.lock_changing();
        let _alone = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in self.local_partitions() {
            let Some(log) = partition.log() else { continue };
            let log_start = partition.view.state().map(|state| state.log_start);
            match (log.close(), log_start) {
                (Ok(end), Some(log_start)) => {
                    self.note(&partition, end, log_start);
                    self.directory.note_closed(&partition.name);
                }
                (Ok(_), None) => {}
                (Err(error), _) => {
                    tracing::warn!("{}: cannot close the log: {error}", partition.name);
                }
            }
        }
    }

    fn local_partitions(&self) -> Vec<Arc<Partition>> {
        let topics = self.catalog.topics().into_iter();
        let local = topics.filter(|topic| topic.origin == Origin::Local);
        local.flat_map(|topic| topic.partitions.clone()).collect()
    }

    fn note_flushed(&self, partition: &Partition, recovery_point: Offset) {
        // A topic that was deleted meanwhile has no checkpoint any more.
        let is_there = self.catalog.partition(partition.id).is_some();
        if let Some(state) = partition.view.state().filter(|_| is_there) {
            self.note(partition, recovery_point.max(state.log_start.offset()), state.log_start);
        }
    }

    fn note(&self, partition: &Partition, recovery_point: Offset, log_start: LogStartOffset) {
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

/// The epoch of new batches: another one when the log may have lost some, so that a reader who saw
/// them notices.
fn leader_epoch(log: &WritableLog, clean: bool) -> LeaderEpoch {
    let state = log.view().state();
    let latest = state.and_then(|state| state.epochs.latest()).map(|epoch| epoch.get());
    let next = match latest {
        None => 0,
        Some(latest) if clean => latest,
        Some(latest) => latest.saturating_add(1),
    };
    LeaderEpoch::from_wire(next).expect("an epoch of a log is not negative")
}
