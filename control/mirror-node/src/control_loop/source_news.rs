//! What a look at a source changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_log::log_config::LogConfig;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicId, TopicIdPartition, TopicName, TopicPartition};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::lifecycle::{Input, UncleanElection};
use mirror_coordinator::mirror_config::MirrorConfig;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirrored_topic_config::{
    MirroredTopicConfig, SUPPORT_UNCLEAN_ELECTION, SUPPORT_UNCLEAN_ELECTION_ALIAS,
};
use mirror_uring::EngineCommand;
use tokio::time::Instant;

use super::{MirrorError, MirrorLoop};
use crate::catalog::Binding;
use crate::discovery::TopicFinding;
use crate::log_publisher::LogPublisher;
use crate::memory_cap::NoMemory;
use crate::mirror_news::MirrorNews;
use crate::partition_book::BookEntry;
use crate::source_client::{SourceLeader, SourceMetadata, SourceTopic};
use crate::source_connection::SourceError;
use crate::source_sync::board::{Noted, SyncOutcome};
use crate::source_sync::topic_configs::{self, ConfigsLook, note_changes, taken_over};
use crate::source_sync::{SyncError, SyncResult, SyncTask};
use crate::source_watch::SourceLook;
use crate::topic_settings::is_of_mirroring;

impl MirrorLoop<'_> {
    pub(super) async fn on_looked(
        &mut self,
        mirror: MirrorName,
        took: Duration,
        outcome: Result<SourceLook, SourceError>,
    ) -> Result<(), MirrorError> {
        if let Some(source) = self.sources.get_mut(&mirror) {
            source.looked_at = Some(Instant::now());
            source.connected = None;
        }
        match outcome {
            Ok(look) => {
                let seen = u64::try_from(look.metadata.topics.len()).unwrap_or(u64::MAX);
                let outcome = SyncOutcome { in_step: seen, ..SyncOutcome::default() };
                self.note_look(&mirror, took, Ok(outcome));
                self.on_look(&mirror, look).await
            }
            Err(error) => {
                let reason = error.to_string();
                let Some(source) = self.sources.get_mut(&mirror) else { return Ok(()) };
                source.is_silent = true;
                // A source that never answered is asked every second.
                if source.has_answered || source.told_unreachable != reason {
                    source.told_unreachable.clone_from(&reason);
                    self.tell(MirrorNews::SourceUnreachable { reason });
                }
                self.note_look(&mirror, took, Err(error.into()));
                Ok(())
            }
        }
    }

    /// Notes how a look went; whoever serves nobody is asked by nobody.
    fn note_look(&self, mirror: &MirrorName, took: Duration, outcome: SyncResult) {
        if let Some(node) = &self.node {
            node.board.note(mirror, SyncTask::TopicMetadata, took, outcome);
        }
    }

    pub(super) async fn on_look(
        &mut self,
        mirror: &MirrorName,
        look: SourceLook,
    ) -> Result<(), MirrorError> {
        if self.sources.get(mirror).is_none() {
            return Ok(()); // deleted while its source was looked at
        }
        if !self.bind_source(mirror, look.metadata.cluster_id.as_deref())? {
            return Ok(());
        }
        self.ensure_engine(look.metadata.cluster_id.as_deref())?;
        self.tell_limits(mirror);
        self.tell_brokers(mirror, &look).await?;
        let mut present = Vec::new();
        let mut found = Vec::new();
        for finding in self.findings(mirror, &look) {
            match finding {
                TopicFinding::New { name, source } => found.push((name, source)),
                TopicFinding::Known { name, source } => present.push((name, source, false)),
                TopicFinding::Recreated { name, ours, theirs } => {
                    let theirs = theirs.map_or_else(|| "none".to_owned(), |id| id.to_string());
                    let reason = format!(
                        "the source has this topic under id {theirs}, ours is {ours}: it was \
                         deleted and recreated; mirror it into another directory, or stop and \
                         delete it here first"
                    );
                    self.on_topic_lost(mirror, name, ours, reason);
                }
                TopicFinding::NameTaken { name, ours } => {
                    let reason = format!(
                        "a topic of that name was made here, or is not mirrored any more (id \
                         {ours}), and may hold the only copy of its records: leave it out with an \
                         exclusion, or see with ringmirror plan what starting it would drop"
                    );
                    self.on_topic_lost(mirror, name, ours, reason);
                }
                TopicFinding::IdTaken { name, id, owner } => {
                    let reason = format!(
                        "it is here already, as {owner} (id {id}): a topic is mirrored under one \
                         name; leave one of them out with an exclusion"
                    );
                    self.tell_left_out(mirror, name.to_string(), reason);
                }
                TopicFinding::Denied { name } => self.on_topic_denied(mirror, &name),
                TopicFinding::Deleted { name, ours } => {
                    let reason = "the topic was deleted at the source".to_owned();
                    self.on_topic_lost(mirror, name, ours, reason);
                }
            }
        }
        let found = self.with_memory(mirror, found);
        let begun = self.bind_found(mirror, &found);
        present.extend(
            found
                .into_iter()
                .filter(|(name, _)| begun.contains(name))
                .map(|(name, source)| (name, source, true)),
        );
        self.remember_all(mirror, &present, &look.configs);
        self.tell_too_long(mirror, &look.metadata.too_long);
        let nothing = !self.tell_held(mirror, &look.metadata) && present.is_empty();
        self.tell_if_nothing(mirror, nothing, look.metadata.topics.len());
        if !self.write_state() {
            return Ok(()); // what is not remembered is not begun
        }
        for (name, source, is_new) in present {
            self.on_topic(mirror, &name, source, &look.log_ends);
            self.tell_found(mirror, &name, source.partitions.len(), is_new);
        }
        Ok(())
    }

    async fn tell_brokers(
        &mut self,
        mirror: &MirrorName,
        look: &SourceLook,
    ) -> Result<(), MirrorError> {
        let Some(source) = self.sources.get_mut(mirror) else { return Ok(()) };
        source.has_answered = true;
        if std::mem::take(&mut source.is_silent) {
            self.inputs.push_back(Input::SourceAnswered(mirror.clone()));
        }
        let mut commands = Vec::new();
        for (broker, address) in &look.metadata.brokers {
            if source.brokers.get(broker) != Some(address) {
                source.brokers.insert(*broker, address.clone());
                let (broker, address) = (source.broker(*broker), address.clone());
                commands.push(EngineCommand::SetBroker { broker, address });
            }
        }
        for command in commands {
            self.send(command).await?;
        }
        Ok(())
    }

    fn findings<'l>(&mut self, mirror: &MirrorName, look: &'l SourceLook) -> Vec<TopicFinding<'l>> {
        let directory = self.destination.directory.lock();
        let Some(source) = self.sources.get_mut(mirror) else { return Vec::new() };
        let selection = source.selection.get();
        let metadata = &self.metadata;
        let standing = |name: &TopicName| Self::standing(metadata, mirror, name);
        let told = (&look.metadata, &look.named);
        let findings = source.discovery.look(&selection, &directory.state, standing, told);
        source.missing.set(source.discovery.missing());
        findings
    }

    /// Of topics that are new, those whose partitions there is memory for; the others are told.
    fn with_memory<'l>(
        &mut self,
        mirror: &MirrorName,
        found: Vec<(TopicName, &'l SourceTopic)>,
    ) -> Vec<(TopicName, &'l SourceTopic)> {
        let mut fitting = Vec::new();
        let mut room = {
            let directory = self.destination.directory.lock();
            self.destination.directory.partition_room(&directory.state)
        };
        for (name, source) in found {
            match room.take(&name, Binding::Bound, source.partition_count()) {
                Ok(()) => fitting.push((name, source)),
                Err(error) => self.tell_left_out(mirror, name.to_string(), error.to_string()),
            }
        }
        fitting
    }

    /// Notes sizes and settings of the topics that a look found.
    fn remember_all(
        &mut self,
        mirror: &MirrorName,
        present: &[(TopicName, &SourceTopic, bool)],
        look: &ConfigsLook,
    ) {
        let mut changed = Noted::default();
        let rule = self.config_rule(mirror, look);
        for (name, source, _) in present {
            let theirs = look.told.configs.get(name).map(|theirs| (theirs, &rule));
            if let Some((theirs, _)) = theirs {
                self.note_unclean(mirror, name, theirs);
            }
            let count = source.partition_count();
            if let Err(error) = self.remember(name, count, theirs, &mut changed) {
                let reason = format!("its new partitions: {error}");
                self.tell_left_out(mirror, name.to_string(), reason);
            }
        }
        self.note_configs(mirror, look, changed);
    }

    /// Notes whether the source elects leaders of a topic that lack records.
    fn note_unclean(
        &mut self,
        mirror: &MirrorName,
        name: &TopicName,
        theirs: &BTreeMap<String, String>,
    ) {
        let Some(source) = self.sources.get_mut(mirror) else { return };
        match topic_configs::is_unclean(theirs) {
            true => source.unclean_topics.insert(name.clone()),
            false => source.unclean_topics.remove(name),
        };
    }

    /// Notes a topic's size and settings. It keeps the partitions that it has when there is no
    /// memory for those that are new, which is the error then.
    fn remember(
        &mut self,
        name: &TopicName,
        count: i32,
        theirs: Option<(&BTreeMap<String, String>, &ConfigRule)>,
        changed: &mut Noted,
    ) -> Result<(), NoMemory> {
        let bound = self.metadata.topics().get(name);
        let is_mirrored = bound.is_some_and(|bound| bound.desired == DesiredState::Mirroring);
        let mut directory = self.destination.directory.lock();
        let state = &mut directory.state;
        let held = state.topics.get(name).map_or(0, |topic| topic.partition_count);
        let fits = match count - held {
            more @ 1.. => {
                let mut room = self.destination.directory.partition_room(state);
                room.take(name, Binding::Bound, more)
            }
            _ => Ok(()),
        };
        let Some(topic) = state.topics.get_mut(name) else { return Ok(()) };
        let configs = theirs.filter(|_| is_mirrored).map(|(theirs, rule)| match rule {
            ConfigRule::AllBut(excluded) => taken_over(theirs, &topic.configs, excluded),
            ConfigRule::Replaced => replaced(theirs, &topic.configs),
        });
        if fits.is_ok() && count > topic.partition_count {
            topic.partition_count = count;
            self.is_state_dirty = true;
        }
        if let Some(configs) = configs.filter(|configs| *configs != topic.configs) {
            note_changes(name, (&topic.configs, &configs), changed);
            topic.configs = configs;
            self.is_state_dirty = true;
        }
        fits
    }

    /// How settings that a look brought are taken over.
    fn config_rule(&self, mirror: &MirrorName, look: &ConfigsLook) -> ConfigRule {
        if self.node.is_none() || look.told.configs.is_empty() {
            return ConfigRule::Replaced;
        }
        ConfigRule::AllBut(self.excluded_configs(mirror))
    }

    /// Settings of topics that a mirror does not copy.
    pub(super) fn excluded_configs(&self, mirror: &MirrorName) -> Vec<String> {
        let configs = self.metadata.mirrors().get(mirror).map(|mirror| mirror.configs.clone());
        let config = MirrorConfig::parse(&configs.unwrap_or_default());
        let config = config.or_else(|_| MirrorConfig::parse(&BTreeMap::new()));
        config.expect("what is not set can be used").topic_properties_exclude
    }

    /// Tells what became of settings, when a look was to bring any.
    fn note_configs(&self, mirror: &MirrorName, look: &ConfigsLook, changed: Noted) {
        let Some(node) = self.node.as_ref().filter(|_| look.was_due) else { return };
        let outcome = match &look.failed {
            Some(reason) => Err(SyncError::TopicConfigs(reason.clone())),
            None => {
                let directory = self.destination.directory.lock();
                let mirrored = self.metadata.topics().iter().filter(|(_, bound)| {
                    bound.mirror == *mirror && bound.desired == DesiredState::Mirroring
                });
                let topics = mirrored.filter_map(|(name, _)| {
                    Some((name, &directory.state.topics.get(name)?.configs))
                });
                let mut outcome = topic_configs::outcome(&look.told, topics.clone(), changed);
                let source = self.sources.get(mirror);
                for (name, _) in topics.filter(|(name, configs)| {
                    source.is_some_and(|source| {
                        source.unclean_topics.contains(*name)
                            && unclean_election(configs, source.unclean_election)
                                == UncleanElection::Fail
                    })
                }) {
                    topic_configs::note_unclean(name, &mut outcome.skipped);
                }
                Ok(outcome)
            }
        };
        node.board.note(mirror, SyncTask::TopicConfigs, look.took, outcome);
    }

    /// Writes `ringmirror.json` when it must be; says whether memory and disk agree.
    pub(super) fn write_state(&mut self) -> bool {
        if !self.is_state_dirty {
            return true;
        }
        if self.state_not_before.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        let written = self.destination.directory.lock().write_state();
        match written {
            Ok(()) => {
                self.is_state_dirty = false;
                self.state_not_before = None;
                true
            }
            Err(error) => {
                // All of it is written each time: a full disk must not keep the loop busy.
                self.state_not_before = Some(Instant::now() + STATE_PAUSE);
                self.tell_directory_fault(&error);
                false
            }
        }
    }

    /// Opens the topic's partitions in the book and tells the lifecycle of each.
    fn on_topic(
        &mut self,
        mirror: &MirrorName,
        name: &TopicName,
        source: &SourceTopic,
        log_ends: &BTreeMap<TopicPartition, Offset>,
    ) {
        self.open_in_book(name);
        let Some(topic) = self.destination.catalog.topic(name) else { return };
        let Some(of_mirror) = self.sources.get_mut(mirror) else { return };
        of_mirror.lost_topics.forget(name);
        let unclean_election = unclean_election(&topic.configs, of_mirror.unclean_election);
        for (partition, at) in &source.partitions {
            let id = TopicIdPartition { topic_id: topic.id, partition: *partition };
            let Some(entry) = self.book.get_mut(id) else { continue };
            entry.target = entry.target.or_else(|| log_ends.get(&entry.name).copied());
            let SourceLeader { leader, epoch } = *at;
            entry.leader = leader.or(entry.leader);
            let leader = leader.map(|leader| of_mirror.broker(leader));
            if self.lifecycle.knows_source(id, leader, epoch, unclean_election) {
                continue;
            }
            let input = Input::SourcePartition { partition: id, leader, epoch, unclean_election };
            self.inputs.push_back(input);
        }
    }

    /// Opens the partitions of a bound topic in the book, and tells the lifecycle what is wanted of
    /// those that are new.
    pub(super) fn open_in_book(&mut self, name: &TopicName) {
        let Some(bound) = self.metadata.topics().get(name).cloned() else { return };
        let (shown, has_ids) = {
            let directory = self.destination.directory.lock();
            let Some(topic) = directory.state.topics.get(name) else { return };
            (self.destination.show(name, topic), topic.source_has_topic_ids)
        };
        let log_config = log_config(&shown.configs);
        for partition in &shown.partitions {
            let id = partition.id;
            let (entry, is_new) = self.book.open(id, || BookEntry {
                publisher: LogPublisher::new(Arc::clone(&partition.view)),
                name: partition.name.clone(),
                is_in_engine: false,
                source_has_topic_ids: has_ids,
                log_config,
                progress: None,
                loaded_end: None,
                target: None,
                behind_since: None,
                leader: None,
                left_engine: None,
                progressed_at: None,
                refused: None,
            });
            entry.log_config = log_config;
            entry.source_has_topic_ids = has_ids;
            if is_new {
                self.tell_desired(id, &bound);
            }
        }
    }

    fn tell_found(
        &mut self,
        mirror: &MirrorName,
        name: &TopicName,
        partitions: usize,
        is_new: bool,
    ) {
        let Some(topic) = self.destination.catalog.topic(name) else { return };
        let partitions = partitions.min(topic.partitions.len());
        let Some(source) = self.sources.get_mut(mirror) else { return };
        if source.told_topics.insert(name.clone(), partitions) == Some(partitions) {
            return;
        }
        let (topic, topic_id) = (name.to_string(), topic.id.to_string());
        self.tell(MirrorNews::TopicFound { topic, topic_id, partitions, is_new });
    }

    pub(super) fn on_topic_lost(
        &mut self,
        mirror: &MirrorName,
        name: TopicName,
        topic_id: TopicId,
        reason: String,
    ) {
        let Some(source) = self.sources.get_mut(mirror) else { return };
        if source.lost_topics.note(&name, &reason) {
            let topic = name.to_string();
            self.tell(MirrorNews::TopicLost { topic, reason: reason.clone() });
        }
        self.inputs.push_back(Input::TopicLost { topic_id, reason });
    }

    /// Tells once of a topic that is selected and left alone.
    fn tell_left_out(&mut self, mirror: &MirrorName, topic: String, reason: String) {
        let Some(source) = self.sources.get_mut(mirror) else { return };
        if source.left_out.insert(topic.clone(), reason.clone()).is_none() {
            self.tell(MirrorNews::TopicLost { topic, reason });
        }
    }

    /// Tells of selected topics that a node stopped or paused in this directory; true when there
    /// are any. A node's own status tells of its.
    fn tell_held(&mut self, mirror: &MirrorName, source: &SourceMetadata) -> bool {
        if self.node.is_some() {
            return false;
        }
        let Some(selection) = self.sources.get(mirror).map(|one| one.selection.get()) else {
            return false;
        };
        let held: Vec<(TopicName, DesiredState)> = {
            let directory = self.destination.directory.lock();
            let bound = directory.state.cluster_mirrors.topics().iter();
            bound
                .filter(|(name, bound)| {
                    bound.desired != DesiredState::Mirroring
                        && source.topics.contains_key(*name)
                        && selection.selects(name)
                })
                .map(|(name, bound)| (name.clone(), bound.desired))
                .collect()
        };
        for (name, state) in &held {
            let flag = if *state == DesiredState::Paused { "--resume" } else { "--start" };
            let reason = format!(
                "it is {state} in this directory: a node that has it goes on with `ringmirror \
                 cluster-mirrors {flag}`; or leave the topic out with --exclude"
            );
            self.tell_left_out(mirror, name.to_string(), reason);
        }
        !held.is_empty()
    }

    fn tell_too_long(&mut self, mirror: &MirrorName, too_long: &[String]) {
        for topic in too_long {
            let reason = format!(
                "with topics.prefix its name has more than {} characters",
                TopicName::BYTES_MAX
            );
            self.tell_left_out(mirror, topic.clone(), reason);
        }
    }

    fn tell_if_nothing(&mut self, mirror: &MirrorName, nothing: bool, topics_at_source: usize) {
        let Some(source) = self.sources.get_mut(mirror) else { return };
        // A mirror made by command begins without topics, and has none again when all are stopped.
        let is_configured = source.selection.get().filter.is_some();
        let nothing = nothing && is_configured;
        let tells = nothing && source.lost_topics.is_empty() && !source.told_nothing_selected;
        source.told_nothing_selected = nothing;
        if tells {
            self.tell(MirrorNews::NothingSelected { topics_at_source });
        }
    }
}

