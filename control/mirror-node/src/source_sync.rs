//! What a mirror carries beside records: a task for each kind, again and again, on a node only.
//!
//! ```text
//!  watch of the source -> topic settings -\
//!  tick -> consumer groups ---------------+--> the node's own stores
//!       -> share groups -----------------+
//!       -> access control lists ---------+--> SyncBoard: when, how much, what was left out
//! ```
//! **Invariants.** Tasks do not know of each other: one that fails or hangs keeps no other from its
//! work, and each has connections and a deadline of its own. Only topics that are to be mirrored
//! are written for; that is looked at under the lock of the directory, with which a stop is put on
//! disk, when something is handed to its store: nothing of a stopped topic is written behind the
//! stop.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName};
use mirror_coordinator::cluster_metadata::Mirror;
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_name::MirrorName;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::acl_store::AclStoreError;
use crate::catalog::Catalog;
use crate::client_properties::ClientProperties;
use crate::directory_state::DirectoryState;
use crate::groups::Groups;
use crate::log_view::LogState;
use crate::share_groups::{ShareGroups, ShareGroupsError};
use crate::shared_directory::SharedDirectory;
use crate::source_client::groups::SourceGroupOffset;
use crate::source_client::{SourceClient, SourceMetadata};
use crate::source_connection::{SourceError, error_name};
use crate::timing::sleep_until_some;
use board::{SyncBoard, SyncOutcome};
use consumer_groups::{ConsumerGroups, RESPONSE_BYTES_MAX};
use every_coordinator::EveryCoordinator;
use share_groups::ShareGroupsOfSource;

pub(crate) mod acls;
pub mod board;
mod clamp;
mod consumer_groups;
mod every_coordinator;
#[cfg(test)]
pub(crate) mod fake_source;
mod share_groups;
pub(crate) mod topic_configs;

/// A kind of thing that is carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncTask {
    /// Looks at the source: its topics, partitions and leaders.
    TopicMetadata,
    /// Settings of topics; read by the watch of the source, which needs them for new topics.
    TopicConfigs,
    /// What consumer groups committed.
    ConsumerGroups,
    /// From where share groups read.
    ShareGroups,
    /// Access control lists.
    Acls,
}

/// Why a round of a task came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    /// The source cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not the source of this mirror.
    #[error("the source is cluster {theirs} now, this mirror is one of {ours}")]
    OtherCluster { ours: String, theirs: String },
    /// The source does not show settings of topics.
    #[error("{0}")]
    TopicConfigs(String),
    /// What is set for the mirror cannot be used.
    #[error("the settings of the mirror cannot be used: {0}")]
    Settings(String),
    /// It took too long.
    #[error("not done within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The node's own groups cannot be asked.
    #[error("the groups of this node cannot be asked: {0}")]
    Groups(#[from] group_coordinator::refusal::Refusal),
    /// The node's own share groups cannot be kept.
    #[error(transparent)]
    ShareGroups(#[from] ShareGroupsError),
    /// The node's own rules cannot be changed.
    #[error(transparent)]
    Acls(#[from] AclStoreError),
}

/// One mirror of a node, for the tasks that carry over what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Mirrored {
    pub(crate) mirror: MirrorName,
    pub(crate) directory: Arc<SharedDirectory>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) groups: Arc<Groups>,
    pub(crate) share_groups: Arc<ShareGroups>,
    pub(crate) board: Arc<SyncBoard>,
    pub(crate) lost_topics: LostTopics,
}

/// Topics of a mirror that are not those of the source any more, with the reason: nothing that the
/// source says of their names is about them.
#[derive(Clone, Debug, Default)]
pub(crate) struct LostTopics(Arc<Mutex<BTreeMap<TopicName, String>>>);

/// How often tasks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncIntervals {
    pub(crate) group_offsets: Duration,
    /// Of all that has no faster one.
    pub(crate) metadata: Duration,
}

/// The tasks of one mirror; they end when it is dropped.
#[derive(Debug)]
pub(crate) struct SourceSync {
    intervals: watch::Sender<SyncIntervals>,
    tasks: Vec<JoinHandle<()>>,
}

impl SourceSync {
    /// Begins to carry over, at once.
    pub(crate) fn start(
        properties: &ClientProperties,
        mirrored: &Mirrored,
        intervals: SyncIntervals,
    ) -> Self {
        let (intervals, told) = watch::channel(intervals);
        let start = |task| {
            let client = SourceClient::new(properties.clone());
            let client = client.with_responses_up_to(RESPONSE_BYTES_MAX);
            let (mirrored, told) = (mirrored.clone(), told.clone());
            tokio::spawn(Repeating { task, client, mirrored, told }.run())
        };
        let tasks = [SyncTask::ConsumerGroups, SyncTask::ShareGroups, SyncTask::Acls];
        Self { intervals, tasks: tasks.map(start).into() }
    }

    /// Carries over so often from now on.
    pub(crate) fn set_intervals(&self, intervals: SyncIntervals) {
        self.intervals.send_if_modified(|held| std::mem::replace(held, intervals) != intervals);
    }
}

