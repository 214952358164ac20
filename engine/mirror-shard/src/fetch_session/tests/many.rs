//! Sessions of very many partitions: how many requests it takes until all are in, and out again.

use std::collections::{BTreeMap, VecDeque};

use kafka_wire::fetch_response::{FetchResponseHead, write_fetch_response};

use crate::bridge::{EngineCommand, EngineReport, NewPartition, PartitionEvent};
use crate::buffer_pool::BufferLease;
use crate::limits::ShardLimits;
use crate::op::{BrokerAddress, Completion, ConnectionId, FileOutcome, FileTask, Op, Tick};
use crate::shard::Shard;
use crate::test_shard::{broker, loaded_empty, shard_with, spec_of};

const PARTITIONS: i32 = 20_000;
const CONNECTIONS: u32 = 4;
/// Entries of one topic that fit a request, at least.
const ENTRIES_PER_REQUEST: i32 = 1_000;

/// A request for records.
#[derive(Clone, Copy, Debug)]
struct Asked {
    max_wait_ms: u32,
    bytes: u32,
}

/// Holds what the source was asked, and the shard to ask it; nobody has any records.
struct Bench {
    shard: Shard,
    now: Tick,
    completions: Vec<Completion>,
    /// Answers on their way, and receives that wait for them.
    answers: BTreeMap<ConnectionId, VecDeque<Vec<u8>>>,
    receives: BTreeMap<ConnectionId, (BufferLease, u32)>,
    asked: Vec<Asked>,
    removed_count: usize,
    is_reachable: bool,
}

impl Bench {
    fn new() -> Self {
        let shard = shard_with(ShardLimits {
            record_buffer_count: 16,
            connection_count_max: 8,
            connections_per_broker: CONNECTIONS,
            ..ShardLimits::STANDARD
        });
        Self {
            shard,
            now: Tick(0),
            completions: Vec::new(),
            answers: BTreeMap::new(),
            receives: BTreeMap::new(),
            asked: Vec::new(),
            removed_count: 0,
            is_reachable: true,
        }
    }

    /// Steps until nothing is left to do at this moment.
    fn run(&mut self, mut commands: Vec<EngineCommand>) {
        loop {
            let (mut ops, mut reports) = (Vec::new(), Vec::new());
            let mut completions = std::mem::take(&mut self.completions);
            self.shard.step(self.now, &mut commands, &mut completions, &mut ops, &mut reports);
            let is_removal = |report: &&EngineReport| {
                matches!(report, EngineReport::Partition { event: PartitionEvent::Removed(_), .. })
            };
            self.removed_count += reports.iter().filter(is_removal).count();
            ops.into_iter().for_each(|op| self.take(op));
            self.deliver();
            if self.completions.is_empty() {
                return;
            }
        }
    }

    fn take(&mut self, op: Op) {
        let completion = match op {
            Op::File { slot, task: FileTask::Load { .. } } => loaded_empty(slot.0),
            Op::File { slot, task: FileTask::CloseLog(_) } => {
                Completion::File { slot, result: Ok(FileOutcome::LogClosed) }
            }
            Op::Connect { connection, .. } => {
                let refused = std::io::ErrorKind::ConnectionRefused;
                let result = if self.is_reachable { Ok(()) } else { Err(refused.into()) };
                Completion::Connected { connection, result }
            }
            Op::Send { connection, buffer, end } => {
                self.answer(connection, &buffer.bytes()[..end as usize]);
                Completion::Sent { connection, buffer, result: Ok(()) }
            }
            Op::Receive { connection, buffer, start, .. } => {
                self.receives.insert(connection, (buffer, start));
                return;
            }
            Op::Disconnect { connection } => {
                self.lose(connection);
                Completion::Disconnected { connection }
            }
            other => panic!("partitions without records do not need {other:?}"),
        };
        self.completions.push(completion);
    }

    fn answer(&mut self, connection: ConnectionId, request: &[u8]) {
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let word = |at: usize| request[at..at + 4].first_chunk().copied().unwrap();
        let (key, api_version, correlation) = (number(4), number(6), word(8));
        let answer = if key == 1 {
            let max_wait_ms = u32::from_be_bytes(word(MAX_WAIT_AT));
            let bytes = u32::try_from(request.len()).unwrap();
            self.asked.push(Asked { max_wait_ms, bytes });
            let head = FetchResponseHead {
                api_version,
                correlation_id: i32::from_be_bytes(correlation),
                throttle_ms: 0,
                error_code: 0,
                session_id: 1,
            };
            if max_wait_ms > 0 {
                return; // the broker has nothing to say
            }
            write_fetch_response(&head, &[], &[]).unwrap().bytes.to_vec()
        } else {
            assert_eq!(key, 18);
            versions(correlation)
        };
        self.answers.entry(connection).or_default().push_back(answer);
    }

    fn deliver(&mut self) {
        for (connection, answers) in &mut self.answers {
            let Some((mut buffer, start)) = self.receives.remove(connection) else { continue };
            let Some(answer) = answers.pop_front() else {
                self.receives.insert(*connection, (buffer, start));
                continue;
            };
            let (start, bytes) = (start as usize, answer.len());
            buffer.bytes_mut()[start..start + bytes].copy_from_slice(&answer);
            let result = Ok(u32::try_from(bytes).unwrap());
            let connection = *connection;
            self.completions.push(Completion::Received { connection, buffer, result });
        }
    }

