//! The epoch history of a log and its file, `leader-epoch-checkpoint`.
//!
//! ```text
//! 0                        version
//! 2                        count of entries
//! 7 1000                   epoch, first offset written in it
//! 12 1020
//! ```
//! Source: `LeaderEpochFileCache` and `CheckpointFile` in Apache Kafka.

use std::fmt::Write as _;

use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};

use crate::offset_checkpoint::{CheckpointError, CheckpointLines};

/// Entries a history may hold: what one partition may cost in memory, 16 MiB.
pub const EPOCH_ENTRIES_MAX: usize = 1 << 20;

/// First offset written in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: SourceLeaderEpoch,
    /// The first offset written in it.
    pub start: Offset,
}

/// Answer to "where does this epoch end?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The largest known epoch at or below the one asked for, or the one asked for when all known
    /// ones are above it.
    pub epoch: SourceLeaderEpoch,
    /// One past its last offset.
    pub end: Offset,
}

/// Which epoch wrote what; epochs and offsets both rise strictly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochHistory {
    entries: Vec<EpochEntry>,
}

impl EpochHistory {
    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The newest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<SourceLeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// True when an append in `epoch` would need an entry and there is no room for one.
    #[must_use]
    pub fn is_full_for(&self, epoch: SourceLeaderEpoch) -> bool {
        self.entries.len() >= EPOCH_ENTRIES_MAX && self.latest().is_some_and(|last| last < epoch)
    }

    /// Notes that a batch at `start` was written in `epoch`; entries that conflict go
    /// (`LeaderEpochFileCache.assign`). True when the history changed.
    pub fn assign(&mut self, epoch: SourceLeaderEpoch, start: Offset) -> bool {
        let known = |last: &EpochEntry| last.epoch == epoch && last.start <= start;
        if self.entries.last().is_some_and(known) {
            return false;
        }
        while self.entries.last().is_some_and(|last| last.epoch >= epoch || last.start >= start) {
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start });
        true
    }

    /// Where `epoch` ends in a log that ends at `log_end`; `None` when `epoch` is above all known
    /// ones or nothing is known (`LeaderEpochFileCache.endOffsetFor`).
    #[must_use]
    pub fn end_offset_for(
        &self,
        epoch: SourceLeaderEpoch,
        log_end: LogEndOffset,
    ) -> Option<EpochEndOffset> {
        if self.latest() == Some(epoch) {
            return Some(EpochEndOffset { epoch, end: log_end.offset() });
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries.get(above)?.start;
        let floor = above.checked_sub(1).map_or(epoch, |floor| self.entries[floor].epoch);
        Some(EpochEndOffset { epoch: floor, end })
    }

    /// Drops entries that start at or above `end`. True when the history changed.
    pub fn truncate_from_end(&mut self, end: Offset) -> bool {
        let kept = self.entries.partition_point(|entry| entry.start < end);
        let changed = kept < self.entries.len();
        self.entries.truncate(kept);
        changed
    }

    /// Drops what lies below `start`; the epoch that was current there now begins at `start`.
    /// True when the history changed.
    pub fn truncate_from_start(&mut self, start: LogStartOffset) -> bool {
        let start = start.offset();
        let Some(current) =
            self.entries.partition_point(|entry| entry.start <= start).checked_sub(1)
        else {
            return false;
        };
        let changed = current > 0 || self.entries[current].start != start;
        self.entries.drain(..current);
        self.entries[0].start = start;
        changed
    }

    /// Contents of the file, with the entries that start below `below` only.
    #[must_use]
    pub fn checkpoint(&self, below: Offset) -> Vec<u8> {
        let kept = self.entries.partition_point(|entry| entry.start < below);
        let mut text = format!("0\n{kept}\n");
        for entry in &self.entries[..kept] {
            writeln!(text, "{} {}", entry.epoch, entry.start).expect("a string takes all text");
        }
        text.into_bytes()
    }

    /// Parses the file's contents.
    ///
    /// # Errors
    /// When it is not the format, or entries do not rise strictly.
    pub fn parse(contents: &[u8]) -> Result<Self, CheckpointError> {
        let mut lines = CheckpointLines::parse(contents, EPOCH_ENTRIES_MAX)?;
        let mut entries: Vec<EpochEntry> = Vec::new();
        while let Some((line, text)) = lines.next_line()? {
            let entry = parse_entry(text).ok_or(CheckpointError::Entry { line })?;
            let rises = |last: &EpochEntry| last.epoch < entry.epoch && last.start < entry.start;
            if !entries.last().is_none_or(rises) {
                return Err(CheckpointError::NotRising { line });
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }
}

fn parse_entry(text: &str) -> Option<EpochEntry> {
    let (epoch, start) = text.split_once(' ')?;
    Some(EpochEntry {
        epoch: SourceLeaderEpoch::from_wire(epoch.parse().ok()?)?,
        start: Offset::from_wire(start.parse().ok()?)?,
    })
}

#[cfg(test)]
mod tests;
