//! A log while it is open: what is written where, and what is taken back when writing fails.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use kafka_log::closing::{ClosedSegment, close_log, close_segment, retire_segments};
use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::partition_files::{FileKind, FileName, PartitionFiles};
use kafka_log::partition_log::{AppendPlan, IndexBytes, IndexBytesKind, LogPlace, PartitionLog};
use kafka_wire::batch_stream::ValidatedBatch;
use kafka_wire::control_record::ControlRecord;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{HighWatermark, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::record_batch::HEADER_BYTES;

use super::append_error::AppendError;
use super::produced_batch::ProducedBatch;
use super::producer_window::{ProducerWindows, SequenceVerdict};
use super::{Appended, LogSpec};
use crate::log_view::LogState;

/// Index bytes of the active segment that wait in memory; a reader scans that much farther.
const INDEX_PENDING_BYTES_MAX: usize = 240;

/// Rolled segments that may wait to be finished; only a disk that fails lets it come so far.
const SEGMENTS_UNFINISHED_MAX: usize = 64;

/// State behind the lock.
#[derive(Debug)]
pub(super) struct OpenLog<F> {
    pub(super) log: PartitionLog,
    /// Holds the active log file open.
    log_files: F,
    /// Holds the index written last open.
    index_files: F,
    pub(super) leader_epoch: LeaderEpoch,
    windows: ProducerWindows,
    /// Epochs as published, and the version they are of.
    epochs: (u64, Arc<EpochHistory>),
    pub(super) cut_count: u64,
    /// What a failed write left behind the log's end.
    remains: Option<Remains>,
    /// Index bytes handed out that could not be written.
    held: Option<HeldIndex>,
    /// Rolled segments to be finished, oldest first.
    pub(super) unfinished: Vec<ClosedSegment>,
    /// The segments before the active one.
    pub(super) closed: BTreeMap<Offset, SegmentFacts>,
    /// Segments that left the log and whose files may be there still.
    pub(super) leaving: Vec<Offset>,
    /// Below it everything is durable.
    pub(super) recovery_point: Offset,
    /// Version of the epochs in the checkpoint file.
    pub(super) epochs_checkpointed: u64,
    /// How the log stood when it was opened or closed last, when its files were then as closing it
    /// leaves them.
    opened_closed: Option<LogMark>,
    /// What was written last is durable, and indexes, epochs and the snapshot at the end are left
    /// for a quiet moment.
    pub(super) owes_closing: bool,
}

/// What of a log is said to be on disk.
#[derive(Clone, Debug)]
pub(super) struct OnDisk {
    /// Rolled segments that are not finished.
    unfinished: Vec<ClosedSegment>,
    recovery_point: Offset,
    epochs_checkpointed: u64,
    opened_closed: Option<LogMark>,
    owes_closing: bool,
}

/// What changes with whatever is written to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LogMark {
    log_start: LogStartOffset,
    log_end: LogEndOffset,
    end_place: LogPlace,
    epochs_version: u64,
}

/// What retention has to know of a segment that is not written to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentFacts {
    pub(super) bytes: u64,
    /// Largest timestamp; `None` when its time index tells none.
    pub(super) max_timestamp_ms: Option<i64>,
}

/// Bytes of a write that failed.
#[derive(Clone, Copy, Debug)]
enum Remains {
    /// In a segment that was begun for them.
    Begun(Offset),
    /// Behind this position of the segment.
    Behind(Offset, u32),
}

#[derive(Debug)]
struct HeldIndex {
    file: FileName,
    position: u64,
    bytes: Vec<u8>,
}

impl<F> OpenLog<F> {
    /// The same log in other files.
    pub(super) fn with_files<G>(self, (log_files, index_files): (G, G)) -> OpenLog<G> {
        OpenLog {
            log: self.log,
            log_files,
            index_files,
            leader_epoch: self.leader_epoch,
            windows: self.windows,
            epochs: self.epochs,
            cut_count: self.cut_count,
            remains: self.remains,
            held: self.held,
            unfinished: self.unfinished,
            closed: self.closed,
            leaving: self.leaving,
            recovery_point: self.recovery_point,
            epochs_checkpointed: self.epochs_checkpointed,
            opened_closed: self.opened_closed,
            owes_closing: self.owes_closing,
        }
    }
}

