//! Hot path: no lock, no clock, no log line, no syscall; allocates when a segment rolls.
//!
//! One partition's log in memory: where it starts and ends, its segments, epochs and producers.
//!
//! The state is that of every batch *accepted*; bytes may reach the disk later. When a write
//! fails, the owner drops this state and loads the log again.

use kafka_wire::batch_stream::ValidatedBatch;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::{LastStableOffset, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::producer::ProducerId;
use kafka_wire::record_batch::BatchHeader;

use crate::closing::{ClosedLog, ClosedSegment};
use crate::layout::SEGMENT_FILE_BYTES_MAX;
use crate::leader_epoch_checkpoint::{EpochEndOffset, EpochHistory};
use crate::log_config::LogConfig;
use crate::producer_state::{ProducerStates, given_out};
use crate::segment::Segment;
use crate::{offset_index, time_index, transaction_index};

/// State of one partition's log; opens no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLog {
    pub(crate) config: LogConfig,
    pub(crate) log_start: LogStartOffset,
    pub(crate) accepted_end: LogEndOffset,
    /// Bases of the segments before the active one, oldest first.
    pub(crate) closed: Vec<Offset>,
    pub(crate) active: Segment,
    pub(crate) epochs: EpochHistory,
    pub(crate) epochs_version: u64,
    pub(crate) producers: ProducerStates,
    pub(crate) producer_id_max: Option<ProducerId>,
}

/// Where a batch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendPlan {
    /// Base offset of the segment that takes it.
    pub segment: Offset,
    /// File position of its first byte.
    pub position: u32,
    /// True when that segment is new.
    pub rolls: bool,
}

/// A place in a log's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    /// Base offset of the segment.
    pub segment: Offset,
    /// Position in its log file, in bytes.
    pub position: u32,
}

/// Why a batch cannot be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefusal {
    /// The batch begins before the log's end.
    #[error("batch starts at offset {found}, log ends at {expected}")]
    OffsetBackwards {
        /// Where the log ends.
        expected: LogEndOffset,
        /// Where the batch begins.
        found: Offset,
    },
    /// The log is empty and the batch begins before its start: restart the log at `base`.
    #[error("batch starts at offset {base}, below the start of an empty log")]
    StartsBelow {
        /// Where the batch begins.
        base: Offset,
    },
    /// The batch was written in an older epoch than the log's last one.
    #[error("batch at offset {offset} has leader epoch {found}, log is at epoch {latest}")]
    EpochBackwards {
        /// Where the batch begins.
        offset: Offset,
        /// Newest epoch of the log.
        latest: SourceLeaderEpoch,
        /// The batch's epoch.
        found: SourceLeaderEpoch,
    },
    /// No segment file can hold the batch.
    #[error("batch at offset {offset} has {bytes} bytes, a segment holds {bytes_max}")]
    BatchTooLarge {
        /// Where the batch begins.
        offset: Offset,
        /// Its size.
        bytes: u32,
        /// Largest size.
        bytes_max: u32,
    },
    /// The epoch history is at its limit.
    #[error("batch at offset {offset} begins an epoch, the history is full")]
    TooManyEpochs {
        /// Where the batch begins.
        offset: Offset,
    },
    /// Open transactions are at their limit.
    #[error("batch at offset {offset} opens a transaction, too many are open")]
    TooManyTransactions {
        /// Where the batch begins.
        offset: Offset,
    },
}

/// What an append did.
#[derive(Debug)]
pub struct AppendOutcome {
    /// Where the log ends now.
    pub next_offset: Offset,
    /// The segment that the batch's own segment replaced; to be finished on disk.
    pub rolled: Option<Box<ClosedSegment>>,
}

/// One of the index files of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexBytesKind {
    /// `<base>.index`
    Offset,
    /// `<base>.timeindex`
    Time,
    /// `<base>.txnindex`
    Transaction,
}

/// Where index bytes handed out belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexBytes {
    /// Base offset of the segment.
    pub segment: Offset,
    /// Position in the index file.
    pub position: u64,
    /// How many bytes were handed out.
    pub bytes: usize,
}

impl PartitionLog {
    /// A log without records: one empty segment that starts at `start`.
    #[must_use]
    pub fn empty(config: LogConfig, start: Offset) -> Self {
        Self {
            config,
            log_start: LogStartOffset::new(start),
            accepted_end: LogEndOffset::new(start),
            closed: Vec::new(),
            active: Segment::empty(start),
            epochs: EpochHistory::default(),
            epochs_version: 0,
            producers: ProducerStates::default(),
            producer_id_max: None,
        }
    }

    /// Segment and index sizes.
    #[must_use]
    pub const fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Takes other sizes; they count from the next batch on.
    pub const fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// First offset the log keeps.
    #[must_use]
    pub const fn log_start(&self) -> LogStartOffset {
        self.log_start
    }

