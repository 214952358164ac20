//! What the node, being its own controller, remembers of mirrors: which there are, which topic
//! belongs to which, and what is wanted of it (KIP-1279, cluster metadata).
//!
//! A command is planned against what is remembered and gives one [`MetadataChange`]; the change is
//! written to disk by whoever owns the directory, and only then applied. Nothing here acts.
//!
//! ```text
//!  request -> plan_* (checks everything) -> MetadataChange -> ringmirror.json -> apply
//!                     \-> CommandError: nothing of it happened
//! ```
//! Parts: `create`, `start`, `stop`, `hold` (pause, resume, recover), `delete`, `alter_configs`;
//! `own_changes` (those that nobody asks for); `listing`; `limits`.

use std::collections::BTreeMap;
use std::fmt;

use kafka_wire::mirror_error::MirrorError;
use kafka_wire::partition::{TopicId, TopicName};

use crate::desired_state::DesiredState;
use crate::mirror_config::{MirrorConfig, MirrorConfigError, definitions};
use crate::mirror_name::MirrorName;
use crate::mirror_node_config::{MirrorNodeConfig, NodeConfigError, NodeConfigs};
use crate::topic_patterns::beginning;
use command_error::CommandError;

mod alter_configs;
pub mod command_error;
mod create;
mod delete;
mod filters;
pub mod hold;
pub mod limits;
pub mod listing;
pub mod own_changes;
pub mod start;
pub mod state_check;
mod stop;
mod topic_selection;

pub use stop::StopRequest;

/// Mirrors, the topics bound to them, and the settings of the node that concern mirrors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    offset: i64,
    mirrors: BTreeMap<MirrorName, Mirror>,
    topics: BTreeMap<TopicName, BoundTopic>,
    node_configs: NodeConfigs,
}

/// A mirror.
#[derive(Clone, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a change that is not applied did not happen"]
pub struct MetadataChange {
    /// Offset of the metadata that it was planned against.
    base: i64,
    records: Vec<MetadataRecord>,
}

/// A change that was planned against other metadata than those it met: it has to be planned anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("planned at offset {planned}, the metadata are at offset {found}")]
pub struct StaleChange {
    /// Offset it was planned at.
    pub planned: i64,
    /// Offset it met.
    pub found: i64,
}

/// A change, and what became of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What changes.
    pub change: MetadataChange,
    /// By topic, in order of their names; those refused at last.
    pub outcomes: Vec<TopicOutcome>,
    /// Topics that are stopped because the exclusions name them now.
    pub also_stopped: Vec<TopicName>,
}

/// What became of a request for one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicOutcome {
    /// As asked for.
    pub topic: String,
    /// Whether that was news, or why it was refused.
    pub result: Result<bool, CommandError>,
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
    /// The node has these settings.
    NodeConfigs(NodeConfigs),
}

