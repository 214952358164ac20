//! What a fetch finds, partition by partition.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::fetch_event::{CurrentLeader, DivergingEpoch};
use kafka_wire::fetch_response::{AbortedTransaction, AnsweredPartition};
use kafka_wire::offset::Offset;
use mirror_coordinator::acl::AclResource;
use tokio::task::JoinError;

use crate::catalog::{Partition, Topic};
use crate::log_reader::{FileRange, epoch_end_offset};
use crate::log_view::LogState;
use crate::node::Node;
use crate::server::answer::FoundRecords;
use crate::server::authorization::Gate;
use crate::server::fetch_look::placing::Placing;
use crate::server::fetch_session::{AskedPartition, AskedTopic, FetchPlan, Told};
use crate::server::request::RequestHead;

mod placing;

/// What a request wants of all its partitions.
#[derive(Clone, Debug)]
pub(super) struct FetchWish {
    /// What the client may read.
    gate: Gate,
    /// Only what is below the last stable offset, and which of it was aborted.
    reads_committed: bool,
    /// Bytes of records in the whole answer, but for a first batch that is larger.
    bytes_max: u32,
    /// Bytes of records that are waited for.
    pub(super) bytes_min: u64,
    /// For how long.
    pub(super) wait: Duration,
    /// A replica of another broker asks: there are none.
    is_replica: bool,
}

/// What was found of one partition.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) asked: AskedPartition,
    /// What the client was told of it last.
    known: Option<Told>,
    /// The partition and where its log stands; `None` when there is none of it.
    pub(super) partition: Option<Arc<Partition>>,
    state: Option<Arc<LogState>>,
    error: Option<ResponseError>,
    diverging_epoch: Option<DivergingEpoch>,
    aborted: Option<Vec<AbortedTransaction>>,
    /// Where they are, and whether that is the segment being written.
    records: Option<(FileRange, bool)>,
    pub(super) records_bytes: u32,
    /// What may be read reaches into a segment behind these records, so that no more can join them.
    is_full: bool,
    us: i32,
}

/// A topic, when there is one; the error of a client that may not read it.
type Readable = Result<Option<Arc<Topic>>, ResponseError>;

impl FetchWish {
    pub(super) fn new(node: &Node, gate: &Gate, head: &RequestHead, asked: &FetchRequest) -> Self {
        let bytes_max = u32::try_from(asked.max_bytes).unwrap_or(0);
        let bytes_max = bytes_max.min(node.limits.fetch_bytes_max);
        let replica = if head.api_version >= REPLICA_STATE_SINCE {
            asked.replica_state.replica_id.0
        } else {
            asked.replica_id.0
        };
        Self {
            gate: gate.clone(),
            reads_committed: asked.isolation_level == READ_COMMITTED,
            bytes_max,
            // More will never be there.
            bytes_min: u64::from(bytes_max).min(u64::try_from(asked.min_bytes).unwrap_or(0)),
            wait: Duration::from_millis(u64::try_from(asked.max_wait_ms).unwrap_or(0)),
            is_replica: replica >= 0,
        }
    }
}

/// Looks at every partition of the plan, and finds the records in their files.
///
/// # Errors
/// When the thread that looks into the files is lost.
pub(super) async fn look(
    node: &Arc<Node>,
    plan: &FetchPlan,
    wish: &FetchWish,
) -> Result<Vec<Found>, JoinError> {
    let mut topic: Option<(AskedTopic, Readable)> = None;
    let mut found = Vec::with_capacity(plan.partitions.len());
    let mut has_records = false;
    for (asked, known) in &plan.partitions {
        if topic.as_ref().is_none_or(|(key, _)| *key != asked.topic) {
            topic = Some((asked.topic.clone(), may_read(node, wish, &asked.topic)));
        }
        let topic = topic.as_ref().map_or(&Ok(None), |(_, topic)| topic);
        let one = check(node, topic, asked, *known, wish);
        has_records |= one.readable(wish).is_some();
        found.push(one);
    }
    if !has_records {
        return Ok(found);
    }
    let mut placing = Placing::new(wish);
    if placing.go_on(node, &mut found, Found::place_from_memory) {
        return Ok(found);
    }
    let node = Arc::clone(node);
    let placed = tokio::task::spawn_blocking(move || {
        placing.go_on(&node, &mut found, Found::place_from_files);
        found
    });
    placed.await
}

