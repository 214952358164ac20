//! Source brokers: where they listen, which connections serve them, which partitions go where.

use std::io;

use kafka_wire::offset::Offset;
use kafka_wire::partition::SourceBroker;

use crate::bridge::EngineReport;
use crate::connection::{Connection, ConnectionPhase};
use crate::fetch_session::Lane;
use crate::limits::CONNECT_TIMEOUT_MS;
use crate::mirror_partition::{AfterBackoff, LaneRef, Phase};
use crate::op::{BrokerAddress, ConnectionId, Op, PartitionSlot, Tick};
use crate::shard::Shard;

/// One source broker.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    pub(crate) address: Option<BrokerAddress>,
    /// Places in the shard's connection table.
    pub(crate) connections: Vec<usize>,
    /// Failures since it last answered.
    pub(crate) failures: u32,
    /// Until then its partitions wait for a connection: others must not grow.
    pub(crate) wanted_until: Option<Tick>,
    /// The host forgot its source: connections without members end.
    pub(crate) is_gone: bool,
}

impl Connection {
    /// When something is due at the latest; throttled lanes ask nothing before `blocked`.
    pub(crate) fn next_deadline(&self, blocked: Option<Tick>) -> Option<Tick> {
        let lanes = self.lanes.iter().filter(|lane| lane.in_flight == 0 && lane.has_to_ask());
        let throttled = (self.phase == ConnectionPhase::Ready && self.request.is_some())
            .then(|| lanes.map(|lane| lane.may_ask_from(blocked)).min())
            .flatten();
        [self.deadline, throttled].into_iter().flatten().min()
    }
}

impl Shard {
    pub(crate) fn set_broker(&mut self, broker: SourceBroker, address: BrokerAddress) {
        let entry = self.brokers.entry(broker).or_default();
        entry.is_gone = false;
        if entry.address.as_ref() == Some(&address) {
            return;
        }
        entry.address = Some(address);
        for place in entry.connections.clone() {
            match self.connections[place].phase {
                ConnectionPhase::Vacant | ConnectionPhase::Ending => {}
                ConnectionPhase::Resting => self.connections[place].deadline = Some(self.now),
                _ => self.end_connection(place),
            }
        }
    }

    /// Gives the partition a lane at its leader, opening a connection when that helps.
    pub(crate) fn join_lane(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get(slot) else { return };
        let (leader, throttled) = (partition.leader(), partition.throttled);
        if let Some(at) = partition.lane {
            let connection = &self.connections[at.connection];
            let is_throttled = connection.lanes[at.lane].is_throttled;
            if connection.broker == leader && is_throttled == partition.throttled {
                self.queue_change(slot);
                return;
            }
            self.leave_lane(slot);
        }
        let Some(at) = self.choose_lane(leader, throttled) else {
            let aligned =
                self.partitions.get(slot).is_some_and(|held| held.phase == Phase::Fetching);
            let then = if aligned { AfterBackoff::Fetch } else { AfterBackoff::Align };
            return self.back_off(slot, then);
        };
        let partition = self.partitions.get_mut(slot).expect("looked up above");
        let lane = &mut self.connections[at.connection].lanes[at.lane];
        partition.member_at = lane.members.len();
        lane.members.push(slot);
        lane.nameless_count += usize::from(!partition.spec.source_has_topic_ids);
        partition.lane = Some(at);
        partition.in_session = false;
        partition.change_queued = false;
        self.queue_change(slot);
    }

