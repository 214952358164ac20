//! What a data directory remembers of its source: `ringmirror.json` at its root.
//!
//! ```json
//! {
//!   "format_version": 1,
//!   "source_cluster_id": "5L6g3nShT-eMCtK--X86sw",
//!   "topics": {
//!     "orders": {
//!       "topic_id": "u1TKk6ktQ0iWEuGPwJkNdw",
//!       "source_has_topic_ids": true,
//!       "partitions": 3,
//!       "configs": { "cleanup.policy": "compact" }
//!     }
//!   }
//! }
//! ```
//! A stock broker ignores files it does not know at the root of a log directory.

use std::collections::BTreeMap;

use kafka_wire::partition::{TopicId, TopicName};
use serde::{Deserialize, Serialize};

/// The format written; a directory with a higher one is refused.
pub const FORMAT_VERSION: u32 = 1;
/// Largest state file read, in bytes.
pub const STATE_BYTES_MAX: u64 = 256 << 20;

/// What a data directory remembers of its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryState {
    /// Id of the source cluster; `None` until it was seen, or when the source tells none.
    pub source_cluster_id: Option<String>,
    /// The topics mirrored into this directory.
    pub topics: BTreeMap<TopicName, MirrorTopic>,
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
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryStateError {
    /// Written by a newer ringmirror.
    #[error(
        "format version {found}, this ringmirror reads up to {FORMAT_VERSION}: use the newer one"
    )]
    Newer {
        /// The version found.
        found: u64,
    },
    /// Not what ringmirror writes.
    #[error("malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
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
            };
            (name.to_string(), raw)
        };
        let raw = RawState {
            format_version: FORMAT_VERSION,
            source_cluster_id: self.source_cluster_id.clone(),
            topics: self.topics.iter().map(topic).collect(),
        };
        let mut contents =
            serde_json::to_vec_pretty(&raw).expect("maps with text keys always serialise");
        contents.push(b'\n');
        contents
    }

    /// Parses the file's contents.
    ///
    /// # Errors
    /// When a newer ringmirror wrote it, or nobody did.
    pub fn parse(contents: &[u8]) -> Result<Self, DirectoryStateError> {
        let version: RawVersion = serde_json::from_slice(contents).map_err(malformed)?;
        if version.format_version > u64::from(FORMAT_VERSION) {
            return Err(DirectoryStateError::Newer { found: version.format_version });
        }
        let raw: RawState = serde_json::from_slice(contents).map_err(malformed)?;
        let mut topics = BTreeMap::new();
        for (name, topic) in raw.topics {
            let bad = |what| malformed(format!("topic {name:?} has {what}"));
            let parsed = TopicName::parse(&name).ok_or_else(|| bad("an illegal name"))?;
            let topic_id =
                TopicId::parse(&topic.topic_id).ok_or_else(|| bad("an illegal topic id"))?;
            if topic.partitions < 0 {
                return Err(bad("a negative partition count"));
            }
            let topic = MirrorTopic {
                topic_id,
                source_has_topic_ids: topic.source_has_topic_ids,
                partition_count: topic.partitions,
                configs: topic.configs,
            };
            topics.insert(parsed, topic);
        }
        Ok(Self { source_cluster_id: raw.source_cluster_id, topics })
    }
}

fn malformed(reason: impl ToString) -> DirectoryStateError {
    DirectoryStateError::Malformed { reason: reason.to_string() }
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
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTopic {
    topic_id: String,
    source_has_topic_ids: bool,
    partitions: i32,
    configs: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests;
