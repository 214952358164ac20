//! Old records leave: by age, by size, by request. Always whole segments; where the log starts
//! may lie inside one.
//! Source: `UnifiedLog.deleteOldSegments` and `Partition.deleteRecordsOnLeader` in Apache Kafka.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use kafka_log::closing::retire_segments;
use kafka_log::partition_files::{FileName, PartitionFiles};
use kafka_protocol::error::ResponseError;
use kafka_wire::offset::{LogStartOffset, Offset};

use super::open_log::{OpenLog, SegmentFacts};
use super::settings::LogSettings;
use super::{WritableLog, closed_error};

/// What left the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Base offsets of the segments that left.
    pub segments: Vec<Offset>,
    /// Where the log starts now.
    pub log_start: LogStartOffset,
}

/// Why records were not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteRecordsError {
    /// Not an offset that consumers may read up to.
    #[error("records cannot be deleted before {found}, the high watermark is {high_watermark}")]
    OutOfRange {
        /// What was asked for.
        found: i64,
        /// Largest legal.
        high_watermark: Offset,
    },
    /// `cleanup.policy` has no `delete`.
    #[error("records of a topic that is only compacted are not deleted")]
    Compacted,
    /// The log was closed or deleted.
    #[error("log is closed")]
    Closed,
}

impl DeleteRecordsError {
    /// What a client is told.
    #[must_use]
    pub const fn kafka_error(&self) -> ResponseError {
        match self {
            Self::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
            Self::Compacted => ResponseError::PolicyViolation,
            Self::Closed => ResponseError::NotLeaderOrFollower,
        }
    }
}

impl<F: PartitionFiles> WritableLog<F> {
    /// Lets segments leave that are too old at `now_ms` or too many, oldest first. Ask every few
    /// minutes (`log.retention.check.interval.ms`).
    ///
    /// # Errors
    /// When the system refuses; files that could not be deleted are tried again next time. When a
    /// sync of the log failed, nothing leaves.
    pub fn apply_retention(&self, now_ms: i64) -> io::Result<Retired> {
        let mut finisher = self.lock_finisher();
        self.sync_fault.check()?;
        let settings = self.settings();
        let retired = {
            let mut open = self.lock_open();
            let open = open.as_mut().ok_or_else(closed_error)?;
            let segments = if settings.cleanup.deletes() {
                let written_ms = |base| last_written_ms(self.view.directory(), base);
                let kept_from = open.first_kept(&settings, now_ms, written_ms);
                open.retire_below(kept_from, &mut *finisher)?
            } else {
                Vec::new()
            };
            if !segments.is_empty() {
                self.view.publish(open.state());
            }
            Retired { segments, log_start: open.log.log_start() }
        };
        self.remove_leaving(&mut *finisher)?;
        Ok(retired)
    }

    /// Moves the log's start to `before`, or to the high watermark when that is -1; segments
    /// wholly below it leave. Returns where the log starts now: not below where it started.
    ///
    /// # Errors
    /// When `before` is no legal start.
    pub fn delete_records(&self, before: i64) -> Result<LogStartOffset, DeleteRecordsError> {
        let mut finisher = self.lock_finisher();
        let log_start = {
            let mut open = self.lock_open();
            let open = open.as_mut().ok_or(DeleteRecordsError::Closed)?;
            if !self.settings().cleanup.deletes() {
                return Err(DeleteRecordsError::Compacted);
            }
            let high_watermark = open.log.accepted_end().offset();
            let to = if before == TO_HIGH_WATERMARK {
                Some(high_watermark)
            } else {
                Offset::from_wire(before).filter(|to| *to <= high_watermark)
            };
            let Some(to) = to else {
                return Err(DeleteRecordsError::OutOfRange { found: before, high_watermark });
            };
            open.advance_start(to);
            self.view.publish(open.state());
            open.log.log_start()
        };
        // The records are gone for readers.
        self.remove_leaving_or_later(&mut *finisher);
        Ok(log_start)
    }

