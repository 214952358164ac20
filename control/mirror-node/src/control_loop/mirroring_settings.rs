//! Settings of a topic that say how it is mirrored here (KIP-1279), in effect at once.

use kafka_wire::partition::{TopicName, TopicPartition};
use mirror_coordinator::lifecycle::Input;
use mirror_coordinator::mirrored_topic_config::MirroredTopicConfig;
use mirror_uring::{Engine, EngineCommand};

use super::MirrorLoop;
use super::source_news::unclean_election;

impl MirrorLoop<'_> {
    /// Lets the settings of a topic count that say how it is mirrored here.
    pub(super) fn take_in_topic_settings(&mut self, name: &TopicName) {
        let Some(bound) = self.metadata.topics().get(name) else { return };
        let Some(topic) = self.destination.catalog.topic(name) else { return };
        let by_default = self.sources.get(&bound.mirror).map(|source| source.unclean_election);
        let partitions: Vec<_> =
            topic.partitions.iter().filter(|one| self.book.get(one.id).is_some()).collect();
        for partition in partitions {
            let id = partition.id;
            if let Some(by_default) = by_default {
                self.inputs.push_back(Input::SourcePartition {
                    partition: id,
                    leader: None,
                    epoch: None,
                    unclean_election: unclean_election(&topic.configs, by_default),
                });
            }
            let has_it = |engine: &Engine| engine.shard_of(&id).is_some();
            if self.engine.as_ref().is_some_and(has_it) {
                let throttled = self.is_throttled(&partition.name);
                self.commands.push(EngineCommand::SetThrottled { partition: id, throttled });
            }
        }
    }

    /// True for a partition that the topic's settings have throttled on this node.
    pub(super) fn is_throttled(&self, name: &TopicPartition) -> bool {
        let (Some(node), Some(topic)) = (&self.node, self.destination.catalog.topic(&name.topic))
        else {
            return false;
        };
        let config = MirroredTopicConfig::parse(&topic.configs).unwrap_or_default();
        config.throttled.has(name.partition, node.broker)
    }
}