/// Metadata that contradict themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A topic of a mirror that is not there.
    #[error("topic {topic} belongs to mirror {mirror}, which is not there")]
    NoMirror {
        /// The topic.
        topic: TopicName,
        /// The mirror.
        mirror: MirrorName,
    },
    /// A topic that changed after everything.
    #[error("topic {topic} changed at offset {changed_at}, the newest is {offset}")]
    Future {
        /// The topic.
        topic: TopicName,
        /// When it changed.
        changed_at: i64,
        /// The newest offset.
        offset: i64,
    },
    /// Settings that this version does not take.
    #[error("mirror {mirror}: {error}")]
    Mirror {
        /// The mirror.
        mirror: MirrorName,
        /// What is wrong.
        error: MirrorConfigError,
    },
    /// Settings of the node that this version does not take.
    #[error(transparent)]
    Node(#[from] NodeConfigError),
    /// One id, two topics.
    #[error("topics {one} and {other} have the same id")]
    SameId {
        /// The first.
        one: TopicName,
        /// The second.
        other: TopicName,
    },
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

    /// Settings of the node that concern mirrors, as far as they were made.
    #[must_use]
    pub const fn node_configs(&self) -> &NodeConfigs {
        &self.node_configs
    }

    /// True while there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mirrors.is_empty() && self.node_configs.is_empty()
    }

    /// Metadata as they were before.
    ///
    /// # Errors
    /// When they contradict themselves, or hold settings that this version does not take.
    pub fn restored(
        offset: i64,
        mirrors: BTreeMap<MirrorName, Mirror>,
        topics: BTreeMap<TopicName, BoundTopic>,
        node_configs: NodeConfigs,
    ) -> Result<Self, RestoreError> {
        for (name, mirror) in &mirrors {
            MirrorConfig::parse(&mirror.configs)
                .map_err(|error| RestoreError::Mirror { mirror: name.clone(), error })?;
        }
        for configs in [&node_configs.of_all, &node_configs.of_this] {
            MirrorNodeConfig::parse(configs)?;
        }
        let mut by_id = BTreeMap::new();
        for (topic, bound) in &topics {
            let BoundTopic { mirror, changed_at, topic_id, .. } = bound;
            if !mirrors.contains_key(mirror) {
                let (topic, mirror) = (topic.clone(), mirror.clone());
                return Err(RestoreError::NoMirror { topic, mirror });
            }
            if *changed_at > offset {
                let (topic, changed_at) = (topic.clone(), *changed_at);
                return Err(RestoreError::Future { topic, changed_at, offset });
            }
            if let Some(one) = by_id.insert(*topic_id, topic) {
                let (one, other) = (one.clone(), topic.clone());
                return Err(RestoreError::SameId { one, other });
            }
        }
        Ok(Self { offset, mirrors, topics, node_configs })
    }

    /// Takes in a change that is on disk. One without records changes nothing.
    ///
    /// # Errors
    /// When another change came between: this one has to be planned anew.
    pub fn apply(&mut self, change: &MetadataChange) -> Result<(), StaleChange> {
        if change.base != self.offset {
            return Err(StaleChange { planned: change.base, found: self.offset });
        }
        if !change.records.is_empty() {
            self.offset += 1;
        }
        for record in &change.records {
            self.apply_record(record);
        }
        Ok(())
    }

    fn change(&self, records: Vec<MetadataRecord>) -> MetadataChange {
        MetadataChange { base: self.offset, records }
    }

    /// The mirror of a name that somebody asks for.
    ///
    /// # Errors
    /// When there is none.
    pub fn mirror_named(&self, name: &str) -> Result<(&MirrorName, &Mirror), CommandError> {
        let known = MirrorName::parse(name).and_then(|name| self.mirrors.get_key_value(&name));
        known.ok_or_else(|| {
            let told = beginning(name);
            let message = format!(
                "no mirror {told} is here; list the mirrors to see their names, or create it first"
            );
            CommandError::new(MirrorError::UnknownClusterMirror, message)
        })
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
            MetadataRecord::NodeConfigs(configs) => self.node_configs.clone_from(configs),
        }
    }
}

impl MetadataChange {
    /// True when nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What changes, in order.
    #[must_use]
    pub fn records(&self) -> &[MetadataRecord] {
        &self.records
    }
}

impl Planned {
    /// The first refusal of a topic: that of the whole request, for a start.
    #[must_use]
    pub fn first_error(&self) -> Option<&CommandError> {
        self.outcomes.iter().find_map(|outcome| outcome.result.as_ref().err())
    }

    /// The topics that the request changes.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        let is_news = |outcome: &&TopicOutcome| outcome.result == Ok(true);
        self.outcomes.iter().filter(is_news).map(|outcome| outcome.topic.as_str())
    }
}

impl BoundTopic {
    /// The record that this is wanted of the topic from now on.
    fn wanted(&self, topic: &TopicName, desired: DesiredState) -> MetadataRecord {
        let (topic, mirror) = (topic.clone(), self.mirror.clone());
        MetadataRecord::TopicBound { topic, topic_id: self.topic_id, mirror, desired }
    }
}

impl fmt::Debug for Mirror {
    /// Tells values of settings that cannot be secrets only.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: BTreeMap<_, _> = self
            .configs
            .iter()
            .map(|(name, value)| {
                let is_open = definitions::find(name).is_some();
                (name, if is_open { value.as_str() } else { "(hidden)" })
            })
            .collect();
        let mut mirror = out.debug_struct("Mirror");
        mirror.field("configs", &shown);
        mirror.field("source_cluster_id", &self.source_cluster_id).finish()
    }
}

/// Topics that every cluster keeps for itself. No filter makes them mirrored.
pub const NEVER_MIRRORED: [&str; 5] = [
    "__cluster_metadata",
    "__consumer_offsets",
    "__mirror_state",
    "__share_group_state",
    "__transaction_state",
];

#[cfg(test)]
mod tests;
