//! The logs of partitions that belong to a mirror, while the engine does not have them: a log
//! whose mirroring was stopped is sealed and written to by clients; one that is to be mirrored
//! again is closed, and cut back to where the source took over.
//!
//! ```text
//!  engine has it --(it closes)--> seal --> open_for_writing --> clients write
//!        ^                                                           |
//!        +------ truncate_closed <-- close_for_mirroring <-----------+
//! ```
//! Readers are served all the way, but for the moment in which files are cut. Everything here waits
//! for the disk, and may be called for many partitions at once, each on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kafka_log::closing::close_log;
use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::{LoadRequest, LogCut, load};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{HighWatermark, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::producer::ProducerId;
use mirror_uring::real_files::RealFiles;

use super::logs::OpenedLog;
use super::told_epochs::Promise;
use super::{LocalTopics, LogNews, log_settings};
use crate::catalog::Partition;
use crate::finding_text::finding_text;
use crate::log_view::LogState;
use crate::partition_check::topic_id_cure;
use crate::writable_log::WritableLog;

/// A log behind whose mirrored batches stands that nothing of them is under way any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Transactions that were open and are aborted now.
    pub aborted: usize,
    /// Where the log ends.
    pub log_end: LogEndOffset,
}

/// Where a closed log starts and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedEnds {
    /// First offset kept.
    pub log_start: LogStartOffset,
    /// One past the last offset.
    pub log_end: LogEndOffset,
    /// Epoch of the newest batch.
    pub latest_epoch: Option<SourceLeaderEpoch>,
    /// The epoch that clients were told; above every one before when the log was cut.
    pub leader_epoch: LeaderEpoch,
    /// True when something was cut off.
    pub was_cut: bool,
}

/// What a log is cut to of which nothing is trusted: an empty one at offset 0, wherever it started.
/// The source may start below our start, and from 0 on the engine finds where it does (spec 8.8);
/// from our start on it would never ask for what lies before.
pub const CUT_ALL: LogCut = LogCut::StartAt(Offset::ZERO);

impl LocalTopics {
    /// Ends what mirrored batches have begun: aborts every open transaction and voids what the log
    /// knows of producers (KIP-1279: one ABORT for each, then MIRROR_PID_RESET), in `leader_epoch`,
    /// durably. The engine has closed the log. Clients may not write yet.
    ///
    /// Doing it again adds another reset, which changes nothing.
    ///
    /// # Errors
    /// Why it is not sealed, for people; what is missing is done by the next call.
    pub fn seal(
        &self,
        partition: &Arc<Partition>,
        leader_epoch: LeaderEpoch,
        now_ms: i64,
    ) -> Result<Sealed, String> {
        let _alone = partition.lock_upkeep();
        let log = self.held(partition, leader_epoch)?;
        let sealed = log.end_mirroring(now_ms).map_err(|error| error.to_string());
        let sealed = sealed.and_then(|aborted| {
            let recovery_point = log.flush().map_err(|error| error.to_string())?;
            self.note_flushed(partition, recovery_point);
            log.rest();
            Ok(Sealed { aborted, log_end: LogEndOffset::new(recovery_point) })
        });
        sealed.map_err(|reason| {
            if log.has_sync_failed() {
                // It takes nothing more before it was read again.
                self.close_held(partition, &log);
            }
            format!("{}: cannot end the mirroring in its log: {reason}", partition.name)
        })
    }

    /// Lets clients write to a log that was sealed, also in an earlier run of the node.
    ///
    /// # Errors
    /// Why they may not, for people.
    pub fn open_for_writing(
        &self,
        partition: &Arc<Partition>,
        leader_epoch: LeaderEpoch,
    ) -> Result<(), String> {
        let _alone = partition.lock_upkeep();
        let log = self.held(partition, leader_epoch)?;
        partition.set_log(log);
        Ok(())
    }

    /// Lets clients write to a log whose topic belongs to no mirror any more; does nothing when it
    /// is gone, or belongs to one again.
    ///
    /// # Errors
    /// Why they may not, for people.
    pub fn open_unbound(&self, partition: &Arc<Partition>) -> Result<(), String> {
        let _alone = partition.lock_upkeep();
        let topic = self.catalog.topic_of(partition.id.topic_id);
        if topic.is_none_or(|topic| topic.is_bound()) || partition.log().is_some() {
            return Ok(());
        }
        partition.set_log(self.held(partition, LeaderEpoch::ZERO)?);
        Ok(())
    }

    /// Lets clients write to a log that was sealed and is open for this node; false when it is not,
    /// or when that needs the disk or a wait.
    pub fn open_if_held(&self, partition: &Partition, leader_epoch: LeaderEpoch) -> bool {
        let Some(_alone) = partition.try_lock_upkeep() else { return false };
        let Some(log) = partition.held_log() else { return false };
        let leader_epoch = leader_epoch.max(self.told(partition));
        if log.leader_epoch() != Some(leader_epoch)
            || self.directory.lock().state.leader_epoch(&partition.name) < leader_epoch
        {
            return false;
        }
        partition.set_log(log);
        true
    }

