//! Incremental fetch sessions (KIP-227): who belongs to one, what changed, the next request.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! A lane is one fetch session on one connection. A request carries only partitions whose position
//! changed; what does not fit waits for the next one. The next request is sent when the answer is
//! read, or a little earlier: once the header of the answer's last batch has arrived, the next
//! offset is known, and the broker can work while the rest is on its way. Should that batch turn
//! out damaged, the answer to the early request is not what we want by then and is thrown away.

use std::collections::{BTreeMap, VecDeque};

use kafka_wire::fetch_request::{
    FetchPartition, FetchRequestHead, FetchRequestWriter, TopicRef, VERSION_SESSIONS,
    VERSION_TOPIC_IDS,
};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicId, TopicIdPartition, TopicName};

use crate::connection::{AgreedVersions, Connection, ConnectionPhase, InFlight, Question};
use crate::fetch_size::FetchSize;
use crate::limits::{ShardLimits, THROTTLED_QUIET_PAUSE_MS};
use crate::mirror_partition::{LaneRef, MirrorPartition};
use crate::op::{Op, PartitionSlot, Tick};
use crate::partition_table::PartitionTable;
use crate::shard::Shard;

/// Name this program gives itself towards source brokers.
pub(crate) const CLIENT_ID: &str = "ringmirror";
/// Session id of a request that asks for a session or does without one.
const NO_SESSION: i32 = 0;
/// Session epoch of a request that wants no session (`FetchMetadata.FINAL_EPOCH`).
const FINAL_EPOCH: i32 = -1;
/// Bytes that may follow the records of a response's last partition: tags, all but empty.
const LAST_TAGS_BYTES: u32 = 64;
/// A lane without news asks this often while other lanes of its connection bring records.
const QUIET_LANE_PAUSE_MS: u64 = 20;

/// One fetch session on one connection.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) members: Vec<PartitionSlot>,
    /// For throttled partitions, and none but those.
    pub(crate) is_throttled: bool,
    /// Members whose entry in the session must be set, moved or dropped.
    pub(crate) changes: VecDeque<PartitionSlot>,
    /// Members the broker's session knows.
    pub(crate) session_members: u32,
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    /// The broker keeps no session: every request names its partitions.
    pub(crate) sessionless: bool,
    /// Requests without their answer: one, or two when asked ahead.
    pub(crate) in_flight: u32,
    /// Start the session over once nothing is in flight.
    pub(crate) restart: bool,
    pub(crate) not_before: Tick,
    /// The last answer brought records, so there are likely more.
    pub(crate) is_flowing: bool,
    pub(crate) size: FetchSize,
    /// Members whose source has no topic ids: with one of them, requests name topics.
    pub(crate) nameless_count: usize,
    /// Partitions the session knows that are members no more.
    pub(crate) departed: BTreeMap<TopicIdPartition, TopicName>,
    forgotten: Vec<PartitionSlot>,
}

impl Lane {
    pub(crate) fn for_throttled() -> Self {
        Self { is_throttled: true, ..Self::default() }
    }

    /// Version of its Fetch requests.
    const fn fetch_version(&self, agreed: AgreedVersions) -> i16 {
        if self.nameless_count > 0 && agreed.fetch >= VERSION_TOPIC_IDS {
            VERSION_TOPIC_IDS - 1
        } else {
            agreed.fetch
        }
    }

    /// True when its requests give topics by their ids: another topic of the same name is not
    /// answered for.
    pub(crate) const fn asks_by_id(&self, agreed: AgreedVersions) -> bool {
        self.fetch_version(agreed) >= VERSION_TOPIC_IDS
    }

    /// When the lane may ask next; throttled ones not before `blocked`.
    pub(crate) fn may_ask_from(&self, blocked: Option<Tick>) -> Tick {
        match blocked {
            Some(until) if self.is_throttled => self.not_before.max(until),
            _ => self.not_before,
        }
    }

    /// True when a request would say or bring something.
    pub(crate) fn has_to_ask(&self) -> bool {
        self.session_members > 0 || !self.changes.is_empty()
    }

    /// The epoch of the request after this one.
    fn next_epoch(epoch: i32) -> i32 {
        epoch.checked_add(1).unwrap_or(1)
    }

    pub(crate) fn begin_session(&mut self, session_id: i32) {
        if session_id == NO_SESSION {
            self.sessionless = true;
            self.session_members = 0;
        }
        self.session_id = session_id;
    }
}

impl Connection {
    /// How long the broker may hold the lane's next request while it has nothing to say.
    ///
    /// A broker answers the requests of a connection one after the other: what one lane waits for
    /// holds up the records of the others.
    fn fetch_wait_ms(&self, lane: usize, limits: &ShardLimits) -> u32 {
        match self.lanes[lane].is_throttled {
            true if self.has_ordinary_members() => 0,
            true => self.limits.fetch_wait_ms,
            false if self.others_flow(lane) => 0,
            false => self.limits.fetch_wait_ms / limits.lane_count(),
        }
    }