    /// Takes the partition out of its lane; the next request tells the session that knows it.
    pub(crate) fn leave_lane(&mut self, slot: PartitionSlot) {
        self.stop_filling(slot);
        let Some(partition) = self.partitions.get_mut(slot) else { return };
        let Some(at) = partition.lane.take() else { return };
        let was_in_session = std::mem::take(&mut partition.in_session);
        partition.change_queued = false;
        partition.asked = None;
        let spec = &partition.spec;
        let departed = was_in_session.then(|| (spec.id, spec.topic_at_source().clone()));
        let is_nameless = !partition.spec.source_has_topic_ids;
        let member = std::mem::take(&mut partition.member_at);
        // Queues it waits in are not searched: whoever takes it out sees that it is not there.
        let connection = &mut self.connections[at.connection];
        if connection.current.is_some_and(|current| current.slot == Some(slot)) {
            connection.disown_current();
        }
        let lane = &mut connection.lanes[at.lane];
        assert_eq!(lane.members.swap_remove(member), slot, "members know their places");
        lane.nameless_count -= usize::from(is_nameless);
        lane.departed.extend(departed);
        let (is_named_no_more, in_flight) =
            (is_nameless && lane.nameless_count == 0, lane.in_flight > 0);
        if let Some(moved) = lane.members.get(member) {
            let moved = self.partitions.get_mut(*moved).expect("members are partitions");
            moved.member_at = member;
        }
        // A session that names topics cannot go on with ids.
        match (is_named_no_more, in_flight) {
            (true, true) => self.connections[at.connection].lanes[at.lane].restart = true,
            (true, false) => self.reset_lane(at),
            (false, _) => {}
        }
        self.end_if_gone(at.connection);
    }

    fn choose_lane(&mut self, broker: SourceBroker, throttled: bool) -> Option<LaneRef> {
        let per_broker = self.limits.connections_per_broker as usize;
        let entry = self.brokers.entry(broker).or_default();
        let busy = |place: &usize| {
            let lanes = &self.connections[*place].lanes;
            lanes.iter().all(|lane| lane.is_throttled != throttled || !lane.members.is_empty())
        };
        let (held, all_busy) = (entry.connections.len(), entry.connections.iter().all(busy));
        // One session after the other is enough where the rate is bounded.
        let grows = !throttled && held < per_broker;
        if held == 0 || (grows && all_busy && !self.is_any_broker_waiting()) {
            self.open_connection(broker);
        }
        let entry = self.brokers.get(&broker)?;
        if entry.connections.is_empty() {
            self.make_place_for(broker);
            return None;
        }
        let staying = entry.connections.iter().filter(|place| !self.connections[**place].leaving);
        let lanes = staying.flat_map(|place| {
            let lanes = self.connections[*place].lanes.iter().enumerate();
            let lanes = lanes.filter(|(_, held)| held.is_throttled == throttled);
            lanes.map(|(lane, held)| (held.members.len(), LaneRef { connection: *place, lane }))
        });
        lanes.min_by_key(|(members, _)| *members).map(|(_, at)| at)
    }

    fn is_any_broker_waiting(&self) -> bool {
        self.brokers.values().any(|entry| {
            entry.connections.is_empty() && entry.wanted_until.is_some_and(|until| until > self.now)
        })
    }

    /// All places are taken: ends a connection that nobody needs, or one of a broker that has
    /// several; its partitions join another one of that broker.
    fn make_place_for(&mut self, broker: SourceBroker) {
        let patience = 4 * self.limits.backoff_max_ms;
        let until = self.now.after_ms(patience);
        self.brokers.entry(broker).or_default().wanted_until = Some(until);
        if self.connections.iter().any(|connection| connection.leaving) {
            return;
        }
        let members = |place: &usize| -> usize {
            self.connections[*place].lanes.iter().map(|lane| lane.members.len()).sum()
        };
        let spare = |entry: &&Broker| {
            entry.connections.len() > 1 || entry.connections.iter().any(|place| members(place) == 0)
        };
        let richest = self.brokers.values().filter(spare).max_by_key(|entry| {
            (entry.connections.iter().any(|place| members(place) == 0), entry.connections.len())
        });
        let Some(entry) = richest else { return };
        let Some(place) = entry.connections.iter().copied().min_by_key(members) else { return };
        self.connections[place].leaving = true;
        for lane in 0..self.connections[place].lanes.len() {
            while let Some(slot) = self.connections[place].lanes[lane].members.last().copied() {
                self.leave_lane(slot);
                self.rejoin_later(slot);
            }
        }
        self.drop_connection(place);
    }

    fn rejoin_later(&mut self, slot: PartitionSlot) {
        let Some(partition) = self.partitions.get(slot) else { return };
        if matches!(partition.phase, Phase::Aligning | Phase::Fetching | Phase::Repairing) {
            self.back_off(slot, AfterBackoff::Align);
        }
    }

