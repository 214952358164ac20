//! What this node has: topics by name and by id, their partitions, where each log stands.
//!
//! A topic is one value that is replaced as a whole, so that a reader who holds one sees a
//! partition count, settings and logs that belong together.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::sync::{RwLock, RwLockReadGuard, TryLockError};

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

/// What a topic is to the mirrors of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It belongs to a mirror. Clients write to the partitions whose mirroring was stopped, the
    /// engine to the others.
    Bound,
    /// It belongs to none: clients of this node, or the node itself, write to it.
    Unbound,
}

/// A topic as it is at one moment.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id.
    pub id: TopicId,
    /// Whether it belongs to a mirror.
    pub binding: Binding,
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
    log: RwLock<LogSlot>,
    /// Held while the log is opened, kept up, closed or cut: a checkpoint never goes back.
    upkeep: Mutex<()>,
}

/// Who has a partition's log.
#[derive(Debug, Default)]
enum LogSlot {
    /// The engine, or nobody.
    #[default]
    Elsewhere,
    /// This node, and clients may not write to it yet.
    Held(Arc<WritableLog>),
    /// This node, and clients write to it.
    Writable(Arc<WritableLog>),
}

/// What a topic is to be, for [`Catalog::put`].
#[derive(Clone, Debug)]
pub struct TopicSpec {
    /// Its id.
    pub id: TopicId,
    /// Whether it belongs to a mirror.
    pub binding: Binding,
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
        let TopicSpec { id, binding, configs, .. } = spec;
        let topic = Arc::new(Topic { name: name.clone(), id, binding, configs, partitions });
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
        Arc::new(Partition { name, id, view, log: RwLock::default(), upkeep: Mutex::default() })
    }

    fn read(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partition {
    /// True when its log was never begun; one that cannot be read is there all the same.
    pub(crate) fn is_unmade(&self) -> bool {
        self.view.state().is_none() && !self.view.directory().is_dir()
    }

    /// True when its log is known to hold records.
    pub(crate) fn has_records(&self) -> bool {
        let state = self.view.state();
        state.is_some_and(|state| state.log_end.offset() > state.log_start.offset())
    }

    /// Its log, when clients may write to it now.
    #[must_use]
    pub fn log(&self) -> Option<Arc<WritableLog>> {
        match &*self.log.read().unwrap_or_else(PoisonError::into_inner) {
            LogSlot::Writable(log) => Some(Arc::clone(log)),
            LogSlot::Held(_) | LogSlot::Elsewhere => None,
        }
    }

    /// Its log, when this node has it open and not the engine, whether clients may write or not.
    #[must_use]
    pub fn held_log(&self) -> Option<Arc<WritableLog>> {
        match &*self.log.read().unwrap_or_else(PoisonError::into_inner) {
            LogSlot::Writable(log) | LogSlot::Held(log) => Some(Arc::clone(log)),
            LogSlot::Elsewhere => None,
        }
    }

    /// Clients may write from now on.
    pub fn set_log(&self, log: Arc<WritableLog>) {
        self.put(LogSlot::Writable(log));
    }

    /// This node has the log from now on, and clients may not write to it.
    pub(crate) fn hold_log(&self, log: Arc<WritableLog>) {
        self.put(LogSlot::Held(log));
    }

    /// Clients may not write any more, and the log is somebody else's to open. Who looked at
    /// [`Self::log`] before may still have it: close it.
    pub(crate) fn take_log(&self) -> Option<Arc<WritableLog>> {
        let held = self.held_log();
        self.put(LogSlot::Elsewhere);
        held
    }

    /// To be held by whoever opens, keeps up, closes or cuts the log.
    pub(crate) fn lock_upkeep(&self) -> MutexGuard<'_, ()> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same as [`Self::lock_upkeep`], unless somebody holds it.
    pub(crate) fn try_lock_upkeep(&self) -> Option<MutexGuard<'_, ()>> {
        match self.upkeep.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn put(&self, slot: LogSlot) {
        *self.log.write().unwrap_or_else(PoisonError::into_inner) = slot;
    }
}

impl Topic {
    /// The partition with that index, as read from the wire.
    #[must_use]
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// True for a topic that belongs to a mirror.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.binding == Binding::Bound
    }

    /// True when clients may write to every partition: of a topic that belongs to a mirror, when
    /// the mirroring of all of them was stopped.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.partitions.iter().all(|partition| partition.log().is_some())
    }

    /// True for the topics of the node itself (`Topic.isInternal` in Apache Kafka).
    #[must_use]
    pub fn is_internal(&self) -> bool {
        INTERNAL_TOPICS.contains(&self.name.as_str())
    }
}

const NO_PRODUCER: i64 = -1;
/// Topics that clients do not write.
pub const INTERNAL_TOPICS: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", "__mirror_state"];

#[cfg(test)]
mod tests;
