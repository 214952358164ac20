//! What a Fetch response tells besides records: sessions, throttling, errors, new leaders.

use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::fetch_event::{CurrentLeader, NodeEndpoint, PartitionTail};
use kafka_wire::offset::Offset;
use kafka_wire::partition::BrokerId;

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

impl Shard {
    pub(crate) fn on_fetch_head(
        &mut self,
        at: LaneRef,
        throttle_ms: u32,
        error_code: i16,
        session_id: i32,
    ) {
        let pause = if error_code == 0 { 0 } else { self.limits.backoff_ms };
        let lane = &mut self.connections[at.connection].lanes[at.lane];
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
            error_code::OFFSET_OUT_OF_RANGE => self.queue_repair(slot),
            error_code::NOT_LEADER_OR_FOLLOWER | error_code::FENCED_LEADER_EPOCH => {
                let named = hint.and_then(|leader| {
                    let epoch = SourceLeaderEpoch::from_wire(leader.leader_epoch)?;
                    Some((BrokerId::from_wire(leader.leader_id)?, epoch))
                });
                match named {
                    Some((leader, epoch)) => {
                        self.connections[at.connection].moves.push((slot, leader, epoch, code));
                    }
                    None => self.await_leader(slot, code),
                }
            }
            _ => {
                self.report(slot, PartitionEvent::SourceError { error_code: code });
                self.back_off(slot, AfterBackoff::Fetch);
            }
        }
    }

    pub(crate) fn on_node_endpoint(&mut self, place: usize, endpoint: &NodeEndpoint) {
        let named = self.connections[place]
            .moves
            .iter()
            .any(|(_, leader, ..)| leader.get() == endpoint.node_id);
        let (Some(broker), Ok(port)) =
            (BrokerId::from_wire(endpoint.node_id), u16::try_from(endpoint.port))
        else {
            return;
        };
        if named {
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
        let lane = &mut self.connections[at.connection].lanes[at.lane];
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
        while let Some((slot, leader, epoch, code)) = self.connections[place].moves.pop() {
            let reachable = self.brokers.get(&leader).is_some_and(|held| held.address.is_some());
            let Some(partition) = self.partitions.get(slot) else { continue };
            let news = Some(epoch) > partition.source_epoch()
                || (Some(epoch) == partition.source_epoch() && leader != partition.leader());
            if partition.phase != Phase::Fetching {
                continue;
            }
            if reachable && news {
                self.report(slot, PartitionEvent::LeaderMoved { leader, epoch });
                self.follow_leader(slot, leader, epoch);
            } else {
                self.await_leader(slot, code);
            }
        }
    }

    fn follow_leader(&mut self, slot: PartitionSlot, leader: BrokerId, epoch: SourceLeaderEpoch) {
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        (partition.spec.leader, partition.spec.source_epoch) = (leader, Some(epoch));
        partition.begins_inside = Offset::ZERO;
        self.start_fetching(slot);
    }

    /// The answer to the oldest request was read to its end.
    pub(crate) fn end_answer(&mut self, place: usize) {
        let timeout = self.limits.request_timeout_ms;
        let connection = &mut self.connections[place];
        connection.reading = false;
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
