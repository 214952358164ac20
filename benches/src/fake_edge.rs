//! A shard with everything around it made up: its operations end at once, and its source always has
//! more.
//!
//! Only `Shard::step` is counted. The answers are one prepared response; the offsets of its batches
//! are put right before it is sent, which their CRCs do not cover.

use std::ops::Range;

use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::LoadedLog;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_wire::fetch_reader::{FRAME_BYTES_MAX, FetchReader};
use kafka_wire::message::encode_response;
use kafka_wire::offset::Offset;
use mirror_shard::bridge::{EngineCommand, EngineReport};
use mirror_shard::buffer_pool::{BufferLease, ShardBuffers};
use mirror_shard::counters::ShardCounters;
use mirror_shard::limits::{FRAME_BUFFER_BYTES, RECORD_BUFFER_BYTES, ShardLimits};
use mirror_shard::op::{Completion, ConnectionId, FileOutcome, FileTask, Op, Tick};
use mirror_shard::shard::Shard;

use crate::fetch_messages::{FETCH_VERSION, response, walk};
use crate::workload::counted;

/// A shard, and all that is ready for it.
#[derive(Debug)]
pub struct FakeEdge {
    shard: Shard,
    now: Tick,
    source: FakeSource,
    waiting: Option<WaitingReceive>,
    commands: Vec<EngineCommand>,
    completions: Vec<Completion>,
    ops: Vec<Op>,
    reports: Vec<EngineReport>,
}

#[derive(Debug)]
struct WaitingReceive {
    connection: ConnectionId,
    buffer: BufferLease,
    start: u32,
    end: u32,
}

