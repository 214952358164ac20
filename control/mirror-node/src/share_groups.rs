//! From where share groups of sources are to read on (KIP-932), in the logs of
//! `__share_group_state`: a topic made here with the first of them, which clients may read and not
//! write, and a stock broker takes over as it is.
//!
//! This node serves no share consumers. What is kept is for whoever asks, for a node that mirrors
//! this one, and for the broker that the directory is handed over to.
//!
//! **Invariants.** What is shown was appended before, and is durable after the log's next flush.
//! Whoever holds the directory's lock may take the one here, and never the other way around.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use group_coordinator::group_id::GroupId;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName};
use kafka_wire::share_state_record::{
    SharePartitionKey, ShareSnapshotValue, ShareStateRecord, ShareStateRecordError,
};

use crate::catalog::{Catalog, Topic};
use crate::local_topics::{LocalTopicError, LocalTopics};
use crate::offsets_topic::own_logs;
use crate::record_journal::{JournalBatch, JournalRecord, RecordJournal, batches_of};

/// Name of the topic.
pub const SHARE_STATE_TOPIC: &str = "__share_group_state";
/// Its partitions when it is made here (`share.coordinator.state.topic.num.partitions`).
pub const SHARE_STATE_PARTITIONS: u16 = 50;
/// Its settings when it is made here: a stock broker deletes records of it itself.
const SHARE_STATE_CONFIGS: [(&str, &str); 3] =
    [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("segment.bytes", "16777216")];

/// The share groups of a node.
#[derive(Debug)]
pub struct ShareGroups {
    catalog: Arc<Catalog>,
    topics: Arc<LocalTopics>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Empty while there is no such topic, and until it was read.
    logs: Vec<RecordJournal>,
    states: ShareStates,
}

/// What is known of share groups, by group.
#[derive(Debug, Default)]
pub(crate) struct ShareStates {
    groups: BTreeMap<GroupId, GroupStates>,
    count: usize,
}

/// What is known of a share group, by partition.
pub(crate) type GroupStates = BTreeMap<(TopicId, PartitionIndex), ShareSnapshotValue>;

/// From where a share group is to read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareStart {
    pub(crate) group: GroupId,
    pub(crate) topic: TopicName,
    pub(crate) topic_id: TopicId,
    pub(crate) partition: PartitionIndex,
    pub(crate) offset: Offset,
}

/// Why share groups cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum ShareGroupsError {
    /// The topic is not what it has to be.
    #[error("{SHARE_STATE_TOPIC} cannot be used: {reason}")]
    Topic {
        /// Why.
        reason: String,
    },
    /// A log cannot be read or written.
    #[error("{SHARE_STATE_TOPIC}-{partition}: {reason}")]
    Log {
        /// Partition of the topic.
        partition: usize,
        /// Why.
        reason: String,
    },
    /// There is room for no more.
    #[error("share groups have {SHARE_PARTITIONS_MAX} partitions here, no more are taken")]
    Full,
    /// A record that cannot be written.
    #[error(transparent)]
    Record(#[from] ShareStateRecordError),
}

