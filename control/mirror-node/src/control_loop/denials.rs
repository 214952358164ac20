//! A source that does not let us read any more what we mirror: partitions fail with the reason and
//! are tried again, the others go on.

use kafka_wire::partition::{TopicIdPartition, TopicName};
use mirror_coordinator::lifecycle::{EngineEvent, Input};
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::partition_state::MirrorPartitionState;
use mirror_coordinator::retry::RetryClass;
use mirror_uring::EngineCommand;

use super::MirrorLoop;
use crate::client_properties::DisplayAddress;
use crate::mirror_news::MirrorNews;
use crate::source_rights::{MissingRight, told};

impl MirrorLoop<'_> {
    /// The source hides a topic that it showed before.
    pub(super) fn on_topic_denied(&mut self, mirror: &MirrorName, name: &TopicName) {
        let Some(reason) = self.denial(mirror, name) else { return };
        let Some(source) = self.sources.get_mut(mirror) else { return };
        if source.lost_topics.note(name, &reason) {
            self.tell(MirrorNews::TopicLost { topic: name.to_string(), reason: reason.clone() });
        }
        for partition in self.partitions_of(name) {
            self.fail_denied(partition, reason.clone());
        }
    }

    /// The source refuses to let us read a partition.
    pub(super) fn on_partition_denied(&mut self, partition: TopicIdPartition) {
        let Some(mirror) = self.lifecycle.mirror_of(partition).cloned() else { return };
        let Some(name) = self.book.get(partition).map(|entry| entry.name.topic.clone()) else {
            return;
        };
        if let Some(reason) = self.denial(&mirror, &name) {
            self.fail_denied(partition, reason);
        }
    }

    fn denial(&self, mirror: &MirrorName, name: &TopicName) -> Option<String> {
        let source = self.sources.get(mirror)?;
        let missing = MissingRight::to_read(name, &source.properties.topic_prefix);
        let servers = source.properties.bootstrap_servers.iter();
        let servers: Vec<_> = servers.map(|one| DisplayAddress(one).to_string()).collect();
        Some(told(&[missing], &servers.join(",")))
    }

    fn fail_denied(&mut self, partition: TopicIdPartition, reason: String) {
        let is_mirrored = self.lifecycle.state(partition) == MirrorPartitionState::Mirroring;
        if self.node.is_none() || !is_mirrored {
            return;
        }
        if self.book.get(partition).is_some_and(|entry| entry.is_in_engine) {
            self.commands.push(EngineCommand::Pause(partition));
        }
        let event = EngineEvent::Failed { reason, class: RetryClass::Retryable };
        self.inputs.push_back(Input::Engine { partition, event });
    }
}