    /// The lane's answer was read to its end; with nothing in it, the next question is put off
    /// while the connection has better things to do.
    pub(crate) fn note_flow(&mut self, lane: usize, has_records: bool, now: Tick) {
        self.lanes[lane].is_flowing = has_records;
        if has_records {
            return;
        }
        let pause_ms = match self.lanes[lane].is_throttled {
            true if self.has_ordinary_members() => THROTTLED_QUIET_PAUSE_MS,
            _ if self.others_flow(lane) => QUIET_LANE_PAUSE_MS,
            _ => return,
        };
        let pause = now.after_ms(pause_ms);
        self.lanes[lane].not_before = self.lanes[lane].not_before.max(pause);
    }

    fn has_ordinary_members(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_throttled && !lane.members.is_empty())
    }

    fn others_flow(&self, lane: usize) -> bool {
        self.lanes.iter().enumerate().any(|(number, other)| number != lane && other.is_flowing)
    }
}

impl Shard {
    /// Puts a partition on its lane's list of changes.
    pub(crate) fn queue_change(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let Some(at) = partition.lane else { return };
        if !partition.change_queued {
            partition.change_queued = true;
            self.connections[at.connection].lanes[at.lane].changes.push_back(slot);
        }
    }

    /// Starts the lane's session over; the next request names every member again.
    pub(crate) fn reset_lane(&mut self, at: LaneRef) {
        let lane = &mut self.connections[at.connection].lanes[at.lane];
        lane.session_id = NO_SESSION;
        lane.session_epoch = 0;
        lane.session_members = 0;
        lane.sessionless = false;
        lane.in_flight = 0;
        lane.restart = false;
        lane.is_flowing = false;
        lane.changes.clear();
        lane.departed.clear();
        for slot in &lane.members {
            let partition = self.partitions.get_mut(*slot).expect("members are partitions");
            partition.in_session = false;
            partition.asked = None;
            partition.change_queued = true;
            lane.changes.push_back(*slot);
        }
    }

    /// Sends the lane's next request if it has something to ask and may.
    pub(crate) fn try_fetch(&mut self, at: LaneRef) {
        let connection = &self.connections[at.connection];
        let lane = &connection.lanes[at.lane];
        let may_send = connection.phase == ConnectionPhase::Ready
            && connection.request.is_some()
            && lane.in_flight == 0
            && lane.may_ask_from(self.throttle.blocked_until(self.now)) <= self.now;
        if may_send && lane.has_to_ask() {
            self.send_fetch(at, None);
        }
    }

    /// Sends the lane's next request before the answer is read to its end: the records of `slot`
    /// will end at `next`.
    pub(crate) fn ask_ahead(&mut self, at: LaneRef, slot: PartitionSlot, next: Offset) {
        let connection = &self.connections[at.connection];
        let lane = &connection.lanes[at.lane];
        let may_send = connection.phase == ConnectionPhase::Ready
            && connection.request.is_some()
            && connection.reader.frame_bytes_left() <= connection.records_left() + LAST_TAGS_BYTES
            && connection.align_queue.is_empty()
            && connection.repair_queue.is_empty()
            && lane.in_flight == 1
            && !lane.restart
            && !lane.sessionless
            // What it brings is not counted yet.
            && !(lane.is_throttled && self.throttle.is_on())
            && !self.stopping
            && lane.not_before <= self.now;
        if may_send && self.partitions.get(slot).is_some_and(MirrorPartition::wants_fetch) {
            self.queue_change(slot);
            self.send_fetch(at, Some((slot, next)));
        }
    }

    fn send_fetch(&mut self, at: LaneRef, ahead: Option<(PartitionSlot, Offset)>) {
        let connection = &mut self.connections[at.connection];
        let Some(versions) = connection.versions else { return };
        let Some(mut buffer) = connection.request.take() else { return };
        let mut limits = connection.limits;
        if connection.lanes[at.lane].is_throttled {
            let most = self.throttle.response_bytes(limits.fetch_bytes_max);
            limits.fetch_bytes_max = most;
        }
        let correlation = connection.take_correlation();
        let max_wait_ms = connection.fetch_wait_ms(at.lane, &self.limits);
        let lane = &mut connection.lanes[at.lane];
        let version = lane.fetch_version(versions);
        lane.sessionless |= version < VERSION_SESSIONS;
        let head = FetchRequestHead {
            version,
            correlation_id: correlation,
            client_id: CLIENT_ID,
            max_wait_ms,
            min_bytes: 1,
            max_bytes: limits.fetch_bytes_max,
            session_id: lane.session_id,
            session_epoch: if lane.sessionless { FINAL_EPOCH } else { lane.session_epoch },
        };
        let mut writer = FetchRequestWriter::start(buffer.bytes_mut(), &head)
            .expect("a frame buffer holds the head of a request");
        let bytes_max = lane.size.partition_bytes(&limits);
        let terms = EntryTerms { at, version, ahead, bytes_max };
        let written = write_changes(&mut writer, lane, &mut self.partitions, terms);
        if written == 0 && lane.session_members == 0 {
            connection.request = Some(buffer);
            return;
        }
        if !lane.changes.is_empty() {
            // There is more to ask: an answer with nothing in it must not be waited for.
            writer.set_max_wait_ms(0);
        }
        let end = u32::try_from(writer.finish()).expect("a request fits its buffer");
        if !lane.sessionless {
            lane.session_epoch = Lane::next_epoch(lane.session_epoch);
        }
        lane.in_flight += 1;
        let question = Question::Fetch { lane: at.lane };
        connection.asks(InFlight { correlation, version, question }, self.now);
        connection.sending = true;
        connection.deadline = Some(self.now.after_ms(limits.request_timeout_ms));
        self.counters.fetch_requests += 1;
        let connection = connection.id;
        self.ops.push(Op::Send { connection, buffer, end });
    }
}

