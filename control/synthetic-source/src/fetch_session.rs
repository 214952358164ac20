//! Incremental fetch sessions (KIP-227), kept per broker as Kafka's `FetchSessionCache` does.

use std::collections::BTreeMap;

use kafka_protocol::messages::FetchRequest;
use uuid::Uuid;

/// The sessions of one broker.
#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    sessions: BTreeMap<i32, FetchSession>,
    last_id: i32,
}

/// What a session remembers.
#[derive(Debug)]
pub(crate) struct FetchSession {
    pub(crate) id: i32,
    /// Epoch the next request must carry.
    next_epoch: i32,
    pub(crate) uses_topic_ids: bool,
    pub(crate) partitions: Vec<FetchedPartition>,
    /// True while the response must name every partition.
    pub(crate) is_full: bool,
}

/// One partition a fetch asks for.
#[derive(Clone, Debug)]
pub(crate) struct FetchedPartition {
    pub(crate) topic: FetchedTopic,
    pub(crate) index: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) fetch_offset: i64,
    pub(crate) last_fetched_epoch: i32,
    pub(crate) bytes_max: i32,
    /// High watermark and log start last told to the client.
    pub(crate) told: Option<(i64, i64)>,
}

/// How a request names a topic: by name up to version 12, by id from 13 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchedTopic {
    Name(String),
    Id(Uuid),
}

/// Why a session cannot be used; error codes of the whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionRefusal {
    IdNotFound,
    InvalidEpoch,
    TopicIdMismatch,
}

impl SessionRefusal {
    /// Kafka's error code.
    pub(crate) fn code(self) -> i16 {
        match self {
            Self::IdNotFound => 70,
            Self::InvalidEpoch => 71,
            Self::TopicIdMismatch => 106,
        }
    }
}

impl FetchSessions {
    /// Takes the session the request belongs to, brought up to date; give it back with `put`.
    ///
    /// A session without id (0) is not kept: the request was a full one outside any session.
    pub(crate) fn take(
        &mut self,
        request: &FetchRequest,
        version: i16,
    ) -> Result<FetchSession, SessionRefusal> {
        if request.session_epoch <= 0 {
            self.sessions.remove(&request.session_id);
            let id = if request.session_epoch == 0 && version >= 7 { self.new_id() } else { 0 };
            return Ok(FetchSession {
                id,
                next_epoch: 1,
                uses_topic_ids: version >= 13,
                partitions: requested(request, version),
                is_full: true,
            });
        }
        let known = self.sessions.get(&request.session_id).ok_or(SessionRefusal::IdNotFound)?;
        if known.next_epoch != request.session_epoch {
            return Err(SessionRefusal::InvalidEpoch);
        }
        if known.uses_topic_ids != (version >= 13) {
            return Err(SessionRefusal::TopicIdMismatch);
        }
        let mut session =
            self.sessions.remove(&request.session_id).ok_or(SessionRefusal::IdNotFound)?;
        session.next_epoch = request.session_epoch.checked_add(1).unwrap_or(1);
        session.is_full = false;
        session.update(request, version);
        Ok(session)
    }

    /// Keeps the session for the next request.
    pub(crate) fn put(&mut self, session: FetchSession) {
        if session.id == 0 {
            return;
        }
        if self.sessions.len() >= SESSIONS_MAX {
            self.sessions.pop_first();
        }
        self.sessions.insert(session.id, session);
    }

    /// Forgets every session, as a restarted broker does.
    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
    }

    fn new_id(&mut self) -> i32 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }
}

impl FetchSession {
    fn update(&mut self, request: &FetchRequest, version: i16) {
        for topic in &request.forgotten_topics_data {
            let name = if version >= 13 {
                FetchedTopic::Id(topic.topic_id)
            } else {
                FetchedTopic::Name(topic.topic.to_string())
            };
            self.partitions
                .retain(|each| each.topic != name || !topic.partitions.contains(&each.index));
        }
        for new in requested(request, version) {
            let known = self
                .partitions
                .iter_mut()
                .find(|each| each.index == new.index && each.topic == new.topic);
            match known {
                Some(known) => *known = FetchedPartition { told: known.told, ..new },
                None => self.partitions.push(new),
            }
        }
    }
}

fn requested(request: &FetchRequest, version: i16) -> Vec<FetchedPartition> {
    let mut partitions = Vec::new();
    for topic in &request.topics {
        let name = if version >= 13 {
            FetchedTopic::Id(topic.topic_id)
        } else {
            FetchedTopic::Name(topic.topic.to_string())
        };
        partitions.extend(topic.partitions.iter().map(|partition| FetchedPartition {
            topic: name.clone(),
            index: partition.partition,
            current_leader_epoch: partition.current_leader_epoch,
            fetch_offset: partition.fetch_offset,
            last_fetched_epoch: partition.last_fetched_epoch,
            bytes_max: partition.partition_max_bytes,
            told: None,
        }));
    }
    partitions
}

/// Sessions a broker keeps (`max.incremental.fetch.session.cache.slots`).
const SESSIONS_MAX: usize = 1000;
