//! What clients are told of our leader epochs: never one that a later start may take back.

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::TopicIdPartition;

use super::MirrorLoop;

impl MirrorLoop<'_> {
    /// Notes that our epoch is to be at least this.
    pub(super) fn note_leader_epoch(&mut self, partition: TopicIdPartition, epoch: LeaderEpoch) {
        if self.destination.is_served {
            self.epochs_to_announce.insert(partition, epoch);
        }
    }

    /// Remembers epochs that were raised, and tells clients once they are on disk. Batches of the
    /// source's next epochs may be read meanwhile: ours is raised well before it is needed.
    pub(super) fn announce_epochs(&mut self) {
        if self.epochs_to_announce.is_empty() {
            return;
        }
        {
            let mut directory = self.destination.directory.lock();
            for (id, epoch) in &self.epochs_to_announce {
                let name = self.book.get(*id).map(|entry| &entry.name);
                let Some(name) = name else { continue };
                let topic = directory.state.topics.get_mut(&name.topic);
                let Some(topic) = topic.filter(|topic| topic.topic_id == id.topic_id) else {
                    continue;
                };
                self.is_state_dirty |= topic.raise_leader_epoch(id.partition, *epoch);
            }
        }
        if !self.write_state() {
            return;
        }
        for (id, epoch) in std::mem::take(&mut self.epochs_to_announce) {
            if let Some(entry) = self.book.get_mut(id) {
                entry.publisher.announce(epoch);
            }
        }
    }
}
