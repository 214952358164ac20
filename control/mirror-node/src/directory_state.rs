//! What a data directory remembers of its source and of itself: `ringmirror.json` at its root.
//!
//! ```json
//! {
//!   "format_version": 2,
//!   "source_cluster_id": "5L6g3nShT-eMCtK--X86sw",
//!   "topics": {
//!     "orders": {
//!       "topic_id": "u1TKk6ktQ0iWEuGPwJkNdw",
//!       "source_has_topic_ids": true,
//!       "partitions": 3,
//!       "configs": { "cleanup.policy": "compact" },
//!       "leader_epochs": [16, 16, 16]
//!     }
//!   },
//!   "local_topics": {
//!     "notes": {
//!       "topic_id": "Q2h5_1zYRdGf5a1kVh3w0A",
//!       "partitions": 1,
//!       "configs": {},
//!       "leader_epochs": [1]
//!     }
//!   },
//!   "deleted_topics": {},
//!   "next_producer_id": 4000
//! }
//! ```
//! Version 1 has no `leader_epochs`, `local_topics`, `deleted_topics` and `next_producer_id`; it is
//! written as long as there are none, so that an older ringmirror can go on. Version 3 has
//! `cluster_mirrors` (see the module of that name) and is written when there are mirrors; an older
//! ringmirror would mirror over topics that were stopped and written to.
//!
//! A stock broker ignores files it does not know at the root of a log directory.

use std::collections::BTreeMap;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName, TopicPartition};
use kafka_wire::producer::ProducerId;
use mirror_coordinator::cluster_metadata::ClusterMetadata;
use serde::{Deserialize, Serialize};

use crate::catalog::Binding;
use crate::memory_cap::PartitionRoom;
use crate::stored_format::StoredFormatError;
use cluster_mirrors::{RawClusterMirrors, check_against_topics};

pub mod belonging;
mod cluster_mirrors;

/// The newest format read and written; a directory with a higher one is refused.
pub const FORMAT_VERSION: u32 = 3;
/// Written while a directory holds no mirrors with names.
const FORMAT_VERSION_OF_NODES: u32 = 2;
/// Written while a directory holds nothing that this version cannot say.
const FORMAT_VERSION_OF_MIRRORS: u32 = 1;
/// Largest state file read, in bytes.
pub const STATE_BYTES_MAX: u64 = 256 << 20;

/// What a data directory remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryState {
    /// Id of the source cluster; `None` until it was seen, or when the source tells none.
    pub source_cluster_id: Option<String>,
    /// The topics mirrored into this directory.
    pub topics: BTreeMap<TopicName, MirrorTopic>,
    /// The topics made here; none has the name of a mirrored one.
    pub local_topics: BTreeMap<TopicName, LocalTopic>,
    /// Topics made and deleted here, whose directories may still be there.
    pub deleted_topics: BTreeMap<TopicId, DeletedTopic>,
    /// First producer id never given out here; `None` when none was.
    pub next_producer_id: Option<ProducerId>,
    /// Mirrors, and the topics that belong to them; changed by [`Self::change_mirrors`].
    pub cluster_mirrors: ClusterMetadata,
}

/// A topic as it was first seen, and its settings as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorTopic {
    /// Its id: the source's, or ours when the source has none.
    pub topic_id: TopicId,
    /// False when the source has no topic ids, so that fetches go by name.
    pub source_has_topic_ids: bool,
    /// Partitions, counted as the source counts; never shrinks.
    pub partition_count: i32,
    /// Settings explicitly made at the source.
    pub configs: BTreeMap<String, String>,
    /// The leader epochs that clients were told, by partition; ends where none was told.
    pub leader_epochs: Vec<LeaderEpoch>,
}