impl<F: PartitionFiles> OpenLog<F> {
    /// `is_trusted` says that the log was opened without being read.
    pub(super) fn new(
        spec: &LogSpec,
        (log, windows): (PartitionLog, ProducerWindows),
        is_trusted: bool,
        files: (F, F),
        finisher: &mut impl PartitionFiles,
    ) -> io::Result<Self> {
        let epochs = (log.epochs_version(), Arc::new(log.epochs().clone()));
        let recovery_point = log.accepted_end().offset();
        let listed = finisher.list()?;
        let closed = closed_segments(finisher, &log, &listed)?;
        let snapshot = FileName::snapshot(recovery_point);
        let has_snapshot = listed.iter().any(|(name, _)| *name == snapshot);
        let opened_closed = (is_trusted && has_snapshot).then(|| LogMark::of(&log));
        Ok(Self {
            epochs_checkpointed: log.epochs_version(),
            log,
            log_files: files.0,
            index_files: files.1,
            leader_epoch: spec.leader_epoch,
            windows,
            epochs,
            cut_count: spec.cut_count,
            remains: None,
            held: None,
            unfinished: Vec::new(),
            closed,
            leaving: Vec::new(),
            recovery_point,
            opened_closed,
            owes_closing: false,
        })
    }

    /// Closes the log; nothing more is done when it was not written to since it was closed last.
    pub(super) fn finish(&mut self, finisher: &mut impl PartitionFiles) -> io::Result<()> {
        if self.is_closed_on_disk() {
            return Ok(());
        }
        self.cut_remains()?;
        self.write_index()?;
        for segment in &self.unfinished {
            close_segment(finisher, segment)?;
        }
        retire_segments(finisher, &self.leaving)?;
        close_log(finisher, &self.log.close())?;
        self.unfinished.clear();
        self.leaving.clear();
        self.log.note_closed();
        self.recovery_point = self.log.accepted_end().offset();
        self.epochs_checkpointed = self.log.epochs_version();
        self.opened_closed = Some(LogMark::of(&self.log));
        self.owes_closing = false;
        Ok(())
    }

    /// What is said to be on disk now.
    pub(super) fn on_disk(&self) -> OnDisk {
        OnDisk {
            unfinished: self.unfinished.clone(),
            recovery_point: self.recovery_point,
            epochs_checkpointed: self.epochs_checkpointed,
            opened_closed: self.opened_closed,
            owes_closing: self.owes_closing,
        }
    }

    /// Takes back what was said to be on disk; more may have been appended since.
    pub(super) fn take_back_to(&mut self, on_disk: OnDisk) {
        let mut unfinished = on_disk.unfinished;
        unfinished.retain(|segment| self.closed.contains_key(&segment.base));
        unfinished.append(&mut self.unfinished);
        self.unfinished = unfinished;
        self.recovery_point = on_disk.recovery_point;
        self.epochs_checkpointed = on_disk.epochs_checkpointed;
        self.opened_closed = on_disk.opened_closed;
        self.owes_closing = on_disk.owes_closing;
    }

    /// True when the files are as closing the log leaves them: nothing was written since.
    pub(super) fn is_closed_on_disk(&self) -> bool {
        let is_settled = self.remains.is_none() && self.leaving.is_empty();
        is_settled && self.opened_closed == Some(LogMark::of(&self.log))
    }

    /// Where the log stands, for readers. One replica: what is written is replicated.
    pub(super) fn state(&self) -> LogState {
        let log_end = self.log.accepted_end();
        LogState {
            log_start: self.log.log_start(),
            log_end,
            high_watermark: HighWatermark::new(log_end.offset()),
            last_stable_offset: self.log.last_stable_offset(),
            end_place: self.log.end_place(),
            epochs: Arc::clone(&self.epochs.1),
            leader_epoch: self.leader_epoch,
            cut_count: self.cut_count,
        }
    }