/// Writes what changed, members first, dropped ones after; returns how many entries were written.
fn write_changes(
    writer: &mut FetchRequestWriter<'_>,
    lane: &mut Lane,
    partitions: &mut PartitionTable,
    terms: EntryTerms,
) -> u32 {
    let mut written = 0;
    for _ in 0..lane.changes.len() {
        let Some(slot) = lane.changes.pop_front() else { break };
        let Some(partition) = partitions.get_mut(slot) else { continue };
        if !partition.change_queued || partition.lane != Some(terms.at) {
            continue; // it left, and may have joined another lane since
        }
        if lane.departed.contains_key(&partition.spec.id) {
            // A session that hears both in one request forgets the partition.
            lane.changes.push_back(slot);
            continue;
        }
        partition.change_queued = false;
        if !partition.wants_fetch() {
            if partition.in_session {
                lane.forgotten.push(slot);
            }
            continue;
        }
        let offset = terms.offset_of(slot, partition);
        let asked = Some((offset, partition.source_epoch()));
        if partition.in_session && partition.asked == asked && !lane.sessionless {
            continue;
        }
        if writer.partition(&entry(partition, offset, terms)).is_err() {
            partition.change_queued = true;
            lane.changes.push_front(slot);
            break;
        }
        written += 1;
        partition.asked = asked;
        if !partition.in_session {
            partition.in_session = true;
            lane.session_members += 1;
        }
    }
    if lane.sessionless {
        lane.session_members = 0;
        lane.forgotten.clear();
        lane.departed.clear();
        return written;
    }
    while let Some((id, name)) = lane.departed.pop_first() {
        if writer.forget(topic_ref(id.topic_id, &name, terms.version), id.partition).is_err() {
            lane.departed.insert(id, name);
            break;
        }
        written += 1;
        lane.session_members = lane.session_members.saturating_sub(1);
    }
    while let Some(slot) = lane.forgotten.pop() {
        let Some(partition) = partitions.get_mut(slot) else { continue };
        let spec = &partition.spec;
        let topic = topic_ref(spec.id.topic_id, spec.topic_at_source(), terms.version);
        if writer.forget(topic, partition.spec.id.partition).is_err() {
            partition.change_queued = true;
            lane.changes.push_back(slot);
            continue;
        }
        written += 1;
        partition.in_session = false;
        lane.session_members = lane.session_members.saturating_sub(1);
    }
    written
}

fn topic_ref(id: TopicId, name: &TopicName, version: i16) -> TopicRef<'_> {
    if version >= VERSION_TOPIC_IDS { TopicRef::Id(id) } else { TopicRef::Name(name.as_str()) }
}

/// What all entries of a request have in common.
#[derive(Clone, Copy)]
struct EntryTerms {
    at: LaneRef,
    version: i16,
    bytes_max: u32,
    /// A partition asked for ahead, and where its records will end.
    ahead: Option<(PartitionSlot, Offset)>,
}

impl EntryTerms {
    fn offset_of(self, slot: PartitionSlot, partition: &MirrorPartition) -> Offset {
        let ahead = self.ahead.filter(|(asked, _)| *asked == slot);
        ahead.map_or_else(|| partition.fetch_position(), |(_, next)| next)
    }
}

fn entry(partition: &MirrorPartition, offset: Offset, terms: EntryTerms) -> FetchPartition<'_> {
    let (log, spec) = (partition.log.as_ref(), &partition.spec);
    FetchPartition {
        topic: topic_ref(spec.id.topic_id, spec.topic_at_source(), terms.version),
        partition: partition.spec.id.partition,
        current_leader_epoch: partition.source_epoch(),
        fetch_offset: offset,
        last_fetched_epoch: log.and_then(kafka_log::partition_log::PartitionLog::latest_epoch),
        log_start: -1,
        max_bytes: terms.bytes_max,
    }
}

#[cfg(test)]
mod tests;
