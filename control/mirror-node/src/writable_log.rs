//! The log of one partition that clients, or this node itself, write to: a log that no mirror
//! feeds.
//!
//! **What it is.** [`PartitionLog`](kafka_log::partition_log::PartitionLog) decides where batches
//! go and what indexes they earn; this writes them, with blocking file calls, and tells readers
//! through the partition's [`LogView`]. Methods take `&self`; call them on threads that may block.
//!
//! ```text
//!  append -> check the batch (no lock) -> | lock: sequence, offset, write, publish |
//!  flush, retention, close                | finisher: rolled segments, syncs       |
//! ```
//!
//! **Invariants.**
//! - State in memory moves after the bytes were written. Of a write that failed nothing remains:
//!   it is cut off before the next one, and the log refuses appends until that worked.
//! - Readers see an end only once every byte below it is in a file.
//! - Once a sync failed the log takes nothing more, and nothing more of it is called durable: what
//!   reached the disk is only known when it was read again, by the next start. Readers keep it.
//! - Syncing never holds up appends: a segment that rolled is finished by the next flush.
//! - Three files are open for each log at most, whatever the number of its segments; none of one
//!   that rests ([`WritableLog::rest`]).
//!
//! **What it does not know.** Who may write, acknowledgements, when to flush and to look for old
//! records (the server's), directory checkpoints: recovery points come from [`WritableLog::flush`]
//! and log starts are in the view; whoever keeps the checkpoints writes them.
//!
//! **Limits.** `compression.type` other than `producer` is not honoured: batches keep their codec.
//! Nothing is compacted. Transactional batches are refused.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use kafka_log::partition_files::PartitionFiles;
use kafka_log::recovery::{LoadError, LoadFinding, LoadRequest, LogCut, load_telling};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::TopicId;
use kafka_wire::producer::ProducerId;
use mirror_uring::deferred_files::DeferredFiles;
use mirror_uring::real_files::RealFiles;

use crate::batch_records::DecompressionBudget;
use crate::log_view::{LogState, LogView};
use crate::writable_log::open_log::OpenLog;
use crate::writable_log::produced_batch::ProducedBatch;
use crate::writable_log::producer_window::ProducerWindows;
use crate::writable_log::sync_watch::{SyncFault, SyncWatch};

pub mod append_error;
mod end_of_mirroring;
mod open_log;
mod produced_batch;
mod producer_window;
mod retention;
pub mod settings;
mod sync_watch;
mod upkeep;

pub use append_error::AppendError;
pub use retention::{DeleteRecordsError, Retired};
pub use settings::LogSettings;
pub use sync_watch::SyncFailed;
pub(crate) use upkeep::SettledLog;

/// What is needed to open a log.
#[derive(Clone, Debug)]
pub struct LogSpec {
    /// Where readers look; its directory is the log's, and is made when it does not exist.
    pub view: Arc<LogView>,
    /// Whose log it is.
    pub topic_id: TopicId,
    /// The topic's settings.
    pub settings: LogSettings,
    /// Everything below is durable, from the directory's checkpoint.
    pub recovery_point: Option<Offset>,
    /// Log start from the directory's checkpoint; where a new log begins.
    pub log_start: Option<LogStartOffset>,
    /// True when the directory was closed cleanly.
    pub clean: bool,
    /// The epoch that new batches carry.
    pub leader_epoch: LeaderEpoch,
    /// What readers of this view counted so far; see `LogState::cut_count`.
    pub cut_count: u64,
}

/// One partition's log, open for writing. Dropping it closes nothing: call [`Self::close`].
#[derive(Debug)]
pub struct WritableLog<F = RealFiles> {
    view: Arc<LogView>,
    settings: RwLock<LogSettings>,
    /// `None` once it was closed.
    open: Mutex<Option<OpenLog<F>>>,
    /// The files as seen by slow work; taken before `open`, never after it.
    finisher: Mutex<SyncWatch<F>>,
    /// The finisher's sync that failed.
    sync_fault: SyncFault,
}

/// A batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Who wrote it, when its producer is idempotent.
    pub producer_id: Option<ProducerId>,
    /// Our time when the topic's timestamps are ours, else -1; of a repeated batch, the largest
    /// timestamp it has.
    pub log_append_time_ms: i64,
    /// Where the log starts.
    pub log_start: LogStartOffset,
    /// True when the batch was in the log already.
    pub is_duplicate: bool,
    /// True when a segment was rolled: flush soon.
    pub rolled: bool,
}

impl WritableLog {
    /// Opens the log, or makes an empty one, and publishes where it stands. Returns what recovery
    /// found.
    ///
    /// # Errors
    /// When the system refuses or the directory belongs to another topic.
    pub fn open(spec: LogSpec) -> Result<(Self, Vec<LoadFinding>), LoadError> {
        let (log, findings) = Self::open_unseen(spec)?;
        log.publish();
        Ok((log, findings))
    }

    /// Opens the log as [`Self::open`] does, and shows it to no reader before
    /// [`Self::set_leader_epoch`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_unseen(spec: LogSpec) -> Result<(Self, Vec<LoadFinding>), LoadError> {
        RealFiles::new(spec.view.directory().to_owned()).create_directory()?;
        Self::open_in(spec, RealFiles::new)
    }
}

impl WritableLog<DeferredFiles> {
    /// Opens the log as [`WritableLog::open_unseen`] does; what is written is durable once its
    /// files
    /// were settled.
    pub(crate) fn open_deferred(spec: LogSpec) -> Result<(Self, Vec<LoadFinding>), LoadError> {
        RealFiles::new(spec.view.directory().to_owned()).create_directory()?;
        Self::open_in(spec, DeferredFiles::new)
    }
}

