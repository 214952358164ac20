//! The course of a load: whose directory, what is dropped, what is trusted, what is read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};

use super::inventory::{Inventory, read_whole, replace_if_changed};
use super::scan::Carried;
use super::trusted::{TrustedTail, check_indexes, read_tail};
use super::{LoadError, LoadFinding, LoadRequest, LoadedLog, LogCut, OnBatch};
use crate::closing::{remove_segment, retire_segments};
use crate::leader_epoch_checkpoint::EpochHistory;
use crate::partition_files::{FileName, PartitionFiles};
use crate::partition_log::PartitionLog;
use crate::partition_metadata;
use crate::producer_state::ProducerStates;
use crate::producer_state::snapshot::SNAPSHOT_BYTES_MAX;

/// Largest `leader-epoch-checkpoint` that is read.
const EPOCH_CHECKPOINT_BYTES_MAX: u64 = 64 << 20;
/// Largest `partition.metadata` that is read.
const METADATA_BYTES_MAX: u64 = 4096;

pub(super) struct Loader<'a, F> {
    pub(super) files: &'a mut F,
    pub(super) request: &'a LoadRequest,
    /// Told of every batch read and kept.
    pub(super) on_batch: &'a mut OnBatch<'a>,
    pub(super) found: Inventory,
    pub(super) findings: Vec<LoadFinding>,
    /// Segments to read.
    pub(super) read: BTreeSet<Offset>,
    /// Producers at the bases where reading begins.
    pub(super) at_base: BTreeMap<Offset, ProducerStates>,
    pub(super) epochs: EpochHistory,
}

impl<'a, F: PartitionFiles> Loader<'a, F> {
    /// Lists the directory and makes sure that it is the topic's.
    pub(super) fn open(
        files: &'a mut F,
        request: &'a LoadRequest,
        on_batch: &'a mut OnBatch<'a>,
    ) -> Result<Self, LoadError> {
        let found = Inventory::read(files)?;
        let expected = request.topic_id;
        let contents = match found.metadata {
            Some(bytes) => {
                read_whole(files, FileName::PARTITION_METADATA, bytes, METADATA_BYTES_MAX)?
            }
            None if found.segments.values().any(|segment| segment.log_bytes > 0) => {
                return Err(LoadError::TopicIdMissing);
            }
            None => {
                let contents = partition_metadata::encode(expected);
                files.replace(FileName::PARTITION_METADATA, &contents)?;
                Some(contents)
            }
        };
        let id = partition_metadata::parse(&contents.unwrap_or_default())?;
        if id != expected {
            return Err(LoadError::TopicIdMismatch { expected, found: id });
        }
        Ok(Self {
            files,
            request,
            on_batch,
            found,
            findings: Vec::new(),
            read: BTreeSet::new(),
            at_base: BTreeMap::new(),
            epochs: EpochHistory::default(),
        })
    }

    pub(super) fn load(mut self) -> Result<LoadedLog, LoadError> {
        for orphan in std::mem::take(&mut self.found.orphans) {
            self.files.remove(orphan)?;
        }
        let Some(log_start) = self.log_start() else {
            let start = match self.request.cut {
                LogCut::StartAt(start) => start,
                LogCut::Keep | LogCut::TruncateTo(_) => {
                    self.request.log_start.unwrap_or_default().offset()
                }
            };
            return self.start_at(start);
        };
        match self.request.cut {
            LogCut::StartAt(start) => return self.start_at(start),
            LogCut::TruncateTo(end) if end <= log_start.offset() => return self.start_at(end),
            LogCut::Keep | LogCut::TruncateTo(_) => {}
        }
        self.drop_below(log_start)?;
        let cut_segments = self.drop_at_and_above_cut()?;
        let clean = self.request.clean && !cut_segments;
        let tail = self.choose_what_to_read(clean)?;
        self.load_epochs(tail.as_ref())?;
        let tail = tail.filter(|tail| !self.read.contains(&tail.segment.base));
        self.reach_snapshots()?;
        let is_as_closed = tail.is_some() && self.read.is_empty();
        let known_epochs = self.epochs.clone();
        let (active, carried) = self.rebuild(tail)?;
        if carried.end < log_start.offset() {
            let log_end = LogEndOffset::new(carried.end);
            self.findings.push(LoadFinding::StartAboveEnd { log_start, log_end });
            return self.start_at(log_start.offset());
        }
        let closed: Vec<Offset> =
            self.found.bases().into_iter().filter(|base| *base < active.base).collect();
        let Carried { end, mut epochs, producers, producer_id_max } = carried;
        // An emptied log keeps the epoch that was current where it starts: no batch tells it again.
        if end <= log_start.offset() && self.request.cut == LogCut::Keep {
            epochs = known_epochs;
        }
        epochs.truncate_from_end(end.max(log_start.offset().next()));
        epochs.truncate_from_start(log_start);
        if self.found.epochs.is_some() || !epochs.entries().is_empty() {
            let name = FileName::LEADER_EPOCH_CHECKPOINT;
            let contents = epochs.checkpoint(end.max(log_start.offset().next()));
            replace_if_changed(self.files, name, self.found.epochs, &contents)?;
        }
        self.drop_stray_snapshots(end, &closed, active.base)?;
        self.files.sync_directory()?;
        let log = PartitionLog {
            config: self.request.config,
            log_start,
            accepted_end: LogEndOffset::new(end),
            closed,
            active,
            epochs,
            epochs_version: 0,
            producers,
            producer_id_max,
        };
        Ok(LoadedLog { log, findings: self.findings, is_as_closed })
    }