impl ShareGroups {
    /// Share groups among those topics; they are read when somebody asks for the first time.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, topics: Arc<LocalTopics>) -> Self {
        Self { catalog, topics, kept: Mutex::default() }
    }

    /// Every group there is. Waits for the disk, as all that follows.
    pub(crate) fn ids(&self) -> Result<Vec<GroupId>, ShareGroupsError> {
        Ok(self.read()?.states.groups.keys().cloned().collect())
    }

    /// From where a group is to read; `None` when there is no such group.
    pub(crate) fn states_of(
        &self,
        group: &GroupId,
    ) -> Result<Option<GroupStates>, ShareGroupsError> {
        Ok(self.read()?.states.groups.get(group).cloned())
    }

    /// Those that are not kept so yet.
    pub(crate) fn differing(
        &self,
        mut starts: Vec<ShareStart>,
    ) -> Result<Vec<ShareStart>, ShareGroupsError> {
        let kept = self.read()?;
        starts.retain(|start| !kept.states.is_kept(start));
        Ok(starts)
    }

    /// Makes sure that there is a topic to keep them in.
    pub(crate) fn make(&self) -> Result<(), ShareGroupsError> {
        if self.catalog.topic_named(SHARE_STATE_TOPIC).is_some() {
            return Ok(());
        }
        let name = TopicName::parse(SHARE_STATE_TOPIC).expect("the topic has a legal name");
        let configs = SHARE_STATE_CONFIGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        match self.topics.create(&name, i32::from(SHARE_STATE_PARTITIONS), configs.into()) {
            Ok(_) | Err(LocalTopicError::Exists { .. }) => Ok(()),
            Err(error) => Err(ShareGroupsError::Topic { reason: error.to_string() }),
        }
    }

    /// Keeps those that are not kept so yet; returns how many that were. `unix_ms` is our clock,
    /// milliseconds since 1970.
    pub(crate) fn keep(
        &self,
        starts: &[ShareStart],
        unix_ms: i64,
    ) -> Result<u64, ShareGroupsError> {
        let mut kept = self.read()?;
        let changed: Vec<_> =
            starts.iter().filter_map(|start| kept.states.changed(start, unix_ms)).collect();
        let added = changed.iter().filter(|record| !kept.states.has(&record.key)).count();
        if kept.states.count + added > SHARE_PARTITIONS_MAX {
            return Err(ShareGroupsError::Full);
        }
        let count = changed.len();
        kept.append(changed, unix_ms)?;
        kept.write_anew_what_has_grown(&self.catalog, unix_ms);
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// Forgets a group; false when there is none.
    pub(crate) fn forget(&self, group: &GroupId, unix_ms: i64) -> Result<bool, ShareGroupsError> {
        let mut kept = self.read()?;
        let Some(states) = kept.states.groups.get(group) else { return Ok(false) };
        let gone =
            states.keys().map(|place| ShareStateRecord { key: key_of(group, *place), value: None });
        let gone = gone.collect();
        kept.append(gone, unix_ms)?;
        Ok(true)
    }

    fn read(&self) -> Result<MutexGuard<'_, Kept>, ShareGroupsError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.logs.is_empty()
            && let Some(topic) = self.catalog.topic_named(SHARE_STATE_TOPIC)
        {
            *kept = Kept::read(&topic)?;
        }
        Ok(kept)
    }
}

impl Kept {
    fn read(topic: &Topic) -> Result<Self, ShareGroupsError> {
        let logs = own_logs(topic).map_err(|reason| ShareGroupsError::Topic { reason })?;
        let mut kept = Self {
            logs: logs.into_iter().map(RecordJournal::new).collect(),
            states: ShareStates::default(),
        };
        for (partition, log) in kept.logs.iter_mut().enumerate() {
            let states = &mut kept.states;
            let read = log.read(&|| false, &mut |record| {
                states.take(record.key, record.value);
                Ok(())
            });
            read.map_err(|reason| ShareGroupsError::Log { partition, reason })?;
        }
        Ok(kept)
    }

    /// Appends records and applies what was appended.
    fn append(
        &mut self,
        records: Vec<ShareStateRecord>,
        unix_ms: i64,
    ) -> Result<(), ShareGroupsError> {
        let mut by_log: BTreeMap<usize, Vec<ShareStateRecord>> = BTreeMap::new();
        for record in records {
            by_log.entry(self.place_of(&record.key)?).or_default().push(record);
        }
        for (partition, records) in by_log {
            for batch in encoded(partition, &records, unix_ms)? {
                let appended = self.logs[partition].append(&batch.bytes);
                appended.map_err(|error| ShareGroupsError::Log {
                    partition,
                    reason: error.to_string(),
                })?;
            }
            for record in records {
                self.states.apply(record);
            }
        }
        Ok(())
    }

    fn place_of(&self, key: &SharePartitionKey) -> Result<usize, ShareGroupsError> {
        let count = u32::try_from(self.logs.len()).unwrap_or_default();
        if count == 0 {
            return Err(ShareGroupsError::Topic { reason: "it is gone".to_owned() });
        }
        Ok(usize::try_from(key.place(count)).unwrap_or_default())
    }

    /// Keeps logs small. What is known of topics that are gone is forgotten with that.
    fn write_anew_what_has_grown(&mut self, catalog: &Catalog, unix_ms: i64) {
        for partition in 0..self.logs.len() {
            if !self.logs[partition].has_grown(GROWTH_BYTES_MAX) {
                continue;
            }
            self.states.retain(|topic_id| catalog.topic_of(topic_id).is_some());
            let records = self.states.records();
            let here =
                |record: &ShareStateRecord| self.place_of(&record.key).ok() == Some(partition);
            let records: Vec<_> = records.filter(here).collect();
            let written = encoded(partition, &records, unix_ms)
                .map_err(|error| error.to_string())
                .and_then(|batches| self.logs[partition].write_anew(&batches));
            if let Err(reason) = written {
                self.logs[partition].grown_bytes = 0;
                tracing::warn!("{SHARE_STATE_TOPIC}-{partition} cannot be made smaller: {reason}");
            }
        }
    }
}

