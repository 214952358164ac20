//! One mirrored partition: what it is, what it wants, what it is doing.
//!
//! ```text
//!  Loading --> Aligning --> Fetching <--> Backoff
//!     ^            |          |  |  \---> LeaderUnknown, Fenced, Repairing --> (back)
//!     |            v          v  v
//!     +------- Discarding <---+  +-----> Failed
//!
//!  any but Loading, when the host asks: Quiescing --> Paused | Closing --> gone
//! ```

use std::collections::VecDeque;

use kafka_log::closing::ClosedSegment;
use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::LogCut;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::SourceBroker;

use crate::admission::EpochBounds;
use crate::bridge::{NewPartition, Progress};
use crate::chunk::{Chunk, ReadableEnd};
use crate::op::Tick;
use crate::orders::NextLife;

/// What the partition is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its files are being opened.
    Loading,
    /// Waits for the source to say where its epochs end.
    Aligning,
    /// Belongs to a fetch session, or will with the next request.
    Fetching,
    /// Waits for the source to say where its log starts and ends.
    Repairing,
    /// Waits for its timer, then goes on as told.
    Backoff(AfterBackoff),
    /// Waits for the host to name the leader.
    LeaderUnknown,
    /// Waits for the host to raise our leader epoch.
    Fenced,
    /// Forgets what is not on disk, then loads again with this cut.
    Discarding(LogCut),
    /// Brings everything accepted to disk, then does what the goal says.
    Quiescing,
    /// Nothing in flight, everything durable.
    Paused,
    /// Its log is being closed or deleted.
    Closing,
    /// Stopped with a reason.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterBackoff {
    Align,
    Fetch,
    Load,
}

/// What is done about a log whose place in the source's is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// The source's log ends here, below ours.
    EndsAt(Offset),
    /// The source's log starts here, above our end.
    StartsAt(Offset),
}

/// What the host wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    Mirror,
    Pause,
    Close,
    Delete,
}

/// Operations of this partition that have not completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) receives: u32,
    pub(crate) writes: u32,
    pub(crate) index_writes: u32,
    pub(crate) syncs: u32,
    pub(crate) allocations: u32,
    pub(crate) files: u32,
}

impl Pending {
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Which connection and fetch session serve the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneRef {
    pub(crate) connection: usize,
    pub(crate) lane: usize,
}

#[derive(Debug)]
pub(crate) struct MirrorPartition {
    pub(crate) spec: NewPartition,
    pub(crate) phase: Phase,
    pub(crate) goal: Goal,
    /// `None` until loaded, and while loading again.
    pub(crate) log: Option<PartitionLog>,

    /// Chunks still being filled or waiting for the end of a batch; the last one is filled.
    pub(crate) open: VecDeque<Chunk>,
    /// Chunks handed to the writer, in offset order.
    pub(crate) writing: VecDeque<Chunk>,
    /// Rolled segments whose files are not finished, oldest first.
    pub(crate) closing: VecDeque<RolledSegment>,
    pub(crate) next_chunk: u64,
    pub(crate) pending: Pending,
    /// A connection is putting records into the open chunks.
    pub(crate) filling: bool,
    /// Cut of the load in progress, or of the one that failed and is tried again.
    pub(crate) wanted_cut: LogCut,
    /// Where the host wants the log cut as soon as it is loaded.
    pub(crate) truncate_when_loaded: Option<Offset>,
    /// Start and end of a log whose files are as closing it left them.
    pub(crate) closed_at: Option<(LogStartOffset, LogEndOffset)>,
    /// Log end before the reload in progress: a log that then ends lower was truncated.
    pub(crate) reloaded_from: Option<LogEndOffset>,
    /// When the oldest open chunk began to wait for more.
    pub(crate) held_since: Option<Tick>,

