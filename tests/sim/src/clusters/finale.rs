//! The end of a history: nothing fails any more, all comes to rest, and then the operator fails
//! over, back, and over again; each time what was promised of records is looked up in the logs.

use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::lifecycle::Input;
use mirror_coordinator::partition_state::MirrorPartitionState as State;

use super::cluster::{A, B, NAMES, S, TOPICS, partitions_of, source_of, topic_name, topic_of};
use super::model_log::{Kind, Record};
use super::world::World;

/// Rounds until all is at rest.
const ROUNDS_MAX: u32 = 400;

impl World {
    /// Everything arrives, until every partition is where it is wanted.
    pub(crate) fn settle(&mut self, what: &str) {
        self.quiet = true;
        self.apart.clear();
        for round in 0..ROUNDS_MAX {
            for at in 0..self.clusters.len() {
                self.look_at_sources(at);
                self.pump(at);
                self.open_local_logs(at);
                self.tell(at, Input::Tick);
                self.pump(at);
                let ids: Vec<_> = self.clusters[at].memory.engine.keys().copied().collect();
                ids.into_iter().for_each(|id| self.fetch(at, id));
                self.pump(at);
                self.check();
            }
            self.now_ms += 700;
            match self.unrest() {
                None => return,
                Some(unrest) if round + 1 == ROUNDS_MAX => {
                    panic!("{what}: never at rest: {unrest}")
                }
                Some(_) if round % 20 == 19 => self.recover_all(),
                Some(_) => {}
            }
        }
    }

    /// Does all that a node has to do.
    fn pump(&mut self, at: usize) {
        loop {
            self.hear(at);
            self.write_states(at);
            self.ask_or_hear_source(at);
            self.work_on_a_log(at);
            self.announce_epochs(at);
            self.command_engine(at);
            self.hear_engine(at);
            let memory = &self.clusters[at].memory;
            let busy = !memory.inputs.is_empty()
                || !memory.waiting.is_empty()
                || memory.writing.is_some()
                || !memory.aligning.is_empty()
                || !memory.asked.is_empty()
                || !memory.work.is_empty()
                || !memory.epochs.is_empty()
                || !memory.commands.is_empty()
                || !memory.events.is_empty()
                || !memory.deleted.is_empty();
            if !busy {
                return;
            }
        }
    }

    /// The first partition that is not where it is wanted, and cannot be excused.
    fn unrest(&self) -> Option<String> {
        for (at, cluster) in self.clusters.iter().enumerate() {
            for (topic, bound) in cluster.metadata.topics() {
                for id in partitions_of(topic.as_str()) {
                    let source = source_of(&bound.mirror);
                    if let Some(reason) = self.unrest_of(at, id, source, bound.desired) {
                        let stored = cluster.stored(&bound.mirror, id);
                        return Some(format!("{topic} on {}: {reason}: {stored:?}", NAMES[at]));
                    }
                }
            }
        }
        None
    }