/// A topic made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalTopic {
    /// Its id.
    pub topic_id: TopicId,
    /// Partitions; never shrinks.
    pub partition_count: i32,
    /// Settings explicitly made for it.
    pub configs: BTreeMap<String, String>,
    /// The leader epochs that clients were told, by partition; ends where all are zero.
    pub leader_epochs: Vec<LeaderEpoch>,
}

/// A topic that was made and deleted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name, that of its directories.
    pub name: TopicName,
    /// Partitions it had.
    pub partition_count: i32,
}

impl DirectoryState {
    /// Contents of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let topic = |(name, topic): (&TopicName, &MirrorTopic)| {
            let raw = RawTopic {
                topic_id: topic.topic_id.to_string(),
                source_has_topic_ids: topic.source_has_topic_ids,
                partitions: topic.partition_count,
                configs: topic.configs.clone(),
                leader_epochs: encoded_epochs(&topic.leader_epochs),
            };
            (name.to_string(), raw)
        };
        let local = |(name, topic): (&TopicName, &LocalTopic)| {
            let raw = RawLocalTopic {
                topic_id: topic.topic_id.to_string(),
                partitions: topic.partition_count,
                configs: topic.configs.clone(),
                leader_epochs: encoded_epochs(&topic.leader_epochs),
            };
            (name.to_string(), raw)
        };
        let deleted = |(id, topic): (&TopicId, &DeletedTopic)| {
            let DeletedTopic { name, partition_count } = topic;
            let raw = RawDeletedTopic { name: name.to_string(), partitions: *partition_count };
            (id.to_string(), raw)
        };
        let raw = RawState {
            format_version: self.format_version(),
            source_cluster_id: self.source_cluster_id.clone(),
            topics: self.topics.iter().map(topic).collect(),
            local_topics: self.local_topics.iter().map(local).collect(),
            deleted_topics: self.deleted_topics.iter().map(deleted).collect(),
            next_producer_id: self.next_producer_id.map(ProducerId::get),
            cluster_mirrors: RawClusterMirrors::of(&self.cluster_mirrors),
        };
        let mut contents =
            serde_json::to_vec_pretty(&raw).expect("maps with text keys always serialise");
        contents.push(b'\n');
        contents
    }

    /// True for a topic that was made here and never mirrored: also one whose deletion has begun.
    #[must_use]
    pub fn is_local(&self, name: &TopicName) -> bool {
        self.local_id(name).is_some()
    }

    /// The id of the topic made here with that name, also when its deletion has begun.
    #[must_use]
    pub fn local_id(&self, name: &TopicName) -> Option<TopicId> {
        let deleted = || self.deleted_topics.iter().find(|(_, topic)| topic.name == *name);
        let local = self.local_topics.get(name).map(|topic| topic.topic_id);
        local.or_else(|| deleted().map(|(id, _)| *id))
    }

    /// The id of a topic that is here, mirrored or made.
    #[must_use]
    pub fn topic_id(&self, name: &TopicName) -> Option<TopicId> {
        let local = || self.local_topics.get(name).map(|topic| topic.topic_id);
        self.topics.get(name).map(|topic| topic.topic_id).or_else(local)
    }

    /// Room for partitions, `max` in all: those of topics that are here, mirrored and made, have
    /// taken theirs.
    #[must_use]
    pub fn partition_room(&self, max: usize) -> PartitionRoom {
        let mut room = PartitionRoom::new(max);
        for (name, topic) in &self.topics {
            room.hold(name, Binding::Bound, topic.partition_count);
        }
        for (name, topic) in &self.local_topics {
            room.hold(name, Binding::Unbound, topic.partition_count);
        }
        room
    }

    /// How many partitions a topic that is here has, mirrored or made.
    #[must_use]
    pub fn partition_count(&self, name: &TopicName) -> Option<i32> {
        let local = || self.local_topics.get(name).map(|topic| topic.partition_count);
        self.topics.get(name).map(|topic| topic.partition_count).or_else(local)
    }

    /// The leader epoch that clients were told last of a partition, mirrored or made here.
    #[must_use]
    pub fn leader_epoch(&self, name: &TopicPartition) -> LeaderEpoch {
        let mirrored = self.topics.get(&name.topic).map(|topic| &topic.leader_epochs);
        let local = || self.local_topics.get(&name.topic).map(|topic| &topic.leader_epochs);
        let epochs = mirrored.or_else(local);
        epochs.map_or(LeaderEpoch::ZERO, |epochs| told_epoch(epochs, name.partition))
    }

    fn format_version(&self) -> u32 {
        let mirrors_only = self.local_topics.is_empty()
            && self.deleted_topics.is_empty()
            && self.next_producer_id.is_none()
            && self.topics.values().all(|topic| topic.leader_epochs.is_empty());
        if !self.cluster_mirrors.is_empty() {
            FORMAT_VERSION
        } else if mirrors_only {
            FORMAT_VERSION_OF_MIRRORS
        } else {
            FORMAT_VERSION_OF_NODES
        }
    }

    /// True when the file is for its owner only: settings of mirrors may be secrets.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        !self.cluster_mirrors.is_empty()
    }

    /// Parses the file's contents.
    ///
    /// # Errors
    /// When a newer ringmirror wrote it, or nobody did.
    pub fn parse(contents: &[u8]) -> Result<Self, StoredFormatError> {
        let version: RawVersion =
            serde_json::from_slice(contents).map_err(StoredFormatError::malformed)?;
        StoredFormatError::check(version.format_version, FORMAT_VERSION)?;
        let raw: RawState =
            serde_json::from_slice(contents).map_err(StoredFormatError::malformed)?;
        let mut state = Self { source_cluster_id: raw.source_cluster_id, ..Self::default() };
        for (name, topic) in raw.topics {
            let (name, topic) = topic.parsed(&name).map_err(|what| bad_topic(&name, what))?;
            state.topics.insert(name, topic);
        }
        for (name, topic) in raw.local_topics {
            let (parsed, topic) = topic.parsed(&name).map_err(|what| bad_topic(&name, what))?;
            if state.topics.contains_key(&parsed) {
                return Err(bad_topic(&name, "two entries, as a mirrored and as a local topic"));
            }
            state.local_topics.insert(parsed, topic);
        }
        for (id, topic) in raw.deleted_topics {
            let (id, topic) = topic.parsed(&id).map_err(|what| bad_topic(&id, what))?;
            state.deleted_topics.insert(id, topic);
        }
        if let Some(raw) = raw.next_producer_id {
            let id = ProducerId::from_wire(raw);
            state.next_producer_id = Some(id.ok_or_else(|| {
                StoredFormatError::malformed(format!("next_producer_id is {raw}"))
            })?);
        }
        if let Some(raw) = raw.cluster_mirrors {
            state.cluster_mirrors = raw.parsed().map_err(StoredFormatError::malformed)?;
            check_against_topics(&state).map_err(StoredFormatError::malformed)?;
        }
        Ok(state)
    }
}