/// How a topic takes its source's settings over.
enum ConfigRule {
    /// On a node: all but these, over those that it has.
    AllBut(Vec<String>),
    /// Where nobody is served: they are all that it has.
    Replaced,
}

/// The source's settings, but for those that say how the topic is mirrored here: these are ours.
fn replaced(
    theirs: &BTreeMap<String, String>,
    ours: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let theirs = theirs.iter().filter(|(name, _)| !is_of_mirroring(name));
    let ours = ours.iter().filter(|(name, _)| is_of_mirroring(name));
    theirs.chain(ours).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What to do when the source loses records of a topic: what is set for it here, else `by_default`.
pub(super) fn unclean_election(
    configs: &BTreeMap<String, String>,
    by_default: UncleanElection,
) -> UncleanElection {
    let names = [SUPPORT_UNCLEAN_ELECTION, SUPPORT_UNCLEAN_ELECTION_ALIAS];
    if !names.iter().any(|name| configs.contains_key(*name)) {
        return by_default;
    }
    let config = MirroredTopicConfig::parse(configs).unwrap_or_default();
    match config.supports_unclean_election {
        true => UncleanElection::Truncate,
        false => UncleanElection::Fail,
    }
}

/// How long the disk is left alone after it refused `ringmirror.json`.
const STATE_PAUSE: Duration = Duration::from_secs(1);

/// Segment and index sizes by a topic's explicit settings; Kafka's defaults otherwise. A value
/// out of Kafka's own range is not taken.
pub(crate) fn log_config(configs: &BTreeMap<String, String>) -> LogConfig {
    fn read<T: std::str::FromStr + PartialOrd>(
        configs: &BTreeMap<String, String>,
        key: &str,
        range: std::ops::RangeInclusive<T>,
        default: T,
    ) -> T {
        let number = configs.get(key).and_then(|text| text.trim().parse().ok());
        number.filter(|number| range.contains(number)).unwrap_or(default)
    }
    let default = LogConfig::default();
    let int_max = i32::MAX.unsigned_abs();
    LogConfig {
        segment_bytes: read(configs, "segment.bytes", 14..=int_max, default.segment_bytes),
        segment_ms: read(configs, "segment.ms", 1..=i64::MAX, default.segment_ms),
        index_interval_bytes: read(
            configs,
            "index.interval.bytes",
            0..=int_max,
            default.index_interval_bytes,
        ),
        segment_index_bytes: read(
            configs,
            "segment.index.bytes",
            4..=int_max,
            default.segment_index_bytes,
        ),
    }
}