    /// Lets clients write to logs that were sealed in an earlier run: with one write of
    /// `ringmirror.json` for all. Gives up between two logs when `stop` is set.
    pub fn open_stopped(&self, partitions: &[Arc<Partition>], stop: &AtomicBool) -> Vec<LogNews> {
        let closed = partitions.iter().filter(|one| one.held_log().is_none());
        let with_settings = closed.map(|partition| {
            let topic = self.catalog.topic(&partition.name.topic);
            let configs = topic.map(|topic| topic.configs.clone()).unwrap_or_default();
            (Arc::clone(partition), log_settings::of(&configs))
        });
        let with_settings: Vec<_> = with_settings.collect();
        if stop.load(Ordering::Relaxed) { Vec::new() } else { self.open_each(with_settings, stop) }
    }

    /// Takes a log away from clients: what they were told is written is in the log and durable
    /// when this returns, and whatever comes later is refused. The log is closed then, and shown to
    /// readers as it is.
    ///
    /// # Errors
    /// When the disk refuses, for people; clients may not write all the same, and the next load
    /// reads the log.
    pub fn close_for_mirroring(&self, partition: &Arc<Partition>) -> Result<(), String> {
        let _alone = partition.lock_upkeep();
        let Some(log) = partition.take_log() else { return Ok(()) };
        self.close_taken(partition, &log)
    }

    /// Cuts a log that nobody has open, shows readers what is left, and returns where that starts
    /// and ends. A log that ends at or below the cut stays as it is. When something is cut off,
    /// clients are told a leader epoch above all before: whoever read beyond the cut notices.
    ///
    /// A batch that holds the offset to cut at goes whole.
    ///
    /// # Errors
    /// Why the log is not as asked for, for people; doing it again is safe.
    pub fn truncate_closed(
        &self,
        partition: &Arc<Partition>,
        cut: LogCut,
    ) -> Result<ClosedEnds, String> {
        let _alone = partition.lock_upkeep();
        let name = &partition.name;
        if partition.held_log().is_some() {
            return Err(format!("{name}: its log is open for writing: close it first"));
        }
        let told = self.told(partition);
        let shown = partition.view.state().filter(|_| self.directory.is_closed(name));
        if let Some(state) = shown.filter(|state| !cuts(state, cut)) {
            return Ok(ends_of(&state, told));
        }
        if !partition.view.directory().is_dir() {
            let (log_start, log_end) = (LogStartOffset::default(), LogEndOffset::default());
            let leader_epoch = told;
            let latest_epoch = None;
            let was_cut = false;
            return Ok(ClosedEnds { log_start, log_end, latest_epoch, leader_epoch, was_cut });
        }
        self.cut(partition, cut, told)
    }

    fn cut(
        &self,
        partition: &Arc<Partition>,
        cut: LogCut,
        told: LeaderEpoch,
    ) -> Result<ClosedEnds, String> {
        let name = &partition.name;
        let failed = |reason: String| format!("{name}: cannot cut its log: {reason}");
        let leader_epoch = next_epoch(told);
        self.remember(partition, leader_epoch, None).map_err(failed)?;
        if let LogCut::TruncateTo(end) | LogCut::StartAt(end) = cut {
            // Before anything goes: what comes to lie there later is not durable yet.
            self.directory.note_cut(name, end);
            self.directory.write_checkpoints().map_err(|error| failed(error.to_string()))?;
        }
        let before = partition.view.state();
        let clean = self.directory.is_closed(name);
        self.directory.note_open(name);
        partition.view.withdraw();
        let topic = self.catalog.topic(&name.topic);
        let configs = topic.map(|topic| topic.configs.clone()).unwrap_or_default();
        let request = LoadRequest {
            topic_id: partition.id.topic_id,
            config: log_settings::of(&configs).log,
            recovery_point: self.directory.recovery_point(name),
            log_start: self.directory.log_start(name),
            clean,
            cut,
        };
        let mut files = RealFiles::new(partition.view.directory().to_owned());
        let loaded = load(&mut files, &request)
            .map_err(|error| failed(self.with_cure(partition, error.to_string())))?;
        close_log(&mut files, &loaded.log.close()).map_err(|error| failed(error.to_string()))?;
        self.catalog.note_producer_id(loaded.log.producer_id_max());
        for finding in &loaded.findings {
            tracing::warn!("{name}: {}", finding_text(finding));
        }
        let end = loaded.log.accepted_end().offset();
        self.note(partition, end, loaded.log.log_start());
        self.directory.note_closed(name);
        let state = closed_state(&loaded.log, leader_epoch, partition.view.cut_count() + 1);
        let was_cut = before.is_none_or(|before| {
            before.log_end != state.log_end || before.log_start != state.log_start
        });
        let ends = ClosedEnds { was_cut, ..ends_of(&state, leader_epoch) };
        partition.view.publish(state);
        Ok(ends)
    }

