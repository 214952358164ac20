//! A cluster of one node: what it has on disk, and what it forgets when it restarts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::mirror_state_record::MirrorStateRecord;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicIdPartition, TopicName};
use mirror_coordinator::cluster_metadata::ClusterMetadata;
use mirror_coordinator::lifecycle::{
    Action, EngineEvent, Input, Lifecycle, Ticket, UncleanElection,
};
use mirror_coordinator::log_alignment::PeerMirrors;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::mirror_states::MirrorStates;
use mirror_coordinator::retry::RetryPolicy;
use mirror_coordinator::stored_state::{StateWrite, StoredState};

use super::model_log::ModelLog;

/// Names of the clusters, by number; each mirrors from its neighbours.
pub(crate) const NAMES: [&str; 3] = ["s", "a", "b"];
pub(crate) const S: usize = 0;
pub(crate) const A: usize = 1;
pub(crate) const B: usize = 2;
/// Topics, with how many partitions they have.
pub(crate) const TOPICS: [(&str, i32); 2] = [("orders", 2), ("bills", 1)];

/// A partition's log and who may write to it.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) log: ModelLog,
    /// The leader epoch that clients were told: on disk.
    pub(crate) told: i32,
    /// Clients may write: not on disk.
    pub(crate) writable: bool,
    /// Where the log ended when it was sealed last: what lies before is not lost by elections.
    pub(crate) sealed: usize,
}

/// A partition in the engine.
#[derive(Debug)]
pub(crate) struct Fetching {
    pub(crate) source: usize,
    pub(crate) source_epoch: Option<i32>,
    pub(crate) leader_epoch: i32,
    pub(crate) unclean_election: UncleanElection,
    pub(crate) goes_on: bool,
    pub(crate) fenced: Option<i32>,
}

/// Something to do with a log that nobody has open, in the order asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Close,
    Cut(Ticket, MirrorPosition),
    Measure(Ticket),
    Seal(Ticket, i32),
    Open(Ticket, i32),
}

/// A write on its way to disk.
#[derive(Debug)]
pub(crate) struct PlannedWrite {
    pub(crate) ticket: Ticket,
    pub(crate) write: StateWrite,
    pub(crate) records: Vec<MirrorStateRecord>,
}

/// What a node forgets when it restarts.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) inputs: VecDeque<Input>,
    pub(crate) waiting: Vec<(Ticket, StateWrite)>,
    pub(crate) writing: Option<Vec<PlannedWrite>>,
    /// Mirrors that are gone, whose states are to be deleted.
    pub(crate) deleted: BTreeSet<MirrorName>,
    /// Alignments whose source is to be asked.
    pub(crate) aligning: BTreeMap<TopicIdPartition, Ticket>,
    /// Those whose source answers, or not.
    pub(crate) asked:
        BTreeMap<MirrorName, (BTreeMap<TopicIdPartition, Ticket>, Option<PeerMirrors>)>,
    pub(crate) work: VecDeque<(TopicIdPartition, Work)>,
    /// Leader epochs on their way to disk.
    pub(crate) epochs: BTreeMap<TopicIdPartition, (i32, Option<Ticket>)>,
    /// The operator confirmed that these are overwritten.
    pub(crate) confirmed: BTreeSet<TopicName>,
    /// Sources that did not answer.
    pub(crate) silent: BTreeSet<MirrorName>,
    /// Partitions that the engine was given and did not say to have let go of.
    pub(crate) in_engine: BTreeSet<TopicIdPartition>,
    pub(crate) engine: BTreeMap<TopicIdPartition, Fetching>,
    pub(crate) commands: VecDeque<Action>,
    pub(crate) events: VecDeque<(TopicIdPartition, EngineEvent)>,
}

impl Memory {
    pub(crate) fn new(seed: u64) -> Self {
        let policy = RetryPolicy { initial_ms: 100, max_ms: 10_000, attempts_max: 8 };
        Self {
            lifecycle: Lifecycle::new(policy, seed),
            inputs: VecDeque::new(),
            waiting: Vec::new(),
            writing: None,
            deleted: BTreeSet::new(),
            aligning: BTreeMap::new(),
            asked: BTreeMap::new(),
            work: VecDeque::new(),
            epochs: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            silent: BTreeSet::new(),
            in_engine: BTreeSet::new(),
            engine: BTreeMap::new(),
            commands: VecDeque::new(),
            events: VecDeque::new(),
        }
    }
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) metadata: ClusterMetadata,
    pub(crate) states: MirrorStates,
    pub(crate) replicas: BTreeMap<TopicIdPartition, Replica>,
    pub(crate) memory: Memory,
    pub(crate) life: u64,
}

