//! What crosses between a shard and its host: commands in, reports out, nothing else.

use std::num::NonZeroU64;

use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::log_config::LogConfig;
use kafka_log::partition_log::LogPlace;
use kafka_log::recovery::LoadFinding;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::{HighWatermark, LastStableOffset, LogEndOffset, LogStartOffset, Offset};
use kafka_wire::partition::{SourceBroker, SourceId, TopicIdPartition, TopicName, TopicPartition};
use kafka_wire::producer::ProducerId;

use crate::limits::SourceLimits;
use crate::op::BrokerAddress;

/// An order from the host to the shard that owns what it names.
#[derive(Clone, Debug)]
pub enum EngineCommand {
    /// Where a source broker listens; changes an address or adds a broker.
    SetBroker {
        /// The broker.
        broker: SourceBroker,
        /// Where it listens.
        address: BrokerAddress,
    },
    /// How to ask a source and how long to wait for it; without it, the shard's own limits count.
    /// Takes effect with the next request.
    SetSource {
        /// The source.
        source: SourceId,
        /// Sizes and times.
        limits: SourceLimits,
    },
    /// Forget a source: connections to its brokers end as soon as no partition of it is left.
    RemoveSource(SourceId),
    /// Start mirroring a partition.
    AddPartition(Box<NewPartition>),
    /// The source moved the partition's leader.
    SetSourceLeader {
        /// Which partition.
        partition: TopicIdPartition,
        /// Its leader, of the source that the partition was added with.
        leader: SourceBroker,
        /// The leader's epoch.
        epoch: SourceLeaderEpoch,
    },
    /// Raise our own leader epoch of the partition; frees it when it was fenced.
    SetLeaderEpoch {
        /// Which partition.
        partition: TopicIdPartition,
        /// The new epoch; a lower one is ignored.
        epoch: LeaderEpoch,
    },
    /// What to do from now on when the source lost records that we have. A partition that failed
    /// for it needs [`EngineCommand::Resume`] as well.
    SetDivergencePolicy {
        /// Which partition.
        partition: TopicIdPartition,
        /// What to do.
        policy: DivergencePolicy,
    },
    /// Bound what throttled partitions bring in, all together; `None` is no bound. From now on.
    SetThrottle {
        /// Bytes of batches per second.
        bytes_per_second: Option<NonZeroU64>,
    },
    /// Make the partition one of those that [`EngineCommand::SetThrottle`] bounds, or none of
    /// them, as it is when it is added.
    SetThrottled {
        /// Which partition.
        partition: TopicIdPartition,
        /// One of those.
        throttled: bool,
    },
    /// Stop fetching; what was accepted is written, synced and reported as paused.
    Pause(TopicIdPartition),
    /// Fetch again after a pause or a failure.
    Resume(TopicIdPartition),
    /// Drop everything at and above `to`, then go on as before.
    Truncate {
        /// Which partition.
        partition: TopicIdPartition,
        /// First offset to drop.
        to: Offset,
    },
    /// Close the partition's log and forget it; its directory is deleted when `delete` is set.
    /// [`PartitionEvent::Removed`] tells when. The partition may be added again at once: its new
    /// life begins when the old one has ended.
    Remove {
        /// Which partition.
        partition: TopicIdPartition,
        /// Delete the directory.
        delete: bool,
    },
    /// Close every log cleanly and report [`EngineReport::Stopped`].
    Stop,
}