    /// Where the log starts; `None` when there is no log.
    fn log_start(&self) -> Option<LogStartOffset> {
        let first = LogStartOffset::new(*self.found.segments.keys().next()?);
        Some(self.request.log_start.map_or(first, |start| start.max(first)))
    }

    /// Deletes everything and starts an empty log at `start`.
    fn start_at(self, start: Offset) -> Result<LoadedLog, LoadError> {
        // From the end, so that what a crash leaves is the log's beginning.
        let bases: Vec<Offset> = self.found.bases().into_iter().rev().collect();
        retire_segments(self.files, &bases)?;
        for offset in self.found.snapshots.keys() {
            self.files.remove(FileName::snapshot(*offset))?;
        }
        self.files.remove(FileName::LEADER_EPOCH_CHECKPOINT)?;
        let log = FileName::log(start);
        self.files.write_at(log, 0, &[])?;
        self.files.sync(log)?;
        self.files.sync_directory()?;
        let log = PartitionLog::empty(self.request.config, start);
        Ok(LoadedLog { log, findings: self.findings, is_as_closed: false })
    }

    /// Deletes segments wholly below the log's start: their retirement did not finish.
    fn drop_below(&mut self, log_start: LogStartOffset) -> io::Result<()> {
        while let Some(next) = self.found.segments.keys().nth(1)
            && *next <= log_start.offset()
        {
            let (base, _) = self.found.segments.pop_first().expect("there are two segments");
            self.remove_segment(base)?;
        }
        Ok(())
    }

    fn drop_at_and_above_cut(&mut self) -> io::Result<bool> {
        let LogCut::TruncateTo(cut) = self.request.cut else { return Ok(false) };
        let bases: Vec<Offset> =
            self.found.segments.range(cut..).rev().map(|(base, _)| *base).collect();
        for base in &bases {
            self.found.segments.remove(base);
            self.remove_segment(*base)?;
        }
        self.files.sync_directory()?;
        assert!(!self.found.segments.is_empty(), "the cut lies above the first segment's base");
        Ok(!bases.is_empty())
    }

    pub(super) fn remove_segment(&mut self, base: Offset) -> io::Result<()> {
        self.found.snapshots.remove(&base);
        remove_segment(self.files, base)
    }

    /// Base of the segment behind `base`.
    pub(super) fn next_base(&self, base: Offset) -> Option<Offset> {
        self.found.segments.range(base.next()..).next().map(|(next, _)| *next)
    }

    /// True when the segment's bytes were synced before its end was published.
    ///
    /// The recovery point alone does not tell: after a truncation the one on disk may be the old,
    /// higher one for a moment. The snapshot at a segment's end is written once it is finished.
    pub(super) fn is_trusted(&self, base: Offset) -> bool {
        let point = self.request.recovery_point.unwrap_or_default();
        let is_finished = |next: &Offset| *next <= point && self.found.snapshots.contains_key(next);
        self.request.clean || self.next_base(base).filter(is_finished).is_some()
    }

    /// Fills `read`; returns the end of the log when the last segment needs no reading.
    fn choose_what_to_read(&mut self, clean: bool) -> io::Result<Option<TrustedTail>> {
        let active = *self.found.segments.keys().next_back().expect("a log has a segment");
        let mut tail = None;
        for base in self.found.bases() {
            let is_active = base == active;
            if !self.is_trusted(base) || is_active && !clean {
                self.read.insert(base);
                continue;
            }
            let found = self.found.segments[&base];
            let wrong = match check_indexes(self.files, base, &found)? {
                Err(reason) => Some(reason),
                Ok(_) if !is_active => None,
                Ok(last) => match read_tail(self.files, base, &found, last)? {
                    Err(reason) => Some(reason),
                    Ok(read) => {
                        tail = Some(read);
                        None
                    }
                },
            };
            if let Some(reason) = wrong {
                self.read.insert(base);
                self.findings.push(LoadFinding::IndexRebuilt { segment: base, reason });
            }
        }
        let Some(read) = tail else { return Ok(None) };
        let cuts = matches!(self.request.cut, LogCut::TruncateTo(cut) if cut < read.end);
        if cuts {
            self.read.insert(active);
            return Ok(None);
        }
        self.trust_tail(read)
    }

