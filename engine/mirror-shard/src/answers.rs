//! What a Fetch response tells besides records: sessions, throttling, errors, new leaders.

use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::fetch_event::{CurrentLeader, PartitionTail};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, SourceBroker, TopicIdPartition};

use crate::bridge::{EngineReport, PartitionEvent};
use crate::mirror_partition::{AfterBackoff, LaneRef, Phase};
use crate::op::{BrokerAddress, PartitionSlot};
use crate::shard::Shard;

/// Protocol error codes that are more than a reason to wait (`Errors` in Apache Kafka).
pub(crate) mod error_code {
    pub(crate) const OFFSET_OUT_OF_RANGE: i16 = 1;
    pub(crate) const NOT_LEADER_OR_FOLLOWER: i16 = 6;
    pub(crate) const FENCED_LEADER_EPOCH: i16 = 74;
    pub(crate) const UNKNOWN_LEADER_EPOCH: i16 = 75;
}

/// A new leader that a response named for one of its partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaderMove {
    slot: PartitionSlot,
    /// The place may have another partition by the time it is looked at.
    id: TopicIdPartition,
    /// A broker of the source that answered.
    leader: SourceBroker,
    epoch: SourceLeaderEpoch,
    error_code: i16,
}

impl Shard {
    pub(crate) fn on_fetch_head(
        &mut self,
        at: LaneRef,
        throttle_ms: u32,
        error_code: i16,
        session_id: i32,
    ) {
        let connection = &mut self.connections[at.connection];
        let pause = if error_code == 0 { 0 } else { connection.limits.backoff_ms };
        let lane = &mut connection.lanes[at.lane];
        lane.size.answer_begins(connection.silent_since, self.now);
        let wait_ms = pause.max(u64::from(throttle_ms));
        lane.not_before = self.now.after_ms(wait_ms);
        if error_code != 0 {
            // The session is unknown, or its epochs went apart: start over (KIP-227).
            lane.restart = true;
        } else if lane.session_epoch == 1 || lane.sessionless {
            lane.begin_session(session_id);
        }
        self.counters.throttled_ms += u64::from(throttle_ms);
    }

    pub(crate) fn on_fetched_partition_end(&mut self, at: LaneRef, tail: &PartitionTail) {
        let Some(current) = self.connections[at.connection].current.take() else { return };
        let Some(slot) = current.slot else { return };
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        if partition.phase != Phase::Fetching || partition.lane != Some(at) {
            return;
        }
        if current.head.error_code != error_code::OFFSET_OUT_OF_RANGE {
            partition.unconfirmed_repair = None;
        }
        match (current.head.error_code, tail.diverging_epoch) {
            (0, Some(diverging)) => {
                let epoch = SourceLeaderEpoch::from_wire(diverging.epoch);
                self.on_epoch_end(slot, epoch, diverging.end_offset);
            }
            (0, None) => partition.failures = 0,
            (error, _) => self.on_partition_error(at, slot, error, tail.current_leader),
        }
    }

    pub(crate) fn on_partition_error(
        &mut self,
        at: LaneRef,
        slot: PartitionSlot,
        code: i16,
        hint: Option<CurrentLeader>,
    ) {
        match code {
            error_code::OFFSET_OUT_OF_RANGE => self.repair(slot),
            error_code::NOT_LEADER_OR_FOLLOWER | error_code::FENCED_LEADER_EPOCH => {
                let connection = &mut self.connections[at.connection];
                let source = connection.broker.source;
                let held = self.partitions.get(slot);
                let named = hint.zip(held).and_then(|(hint, held)| {
                    let epoch = SourceLeaderEpoch::from_wire(hint.leader_epoch)?;
                    let broker = BrokerId::from_wire(hint.leader_id)?;
                    let leader = SourceBroker { source, broker };
                    Some(LeaderMove { slot, id: held.spec.id, leader, epoch, error_code: code })
                });
                match named {
                    Some(named) => connection.moves.push(named),
                    None => self.await_leader(slot, code),
                }
            }
            _ => {
                self.report(slot, PartitionEvent::SourceError { error_code: code });
                self.back_off(slot, AfterBackoff::Fetch);
            }
        }
    }

    pub(crate) fn on_node_endpoint(&mut self, place: usize) {
        let connection = &self.connections[place];
        let endpoint = connection.reader.node_endpoint();
        let (Some(broker), Ok(port)) =
            (BrokerId::from_wire(endpoint.node_id), u16::try_from(endpoint.port))
        else {
            return;
        };
        let broker = SourceBroker { source: connection.broker.source, broker };
        if connection.moves.iter().any(|named| named.leader == broker) {
            let address = BrokerAddress { host: endpoint.host.as_str().into(), port };
            self.set_broker(broker, address);
        }
    }

    pub(crate) fn on_fetch_end(&mut self, at: LaneRef) {
        self.counters.fetch_responses += 1;
        self.note_response_size(at.connection);
        let connection = &mut self.connections[at.connection];
        connection.note_flow(at.lane, connection.response_bytes > 0, self.now);
        connection.in_flight.pop_front();
        self.end_answer(at.connection);
        let connection = &mut self.connections[at.connection];
        let lane = &mut connection.lanes[at.lane];
        lane.size.answer_ends(&connection.limits, self.now);
        lane.in_flight -= 1;
        let (restart, sessionless) = (lane.restart && lane.in_flight == 0, lane.sessionless);
        self.follow_leaders(at.connection);
        if restart {
            self.reset_lane(at);
        } else if sessionless {
            for member in 0..self.connections[at.connection].lanes[at.lane].members.len() {
                let slot = self.connections[at.connection].lanes[at.lane].members[member];
                self.queue_change(slot);
            }
        }
    }

    /// Moves partitions to the leaders the response named.
    fn follow_leaders(&mut self, place: usize) {
        while let Some(named) = self.connections[place].moves.pop() {
            let LeaderMove { slot, id, leader, epoch, error_code } = named;
            let reachable = self.brokers.get(&leader).is_some_and(|held| held.address.is_some());
            let here = |at: LaneRef| at.connection == place;
            let held = self.partitions.get(slot);
            let held = held.filter(|held| held.spec.id == id && held.lane.is_some_and(here));
            let Some(partition) = held else { continue };
            let news = Some(epoch) > partition.source_epoch()
                || (Some(epoch) == partition.source_epoch() && leader != partition.leader());
            if partition.phase != Phase::Fetching {
                continue;
            }
            if reachable && news {
                self.report(slot, PartitionEvent::LeaderMoved { leader, epoch });
                self.follow_leader(slot, leader, epoch);
            } else {
                self.await_leader(slot, error_code);
            }
        }
    }

    fn follow_leader(
        &mut self,
        slot: PartitionSlot,
        leader: SourceBroker,
        epoch: SourceLeaderEpoch,
    ) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        (partition.spec.leader, partition.spec.source_epoch) = (leader, Some(epoch));
        partition.begins_inside = Offset::ZERO;
        self.start_fetching(slot);
    }

    /// The answer to the oldest request was read to its end.
    pub(crate) fn end_answer(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        let timeout = connection.limits.request_timeout_ms;
        connection.reading = false;
        connection.silent_since = self.now;
        connection.current = None;
        let waiting = !connection.in_flight.is_empty();
        connection.deadline = waiting.then(|| self.now.after_ms(timeout));
        let broker = connection.broker;
        if let Some(entry) = self.brokers.get_mut(&broker)
            && entry.failures > 0
        {
            entry.failures = 0;
            self.reports.push(EngineReport::BrokerReachable { broker });
        }
    }
}