    /// Behind the last batch before which nothing is missing on disk.
    pub(crate) written: ReadableEnd,
    /// Where the earliest aborted transaction begins whose index entry is being written.
    pub(crate) aborts_in_flight: Option<Offset>,
    pub(crate) recovery_point: Offset,
    /// Log end that the sync in flight, or the epoch checkpoint behind it, makes durable.
    pub(crate) syncing_to: Offset,
    pub(crate) unsynced_bytes: u64,
    pub(crate) unsynced_since: Option<Tick>,
    /// Version of the epoch history that is on disk.
    pub(crate) epochs_written: u64,
    /// Reserved end of the active segment's file, and which segment that is.
    pub(crate) allocated: (Offset, u64),

    pub(crate) source_high_watermark: Option<HighWatermark>,
    pub(crate) source_log_start: Offset,
    /// Where an empty log was to begin, when that lies inside the first batch: what is asked for
    /// then, since the source serves nothing from the beginning of that batch.
    pub(crate) begins_inside: Offset,
    /// Where the source's log ends, once asked because our place in it is gone.
    pub(crate) source_end: Option<Offset>,
    /// What the source's answers, by the topic's name, would have us do about that.
    pub(crate) unconfirmed_repair: Option<Repair>,

    pub(crate) lane: Option<LaneRef>,
    /// Place among the lane's members.
    pub(crate) member_at: usize,
    /// Its bytes count for the throttle.
    pub(crate) throttled: bool,
    /// The broker's session knows this partition.
    pub(crate) in_session: bool,
    /// Waits in its lane's list of changes.
    pub(crate) change_queued: bool,
    /// Offset the last request asked for, and the source epoch it believed in.
    pub(crate) asked: Option<(Offset, Option<SourceLeaderEpoch>)>,

    pub(crate) failures: u32,
    pub(crate) corrupt_count: u64,
    pub(crate) timer: u32,
    pub(crate) upkeep_listed: bool,
    pub(crate) progress_listed: bool,

    /// The host added it again while it was being removed.
    pub(crate) next_life: Option<Box<NextLife>>,
    /// Lives that the host ended before they began.
    pub(crate) lives_skipped: u32,
}

/// A rolled segment waiting for its last bytes, and where the next one starts.
#[derive(Debug)]
pub(crate) struct RolledSegment {
    /// `None` once it was handed to the edge.
    pub(crate) closed: Option<Box<ClosedSegment>>,
    /// Log end when it was rolled: all of it is written once the log is written up to here.
    pub(crate) end: Offset,
    /// Where the earliest aborted transaction begins that its transaction index gets when it is
    /// finished.
    pub(crate) unindexed_aborts_from: Option<Offset>,
}

impl RolledSegment {
    pub(crate) fn new(closed: Box<ClosedSegment>, end: Offset) -> Self {
        let unindexed_aborts_from = closed.unindexed_aborts_from();
        Self { closed: Some(closed), end, unindexed_aborts_from }
    }
}

impl MirrorPartition {
    pub(crate) fn new(spec: NewPartition) -> Self {
        // Until the log is loaded the host's word counts.
        let durable = spec.recovery_point.unwrap_or_default();
        Self {
            spec,
            phase: Phase::Loading,
            goal: Goal::Mirror,
            log: None,
            open: VecDeque::new(),
            writing: VecDeque::new(),
            closing: VecDeque::new(),
            next_chunk: 0,
            pending: Pending::default(),
            filling: false,
            wanted_cut: LogCut::Keep,
            truncate_when_loaded: None,
            closed_at: None,
            reloaded_from: None,
            held_since: None,
            written: ReadableEnd { offset: durable, ..ReadableEnd::default() },
            aborts_in_flight: None,
            recovery_point: durable,
            syncing_to: Offset::ZERO,
            unsynced_bytes: 0,
            unsynced_since: None,
            epochs_written: 0,
            allocated: (Offset::ZERO, 0),
            source_high_watermark: None,
            source_log_start: Offset::ZERO,
            begins_inside: Offset::ZERO,
            source_end: None,
            unconfirmed_repair: None,
            lane: None,
            member_at: 0,
            throttled: false,
            in_session: false,
            change_queued: false,
            asked: None,
            failures: 0,
            corrupt_count: 0,
            timer: 0,
            upkeep_listed: false,
            progress_listed: false,
            next_life: None,
            lives_skipped: 0,
        }
    }