    /// Takes the producers at the log's end from the snapshot there, or has them read.
    fn trust_tail(&mut self, tail: TrustedTail) -> io::Result<Option<TrustedTail>> {
        if let Some(producers) = self.snapshot_at(tail.end)? {
            self.at_base.insert(tail.end, producers);
            return Ok(Some(tail));
        }
        if tail.segment.bytes > 0 || self.found.segments.len() > 1 {
            let log_end = LogEndOffset::new(tail.end);
            self.findings.push(LoadFinding::ProducersRebuilt { log_end });
        }
        self.read.insert(tail.segment.base);
        Ok(None)
    }

    /// The producers of the snapshot at `offset`; a malformed one is deleted.
    pub(super) fn snapshot_at(&mut self, offset: Offset) -> io::Result<Option<ProducerStates>> {
        let Some(bytes) = self.found.snapshots.get(&offset).copied() else { return Ok(None) };
        let name = FileName::snapshot(offset);
        let contents = read_whole(self.files, name, bytes, SNAPSHOT_BYTES_MAX)?;
        let parsed = match contents {
            None => Err(format!("snapshot has {bytes} bytes, at most {SNAPSHOT_BYTES_MAX}")),
            Some(contents) => match ProducerStates::parse_snapshot(&contents) {
                Ok(states) if states.lie_below(offset) => Ok(states),
                Ok(_) => Err("snapshot holds offsets above its own".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        };
        parsed.map(Some).or_else(|reason| {
            self.files.remove(name)?;
            self.found.snapshots.remove(&offset);
            self.findings.push(LoadFinding::SnapshotDropped { offset, reason });
            Ok(None)
        })
    }

    /// Extends `read` backwards until each run of segments begins at a snapshot or at the first.
    fn reach_snapshots(&mut self) -> io::Result<()> {
        let bases = self.found.bases();
        for (place, base) in bases.iter().enumerate().rev() {
            let before = place.checked_sub(1).map(|before| bases[before]);
            let is_reached = before.is_some_and(|before| self.read.contains(&before));
            if !self.read.contains(base) || is_reached {
                continue;
            }
            match (self.snapshot_at(*base)?, before) {
                (Some(producers), _) => {
                    self.at_base.insert(*base, producers);
                }
                (None, Some(before)) => {
                    self.read.insert(before);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Reads the epoch checkpoint; without a usable one every segment is read.
    fn load_epochs(&mut self, tail: Option<&TrustedTail>) -> io::Result<()> {
        let wrong = match self.found.epochs {
            None => "leader-epoch-checkpoint is missing".to_owned(),
            Some(bytes) => {
                let name = FileName::LEADER_EPOCH_CHECKPOINT;
                let contents = read_whole(self.files, name, bytes, EPOCH_CHECKPOINT_BYTES_MAX)?;
                match EpochHistory::parse(&contents.unwrap_or_default()) {
                    Err(error) => error.to_string(),
                    Ok(epochs) if tail.is_some_and(|tail| tail.epoch > epochs.latest()) => {
                        "leader-epoch-checkpoint misses the last epoch".to_owned()
                    }
                    Ok(epochs) => {
                        self.epochs = epochs;
                        return Ok(());
                    }
                }
            }
        };
        let has_trusted = self.read.len() < self.found.segments.len();
        let has_batches = self.found.segments.values().any(|segment| segment.log_bytes > 0);
        if has_batches && (has_trusted || self.found.epochs.is_some()) {
            self.findings.push(LoadFinding::EpochsRebuilt { reason: wrong });
        }
        self.read.extend(self.found.segments.keys());
        Ok(())
    }

    /// Deletes snapshots that are neither at a segment's base nor at the log's end.
    fn drop_stray_snapshots(
        &mut self,
        end: Offset,
        closed: &[Offset],
        active: Offset,
    ) -> io::Result<()> {
        for offset in self.found.snapshots.keys().copied() {
            let is_base = offset == active || closed.binary_search(&offset).is_ok();
            if offset != end && !is_base {
                self.files.remove(FileName::snapshot(offset))?;
            }
        }
        Ok(())
    }
}