    /// Moves the log's start to `to`, whatever the topic's policy: for the writer of a log that
    /// wrote anew, from `to` on, all that still counts. Segments wholly below it leave.
    ///
    /// # Errors
    /// When the log is closed.
    pub fn retire_below(&self, to: Offset) -> Result<LogStartOffset, DeleteRecordsError> {
        let mut finisher = self.lock_finisher();
        let log_start = {
            let mut open = self.lock_open();
            let open = open.as_mut().ok_or(DeleteRecordsError::Closed)?;
            let end = open.log.accepted_end().offset();
            assert!(to <= end, "what was written anew lies below the end of the log");
            open.advance_start(to);
            self.view.publish(open.state());
            open.log.log_start()
        };
        self.remove_leaving_or_later(&mut *finisher);
        Ok(log_start)
    }

    /// Deletes the files of segments that left; those that stay behind are tried again later.
    fn remove_leaving_or_later(&self, finisher: &mut impl PartitionFiles) {
        if let Err(error) = self.remove_leaving(finisher) {
            tracing::warn!(directory = %self.view.directory().display(), %error,
                "segments cannot be deleted");
        }
    }

    /// Deletes the files of segments that left the log.
    fn remove_leaving(&self, finisher: &mut impl PartitionFiles) -> io::Result<()> {
        let leaving = self.lock_open().as_ref().map(|open| open.leaving.clone());
        let leaving = leaving.unwrap_or_default();
        if leaving.is_empty() {
            return Ok(());
        }
        retire_segments(finisher, &leaving)?;
        if let Some(open) = self.lock_open().as_mut() {
            open.leaving.retain(|base| !leaving.contains(base));
        }
        Ok(())
    }
}

impl<F: PartitionFiles> OpenLog<F> {
    /// Base of the first segment that stays; the log's end when none does. `written_ms` tells of a
    /// segment whose records have no timestamps when it was written.
    fn first_kept(
        &self,
        settings: &LogSettings,
        now_ms: i64,
        written_ms: impl Fn(Offset) -> Option<i64>,
    ) -> Offset {
        let active = SegmentFacts {
            bytes: u64::from(self.log.active_bytes()),
            max_timestamp_ms: self.log.active_max_timestamp_ms(),
        };
        let active_base = self.log.active_segment();
        let segments = || {
            let closed = self.closed.iter().map(|(base, facts)| (*base, *facts));
            closed.chain(std::iter::once((active_base, active)))
        };
        let is_old = |base: Offset, facts: &SegmentFacts| {
            let Some(limit_ms) = settings.retention_ms else { return false };
            let newest_ms = facts.max_timestamp_ms.or_else(|| written_ms(base));
            newest_ms.is_some_and(|newest_ms| now_ms.saturating_sub(newest_ms) > limit_ms)
        };
        let total: u64 = segments().map(|(_, facts)| facts.bytes).sum();
        let mut excess = settings.retention_bytes.map_or(0, |limit| total.saturating_sub(limit));
        for (base, facts) in segments() {
            let is_excess = excess > 0 && facts.bytes <= excess;
            if !is_excess && !is_old(base, &facts) {
                return base;
            }
            excess = excess.saturating_sub(facts.bytes);
        }
        self.log.accepted_end().offset()
    }

    /// Lets the segments below `kept_from` leave; when that is all, an empty one is begun.
    fn retire_below(
        &mut self,
        kept_from: Offset,
        finisher: &mut impl PartitionFiles,
    ) -> io::Result<Vec<Offset>> {
        if kept_from > self.log.active_segment() {
            self.roll_at_end(finisher)?;
        }
        let first = self.log.segment_bases().next().expect("a log has a segment");
        Ok(if kept_from > first { self.advance_start(kept_from) } else { Vec::new() })
    }

    fn advance_start(&mut self, to: Offset) -> Vec<Offset> {
        let retired = self.log.advance_log_start(LogStartOffset::new(to));
        self.refresh_epochs();
        self.forget_segments(&retired);
        retired
    }
}

/// When a segment was last written, milliseconds since 1970, as the file system has it
/// (`LogSegment.largestTimestamp`).
fn last_written_ms(directory: &Path, base: Offset) -> Option<i64> {
    let metadata = fs::metadata(directory.join(FileName::log(base).text())).ok()?;
    let since_1970 = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_1970.as_millis()).ok()
}

/// The offset that asks for everything to be deleted.
const TO_HIGH_WATERMARK: i64 = -1;