impl Cluster {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            metadata: ClusterMetadata::default(),
            states: MirrorStates::default(),
            replicas: BTreeMap::new(),
            memory: Memory::new(seed),
            life: 0,
        }
    }

    pub(crate) fn stored(
        &self,
        mirror: &MirrorName,
        id: TopicIdPartition,
    ) -> (StoredState, MirrorPosition) {
        let stored = self.states.state(mirror, id).cloned();
        (stored.unwrap_or(StoredState::UNKNOWN), self.states.position(mirror, id))
    }

    /// The highest leader epoch of ours that was told or is about to be.
    pub(crate) fn known_epoch(&self, id: TopicIdPartition) -> i32 {
        let told = self.replicas.get(&id).map_or(0, |replica| replica.told);
        let pending = self.memory.epochs.get(&id).map_or(0, |(epoch, _)| *epoch);
        let of_lifecycle = self.memory.lifecycle.leader_epoch(id).map_or(0, LeaderEpoch::get);
        told.max(pending).max(of_lifecycle)
    }

    pub(crate) fn note_epoch(&mut self, id: TopicIdPartition, epoch: i32) {
        let pending = self.memory.epochs.entry(id).or_insert((epoch, None));
        pending.0 = pending.0.max(epoch);
    }

    /// Tells the lifecycle what is wanted of a topic's partitions.
    pub(crate) fn tell_desired(&mut self, topic: &TopicName) {
        let Some(bound) = self.metadata.topics().get(topic).cloned() else { return };
        for partition in partitions_of(topic.as_str()) {
            let leader_epoch = leader_epoch(self.known_epoch(partition));
            let (mirror, desired) = (bound.mirror.clone(), bound.desired);
            let input = Input::Desired { partition, mirror, desired, leader_epoch };
            self.memory.inputs.push_back(input);
        }
    }

    /// It starts with what is on disk.
    pub(crate) fn restart(&mut self, seed: u64) {
        self.life += 1;
        self.memory = Memory::new(seed ^ (self.life << 32));
        let topics: Vec<_> = self.metadata.topics().clone().into_iter().collect();
        let mut bound_ids = BTreeSet::new();
        for (name, bound) in &topics {
            for partition in partitions_of(name.as_str()) {
                bound_ids.insert(partition);
                let (stored, position) = self.stored(&bound.mirror, partition);
                let told = leader_epoch(self.known_epoch(partition));
                let leader_epoch = Some(told).max(stored.leader_epoch).unwrap_or(told);
                let mirror = bound.mirror.clone();
                let input = Input::Restored { partition, mirror, stored, position, leader_epoch };
                self.memory.inputs.push_back(input);
            }
        }
        for (name, _) in &topics {
            self.tell_desired(name);
        }
        for (id, replica) in &mut self.replicas {
            replica.writable = !bound_ids.contains(id);
        }
    }
}

pub(crate) fn leader_epoch(raw: i32) -> LeaderEpoch {
    LeaderEpoch::from_wire(raw).expect("epochs are not negative")
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName::parse(name).expect("a legal name")
}

pub(crate) fn mirror_from(source: usize) -> MirrorName {
    MirrorName::parse(&format!("from-{}", NAMES[source])).expect("a legal name")
}

/// The cluster that a mirror has as its source.
pub(crate) fn source_of(mirror: &MirrorName) -> usize {
    let source = mirror.as_str().strip_prefix("from-");
    let place = NAMES.iter().position(|name| source == Some(*name));
    place.expect("a mirror is named after its source")
}

pub(crate) fn cluster_id(number: usize) -> String {
    format!("cluster-{}", NAMES[number])
}

pub(crate) fn topic_id(topic: &str) -> TopicId {
    let number = TOPICS.iter().position(|(name, _)| *name == topic).expect("a topic that is known");
    let number = u8::try_from(number).expect("few topics");
    TopicId::from_wire([number + 1; 16]).expect("not zero")
}

pub(crate) fn partitions_of(topic: &str) -> impl Iterator<Item = TopicIdPartition> {
    let count = TOPICS.iter().find(|(name, _)| *name == topic).map_or(0, |(_, count)| *count);
    let topic_id = topic_id(topic);
    let partitions = (0..count).filter_map(PartitionIndex::from_wire);
    partitions.map(move |partition| TopicIdPartition { topic_id, partition })
}

/// The topic of a partition.
pub(crate) fn topic_of(id: TopicIdPartition) -> &'static str {
    let found = TOPICS.iter().find(|(name, _)| topic_id(name) == id.topic_id);
    found.expect("a topic that is known").0
}