    fn open_connection(&mut self, broker: SourceBroker) {
        let limits = self.source_limits(broker.source);
        let vacant = |connection: &Connection| connection.phase == ConnectionPhase::Vacant;
        let Some(place) = self.connections.iter().position(vacant) else { return };
        let Some(frame) = self.pool.take_frame() else { return };
        let Some(request) = self.pool.take_frame() else {
            self.pool.give_frame(frame);
            return;
        };
        let connection = &mut self.connections[place];
        connection.broker = broker;
        connection.limits = limits;
        connection.frame = Some(frame);
        connection.request = Some(request);
        connection.lanes.resize_with(self.limits.lane_count() as usize, Lane::default);
        connection.lanes.push(Lane::for_throttled());
        connection.phase = ConnectionPhase::Resting;
        connection.deadline = Some(self.now);
        self.brokers.entry(broker).or_default().connections.push(place);
    }

    pub(crate) fn on_connection_deadline(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        let timeout = connection.limits.request_timeout_ms;
        connection.deadline = None;
        match connection.phase {
            ConnectionPhase::Resting => self.connect(place),
            ConnectionPhase::Ready if connection.in_flight.is_empty() => {}
            // Waiting for our own buffers is not the broker's fault.
            ConnectionPhase::Ready if connection.starved => {
                connection.deadline = Some(self.now.after_ms(timeout));
            }
            ConnectionPhase::Vacant | ConnectionPhase::Ending => {}
            ConnectionPhase::Connecting => {
                let timeout = timeout.min(CONNECT_TIMEOUT_MS);
                self.lose_connection(place, &format!("no connection after {timeout} ms"));
            }
            ConnectionPhase::Handshaking | ConnectionPhase::Ready => {
                self.lose_connection(place, &format!("no answer for {timeout} ms"));
            }
        }
    }

    fn connect(&mut self, place: usize) {
        let broker = self.connections[place].broker;
        let address = self.brokers.get(&broker).and_then(|entry| entry.address.clone());
        let connection = &mut self.connections[place];
        // Without an address there is nothing to try; `set_broker` sets the deadline again.
        let Some(address) = address else { return };
        connection.id.generation = connection.id.generation.wrapping_add(1);
        connection.phase = ConnectionPhase::Connecting;
        connection.address = Some(address.clone());
        let timeout = connection.limits.request_timeout_ms.min(CONNECT_TIMEOUT_MS);
        connection.deadline = Some(self.now.after_ms(timeout));
        connection.sending = true;
        self.ops.push(Op::Connect { connection: connection.id, address });
    }

    pub(crate) fn on_connected(&mut self, id: ConnectionId, result: io::Result<()>) {
        let place = id.index as usize;
        assert_eq!(self.connections[place].id, id, "a place is reused only when quiet");
        self.connections[place].sending = false;
        if self.connections[place].phase == ConnectionPhase::Ending {
            return self.settle_connection(place);
        }
        match result {
            Ok(()) => {
                self.connections[place].phase = ConnectionPhase::Handshaking;
                self.counters.connections_opened += 1;
                self.ask_versions(place);
            }
            Err(error) => self.lose_connection(place, &error.to_string()),
        }
    }

    /// The connection failed: tell the host, rest, try again.
    pub(crate) fn lose_connection(&mut self, place: usize, reason: &str) {
        self.counters.connections_lost += 1;
        if !self.has_members(place) {
            // A broker may end a connection that nobody uses.
            return self.end_connection(place);
        }
        let broker = self.connections[place].broker;
        let entry = self.brokers.entry(broker).or_default();
        entry.failures = entry.failures.saturating_add(1);
        let attempt = entry.failures;
        let reason = match &self.connections[place].address {
            Some(address) => format!("{}:{}: {reason}", address.host, address.port),
            None => reason.to_owned(),
        };
        self.reports.push(EngineReport::BrokerUnreachable { broker, attempt, reason });
        self.end_connection(place);
    }

