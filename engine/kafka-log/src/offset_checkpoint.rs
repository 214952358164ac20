//! The offset checkpoints at the root of a log directory: one offset per partition.
//!
//! ```text
//! 0                        version
//! 2                        count of entries
//! orders 0 1234            topic, partition, offset
//! orders 1 900
//! ```
//! Four files have this shape; see [`CheckpointName`]. Source: `CheckpointFile` and
//! `OffsetCheckpointFile` in Apache Kafka.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicName, TopicPartition};

/// Entries a checkpoint of a log directory may hold.
pub const CHECKPOINT_ENTRIES_MAX: usize = 1 << 20;
const VERSION: &str = "0";

/// The checkpoint files of a log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckpointName {
    /// Everything below is durable.
    RecoveryPoint,
    /// High watermark.
    Replication,
    /// Log start, where it is above the first segment's base.
    LogStart,
    /// How far compaction came.
    Cleaner,
}

impl CheckpointName {
    /// The file's name.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::RecoveryPoint => "recovery-point-offset-checkpoint",
            Self::Replication => "replication-offset-checkpoint",
            Self::LogStart => "log-start-offset-checkpoint",
            Self::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

/// What is wrong with a checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not text.
    #[error("checkpoint is not UTF-8")]
    NotText,
    /// Another version than 0, or none.
    #[error("checkpoint has version {found:?}, expected \"0\"")]
    Version {
        /// The first line.
        found: String,
    },
    /// The second line is no count.
    #[error("checkpoint has count {found:?}, expected a number up to {max}")]
    Count {
        /// The second line.
        found: String,
        /// Largest count that is read.
        max: usize,
    },
    /// More or fewer entries than counted.
    #[error("checkpoint says {counted} entries and holds {found}")]
    CountMismatch {
        /// Entries it says it holds.
        counted: usize,
        /// Lines found; counting stops one above `counted`.
        found: usize,
    },
    /// A line that is no entry.
    #[error("checkpoint line {line} is not an entry")]
    Entry {
        /// Which line, from 1.
        line: usize,
    },
    /// Entries must rise and this one does not.
    #[error("checkpoint line {line} does not rise above the one before it")]
    NotRising {
        /// Which line, from 1.
        line: usize,
    },
    /// A partition that was already named.
    #[error("checkpoint line {line} names {partition} a second time")]
    Repeated {
        /// Which line, from 1.
        line: usize,
        /// The partition.
        partition: TopicPartition,
    },
}

/// One offset per partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetCheckpoint {
    /// The offsets.
    pub offsets: BTreeMap<TopicPartition, Offset>,
}

impl OffsetCheckpoint {
    /// Contents of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("{VERSION}\n{}\n", self.offsets.len());
        for (partition, offset) in &self.offsets {
            writeln!(text, "{} {} {offset}", partition.topic, partition.partition)
                .expect("a string takes all text");
        }
        text.into_bytes()
    }

    /// Parses the file's contents; an empty file holds no entries.
    ///
    /// # Errors
    /// When it is not the format, or the count is wrong, or a partition is named twice.
    pub fn parse(contents: &[u8]) -> Result<Self, CheckpointError> {
        let mut offsets = BTreeMap::new();
        if contents.is_empty() {
            return Ok(Self { offsets });
        }
        let mut lines = CheckpointLines::parse(contents, CHECKPOINT_ENTRIES_MAX)?;
        while let Some((line, text)) = lines.next_line()? {
            let (partition, offset) = parse_entry(text).ok_or(CheckpointError::Entry { line })?;
            if offsets.insert(partition.clone(), offset).is_some() {
                return Err(CheckpointError::Repeated { line, partition });
            }
        }
        Ok(Self { offsets })
    }
}

fn parse_entry(text: &str) -> Option<(TopicPartition, Offset)> {
    let mut words = text.split(' ');
    let topic = TopicName::parse(words.next()?)?;
    let partition = PartitionIndex::from_wire(words.next()?.parse().ok()?)?;
    let offset = Offset::from_wire(words.next()?.parse().ok()?)?;
    words.next().is_none().then_some((TopicPartition { topic, partition }, offset))
}

/// The lines of a checkpoint file behind version and count, which are checked.
#[derive(Debug)]
pub(crate) struct CheckpointLines<'a> {
    lines: std::str::Lines<'a>,
    counted: usize,
    found: usize,
}

impl<'a> CheckpointLines<'a> {
    pub(crate) fn parse(contents: &'a [u8], max: usize) -> Result<Self, CheckpointError> {
        let text = std::str::from_utf8(contents).map_err(|_| CheckpointError::NotText)?;
        let mut lines = text.lines();
        let version = lines.next().unwrap_or_default();
        if version != VERSION {
            return Err(CheckpointError::Version { found: shown(version) });
        }
        let count = lines.next().unwrap_or_default();
        let counted = count.parse().ok().filter(|counted| *counted <= max);
        let counted = counted.ok_or_else(|| CheckpointError::Count { found: shown(count), max })?;
        Ok(Self { lines, counted, found: 0 })
    }

    /// The next entry and its line number, or the check of the count at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<(usize, &'a str)>, CheckpointError> {
        let Some(text) = self.lines.next() else {
            return if self.found == self.counted { Ok(None) } else { Err(self.mismatch()) };
        };
        self.found += 1;
        if self.found > self.counted {
            return Err(self.mismatch());
        }
        Ok(Some((self.found + 2, text)))
    }

    const fn mismatch(&self) -> CheckpointError {
        CheckpointError::CountMismatch { counted: self.counted, found: self.found }
    }
}

/// The start of a strange line, for people.
fn shown(line: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    line.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