/// The topic, unless the client may not read it: nothing else is told of it then.
fn may_read(node: &Node, wish: &FetchWish, asked: &AskedTopic) -> Readable {
    let topic = find_topic(node, asked);
    let may = |name: &str| {
        if wish.is_replica {
            wish.gate.may_on_cluster()
        } else {
            wish.gate.may(AclResource::Topic, name)
        }
    };
    let is_allowed = match (&topic, asked) {
        (Some(topic), _) => may(topic.name.as_str()),
        (None, AskedTopic::Name(name)) => may(name.as_str()),
        (None, AskedTopic::BadName(name)) => may(name.as_str()),
        // An id that no topic has is no secret.
        (None, AskedTopic::Id(_) | AskedTopic::NoId) => true,
    };
    if is_allowed { Ok(topic) } else { Err(ResponseError::TopicAuthorizationFailed) }
}

fn find_topic(node: &Node, asked: &AskedTopic) -> Option<Arc<Topic>> {
    match asked {
        AskedTopic::Name(name) => node.catalog.topic(name),
        AskedTopic::Id(id) => node.catalog.topic_of(*id),
        AskedTopic::BadName(_) | AskedTopic::NoId => None,
    }
}

/// What can be said without looking into a file.
fn check(
    node: &Node,
    topic: &Readable,
    asked: &AskedPartition,
    known: Option<Told>,
    wish: &FetchWish,
) -> Found {
    let existing = topic.as_ref().ok().and_then(Option::as_deref);
    let partition = existing.and_then(|topic| topic.partition(asked.index)).cloned();
    let state = partition.as_ref().and_then(|partition| partition.view.state());
    let mut found = Found {
        asked: asked.clone(),
        known,
        partition,
        state,
        error: topic.as_ref().err().cloned(),
        diverging_epoch: None,
        aborted: None,
        records: None,
        records_bytes: 0,
        is_full: false,
        us: node.identity.node_id.get(),
    };
    if found.error.is_some() {
        return found;
    }
    match found.refusal(wish).and_then(|()| found.divergence()) {
        // Only now: a log that left ours may be longer than ours, and is to learn where it did.
        Ok(None) if !found.is_in_range() => found.error = Some(ResponseError::OffsetOutOfRange),
        Ok(diverging_epoch) => {
            found.diverging_epoch = diverging_epoch;
            found.aborted = wish.reads_committed.then(Vec::new);
        }
        Err(error) => found.error = Some(error),
    }
    found
}

impl Found {
    fn refusal(&self, wish: &FetchWish) -> Result<(), ResponseError> {
        if self.partition.is_none() {
            return Err(match self.asked.topic {
                AskedTopic::Id(_) | AskedTopic::NoId => ResponseError::UnknownTopicId,
                AskedTopic::Name(_) | AskedTopic::BadName(_) => {
                    ResponseError::UnknownTopicOrPartition
                }
            });
        }
        let state = self.state.as_ref().ok_or(ResponseError::NotLeaderOrFollower)?;
        if wish.is_replica {
            return Err(ResponseError::UnknownLeaderEpoch);
        }
        check_leader_epoch(state, self.asked.current_leader_epoch)
    }

    fn is_in_range(&self) -> bool {
        let (state, offset) = (self.state.as_ref(), Offset::from_wire(self.asked.offset));
        state.zip(offset).is_some_and(|(state, offset)| {
            offset >= state.log_start.offset() && offset <= state.log_end.offset()
        })
    }

    /// Where the client's log leaves ours, when it says how far it believes to know it (KIP-595).
    ///
    /// # Errors
    /// When it knows an epoch that we do not (`Partition.fetchRecords`).
    fn divergence(&self) -> Result<Option<DivergingEpoch>, ResponseError> {
        let epoch = SourceLeaderEpoch::from_wire(self.asked.last_fetched_epoch);
        let (Some(state), Some(epoch)) = (&self.state, epoch) else { return Ok(None) };
        let end = epoch_end_offset(state, epoch).ok_or(ResponseError::OffsetOutOfRange)?;
        let differs = end.epoch < epoch || end.end.get() < self.asked.offset;
        let (epoch, end_offset) = (end.epoch.get(), end.end.get());
        Ok(differs.then_some(DivergingEpoch { epoch, end_offset }))
    }