    /// Shuts the socket down; goes on in `settle_connection` when nothing refers to it.
    pub(crate) fn end_connection(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        if matches!(
            connection.phase,
            ConnectionPhase::Vacant | ConnectionPhase::Resting | ConnectionPhase::Ending
        ) {
            return;
        }
        connection.phase = ConnectionPhase::Ending;
        connection.deadline = None;
        connection.disconnecting = true;
        connection.starved = false;
        self.ops.push(Op::Disconnect { connection: connection.id });
    }

    /// Ends the connection for good.
    pub(crate) fn drop_connection(&mut self, place: usize) {
        self.end_connection(place);
        if self.connections[place].phase == ConnectionPhase::Resting {
            self.connections[place].phase = ConnectionPhase::Ending;
            self.settle_connection(place);
        }
    }

    pub(crate) fn on_disconnected(&mut self, id: ConnectionId) {
        let place = id.index as usize;
        assert_eq!(self.connections[place].id, id, "a place is reused only when quiet");
        self.connections[place].disconnecting = false;
        self.settle_connection(place);
    }

    /// Once nothing refers to an ending connection, it rests (or its place becomes free).
    pub(crate) fn settle_connection(&mut self, place: usize) {
        let connection = &self.connections[place];
        if connection.phase != ConnectionPhase::Ending || !connection.is_quiet() {
            return;
        }
        self.abandon_questions(place);
        self.abandon_body(place);
        self.pool.end_large_batch(place);
        let asks_blindly = self.connections[place].versions.is_some_and(|held| held.fetch < 12);
        self.connections[place].forget_conversation();
        for lane in 0..self.connections[place].lanes.len() {
            self.reset_lane(LaneRef { connection: place, lane });
            if asks_blindly {
                self.realign_members(LaneRef { connection: place, lane });
            }
        }
        if !self.has_members(place) {
            // Whoever needs it again opens it again.
            return self.vacate(place);
        }
        let broker = self.connections[place].broker;
        let failures = self.brokers.get(&broker).map_or(0, |entry| entry.failures);
        let pause = self.pause_ms(failures.saturating_sub(1), broker.source);
        let connection = &mut self.connections[place];
        connection.phase = ConnectionPhase::Resting;
        // A shard that stops connects no more; the place is left once its partitions are closed.
        connection.deadline = (!self.stopping).then(|| self.now.after_ms(pause));
    }

    /// Before version 12 a Fetch does not say which epoch our log ends with, so a broker that came
    /// back with another history would not notice: ask it about epochs again.
    fn realign_members(&mut self, at: LaneRef) {
        for member in 0..self.connections[at.connection].lanes[at.lane].members.len() {
            let slot = self.connections[at.connection].lanes[at.lane].members[member];
            let Some(partition) = self.partitions.get_mut(slot) else { continue };
            partition.begins_inside = Offset::ZERO;
            match partition.phase {
                Phase::Fetching => self.start_fetching(slot),
                Phase::Backoff(AfterBackoff::Fetch) => {
                    partition.phase = Phase::Backoff(AfterBackoff::Align);
                }
                _ => {}
            }
        }
    }

    fn vacate(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        connection.phase = ConnectionPhase::Vacant;
        connection.deadline = None;
        connection.leaving = false;
        connection.lanes.clear();
        connection.align_queue.clear();
        connection.repair_queue.clear();
        let buffers = [connection.frame.take(), connection.request.take()];
        for lease in buffers.into_iter().flatten() {
            self.pool.give_frame(lease);
        }
        let broker = connection.broker;
        if let Some(entry) = self.brokers.get_mut(&broker) {
            entry.connections.retain(|held| *held != place);
            if entry.is_gone && entry.connections.is_empty() {
                self.brokers.remove(&broker);
            }
        }
    }

    pub(crate) fn has_members(&self, place: usize) -> bool {
        self.connections[place].lanes.iter().any(|lane| !lane.members.is_empty())
    }

    /// Ends the connection if the host forgot its source and no partition is left on it.
    pub(crate) fn end_if_gone(&mut self, place: usize) {
        let connection = &self.connections[place];
        let gone = self.brokers.get(&connection.broker).is_some_and(|entry| entry.is_gone);
        if gone && connection.phase != ConnectionPhase::Vacant && !self.has_members(place) {
            self.drop_connection(place);
        }
    }
}