/// A partition to mirror.
#[derive(Clone, Debug)]
pub struct NewPartition {
    /// Identity; the topic id our directory carries.
    pub id: TopicIdPartition,
    /// Name; the directory's name.
    pub name: TopicPartition,
    /// What the source calls the topic, if that is not its name here.
    pub source_topic: Option<TopicName>,
    /// False when the source has no topic ids, so that fetches go by name.
    pub source_has_topic_ids: bool,
    /// Source broker that leads it.
    pub leader: SourceBroker,
    /// Epoch of that leader, `None` when the source does not tell.
    pub source_epoch: Option<SourceLeaderEpoch>,
    /// Our own leader epoch: batches above it are refused until it is raised.
    pub leader_epoch: LeaderEpoch,
    /// Segment and index sizes.
    pub log_config: LogConfig,
    /// Everything below is known durable, from `recovery-point-offset-checkpoint`.
    pub recovery_point: Option<Offset>,
    /// Log start, from `log-start-offset-checkpoint`.
    pub log_start: Option<LogStartOffset>,
    /// True when the directory was closed cleanly: files are trusted without a scan.
    pub clean: bool,
    /// What to do when the source lost records that we have.
    pub on_divergence: DivergencePolicy,
}

impl NewPartition {
    /// What the source calls the topic.
    #[must_use]
    pub const fn topic_at_source(&self) -> &TopicName {
        match &self.source_topic {
            Some(topic) => topic,
            None => &self.name.topic,
        }
    }
}

/// What to do when the source lost records that we have (unclean election at the source).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DivergencePolicy {
    /// Cut our log where the source's history leaves ours, report it, go on.
    Truncate,
    /// Keep our log, stop this partition, report why.
    Fail,
}

/// News from a shard to its host.
#[derive(Debug)]
pub enum EngineReport {
    /// News about one partition.
    Partition {
        /// Which partition.
        partition: TopicIdPartition,
        /// What happened.
        event: PartitionEvent,
    },
    /// A source broker cannot be reached; the shard goes on trying.
    BrokerUnreachable {
        /// Which broker.
        broker: SourceBroker,
        /// Attempts since it last answered.
        attempt: u32,
        /// Why, for people.
        reason: String,
    },
    /// A source broker answers again.
    BrokerReachable {
        /// Which broker.
        broker: SourceBroker,
    },
    /// Every log of this shard is closed; nothing follows.
    Stopped {
        /// Which shard.
        shard: u32,
        /// False when some log could not be closed cleanly.
        clean: bool,
    },
}

/// Where a partition stands; sent whenever it moved, coalesced when the host is slow.
///
/// It is all that a reader of the log's files needs, with the epochs of
/// [`PartitionEvent::Loaded`] and [`PartitionEvent::EpochBegan`]. Ends and the last stable offset
/// only rise from one [`PartitionEvent::Loaded`] to the next. Reports about a partition come in
/// order, so one behind `Loaded` is about the log as it was loaded: what was learnt before about
/// places in its files is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// First offset our log keeps.
    pub log_start: LogStartOffset,
    /// One past the last offset written.
    pub log_end: LogEndOffset,
    /// Where the batch at `log_end` goes, unless it begins a segment: every batch below `log_end`
    /// is in the files before this place. Behind it there may be batches of `log_end` and above,
    /// parts of batches, and bytes that are none. Of a log whose start is its end, the segment
    /// may be gone.
    pub end_place: LogPlace,
    /// Below it no transaction is open, and every abort is in the transaction index files; never
    /// above `log_end`.
    pub last_stable_offset: LastStableOffset,
    /// Everything below is durable.
    pub recovery_point: Offset,
    /// High watermark of the source when it last answered.
    pub source_high_watermark: Option<HighWatermark>,
    /// Epoch of our last batch.
    pub last_epoch: Option<SourceLeaderEpoch>,
    /// Largest producer id known of any batch: whoever hands out ids stays above it. Producers
    /// forgotten for their age before the log was loaded do not count.
    pub producer_id_max: Option<ProducerId>,
}

