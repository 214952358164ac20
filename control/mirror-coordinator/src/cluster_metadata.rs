//! What the node, being its own controller, remembers of mirrors: which there are, which topic
//! belongs to which, and what is wanted of it (KIP-1279, cluster metadata).
//!
//! A command is planned against what is remembered and gives one [`MetadataChange`]; the change is
//! written to disk by whoever owns the directory, and only then applied. Nothing here acts.

use std::collections::BTreeMap;

use kafka_wire::partition::{TopicId, TopicName};

use crate::desired_state::DesiredState;
use crate::mirror_name::MirrorName;

pub mod limits;

/// Mirrors, the topics bound to them, and the settings of the node that concern mirrors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    offset: i64,
    mirrors: BTreeMap<MirrorName, Mirror>,
    topics: BTreeMap<TopicName, BoundTopic>,
}

/// A mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Settings explicitly made, by name.
    pub configs: BTreeMap<String, String>,
    /// Id of the source, once it was seen.
    pub source_cluster_id: Option<String>,
}

/// A topic that belongs to a mirror; also after it was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundTopic {
    /// Its id, here and at the source.
    pub topic_id: TopicId,
    /// The mirror it belongs to.
    pub mirror: MirrorName,
    /// What is wanted of it.
    pub desired: DesiredState,
    /// Offset of the change that last touched it.
    pub changed_at: i64,
}

/// What one command changes: all of it or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataChange {
    /// In order.
    pub records: Vec<MetadataRecord>,
}

/// One fact that a command changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRecord {
    /// The mirror exists and has this.
    Mirror(MirrorName, Mirror),
    /// The mirror is gone; none of its topics is bound any more.
    MirrorDeleted(MirrorName),
    /// The topic belongs to a mirror, and this is wanted of it.
    TopicBound {
        /// Its name.
        topic: TopicName,
        /// Its id.
        topic_id: TopicId,
        /// The mirror.
        mirror: MirrorName,
        /// What is wanted.
        desired: DesiredState,
    },
    /// The topic belongs to no mirror.
    TopicUnbound(TopicName),
}

impl ClusterMetadata {
    /// Rises with every change: what a command was checked against (`StateOffset`).
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.offset
    }

    /// The mirrors.
    #[must_use]
    pub const fn mirrors(&self) -> &BTreeMap<MirrorName, Mirror> {
        &self.mirrors
    }

    /// The topics that belong to a mirror.
    #[must_use]
    pub const fn topics(&self) -> &BTreeMap<TopicName, BoundTopic> {
        &self.topics
    }

    /// Takes in a change that is on disk.
    pub fn apply(&mut self, change: &MetadataChange) {
        if change.records.is_empty() {
            return;
        }
        self.offset += 1;
        for record in &change.records {
            self.apply_record(record);
        }
    }

    fn apply_record(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::Mirror(name, mirror) => {
                self.mirrors.insert(name.clone(), mirror.clone());
            }
            MetadataRecord::MirrorDeleted(name) => {
                self.mirrors.remove(name);
                self.topics.retain(|_, topic| topic.mirror != *name);
            }
            MetadataRecord::TopicBound { topic, topic_id, mirror, desired } => {
                let bound = BoundTopic {
                    topic_id: *topic_id,
                    mirror: mirror.clone(),
                    desired: *desired,
                    changed_at: self.offset,
                };
                self.topics.insert(topic.clone(), bound);
            }
            MetadataRecord::TopicUnbound(topic) => {
                self.topics.remove(topic);
            }
        }
    }
}
