//! Which topic belongs to which mirror: changes are on disk before anything follows from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_wire::partition::{TopicId, TopicIdPartition, TopicName};
use mirror_coordinator::cluster_metadata::{
    BoundTopic, ClusterMetadata, MetadataChange, MetadataRecord, Mirror,
};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::lifecycle::Input;
use mirror_coordinator::mirror_config::{MirrorConfig, change_reconnects};
use mirror_coordinator::mirror_name::MirrorName;
use mirror_uring::EngineCommand;

use super::engine_start::source_limits;
use super::node_settings::sync_intervals;
use super::topic_changes::CommitError;
use super::{MirrorError, MirrorLoop};
use crate::catalog::{Binding, TopicSpec};
use crate::client_properties::ClientProperties;
use crate::directory::DirectoryError;
use crate::directory_state::{DirectoryState, MirrorTopic};
use crate::discovery::Standing;
use crate::mirror_news::MirrorNews;
use crate::random_id::random_id;
use crate::source_client::SourceTopic;
use crate::source_sync::Mirrored;
use crate::topic_selection::TopicSelection;

impl MirrorLoop<'_> {
    /// How a topic stands to a mirror.
    pub(super) fn standing(
        metadata: &ClusterMetadata,
        mirror: &MirrorName,
        topic: &TopicName,
    ) -> Standing {
        match metadata.topics().get(topic) {
            None => Standing::Free,
            Some(bound) if bound.mirror == *mirror && bound.desired != DesiredState::Stopped => {
                Standing::Active
            }
            Some(_) => Standing::Elsewhere,
        }
    }

    /// Notes which cluster a source is; false when it is another one than it was.
    pub(super) fn bind_source(
        &mut self,
        name: &MirrorName,
        cluster_id: Option<&str>,
    ) -> Result<bool, MirrorError> {
        if self.node.is_none() {
            self.check_sources_of_node(name, cluster_id)?;
            self.destination.directory.lock().bind_source(cluster_id)?;
            return Ok(true);
        }
        if !self.metadata.mirrors().contains_key(name) {
            return Ok(false);
        }
        let Some(theirs) = cluster_id else { return Ok(true) };
        match self.metadata.plan_source_cluster_id(name, theirs) {
            Ok(change) => Ok(self.commit_telling(&change)),
            Err(changed) => {
                let reason = changed.to_string();
                if let Some(source) = self.sources.get_mut(name)
                    && source.told_unreachable != reason
                {
                    source.told_unreachable.clone_from(&reason);
                    self.tell(MirrorNews::SourceUnreachable { reason: reason.clone() });
                }
                self.inputs.push_back(Input::SourceReplaced { mirror: name.clone(), reason });
                Ok(false)
            }
        }
    }

    /// Refuses a source that is not the one from which a node mirrored the same topics into this
    /// directory.
    fn check_sources_of_node(
        &self,
        name: &MirrorName,
        cluster_id: Option<&str>,
    ) -> Result<(), DirectoryError> {
        let directory = self.destination.directory.lock();
        let of_node = &directory.state.cluster_mirrors;
        for (topic, _) in self.metadata.topics().iter().filter(|(_, one)| one.mirror == *name) {
            let bound = of_node.topics().get(topic);
            let mirror = bound.and_then(|bound| of_node.mirrors().get(&bound.mirror));
            let ours = mirror.and_then(|mirror| mirror.source_cluster_id.as_deref());
            if let (Some(ours), Some(theirs)) = (ours, cluster_id)
                && ours != theirs
            {
                let path = directory.root().to_owned();
                let (ours, theirs) = (ours.to_owned(), theirs.to_owned());
                return Err(DirectoryError::WrongSource { path, ours, theirs });
            }
        }
        Ok(())
    }

    /// Binds topics that a look found to their mirror; returns those that are bound now.
    pub(super) fn bind_found(
        &mut self,
        mirror: &MirrorName,
        found: &[(TopicName, &SourceTopic)],
    ) -> BTreeSet<TopicName> {
        if found.is_empty() {
            return BTreeSet::new();
        }
        let Some(known) = self.metadata.mirrors().get(mirror) else { return BTreeSet::new() };
        let new = found.iter().filter_map(|(name, source)| {
            let topic_id = source.topic_id.or_else(|| random_id().ok())?;
            Some((name.clone(), new_topic(topic_id, source)))
        });
        let topics: Vec<_> = new.collect();
        let ids: BTreeMap<_, _> =
            topics.iter().map(|(name, topic)| (name.clone(), topic.topic_id)).collect();
        let change = match self.metadata.plan_adoption(mirror, known, &ids) {
            Ok(change) => change,
            Err(error) => {
                tracing::warn!("{error}");
                return BTreeSet::new();
            }
        };
        let names = ids.into_keys().collect();
        match self.commit(&change, topics) {
            Ok(()) => names,
            Err(error) => {
                self.tell_uncommitted(&error);
                BTreeSet::new()
            }
        }
    }

    /// Puts a change on disk and lets it count; one that the disk refuses is told, and nothing
    /// changed then.
    pub(super) fn commit_telling(&mut self, change: &MetadataChange) -> bool {
        let committed = self.commit(change, Vec::new());
        committed.map_err(|error| self.tell_uncommitted(&error)).is_ok()
    }

    /// Puts a change on disk, with topics that are to be mirrored from now on, and lets it count.
    ///
    /// # Errors
    /// What the system said, or that the change was planned against older metadata; nothing
    /// changed then.
    pub(super) fn commit(
        &mut self,
        change: &MetadataChange,
        topics: Vec<(TopicName, MirrorTopic)>,
    ) -> Result<(), CommitError> {
        if change.is_empty() {
            return Ok(());
        }
        self.check_states_are_written()?;
        let mut metadata = self.metadata.clone();
        metadata.apply(change)?;
        {
            let mut directory = self.destination.directory.lock();
            check_not_going(&directory.state, change)?;
            let before = directory.state.clone();
            let mut room = self.destination.directory.partition_room(&before);
            for (name, topic) in topics {
                if directory.state.topic_id(&name).is_some() {
                    continue;
                }
                // A client may have made a topic since it was looked whether there is room.
                if let Err(none) = room.take(&name, Binding::Bound, topic.partition_count) {
                    directory.state = before;
                    return Err(none.into());
                }
                directory.state.topics.insert(name, topic);
            }
            if self.node.is_some() {
                // A client may have deleted a topic since.
                if let Err(stale) = directory.state.change_mirrors(change) {
                    directory.state = before;
                    return Err(stale.into());
                }
            }
            if let Err(error) = directory.write_state() {
                directory.state = before;
                return Err(error.into());
            }
        }
        let before = std::mem::replace(&mut self.metadata, metadata);
        self.is_state_dirty = false;
        for record in change.records() {
            self.follow(record, &before);
        }
        Ok(())
    }

    /// What follows from a change that counts.
    fn follow(&mut self, record: &MetadataRecord, before: &ClusterMetadata) {
        match record {
            MetadataRecord::Mirror(name, mirror) => {
                let known = before.mirrors().get(name);
                if known.is_none_or(|known| known.configs != mirror.configs) {
                    self.configure_source(name, known);
                }
            }
            MetadataRecord::MirrorDeleted(name) => {
                for (topic, bound) in before.topics() {
                    if bound.mirror == *name {
                        self.forget_topic(topic);
                    }
                }
                self.persisting.delete(name.clone());
                if let Err(error) = self.destination.directory.free_acls() {
                    tracing::warn!("rules of mirror {name} are kept as its own: {error}");
                }
                if let Some(source) = self.sources.remove(name) {
                    self.sources_to_remove.push(source.id);
                }
                if let Some(node) = &self.node {
                    node.board.forget(name);
                }
            }
            MetadataRecord::TopicBound { topic, .. } => {
                self.open_in_book(topic);
                let Some(bound) = self.metadata.topics().get(topic).cloned() else { return };
                for id in self.partitions_of(topic) {
                    self.tell_desired(id, &bound);
                }
            }
            MetadataRecord::TopicUnbound(topic) => self.forget_topic(topic),
            MetadataRecord::NodeConfigs(_) => self.take_in_node_configs(),
        }
    }

    /// Forgets the partitions of a topic that belongs to no mirror any more; its logs are those of
    /// a topic made here.
    fn forget_topic(&mut self, topic: &TopicName) {
        let of_mirror = self.partitions_of(topic);
        for id in &of_mirror {
            self.inputs.push_back(Input::Unbound(*id));
            self.book.remove(*id);
        }
        {
            let directory = self.destination.directory.lock();
            if let Some(local) = directory.state.local_topics.get(topic) {
                let spec = TopicSpec {
                    id: local.topic_id,
                    binding: Binding::Unbound,
                    configs: local.configs.clone(),
                    partition_count: local.partition_count,
                };
                self.destination.catalog.put(topic, spec);
            }
        }
        for id in of_mirror {
            self.give_to_clients(id);
        }
    }

    /// The partitions of a topic in the book.
    pub(super) fn partitions_of(&self, topic: &TopicName) -> Vec<TopicIdPartition> {
        let Some(shown) = self.destination.catalog.topic(topic) else { return Vec::new() };
        let ids = shown.partitions.iter().map(|partition| partition.id);
        ids.filter(|id| self.book.get(*id).is_some()).collect()
    }

    /// Tells the lifecycle what is wanted of a partition.
    pub(super) fn tell_desired(&mut self, partition: TopicIdPartition, bound: &BoundTopic) {
        let leader_epoch = self.known_leader_epoch(partition);
        let (mirror, desired) = (bound.mirror.clone(), bound.desired);
        self.inputs.push_back(Input::Desired { partition, mirror, desired, leader_epoch });
    }

    /// Takes in settings of a mirror that are new or changed.
    pub(super) fn configure_source(&mut self, name: &MirrorName, before: Option<&Mirror>) {
        if self.config.mirror.as_ref().is_some_and(|configured| configured.name == *name) {
            return; // how its source is reached, and which topics, is said where it is configured
        }
        let Some(mirror) = self.metadata.mirrors().get(name).cloned() else { return };
        let config = match MirrorConfig::parse(&mirror.configs) {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("mirror {name}: its settings cannot be used: {error}");
                return;
            }
        };
        let patterns = config.topics.clone();
        if self.sources.get(name).is_none() {
            let selection = TopicSelection { patterns: Some(patterns), filter: None };
            let properties = self.client_properties(&config);
            let wants_log_ends = self.config.until_caught_up;
            let events = self.event_sender.clone();
            let unclean_election = mirror_coordinator::lifecycle::UncleanElection::Fail;
            let source = self.sources.add(name, properties, selection, unclean_election);
            source.watch(name, wants_log_ends, events);
            self.carry_over(name);
            return;
        }
        let reconnects =
            before.is_none_or(|before| change_reconnects(&before.configs, &mirror.configs));
        let properties = self.client_properties(&config);
        let events = self.event_sender.clone();
        let Some(source) = self.sources.get_mut(name) else { return };
        let filter = source.selection.get().filter.clone();
        source.selection.set(TopicSelection { patterns: Some(patterns), filter });
        if reconnects {
            source.properties = properties;
            source.brokers.clear();
            source.watch(name, self.config.until_caught_up, events);
            self.inputs.push_back(Input::SourceForgotten(name.clone()));
            self.carry_over(name);
        } else {
            source.hurry();
        }
        self.tell_limits(name);
    }

    /// Carries over what a mirror has beside records, where there is a node to carry it to.
    pub(super) fn carry_over(&mut self, name: &MirrorName) {
        let intervals = sync_intervals(&self.node_config());
        let Some(node) = &self.node else { return };
        let (Some(source), Some((groups, share_groups))) =
            (self.sources.get_mut(name), &node.groups)
        else {
            return;
        };
        let mirrored = Mirrored {
            mirror: name.clone(),
            directory: Arc::clone(&self.destination.directory),
            catalog: Arc::clone(&self.destination.catalog),
            groups: Arc::clone(groups),
            share_groups: Arc::clone(share_groups),
            board: Arc::clone(&node.board),
            lost_topics: source.lost_topics.clone(),
        };
        source.carry_over(&mirrored, intervals);
    }

    /// Tells the engine how a source is to be asked, when that is news: it hears of it before it
    /// gets the first partition.
    pub(super) fn tell_limits(&mut self, name: &MirrorName) {
        let Some(source) = self.sources.get_mut(name).filter(|_| self.engine.is_some()) else {
            return;
        };
        let limits = source_limits(&self.config.engine, &source.properties);
        if source.limits != Some(limits) {
            source.limits = Some(limits);
            self.commands.push(EngineCommand::SetSource { source: source.id, limits });
        }
    }

    pub(super) fn client_properties(&self, config: &MirrorConfig) -> ClientProperties {
        ClientProperties::of_mirror(config, &self.node_config())
    }

    /// Has the engine forget sources that are gone.
    pub(super) async fn remove_sources(&mut self) -> Result<(), MirrorError> {
        for id in std::mem::take(&mut self.sources_to_remove) {
            self.send(EngineCommand::RemoveSource(id)).await?;
        }
        Ok(())
    }
}

/// Refuses to bind a topic while one of that id is being deleted: its directories would go too.
fn check_not_going(state: &DirectoryState, change: &MetadataChange) -> Result<(), CommitError> {
    for record in change.records() {
        if let MetadataRecord::TopicBound { topic, topic_id, .. } = record
            && state.deleted_topics.contains_key(topic_id)
        {
            return Err(CommitError::Going(topic.clone()));
        }
    }
    Ok(())
}

/// A topic of the source as it is first remembered here.
pub(super) fn new_topic(topic_id: TopicId, source: &SourceTopic) -> MirrorTopic {
    MirrorTopic {
        topic_id,
        source_has_topic_ids: source.topic_id.is_some(),
        partition_count: source.partition_count(),
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    }
}