fn bad_topic(name: &str, what: &str) -> StoredFormatError {
    StoredFormatError::malformed(format!("topic {name:?} has {what}"))
}

fn parsed_name(name: &str) -> Result<TopicName, &'static str> {
    TopicName::parse(name).ok_or("an illegal name")
}

fn parsed_id(id: &str) -> Result<TopicId, &'static str> {
    TopicId::parse(id).ok_or("an illegal topic id")
}

fn encoded_epochs(epochs: &[LeaderEpoch]) -> Vec<i32> {
    epochs.iter().map(|epoch| epoch.get()).collect()
}

fn parsed_epochs(epochs: Vec<i32>) -> Result<Vec<LeaderEpoch>, &'static str> {
    let epochs = epochs.into_iter().map(LeaderEpoch::from_wire);
    epochs.collect::<Option<_>>().ok_or("a negative leader epoch")
}

fn told_epoch(epochs: &[LeaderEpoch], partition: PartitionIndex) -> LeaderEpoch {
    epochs.get(place_of(partition)).copied().unwrap_or(LeaderEpoch::ZERO)
}

fn raise_epoch(
    epochs: &mut Vec<LeaderEpoch>,
    partition: PartitionIndex,
    epoch: LeaderEpoch,
) -> bool {
    let place = place_of(partition);
    if epochs.len() <= place {
        epochs.resize(place + 1, LeaderEpoch::ZERO);
    }
    let told = &mut epochs[place];
    let is_news = *told < epoch;
    *told = epoch.max(*told);
    is_news
}

