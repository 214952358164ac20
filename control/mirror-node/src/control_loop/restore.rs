//! The beginning of a run: what is remembered becomes what the loop acts on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::mirror_state_record::{MirrorPartitionKey, MirrorStateRecord};
use kafka_wire::partition::{PartitionIndex, TopicId, TopicIdPartition, TopicName};
use mirror_coordinator::cluster_metadata::{BoundTopic, ClusterMetadata, Mirror};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::lifecycle::Input;
use mirror_coordinator::mirror_config::config_change::{ConfigChange, ConfigOperation};
use mirror_coordinator::mirror_config::{BOOTSTRAP_SERVERS, TOPICS_INCLUDE};
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_node_config::NodeConfigs;
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::partition_state::MirrorPartitionState;
use mirror_coordinator::stored_state::StoredState;
use mirror_coordinator::topic_patterns::PatternList;

use super::carry_out::seal_all;
use super::{ConfiguredMirror, LoopEvent, MirrorError, MirrorLoop};
use crate::client_properties::DisplayAddress;
use crate::directory_state::DirectoryState;
use crate::directory_state::belonging::{DeclaredMirror, default_mirror_name};
use crate::local_topics::keeper::now_ms;
use crate::topic_selection::TopicSelection;

impl MirrorLoop<'_> {
    /// Takes up what is remembered. `ringmirror mirror` needs its source to answer first.
    pub(super) async fn begin(&mut self) -> Result<(), MirrorError> {
        match self.node.is_some() {
            true => self.begin_node()?,
            false => self.begin_mirror().await?,
        }
        self.after_input().await
    }

    async fn begin_mirror(&mut self) -> Result<(), MirrorError> {
        let Some(configured) = self.config.mirror.clone() else { return Ok(()) };
        let name = configured.name.clone();
        self.metadata = {
            let directory = self.destination.directory.lock();
            remembered(&directory.state, &configured)
        };
        self.add_configured(&configured);
        let asked: Vec<TopicName> = self.topics_of(&name);
        self.restore(&asked);
        loop {
            let event = self.events.recv().await.expect("the loop itself holds a sender");
            match event {
                LoopEvent::Looked { mirror, outcome, .. } => {
                    return self.on_look(&mirror, outcome?).await;
                }
                other => self.on_event(other).await?,
            }
        }
    }

    fn begin_node(&mut self) -> Result<(), MirrorError> {
        {
            let directory = self.destination.directory.lock();
            self.metadata = directory.state.cluster_mirrors.clone();
        }
        if let Some(node) = &mut self.node {
            self.states = std::mem::take(&mut node.restored);
            let topics = Arc::clone(node.topics());
            self.work.set_sealer(move |orders| seal_all(&topics, orders));
        }
        if let Some(configured) = self.config.mirror.clone() {
            self.add_configured(&configured);
            self.take_up_configured(&configured);
        }
        self.adopt()?;
        self.take_in_node_configs();
        let names: Vec<MirrorName> = self.metadata.mirrors().keys().cloned().collect();
        for name in &names {
            if self.sources.get(name).is_none() {
                self.configure_source(name, None);
            }
        }
        let bound: Vec<TopicName> = self.metadata.topics().keys().cloned().collect();
        self.restore(&bound);
        self.delete_left_states();
        Ok(())
    }

    /// Makes the mirror of `node.toml` when it is missing; what the file says counts.
    fn take_up_configured(&mut self, configured: &ConfiguredMirror) {
        let servers = configured.properties.bootstrap_servers.iter();
        let servers: Vec<_> = servers.map(|at| DisplayAddress(at).to_string()).collect();
        let include = configured.filter.include_text();
        // The expression of the file counts anyway; a list cannot hold every expression.
        let is_entry = PatternList::parse(&[include]).is_ok();
        let include = if is_entry { include } else { ".*" };
        let set = [(BOOTSTRAP_SERVERS, servers.join(",")), (TOPICS_INCLUDE, include.to_owned())];
        let name = configured.name.as_str();
        let planned = if self.metadata.mirrors().contains_key(&configured.name) {
            let changes = set.map(|(name, value)| ConfigChange {
                name: name.to_owned(),
                operation: ConfigOperation::Set,
                value: Some(value),
            });
            self.metadata.plan_alter_configs(name, &changes).map(|planned| planned.change)
        } else {
            let configs = set.map(|(name, value)| (name.to_owned(), Some(value)));
            self.metadata.plan_create(name, &configs)
        };
        match planned {
            Ok(change) => {
                self.commit_telling(&change);
            }
            Err(error) => tracing::error!("the mirror of the configuration: {error}"),
        }
    }

    /// Takes in topics of a directory that was mirrored into before mirrors had names: they are
    /// mirrored, up to where their logs end.
    fn adopt(&mut self) -> Result<(), MirrorError> {
        let unbound: BTreeMap<TopicName, TopicId> = {
            let directory = self.destination.directory.lock();
            let topics = directory.state.topics.iter();
            let unbound = topics.filter(|(name, _)| !self.metadata.topics().contains_key(name));
            unbound.map(|(name, topic)| (name.clone(), topic.topic_id)).collect()
        };
        if unbound.is_empty() {
            return Ok(());
        }
        let configured = self.config.mirror.as_ref().map(|mirror| mirror.name.clone());
        let name = configured.unwrap_or_else(default_mirror_name);
        // Their states first: without one a log is taken for one that has to be aligned.
        self.store_mirroring(&name, &unbound)?;
        let mut directory = self.destination.directory.lock();
        let declared = self.declared(&name);
        let adopted = directory.state.adopt(declared.as_ref());
        adopted.map_err(|error| MirrorError::States(error.to_string()))?;
        directory.write_state()?;
        self.metadata = directory.state.cluster_mirrors.clone();
        Ok(())
    }

    /// The mirror of the configuration as it is remembered by now.
    fn declared(&self, name: &MirrorName) -> Option<DeclaredMirror> {
        let mirror = self.metadata.mirrors().get(name)?;
        Some(DeclaredMirror { name: name.clone(), configs: mirror.configs.clone() })
    }

    fn store_mirroring(
        &mut self,
        mirror: &MirrorName,
        topics: &BTreeMap<TopicName, TopicId>,
    ) -> Result<(), MirrorError> {
        let mut records = Vec::new();
        for (name, topic_id) in topics {
            let topic = self.destination.directory.lock().state.topics.get(name).cloned();
            let count = topic.map_or(0, |topic| topic.partition_count);
            for partition in (0..count).filter_map(PartitionIndex::from_wire) {
                let key = MirrorPartitionKey {
                    mirror_name: mirror.to_string(),
                    topic_id: *topic_id,
                    partition,
                };
                let stored =
                    StoredState { state: MirrorPartitionState::Mirroring, ..StoredState::UNKNOWN };
                records.push(MirrorStateRecord::PartitionState(key, Some(stored.to_record())));
            }
        }
        if let Some(journal) = self.node.as_mut().and_then(|node| node.journal.as_mut()) {
            let written = journal.append(&records, now_ms());
            written.map_err(|error| MirrorError::States(error.to_string()))?;
        }
        for record in &records {
            self.states.apply(record);
        }
        Ok(())
    }

    /// Deletes states of what an earlier run saw go, and did not live to delete.
    fn delete_left_states(&mut self) {
        let topics = self.metadata.topics().values();
        let bound: BTreeSet<_> = topics.map(|bound| (&bound.mirror, bound.topic_id)).collect();
        for (mirror, partition, ..) in self.states.iter() {
            if !bound.contains(&(mirror, partition.topic_id)) {
                self.persisting.delete_partition(mirror.clone(), partition);
            }
        }
    }

    fn add_configured(&mut self, configured: &ConfiguredMirror) {
        let patterns = None;
        let filter = Some(configured.filter.clone());
        let selection = TopicSelection { patterns, filter };
        let (wants_log_ends, events) = (self.config.until_caught_up, self.event_sender.clone());
        let properties = configured.properties.clone();
        let policy = configured.unclean_election;
        let source = self.sources.add(&configured.name, properties, selection, policy);
        source.watch(&configured.name, wants_log_ends, events);
        self.carry_over(&configured.name);
    }

    fn topics_of(&self, mirror: &MirrorName) -> Vec<TopicName> {
        let topics = self.metadata.topics().iter();
        topics.filter(|(_, bound)| bound.mirror == *mirror).map(|(name, _)| name.clone()).collect()
    }

    /// Tells the lifecycle what is stored of the partitions of topics, and what is wanted.
    fn restore(&mut self, topics: &[TopicName]) {
        let mut restored = BTreeMap::new();
        for name in topics {
            let Some(bound) = self.metadata.topics().get(name).cloned() else { continue };
            let shown = {
                let directory = self.destination.directory.lock();
                let Some(topic) = directory.state.topics.get(name) else { continue };
                self.destination.show(name, topic)
            };
            for partition in &shown.partitions {
                let id = partition.id;
                let (stored, position) = self.beginning(&bound.mirror, id);
                restored.insert(id, (bound.mirror.clone(), stored, position));
            }
        }
        for (partition, (mirror, stored, position)) in restored {
            let name = self.destination.catalog.partition(partition).map(|one| one.name.clone());
            let directory = self.destination.directory.lock();
            let leader_epoch = name.map(|name| directory.state.leader_epoch(&name));
            let leader_epoch = leader_epoch.max(stored.leader_epoch).unwrap_or(LeaderEpoch::ZERO);
            self.inputs.push_back(Input::Restored {
                partition,
                mirror,
                stored,
                position,
                leader_epoch,
            });
        }
        for name in topics {
            self.open_in_book(name);
        }
    }

    /// What is stored of a partition. A run without a store begins where the last one was: the
    /// log came from its source.
    fn beginning(
        &self,
        mirror: &MirrorName,
        partition: TopicIdPartition,
    ) -> (StoredState, MirrorPosition) {
        match &self.node {
            Some(_) => self.stored(mirror, partition),
            None => {
                let state = MirrorPartitionState::Mirroring;
                (StoredState { state, ..StoredState::UNKNOWN }, MirrorPosition::EMPTY)
            }
        }
    }
}

/// What a run of `ringmirror mirror` goes by: the topics asked for belong to its mirror; those that
/// are not, and those that a node stopped, are left alone.
fn remembered(state: &DirectoryState, configured: &ConfiguredMirror) -> ClusterMetadata {
    let others = MirrorName::parse("others").expect("a legal name");
    let mirrors = [configured.name.clone(), others.clone()];
    let mirrors = mirrors.into_iter().map(|name| (name, Mirror::default())).collect();
    let is_held = |topic: &TopicName| {
        let bound = state.cluster_mirrors.topics().get(topic);
        bound.is_some_and(|bound| bound.desired != DesiredState::Mirroring)
    };
    let bound = state.topics.iter().map(|(name, topic)| {
        let is_meant = configured.filter.selects(name) && !is_held(name);
        let mirror = if is_meant { configured.name.clone() } else { others.clone() };
        let desired = DesiredState::Mirroring;
        let topic_id = topic.topic_id;
        (name.clone(), BoundTopic { topic_id, mirror, desired, changed_at: 0 })
    });
    ClusterMetadata::restored(0, mirrors, bound.collect(), NodeConfigs::default())
        .expect("topics of mirrors that are there")
}
