//! What a node does beside its lifecycle: states are written, sources asked, logs worked on.

use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribedMirror, DescribedPartition, DescribedTopic,
};
use kafka_wire::mirror_api::list_cluster_mirrors::ListedMirror;
use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::{TopicIdPartition, TopicName};
use mirror_coordinator::cluster_metadata::listing::ListFilter;
use mirror_coordinator::lifecycle::{AlignmentFailure, Input, PersistFailure, Ticket};
use mirror_coordinator::log_alignment::{AlignmentCut, PeerMirrors, confirmation_failure};
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::retry::RetryClass;

use super::cluster::{
    Cluster, NAMES, PlannedWrite, Work, cluster_id, partitions_of, source_of, topic_name, topic_of,
};
use super::model_log::{Kind, Record, place};
use super::world::World;

impl Cluster {
    /// What this cluster says of mirrors to the cluster `asking`.
    pub(crate) fn tells_of_mirrors(&self, asking: usize) -> PeerMirrors {
        let asking = cluster_id(asking);
        let listed = self.metadata.list(&ListFilter::default());
        let listed: Vec<_> = listed
            .iter()
            .map(|mirror| ListedMirror {
                mirror_name: mirror.name.to_string(),
                source_bootstrap: mirror.bootstrap_servers.to_owned(),
                source_cluster_id: mirror.source_cluster_id.to_owned(),
                topic_count: i32::try_from(mirror.topics.len()).unwrap_or(i32::MAX),
                topic_names: Some(mirror.topics.iter().map(ToString::to_string).collect()),
            })
            .collect();
        let mut described = Vec::new();
        for (name, mirror) in self.metadata.mirrors() {
            let is_asking = mirror.source_cluster_id.as_deref() == Some(asking.as_str());
            let of_mirror = self.metadata.topics().iter().filter(|(_, one)| one.mirror == *name);
            let topics = of_mirror.map(|(topic, bound)| DescribedTopic {
                topic_name: topic.to_string(),
                partitions: partitions_of(topic.as_str())
                    .map(|id| self.described(&bound.mirror, id, is_asking))
                    .collect(),
            });
            described.push(DescribedMirror {
                error_code: 0,
                error_message: None,
                mirror_name: name.to_string(),
                source_bootstrap: None,
                source_cluster_id: mirror.source_cluster_id.clone(),
                authorized_operations: i32::MIN,
                topics: topics.collect(),
                syncs: Vec::new(),
            });
        }
        PeerMirrors::read(&asking, &listed, &described)
    }

    fn described(
        &self,
        mirror: &mirror_coordinator::mirror_name::MirrorName,
        id: TopicIdPartition,
        is_asking: bool,
    ) -> DescribedPartition {
        let (stored, position) = self.stored(mirror, id);
        let position = if is_asking { position } else { MirrorPosition::EMPTY };
        DescribedPartition {
            partition_index: id.partition.get(),
            state_value: stored.state.name().to_owned(),
            error_message: stored.error,
            retry_attempt: stored.retry_attempt,
            source_offset: -1,
            destination_offset: -1,
            last_mirror_epoch: position.wire_epoch(),
            last_mirror_offset: position.wire_offset(),
            lag_ms: -1,
            measured_age_ms: -1,
        }
    }

    pub(crate) fn cancel(&mut self, id: TopicIdPartition, ticket: Ticket) {
        let rounds = self.memory.asked.values_mut().map(|(tickets, _)| tickets);
        for tickets in std::iter::once(&mut self.memory.aligning).chain(rounds) {
            if tickets.get(&id) == Some(&ticket) {
                tickets.remove(&id);
            }
        }
    }

    /// Where mirroring from us ended at the source, unless it may not be begun.
    fn judged(
        &self,
        id: TopicIdPartition,
        peer: &PeerMirrors,
    ) -> Result<MirrorPosition, AlignmentFailure> {
        let topic = topic_name(topic_of(id));
        let position = peer.position_of(&topic, id.partition)?;
        if let Some(replica) = self.replicas.get(&id) {
            let (start, end) = (LogStartOffset::new(Offset::ZERO), replica.log.log_end());
            let confirmed = self.memory.confirmed.contains(&topic);
            if AlignmentCut::needs_confirmation(position, start, end, confirmed) {
                return Err(confirmation_failure(&topic, id.partition, start, end));
            }
        }
        Ok(position)
    }

