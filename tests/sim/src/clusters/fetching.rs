//! The engine of a node, as far as the lifecycle depends on it: it fetches what its source has,
//! looks for where their histories part, and appends nothing in an epoch above ours.

use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::partition::{BrokerId, SourceBroker, SourceId, TopicIdPartition};
use mirror_coordinator::lifecycle::{Action, EngineEvent, Input, UncleanElection};
use mirror_coordinator::retry::RetryClass;

use super::cluster::{Fetching, NAMES, Replica, source_of, topic_of};
use super::model_log::place;
use super::world::World;

impl World {
    /// The engine does what it was told next.
    pub(crate) fn command_engine(&mut self, at: usize) {
        let memory = &mut self.clusters[at].memory;
        let Some(command) = memory.commands.pop_front() else { return };
        match command {
            Action::AddPartition {
                partition,
                leader,
                source_epoch,
                leader_epoch,
                unclean_election,
            } => {
                let fetching = Fetching {
                    source: usize::try_from(leader.source.get()).expect("few clusters"),
                    source_epoch: source_epoch.map(SourceLeaderEpoch::get),
                    leader_epoch: leader_epoch.get(),
                    unclean_election,
                    goes_on: true,
                    fenced: None,
                };
                let replica = self.clusters[at].replicas.get(&partition);
                let replica = replica.expect("a bound topic has logs");
                assert!(!replica.writable, "clients write to what is mirrored");
                let last_epoch = replica.log.end().last_epoch;
                let memory = &mut self.clusters[at].memory;
                let twice = memory.engine.insert(partition, fetching).is_some();
                assert!(!twice, "given to the engine twice");
                memory.events.push_back((partition, EngineEvent::Loaded { last_epoch }));
            }
            Action::RemoveFetcher(partition) => {
                memory.engine.remove(&partition).expect("removed what is there");
                let end = self.clusters[at].replicas.get(&partition).map(|one| one.log.end());
                let event = EngineEvent::Removed { end };
                self.clusters[at].memory.events.push_back((partition, event));
            }
            Action::PauseFetcher(partition) => {
                if let Some(fetching) = memory.engine.get_mut(&partition) {
                    fetching.goes_on = false;
                }
                memory.events.push_back((partition, EngineEvent::Paused));
            }
            Action::ResumeFetcher(partition) => {
                let fetching = memory.engine.get_mut(&partition).expect("resumed what is there");
                fetching.goes_on = true;
            }
            Action::SetLeaderEpoch { partition, epoch } => {
                let fetching = memory.engine.get_mut(&partition).expect("told what is there");
                fetching.leader_epoch = fetching.leader_epoch.max(epoch.get());
                fetching.fenced = fetching.fenced.filter(|fenced| *fenced > fetching.leader_epoch);
            }
            Action::SetSourceLeader { partition, leader, epoch } => {
                let fetching = memory.engine.get_mut(&partition).expect("told what is there");
                fetching.source = usize::try_from(leader.source.get()).expect("few clusters");
                fetching.source_epoch = Some(epoch.get());
            }
            Action::SetUncleanElection { partition, unclean_election } => {
                let fetching = memory.engine.get_mut(&partition).expect("told what is there");
                fetching.unclean_election = unclean_election;
            }
            _ => {}
        }
    }

    /// The node hears what the engine said next.
    pub(crate) fn hear_engine(&mut self, at: usize) {
        let memory = &mut self.clusters[at].memory;
        let Some((partition, event)) = memory.events.pop_front() else { return };
        if matches!(event, EngineEvent::Removed { .. }) {
            memory.in_engine.remove(&partition);
        }
        memory.inputs.push_back(Input::Engine { partition, event });
    }

    pub(crate) fn fetch_somewhere(&mut self, at: usize) {
        let ids: Vec<_> = self.clusters[at].memory.engine.keys().copied().collect();
        if !ids.is_empty() {
            let id = self.chance.pick(&ids);
            self.fetch(at, id);
        }
    }

    /// One fetch of a partition.
    pub(crate) fn fetch(&mut self, at: usize, id: TopicIdPartition) {
        let Some(fetching) = self.clusters[at].memory.engine.get(&id) else { return };
        if !fetching.goes_on {
            return;
        }
        let (source, source_epoch) = (fetching.source, fetching.source_epoch);
        if !self.reaches(at, source) {
            if self.chance.percent(20) {
                let reason = "the source cannot be reached".to_owned();
                self.give_up(at, id, reason, RetryClass::Retryable);
            }
            return;
        }
        let Some(theirs) = self.clusters[source].replicas.get(&id) else { return };
        if source_epoch != Some(theirs.told) {
            self.follow_leader(at, id, source);
            return;
        }
        let ours = &self.clusters[at].replicas[&id];
        match parting(ours, theirs) {
            Some(to) => self.part(at, id, to),
            None => self.append_next(at, id, source),
        }
    }

    /// The leader was told an epoch that is not its own, and names that.
    fn follow_leader(&mut self, at: usize, id: TopicIdPartition, source: usize) {
        let told = self.clusters[source].replicas[&id].told;
        let fetching = self.clusters[at].memory.engine.get_mut(&id).expect("it was there");
        fetching.source_epoch = Some(told);
        let epoch = source_epoch(told);
        let event = EngineEvent::LeaderMoved { leader: broker_of(told), epoch };
        self.clusters[at].memory.events.push_back((id, event));
    }

