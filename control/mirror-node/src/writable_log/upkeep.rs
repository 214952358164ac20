//! Making a log durable, closing it, deleting it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use kafka_log::closing::{ClosedSegment, close_segment, retire_segments};
use kafka_log::partition_files::{FileName, PartitionFiles};
use kafka_wire::offset::Offset;
use kafka_wire::producer::ProducerId;
use mirror_uring::deferred_files::DeferredFiles;
use mirror_uring::real_files::RealFiles;

use super::open_log::{OnDisk, OpenLog};
use super::settings::LogSettings;
use super::sync_watch::SyncWatch;
use super::{WritableLog, closed_error};
use crate::doomed_directory;
use crate::log_view::LogView;

/// A log that nobody has open, and that can be written to without being read.
#[derive(Debug)]
pub(crate) struct SettledLog {
    view: Arc<LogView>,
    settings: LogSettings,
    open: OpenLog<()>,
}

/// What a flush has to make durable.
struct FlushWork {
    rolled: Vec<ClosedSegment>,
    leaving: Vec<Offset>,
    active: Offset,
    end: Offset,
    /// Contents of the epoch checkpoint and their version, when the file is older.
    epochs: Option<(u64, Vec<u8>)>,
}

impl WritableLog<DeferredFiles> {
    /// Leaves the log open for [`SettledLog::reopened`]: what was appended is durable once these
    /// files were settled, indexes, epochs and the snapshot at the end wait for
    /// [`WritableLog::begin_closing`].
    pub(crate) fn leave_open(self) -> io::Result<(SettledLog, DeferredFiles)> {
        self.sync_fault.check()?;
        let finisher = self.finisher.into_inner().unwrap_or_else(PoisonError::into_inner);
        let open = self.open.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut open = open.ok_or_else(closed_error)?;
        open.recovery_point = open.log.accepted_end().offset();
        open.owes_closing = true;
        let mut files = finisher.into_files();
        files.release();
        let settings = self.settings.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((SettledLog { view: self.view, settings, open: open.with_files(((), ())) }, files))
    }
}

impl SettledLog {
    /// Where the log ends.
    pub(crate) fn end(&self) -> Offset {
        self.open.log.accepted_end().offset()
    }

    /// The log, open for writing; its files were settled.
    pub(crate) fn reopened(self) -> WritableLog {
        let Self { view, settings, open } = self;
        let files = || RealFiles::new(view.directory().to_owned());
        let finisher = SyncWatch::new(files(), view.directory().to_owned());
        WritableLog {
            settings: RwLock::new(settings),
            open: Mutex::new(Some(open.with_files((files(), files())))),
            sync_fault: finisher.fault().clone(),
            finisher: Mutex::new(finisher),
            view,
        }
    }
}

/// A log whose files are on their way to where closing it leaves them. Clients write meanwhile;
/// nobody flushes or closes it.
pub(crate) struct Closing<'a> {
    log: &'a WritableLog,
    finisher: MutexGuard<'a, SyncWatch<RealFiles>>,
    before: OnDisk,
}

impl WritableLog {
    /// True when the log was left open with its files not as closing leaves them.
    pub(crate) fn owes_closing(&self) -> bool {
        self.lock_open().as_ref().is_some_and(|open| open.owes_closing)
    }

    /// Brings the files to where closing the log leaves them, and leaves it open. They are once
    /// these files were settled, which [`Closing::end`] must be told. `None` when they are, and of
    /// a log some of whose batches are not durable: who wrote these must hear when they were lost.
    pub(crate) fn begin_closing(&self) -> io::Result<Option<(Closing<'_>, DeferredFiles)>> {
        let finisher = self.lock_finisher();
        self.sync_fault.check()?;
        let mut open = self.lock_open();
        let open = open.as_mut().ok_or_else(closed_error)?;
        if open.is_closed_on_disk() || !open.has_durable_batches() {
            return Ok(None);
        }
        let before = open.on_disk();
        let mut files = DeferredFiles::new(self.view.directory().to_owned());
        open.finish(&mut files)?;
        files.release();
        Ok(Some((Closing { log: self, finisher, before }, files)))
    }
}

impl Closing<'_> {
    /// Says what became of the files; `has_sync_failed` when they may have lost what was written.
    pub(crate) fn end(self, settled: io::Result<()>, has_sync_failed: bool) -> io::Result<()> {
        let Self { log, finisher, before } = self;
        settled.inspect_err(|error| {
            if has_sync_failed {
                finisher.note_failed(error);
            }
            if let Some(open) = log.lock_open().as_mut() {
                open.take_back_to(before);
            }
        })
    }
}

