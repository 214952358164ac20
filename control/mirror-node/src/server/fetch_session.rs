//! Incremental fetch sessions (KIP-227): what a client asked for before need not be said again,
//! and what has not changed is not told again.
//!
//! A session is found by its id and may be used by whoever knows it, as in Kafka; ids are random, and
//! an epoch keeps two users apart. When there is no room, clients are served without a session; so is who asks for
//! what cannot be a topic, since that may be of any size.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_wire::partition::{TopicId, TopicName};

use crate::random_id::random_id;
use crate::server::limits::ServerLimits;

/// A topic as a request names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AskedTopic {
    /// Up to version 12.
    Name(TopicName),
    /// Up to version 12: what cannot be a topic's name, and may be as long as the request; all
    /// partitions share the one copy.
    BadName(Arc<str>),
    /// From version 13 on.
    Id(TopicId),
    /// From version 13 on: the id that no topic has.
    NoId,
}

impl AskedTopic {
    /// False for what names no topic, now or later.
    const fn can_exist(&self) -> bool {
        matches!(self, Self::Name(_) | Self::Id(_))
    }
}

/// What is to be fetched of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskedPartition {
    pub(crate) topic: AskedTopic,
    pub(crate) index: i32,
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
}

/// Where a partition stood when the client was last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: i64,
    pub(crate) log_start: i64,
}

/// What one request comes to.
#[derive(Debug)]
pub(crate) struct FetchPlan {
    /// Session of the answer; 0 for none.
    pub(crate) session_id: i32,
    /// True when partitions without news are left out of the answer.
    pub(crate) is_incremental: bool,
    /// All partitions to look at, and what the client knows of each.
    pub(crate) partitions: Vec<(AskedPartition, Option<Told>)>,
}

/// All sessions of a node.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    sessions: HashMap<i32, Session>,
    sessions_max: usize,
    partitions_max: usize,
    /// Partitions of all sessions together.
    partition_count: usize,
}

#[derive(Debug)]
struct Session {
    next_epoch: i32,
    uses_ids: bool,
    used_at: Instant,
    /// In the order they are served.
    partitions: Vec<(AskedPartition, Option<Told>)>,
    places: HashMap<(AskedTopic, i32), usize>,
}

impl FetchSessions {
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        Self {
            sessions: HashMap::new(),
            sessions_max: limits.fetch_sessions_max,
            partitions_max: limits.fetch_session_partitions_max,
            partition_count: 0,
        }
    }

    /// How many partitions a request is about, those its session has told of before included.
    pub(crate) fn partitions_asked(&self, asked: &FetchRequest) -> usize {
        let named: usize = asked.topics.iter().map(|topic| topic.partitions.len()).sum();
        let session = self.sessions.get(&asked.session_id);
        let goes_on = session.filter(|_| asked.session_epoch > FIRST_EPOCH);
        named + goes_on.map_or(0, |session| session.partitions.len())
    }

    /// Finds out what a request wants.
    ///
    /// # Errors
    /// The error that makes the client start over.
    pub(crate) fn begin(
        &mut self,
        asked: &FetchRequest,
        version: i16,
        now: Instant,
    ) -> Result<FetchPlan, ResponseError> {
        if version < SESSIONS_SINCE {
            return Ok(without_session(asked, version));
        }
        match (asked.session_id, asked.session_epoch) {
            (_, NO_EPOCH) => {
                self.end(asked.session_id);
                Ok(without_session(asked, version))
            }
            (_, FIRST_EPOCH) => {
                self.end(asked.session_id);
                Ok(self.open(asked, version, now))
            }
            (id, epoch) => {
                let session = self.sessions.get_mut(&id);
                let session = session.ok_or(ResponseError::FetchSessionIdNotFound)?;
                session.advance(epoch, version, now)?;
                Ok(self.go_on(id, asked, version))
            }
        }
    }

    /// Notes what a session's client is told of partitions, and serves those with records last the
    /// next time, so that each gets its turn.
    pub(crate) fn note_told<'a>(
        &mut self,
        id: i32,
        told: impl Iterator<Item = (&'a AskedTopic, i32, Told, bool)>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let mut served = Vec::new();
        for (topic, index, what, has_records) in told {
            let Some(place) = session.places.get(&(topic.clone(), index)) else { continue };
            session.partitions[*place].1 = Some(what);
            if has_records {
                served.push(*place);
            }
        }
        session.serve_last(&served);
    }

    fn open(&mut self, asked: &FetchRequest, version: i16, now: Instant) -> FetchPlan {
        let mut plan = without_session(asked, version);
        let count = plan.partitions.len();
        let fits = plan.partitions.iter().all(|(asked, _)| asked.topic.can_exist());
        if count == 0 || !fits || !self.make_room(count, now) {
            return plan;
        }
        let Some(id) = self.new_id() else { return plan };
        let mut session = Session {
            next_epoch: FIRST_EPOCH + 1,
            uses_ids: version >= IDS_SINCE,
            used_at: now,
            partitions: Vec::new(),
            places: HashMap::new(),
        };
        for (partition, _) in &plan.partitions {
            session.put(partition.clone());
        }
        self.partition_count += session.partitions.len();
        self.sessions.insert(id, session);
        plan.session_id = id;
        plan
    }

    fn go_on(&mut self, id: i32, asked: &FetchRequest, version: i16) -> FetchPlan {
        let session = self.sessions.get_mut(&id).expect("looked up by the caller");
        let before = session.partitions.len();
        session.forget(asked, version);
        let mut outside = Vec::new();
        for partition in asked_partitions(asked, version) {
            if partition.topic.can_exist() {
                session.put(partition);
            } else {
                outside.push((partition, None));
            }
        }
        self.partition_count = self.partition_count - before + session.partitions.len();
        let (is_incremental, mut partitions) = (true, session.partitions.clone());
        if self.partition_count > self.partitions_max || !outside.is_empty() {
            // All sessions together hold too much now, or this one would have to hold what it must
            // not: served this once, then started over.
            self.end(id);
        }
        partitions.extend(outside);
        FetchPlan { session_id: id, is_incremental, partitions }
    }

    fn end(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partition_count -= session.partitions.len();
        }
    }

    /// Makes room for a session of so many partitions by ending those that were silent for long;
    /// false when there is none.
    fn make_room(&mut self, count: usize, now: Instant) -> bool {
        if count > self.partitions_max {
            return false;
        }
        while self.sessions.len() >= self.sessions_max
            || self.partition_count + count > self.partitions_max
        {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used_at);
            let silent = oldest.filter(|(_, session)| now - session.used_at >= SILENT_MIN);
            let Some(id) = silent.map(|(id, _)| *id) else { return false };
            self.end(id);
        }
        true
    }

    /// An id that nobody can guess, nor remember from before the node was started; `None` when the
    /// system has none.
    fn new_id(&self) -> Option<i32> {
        loop {
            let bytes = random_id().ok()?.bytes();
            let id = bytes.last_chunk().map(|last| i32::from_be_bytes(*last) & i32::MAX)?;
            if id != NO_SESSION && !self.sessions.contains_key(&id) {
                return Some(id);
            }
        }
    }
}

