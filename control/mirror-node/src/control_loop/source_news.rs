//! What a look at the source changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_log::log_config::LogConfig;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{
    PartitionIndex, SourceBroker, TopicId, TopicIdPartition, TopicName, TopicPartition,
};
use mirror_coordinator::coordinator::Input;
use mirror_uring::EngineCommand;

use super::{MirrorError, MirrorLoop, THE_SOURCE};
use crate::directory_state::MirrorTopic;
use crate::discovery::TopicFinding;
use crate::log_publisher::LogPublisher;
use crate::mirror_news::MirrorNews;
use crate::partition_book::BookEntry;
use crate::random_id::random_id;
use crate::source_client::{SourceLeader, SourceTopic};
use crate::source_watch::SourceLook;

impl MirrorLoop<'_> {
    pub(super) async fn on_look(&mut self, look: SourceLook) -> Result<(), MirrorError> {
        let directory = &self.destination.directory;
        directory.lock().bind_source(look.metadata.cluster_id.as_deref())?;
        for (broker, address) in &look.metadata.brokers {
            if self.brokers.get(broker) != Some(address) {
                let (broker, address) = (*broker, address.clone());
                self.brokers.insert(broker, address.clone());
                let broker = SourceBroker { source: THE_SOURCE, broker };
                self.send(EngineCommand::SetBroker { broker, address }).await?;
            }
        }
        let findings = self.discovery.look(&directory.lock().state, &look.metadata);
        let mut present = Vec::new();
        for finding in findings {
            match finding {
                TopicFinding::New { name, source } => {
                    self.remember(&name, source, &look.configs);
                    present.push((name, source, true));
                }
                TopicFinding::Known { name, source } => {
                    self.remember(&name, source, &look.configs);
                    present.push((name, source, false));
                }
                TopicFinding::Recreated { name, ours, theirs } => {
                    let theirs = theirs.map_or_else(|| "none".to_owned(), |id| id.to_string());
                    let reason = format!(
                        "the source has this topic under id {theirs}, ours is {ours}: it was \
                         deleted and recreated; mirror it into another directory"
                    );
                    self.on_topic_lost(name, ours, reason).await?;
                }
                TopicFinding::NameTaken { name, ours } => {
                    let reason = format!(
                        "a topic of that name was made here (id {ours}): leave it out with an \
                         exclusion, or delete the one made here"
                    );
                    self.on_topic_lost(name, ours, reason).await?;
                }
                TopicFinding::Deleted { name, ours } => {
                    let reason = "the topic was deleted at the source".to_owned();
                    self.on_topic_lost(name, ours, reason).await?;
                }
            }
        }
        self.tell_if_nothing(present.is_empty(), look.metadata.topics.len());
        if !self.write_state() {
            return Ok(()); // what is not remembered is not begun
        }
        for (name, source, is_new) in present {
            let new_count = self.on_topic(&name, source, &look.log_ends).await?;
            if new_count > 0 {
                self.tell_found(&name, source.partitions.len(), is_new);
            }
        }
        self.announce_epochs();
        Ok(())
    }

    /// Notes a topic's id, size and settings; the id of a known topic stays.
    fn remember(
        &mut self,
        name: &TopicName,
        source: &SourceTopic,
        configs: &BTreeMap<TopicName, BTreeMap<String, String>>,
    ) {
        let mut directory = self.destination.directory.lock();
        if directory.state.is_local(name) {
            return; // made while the source was looked at; told at the next look
        }
        let known = directory.state.topics.get(name);
        let mut topic = match known {
            Some(topic) => topic.clone(),
            None => match new_topic(source) {
                Some(topic) => topic,
                None => return,
            },
        };
        let count = i32::try_from(source.partitions.len()).unwrap_or(i32::MAX);
        topic.partition_count = topic.partition_count.max(count);
        if let Some(configs) = configs.get(name) {
            topic.configs.clone_from(configs);
        }
        if known != Some(&topic) {
            directory.state.topics.insert(name.clone(), topic);
            self.is_state_dirty = true;
        }
    }

    /// Writes `ringmirror.json` when it must be; says whether memory and disk agree.
    pub(super) fn write_state(&mut self) -> bool {
        if !self.is_state_dirty {
            return true;
        }
        let written = self.destination.directory.lock().write_state();
        match written {
            Ok(()) => {
                self.is_state_dirty = false;
                true
            }
            Err(error) => {
                self.tell_directory_fault(&error);
                false
            }
        }
    }

    /// Opens the topic's partitions in the book and tells the coordinator of each; returns how
    /// many are new to this run.
    async fn on_topic(
        &mut self,
        name: &TopicName,
        source: &SourceTopic,
        log_ends: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<usize, MirrorError> {
        let (shown, has_ids) = {
            let directory = self.destination.directory.lock();
            let Some(topic) = directory.state.topics.get(name) else { return Ok(0) };
            (self.destination.show(name, topic), topic.source_has_topic_ids)
        };
        let (topic_id, log_config) = (shown.id, log_config(&shown.configs));
        self.lost_topics.remove(name);
        let mut new_count = 0;
        for (partition, at) in &source.partitions {
            let named = TopicPartition { topic: name.clone(), partition: *partition };
            let target = log_ends.get(&named).copied();
            let id = TopicIdPartition { topic_id, partition: *partition };
            let Some(view) = shown.partition(partition.get()).map(|shown| &shown.view) else {
                continue; // the source leaves an index out: it will be there at another look
            };
            let (entry, is_new) = self.book.open(id, || BookEntry {
                publisher: LogPublisher::new(Arc::clone(view)),
                name: named,
                source_has_topic_ids: has_ids,
                log_config,
                progress: None,
                loaded_end: None,
                target: None,
            });
            entry.target = entry.target.or(target);
            new_count += usize::from(is_new);
            self.on_source_partition(topic_id, *partition, *at).await?;
        }
        Ok(new_count)
    }

    fn tell_found(&mut self, name: &TopicName, partitions: usize, is_new: bool) {
        let Some(topic) = self.destination.catalog.topic(name) else { return };
        let (topic, topic_id) = (name.to_string(), topic.id.to_string());
        self.tell(MirrorNews::TopicFound { topic, topic_id, partitions, is_new });
    }

    async fn on_source_partition(
        &mut self,
        topic_id: TopicId,
        partition: PartitionIndex,
        at: SourceLeader,
    ) -> Result<(), MirrorError> {
        let partition = TopicIdPartition { topic_id, partition };
        let unclean_election = self.config.unclean_election;
        let SourceLeader { leader, epoch } = at;
        self.step(Input::SourcePartition { partition, leader, epoch, unclean_election }).await
    }

    async fn on_topic_lost(
        &mut self,
        name: TopicName,
        topic_id: TopicId,
        reason: String,
    ) -> Result<(), MirrorError> {
        if !self.lost_topics.contains_key(&name) {
            let (topic, reason) = (name.to_string(), reason.clone());
            self.tell(MirrorNews::TopicLost { topic, reason });
        }
        self.lost_topics.insert(name, reason.clone());
        self.step(Input::TopicLost { topic_id, reason }).await
    }

    fn tell_if_nothing(&mut self, nothing: bool, topics_at_source: usize) {
        let lost = !self.lost_topics.is_empty();
        if nothing && !lost && !self.told_nothing_selected {
            self.tell(MirrorNews::NothingSelected { topics_at_source });
        }
        self.told_nothing_selected = nothing;
    }
}

/// A topic seen for the first time; `None` when the system gives no random bytes for an id.
fn new_topic(source: &SourceTopic) -> Option<MirrorTopic> {
    let topic_id = source.topic_id.or_else(|| random_id().ok())?;
    Some(MirrorTopic {
        topic_id,
        source_has_topic_ids: source.topic_id.is_some(),
        partition_count: 0,
        configs: BTreeMap::new(),
        leader_epochs: Vec::new(),
    })
}

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