impl ShareStates {
    /// Takes in a record of a log; what is of no use here is passed over.
    pub(crate) fn take(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        match key.map(|key| ShareStateRecord::decode(key, value)) {
            Some(Ok(Some(record))) => self.apply(record),
            Some(Ok(None)) => {}
            Some(Err(_)) | None => {
                tracing::warn!("a record of {SHARE_STATE_TOPIC} is not understood");
            }
        }
    }

    /// Every group with what is known of it.
    pub(crate) const fn groups(&self) -> &BTreeMap<GroupId, GroupStates> {
        &self.groups
    }

    fn apply(&mut self, record: ShareStateRecord) {
        let Some(group) = GroupId::parse(&record.key.group) else { return };
        let place = (record.key.topic_id, record.key.partition);
        match record.value {
            Some(value) => {
                let before = self.groups.entry(group).or_default().insert(place, value);
                self.count += usize::from(before.is_none());
            }
            None => {
                let Some(states) = self.groups.get_mut(&group) else { return };
                self.count -= usize::from(states.remove(&place).is_some());
                if states.is_empty() {
                    self.groups.remove(&group);
                }
            }
        }
    }

    fn get(
        &self,
        group: &GroupId,
        place: (TopicId, PartitionIndex),
    ) -> Option<&ShareSnapshotValue> {
        self.groups.get(group)?.get(&place)
    }

    fn has(&self, key: &SharePartitionKey) -> bool {
        let group = GroupId::parse(&key.group);
        group.is_some_and(|group| self.get(&group, (key.topic_id, key.partition)).is_some())
    }

    fn is_kept(&self, start: &ShareStart) -> bool {
        let held = self.get(&start.group, (start.topic_id, start.partition));
        held.is_some_and(|held| held.start_offset == Some(start.offset))
    }

    /// The next snapshot of a partition; `None` when it would say nothing new.
    fn changed(&self, start: &ShareStart, unix_ms: i64) -> Option<ShareStateRecord> {
        let place = (start.topic_id, start.partition);
        let held = self.get(&start.group, place);
        if self.is_kept(start) {
            return None;
        }
        let value = ShareSnapshotValue {
            snapshot_epoch: held.map_or(0, |held| held.snapshot_epoch.wrapping_add(1).max(0)),
            state_epoch: held.map_or(FIRST_EPOCH, |held| held.state_epoch),
            leader_epoch: 0,
            start_offset: Some(start.offset),
            delivery_complete_count: 0,
            create_timestamp_ms: held.map_or(unix_ms, |held| held.create_timestamp_ms),
            write_timestamp_ms: unix_ms,
        };
        Some(ShareStateRecord { key: key_of(&start.group, place), value: Some(value) })
    }

    fn retain(&mut self, mut is_there: impl FnMut(TopicId) -> bool) {
        for states in self.groups.values_mut() {
            states.retain(|(topic_id, _), _| is_there(*topic_id));
        }
        self.groups.retain(|_, states| !states.is_empty());
        self.count = self.groups.values().map(BTreeMap::len).sum();
    }

    fn records(&self) -> impl Iterator<Item = ShareStateRecord> {
        self.groups.iter().flat_map(|(group, states)| {
            states.iter().map(|(place, value)| ShareStateRecord {
                key: key_of(group, *place),
                value: Some(*value),
            })
        })
    }
}

fn key_of(group: &GroupId, (topic_id, partition): (TopicId, PartitionIndex)) -> SharePartitionKey {
    SharePartitionKey { group: group.to_string(), topic_id, partition }
}

fn encoded(
    partition: usize,
    records: &[ShareStateRecord],
    unix_ms: i64,
) -> Result<Vec<JournalBatch>, ShareGroupsError> {
    let encoded = records.iter().map(|record| {
        let record = record.encode()?;
        Ok(JournalRecord { key: record.key, value: record.value })
    });
    let encoded: Vec<_> = encoded.collect::<Result<_, ShareStateRecordError>>()?;
    batches_of(encoded, unix_ms)
        .map_err(|error| ShareGroupsError::Log { partition, reason: error.to_string() })
}

/// Epoch of a group that nobody was ever a member of, as an administrator's change leaves it.
pub(crate) const FIRST_EPOCH: i32 = 1;
/// Partitions of all groups together; each takes some 200 bytes of memory.
const SHARE_PARTITIONS_MAX: usize = 500_000;
/// Bytes a partition's log grows by before what counts is written anew.
const GROWTH_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests;
