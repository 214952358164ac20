//! Opening a partition's files: what they mean, what is wrong with them, what was repaired.

use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::TopicId;

use crate::log_config::LogConfig;
use crate::partition_log::PartitionLog;

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
}

/// Something found, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadFinding {}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