    /// True when a start drops all records of the topic, because nobody knows which the source has.
    pub(crate) fn is_overwritten(&self, topic: &TopicName, peer: &PeerMirrors) -> bool {
        partitions_of(topic.as_str()).any(|id| {
            let has_records = self.replicas.get(&id).is_some_and(|one| one.log.len() > 0);
            let position = peer.position_of(topic, id.partition);
            has_records && position.is_ok_and(MirrorPosition::is_empty)
        })
    }
}

impl World {
    /// Begins to write what waits, or is done with that.
    pub(crate) fn write_states(&mut self, at: usize) {
        let fails = !self.quiet && self.chance.percent(6);
        match self.clusters[at].memory.writing.take() {
            Some(written) => self.finish_writing(at, written, fails),
            None => self.begin_writing(at),
        }
    }

    fn begin_writing(&mut self, at: usize) {
        let cluster = &mut self.clusters[at];
        let gone = std::mem::take(&mut cluster.memory.deleted);
        for mirror in gone {
            for record in cluster.states.tombstones(&mirror) {
                cluster.states.apply(&record);
            }
        }
        let mut planned = Vec::new();
        for (ticket, write) in std::mem::take(&mut cluster.memory.waiting) {
            let partition = write.partition;
            match cluster.states.plan_write(&write) {
                Ok(records) => planned.push(PlannedWrite { ticket, write, records }),
                Err(_) => {
                    let (stored, position) = cluster.stored(&write.mirror, partition);
                    let outcome = Err(PersistFailure::Refused { stored, position });
                    let input = Input::Persisted { partition, ticket, outcome };
                    cluster.memory.inputs.push_back(input);
                }
            }
        }
        if !planned.is_empty() {
            cluster.memory.writing = Some(planned);
        }
    }

    fn finish_writing(&mut self, at: usize, written: Vec<PlannedWrite>, fails: bool) {
        for PlannedWrite { ticket, write, records } in written {
            let partition = write.partition;
            let outcome = if fails {
                Err(PersistFailure::Unavailable { reason: "the disk refused".to_owned() })
            } else {
                let before = self.clusters[at].stored(&write.mirror, partition);
                for record in &records {
                    self.clusters[at].states.apply(record);
                }
                self.judge_move(at, &write, &before);
                Ok(self.clusters[at].stored(&write.mirror, partition).0.state_epoch)
            };
            let input = Input::Persisted { partition, ticket, outcome };
            self.clusters[at].memory.inputs.push_back(input);
        }
    }

    /// Asks the source of partitions that wait to be aligned, or hears its answer.
    pub(crate) fn ask_or_hear_source(&mut self, at: usize) {
        if let Some((mirror, (tickets, peer))) = self.clusters[at].memory.asked.pop_first() {
            for (partition, ticket) in tickets {
                let judged = match &peer {
                    Some(peer) => self.clusters[at].judged(partition, peer),
                    None => Err(AlignmentFailure {
                        reason: format!("the source of {mirror} was not told"),
                        class: RetryClass::Retryable,
                    }),
                };
                let memory = &mut self.clusters[at].memory;
                match judged {
                    Ok(position) => {
                        memory.work.push_back((partition, Work::Cut(ticket, position)));
                    }
                    Err(failure) => {
                        let outcome = Err(failure);
                        memory.inputs.push_back(Input::Aligned { partition, ticket, outcome });
                    }
                }
            }
            return;
        }
        for (id, ticket) in std::mem::take(&mut self.clusters[at].memory.aligning) {
            let mirror = self.clusters[at].memory.lifecycle.mirror_of(id).cloned();
            let Some(mirror) = mirror else { continue };
            let source = source_of(&mirror);
            let answers = self.reaches(at, source) && (self.quiet || !self.chance.percent(10));
            let peer = answers.then(|| self.clusters[source].tells_of_mirrors(at));
            let asked = &mut self.clusters[at].memory.asked;
            asked.entry(mirror).or_insert_with(|| (Default::default(), peer)).0.insert(id, ticket);
        }
    }

