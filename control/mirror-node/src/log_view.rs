//! Where a partition's log stands, as readers see it: published by its one writer (the engine's
//! reports, or a `WritableLog`), read and waited for by many.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::partition_log::LogPlace;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset};
use tokio::sync::Notify;

use crate::log_reader::reading::Reading;

/// Where a log stands. Every byte below `log_end` lies in a file and may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// First offset kept.
    pub log_start: LogStartOffset,
    /// One past the last offset written.
    pub log_end: LogEndOffset,
    /// What consumers may read. A mirror fetches as a consumer does, so all it has was below the
    /// source's high watermark.
    pub high_watermark: HighWatermark,
    /// Below it no transaction is open, and every abort is in the transaction index files.
    pub last_stable_offset: LastStableOffset,
    /// Where the batch at `log_end` will go: all batches before it end there or in segments before.
    pub end_place: LogPlace,
    /// Which epoch wrote what.
    pub epochs: Arc<EpochHistory>,
    /// Epoch of this node as the partition's leader.
    pub leader_epoch: LeaderEpoch,
    /// Counts how often the log's end was cut off: a position learnt under another count is void.
    pub cut_count: u64,
}

/// One partition's log for its readers.
#[derive(Debug)]
pub struct LogView {
    directory: PathBuf,
    state: RwLock<Option<Arc<LogState>>>,
    /// The largest count of cuts published: it does not begin anew with another writer.
    cut_count: AtomicU64,
    /// The largest leader epoch published: neither does that.
    leader_epoch: AtomicI32,
    waiting: Mutex<Waiting>,
    /// What readers learnt of the files.
    reading: Mutex<Reading>,
}

#[derive(Debug, Default)]
struct Waiting {
    readers: Vec<Weak<Notify>>,
    /// Entries at which those whose readers left are thrown out.
    sweep_at: usize,
}

impl LogView {
    /// A log in `directory` that is not open yet.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            state: RwLock::default(),
            cut_count: AtomicU64::new(0),
            leader_epoch: AtomicI32::new(0),
            waiting: Mutex::default(),
            reading: Mutex::default(),
        }
    }

    /// The partition's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the log stands; `None` while it is being opened or cannot be used.
    #[must_use]
    pub fn state(&self) -> Option<Arc<LogState>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often the log's end was cut off, also while it is not shown.
    #[must_use]
    pub fn cut_count(&self) -> u64 {
        self.cut_count.load(Ordering::Acquire)
    }

    /// Tells readers where the log stands now, and wakes those that wait. They are told the largest
    /// leader epoch there was, also when this writer has not heard of it.
    pub fn publish(&self, state: LogState) {
        self.cut_count.fetch_max(state.cut_count, Ordering::Release);
        // A reader that lists the directory is not waited for: this is a help, no more.
        if let Ok(mut reading) = self.reading.try_lock() {
            reading.note_log_end(state.cut_count, state.log_end.offset(), state.end_place);
        }
        {
            let mut shown = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let leader_epoch = self.raised_leader_epoch(state.leader_epoch);
            *shown = Some(Arc::new(LogState { leader_epoch, ..state }));
        }
        self.wake();
    }

    /// Tells readers a leader epoch, if it is above all before, and nothing else: whoever writes
    /// the log may publish at the same time.
    pub fn announce(&self, leader_epoch: LeaderEpoch) {
        {
            let mut shown = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let leader_epoch = self.raised_leader_epoch(leader_epoch);
            let Some(state) = shown.as_ref().filter(|one| one.leader_epoch < leader_epoch) else {
                return;
            };
            *shown = Some(Arc::new(LogState { leader_epoch, ..LogState::clone(state) }));
        }
        self.wake();
    }

    /// The largest leader epoch that readers were told, also while the log is not shown.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        let told = self.leader_epoch.load(Ordering::Acquire);
        LeaderEpoch::from_wire(told).unwrap_or(LeaderEpoch::ZERO)
    }

    fn raised_leader_epoch(&self, at_least: LeaderEpoch) -> LeaderEpoch {
        let before = self.leader_epoch.fetch_max(at_least.get(), Ordering::AcqRel);
        LeaderEpoch::from_wire(before).map_or(at_least, |before| before.max(at_least))
    }

    /// Somebody waits for what will come behind the log's end.
    pub(crate) fn expect_reader(&self, state: &LogState) {
        if let Ok(mut reading) = self.reading.try_lock() {
            reading.note_place(state.cut_count, state.log_end.offset(), state.end_place);
        }
    }

    /// Readers have to wait until the log is published again.
    pub fn withdraw(&self) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.wake();
    }

    /// `reader` is notified at every change until it is dropped. Look at the state afterwards: it
    /// may have changed before.
    pub fn watch(&self, reader: &Arc<Notify>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.readers.len() >= waiting.sweep_at {
            waiting.readers.retain(|reader| reader.strong_count() > 0);
            waiting.sweep_at = (waiting.readers.len() * 2).max(SWEEP_MIN);
        }
        waiting.readers.push(Arc::downgrade(reader));
    }

    pub(crate) fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` while somebody else reads, perhaps from the disk.
    pub(crate) fn try_reading(&self) -> Option<MutexGuard<'_, Reading>> {
        self.reading.try_lock().ok()
    }

    fn wake(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.readers.retain(|reader| {
            let reader = reader.upgrade();
            reader.inspect(|reader| reader.notify_one()).is_some()
        });
    }

    #[cfg(test)]
    pub(crate) fn watcher_count(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).readers.len()
    }
}

/// Below so many entries it does not matter how many of them are of readers that left.
const SWEEP_MIN: usize = 64;
