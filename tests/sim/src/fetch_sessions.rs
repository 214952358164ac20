//! Incremental fetch sessions of one broker (KIP-227), evicted whenever the seed likes.

use std::collections::BTreeMap;

use kafka_protocol::messages::FetchRequest;

/// The sessions of one broker.
#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    kept: BTreeMap<i32, FetchSession>,
    last_id: i32,
}

/// What a session remembers.
#[derive(Clone, Debug)]
pub(crate) struct FetchSession {
    pub(crate) id: i32,
    next_epoch: i32,
    pub(crate) by_id: bool,
    pub(crate) partitions: Vec<FetchedPartition>,
    /// The response must name every partition.
    pub(crate) full: bool,
}

/// One partition of a session.
#[derive(Clone, Debug)]
pub(crate) struct FetchedPartition {
    pub(crate) topic: FetchedTopic,
    pub(crate) index: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) offset: i64,
    pub(crate) last_epoch: i32,
    pub(crate) bytes_max: usize,
    /// High watermark and log start last told.
    pub(crate) told: Option<(i64, i64)>,
}

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchedTopic {
    Name(String),
    Id([u8; 16]),
}

impl FetchSessions {
    /// The session of a request, brought up to date; or the error of the whole response.
    pub(crate) fn take(
        &mut self,
        request: &FetchRequest,
        version: i16,
        keeps: bool,
    ) -> Result<FetchSession, i16> {
        let by_id = version >= 13;
        if request.session_epoch <= 0 || version < 7 {
            self.kept.remove(&request.session_id);
            let opens = request.session_epoch == 0 && version >= 7 && keeps;
            if opens {
                self.last_id += 1;
            }
            let id = if opens { self.last_id } else { 0 };
            let partitions = asked(request, by_id);
            return Ok(FetchSession { id, next_epoch: 1, by_id, partitions, full: true });
        }
        let known = self.kept.get(&request.session_id).ok_or(SESSION_ID_NOT_FOUND)?;
        if known.next_epoch != request.session_epoch {
            return Err(INVALID_SESSION_EPOCH);
        }
        if known.by_id != by_id {
            return Err(SESSION_TOPIC_ID_ERROR);
        }
        let mut session = self.kept.remove(&request.session_id).expect("just looked at");
        session.next_epoch = request.session_epoch.checked_add(1).unwrap_or(1);
        session.full = false;
        session.update(request);
        Ok(session)
    }

    /// Keeps the session for the next request.
    pub(crate) fn put(&mut self, session: FetchSession) {
        if session.id != 0 {
            self.kept.insert(session.id, session);
        }
    }

    /// Forgets every session.
    pub(crate) fn evict(&mut self) {
        self.kept.clear();
    }
}

impl FetchSession {
    /// As `FetchSession.update`: what is both asked for and forgotten is forgotten.
    fn update(&mut self, request: &FetchRequest) {
        for new in asked(request, self.by_id) {
            let same =
                |held: &&mut FetchedPartition| held.index == new.index && held.topic == new.topic;
            match self.partitions.iter_mut().find(same) {
                Some(held) => *held = FetchedPartition { told: held.told, ..new },
                None => self.partitions.push(new),
            }
        }
        for topic in &request.forgotten_topics_data {
            let name = topic_of(self.by_id, &topic.topic, topic.topic_id);
            self.partitions
                .retain(|held| held.topic != name || !topic.partitions.contains(&held.index));
        }
    }
}

fn topic_of(
    by_id: bool,
    name: &kafka_protocol::messages::TopicName,
    id: uuid::Uuid,
) -> FetchedTopic {
    if by_id { FetchedTopic::Id(*id.as_bytes()) } else { FetchedTopic::Name(name.to_string()) }
}

fn asked(request: &FetchRequest, by_id: bool) -> Vec<FetchedPartition> {
    let topics = request.topics.iter().flat_map(|topic| {
        let name = topic_of(by_id, &topic.topic, topic.topic_id);
        topic.partitions.iter().map(move |partition| FetchedPartition {
            topic: name.clone(),
            index: partition.partition,
            leader_epoch: partition.current_leader_epoch,
            offset: partition.fetch_offset,
            last_epoch: partition.last_fetched_epoch,
            bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
            told: None,
        })
    });
    topics.collect()
}

const SESSION_ID_NOT_FOUND: i16 = 70;
const INVALID_SESSION_EPOCH: i16 = 71;
const SESSION_TOPIC_ID_ERROR: i16 = 106;
