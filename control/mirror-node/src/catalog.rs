//! What this node has: topics by name and by id, their partitions, where each log stands.
//!
//! A topic is one value that is replaced as a whole, so that a reader who holds one sees a
//! partition count, settings and logs that belong together.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use kafka_log::producer_state::given_out;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicIdPartition, TopicName, TopicPartition};
use kafka_wire::producer::ProducerId;
use mirror_uring::recent_records::RecentRecords;

use crate::log_view::LogView;
use crate::writable_log::WritableLog;

/// The topics of a node; shared by the control loop, the server and the group coordinator.
#[derive(Debug)]
pub struct Catalog {
    root: PathBuf,
    topics: RwLock<Topics>,
    /// Counts changes of the topics.
    changes: AtomicU64,
    /// Largest producer id seen in a log; -1 before there was one.
    producer_id_max: AtomicI64,
    /// What the engine wrote last, once there is one.
    recent_records: Arc<OnceLock<RecentRecords>>,
}

#[derive(Debug, Default)]
struct Topics {
    by_name: BTreeMap<TopicName, Arc<Topic>>,
    names: HashMap<TopicId, TopicName>,
}

/// Who writes a topic's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The engine, from the source: nobody else may.
    Mirrored,
    /// Clients of this node, or the node itself.
    Local,
}

/// A topic as it is at one moment.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id.
    pub id: TopicId,
    /// Who writes it.
    pub origin: Origin,
    /// Settings explicitly made for it.
    pub configs: BTreeMap<String, String>,
    /// Its partitions, by index.
    pub partitions: Vec<Arc<Partition>>,
}

/// One partition.
#[derive(Debug)]
pub struct Partition {
    /// Its name.
    pub name: TopicPartition,
    /// Its identity.
    pub id: TopicIdPartition,
    /// Where its log stands.
    pub view: Arc<LogView>,
    log: OnceLock<Arc<WritableLog>>,
}

/// What a topic is to be, for [`Catalog::put`].
#[derive(Clone, Debug)]
pub struct TopicSpec {
    /// Its id.
    pub id: TopicId,
    /// Who writes it.
    pub origin: Origin,
    /// Settings explicitly made for it.
    pub configs: BTreeMap<String, String>,
    /// How many partitions; never fewer than before.
    pub partition_count: i32,
}

impl Catalog {
    /// No topics; partition directories lie in `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            topics: RwLock::default(),
            changes: AtomicU64::new(0),
            producer_id_max: AtomicI64::new(NO_PRODUCER),
            recent_records: Arc::default(),
        }
    }

    /// Where the partition directories lie.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Tells readers where the engine of this run keeps what it wrote last.
    pub(crate) fn set_recent_records(&self, recent: RecentRecords) {
        assert!(self.recent_records.set(recent).is_ok(), "a directory has one engine in a run");
    }

    pub(crate) fn recent_records(&self) -> &Arc<OnceLock<RecentRecords>> {
        &self.recent_records
    }

    /// The topic of that name.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.read().by_name.get(name).cloned()
    }

    /// The topic of that name, as a client wrote it; `None` also when no topic can be named so.
    #[must_use]
    pub fn topic_named(&self, name: &str) -> Option<Arc<Topic>> {
        self.topic(&TopicName::parse(name)?)
    }

    /// The topic of that id.
    #[must_use]
    pub fn topic_of(&self, id: TopicId) -> Option<Arc<Topic>> {
        let topics = self.read();
        topics.by_name.get(topics.names.get(&id)?).cloned()
    }

    /// The partition with that identity.
    #[must_use]
    pub fn partition(&self, id: TopicIdPartition) -> Option<Arc<Partition>> {
        self.topic_of(id.topic_id)?.partition(id.partition.get()).cloned()
    }

    /// Counts changes of the topics: who knows this many has all topics of that moment, or newer.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// All topics, by name.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        self.read().by_name.values().cloned().collect()
    }

    /// Makes or changes a topic; partitions that exist stay the same values, a topic of another id
    /// under this name is replaced. Returns what it is now.
    pub fn put(&self, name: &TopicName, spec: TopicSpec) -> Arc<Topic> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let known = topics.by_name.get(name).filter(|topic| topic.id == spec.id).cloned();
        if known.is_none()
            && let Some(other) = topics.by_name.get(name).map(|topic| topic.id)
        {
            topics.names.remove(&other);
        }
        let mut partitions = known.map_or_else(Vec::new, |topic| topic.partitions.clone());
        let held = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        partitions.extend((held..spec.partition_count).filter_map(|index| {
            let partition = PartitionIndex::from_wire(index)?;
            Some(self.new_partition(name, spec.id, partition))
        }));
        let TopicSpec { id, origin, configs, .. } = spec;
        let topic = Arc::new(Topic { name: name.clone(), id, origin, configs, partitions });
        topics.by_name.insert(name.clone(), Arc::clone(&topic));
        topics.names.insert(id, name.clone());
        self.changes.fetch_add(1, Ordering::Release);
        topic
    }

    /// Notes a producer id seen in a log, or the largest of it; one made up does not count.
    pub fn note_producer_id(&self, id: Option<ProducerId>) {
        let id = given_out(id).map_or(NO_PRODUCER, ProducerId::get);
        self.producer_id_max.fetch_max(id, Relaxed);
    }

    /// The largest producer id noted.
    #[must_use]
    pub fn producer_id_max(&self) -> Option<ProducerId> {
        ProducerId::from_wire(self.producer_id_max.load(Relaxed))
    }

    /// Forgets a topic.
    pub fn remove(&self, name: &TopicName) -> Option<Arc<Topic>> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.by_name.remove(name)?;
        topics.names.remove(&topic.id);
        self.changes.fetch_add(1, Ordering::Release);
        Some(topic)
    }

    fn new_partition(
        &self,
        topic: &TopicName,
        topic_id: TopicId,
        partition: PartitionIndex,
    ) -> Arc<Partition> {
        let name = TopicPartition { topic: topic.clone(), partition };
        let view = Arc::new(LogView::new(self.root.join(name.to_string())));
        let id = TopicIdPartition { topic_id, partition };
        Arc::new(Partition { name, id, view, log: OnceLock::new() })
    }

    fn read(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partition {
    /// Its log, when that is local and open; nobody writes to a mirrored one.
    #[must_use]
    pub fn log(&self) -> Option<&Arc<WritableLog>> {
        self.log.get()
    }

    /// Clients may write from now on. A log stays a partition's for as long as that is there.
    pub fn set_log(&self, log: Arc<WritableLog>) {
        let taken = self.log.set(log).is_ok();
        assert!(taken, "the log of {} is opened once", self.name);
    }
}

impl Topic {
    /// The partition with that index, as read from the wire.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// True for the topics of the node itself (`Topic.isInternal` in Apache Kafka).
    #[must_use]
    pub fn is_internal(&self) -> bool {
        INTERNAL_TOPICS.contains(&self.name.as_str())
    }
}

const NO_PRODUCER: i64 = -1;
/// Topics that clients do not write.
pub const INTERNAL_TOPICS: [&str; 3] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state"];

#[cfg(test)]
mod tests;