    fn unrest_of(
        &self,
        at: usize,
        id: TopicIdPartition,
        source: usize,
        desired: DesiredState,
    ) -> Option<&'static str> {
        let cluster = &self.clusters[at];
        let replica = &cluster.replicas[&id];
        let state = cluster.memory.lifecycle.state(id);
        let theirs = &self.clusters[source].replicas.get(&id)?.log;
        match (desired, state) {
            (DesiredState::Stopped, State::Stopped) if replica.writable => None,
            (DesiredState::Stopped, _) => Some("is to be stopped and written to"),
            (DesiredState::Mirroring, State::Mirroring)
                if replica.log.records() == theirs.records() || !self.follows(at, id, source) =>
            {
                None
            }
            (DesiredState::Mirroring, State::Mirroring) => Some("has not all that its source has"),
            (DesiredState::Paused, State::Paused | State::Unknown | State::Stopped) => None,
            (_, State::Failed) => {
                let failure = cluster.memory.lifecycle.failure(id);
                let reason = failure.map(|failure| failure.reason).unwrap_or_default();
                let excuses = ["loop", "still mirrors", "diverged", "holds offsets"];
                let excused = excuses.iter().any(|excuse| reason.contains(excuse));
                (!excused).then_some("failed")
            }
            _ => Some("is on its way"),
        }
    }

    /// Failover and back, from whatever the history left.
    pub(crate) fn finale(&mut self) {
        self.settle("after the history");
        for (topic, _) in TOPICS {
            self.stop_all(topic);
        }
        self.settle("stopped");
        self.delete_void_mirrors();
        for (topic, _) in TOPICS {
            self.everybody_writes(topic);
            let mut primaries = vec![S, A, B];
            primaries.retain(|at| !self.logs_of(topic, *at).iter().all(Vec::is_empty));
            let primary = self.chance.pick(&primaries);
            let links: &[(usize, usize)] = match primary {
                S => &[(A, S), (B, A)],
                A => &[(S, A), (B, A)],
                _ => &[(A, B), (S, A)],
            };
            let before = self.logs_of(topic, primary);
            for (at, source) in links {
                let begun = self.start(*at, *source, topic, true);
                assert!(begun, "{topic}: {} does not mirror {}", NAMES[*at], NAMES[*source]);
                self.settle("mirrored anew");
            }
            assert_eq!(self.logs_of(topic, primary), before, "a primary's log changed");
            self.all_are_equal(topic);
            let at = if primary == A { S } else { A };
            self.fail_over_and_back(topic, primary, at);
        }
    }

    /// After a log was overwritten as a whole, what others know of it is void, and nobody can tell:
    /// the operator deletes those mirrors.
    fn delete_void_mirrors(&mut self) {
        let is_void = |(at, source): &(usize, usize)| {
            let bound = self.clusters[*at].metadata.topics().iter();
            let bound = bound.filter(|(_, one)| source_of(&one.mirror) == *source);
            let mut ids = bound.flat_map(|(topic, _)| partitions_of(topic.as_str()));
            ids.any(|id| !self.follows(*at, id, *source))
        };
        let void: Vec<_> = super::world::LINKS.into_iter().filter(is_void).collect();
        for (at, source) in void {
            self.delete(at, source);
        }
        self.settle("deleted");
    }

    fn stop_all(&mut self, topic: &str) {
        for (at, source) in super::world::LINKS {
            self.stop(at, source, topic);
        }
    }

    /// Whatever became of it before, a topic that is stopped or never was mirrored takes writes.
    fn everybody_writes(&mut self, topic: &str) {
        for at in [S, A, B] {
            for id in partitions_of(topic) {
                if self.clusters[at].replicas.contains_key(&id) {
                    assert!(self.write(at, id), "{topic} on {} takes no writes", NAMES[at]);
                }
            }
        }
    }

    fn logs_of(&self, topic: &str, at: usize) -> Vec<Vec<Record>> {
        let replicas = &self.clusters[at].replicas;
        let logs = partitions_of(topic).map(|id| replicas.get(&id).map(|one| one.log.records()));
        logs.map(|records| records.unwrap_or_default().to_vec()).collect()
    }

    fn all_are_equal(&self, topic: &str) {
        let first = self.logs_of(topic, S);
        for at in [A, B] {
            assert_eq!(first, self.logs_of(topic, at), "{topic} on s and {}", NAMES[at]);
        }
    }

    /// `old` is lost, `new` takes over, `old` comes back, and once more.
    fn fail_over_and_back(&mut self, topic: &str, old: usize, new: usize) {
        let mirrored = self.logs_of(topic, old);
        self.apart.insert((old.min(new), old.max(new)));
        // What nobody fetched any more: in the same epoch as what was mirrored last (X21).
        let lost: Vec<u64> = partitions_of(topic).map(|id| self.must_write(old, id)).collect();
        assert!(self.stop(new, old, topic), "{topic}: a failover is never refused");
        for _ in 0..40 {
            self.pump(new);
            self.tell(new, Input::Tick);
            self.now_ms += 700;
        }
        let kept: Vec<u64> = partitions_of(topic).map(|id| self.must_write(new, id)).collect();
        self.apart.clear();
        assert!(self.start(old, new, topic, false), "{topic}: a failback needs no confirmation");
        self.settle("failed back");
        self.all_are_equal(topic);
        self.look_up(topic, &mirrored, &lost, &kept);
        // And back to the old one, with nothing lost at all.
        assert!(self.stop(old, new, topic), "{topic}: stopped again");
        self.settle("stopped again");
        let more: Vec<u64> = partitions_of(topic).map(|id| self.must_write(old, id)).collect();
        assert!(self.start(new, old, topic, false), "{topic}: the second failover back");
        self.settle("a round trip");
        self.all_are_equal(topic);
        self.look_up(topic, &mirrored, &lost, &[kept, more].concat());
    }

    /// Everything mirrored before is where it was, what was written since is there, and of the
    /// rest nothing.
    fn look_up(&self, topic: &str, mirrored: &[Vec<Record>], lost: &[u64], kept: &[u64]) {
        let now = self.logs_of(topic, S);
        for (before, now) in mirrored.iter().zip(&now) {
            assert_eq!(before[..], now[..before.len()], "{topic}: mirrored records changed");
        }
        let has = |number: &u64| now.iter().flatten().any(|record| record.number == *number);
        assert!(kept.iter().all(has), "{topic}: acknowledged records are lost");
        assert!(!lost.iter().any(has), "{topic}: records came back that were not mirrored");
        let named = |number: &u64| self.dropped.contains_key(number);
        assert!(lost.iter().all(named), "{topic}: records are lost and nobody said why");
    }

    fn must_write(&mut self, at: usize, id: TopicIdPartition) -> u64 {
        assert!(self.write(at, id), "{} on {} takes no writes", topic_of(id), NAMES[at]);
        self.numbers
    }

    /// Every record that clients were told is written is where they wrote it, or it is known why
    /// not.
    pub(crate) fn account_for_all(&self) {
        for (number, (at, id)) in &self.acknowledged {
            let log = self.clusters[*at].replicas[id].log.records();
            let is_there = log.iter().any(|record| record.number == *number);
            let known = is_there || self.dropped.contains_key(number);
            assert!(known, "record {number} of {} is gone", topic_name(topic_of(*id)));
        }
        let resets = self.clusters[S].replicas.values().flat_map(|one| one.log.records());
        let resets = resets.filter(|record| record.kind == Kind::Reset).count();
        assert!(resets > 0, "nothing was ever stopped");
    }
}
