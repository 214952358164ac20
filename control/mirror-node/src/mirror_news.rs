//! What a mirror run tells the one who watches it.

use serde::Serialize;

/// Something that happened; serialises as one JSON object with the key `event`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum MirrorNews {
    /// A node answers clients from now on.
    Serving(ServingNews),
    /// A log could not be opened when the node began; nobody reads it for now.
    LogUnusable {
        /// Which partition.
        partition: String,
        /// Why.
        reason: String,
    },
    /// The engine runs and the source answered.
    Started {
        /// Id of the source cluster, when it tells one.
        source_cluster_id: Option<String>,
        /// Threads that mirror, one per CPU.
        shards: usize,
        /// True when the directory was closed cleanly before.
        was_clean: bool,
    },
    /// No topic of the source is selected.
    NothingSelected {
        /// Topics the source has.
        topics_at_source: usize,
    },
    /// A topic is mirrored from now on.
    TopicFound {
        /// Its name.
        topic: String,
        /// Its id.
        topic_id: String,
        /// Its partitions.
        partitions: usize,
        /// False when the directory knew it already.
        is_new: bool,
    },
    /// A topic is not mirrored, or not any more.
    TopicLost {
        /// Its name.
        topic: String,
        /// Why.
        reason: String,
    },
    /// A partition moved from one state to another.
    StateChanged {
        /// Which partition.
        partition: String,
        /// State before.
        from: &'static str,
        /// State after.
        to: &'static str,
        /// Why, when it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When it is tried again; absent when never or when nothing failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_in_ms: Option<u64>,
    },
    /// Opening a log repaired something.
    Repaired {
        /// Which partition.
        partition: String,
        /// What was found and done.
        finding: String,
    },
    /// A log was cut because the source's history differs.
    Truncated {
        /// Which partition.
        partition: String,
        /// Log end before.
        from: i64,
        /// Log end after.
        to: i64,
    },
    /// The source dropped records before they were mirrored.
    Gap {
        /// Which partition.
        partition: String,
        /// First offset missing.
        from: i64,
        /// First offset the source still has.
        to: i64,
    },
    /// A batch arrived damaged and is fetched again.
    Corrupt {
        /// Which partition.
        partition: String,
        /// Where our log ends.
        at: i64,
        /// What is wrong.
        reason: String,
        /// Damaged batches of this partition so far.
        count: u64,
    },
    /// The disk refused; tried again after a pause.
    DiskFault {
        /// Which partition, or a file of the directory.
        place: String,
        /// What the system said.
        reason: String,
        /// True when the disk is full.
        full: bool,
    },
    /// The source answered an error; tried again after a pause.
    SourceError {
        /// Which partition.
        partition: String,
        /// Name of the error.
        error: String,
    },
    /// A broker of the source cannot be reached; tried again.
    BrokerUnreachable {
        /// Which broker.
        broker: i32,
        /// Attempts since it last answered.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// A broker of the source answers again.
    BrokerReachable {
        /// Which broker.
        broker: i32,
    },
    /// The source does not tell its metadata; tried again.
    SourceUnreachable {
        /// Why.
        reason: String,
    },
    /// Where the run stands, about twice a second.
    Progress(MirrorProgress),
    /// The run is ending: logs are being closed.
    Stopping,
}

/// What a node serves, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServingNews {
    /// Id of the node.
    pub node_id: i32,
    /// Id of its cluster.
    pub cluster_id: String,
    /// Where it listens.
    pub address: String,
    /// Where clients are told to connect to.
    pub advertised: String,
    /// Topics it has.
    pub topics: usize,
    /// Partitions it has.
    pub partitions: usize,
    /// Brokers it mirrors from; empty when it mirrors nothing.
    pub mirror_from: Vec<String>,
    /// The most memory that mirroring and logs take.
    pub memory_bytes_max: u64,
    /// Partitions that it has room for.
    pub partitions_max: usize,
}

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MirrorProgress {
    /// Time since the engine started.
    pub elapsed_ms: u64,
    /// Partitions of this run.
    pub partitions: usize,
    /// Partitions that have all the source has.
    pub partitions_caught_up: usize,
    /// Partitions that stopped with an error.
    pub partitions_failed: usize,
    /// Offsets mirrored in this run.
    pub offsets_done: u64,
    /// Offsets that were or are still to be mirrored in this run, by the source's last word.
    pub offsets_total: u64,
    /// Bytes received from the source.
    pub bytes_received: u64,
    /// Bytes of batches written.
    pub bytes_written: u64,
    /// Batches whose header and CRC were checked.
    pub batches: u64,
    /// Batches that arrived damaged.
    pub batches_corrupt: u64,
    /// Times a connection waited for a buffer: the disk is the limit when it grows.
    pub buffer_waits: u64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MirrorEnd {
    /// Everything the source had when it was asked is here.
    CaughtUp,
    /// The caller wanted it.
    Stopped,
    /// There was nothing to mirror, and waiting for it was not wanted.
    NothingSelected,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MirrorOutcome {
    /// Why.
    pub end: MirrorEnd,
    /// True when every log of this run was closed and the directory says so. If not, the next
    /// start recovers what was written last, and fetches what was not.
    pub closed: bool,
    /// True when besides every other log in the directory was closed before: the clean-shutdown
    /// marker is there.
    pub clean: bool,
    /// Where it stood.
    pub progress: MirrorProgress,
    /// Partitions and topics that are not mirrored, with the reason.
    pub failed: Vec<FailedPart>,
    /// Topics that are selected and left alone, with the reason: no failure.
    pub left_out: Vec<FailedPart>,
}

impl MirrorOutcome {
    /// What a run that was stopped before it began comes to.
    pub(crate) fn nothing_done() -> Self {
        let progress = MirrorProgress::default();
        let (end, failed, left_out) = (MirrorEnd::Stopped, Vec::new(), Vec::new());
        Self { end, closed: true, clean: true, progress, failed, left_out }
    }
}

/// A topic or partition that is not mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedPart {
    /// Name of the topic, or `topic-partition`.
    pub name: String,
    /// Why.
    pub reason: String,
}
