//! Opening a partition's files: what they mean, what is wrong with them, what was repaired.
//!
//! Segments below the recovery point, and all of a clean directory, are trusted: only lengths
//! and last entries of their indexes are checked. Every other segment is *read*: each batch
//! checked, indexes, epochs and producers taken from the batches, the file cut where they end.
//! Reading needs the producers at the segment's base, so it begins at a snapshot.

use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::TopicId;
use kafka_wire::record_batch::BatchHeader;

use crate::log_config::LogConfig;
use crate::partition_files::PartitionFiles;
use crate::partition_log::PartitionLog;
use crate::partition_metadata::PartitionMetadataError;
use crate::producer_state::ProducerStates;
use loader::Loader;
use noted_files::NotedFiles;

mod inventory;
mod loader;
mod noted_files;
mod rebuild;
mod scan;
mod trusted;

pub use scan::READ_BYTES;

/// What to expect in a partition's directory and where to cut.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    /// Must equal the id in `partition.metadata`; written there when the directory is new.
    pub topic_id: TopicId,
    /// Segment and index sizes.
    pub config: LogConfig,
    /// Everything below is durable, from the directory's checkpoint.
    pub recovery_point: Option<Offset>,
    /// Log start from the directory's checkpoint.
    pub log_start: Option<LogStartOffset>,
    /// True when the directory was closed cleanly.
    pub clean: bool,
    /// What to drop.
    pub cut: LogCut,
}

/// What to drop of a log while loading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogCut {
    /// Nothing.
    Keep,
    /// Everything at and above this offset; a batch that holds it goes whole.
    TruncateTo(Offset),
    /// Everything; the empty log starts here.
    StartAt(Offset),
}

/// An opened log.
#[derive(Debug)]
pub struct LoadedLog {
    /// The log, ready to append.
    pub log: PartitionLog,
    /// What was found and done.
    pub findings: Vec<LoadFinding>,
    /// The files are as closing the log left them: to close it again, unchanged, changes nothing.
    pub is_as_closed: bool,
}

/// Something found, and what was done about it. Every offset cut off is fetched again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadFinding {
    /// The last segment ended in bytes that are no batch; they were cut off.
    TornTail {
        /// Base offset of the segment.
        segment: Offset,
        /// Bytes kept.
        kept_bytes: u64,
        /// Bytes cut off.
        dropped_bytes: u64,
        /// What was wrong with them, for people.
        reason: String,
    },
    /// A segment that others follow ended early or held bytes that are no batch.
    CorruptMiddle {
        /// Base offset of the segment.
        segment: Offset,
        /// Bytes kept.
        kept_bytes: u64,
        /// Bytes cut off.
        dropped_bytes: u64,
        /// What was wrong, for people.
        reason: String,
    },
    /// Segments behind a cut were deleted.
    SegmentsDropped {
        /// Base offset of the first.
        first: Offset,
        /// How many.
        count: usize,
    },
    /// An index was missing or malformed; the segment was read and its indexes written anew.
    IndexRebuilt {
        /// Base offset of the segment.
        segment: Offset,
        /// What was wrong, for people.
        reason: String,
    },
    /// A producer snapshot was malformed and deleted.
    SnapshotDropped {
        /// The offset in its name.
        offset: Offset,
        /// What was wrong, for people.
        reason: String,
    },
    /// A clean log without a usable snapshot at its end; producers were read from the batches.
    ProducersRebuilt {
        /// Where the log ends.
        log_end: LogEndOffset,
    },
    /// `leader-epoch-checkpoint` was missing or malformed; epochs were read from the batches.
    EpochsRebuilt {
        /// What was wrong, for people.
        reason: String,
    },
    /// The checkpointed log start is above all records; the log is empty and starts there.
    StartAboveEnd {
        /// The checkpointed start.
        log_start: LogStartOffset,
        /// Where the log ended.
        log_end: LogEndOffset,
    },
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The directory belongs to another topic.
    #[error("directory belongs to topic id {found}, expected {expected}")]
    TopicIdMismatch {
        /// The id asked for.
        expected: TopicId,
        /// The id in `partition.metadata`.
        found: TopicId,
    },
    /// The directory holds records and does not say whose.
    #[error("directory holds records and no partition.metadata")]
    TopicIdMissing,
    /// `partition.metadata` cannot be read.
    #[error("{0}")]
    TopicIdUnreadable(#[from] PartitionMetadataError),
}

/// Opens the files of one partition: repairs what a crash left, cuts as asked, and returns the
/// state of what remains. All of it is durable when this returns.
///
/// # Errors
/// When the system refuses or the directory belongs to another topic. Malformed files never
/// fail a load; they are rebuilt or cut, with a finding.
pub fn load(
    files: &mut impl PartitionFiles,
    request: &LoadRequest,
) -> Result<LoadedLog, LoadError> {
    load_telling(files, request, &mut |_, _| {})
}

/// Opens a log as [`load`] does. `on_batch` is called with every batch that was read and kept, in
/// the order of offsets, and with the producers as they were before it: a snapshot remembers one
/// batch of each, whoever needs more takes them from here. Of segments that are trusted nothing is
/// told.
///
/// # Errors
/// As [`load`].
pub fn load_telling(
    files: &mut impl PartitionFiles,
    request: &LoadRequest,
    on_batch: &mut OnBatch<'_>,
) -> Result<LoadedLog, LoadError> {
    let mut files = NotedFiles::new(files, request.clean);
    Loader::open(&mut files, request, on_batch)?.load()
}

/// Takes what a load reads; see [`load_telling`].
pub type OnBatch<'a> = dyn FnMut(&ProducerStates, &BatchHeader) + 'a;

#[cfg(test)]
mod tests;