    fn lose(&mut self, connection: ConnectionId) {
        self.answers.remove(&connection);
        if let Some((buffer, _)) = self.receives.remove(&connection) {
            let result = Ok(0);
            self.completions.push(Completion::Received { connection, buffer, result });
        }
    }

    /// The network is gone: every connection ends.
    fn cut(&mut self) {
        self.is_reachable = false;
        let connections: Vec<ConnectionId> = self.receives.keys().copied().collect();
        connections.into_iter().for_each(|connection| self.lose(connection));
        self.run(Vec::new());
    }

    fn session_members(&self) -> u32 {
        let lanes = self.shard.connections.iter().flat_map(|connection| &connection.lanes);
        lanes.map(|lane| lane.session_members).sum()
    }

    fn with_all_partitions() -> Self {
        let mut bench = Self::new();
        let leader = broker(0, 1);
        let address = BrokerAddress { host: "source".into(), port: 9092 };
        let mut commands = vec![EngineCommand::SetBroker { broker: leader, address }];
        commands.extend((0..PARTITIONS).map(|index| {
            let new = NewPartition { leader, ..spec_of(index) };
            EngineCommand::AddPartition(Box::new(new))
        }));
        bench.run(commands);
        bench
    }

    /// All are in sessions, with few requests, and the broker was to wait only when all were.
    fn assert_all_asked_for(&self) {
        assert_eq!(self.session_members(), u32::try_from(PARTITIONS).unwrap());
        let connections = usize::try_from(CONNECTIONS).unwrap();
        let most = usize::try_from(PARTITIONS / ENTRIES_PER_REQUEST).unwrap() + 3 * connections;
        let count = self.asked.len();
        assert!(count <= most, "{count} requests, expected {most}");
        let waits = self.asked.iter().filter(|asked| asked.max_wait_ms > 0).count();
        assert_eq!(waits, connections, "one request of each connection may wait: {:?}", self.asked);
    }
}

/// An ApiVersions answer, version 3: Fetch, ListOffsets and OffsetForLeaderEpoch.
fn versions(correlation: [u8; 4]) -> Vec<u8> {
    let mut body = correlation.to_vec();
    body.extend([0, 0, 4]);
    for (key, oldest, newest) in [(1_i16, 4_i16, 17_i16), (2, 1, 10), (23, 2, 4)] {
        for number in [key, oldest, newest] {
            body.extend(number.to_be_bytes());
        }
        body.push(0);
    }
    body.extend([0; 5]);
    let size = u32::try_from(body.len()).unwrap().to_be_bytes();
    [size.as_slice(), &body].concat()
}

#[test]
fn very_many_partitions_are_asked_for_in_full_requests_without_waits_between() {
    let bench = Bench::with_all_partitions();
    bench.assert_all_asked_for();
    let largest = bench.asked.iter().map(|asked| asked.bytes).max().unwrap();
    assert!(largest > crate::limits::FRAME_BUFFER_BYTES / 10 * 9, "{largest} bytes");
}

#[test]
fn after_a_cut_of_the_network_all_are_asked_for_within_ten_seconds_of_its_end() {
    let mut bench = Bench::with_all_partitions();
    bench.cut();
    for _ in 0..120 {
        bench.now = bench.now.after_ms(500);
        bench.run(Vec::new());
    }
    assert_eq!(bench.session_members(), 0);
    (bench.is_reachable, bench.asked) = (true, Vec::new());
    for _ in 0..10 {
        bench.now = bench.now.after_ms(1_000);
        bench.run(Vec::new());
    }
    bench.assert_all_asked_for();
}

#[test]
fn very_many_partitions_leave_their_sessions_together() {
    let mut bench = Bench::with_all_partitions();
    let remove = |index| EngineCommand::Remove { partition: spec_of(index).id, delete: false };
    bench.run((0..PARTITIONS / 2).map(remove).collect());
    assert_eq!(bench.removed_count, usize::try_from(PARTITIONS / 2).unwrap());
    // The requests that wait are answered; the next ones say who left.
    bench.asked.clear();
    let waiting: Vec<ConnectionId> = bench.receives.keys().copied().collect();
    for connection in waiting {
        let place = connection.index as usize;
        let asked = bench.shard.connections[place].in_flight.front().unwrap();
        let head = FetchResponseHead {
            api_version: asked.version,
            correlation_id: asked.correlation,
            throttle_ms: 0,
            error_code: 0,
            session_id: 1,
        };
        let answer = write_fetch_response(&head, &[], &[]).unwrap().bytes.to_vec();
        bench.answers.entry(connection).or_default().push_back(answer);
    }
    bench.deliver();
    bench.run(Vec::new());
    assert_eq!(bench.session_members(), u32::try_from(PARTITIONS / 2).unwrap());
    let departed = bench.shard.connections.iter().flat_map(|connection| &connection.lanes);
    assert_eq!(departed.map(|lane| lane.departed.len()).sum::<usize>(), 0);
    let connections = usize::try_from(CONNECTIONS).unwrap();
    assert_eq!(bench.asked.len(), connections, "no session was started over");
}

/// Where a Fetch request from version 15 on says how long the broker may wait: behind size, key,
/// version, correlation id, client id and tags.
const MAX_WAIT_AT: usize = 4 + 2 + 2 + 4 + 2 + super::CLIENT_ID_BYTES + 1;