    /// Does something with a log, in the order asked for.
    pub(crate) fn work_on_a_log(&mut self, at: usize) {
        let waiting = self.clusters[at].memory.work.len();
        let start = self.chance.place(waiting);
        let work = &self.clusters[at].memory.work;
        let Some((id, _)) = work.get(start).copied() else { return };
        let first = work.iter().position(|(one, _)| *one == id).unwrap_or(start);
        let Some((_, work)) = self.clusters[at].memory.work.remove(first) else { return };
        let fails = !self.quiet && self.chance.percent(8);
        self.note(|| format!("  {} works on {}: {work:?}", NAMES[at], topic_of(id)));
        let partition = id;
        let Some(replica) = self.clusters[at].replicas.get_mut(&id) else { return };
        let answer = match work {
            Work::Close => {
                replica.writable = false;
                return;
            }
            Work::Cut(ticket, position) => {
                let class = RetryClass::Retryable;
                let failure = AlignmentFailure { reason: "bad luck".to_owned(), class };
                if !fails {
                    self.cut(at, id, position);
                }
                let outcome = if fails { Err(failure) } else { Ok(()) };
                Input::Aligned { partition, ticket, outcome }
            }
            Work::Measure(ticket) => {
                let outcome = failing(fails).map(|()| replica.log.end());
                Input::LogMeasured { partition, ticket, outcome }
            }
            Work::Seal(ticket, epoch) => {
                if !fails || self.chance.percent(50) {
                    self.seal(at, id, epoch, fails);
                }
                Input::LogSealed { partition, ticket, outcome: failing(fails) }
            }
            Work::Open(ticket, epoch) => {
                replica.told = replica.told.max(epoch);
                replica.writable = !fails;
                Input::OpenedForWriting { partition, ticket, outcome: failing(fails) }
            }
        };
        self.clusters[at].memory.inputs.push_back(answer);
    }

    /// Cuts a closed log to where it may go on from its source.
    fn cut(&mut self, at: usize, id: TopicIdPartition, position: MirrorPosition) {
        let replica = self.clusters[at].replicas.get_mut(&id).expect("it was there");
        replica.writable = false;
        let log = &replica.log;
        let (start, end) = (LogStartOffset::new(Offset::ZERO), log.log_end());
        let end_of = |epoch| log.end_of(epoch).map(|found| found.end);
        let cut = AlignmentCut::after(position, start, end, end_of);
        self.judge_cut(at, id, position, cut);
        let to = match cut {
            AlignmentCut::Keep => return,
            AlignmentCut::TruncateTo(to) | AlignmentCut::StartAt(to) => to,
        };
        let cause = match position.is_empty() {
            true => "the operator confirmed that it is overwritten",
            false => "it was written after mirroring to the new primary had ended",
        };
        self.drop_records(at, id, place(to), cause);
    }

    /// Drops the records of a log from `to` on, and tells an epoch above all before.
    pub(crate) fn drop_records(
        &mut self,
        at: usize,
        id: TopicIdPartition,
        to: usize,
        cause: &'static str,
    ) {
        self.note(|| format!("  {} cuts {} to {to}: {cause}", NAMES[at], topic_of(id)));
        self.count(cause);
        let known = self.clusters[at].known_epoch(id);
        let replica = self.clusters[at].replicas.get_mut(&id).expect("it was there");
        replica.told = known + 1;
        for record in replica.log.cut(to) {
            self.dropped.insert(record.number, cause);
        }
    }

    /// Ends transactions and voids producers; a seal that fails may have come half the way.
    fn seal(&mut self, at: usize, id: TopicIdPartition, epoch: i32, only_half: bool) {
        assert!(!self.clusters[at].memory.engine.contains_key(&id), "sealed while it is open");
        let numbers = &mut self.numbers;
        let replica = self.clusters[at].replicas.get_mut(&id).expect("it was there");
        replica.told = replica.told.max(epoch);
        let mut number = || {
            *numbers += 1;
            *numbers
        };
        let open = replica.log.producers().iter().filter(|(_, one)| one.has_open_transaction);
        let open: Vec<u8> = open.map(|(producer, _)| *producer).collect();
        for producer in open {
            let (number, kind) = (number(), Kind::Abort(producer));
            replica.log.append(Record { epoch: replica.told, number, origin: at, kind });
        }
        if !only_half {
            let (number, kind) = (number(), Kind::Reset);
            replica.log.append(Record { epoch: replica.told, number, origin: at, kind });
        }
        replica.sealed = replica.log.len();
    }
}

fn failing(fails: bool) -> Result<(), String> {
    if fails { Err("bad luck".to_owned()) } else { Ok(()) }
}
