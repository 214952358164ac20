//! The checkpoints of all logs in a directory, and which of these logs are closed.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::TopicPartition;

use crate::directory::DirectoryCheckpoints;

/// What is known of every log in a directory, by the word of those who write them.
#[derive(Debug)]
pub(crate) struct LogLedger {
    checkpoints: DirectoryCheckpoints,
    is_dirty: bool,
    /// Logs that were opened or closed by this process.
    closed: BTreeMap<TopicPartition, bool>,
    /// Logs that were not closed before this process came, which it repaired and closed.
    repaired: BTreeSet<TopicPartition>,
    /// True when all others were closed cleanly before.
    were_closed: bool,
}

/// How far a log may be checkpointed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCheckpoint {
    /// Everything below is durable.
    pub recovery_point: Offset,
    /// First offset kept.
    pub log_start: LogStartOffset,
    /// Below it records are replicated, when that is known; at most the recovery point.
    pub high_watermark: Option<Offset>,
}

impl LogLedger {
    /// A ledger that begins with the directory's checkpoints; no log is known to be closed.
    pub(crate) fn new(checkpoints: DirectoryCheckpoints) -> Self {
        Self {
            checkpoints,
            is_dirty: false,
            closed: BTreeMap::new(),
            repaired: BTreeSet::new(),
            were_closed: false,
        }
    }

    /// Says whether every log was closed cleanly before this process came; that it was is kept.
    pub(crate) fn note_marker(&mut self, was_clean: bool) -> bool {
        self.were_closed |= was_clean;
        self.were_closed
    }

    /// What may be written to the directory's checkpoints now.
    pub(crate) fn checkpoints(&self) -> &DirectoryCheckpoints {
        &self.checkpoints
    }

    /// True once after anything changed that a checkpoint holds.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.is_dirty)
    }

    /// Says that the checkpoints could not be written.
    pub(crate) fn mark_dirty(&mut self) {
        self.is_dirty = true;
    }

    /// Notes how far a log may be checkpointed.
    pub(crate) fn note(&mut self, name: &TopicPartition, checkpoint: LogCheckpoint) {
        let LogCheckpoint { recovery_point, log_start, high_watermark } = checkpoint;
        assert!(high_watermark.is_none_or(|mark| mark <= recovery_point));
        let checkpoints = &mut self.checkpoints;
        let start = Some(log_start.offset()).filter(|at| at.get() > 0);
        let mut dirty = set(&mut checkpoints.recovery_points, name, Some(recovery_point));
        // A log that starts at zero needs no entry, and an absent one cannot be wrong.
        dirty |= set(&mut checkpoints.log_starts, name, start);
        if high_watermark.is_some() {
            dirty |= set(&mut checkpoints.high_watermarks, name, high_watermark);
        }
        self.is_dirty |= dirty;
    }

    /// Notes that a log was cut: nothing at or above `end` may be called durable.
    pub(crate) fn note_cut(&mut self, name: &TopicPartition, end: Offset) {
        let checkpoints = &mut self.checkpoints;
        for offsets in [&mut checkpoints.recovery_points, &mut checkpoints.high_watermarks] {
            if let Some(offset) = offsets.get_mut(name) {
                *offset = (*offset).min(end);
            }
        }
        self.is_dirty = true;
    }

    /// Forgets a log that is to be deleted.
    pub(crate) fn forget(&mut self, name: &TopicPartition) {
        let checkpoints = &mut self.checkpoints;
        self.is_dirty |= checkpoints.recovery_points.remove(name).is_some();
        self.is_dirty |= checkpoints.log_starts.remove(name).is_some();
        self.is_dirty |= checkpoints.high_watermarks.remove(name).is_some();
        self.closed.remove(name);
        self.repaired.remove(name);
    }

    /// Notes that somebody opened a log to write it, or closed it cleanly.
    pub(crate) fn note_closed(&mut self, name: &TopicPartition, is_closed: bool) {
        self.closed.insert(name.clone(), is_closed);
    }

    /// Notes that a log was not closed, and that this process repaired it.
    pub(crate) fn note_repaired(&mut self, name: &TopicPartition) {
        self.repaired.insert(name.clone());
    }

    /// Notes that clients were told an epoch above all before since a log was repaired: whoever had
    /// read what is gone notices by that.
    pub(crate) fn note_epoch_told(&mut self, name: &TopicPartition) {
        self.repaired.remove(name);
    }

    /// True when this process repaired a log: what readers had of it may be gone.
    pub(crate) fn was_repaired(&self, name: &TopicPartition) -> bool {
        self.repaired.contains(name)
    }

    /// True when a log was closed cleanly, and not opened since.
    pub(crate) fn is_closed(&self, name: &TopicPartition) -> bool {
        self.closed.get(name).copied().unwrap_or(self.were_closed)
    }
}

/// Sets or removes an offset; says whether that changed anything.
fn set(
    offsets: &mut BTreeMap<TopicPartition, Offset>,
    name: &TopicPartition,
    offset: Option<Offset>,
) -> bool {
    match offset {
        Some(offset) if offsets.get(name) == Some(&offset) => false,
        Some(offset) => {
            offsets.insert(name.clone(), offset);
            true
        }
        None => offsets.remove(name).is_some(),
    }
}

#[cfg(test)]
mod tests;