impl FakeEdge {
    /// A shard with one connection that was told `commands`, and a source that answers every fetch
    /// with these batches, from offset 0 on, for each of so many partitions.
    #[must_use]
    pub fn new(commands: Vec<EngineCommand>, partitions: usize, batches: &[u8]) -> Self {
        let limits = ShardLimits {
            connection_count_max: 1,
            connections_per_broker: 1,
            ..ShardLimits::STANDARD
        };
        let make = |count, bytes| {
            let lease = |index| BufferLease::new(index, vec![0; bytes as usize].leak());
            (0..count).map(lease).collect()
        };
        let record = make(limits.record_buffer_count, RECORD_BUFFER_BYTES);
        let frame = make(limits.frame_buffer_count(), FRAME_BUFFER_BYTES);
        Self {
            shard: Shard::new(0, limits, 1, ShardBuffers { record, frame }),
            now: Tick(0),
            source: FakeSource::new(partitions, batches),
            waiting: None,
            commands,
            completions: Vec::new(),
            ops: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Goes on until the source was asked for records `count` more times.
    pub fn answer_fetches(&mut self, count: usize) {
        let target = self.source.fetches + count;
        while self.source.fetches < target {
            self.turn();
        }
    }

    /// What the shard counted so far.
    #[must_use]
    pub fn counters(&self) -> ShardCounters {
        *self.shard.counters()
    }

    fn turn(&mut self) {
        if self.completions.is_empty() && self.commands.is_empty() {
            let deadline = self.shard.next_deadline().expect("a shard waits for something");
            self.now = self.now.max(deadline);
        } else {
            self.now.0 += STEP_US;
        }
        counted(|| {
            self.shard.step(
                self.now,
                &mut self.commands,
                &mut self.completions,
                &mut self.ops,
                &mut self.reports,
            );
        });
        self.reports.clear();
        for op in std::mem::take(&mut self.ops) {
            let completion = self.carry_out(op);
            self.completions.extend(completion);
        }
        let received = self.receive();
        self.completions.extend(received);
    }

    fn carry_out(&mut self, op: Op) -> Option<Completion> {
        Some(match op {
            Op::Connect { connection, .. } => Completion::Connected { connection, result: Ok(()) },
            Op::Send { connection, buffer, end } => {
                self.source.answer(&buffer.bytes()[..end as usize]);
                Completion::Sent { connection, buffer, result: Ok(()) }
            }
            Op::Receive { connection, buffer, start, end } => {
                assert!(self.waiting.is_none(), "a connection receives one thing at a time");
                self.waiting = Some(WaitingReceive { connection, buffer, start, end });
                return None;
            }
            Op::Disconnect { connection } => panic!("{connection:?} has no reason to end"),
            Op::Write { slot, chunk, buffer, .. } => {
                Completion::Written { slot, chunk, buffer, result: Ok(()) }
            }
            Op::WriteIndex { slot, buffer, .. } => {
                Completion::IndexWritten { slot, buffer, result: Ok(()) }
            }
            Op::Sync { slot, segment } => Completion::Synced { slot, segment, result: Ok(()) },
            Op::Allocate { slot, segment, .. } => {
                Completion::Allocated { slot, segment, result: Ok(()) }
            }
            Op::File { slot, task } => Completion::File { slot, result: Ok(outcome(task)) },
        })
    }

    /// Fills the receive that waits, if there is anything to fill it with.
    fn receive(&mut self) -> Option<Completion> {
        if self.source.unsent().is_empty() {
            return None;
        }
        let WaitingReceive { connection, mut buffer, start, end } = self.waiting.take()?;
        let room = &mut buffer.bytes_mut()[start as usize..end as usize];
        let bytes = room.len().min(self.source.unsent().len());
        room[..bytes].copy_from_slice(&self.source.unsent()[..bytes]);
        self.source.sent += bytes;
        let bytes = u32::try_from(bytes).expect("below the buffer's size");
        Some(Completion::Received { connection, buffer, result: Ok(bytes) })
    }
}

fn outcome(task: FileTask) -> FileOutcome {
    match task {
        FileTask::Load { request, .. } => {
            let log = PartitionLog::empty(request.config, Offset::ZERO);
            let loaded = LoadedLog { log, findings: Vec::new(), is_as_closed: false };
            FileOutcome::Loaded(Box::new(loaded))
        }
        FileTask::CloseSegment(closed) => FileOutcome::SegmentClosed(closed.base),
        FileTask::WriteEpochs(_) => FileOutcome::EpochsWritten,
        FileTask::RetireSegments(_) => FileOutcome::SegmentsRetired,
        FileTask::CloseLog(_) => FileOutcome::LogClosed,
        FileTask::Remove => FileOutcome::Removed,
    }
}

/// A broker that has the same records for ever.
#[derive(Debug)]
struct FakeSource {
    /// One answer to a fetch, and where its batches begin.
    answer: Vec<u8>,
    batches: Vec<usize>,
    /// Batches of each partition, one record each.
    batches_per_partition: usize,
    fetches: usize,
    outgoing: Vec<u8>,
    sent: usize,
}

impl FakeSource {
    fn new(partitions: usize, batches: &[u8]) -> Self {
        let answer = response(0, partitions, batches);
        let mut starts = Vec::new();
        let mut reader = FetchReader::new(FRAME_BYTES_MAX);
        walk(&mut reader, 0, &answer, |records| starts.extend(batch_starts(&answer, records)));
        let batches_per_partition = starts.len() / partitions;
        Self {
            answer,
            batches: starts,
            batches_per_partition,
            fetches: 0,
            outgoing: Vec::new(),
            sent: 0,
        }
    }

    fn unsent(&self) -> &[u8] {
        &self.outgoing[self.sent..]
    }

    fn answer(&mut self, request: &[u8]) {
        if self.unsent().is_empty() {
            self.outgoing.clear();
            self.sent = 0;
        }
        let [key, version] = [4, 6].map(|at| i16::from_be_bytes([request[at], request[at + 1]]));
        let correlation: [u8; 4] = *request[8..].first_chunk().expect("requests have headers");
        match key {
            1 => self.answer_fetch(correlation),
            18 => self.outgoing.extend(versions(version, i32::from_be_bytes(correlation))),
            other => panic!("request {other} is not answered"),
        }
    }

    fn answer_fetch(&mut self, correlation: [u8; 4]) {
        self.answer[4..8].copy_from_slice(&correlation);
        let begin = self.fetches * self.batches_per_partition;
        for (number, at) in self.batches.iter().enumerate() {
            let offset = u64::try_from(begin + number % self.batches_per_partition);
            let offset = offset.expect("a count fits 64 bits").to_be_bytes();
            self.answer[*at..*at + 8].copy_from_slice(&offset);
        }
        self.outgoing.extend_from_slice(&self.answer);
        self.fetches += 1;
    }
}

/// Where the batches in `range` of `bytes` begin.
fn batch_starts(bytes: &[u8], range: Range<usize>) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = range.start;
    while at < range.end {
        starts.push(at);
        let length: [u8; 4] = *bytes[at + 8..].first_chunk().expect("a batch has a length");
        at += 12 + u32::from_be_bytes(length) as usize;
    }
    starts
}

fn versions(version: i16, correlation_id: i32) -> Vec<u8> {
    let range = |key, min, max| {
        ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
    };
    let keys = vec![range(1, 4, FETCH_VERSION), range(2, 1, 10), range(18, 0, 4), range(23, 2, 4)];
    let response = ApiVersionsResponse::default().with_api_keys(keys);
    encode_response(version, correlation_id, &response).expect("the answer encodes").to_vec()
}

/// Time that passes with each step.
const STEP_US: u64 = 50;
