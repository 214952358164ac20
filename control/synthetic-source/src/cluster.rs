//! State of the source, shared by its connections: topics, leaders, sessions, faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::ApiKey;
use uuid::Uuid;

use super::batch_cycle::{BatchCycle, Random};
use super::fetch_session::FetchSessions;
use super::spec::{Pace, SyntheticSpec, TopicSpec};
use super::synthetic_log::SyntheticLog;

/// Everything connections share.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) cluster_id: String,
    pub(crate) brokers: Vec<Broker>,
    pub(crate) version_max: Vec<(ApiKey, i16)>,
    pub(crate) pace: Pace,
    state: Mutex<State>,
    /// Signalled whenever the state changes, for waiting fetches.
    pub(crate) changed: Condvar,
}

/// A broker and its listener.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What changes while the source runs.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) topics: Vec<Topic>,
    pub(crate) sessions: BTreeMap<i32, FetchSessions>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) stalled: bool,
    pub(crate) stopping: bool,
    pub(crate) served: Served,
}

/// What the source has answered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Fetch responses.
    pub fetch_responses: u64,
    /// Bytes of Fetch responses, length prefixes included.
    pub fetch_bytes: u64,
    /// Connections accepted.
    pub connections: u64,
}

/// What to do to a Fetch response; each is spent on one response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Flip a bit in the first batch, so that its CRC is wrong; waits for a response with records.
    FlipBit,
    /// Send half of the response and close the connection.
    CutHalf,
    /// Answer with another correlation id.
    WrongCorrelation,
    /// Announce a frame of 2 GiB - 1.
    AbsurdLength,
    /// Close the connection instead of answering.
    Drop,
}

/// A topic and its partitions.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) spec: TopicSpec,
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<Partition>,
    cycle: Arc<BatchCycle>,
}

/// A partition and who leads it.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: SyntheticLog,
    pub(crate) leader: i32,
    /// Error codes the next fetches get instead of an answer.
    pub(crate) refusals: VecDeque<i16>,
}

impl Cluster {
    /// Builds the contents; equal contents of several topics are built once.
    pub(crate) fn new(spec: &SyntheticSpec, brokers: Vec<Broker>) -> Result<Self> {
        let mut cycles = BTreeMap::new();
        let mut topics = Vec::with_capacity(spec.topics.len());
        for topic in &spec.topics {
            ensure!(!topic.content.codecs.is_empty(), "topic {} names no codec", topic.name);
            ensure!(topic.first_offset >= 0, "topic {} starts at a negative offset", topic.name);
            let cycle = match cycles.get(&topic.content) {
                Some(cycle) => Arc::clone(cycle),
                None => Arc::new(BatchCycle::build(&topic.content, spec.seed)?),
            };
            cycles.insert(topic.content.clone(), Arc::clone(&cycle));
            topics.push(Topic::new(topic, cycle, spec.seed, 0)?);
        }
        let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for (partition, broker) in partitions.zip(brokers.iter().cycle()) {
            partition.leader = broker.id;
        }
        let sessions = brokers.iter().map(|broker| (broker.id, FetchSessions::default())).collect();
        Ok(Self {
            cluster_id: spec.cluster_id.clone(),
            brokers,
            version_max: spec.version_max.clone(),
            pace: spec.pace,
            state: Mutex::new(State {
                topics,
                sessions,
                faults: VecDeque::new(),
                stalled: false,
                stopping: false,
                served: Served::default(),
            }),
            changed: Condvar::new(),
        })
    }

    /// The state; a panic of another connection does not spoil it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The listener of `broker`.
    pub(crate) fn broker(&self, id: i32) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.id == id)
    }
}

impl State {
    /// The topic of that name.
    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.spec.name.as_str() == name)
    }

    /// The topic with that id.
    pub(crate) fn topic_with_id(&self, id: Uuid) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.id == id)
    }

    /// The partition, by name.
    pub(crate) fn partition_mut(&mut self, topic: &str, index: i32) -> Option<&mut Partition> {
        let topic = self.topics.iter_mut().find(|each| each.spec.name.as_str() == topic)?;
        topic.partitions.get_mut(usize::try_from(index).ok()?)
    }
}

impl Topic {
    /// Lays out the topic; `generation` counts topics of this name that were deleted before.
    pub(crate) fn new(
        spec: &TopicSpec,
        cycle: Arc<BatchCycle>,
        seed: u64,
        generation: u64,
    ) -> Result<Self> {
        let name_hash =
            spec.name.as_str().bytes().fold(seed, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
            });
        let mut random = Random((name_hash.wrapping_add(generation.wrapping_mul(0x9E37_79B9))) | 1);
        // The first numbers of the generator are close for close seeds.
        for _ in 0..8 {
            random.next();
        }
        let id = Uuid::from_u64_pair(random.next(), random.next());
        let partitions = (0..spec.partition_count)
            .map(|_| {
                let log = SyntheticLog::new(spec, Arc::clone(&cycle), random.next() >> 16)?;
                Ok(Partition { log, leader: -1, refusals: VecDeque::new() })
            })
            .collect::<Result<Vec<_>>>()
            .with_context(|| format!("laying out topic {}", spec.name))?;
        Ok(Self { spec: spec.clone(), id, partitions, cycle })
    }

    /// The same topic, deleted and created again: another id, other contents.
    pub(crate) fn recreated(&self, seed: u64, generation: u64) -> Result<Self> {
        let mut topic = Self::new(&self.spec, Arc::clone(&self.cycle), seed, generation)?;
        for (new, old) in topic.partitions.iter_mut().zip(&self.partitions) {
            new.leader = old.leader;
        }
        Ok(topic)
    }

    /// The partition of that index.
    pub(crate) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}
