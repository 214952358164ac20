//! What clients are told of our leader epochs: never one that a later start may take back.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::cluster_metadata::BoundTopic;
use mirror_coordinator::lifecycle::{Input, Ticket};

use super::MirrorLoop;

impl MirrorLoop<'_> {
    /// Notes that our epoch is to be at least this.
    pub(super) fn note_leader_epoch(&mut self, partition: TopicIdPartition, epoch: LeaderEpoch) {
        if self.destination.is_served {
            let known = self.epochs_to_announce.entry(partition).or_insert(epoch);
            *known = epoch.max(*known);
        }
    }

    /// Raises our epoch above `above`, as a controller does: `max(above, ours) + 1`. The lifecycle
    /// hears of it once it is on disk.
    pub(super) fn raise_leader_epoch(
        &mut self,
        partition: TopicIdPartition,
        ticket: Ticket,
        above: i32,
    ) {
        let told = self.known_leader_epoch(partition);
        let next = above.max(told.get()).checked_add(1).and_then(LeaderEpoch::from_wire);
        let Some(next) = next else {
            // The last epoch there is still serves to be above others.
            let outcome = match told.get() > above {
                true => Ok(told),
                false => Err(format!("leader epoch {told} leaves no room for one above {above}")),
            };
            self.inputs.push_back(Input::LeaderEpochRaised { partition, ticket, outcome });
            return;
        };
        if self.destination.is_served {
            self.note_leader_epoch(partition, next);
            self.epochs_awaited.insert(partition, ticket);
        } else {
            let outcome = Ok(next);
            self.inputs.push_back(Input::LeaderEpochRaised { partition, ticket, outcome });
        }
    }

    /// Raises our epoch because somebody asked for it.
    pub(super) fn raise_on_request(
        &mut self,
        partition: TopicIdPartition,
        above: i32,
        bound: &BoundTopic,
    ) -> Result<(), (&'static str, ResponseError)> {
        let told = self.known_leader_epoch(partition);
        let next = above.max(told.get()).checked_add(1).and_then(LeaderEpoch::from_wire);
        let Some(leader_epoch) = next else {
            return Err(("No leader epoch is left above that one.", ResponseError::InvalidRequest));
        };
        self.note_leader_epoch(partition, leader_epoch);
        let (mirror, desired) = (bound.mirror.clone(), bound.desired);
        self.inputs.push_back(Input::Desired { partition, mirror, desired, leader_epoch });
        Ok(())
    }

    /// The highest epoch of ours that was told or is about to be.
    pub(super) fn known_leader_epoch(&self, partition: TopicIdPartition) -> LeaderEpoch {
        let pending = self.epochs_to_announce.get(&partition).copied();
        let of_lifecycle = self.lifecycle.leader_epoch(partition).unwrap_or(LeaderEpoch::ZERO);
        let entry = self.book.get(partition);
        let told = entry.map_or(LeaderEpoch::ZERO, |entry| entry.publisher.leader_epoch());
        pending.unwrap_or(told).max(told).max(of_lifecycle)
    }

    /// Gives a log that was cut an epoch above all that clients know of it, before they read it
    /// again: whoever was beyond the cut asks then where its own log left ours, and does not go on
    /// among records that came to its offset since.
    pub(super) fn tell_of_cut(&mut self, partition: TopicIdPartition) {
        let Some(entry) = self.book.get(partition) else { return };
        let name = entry.name.clone();
        let known = self.known_leader_epoch(partition);
        let Some(next) = known.get().checked_add(1).and_then(LeaderEpoch::from_wire) else {
            tracing::warn!("{name}: clients cannot be told of a cut, no epoch is left");
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
        let mut before = BTreeMap::new();
        {
            let mut directory = self.destination.directory.lock();
            for (id, epoch) in &self.epochs_to_announce {
                let name = self.book.get(*id).map(|entry| &entry.name);
                let Some(name) = name else { continue };
                let topic = directory.state.topics.get_mut(&name.topic);
                let Some(topic) = topic.filter(|topic| topic.topic_id == id.topic_id) else {
                    continue;
                };
                if topic.leader_epoch(id.partition) < *epoch {
                    if !before.contains_key(&name.topic) {
                        before.insert(name.topic.clone(), topic.leader_epochs.clone());
                    }
                    topic.raise_leader_epoch(id.partition, *epoch);
                    self.is_state_dirty = true;
                }
            }
        }
        if !self.write_state() {
            // Who looks there for what may be told must not find it. Tried again with the next
            // input.
            let mut directory = self.destination.directory.lock();
            for (topic, told) in before {
                if let Some(topic) = directory.state.topics.get_mut(&topic) {
                    topic.leader_epochs = told;
                }
            }
            return;
        }
        for (partition, epoch) in std::mem::take(&mut self.epochs_to_announce) {
            if let Some(entry) = self.book.get_mut(partition) {
                entry.publisher.announce(epoch);
            }
            if let Some(ticket) = self.epochs_awaited.remove(&partition) {
                let outcome = Ok(epoch);
                self.inputs.push_back(Input::LeaderEpochRaised { partition, ticket, outcome });
            }
        }
    }
}