impl Drop for SourceSync {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A task that runs again and again.
struct Repeating {
    task: SyncTask,
    client: SourceClient,
    mirrored: Mirrored,
    told: watch::Receiver<SyncIntervals>,
}

impl Repeating {
    async fn run(mut self) {
        loop {
            let began = Instant::now();
            let outcome = match timeout(ROUND_DEADLINE, self.round()).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    // An answer that is still to come must not be taken for another's.
                    self.client = self.client.with_own_connections();
                    Err(SyncError::TooSlow(ROUND_DEADLINE))
                }
            };
            let ended = Instant::now();
            self.mirrored.board.note(&self.mirrored.mirror, self.task, ended - began, outcome);
            loop {
                let intervals = *self.told.borrow_and_update();
                let interval = self.interval(intervals);
                let pause = interval.max((ended - began) * ROUND_SHARE);
                tokio::select! {
                    () = sleep_until_some(ended.checked_add(pause)) => break,
                    changed = self.told.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}

impl Repeating {
    async fn round(&mut self) -> SyncResult {
        let (client, mirrored) = (&mut self.client, &self.mirrored);
        match self.task {
            SyncTask::ConsumerGroups => {
                EveryCoordinator::new(client, mirrored, ConsumerGroups).run().await
            }
            SyncTask::ShareGroups => {
                let kind = ShareGroupsOfSource::default();
                EveryCoordinator::new(client, mirrored, kind).run().await
            }
            SyncTask::Acls => acls::run(client, mirrored).await,
            SyncTask::TopicMetadata | SyncTask::TopicConfigs => {
                unreachable!("the watch of the source does that")
            }
        }
    }

    const fn interval(&self, intervals: SyncIntervals) -> Duration {
        match self.task {
            SyncTask::ConsumerGroups | SyncTask::ShareGroups => intervals.group_offsets,
            SyncTask::Acls | SyncTask::TopicMetadata | SyncTask::TopicConfigs => intervals.metadata,
        }
    }
}

impl Mirrored {
    /// Checks that the source is still the mirror's, and learns of its brokers.
    ///
    /// # Errors
    /// When no broker answers, or it is another cluster.
    pub(crate) async fn meet(
        &self,
        client: &mut SourceClient,
    ) -> Result<SourceMetadata, SyncError> {
        let metadata = client.cluster().await?;
        let ours = self.with_mirror(|mirror| mirror.source_cluster_id.clone()).flatten();
        match (ours, metadata.cluster_id.clone()) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                Err(SyncError::OtherCluster { ours, theirs })
            }
            _ => Ok(metadata),
        }
    }

    /// Looks at the mirror as it is set now; `None` once it was deleted.
    pub(crate) fn with_mirror<T>(&self, look: impl FnOnce(&Mirror) -> T) -> Option<T> {
        let directory = self.directory.lock();
        directory.state.cluster_mirrors.mirrors().get(&self.mirror).map(look)
    }

    /// The topics that are to be mirrored now and are those of the source.
    pub(crate) fn topics(&self) -> Vec<TopicName> {
        let directory = self.directory.lock();
        let bound = directory.state.cluster_mirrors.topics().keys();
        bound.filter(|name| self.takes(&directory.state, name)).cloned().collect()
    }

    /// The log here that an offset of the source is about; `None` when it tells of none.
    fn log_of(&self, told: &SourceGroupOffset) -> Result<Option<LogHere>, String> {
        if told.error_code != 0 {
            return Err(format!("the source says {}", error_name(told.error_code)));
        }
        if told.offset == NO_OFFSET {
            return Ok(None);
        }
        let topic = self.catalog.topic(&told.topic).ok_or("the topic is not here yet")?;
        let partition = topic.partition(told.partition).ok_or("the partition is not here yet")?;
        let log = partition.view.state().ok_or("its log is not open here now")?;
        Ok(Some((topic.id, partition.id.partition, log)))
    }

    /// True for a topic that is to be mirrored and is the source's.
    pub(crate) fn takes(&self, state: &DirectoryState, topic: &TopicName) -> bool {
        let bound = state.cluster_mirrors.topics().get(topic);
        bound.is_some_and(|bound| {
            bound.mirror == self.mirror && bound.desired == DesiredState::Mirroring
        }) && !self.lost_topics.has(topic)
    }
}

impl SourceGroupOffset {
    /// The offset, if it can be one.
    fn offset(&self) -> Result<Offset, String> {
        Offset::from_wire(self.offset).ok_or_else(|| format!("{} is no offset", self.offset))
    }
}

impl LostTopics {
    /// Notes a topic; true when that is news.
    pub(crate) fn note(&self, topic: &TopicName, reason: &str) -> bool {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lost.insert(topic.clone(), reason.to_owned()).is_none_or(|before| before != reason)
    }

    /// It is the source's again.
    pub(crate) fn forget(&self, topic: &TopicName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    pub(crate) fn has(&self, topic: &TopicName) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(topic)
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<TopicName, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl SyncTask {
    /// Every task.
    pub const ALL: [Self; 5] = [
        Self::TopicMetadata,
        Self::TopicConfigs,
        Self::ConsumerGroups,
        Self::ShareGroups,
        Self::Acls,
    ];

    /// What it carries over, for people and for those who read `--json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopicMetadata => "topic-metadata",
            Self::TopicConfigs => "topic-configs",
            Self::ConsumerGroups => "consumer-groups",
            Self::ShareGroups => "share-groups",
            Self::Acls => "acls",
        }
    }
}

impl fmt::Display for SyncTask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A partition with the state of its log.
type LogHere = (TopicId, PartitionIndex, Arc<LogState>);
/// What became of a round.
pub(crate) type SyncResult = Result<SyncOutcome, SyncError>;

/// What a source tells for an offset that there is none of.
const NO_OFFSET: i64 = -1;
/// A round may take so long; what it did until then stays done.
const ROUND_DEADLINE: Duration = Duration::from_secs(300);
/// A round takes one part in so many of the time at most, whatever the interval: the thread has
/// mirrors to decide about.
const ROUND_SHARE: u32 = 4;
