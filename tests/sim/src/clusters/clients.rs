//! Clients that write wherever they may, and elections in the cluster of several brokers.

use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::desired_state::DesiredState;

use super::cluster::{Cluster, NAMES, S, Work, topic_name, topic_of};
use super::model_log::{Kind, Record};
use super::world::World;

/// Records that a log may have before clients leave it alone.
const RECORDS_MAX: usize = 60;

impl World {
    pub(crate) fn client_writes(&mut self, at: usize) {
        let id = self.any_partition();
        let short = self.clusters[at].replicas.get(&id).is_some_and(|r| r.log.len() < RECORDS_MAX);
        if short {
            self.write(at, id);
        }
    }

    /// A client writes; false when it may not.
    pub(crate) fn write(&mut self, at: usize, id: TopicIdPartition) -> bool {
        let may = self.clusters[at].replicas.get(&id).is_some_and(|replica| replica.writable);
        if !may {
            return false;
        }
        self.judge_write(at, id);
        let producer = u8::try_from(self.chance.below(3)).expect("few producers");
        let (transactional, ends) = (self.chance.percent(30), self.chance.percent(50));
        self.numbers += 1;
        let number = self.numbers;
        let replica = self.clusters[at].replicas.get_mut(&id).expect("it was there");
        let known = replica.log.producers().get(&producer);
        let sequence = known.map_or(0, |known| known.next_sequence);
        let kind = match known {
            Some(known) if known.has_open_transaction && ends => Kind::Commit(producer),
            _ => Kind::Data { producer, sequence, transactional },
        };
        let record = Record { epoch: replica.told, number, origin: at, kind };
        replica.log.append(record);
        self.acknowledged.insert(number, (at, id));
        self.note(|| format!("client writes {record:?} to {} {}", NAMES[at], topic_of(id)));
        true
    }

    /// Logs of topics that belong to no mirror are open for writing, sooner or later.
    pub(crate) fn open_local_logs(&mut self, at: usize) {
        let cluster = &mut self.clusters[at];
        for (id, replica) in &mut cluster.replicas {
            let bound = cluster.metadata.topics().contains_key(&topic_name(topic_of(*id)));
            let is_worked_on = cluster.memory.work.iter().any(|(one, _)| one == id)
                || cluster.memory.in_engine.contains(id)
                || cluster.memory.lifecycle.mirror_of(*id).is_some();
            replica.writable |= !bound && !is_worked_on;
        }
    }

    /// Another broker of the source leads: one that has everything, or not.
    pub(crate) fn elect(&mut self) {
        let id = self.any_partition();
        let replica = &self.clusters[S].replicas[&id];
        let (length, sealed) = (replica.log.len(), replica.sealed);
        if !replica.writable {
            return;
        }
        let lost = if self.chance.percent(30) { 1 + self.chance.place(3) } else { 0 };
        let kept = length.saturating_sub(lost).max(sealed);
        if kept < length {
            self.drop_records(S, id, kept, "an unclean election lost it");
        } else {
            let known = self.clusters[S].known_epoch(id);
            // Sometimes many elections pass before anybody looks.
            let most = if self.chance.percent(20) { 30 } else { 3 };
            let by = 1 + i32::try_from(self.chance.below(most)).expect("small");
            let replica = self.clusters[S].replicas.get_mut(&id).expect("it was there");
            replica.told = known + by;
        }
        self.count("election");
        self.note(|| format!("s elects for {}, {kept} of {length} are left", topic_of(id)));
        self.clusters[S].tell_desired(&topic_name(topic_of(id)));
    }

    /// I2 and I7: when a client's write is taken.
    fn judge_write(&self, at: usize, id: TopicIdPartition) {
        let cluster = &self.clusters[at];
        let topic = topic_name(topic_of(id));
        if let Some(bound) = cluster.metadata.topics().get(&topic)
            && !cluster.is_about_to_close(id)
        {
            let state = cluster.memory.lifecycle.state(id);
            assert_eq!(bound.desired, DesiredState::Stopped, "I2: {topic} on {}", NAMES[at]);
            let stopped = mirror_coordinator::partition_state::MirrorPartitionState::Stopped;
            assert_eq!(state, stopped, "I2: a write to {topic} on {}", NAMES[at]);
        }
        assert!(!cluster.memory.engine.contains_key(&id), "I2: a write to what is fetched");
        for (producer, known) in cluster.replicas[&id].log.producers() {
            assert_eq!(known.origin, at, "I7: producer {producer} is another cluster's");
        }
    }
}

impl Cluster {
    /// True when it was said, and not carried out yet, that clients may not write any more.
    fn is_about_to_close(&self, id: TopicIdPartition) -> bool {
        let closes = |(one, work): &(TopicIdPartition, Work)| *one == id && *work == Work::Close;
        let about = |input: &mirror_coordinator::lifecycle::Input| {
            use mirror_coordinator::lifecycle::Input;
            match input {
                Input::Desired { partition, desired, .. } => {
                    *partition == id && *desired != DesiredState::Stopped
                }
                Input::Unbound(partition) => *partition == id,
                _ => false,
            }
        };
        self.memory.work.iter().any(closes) || self.memory.inputs.iter().any(about)
    }
}
