//! What clients are told of our leader epochs: never one that a later start may take back.

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::TopicIdPartition;

use super::MirrorLoop;

impl MirrorLoop<'_> {
    /// Notes that our epoch is to be at least this.
    pub(super) fn note_leader_epoch(&mut self, partition: TopicIdPartition, epoch: LeaderEpoch) {
        if self.destination.is_served {
            let known = self.epochs_to_announce.entry(partition).or_insert(epoch);
            *known = epoch.max(*known);
        }
    }

    /// Gives a log that was cut an epoch above all that clients know of it, before they read it
    /// again: whoever was beyond the cut asks then where its own log left ours, and does not go on
    /// among records that came to its offset since.
    pub(super) fn tell_of_cut(&mut self, partition: TopicIdPartition) {
        let Some(entry) = self.book.get(partition) else { return };
        let pending = self.epochs_to_announce.get(&partition).copied();
        let known = pending.max(Some(entry.publisher.leader_epoch()));
        let next = known.and_then(|known| LeaderEpoch::from_wire(known.get().checked_add(1)?));
        let Some(next) = next else {
            tracing::warn!("{}: clients cannot be told of a cut, no epoch is left", entry.name);
            return;
        };
        self.note_leader_epoch(partition, next);
        self.announce_epochs();
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