    pub(super) fn append(&mut self, batch: &ProducedBatch<'_>) -> Result<Appended, AppendError> {
        self.cut_remains()?;
        if self.unfinished.len() >= SEGMENTS_UNFINISHED_MAX {
            return Err(io::Error::other("too many segments cannot be finished").into());
        }
        let verdict = self.windows.check(self.log.producers(), &batch.header)?;
        if let SequenceVerdict::Duplicate(known) = verdict {
            return Ok(Appended {
                base_offset: known.base_offset,
                last_offset: known.last_offset,
                producer_id: batch.header.producer_id,
                log_append_time_ms: known.timestamp_ms,
                log_start: self.log.log_start(),
                is_duplicate: true,
                rolled: false,
            });
        }
        let epoch = SourceLeaderEpoch::from_wire(self.leader_epoch.get())
            .expect("both kinds of epoch are never negative");
        let (header, head) = batch.placed(self.log.accepted_end().offset(), epoch)?;
        let control = header.control_record(batch.body)?;
        let plan = self.log.plan_append(&header)?;
        if let Err(error) = self.write(plan, &head, batch.body) {
            self.remains = Some(if plan.rolls {
                Remains::Begun(plan.segment)
            } else {
                Remains::Behind(plan.segment, plan.position)
            });
            // When this fails as well it is tried again before the next append.
            let _ = self.cut_remains();
            return Err(error.into());
        }
        let max_timestamp_ms = self.log.active_max_timestamp_ms();
        if control == Some(ControlRecord::MirrorPidReset) {
            self.windows = ProducerWindows::default();
        }
        self.windows.note(self.log.producers(), &header);
        let outcome = self.log.append(plan, &ValidatedBatch { header, control });
        if let Some(rolled) = outcome.rolled {
            self.note_rolled(*rolled, max_timestamp_ms);
        }
        self.refresh_epochs();
        // Readers of committed records look for aborts in the file.
        let has_aborts = self.log.unindexed_aborts_from().is_some();
        if has_aborts || self.log.pending_index_bytes() >= INDEX_PENDING_BYTES_MAX {
            // The batch is in the log; what cannot be written of its index is held.
            let _ = self.write_index();
        }
        Ok(Appended {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            producer_id: header.producer_id,
            log_append_time_ms: batch.log_append_time_ms,
            log_start: self.log.log_start(),
            is_duplicate: false,
            rolled: plan.rolls,
        })
    }

    fn write(&mut self, plan: AppendPlan, head: &[u8], body: &[u8]) -> io::Result<()> {
        let file = FileName::log(plan.segment);
        let position = u64::from(plan.position);
        self.log_files.write_at(file, position, head)?;
        self.log_files.write_at(file, position + HEADER_BYTES as u64, body)
    }

    /// True when nothing was written that a flush would have to make durable.
    pub(super) fn is_durable(&self) -> bool {
        let is_finished = self.unfinished.is_empty() && !self.owes_closing;
        let is_checkpointed = self.epochs_checkpointed == self.log.epochs_version();
        is_finished && is_checkpointed && self.has_durable_batches()
    }

    /// True when every batch is durable, and no file is to go.
    pub(super) fn has_durable_batches(&self) -> bool {
        let is_settled = self.remains.is_none() && self.held.is_none() && self.leaving.is_empty();
        let end = self.log.accepted_end().offset();
        is_settled && self.recovery_point == end
    }

    /// Holds no file open any more; the next write opens what it needs.
    pub(super) fn release_files(&mut self) {
        self.log_files.release();
        self.index_files.release();
    }

    /// Cuts off what a failed write left, so that no later append can be followed by it.
    pub(super) fn cut_remains(&mut self) -> io::Result<()> {
        match self.remains {
            None => return Ok(()),
            Some(Remains::Begun(base)) => self.log_files.remove(FileName::log(base))?,
            Some(Remains::Behind(base, position)) => {
                self.log_files.truncate(FileName::log(base), u64::from(position))?;
            }
        }
        self.remains = None;
        Ok(())
    }

    /// Begins a segment at the log's end unless the active one is empty.
    pub(super) fn roll_at_end(&mut self, finisher: &mut impl PartitionFiles) -> io::Result<()> {
        self.cut_remains()?;
        if self.log.active_bytes() == 0 {
            return Ok(());
        }
        // The file first: without it the log's end would be lost with the segments before.
        let begun = FileName::log(self.log.accepted_end().offset());
        self.log_files.write_at(begun, 0, &[])?;
        finisher.sync_directory()?;
        let max_timestamp_ms = self.log.active_max_timestamp_ms();
        let rolled = self.log.roll_at_end().expect("the active segment holds bytes");
        self.note_rolled(*rolled, max_timestamp_ms);
        Ok(())
    }