impl<F: PartitionFiles> WritableLog<F> {
    /// Opens the log in files that `make_files` gives, in a directory that exists; readers do not
    /// see it yet.
    fn open_in(
        spec: LogSpec,
        make_files: impl Fn(PathBuf) -> F,
    ) -> Result<(Self, Vec<LoadFinding>), LoadError> {
        let files = || make_files(spec.view.directory().to_owned());
        let mut finisher = SyncWatch::new(files(), spec.view.directory().to_owned());
        let request = LoadRequest {
            topic_id: spec.topic_id,
            config: spec.settings.log,
            recovery_point: spec.recovery_point,
            log_start: spec.log_start,
            clean: spec.clean,
            cut: LogCut::Keep,
        };
        // Who was not answered before a crash sends again what is in the log.
        let mut windows = ProducerWindows::default();
        let mut note = |before: &_, header: &_| windows.note(before, header);
        let loaded = load_telling(&mut finisher, &request, &mut note)?;
        // Recovery made all it kept durable.
        let log = (loaded.log, windows);
        let is_trusted = spec.clean && loaded.findings.is_empty();
        let open = OpenLog::new(&spec, log, is_trusted, (files(), files()), &mut finisher)?;
        let log = Self {
            view: spec.view,
            settings: RwLock::new(spec.settings),
            open: Mutex::new(Some(open)),
            sync_fault: finisher.fault().clone(),
            finisher: Mutex::new(finisher),
        };
        Ok((log, loaded.findings))
    }

    /// Where readers look.
    #[must_use]
    pub const fn view(&self) -> &Arc<LogView> {
        &self.view
    }

    /// The topic's settings, as they are now.
    #[must_use]
    pub fn settings(&self) -> LogSettings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes other settings; they count from the next batch on.
    pub fn update_settings(&self, settings: LogSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        if let Some(open) = self.lock_open().as_mut() {
            open.log.set_config(settings.log);
        }
    }

    /// New batches carry this epoch from now on, and readers are told.
    pub fn set_leader_epoch(&self, leader_epoch: LeaderEpoch) {
        if let Some(open) = self.lock_open().as_mut() {
            open.leader_epoch = leader_epoch;
            self.view.publish(open.state());
        }
    }

    /// The epoch that new batches carry; `None` when the log is closed.
    #[must_use]
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.lock_open().as_ref().map(|open| open.leader_epoch)
    }

    /// Tells from the next publication on that what readers learnt of the files is void, unless
    /// the log ends where `shown` says, at the same place.
    pub(crate) fn note_cut_unless(&self, shown: Option<&LogState>) {
        if let Some(open) = self.lock_open().as_mut() {
            let (end, place) = (open.log.accepted_end(), open.log.end_place());
            if shown.is_none_or(|shown| (shown.log_end, shown.end_place) != (end, place)) {
                open.cut_count += 1;
            }
        }
    }

    /// Epoch of the newest batch; `None` when no batch was ever appended, or the log is closed.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<SourceLeaderEpoch> {
        self.lock_open().as_ref()?.log.latest_epoch()
    }

    fn publish(&self) {
        if let Some(open) = self.lock_open().as_ref() {
            self.view.publish(open.state());
        }
    }

    /// Appends the records that a client produced: exactly one batch of magic 2, checked as a
    /// broker checks it. `now_ms` is our clock, milliseconds since 1970. The bytes are in the
    /// file when this returns; [`Self::flush`] makes them durable.
    ///
    /// # Errors
    /// Why nothing was appended.
    pub fn append_produced(&self, batch: &[u8], now_ms: i64) -> Result<Appended, AppendError> {
        self.append_produced_within(&mut DecompressionBudget::default(), batch, now_ms)
    }

    /// The same as [`Self::append_produced`], for one of many batches that share a budget.
    ///
    /// # Errors
    /// Why nothing was appended.
    pub fn append_produced_within(
        &self,
        budget: &mut DecompressionBudget,
        batch: &[u8],
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let batch = ProducedBatch::check(batch, &self.settings(), now_ms, budget)?;
        self.append(&batch)
    }

    /// Appends a batch that this node built, whatever offset and epoch it carries: one batch of
    /// magic 2, its CRC right.
    ///
    /// # Errors
    /// Why nothing was appended.
    pub fn append_records(&self, batch: &[u8]) -> Result<Appended, AppendError> {
        self.append(&ProducedBatch::built_here(batch)?)
    }

    fn append(&self, batch: &ProducedBatch<'_>) -> Result<Appended, AppendError> {
        let (appended, is_behind) = {
            let mut open = self.lock_open();
            let open = open.as_mut().ok_or(AppendError::Closed)?;
            self.sync_fault.check()?;
            let appended = open.append(batch)?;
            if !appended.is_duplicate {
                self.view.publish(open.state());
            }
            (appended, open.unfinished.len() >= SEGMENTS_UNFINISHED_GOAL)
        };
        if is_behind {
            // Whoever writes faster than segments are finished finishes them. The batch is in
            // the log all the same.
            if let Err(error) = self.flush() {
                tracing::warn!(directory = %self.view.directory().display(), %error,
                    "segments cannot be finished");
            }
        }
        Ok(appended)
    }

    fn lock_open(&self) -> MutexGuard<'_, Option<OpenLog<F>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_finisher(&self) -> MutexGuard<'_, SyncWatch<F>> {
        self.finisher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a closed log answers to work on its files.
fn closed_error() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "log is closed")
}

/// Rolled segments that wait to be finished; with more, whoever appends finishes them.
const SEGMENTS_UNFINISHED_GOAL: usize = 4;

#[cfg(test)]
mod tests;