    /// One past the last batch accepted.
    #[must_use]
    pub const fn accepted_end(&self) -> LogEndOffset {
        self.accepted_end
    }

    /// Below it no transaction is open.
    #[must_use]
    pub fn last_stable_offset(&self) -> LastStableOffset {
        let open = self.producers.last_stable_offset(self.accepted_end);
        open.max(LastStableOffset::new(self.log_start.offset()))
    }

    /// Epoch of the newest batch.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<SourceLeaderEpoch> {
        self.epochs.latest()
    }

    /// Which epoch wrote what.
    #[must_use]
    pub const fn epochs(&self) -> &EpochHistory {
        &self.epochs
    }

    /// Where `epoch` ends in this log; `None` when it is above all known epochs.
    #[must_use]
    pub fn epoch_end_offset(&self, epoch: SourceLeaderEpoch) -> Option<EpochEndOffset> {
        self.epochs.end_offset_for(epoch, self.accepted_end)
    }

    /// Counts changes of the epoch history; rewrite its checkpoint when it moved.
    #[must_use]
    pub const fn epochs_version(&self) -> u64 {
        self.epochs_version
    }

    /// Contents of `leader-epoch-checkpoint` with the entries that start below `below`: what is
    /// durable.
    #[must_use]
    pub fn epoch_checkpoint(&self, below: Offset) -> Vec<u8> {
        // The epoch that is current at the log's start is known even when the log is empty.
        self.epochs.checkpoint(below.max(self.log_start.offset().next()))
    }

    /// What is known about producers.
    #[must_use]
    pub const fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// Largest id of a producer of any batch accepted, or read or remembered when the log was
    /// loaded: whoever hands out ids stays above it. One that was made up does not count.
    #[must_use]
    pub const fn producer_id_max(&self) -> Option<ProducerId> {
        self.producer_id_max
    }

    /// Base offset of the segment appended to.
    #[must_use]
    pub const fn active_segment(&self) -> Offset {
        self.active.base
    }

    /// File position of the next batch in the active segment.
    #[must_use]
    pub const fn active_bytes(&self) -> u32 {
        self.active.bytes
    }

    /// Largest timestamp of the active segment, milliseconds; `None` when it has none.
    #[must_use]
    pub fn active_max_timestamp_ms(&self) -> Option<i64> {
        self.active.max_timestamp.map(|max| max.timestamp_ms)
    }

    /// Where the next batch goes, unless it begins a segment.
    #[must_use]
    pub const fn end_place(&self) -> LogPlace {
        LogPlace { segment: self.active.base, position: self.active.bytes }
    }

    /// Base offsets of all segments, oldest first.
    pub fn segment_bases(&self) -> impl Iterator<Item = Offset> {
        self.closed.iter().copied().chain(std::iter::once(self.active.base))
    }

    /// True when no batch was ever accepted, or all were cut off.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.active.bytes == 0
    }

    /// Where this batch would go; changes nothing. Needs its header only.
    ///
    /// # Errors
    /// When the batch does not continue this log.
    pub fn plan_append(&self, header: &BatchHeader) -> Result<AppendPlan, AppendRefusal> {
        self.check(header)?;
        Ok(if self.active.rolls_before(header, &self.config) {
            AppendPlan { segment: header.base_offset, position: 0, rolls: true }
        } else {
            AppendPlan { segment: self.active.base, position: self.active.bytes, rolls: false }
        })
    }

    fn check(&self, header: &BatchHeader) -> Result<(), AppendRefusal> {
        let offset = header.base_offset;
        if offset < self.accepted_end.offset() {
            return Err(if self.is_empty() {
                AppendRefusal::StartsBelow { base: offset }
            } else {
                AppendRefusal::OffsetBackwards { expected: self.accepted_end, found: offset }
            });
        }
        if let (Some(latest), Some(found)) = (self.latest_epoch(), header.leader_epoch) {
            if found < latest {
                return Err(AppendRefusal::EpochBackwards { offset, latest, found });
            }
            if self.epochs.is_full_for(found) {
                return Err(AppendRefusal::TooManyEpochs { offset });
            }
        }
        if header.batch_bytes > SEGMENT_FILE_BYTES_MAX {
            let bytes_max = SEGMENT_FILE_BYTES_MAX;
            return Err(AppendRefusal::BatchTooLarge {
                offset,
                bytes: header.batch_bytes,
                bytes_max,
            });
        }
        if self.producers.is_full_for(header) {
            return Err(AppendRefusal::TooManyTransactions { offset });
        }
        Ok(())
    }

    /// Takes a batch whose CRC was checked; `plan` is the plan made for its header.
    pub fn append(&mut self, plan: AppendPlan, batch: &ValidatedBatch) -> AppendOutcome {
        let header = &batch.header;
        assert!(header.base_offset >= self.accepted_end.offset(), "the plan refused such a batch");
        let rolled = plan.rolls.then(|| Box::new(self.roll(plan.segment)));
        assert_eq!(plan.segment, self.active.base, "a plan is for the next batch only");
        assert_eq!(plan.position, self.active.bytes, "a plan is for the next batch only");
        if let Some(epoch) = header.leader_epoch
            && self.epochs.assign(epoch, header.base_offset)
        {
            self.epochs_version += 1;
        }
        self.producer_id_max = self.producer_id_max.max(given_out(header.producer_id));
        self.active.push(header, &self.config);
        if let Some(aborted) = self.producers.apply(batch) {
            self.active.push_aborted(&aborted);
        }
        let next_offset = header.next_offset();
        self.accepted_end = LogEndOffset::new(next_offset);
        AppendOutcome { next_offset, rolled }
    }

    /// Begins a segment at the log's end, so that all before it may leave; its file is for the
    /// caller to make. `None` when the active segment holds nothing.
    pub fn roll_at_end(&mut self) -> Option<Box<ClosedSegment>> {
        (self.active.bytes > 0).then(|| Box::new(self.roll(self.accepted_end.offset())))
    }

    fn roll(&mut self, base: Offset) -> ClosedSegment {
        assert!(base > self.active.base, "segments rise");
        self.producers.expire(self.active.max_timestamp_ms());
        let closed = self.closed_active(base);
        self.closed.push(self.active.base);
        self.active = Segment::empty(base);
        closed
    }

    /// What is left to write of the active segment, and the snapshot of its end.
    fn closed_active(&self, end: Offset) -> ClosedSegment {
        ClosedSegment {
            base: self.active.base,
            end,
            log_bytes: self.active.bytes,
            offset_index: self.active.offset_index.tail(),
            time_index: self.active.closed_time_index(),
            transaction_index: self.active.transaction_index.tail(),
            snapshot: self.producers.snapshot(),
            epochs: self.epoch_checkpoint(end),
        }
    }

    /// Hands out index bytes of the active segment, oldest first, whole entries only; the caller
    /// writes them at the position given. `None` when nothing is pending.
    ///
    /// Writes of bytes handed out must have ended before the segment or the log is closed.
    pub fn take_index_bytes(
        &mut self,
        kind: IndexBytesKind,
        into: &mut [u8],
    ) -> Option<IndexBytes> {
        let (index, entry_bytes) = match kind {
            IndexBytesKind::Offset => (&mut self.active.offset_index, offset_index::ENTRY_BYTES),
            IndexBytesKind::Time => (&mut self.active.time_index, time_index::ENTRY_BYTES),
            IndexBytesKind::Transaction => {
                (&mut self.active.transaction_index, transaction_index::ENTRY_BYTES)
            }
        };
        let (position, bytes) = index.take(entry_bytes, into)?;
        Some(IndexBytes { segment: self.active.base, position, bytes })
    }

    /// Index bytes of the active segment not handed out yet, all kinds together.
    #[must_use]
    pub const fn pending_index_bytes(&self) -> usize {
        self.active.offset_index.pending_bytes()
            + self.active.time_index.pending_bytes()
            + self.active.transaction_index.pending_bytes()
    }

    /// Where the earliest aborted transaction begins whose entry of the active segment's
    /// transaction index is not handed out yet.
    #[must_use]
    pub fn unindexed_aborts_from(&self) -> Option<Offset> {
        transaction_index::earliest_first_offset(self.active.transaction_index.pending())
    }

    /// Moves the log's start forward, at most to its end. Returns the segments that lie wholly
    /// below it and leave the log; never the active one.
    pub fn advance_log_start(&mut self, to: LogStartOffset) -> Vec<Offset> {
        let to = to.min(LogStartOffset::new(self.accepted_end.offset()));
        if to <= self.log_start {
            return Vec::new();
        }
        self.log_start = to;
        if self.epochs.truncate_from_start(to) {
            self.epochs_version += 1;
        }
        let kept_from = self.closed.partition_point(|base| *base <= to.offset());
        let active_holds_start = self.active.base <= to.offset();
        let retired = if active_holds_start { kept_from } else { kept_from.saturating_sub(1) };
        self.closed.drain(..retired).collect()
    }

    /// Everything that closing the log has to write. The caller must have written all batches
    /// accepted and all index bytes handed out.
    #[must_use]
    pub fn close(&self) -> ClosedLog {
        ClosedLog { active: self.closed_active(self.accepted_end.offset()) }
    }

    /// Notes that what [`Self::close`] returned was written: the log is now as a load would find
    /// it, and whatever is appended next goes behind.
    pub fn note_closed(&mut self) {
        self.active.note_closed();
    }
}

#[cfg(test)]
mod tests;