impl<F: PartitionFiles> WritableLog<F> {
    /// Makes everything appended so far durable: finishes rolled segments, syncs the active one,
    /// then the epochs. Returns the recovery point: all below is durable. Appends go on meanwhile.
    ///
    /// # Errors
    /// When the system refuses; what is not finished waits for the next call. Once a sync failed
    /// every call fails, and the recovery point stays where it is.
    pub fn flush(&self) -> io::Result<Offset> {
        let mut finisher = self.lock_finisher();
        self.sync_fault.check()?;
        let work = self.take_flush_work()?;
        let Some(work) = work else { return self.recovery_point() };
        let mut rolled = work.rolled.into_iter();
        let finished = loop {
            let Some(segment) = rolled.next() else { break Ok(()) };
            if let Err(error) = close_segment(&mut *finisher, &segment) {
                break Err((error, segment));
            }
        };
        if let Err((error, segment)) = finished {
            self.put_back(std::iter::once(segment).chain(rolled).collect());
            return Err(error);
        }
        retire_segments(&mut *finisher, &work.leaving)?;
        finisher.sync(FileName::log(work.active))?;
        if let Some((_, contents)) = &work.epochs {
            finisher.replace(FileName::LEADER_EPOCH_CHECKPOINT, contents)?;
        }
        let mut open = self.lock_open();
        let Some(open) = open.as_mut() else { return Ok(work.end) };
        open.leaving.retain(|base| !work.leaving.contains(base));
        if let Some((version, _)) = work.epochs {
            open.epochs_checkpointed = version;
        }
        open.owes_closing = false;
        open.recovery_point = open.recovery_point.max(work.end);
        Ok(open.recovery_point)
    }

    /// True when a sync failed: the log takes nothing more, and that was told.
    #[must_use]
    pub fn has_sync_failed(&self) -> bool {
        self.sync_fault.check().is_err()
    }

    /// Largest id of a producer of any batch here; `None` also once the log was closed.
    #[must_use]
    pub fn producer_id_max(&self) -> Option<ProducerId> {
        self.lock_open().as_ref().and_then(|open| open.log.producer_id_max())
    }

    /// Below it everything is durable.
    fn recovery_point(&self) -> io::Result<Offset> {
        self.lock_open().as_ref().map(|open| open.recovery_point).ok_or_else(closed_error)
    }

    /// `None` when nothing was written since the last flush.
    fn take_flush_work(&self) -> io::Result<Option<FlushWork>> {
        let mut open = self.lock_open();
        let open = open.as_mut().ok_or_else(closed_error)?;
        let end = open.log.accepted_end().offset();
        let version = open.log.epochs_version();
        let epochs = (open.epochs_checkpointed != version)
            .then(|| (version, open.log.epoch_checkpoint(end)));
        let is_synced = open.recovery_point == end && open.leaving.is_empty();
        // Of a log that owes its closing the rest comes with that.
        let is_finished = open.unfinished.is_empty() && epochs.is_none() || open.owes_closing;
        if is_synced && is_finished {
            return Ok(None);
        }
        // A segment is finished from its pending bytes on, so those handed out come first.
        open.write_index()?;
        Ok(Some(FlushWork {
            rolled: std::mem::take(&mut open.unfinished),
            leaving: open.leaving.clone(),
            active: open.log.active_segment(),
            end,
            epochs,
        }))
    }

    fn put_back(&self, mut rolled: Vec<ClosedSegment>) {
        if let Some(open) = self.lock_open().as_mut() {
            rolled.append(&mut open.unfinished);
            open.unfinished = rolled;
        }
    }

    /// True when nothing was written that is not durable.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.lock_open().as_ref().is_some_and(OpenLog::is_durable)
    }

    /// Holds no file open until the log is used again. Does nothing while something is not durable:
    /// whoever opens a file anew may not hear that bytes written before were lost.
    pub fn rest(&self) {
        let mut finisher = self.lock_finisher();
        if let Some(open) = self.lock_open().as_mut().filter(|open| open.is_durable()) {
            open.release_files();
            finisher.release();
        }
    }

    /// Closes the log: all is durable, and the next start need not read it. Returns the recovery
    /// point. Appends are refused from now on, and readers have to wait. A log that was opened as a
    /// clean stop left it, and not written to since, costs nothing.
    ///
    /// # Errors
    /// When the system refuses, or a sync failed before; the log is closed all the same, and must
    /// be recovered.
    pub fn close(&self) -> io::Result<Offset> {
        let mut finisher = self.lock_finisher();
        let taken = self.lock_open().take();
        self.view.withdraw();
        self.finish(taken, &mut finisher)
    }

    /// Closes the log as [`Self::close`] does, and shows it to readers as it is.
    ///
    /// # Errors
    /// As [`Self::close`].
    pub fn close_shown(&self) -> io::Result<Offset> {
        let mut finisher = self.lock_finisher();
        let taken = self.lock_open().take();
        self.finish(taken, &mut finisher)
    }

    fn finish(&self, taken: Option<OpenLog<F>>, finisher: &mut SyncWatch<F>) -> io::Result<Offset> {
        let mut open = taken.ok_or_else(closed_error)?;
        self.sync_fault.check()?;
        open.finish(finisher)?;
        Ok(open.log.accepted_end().offset())
    }

    /// Deletes the log with its directory. Appends are refused from now on.
    ///
    /// # Errors
    /// When the system refuses; the log is closed all the same.
    pub fn delete(&self) -> io::Result<()> {
        let _finisher = self.lock_finisher();
        *self.lock_open() = None;
        self.view.withdraw();
        doomed_directory::remove(self.view.directory())
    }
}