    fn part(&mut self, at: usize, id: TopicIdPartition, to: usize) {
        let fetching = &self.clusters[at].memory.engine[&id];
        match fetching.unclean_election {
            UncleanElection::Truncate => {
                self.drop_records(at, id, to, "the source lost it");
                self.clusters[at].memory.events.push_back((id, EngineEvent::Truncated));
            }
            UncleanElection::Fail => {
                self.count("diverged");
                let reason = format!("diverged at {to}");
                self.give_up(at, id, reason, RetryClass::NonRetryable);
            }
        }
    }

    fn give_up(&mut self, at: usize, id: TopicIdPartition, reason: String, class: RetryClass) {
        self.note(|| format!("  {} gives up {}: {reason}", NAMES[at], topic_of(id)));
        let memory = &mut self.clusters[at].memory;
        if let Some(fetching) = memory.engine.get_mut(&id) {
            fetching.goes_on = false;
        }
        memory.events.push_back((id, EngineEvent::Failed { reason, class }));
    }

    fn append_next(&mut self, at: usize, id: TopicIdPartition, source: usize) {
        let count = 1 + self.chance.place(3);
        for _ in 0..count {
            let end = self.clusters[at].replicas[&id].log.len();
            let next = self.clusters[source].replicas[&id].log.records().get(end).copied();
            let Some(record) = next else { return };
            let memory = &mut self.clusters[at].memory;
            let fetching = memory.engine.get_mut(&id).expect("it was there");
            if record.epoch > fetching.leader_epoch {
                if fetching.fenced.replace(record.epoch).is_none() {
                    let batch_epoch = source_epoch(record.epoch);
                    memory.events.push_back((id, EngineEvent::Fenced { batch_epoch }));
                }
                return;
            }
            let replica = self.clusters[at].replicas.get_mut(&id).expect("it was there");
            replica.log.append(record);
            let last_epoch = Some(source_epoch(record.epoch));
            let event = EngineEvent::Progressed { last_epoch };
            self.clusters[at].memory.events.push_back((id, event));
            self.note(|| format!("  {} appends {record:?} to {}", NAMES[at], topic_of(id)));
            self.judge_append(at, id, source);
        }
    }

    /// The node looks at what the sources of its mirrors have.
    pub(crate) fn look_at_sources(&mut self, at: usize) {
        let mirrors: Vec<_> = self.clusters[at].metadata.mirrors().keys().cloned().collect();
        for mirror in mirrors {
            let source = source_of(&mirror);
            if !self.reaches(at, source) {
                self.clusters[at].memory.silent.insert(mirror);
                continue;
            }
            let cluster_id = super::cluster::cluster_id(source);
            let plan = self.clusters[at].metadata.plan_source_cluster_id(&mirror, &cluster_id);
            let plan = plan.expect("clusters keep their ids");
            self.clusters[at].metadata.apply(&plan).expect("planned just now");
            if self.clusters[at].memory.silent.remove(&mirror) {
                let input = Input::SourceAnswered(mirror.clone());
                self.clusters[at].memory.inputs.push_back(input);
            }
            let topics = self.clusters[at].metadata.topics().iter();
            let stopped = mirror_coordinator::desired_state::DesiredState::Stopped;
            let active = topics.filter(|(_, one)| one.mirror == mirror && one.desired != stopped);
            let active: Vec<_> = active.map(|(name, _)| name.clone()).collect();
            for id in active.iter().flat_map(|name| super::cluster::partitions_of(name.as_str())) {
                let Some(theirs) = self.clusters[source].replicas.get(&id) else { continue };
                let number = u32::try_from(source).expect("few clusters");
                let broker = broker_of(theirs.told);
                let input = Input::SourcePartition {
                    partition: id,
                    leader: Some(SourceBroker { source: SourceId::new(number), broker }),
                    epoch: Some(source_epoch(theirs.told)),
                    unclean_election: match self.follows_losses {
                        true => UncleanElection::Truncate,
                        false => UncleanElection::Fail,
                    },
                };
                self.clusters[at].memory.inputs.push_back(input);
            }
        }
    }
}

/// Up to where our log is the source's, when it goes on otherwise: as a follower finds it out.
fn parting(ours: &Replica, theirs: &Replica) -> Option<usize> {
    let end = ours.log.end();
    let last = end.last_epoch?;
    let found = theirs.log.end_told(last, theirs.told);
    let Some(found) = found else {
        // Our epoch is not known there: only the ends can be compared.
        return (theirs.log.len() < ours.log.len()).then_some(theirs.log.len());
    };
    let local = ours.log.end_of(found.epoch).map_or(end.offset, |local| local.end);
    let shared = local.min(found.end).min(end.offset);
    (shared < end.offset).then(|| place(shared))
}

fn source_epoch(raw: i32) -> SourceLeaderEpoch {
    SourceLeaderEpoch::from_wire(raw).expect("epochs are not negative")
}

fn broker_of(epoch: i32) -> BrokerId {
    BrokerId::from_wire(epoch % 3).expect("not negative")
}