impl Session {
    /// Takes the epoch of a request, which must be the one expected.
    fn advance(&mut self, epoch: i32, version: i16, now: Instant) -> Result<(), ResponseError> {
        if self.uses_ids != (version >= IDS_SINCE) {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        if self.next_epoch != epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        self.next_epoch = if epoch == i32::MAX { FIRST_EPOCH + 1 } else { epoch + 1 };
        self.used_at = now;
        Ok(())
    }

    /// Adds a partition, or changes what is asked of it.
    fn put(&mut self, partition: AskedPartition) {
        let key = (partition.topic.clone(), partition.index);
        match self.places.get(&key) {
            Some(place) => self.partitions[*place].0 = partition,
            None => {
                self.places.insert(key, self.partitions.len());
                self.partitions.push((partition, None));
            }
        }
    }

    fn forget(&mut self, asked: &FetchRequest, version: i16) {
        let mut gone = Vec::new();
        for topic in &asked.forgotten_topics_data {
            let named = asked_topic(&topic.topic, topic.topic_id.into_bytes(), version);
            if !named.can_exist() {
                continue;
            }
            let places = topic
                .partitions
                .iter()
                .filter_map(|index| self.places.get(&(named.clone(), *index)).copied());
            gone.extend(places);
        }
        if gone.is_empty() {
            return;
        }
        gone.sort_unstable();
        let mut place = 0;
        self.partitions.retain(|_| {
            place += 1;
            gone.binary_search(&(place - 1)).is_err()
        });
        self.place_anew();
    }

    fn serve_last(&mut self, served: &[usize]) {
        if served.is_empty() || served.len() == self.partitions.len() {
            return;
        }
        let mut is_served = vec![false; self.partitions.len()];
        for place in served {
            is_served[*place] = true;
        }
        let mut flags = is_served.into_iter();
        let held = std::mem::take(&mut self.partitions).into_iter();
        let (last, first): (Vec<_>, Vec<_>) = held.partition(|_| flags.next().unwrap_or(false));
        self.partitions = first;
        self.partitions.extend(last);
        self.place_anew();
    }

    fn place_anew(&mut self) {
        let placed = self.partitions.iter().enumerate();
        self.places =
            placed.map(|(at, (held, _))| ((held.topic.clone(), held.index), at)).collect();
    }
}

fn without_session(asked: &FetchRequest, version: i16) -> FetchPlan {
    let partitions = asked_partitions(asked, version).map(|partition| (partition, None)).collect();
    FetchPlan { session_id: NO_SESSION, is_incremental: false, partitions }
}

fn asked_partitions(
    asked: &FetchRequest,
    version: i16,
) -> impl Iterator<Item = AskedPartition> + '_ {
    asked.topics.iter().flat_map(move |topic| {
        let named = asked_topic(&topic.topic, topic.topic_id.into_bytes(), version);
        let asked = move |partition: &FetchPartition| AskedPartition {
            topic: named.clone(),
            index: partition.partition,
            offset: partition.fetch_offset,
            bytes_max: partition.partition_max_bytes,
            current_leader_epoch: partition.current_leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
        };
        topic.partitions.iter().map(asked)
    })
}

fn asked_topic(name: &str, id: [u8; 16], version: i16) -> AskedTopic {
    if version >= IDS_SINCE {
        return TopicId::from_wire(id).map_or(AskedTopic::NoId, AskedTopic::Id);
    }
    match TopicName::parse(name) {
        Some(name) => AskedTopic::Name(name),
        None => AskedTopic::BadName(name.into()),
    }
}

/// A session silent for less is not ended for another
/// (`min.incremental.fetch.session.eviction.ms`):
/// a flood of new sessions does not harm those in use.
const SILENT_MIN: Duration = Duration::from_secs(120);
const NO_SESSION: i32 = 0;
const NO_EPOCH: i32 = -1;
const FIRST_EPOCH: i32 = 0;
const SESSIONS_SINCE: i16 = 7;
/// Version from which topics are named by id.
pub(crate) const IDS_SINCE: i16 = 13;

#[cfg(test)]
mod tests;
