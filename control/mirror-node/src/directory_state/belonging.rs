//! To whom topics belong: a topic of a mirror is among `topics`, any other among `local_topics`.
//! Whatever changes mirrors moves topics with them, in one write.

use std::collections::BTreeMap;
use std::path::Path;

use kafka_wire::partition::{TopicId, TopicName};
use mirror_coordinator::cluster_metadata::command_error::CommandError;
use mirror_coordinator::cluster_metadata::{MetadataChange, MetadataRecord, Mirror, StaleChange};
use mirror_coordinator::mirror_config::config_change::{ConfigChange, ConfigOperation};
use mirror_coordinator::mirror_config::{BOOTSTRAP_SERVERS, topic_prefix};
use mirror_coordinator::mirror_name::MirrorName;

use super::{DirectoryState, LocalTopic, MirrorTopic};
use crate::directory::DirectoryError;

/// The mirror that a node's file declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredMirror {
    /// Its name.
    pub name: MirrorName,
    /// Its settings, checked; they hold for a mirror that is made now. Of one that is there
    /// already only `bootstrap.servers` is taken over: commands edit the rest.
    pub configs: BTreeMap<String, String>,
}

impl DirectoryState {
    /// Takes in a change of mirrors: local topics that a mirror begins to follow become mirrored
    /// ones, and topics that belong to no mirror any more become local ones.
    ///
    /// # Errors
    /// When another change came between; nothing is changed then.
    pub fn change_mirrors(&mut self, change: &MetadataChange) -> Result<(), StaleChange> {
        let freed = self.freed_by(change);
        self.cluster_mirrors.apply(change)?;
        for name in &freed {
            self.move_to_local(name);
        }
        for record in change.records() {
            if let MetadataRecord::TopicBound { topic, .. } = record {
                self.move_to_mirrored(topic);
            }
        }
        Ok(())
    }

    /// The cluster that a topic is mirrored from, as far as it is known: each mirror of a node has
    /// its own.
    #[must_use]
    pub fn source_of(&self, topic: &TopicName) -> Option<&str> {
        let Some(bound) = self.cluster_mirrors.topics().get(topic) else {
            return self.source_cluster_id.as_deref();
        };
        self.cluster_mirrors.mirrors().get(&bound.mirror)?.source_cluster_id.as_deref()
    }

    /// Refuses the directory at `root` for a run that knows topics by the names of their source
    /// only. Stopped topics count: they have the ids of the source's still.
    ///
    /// # Errors
    /// Names a topic that has another name, and the command that knows it.
    pub(crate) fn check_names(&self, root: &Path) -> Result<(), DirectoryError> {
        let mut bound = self.cluster_mirrors.topics().iter();
        let other_name = bound.find_map(|(topic, bound)| {
            let mirror = self.cluster_mirrors.mirrors().get(&bound.mirror)?;
            let prefix = topic_prefix(&mirror.configs);
            let (path, prefix_text) = (root.to_owned(), prefix.as_str().to_owned());
            (!prefix.is_empty()).then(|| DirectoryError::Prefixed {
                path,
                mirror: bound.mirror.clone(),
                prefix: prefix_text,
                topic: topic.clone(),
            })
        });
        other_name.map_or(Ok(()), Err)
    }

    /// The topics that belong to no mirror after the change.
    fn freed_by(&self, change: &MetadataChange) -> Vec<TopicName> {
        let mut freed = Vec::new();
        for record in change.records() {
            match record {
                MetadataRecord::MirrorDeleted(deleted) => {
                    let bound = self.cluster_mirrors.topics().iter();
                    let of_mirror = bound.filter(|(_, bound)| bound.mirror == *deleted);
                    freed.extend(of_mirror.map(|(name, _)| name.clone()));
                }
                MetadataRecord::TopicUnbound(name) => freed.push(name.clone()),
                MetadataRecord::Mirror(..)
                | MetadataRecord::TopicBound { .. }
                | MetadataRecord::NodeConfigs(_) => {}
            }
        }
        freed
    }

    /// Gives topics that were mirrored before mirrors had names to one: the declared one, which is
    /// made when it is missing, or else one called `default` without a source, whose topics can be
    /// stopped. Says whether anything changed.
    ///
    /// # Errors
    /// When the declared mirror cannot be made.
    pub fn adopt(&mut self, declared: Option<&DeclaredMirror>) -> Result<bool, CommandError> {
        let bound = self.cluster_mirrors.topics();
        let orphans: BTreeMap<TopicName, TopicId> = self
            .topics
            .iter()
            .filter(|(name, _)| !bound.contains_key(name))
            .map(|(name, topic)| (name.clone(), topic.topic_id))
            .collect();
        if declared.is_none() && orphans.is_empty() {
            return Ok(false);
        }
        let (name, configs) = match declared {
            Some(declared) => (declared.name.clone(), declared.configs.clone()),
            None => (default_mirror_name(), BTreeMap::new()),
        };
        let servers = configs.get(BOOTSTRAP_SERVERS).cloned();
        // What the directory remembers of its source is of those topics.
        let source_cluster_id = self.source_cluster_id.clone().filter(|_| !orphans.is_empty());
        let mirror = Mirror { configs, source_cluster_id: source_cluster_id.clone() };
        let adoption = self.cluster_mirrors.plan_adoption(&name, &mirror, &orphans)?;
        let before = self.cluster_mirrors.offset();
        self.apply_planned(&adoption);
        // Also of a mirror that was made just now by those who read the node's file.
        if let Some(theirs) = source_cluster_id
            && let Ok(known) = self.cluster_mirrors.plan_source_cluster_id(&name, &theirs)
        {
            self.apply_planned(&known);
        }
        if let Some(value) = servers {
            let change = ConfigChange {
                name: BOOTSTRAP_SERVERS.to_owned(),
                operation: ConfigOperation::Set,
                value: Some(value),
            };
            let moved = self.cluster_mirrors.plan_alter_configs(name.as_str(), &[change])?;
            self.apply_planned(&moved.change);
        }
        Ok(self.cluster_mirrors.offset() != before)
    }

    fn apply_planned(&mut self, change: &MetadataChange) {
        self.change_mirrors(change).expect("the change was planned against these metadata");
    }

    fn move_to_mirrored(&mut self, name: &TopicName) {
        let Some(topic) = self.local_topics.remove(name) else { return };
        let LocalTopic { topic_id, partition_count, configs, leader_epochs } = topic;
        let mirrored = MirrorTopic {
            topic_id,
            // Set right when the source is seen: only one without ids needs to be asked by name.
            source_has_topic_ids: true,
            partition_count,
            configs,
            leader_epochs,
        };
        self.topics.insert(name.clone(), mirrored);
    }

    fn move_to_local(&mut self, name: &TopicName) {
        let Some(topic) = self.topics.remove(name) else { return };
        let MirrorTopic { topic_id, partition_count, configs, leader_epochs, .. } = topic;
        let local = LocalTopic { topic_id, partition_count, configs, leader_epochs };
        self.local_topics.insert(name.clone(), local);
    }
}

/// The mirror of a node's file that gives it no name, and of a directory without one.
#[must_use]
pub fn default_mirror_name() -> MirrorName {
    MirrorName::parse(DEFAULT_MIRROR_NAME).expect("the default name is legal")
}

/// See [`default_mirror_name`].
pub const DEFAULT_MIRROR_NAME: &str = "default";
