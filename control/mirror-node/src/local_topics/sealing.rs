//! Sealing the logs of many partitions whose mirroring was stopped together: each is written, all
//! are made durable at once, and each is left open, so that clients get it without its being read.
//!
//! ```text
//!  seal:    batches behind the mirrored ones -> one sync for all -> held, clients may have them
//!  closing: index ends, epochs, snapshot of each -> two syncs for all, once nobody seals
//! ```
//! A log needs no more than its batches to be sealed: recovery makes the rest from them. The
//! rest is several new files for each log, and whoever stops everything does not wait for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::LogEndOffset;
use mirror_uring::deferred_files::{DeferredFiles, SharedSync};

use super::stopped_mirrors::Sealed;
use super::{LocalTopics, log_settings};
use crate::catalog::Partition;
use crate::finding_text::finding_text;
use crate::writable_log::{SettledLog, WritableLog};

/// A log that was sealed, but for being durable.
struct UnsettledSeal {
    aborted: usize,
    log: SettledLog,
}

impl LocalTopics {
    /// Does what [`Self::seal`] does to each of these logs; one outcome for each.
    pub fn seal_together(
        &self,
        logs: &[(Arc<Partition>, LeaderEpoch)],
        now_ms: i64,
    ) -> Vec<Result<Sealed, String>> {
        // Whoever opens logs takes their order from the same queue as this, so none opens one now.
        let is_open =
            |(partition, _): &&(Arc<Partition>, LeaderEpoch)| partition.held_log().is_some();
        let _alone: Vec<_> = logs
            .iter()
            .filter(|one| !is_open(one))
            .map(|(partition, _)| partition.lock_upkeep())
            .collect();
        // Before anything is written.
        let sync = match SharedSync::open(self.directory.root()) {
            Ok(sync) => sync,
            Err(error) => return logs.iter().map(|one| Err(failed(&one.0, &error))).collect(),
        };
        let mut files = Vec::new();
        let mut written = Vec::new();
        for one in logs {
            let (partition, leader_epoch) = one;
            written.push(if is_open(&one) {
                Written::AtOnce(self.seal(partition, *leader_epoch, now_ms))
            } else {
                match self.write_seal(partition, *leader_epoch, now_ms) {
                    Ok((seal, of_log)) => {
                        files.push(of_log);
                        Written::Unsettled(Box::new(seal))
                    }
                    Err(reason) => Written::AtOnce(Err(reason)),
                }
            });
        }
        let mut settled = sync.settle(files).into_iter();
        let outcomes = logs.iter().zip(written).map(|((partition, _), written)| match written {
            Written::AtOnce(outcome) => outcome,
            Written::Unsettled(seal) => {
                let settled = settled.next().expect("every log that was written is settled");
                settled.map_err(|error| failed(partition, &error))?;
                Ok(self.hold_sealed(partition, *seal))
            }
        });
        outcomes.collect()
    }

    fn write_seal(
        &self,
        partition: &Arc<Partition>,
        leader_epoch: LeaderEpoch,
        now_ms: i64,
    ) -> Result<(UnsettledSeal, DeferredFiles), String> {
        let name = &partition.name;
        let topic = self.catalog.topic(&name.topic);
        let configs = topic.map(|topic| topic.configs.clone()).unwrap_or_default();
        let spec = self.spec_of_log(partition, log_settings::of(&configs));
        let shown = partition.view.state();
        let leader_epoch = leader_epoch.max(self.told(partition));
        self.directory.note_open(name);
        let (log, findings) = WritableLog::open_deferred(spec).map_err(|error| {
            format!("cannot open the log: {}", self.with_cure(partition, error.to_string()))
        })?;
        for finding in findings {
            tracing::warn!("{name}: {}", finding_text(&finding));
        }
        log.note_cut_unless(shown.as_deref());
        self.remember(partition, leader_epoch, log.producer_id_max())
            .map_err(|reason| format!("{name}: {reason}"))?;
        self.catalog.note_producer_id(log.producer_id_max());
        log.set_leader_epoch(leader_epoch);
        let aborted = log.end_mirroring(now_ms).map_err(|error| failed(partition, &error))?;
        let (log, files) = log.leave_open().map_err(|error| failed(partition, &error))?;
        Ok((UnsettledSeal { aborted, log }, files))
    }

    /// Nobody has the log: those of these logs were locked before they were opened.
    fn hold_sealed(&self, partition: &Partition, seal: UnsettledSeal) -> Sealed {
        let UnsettledSeal { aborted, log } = seal;
        let (log_start, end) = (partition.view.state().map(|state| state.log_start), log.end());
        self.note(partition, end, log_start.unwrap_or_default());
        // Its epoch was raised for the stop: the repair needs no other one.
        self.directory.note_epoch_told(&partition.name);
        partition.hold_log(Arc::new(log.reopened()));
        self.seal_count.fetch_add(1, Ordering::Relaxed);
        Sealed { aborted, log_end: LogEndOffset::new(end) }
    }

    /// Closes on disk what seals left, unless logs were sealed since this was asked last: what is
    /// being stopped has the disk to itself.
    pub(super) fn close_sealed_on_disk(&self, partitions: &[Arc<Partition>]) {
        let sealed = self.seal_count.load(Ordering::Relaxed);
        if self.seal_count_kept_up.swap(sealed, Ordering::Relaxed) != sealed {
            return;
        }
        let owing = |one: &&Arc<Partition>| one.held_log().is_some_and(|log| log.owes_closing());
        let owing: Vec<_> = partitions.iter().filter(owing).cloned().collect();
        for group in owing.chunks(CLOSED_TOGETHER_MAX) {
            self.close_on_disk(group);
        }
    }

    /// Brings the files of logs to where closing leaves them, and leaves them open. Logs that
    /// somebody else is busy with are left out.
    pub(super) fn close_on_disk(&self, partitions: &[Arc<Partition>]) {
        let free = partitions.iter().filter_map(|partition| {
            let alone = partition.try_lock_upkeep()?;
            Some((partition, partition.held_log()?, alone))
        });
        let free: Vec<_> = free.collect();
        // Before anything is written.
        let sync = match SharedSync::open(self.directory.root()) {
            Ok(sync) => sync,
            Err(error) => return tracing::warn!("cannot close logs on disk: {error}"),
        };
        let (mut closing, mut files) = (Vec::new(), Vec::new());
        for (partition, log, _) in &free {
            match log.begin_closing() {
                Ok(None) => {}
                Ok(Some((log, of_log))) => {
                    closing.push((partition, log));
                    files.push(of_log);
                }
                Err(error) => warn_of_closing(partition, &error),
            }
        }
        let outcomes = sync.settle(files);
        for ((partition, log), settled) in closing.into_iter().zip(outcomes) {
            if let Err(error) = log.end(settled, sync.has_failed()) {
                warn_of_closing(partition, &error);
            }
        }
    }
}

/// It is tried again, at the latest when the node stops.
fn warn_of_closing(partition: &Partition, error: &io::Error) {
    tracing::warn!("{}: cannot close the log on disk: {error}", partition.name);
}

/// Logs that are closed on disk together: two syncs serve all of them.
pub(super) const CLOSED_TOGETHER_MAX: usize = 512;

/// How far the seal of one log is.
enum Written {
    /// Done, or failed.
    AtOnce(Result<Sealed, String>),
    /// Written, and not durable.
    Unsettled(Box<UnsettledSeal>),
}

fn failed(partition: &Partition, error: &dyn std::error::Error) -> String {
    format!("{}: cannot end the mirroring in its log: {error}", partition.name)
}