fn place_of(partition: PartitionIndex) -> usize {
    usize::try_from(partition.get()).expect("a partition index is not negative")
}

fn parsed_count(count: i32) -> Result<i32, &'static str> {
    if count < 0 { Err("a negative partition count") } else { Ok(count) }
}

impl MirrorTopic {
    /// Notes that clients are told this leader epoch, unless they were told a higher one; says
    /// whether that is news.
    pub fn raise_leader_epoch(&mut self, partition: PartitionIndex, epoch: LeaderEpoch) -> bool {
        raise_epoch(&mut self.leader_epochs, partition, epoch)
    }

    /// The leader epoch that clients were told last.
    #[must_use]
    pub fn leader_epoch(&self, partition: PartitionIndex) -> LeaderEpoch {
        told_epoch(&self.leader_epochs, partition)
    }
}

impl LocalTopic {
    /// Notes that clients are told this leader epoch, unless they were told a higher one; says
    /// whether that is news.
    pub fn raise_leader_epoch(&mut self, partition: PartitionIndex, epoch: LeaderEpoch) -> bool {
        epoch > LeaderEpoch::ZERO && raise_epoch(&mut self.leader_epochs, partition, epoch)
    }
}

impl RawTopic {
    fn parsed(self, name: &str) -> Result<(TopicName, MirrorTopic), &'static str> {
        let topic = MirrorTopic {
            topic_id: parsed_id(&self.topic_id)?,
            source_has_topic_ids: self.source_has_topic_ids,
            partition_count: parsed_count(self.partitions)?,
            configs: self.configs,
            leader_epochs: parsed_epochs(self.leader_epochs)?,
        };
        Ok((parsed_name(name)?, topic))
    }
}

impl RawLocalTopic {
    fn parsed(self, name: &str) -> Result<(TopicName, LocalTopic), &'static str> {
        let topic = LocalTopic {
            topic_id: parsed_id(&self.topic_id)?,
            partition_count: parsed_count(self.partitions)?,
            configs: self.configs,
            leader_epochs: parsed_epochs(self.leader_epochs)?,
        };
        Ok((parsed_name(name)?, topic))
    }
}

impl RawDeletedTopic {
    fn parsed(self, id: &str) -> Result<(TopicId, DeletedTopic), &'static str> {
        let partition_count = parsed_count(self.partitions)?;
        let topic = DeletedTopic { name: parsed_name(&self.name)?, partition_count };
        Ok((parsed_id(id)?, topic))
    }
}

/// Read first, so that a newer format is told apart from a broken file.
#[derive(Deserialize)]
struct RawVersion {
    format_version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawState {
    format_version: u32,
    source_cluster_id: Option<String>,
    topics: BTreeMap<String, RawTopic>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    local_topics: BTreeMap<String, RawLocalTopic>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    deleted_topics: BTreeMap<String, RawDeletedTopic>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_producer_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster_mirrors: Option<RawClusterMirrors>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTopic {
    topic_id: String,
    source_has_topic_ids: bool,
    partitions: i32,
    configs: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leader_epochs: Vec<i32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLocalTopic {
    topic_id: String,
    partitions: i32,
    configs: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leader_epochs: Vec<i32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeletedTopic {
    name: String,
    partitions: i32,
}

#[cfg(test)]
mod tests;