/// What happened to a partition.
#[derive(Debug)]
pub enum PartitionEvent {
    /// The log is open, for the first time or again; fetching begins.
    Loaded {
        /// Where it stands.
        progress: Progress,
        /// What recovery found and did.
        findings: Vec<LoadFinding>,
        /// Which epoch wrote what; replaces what was known.
        epochs: Box<EpochHistory>,
    },
    /// It moved. Never between [`PartitionEvent::Reloading`] and [`PartitionEvent::Loaded`].
    Progress(Progress),
    /// A batch was taken in that begins an epoch: [`EpochHistory::assign`] it. Comes before the
    /// progress that covers the batch.
    EpochBegan {
        /// The epoch.
        epoch: SourceLeaderEpoch,
        /// The batch's first offset.
        start: Offset,
    },
    /// The log is about to be loaded again, to be cut or because the disk refused something: its
    /// files may change under readers until [`PartitionEvent::Loaded`].
    Reloading,
    /// The source broker does not lead it (any more); send [`EngineCommand::SetSourceLeader`].
    LeaderUnknown {
        /// Protocol error code that told so.
        error_code: i16,
    },
    /// The source named a new leader and the shard moved there by itself.
    LeaderMoved {
        /// The new leader.
        leader: SourceBroker,
        /// Its epoch.
        epoch: SourceLeaderEpoch,
    },
    /// A batch carries an epoch above ours; send [`EngineCommand::SetLeaderEpoch`].
    Fenced {
        /// The batch's epoch.
        batch_epoch: SourceLeaderEpoch,
        /// Ours.
        leader_epoch: LeaderEpoch,
    },
    /// Our log was cut because the source's history differs or the host asked;
    /// [`PartitionEvent::Loaded`] follows.
    Truncated {
        /// Log end before.
        from: LogEndOffset,
        /// Log end after.
        to: LogEndOffset,
        /// Which epoch wrote what is left.
        epochs: Box<EpochHistory>,
    },
    /// The source no longer has offsets we had not fetched: records in between are lost to us.
    Gap {
        /// First offset missing.
        from: Offset,
        /// First offset the source still has.
        to: Offset,
    },
    /// A batch arrived damaged; it was dropped and will be fetched again.
    Corrupt {
        /// Where our log ends.
        at: Offset,
        /// What is wrong, for people.
        reason: String,
        /// Damaged batches of this partition so far.
        count: u64,
    },
    /// The disk refused; the partition is reopened and tried again after a pause.
    DiskFault {
        /// What the system said.
        reason: String,
        /// True when the disk is full.
        full: bool,
    },
    /// An answer from the source that is retried after a pause.
    SourceError {
        /// Protocol error code.
        error_code: i16,
    },
    /// The partition stopped and stays stopped until [`EngineCommand::Resume`].
    Failed(PartitionFailure),
    /// The pause asked for is in effect: nothing in flight, all bytes durable. Behind
    /// [`PartitionEvent::Reloading`] the log is not open, and only what is durable is known of it.
    Paused(Progress),
    /// The partition is forgotten; one for each [`EngineCommand::AddPartition`] that a
    /// [`EngineCommand::Remove`] or [`EngineCommand::Stop`] followed.
    ///
    /// With its progress, the log is closed: everything below `log_end` is durable, indexes,
    /// epochs and the producer snapshot at `log_end` are complete, and another writer may open it.
    /// Without, the log was not open (any more) or could not be closed, so that only opening it
    /// tells where it ends; or its directory was to be deleted.
    Removed(Option<Progress>),
}

/// Why a partition stopped for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionFailure {
    /// The source lost records that we have, and the policy is to stop.
    #[error(
        "source history ends at {source_end}, ours at {log_end}: unclean election at the source?"
    )]
    Diverged {
        /// Where the source's history leaves ours.
        source_end: Offset,
        /// Where our log ends.
        log_end: LogEndOffset,
    },
    /// A batch that can never be taken.
    #[error("batch at {at} refused: {reason}")]
    Refused {
        /// Where our log ends.
        at: Offset,
        /// Why, for people.
        reason: String,
    },
    /// The files on disk cannot be opened.
    #[error("cannot open the log: {reason}")]
    Unloadable {
        /// Why, for people.
        reason: String,
    },
}
