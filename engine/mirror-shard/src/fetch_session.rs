//! Incremental fetch sessions (KIP-227): who belongs to one, what changed, the next request.
//!
//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! A lane is one fetch session on one connection with at most one request in flight. A request
//! carries only partitions whose position changed; what does not fit waits for the next one.

use std::collections::VecDeque;

use kafka_wire::fetch_request::{FetchPartition, FetchRequestHead, FetchRequestWriter, TopicRef};

use crate::connection::{ConnectionPhase, InFlight, Question};
use crate::mirror_partition::{LaneRef, MirrorPartition};
use crate::op::{Op, PartitionSlot, Tick};
use crate::shard::Shard;

/// Name this program gives itself towards source brokers.
pub(crate) const CLIENT_ID: &str = "ringmirror";
/// Session id of a request that asks for a session or does without one.
const NO_SESSION: i32 = 0;
/// Session epoch of a request that wants no session (`FetchMetadata.FINAL_EPOCH`).
const FINAL_EPOCH: i32 = -1;
/// First Fetch version with sessions.
const SESSIONS_SINCE: i16 = 7;
/// First Fetch version that names topics by id.
pub(crate) const TOPIC_IDS_SINCE: i16 = 13;

/// One fetch session on one connection.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) members: Vec<PartitionSlot>,
    /// Members whose entry in the session must be set, moved or dropped.
    pub(crate) changes: VecDeque<PartitionSlot>,
    /// Members the broker's session knows.
    pub(crate) session_members: u32,
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    /// The broker keeps no session: every request names its partitions.
    pub(crate) sessionless: bool,
    pub(crate) in_flight: bool,
    /// Start the session over once the request in flight is answered.
    pub(crate) restart: bool,
    pub(crate) not_before: Tick,
    forgotten: Vec<PartitionSlot>,
}

impl Lane {
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
        lane.in_flight = false;
        lane.restart = false;
        lane.changes.clear();
        for slot in &lane.members {
            let partition = self.partitions.get_mut(*slot).expect("members are partitions");
            partition.in_session = false;
            partition.asked_offset = None;
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
            && !lane.in_flight
            && lane.not_before <= self.now;
        if may_send && (lane.session_members > 0 || !lane.changes.is_empty()) {
            self.send_fetch(at);
        }
    }

    fn send_fetch(&mut self, at: LaneRef) {
        let connection = &mut self.connections[at.connection];
        let Some(versions) = connection.versions else { return };
        let Some(mut buffer) = connection.request.take() else { return };
        let correlation = connection.take_correlation();
        let lane = &mut connection.lanes[at.lane];
        let version = self.partitions.fetch_version(&lane.members, versions.fetch);
        lane.sessionless |= version < SESSIONS_SINCE;
        let lanes = self.limits.fetches_per_connection.max(1);
        let head = FetchRequestHead {
            version,
            correlation_id: correlation,
            client_id: CLIENT_ID,
            max_wait_ms: self.limits.fetch_wait_ms / lanes,
            min_bytes: 1,
            max_bytes: self.limits.fetch_bytes_max,
            session_id: lane.session_id,
            session_epoch: if lane.sessionless { FINAL_EPOCH } else { lane.session_epoch },
        };
        let mut writer = FetchRequestWriter::start(buffer.bytes_mut(), &head)
            .expect("a frame buffer holds the head of a request");
        let bytes_max = self.limits.partition_fetch_bytes_max;
        let written = write_changes(&mut writer, lane, &mut self.partitions, version, bytes_max);
        if written == 0 && lane.session_members == 0 {
            connection.request = Some(buffer);
            return;
        }
        let end = u32::try_from(writer.finish()).expect("a request fits its buffer");
        if !lane.sessionless {
            lane.session_epoch = Lane::next_epoch(lane.session_epoch);
        }
        lane.in_flight = true;
        let question = Question::Fetch { lane: at.lane };
        connection.in_flight.push_back(InFlight { correlation, version, question });
        connection.sending = true;
        connection.deadline = Some(self.now.after_ms(self.limits.request_timeout_ms));
        self.counters.fetch_requests += 1;
        let connection = connection.id;
        self.ops.push(Op::Send { connection, buffer, end });
    }
}

/// Writes what changed, members first, dropped ones after; returns how many entries were written.
fn write_changes(
    writer: &mut FetchRequestWriter<'_>,
    lane: &mut Lane,
    partitions: &mut crate::partition_table::PartitionTable,
    version: i16,
    bytes_max: u32,
) -> u32 {
    let mut written = 0;
    let mut full = false;
    for _ in 0..lane.changes.len() {
        let Some(slot) = lane.changes.pop_front() else { break };
        let Some(partition) = partitions.get_mut(slot) else { continue };
        partition.change_queued = false;
        if !partition.wants_fetch() {
            if partition.in_session {
                lane.forgotten.push(slot);
            }
            continue;
        }
        full = full || writer.partition(&entry(partition, version, bytes_max)).is_err();
        if full {
            partition.change_queued = true;
            lane.changes.push_back(slot);
            continue;
        }
        written += 1;
        partition.asked_offset = Some(partition.accepted_end());
        if !partition.in_session {
            partition.in_session = true;
            lane.session_members += 1;
        }
    }
    if lane.sessionless {
        lane.session_members = 0;
        lane.forgotten.clear();
        return written;
    }
    while let Some(slot) = lane.forgotten.pop() {
        let Some(partition) = partitions.get_mut(slot) else { continue };
        let topic = topic_ref(partition, version);
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

fn topic_ref(partition: &MirrorPartition, version: i16) -> TopicRef<'_> {
    if version >= TOPIC_IDS_SINCE {
        TopicRef::Id(partition.spec.id.topic_id)
    } else {
        TopicRef::Name(partition.spec.name.topic.as_str())
    }
}

fn entry(partition: &MirrorPartition, version: i16, bytes_max: u32) -> FetchPartition<'_> {
    let log = partition.log.as_ref();
    FetchPartition {
        topic: topic_ref(partition, version),
        partition: partition.spec.id.partition,
        current_leader_epoch: partition.source_epoch(),
        fetch_offset: partition.accepted_end(),
        last_fetched_epoch: log.and_then(kafka_log::partition_log::PartitionLog::latest_epoch),
        log_start: -1,
        max_bytes: bytes_max,
    }
}
