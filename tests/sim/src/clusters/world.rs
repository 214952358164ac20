//! Three clusters in a row, what happens to them, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::partition::TopicIdPartition;
use mirror_coordinator::lifecycle::{Action, Input};
use mirror_coordinator::partition_state::MirrorPartitionState as State;

use super::cluster::{A, B, Cluster, NAMES, S, TOPICS, leader_epoch, partitions_of, topic_of};
use crate::random::Random;

/// Who may mirror from whom: destination, source.
pub(crate) const LINKS: [(usize, usize); 4] = [(A, S), (S, A), (B, A), (A, B)];
/// Lines of a history that are shown when it fails.
const LINES_SHOWN: usize = 120;

/// What a history came to, to see that all of them together go everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often partitions came to each state.
    pub states: BTreeMap<State, u64>,
    /// Things that happened, by name.
    pub events: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// The same as numbers only.
    #[must_use]
    pub fn outcome(&self) -> crate::Outcome {
        let count = |event| self.events.get(event).copied().unwrap_or(0);
        let steps = u64::from(super::STEPS);
        crate::Outcome { hash: 0, steps, crashes: count("restart"), virtual_ms: 0 }
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) chance: Random,
    pub(crate) seed: u64,
    pub(crate) now_ms: u64,
    pub(crate) clusters: Vec<Cluster>,
    /// Pairs that do not reach each other, the smaller first.
    pub(crate) apart: BTreeSet<(usize, usize)>,
    /// Nothing fails any more.
    pub(crate) quiet: bool,
    /// Sources that lose records do so for good: mirrors do not follow.
    pub(crate) follows_losses: bool,
    pub(crate) numbers: u64,
    /// How often each log was overwritten as a whole: others cannot tell that from its epochs.
    pub(crate) overwritten: BTreeMap<(usize, TopicIdPartition), u64>,
    /// What each log was aligned with last, and how often that was overwritten by then; `None`
    /// when it was aligned by what was said of a log that was overwritten since.
    pub(crate) based_on: BTreeMap<(usize, TopicIdPartition), Option<(usize, u64)>>,
    /// Why records that clients were told are written are not in some log any more.
    pub(crate) dropped: BTreeMap<u64, &'static str>,
    /// Where clients wrote each record that they were told is written.
    pub(crate) acknowledged: BTreeMap<u64, (usize, TopicIdPartition)>,
    pub(crate) seen: Seen,
    aloud: bool,
    lines: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, aloud: bool) -> Self {
        let mut chance = Random::new(seed);
        let follows_losses = chance.percent(50);
        let mut world = Self {
            chance,
            seed,
            now_ms: 0,
            clusters: NAMES.iter().map(|_| Cluster::new(seed)).collect(),
            apart: BTreeSet::new(),
            quiet: false,
            follows_losses,
            numbers: 0,
            overwritten: BTreeMap::new(),
            based_on: BTreeMap::new(),
            dropped: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            seen: Seen::default(),
            aloud,
            lines: Vec::new(),
        };
        for (topic, _) in TOPICS {
            for id in partitions_of(topic) {
                let replica = world.clusters[S].replicas.entry(id).or_default();
                replica.writable = true;
            }
        }
        world
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.aloud {
            self.lines.push(line());
        }
    }

    pub(crate) fn count(&mut self, event: &'static str) {
        *self.seen.events.entry(event).or_default() += 1;
    }

    /// The last lines of the history.
    pub(crate) fn history(&self) -> String {
        let from = self.lines.len().saturating_sub(LINES_SHOWN);
        self.lines[from..].join("\n")
    }

    pub(crate) fn reaches(&self, one: usize, other: usize) -> bool {
        !self.apart.contains(&(one.min(other), one.max(other)))
    }

    /// One thing happens.
    pub(crate) fn step(&mut self) {
        let at = self.chance.place(NAMES.len());
        match self.chance.below(100) {
            0..24 => (0..3).for_each(|_| self.hear(at)),
            24..38 => self.write_states(at),
            38..44 => self.ask_or_hear_source(at),
            44..54 => self.work_on_a_log(at),
            54..60 => self.announce_epochs(at),
            60..68 => self.command_engine(at),
            68..74 => self.hear_engine(at),
            74..86 => self.fetch_somewhere(at),
            86..90 => self.look_at_sources(at),
            90..94 => self.client_writes(at),
            94..96 => {
                self.now_ms += self.chance.below(1_500);
                self.tell(at, Input::Tick);
            }
            96..98 => self.order_something(),
            _ => self.make_trouble(at),
        }
        self.check();
    }

    fn make_trouble(&mut self, at: usize) {
        match self.chance.below(12) {
            0..2 => {
                let (one, other) = self.chance.pick(&LINKS);
                let pair = (one.min(other), one.max(other));
                if !self.apart.remove(&pair) {
                    self.apart.insert(pair);
                    self.note(|| format!("{} and {} are apart", NAMES[pair.0], NAMES[pair.1]));
                }
            }
            2..4 => self.restart(at),
            4..9 => self.elect(),
            9 => self.open_local_logs(at),
            _ => {
                let id = self.any_partition();
                self.tell(at, Input::Recover(id));
            }
        }
    }

    pub(crate) fn any_partition(&mut self) -> TopicIdPartition {
        let (topic, _) = self.chance.pick(&TOPICS);
        let all: Vec<_> = partitions_of(topic).collect();
        self.chance.pick(&all)
    }

    pub(crate) fn restart(&mut self, at: usize) {
        self.count("restart");
        self.note(|| format!("{} restarts", NAMES[at]));
        self.clusters[at].restart(self.seed);
    }

    /// True when the log is that of a mirror of `source` which is as it was when that began.
    pub(crate) fn follows(&self, at: usize, id: TopicIdPartition, source: usize) -> bool {
        let count = self.overwritten.get(&(source, id)).copied().unwrap_or(0);
        self.based_on.get(&(at, id)) == Some(&Some((source, count)))
    }

    /// The next input of a cluster.
    pub(crate) fn hear(&mut self, at: usize) {
        if let Some(input) = self.clusters[at].memory.inputs.pop_front() {
            self.tell(at, input);
        }
    }

    pub(crate) fn hear_all(&mut self, at: usize) {
        while !self.clusters[at].memory.inputs.is_empty() {
            self.hear(at);
        }
    }

    pub(crate) fn tell(&mut self, at: usize, input: Input) {
        self.note(|| format!("{} hears {}", NAMES[at], shown(&input)));
        let mut actions = Vec::new();
        let memory = &mut self.clusters[at].memory;
        memory.lifecycle.step(self.now_ms, input, &mut actions);
        for action in actions {
            self.note(|| format!("  {} does {}", NAMES[at], shown(&action)));
            self.judge(at, &action);
            self.carry_out(at, action);
        }
    }

    fn carry_out(&mut self, at: usize, action: Action) {
        use super::cluster::Work;
        let cluster = &mut self.clusters[at];
        match action {
            Action::Persist { ticket, write } => cluster.memory.waiting.push((ticket, *write)),
            Action::Align { partition, ticket } => {
                cluster.memory.aligning.insert(partition, ticket);
            }
            Action::CancelAlignment { partition, ticket } => cluster.cancel(partition, ticket),
            Action::AwaitReplicas { partition, ticket, .. } => {
                let input = Input::ReplicasConverged { partition, ticket };
                cluster.memory.inputs.push_back(input);
            }
            Action::CloseForMirroring(id) => cluster.memory.work.push_back((id, Work::Close)),
            Action::MeasureLog { partition, ticket } => {
                cluster.memory.work.push_back((partition, Work::Measure(ticket)));
            }
            Action::SealLog { partition, ticket, leader_epoch } => {
                let epoch = cluster.known_epoch(partition).max(leader_epoch.get());
                cluster.memory.work.push_back((partition, Work::Seal(ticket, epoch)));
            }
            Action::OpenForWriting { partition, ticket, leader_epoch } => {
                let epoch = cluster.known_epoch(partition).max(leader_epoch.get());
                cluster.memory.work.push_back((partition, Work::Open(ticket, epoch)));
            }
            Action::RaiseLeaderEpoch { partition, ticket, above } => {
                let next = above.max(cluster.known_epoch(partition)) + 1;
                cluster.note_epoch(partition, next);
                if let Some((_, awaited)) = cluster.memory.epochs.get_mut(&partition) {
                    *awaited = Some(ticket);
                }
            }
            Action::AddPartition { partition, leader_epoch, .. } => {
                cluster.memory.in_engine.insert(partition);
                cluster.note_epoch(partition, leader_epoch.get());
                cluster.memory.commands.push_back(action);
            }
            Action::RemoveFetcher(partition) => {
                if cluster.memory.in_engine.contains(&partition) {
                    cluster.memory.commands.push_back(action);
                } else {
                    let event = mirror_coordinator::lifecycle::EngineEvent::Removed { end: None };
                    cluster.memory.inputs.push_back(Input::Engine { partition, event });
                }
            }
            Action::SetLeaderEpoch { partition, epoch } => {
                cluster.note_epoch(partition, epoch.get());
                cluster.memory.commands.push_back(action);
            }
            Action::PauseFetcher(_)
            | Action::ResumeFetcher(_)
            | Action::SetSourceLeader { .. }
            | Action::SetUncleanElection { .. } => cluster.memory.commands.push_back(action),
            // Sources are looked at all the time.
            Action::RefreshMetadata(_) => {}
            Action::StateChanged { to, .. } => *self.seen.states.entry(to).or_default() += 1,
        }
    }

    /// Puts leader epochs on disk and tells of them.
    pub(crate) fn announce_epochs(&mut self, at: usize) {
        let cluster = &mut self.clusters[at];
        for (partition, (epoch, ticket)) in std::mem::take(&mut cluster.memory.epochs) {
            let Some(replica) = cluster.replicas.get_mut(&partition) else { continue };
            replica.told = replica.told.max(epoch);
            let Some(ticket) = ticket else { continue };
            let outcome = Ok(leader_epoch(epoch));
            let input = Input::LeaderEpochRaised { partition, ticket, outcome };
            cluster.memory.inputs.push_back(input);
        }
    }
}

/// As short as it can be read.
pub(crate) fn shown(what: &impl std::fmt::Debug) -> String {
    let mut text = format!("{what:?}");
    for (topic, _) in TOPICS {
        for id in partitions_of(topic) {
            let name = format!("{}-{}", topic_of(id), id.partition);
            text = text.replace(&format!("{id:?}"), &name);
        }
    }
    text
}
