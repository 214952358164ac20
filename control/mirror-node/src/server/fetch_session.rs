//! Incremental fetch sessions (KIP-227): what a client asked for before need not be said again,
//! and what has not changed is not told again.
//!
//! A session is found by its id and may be used by whoever knows it, as in Kafka; ids are random,
//! and an epoch keeps two users apart. When there is no room, clients are served without a session;
//! so is who asks for what cannot be a topic, since that may be of any size.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
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
    BadName(BadTopicName),
    /// From version 13 on.
    Id(TopicId),
    /// From version 13 on: the id that no topic has.
    NoId,
}

/// What cannot be a topic's name. Only copies of one are equal: comparing their text for each of
/// many partitions would take as long as the text is.
#[derive(Clone, Debug)]
pub(crate) struct BadTopicName(Arc<str>);

impl BadTopicName {
    /// As the client wrote it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for BadTopicName {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for BadTopicName {}

impl Hash for BadTopicName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<u8>().hash(state);
    }
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

/// A fetch whose request was read: what must be kept of it until there is room for its plan.
#[derive(Debug)]
pub(crate) struct BegunFetch {
    session_id: i32,
    is_incremental: bool,
    /// Those that no session holds.
    partitions: Vec<(AskedPartition, Option<Told>)>,
    /// The session that holds the others.
    held: Option<HeldPartitions>,
}

#[derive(Debug)]
struct HeldPartitions {
    count: usize,
    /// Epoch that the session's next request will have.
    next_epoch: i32,
}

impl BegunFetch {
    /// How many partitions it is about, those its session holds included.
    pub(crate) fn partition_count(&self) -> usize {
        self.partitions.len() + self.held.as_ref().map_or(0, |held| held.count)
    }
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

    /// Reads a request, after which it is not needed any more. Takes no memory for what the session
    /// holds: a request of a few bytes may be about any number of partitions.
    ///
    /// # Errors
    /// The error that makes the client start over.
    pub(crate) fn begin(
        &mut self,
        asked: &FetchRequest,
        version: i16,
        now: Instant,
    ) -> Result<BegunFetch, ResponseError> {
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

    /// Finds out what a request wants.
    ///
    /// # Errors
    /// The error that makes the client start over, when the session was used or ended meanwhile.
    pub(crate) fn plan(&self, begun: BegunFetch) -> Result<FetchPlan, ResponseError> {
        let BegunFetch { session_id, is_incremental, mut partitions, held } = begun;
        if let Some(held) = held {
            let session = self.sessions.get(&session_id);
            let session = session.ok_or(ResponseError::FetchSessionIdNotFound)?;
            if session.next_epoch != held.next_epoch {
                return Err(ResponseError::InvalidFetchSessionEpoch);
            }
            partitions.extend_from_slice(&session.partitions);
        }
        Ok(FetchPlan { session_id, is_incremental, partitions })
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

    fn open(&mut self, asked: &FetchRequest, version: i16, now: Instant) -> BegunFetch {
        let mut begun = without_session(asked, version);
        let count = begun.partitions.len();
        let fits = begun.partitions.iter().all(|(asked, _)| asked.topic.can_exist());
        if count == 0 || !fits || !self.make_room(count, now) {
            return begun;
        }
        let Some(id) = self.new_id() else { return begun };
        let mut session = Session {
            next_epoch: FIRST_EPOCH + 1,
            uses_ids: version >= IDS_SINCE,
            used_at: now,
            partitions: Vec::new(),
            places: HashMap::new(),
        };
        for (partition, _) in &begun.partitions {
            session.put(partition.clone());
        }
        self.partition_count += session.partitions.len();
        self.sessions.insert(id, session);
        begun.session_id = id;
        begun
    }

    fn go_on(&mut self, id: i32, asked: &FetchRequest, version: i16) -> BegunFetch {
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
        let held =
            HeldPartitions { count: session.partitions.len(), next_epoch: session.next_epoch };
        self.partition_count = self.partition_count - before + held.count;
        let begun = BegunFetch {
            session_id: id,
            is_incremental: true,
            partitions: outside,
            held: Some(held),
        };
        if self.partition_count > self.partitions_max || !begun.partitions.is_empty() {
            // All sessions together hold too much now, or this one would have to hold what it must
            // not: served this once, then started over.
            return self.go_on_without(begun);
        }
        begun
    }

    fn go_on_without(&mut self, mut begun: BegunFetch) -> BegunFetch {
        let ended = self.end(begun.session_id);
        begun.partitions.extend(ended.into_iter().flat_map(|session| session.partitions));
        begun.held = None;
        begun
    }

    fn end(&mut self, id: i32) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        self.partition_count -= session.partitions.len();
        Some(session)
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

fn without_session(asked: &FetchRequest, version: i16) -> BegunFetch {
    let partitions = asked_partitions(asked, version).map(|partition| (partition, None)).collect();
    BegunFetch { session_id: NO_SESSION, is_incremental: false, partitions, held: None }
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
        None => AskedTopic::BadName(BadTopicName(name.into())),
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