    /// The log, open for this node, with at least that epoch; it is opened when it is not.
    fn held(
        &self,
        partition: &Arc<Partition>,
        leader_epoch: LeaderEpoch,
    ) -> Result<Arc<WritableLog>, String> {
        let log = match partition.held_log() {
            Some(log) => log,
            None => self.open_unshown(partition, leader_epoch)?,
        };
        let failed = |reason| format!("{}: {reason}", partition.name);
        let leader_epoch = leader_epoch.max(self.told(partition));
        self.remember(partition, leader_epoch, log.producer_id_max()).map_err(failed)?;
        if log.leader_epoch().is_none_or(|known| known < leader_epoch) {
            log.set_leader_epoch(leader_epoch);
        }
        Ok(log)
    }

    fn open_unshown(
        &self,
        partition: &Arc<Partition>,
        at_least: LeaderEpoch,
    ) -> Result<Arc<WritableLog>, String> {
        let topic = self.catalog.topic(&partition.name.topic);
        let configs = topic.map(|topic| topic.configs.clone()).unwrap_or_default();
        let (opened, findings) = self.open_unseen(partition, log_settings::of(&configs))?;
        for finding in findings {
            tracing::warn!("{}: {}", partition.name, finding_text(&finding));
        }
        let OpenedLog { log, leader_epoch, .. } = opened;
        let leader_epoch = leader_epoch.max(at_least);
        let failed = |reason| format!("{}: {reason}", partition.name);
        self.remember(partition, leader_epoch, log.producer_id_max()).map_err(failed)?;
        self.catalog.note_producer_id(log.producer_id_max());
        log.set_leader_epoch(leader_epoch);
        if let Some(state) = partition.view.state() {
            // Recovery made all it kept durable.
            self.note(partition, state.log_end.offset(), state.log_start);
        }
        let log = Arc::new(log);
        partition.hold_log(Arc::clone(&log));
        Ok(log)
    }

    fn close_held(&self, partition: &Partition, log: &WritableLog) {
        partition.take_log();
        if let Err(reason) = self.close_taken(partition, log) {
            tracing::warn!("{reason}");
        }
    }

    fn close_taken(&self, partition: &Partition, log: &WritableLog) -> Result<(), String> {
        let name = &partition.name;
        let end = log.close_shown();
        let end = end.map_err(|error| format!("{name}: cannot close its log: {error}"))?;
        let log_start = partition.view.state().map(|state| state.log_start);
        self.note(partition, end, log_start.unwrap_or_default());
        self.directory.note_closed(name);
        Ok(())
    }

    /// The leader epoch that clients may know.
    pub(super) fn told(&self, partition: &Partition) -> LeaderEpoch {
        let remembered = self.directory.lock().state.leader_epoch(&partition.name);
        partition.view.state().map_or(remembered, |state| state.leader_epoch.max(remembered))
    }

    pub(super) fn remember(
        &self,
        partition: &Partition,
        leader_epoch: LeaderEpoch,
        producer_id: Option<ProducerId>,
    ) -> Result<(), String> {
        let promise = Promise { name: partition.name.clone(), leader_epoch, producer_id };
        let remembered = self.told_epochs.remember(&self.directory, &promise);
        remembered.map_err(|error| format!("its leader epoch cannot be remembered: {error}"))
    }

    /// The reason with what to do about it, when nobody can tell whose directory that is.
    pub(super) fn with_cure(&self, partition: &Partition, reason: String) -> String {
        match topic_id_cure(self.directory.root(), &partition.name, partition.id.topic_id) {
            Some(cure) => format!("{reason}: {cure}"),
            None => reason,
        }
    }
}

/// True when something of a log lies behind the cut.
fn cuts(state: &LogState, cut: LogCut) -> bool {
    match cut {
        LogCut::Keep => false,
        LogCut::TruncateTo(end) => state.log_end.offset() > end,
        LogCut::StartAt(start) => {
            (state.log_start.offset(), state.log_end.offset()) != (start, start)
        }
    }
}

fn ends_of(state: &LogState, leader_epoch: LeaderEpoch) -> ClosedEnds {
    let LogState { log_start, log_end, .. } = *state;
    let latest_epoch = state.epochs.latest();
    ClosedEnds { log_start, log_end, latest_epoch, leader_epoch, was_cut: false }
}

/// What readers are shown of a log that nobody writes yet.
fn closed_state(log: &PartitionLog, leader_epoch: LeaderEpoch, cut_count: u64) -> LogState {
    LogState {
        log_start: log.log_start(),
        log_end: log.accepted_end(),
        high_watermark: HighWatermark::new(log.accepted_end().offset()),
        last_stable_offset: log.last_stable_offset(),
        end_place: log.end_place(),
        epochs: Arc::new(log.epochs().clone()),
        leader_epoch,
        cut_count,
    }
}

/// The epoch behind that one; itself at the end of all epochs.
fn next_epoch(told: LeaderEpoch) -> LeaderEpoch {
    LeaderEpoch::from_wire(told.get().saturating_add(1)).unwrap_or(told)
}

#[cfg(test)]
mod tests;