    /// First offset to read and the end of what may be read, when there is something.
    fn readable(&self, wish: &FetchWish) -> Option<(Offset, Offset)> {
        let state = self.state.as_ref()?;
        if self.error.is_some() || self.diverging_epoch.is_some() {
            return None;
        }
        let upper = readable_end(state, wish.reads_committed);
        let from = Offset::from_wire(self.asked.offset)?;
        if let Some(partition) = &self.partition
            && from == state.log_end.offset()
        {
            partition.view.expect_reader(state);
        }
        (from < upper).then_some((from, upper))
    }

    /// True when waiting brings the client nothing, as far as this partition goes
    /// (`DelayedFetch.tryComplete`).
    pub(super) fn cannot_wait(&self) -> bool {
        self.error.is_some() || self.diverging_epoch.is_some() || self.is_full
    }

    /// True while the log stands where it stood when it was looked at.
    pub(super) fn is_current(&self) -> bool {
        let now = self.partition.as_ref().and_then(|partition| partition.view.state());
        match (&now, &self.state) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            (None, None) => true,
            _ => false,
        }
    }

    /// True when the client does not know all of this.
    pub(super) fn is_news(&self) -> bool {
        self.cannot_wait() || self.records_bytes > 0 || self.known != Some(self.told_now())
    }

    fn told_now(&self) -> Told {
        let state = self.state.as_ref().filter(|_| self.error.is_none());
        Told {
            high_watermark: state.map_or(UNKNOWN, |state| state.high_watermark.offset().get()),
            log_start: state.map_or(UNKNOWN, |state| state.log_start.offset().get()),
        }
    }

    /// What the session is to remember: of which partition, what, and whether there were records.
    pub(super) fn told(&self) -> (&AskedTopic, i32, Told, bool) {
        (&self.asked.topic, self.asked.index, self.told_now(), self.records_bytes > 0)
    }

    /// The records, as they are sent.
    pub(super) fn found_records(&self) -> Option<FoundRecords> {
        let (range, is_tail) = self.records.clone()?;
        let (partition, state) = (self.partition.as_ref()?, self.state.as_ref()?);
        let (partition, cut_count) = (Arc::clone(partition), state.cut_count);
        Some(FoundRecords { range, is_tail, partition, cut_count })
    }

    pub(super) fn answered(&self) -> AnsweredPartition<'_> {
        let now = self.told_now();
        let state = self.state.as_ref().filter(|_| self.error.is_none());
        let fenced = self.error == Some(ResponseError::FencedLeaderEpoch);
        let epoch = self.state.as_ref().filter(|_| fenced).map(|state| state.leader_epoch);
        AnsweredPartition {
            partition_index: self.asked.index,
            error_code: self.error.as_ref().map_or(0, ResponseError::code),
            high_watermark: now.high_watermark,
            last_stable_offset: state
                .map_or(UNKNOWN, |state| state.last_stable_offset.offset().get()),
            log_start_offset: now.log_start,
            diverging_epoch: self.diverging_epoch,
            current_leader: epoch
                .map(|epoch| CurrentLeader { leader_id: self.us, leader_epoch: epoch.get() }),
            aborted_transactions: self.aborted.as_deref(),
            preferred_read_replica: NO_REPLICA,
            records_bytes: self.records_bytes,
        }
    }
}

/// Compares the epoch a client believes in with ours (KIP-320); -1 is not compared.
///
/// # Errors
/// The error that makes the client ask for metadata.
pub(super) fn check_leader_epoch(state: &LogState, current: i32) -> Result<(), ResponseError> {
    match LeaderEpoch::from_wire(current) {
        Some(current) if current < state.leader_epoch => Err(ResponseError::FencedLeaderEpoch),
        Some(current) if current > state.leader_epoch => Err(ResponseError::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// Where reading ends for a consumer of that isolation level.
pub(super) fn readable_end(state: &LogState, reads_committed: bool) -> Offset {
    if reads_committed {
        state.last_stable_offset.offset().min(state.high_watermark.offset())
    } else {
        state.high_watermark.offset()
    }
}

/// Version from which a replica names itself in a tagged field.
const REPLICA_STATE_SINCE: i16 = 15;
const READ_COMMITTED: i8 = 1;
const UNKNOWN: i64 = -1;
const NO_REPLICA: i32 = -1;