    fn note_rolled(&mut self, rolled: ClosedSegment, max_timestamp_ms: Option<i64>) {
        let bytes = u64::from(rolled.log_bytes);
        self.closed.insert(rolled.base, SegmentFacts { bytes, max_timestamp_ms });
        self.unfinished.push(rolled);
    }

    /// Writes index bytes that could not be written before, then all that are pending.
    pub(super) fn write_index(&mut self) -> io::Result<()> {
        self.write_held()?;
        let mut buffer = [0; 2 * INDEX_PENDING_BYTES_MAX];
        for kind in [IndexBytesKind::Offset, IndexBytesKind::Time, IndexBytesKind::Transaction] {
            while let Some(taken) = self.log.take_index_bytes(kind, &mut buffer) {
                self.held = Some(held_index(kind, taken, &buffer));
                self.write_held()?;
            }
        }
        Ok(())
    }

    fn write_held(&mut self) -> io::Result<()> {
        if let Some(held) = &self.held {
            self.index_files.write_at(held.file, held.position, &held.bytes)?;
            self.held = None;
        }
        Ok(())
    }

    /// Notes that these segments left the log; their files are for the finisher to delete.
    pub(super) fn forget_segments(&mut self, bases: &[Offset]) {
        self.held.take_if(|held| bases.contains(&held.file.offset));
        self.unfinished.retain(|segment| !bases.contains(&segment.base));
        self.closed.retain(|base, _| !bases.contains(base));
        self.leaving.extend_from_slice(bases);
    }

    /// Epochs as they are now, for the next [`Self::state`].
    pub(super) fn refresh_epochs(&mut self) {
        if self.epochs.0 != self.log.epochs_version() {
            self.epochs = (self.log.epochs_version(), Arc::new(self.log.epochs().clone()));
        }
    }
}

impl LogMark {
    fn of(log: &PartitionLog) -> Self {
        Self {
            log_start: log.log_start(),
            log_end: log.accepted_end(),
            end_place: log.end_place(),
            epochs_version: log.epochs_version(),
        }
    }
}

fn held_index(kind: IndexBytesKind, taken: IndexBytes, buffer: &[u8]) -> HeldIndex {
    let file = match kind {
        IndexBytesKind::Offset => FileName::offset_index(taken.segment),
        IndexBytesKind::Time => FileName::time_index(taken.segment),
        IndexBytesKind::Transaction => FileName::transaction_index(taken.segment),
    };
    HeldIndex { file, position: taken.position, bytes: buffer[..taken.bytes].to_vec() }
}

/// Lengths and largest timestamps of the segments before the active one.
fn closed_segments(
    files: &mut impl PartitionFiles,
    log: &PartitionLog,
    listed: &[(FileName, u64)],
) -> io::Result<BTreeMap<Offset, SegmentFacts>> {
    let mut closed = BTreeMap::new();
    for (name, bytes) in listed {
        if name.kind == FileKind::Log && name.offset < log.active_segment() {
            let index = FileName::time_index(name.offset);
            let index_bytes = listed.iter().find(|(name, _)| *name == index);
            let index_bytes = index_bytes.map_or(0, |(_, bytes)| *bytes);
            let max_timestamp_ms = last_timestamp_ms(files, index, index_bytes)?;
            closed.insert(name.offset, SegmentFacts { bytes: *bytes, max_timestamp_ms });
        }
    }
    Ok(closed)
}

/// Timestamp of the last entry of a time index: the largest one of its segment.
fn last_timestamp_ms(
    files: &mut impl PartitionFiles,
    index: FileName,
    bytes: u64,
) -> io::Result<Option<i64>> {
    let mut raw = [0; kafka_log::time_index::ENTRY_BYTES];
    let Some(position) = bytes.checked_sub(raw.len() as u64) else { return Ok(None) };
    let read = files.read_at(index, position, &mut raw)?;
    let entries = kafka_log::time_index::parse(index.offset, &raw[..read]).unwrap_or_default();
    Ok(entries.last().map(|last| last.timestamp_ms))
}