    pub(crate) fn leader(&self) -> SourceBroker {
        self.spec.leader
    }

    pub(crate) fn source_epoch(&self) -> Option<SourceLeaderEpoch> {
        self.spec.source_epoch
    }

    pub(crate) fn bounds(&self) -> EpochBounds {
        EpochBounds { leader_epoch: self.spec.leader_epoch, announced: self.spec.source_epoch }
    }

    pub(crate) fn raise_leader_epoch(&mut self, epoch: LeaderEpoch) {
        self.spec.leader_epoch = self.spec.leader_epoch.max(epoch);
    }

    /// One past the last offset taken in, written or not.
    pub(crate) fn accepted_end(&self) -> Offset {
        self.log.as_ref().map_or(self.written.offset, |log| log.accepted_end().offset())
    }

    /// What to fetch next.
    pub(crate) fn fetch_position(&self) -> Offset {
        let is_empty = self.log.as_ref().is_some_and(PartitionLog::is_empty);
        let least = if is_empty { self.begins_inside } else { Offset::ZERO };
        self.accepted_end().max(least)
    }

    pub(crate) fn wants_fetch(&self) -> bool {
        self.phase == Phase::Fetching && self.goal == Goal::Mirror
    }

    /// True while the source holds records we have not taken in.
    pub(crate) fn is_behind(&self) -> bool {
        self.source_high_watermark.is_some_and(|mark| mark.offset() > self.accepted_end())
    }

    /// Nothing accepted is missing on disk, for readers either, and nothing is on its way there.
    pub(crate) fn is_durable(&self) -> bool {
        self.pending.is_none()
            && self.open.is_empty()
            && self.writing.is_empty()
            && self.closing.is_empty()
            && !self.has_aborts_to_flush()
            && self.recovery_point == self.accepted_end()
    }

    pub(crate) fn progress(&self) -> Progress {
        // Between two loads the start is the one that the next load begins with.
        let known = self.log.as_ref().map(PartitionLog::log_start).or(self.spec.log_start);
        // Before the first load nothing may be known: zero is not above any start.
        let log_start = known.map_or(Offset::ZERO, LogStartOffset::offset);
        Progress {
            log_start: LogStartOffset::new(log_start),
            log_end: LogEndOffset::new(self.written.offset),
            end_place: self.written.place,
            last_stable_offset: self.last_stable_offset(),
            recovery_point: self.recovery_point,
            source_high_watermark: self.source_high_watermark,
            last_epoch: self.log.as_ref().and_then(PartitionLog::latest_epoch),
            producer_id_max: self.log.as_ref().and_then(PartitionLog::producer_id_max),
        }
    }

    /// First offset that belongs to an open transaction, or to an aborted one that the transaction
    /// index files do not name yet: readers who went past it would take its records for good.
    pub(crate) fn last_stable_offset(&self) -> LastStableOffset {
        let pending = self.log.as_ref().and_then(PartitionLog::unindexed_aborts_from);
        let rolled = self.closing.iter().filter_map(|segment| segment.unindexed_aborts_from);
        let unindexed = rolled.chain(pending).chain(self.aborts_in_flight).min();
        let stable = self.written.last_stable_offset.offset();
        let readable = unindexed.map_or(stable, |first| first.min(stable));
        let log_start = self.log.as_ref().map_or(Offset::ZERO, |log| log.log_start().offset());
        LastStableOffset::new(readable.max(log_start).min(self.written.offset))
    }
}

#[cfg(test)]
mod tests;
