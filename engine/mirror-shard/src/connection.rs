//! One connection to a source broker: its buffers, the requests in flight, the response being
//! read. What the bytes mean for partitions is decided in `receive` and `fetch_session`.

use std::collections::VecDeque;

use kafka_log::partition_log::AppendPlan;
use kafka_wire::batch_stream::BatchStream;
use kafka_wire::fetch_event::PartitionHead;
use kafka_wire::fetch_reader::FetchReader;
use kafka_wire::partition::{BrokerId, SourceBroker, SourceId};

use crate::answers::LeaderMove;
use crate::buffer_pool::BufferLease;
use crate::fetch_session::Lane;
use crate::limits::{ShardLimits, SourceLimits};
use crate::op::{BrokerAddress, ConnectionId, PartitionSlot, Tick};

/// Largest response taken, bytes: a peer that announces more is not the broker we asked.
pub(crate) const RESPONSE_BYTES_MAX: u32 = 512 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionPhase {
    /// The place is free.
    Vacant,
    /// Waits for its deadline, then connects.
    Resting,
    /// `Op::Connect` is in flight.
    Connecting,
    /// Waits for the ApiVersions answer.
    Handshaking,
    /// Takes requests.
    Ready,
    /// `Op::Disconnect` is in flight, or operations on the socket still are.
    Ending,
}

/// Versions both sides speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AgreedVersions {
    pub(crate) fetch: i16,
    /// OffsetForLeaderEpoch, from 2 on.
    pub(crate) epochs: Option<i16>,
    pub(crate) list_offsets: i16,
}

/// A request without its answer; answers come in the order of requests.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) correlation: i32,
    pub(crate) version: i16,
    pub(crate) question: Question,
}

#[derive(Debug)]
pub(crate) enum Question {
    Versions,
    Fetch {
        lane: usize,
    },
    Epochs {
        slots: Vec<PartitionSlot>,
    },
    /// Where the logs end, or start: partitions know what they asked.
    Offsets {
        slots: Vec<PartitionSlot>,
    },
}

/// The partition of a Fetch response that is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurrentPartition {
    /// `None` when it is not ours (any more): its records are thrown away.
    pub(crate) slot: Option<PartitionSlot>,
    pub(crate) head: PartitionHead,
    pub(crate) body: Option<Body>,
}

/// Records on their way into a partition's chunks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    pub(crate) remaining: u32,
    /// False once the rest is to be thrown away.
    pub(crate) accept: bool,
    /// Where the batch whose header was seen goes.
    pub(crate) plan: Option<AppendPlan>,
    pub(crate) accepted_any: bool,
}

/// Where the receive in flight puts its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiveTarget {
    Frame,
    /// Records from `start` of the chunk's buffer on; what follows the body goes to the frame.
    Chunk {
        slot: PartitionSlot,
        chunk: u64,
        start: u32,
    },
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) broker: SourceBroker,
    /// Of the broker's source.
    pub(crate) limits: SourceLimits,
    pub(crate) phase: ConnectionPhase,
    pub(crate) address: Option<BrokerAddress>,
    pub(crate) versions: Option<AgreedVersions>,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) align_queue: VecDeque<PartitionSlot>,
    pub(crate) repair_queue: VecDeque<PartitionSlot>,
    /// Partitions the response being read sends elsewhere; done at its end, when addresses are
    /// known.
    pub(crate) moves: Vec<LeaderMove>,

    /// `None` while an operation owns it.
    pub(crate) frame: Option<BufferLease>,
    pub(crate) frame_start: usize,
    pub(crate) frame_end: usize,
    pub(crate) receiving: Option<ReceiveTarget>,
    /// `None` while an operation owns it.
    pub(crate) request: Option<BufferLease>,
    pub(crate) sending: bool,
    pub(crate) disconnecting: bool,
    /// Its place is wanted for another broker: partitions join it no more.
    pub(crate) leaving: bool,

    pub(crate) in_flight: VecDeque<InFlight>,
    /// When the last answer ended, or a request was sent that waits for no other's answer.
    pub(crate) silent_since: Tick,
    pub(crate) next_correlation: i32,
    pub(crate) reader: FetchReader,
    /// The reader was told about the response at the front.
    pub(crate) reading: bool,
    pub(crate) response_bytes: u32,
    pub(crate) expects_bulk: bool,
    pub(crate) stream: BatchStream,
    pub(crate) current: Option<CurrentPartition>,

    /// Something must have happened by then, or the connection ends (Resting: connects).
    pub(crate) deadline: Option<Tick>,
    /// Waits for a record buffer.
    pub(crate) starved: bool,
}

impl Connection {
    pub(crate) fn vacant(index: u32, limits: &ShardLimits) -> Self {
        Self {
            id: ConnectionId { index, generation: 0 },
            broker: SourceBroker {
                source: SourceId::new(0),
                broker: BrokerId::from_wire(0).expect("zero is an id"),
            },
            limits: limits.source(),
            phase: ConnectionPhase::Vacant,
            address: None,
            versions: None,
            lanes: Vec::new(),
            align_queue: VecDeque::new(),
            repair_queue: VecDeque::new(),
            moves: Vec::new(),
            frame: None,
            frame_start: 0,
            frame_end: 0,
            receiving: None,
            request: None,
            sending: false,
            disconnecting: false,
            leaving: false,
            in_flight: VecDeque::new(),
            silent_since: Tick::default(),
            next_correlation: 0,
            reader: FetchReader::new(RESPONSE_BYTES_MAX),
            reading: false,
            response_bytes: 0,
            expects_bulk: false,
            stream: BatchStream::new(limits.batch_bytes_max),
            current: None,
            deadline: None,
            starved: false,
        }
    }

    /// No operation of the edge refers to this connection.
    pub(crate) fn is_quiet(&self) -> bool {
        self.receiving.is_none() && !self.sending && !self.disconnecting
    }

    /// Received bytes not yet looked at.
    pub(crate) fn unread(&self) -> &[u8] {
        self.frame.as_ref().map_or(&[], |frame| &frame.bytes()[self.frame_start..self.frame_end])
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.frame_start += bytes;
        assert!(self.frame_start <= self.frame_end);
        if self.frame_start == self.frame_end {
            (self.frame_start, self.frame_end) = (0, 0);
        }
    }

    /// Bytes of the response behind the records being read.
    pub(crate) fn bytes_behind_body(&self) -> u32 {
        self.reader.frame_bytes_left().saturating_sub(self.records_left())
    }

    /// Takes bytes that a receive of records brought along from behind them.
    pub(crate) fn take_behind_body(&mut self, bytes: &[u8]) {
        assert!(self.unread().is_empty(), "records are received only when nothing is unread");
        let frame = self.frame.as_mut().expect("only records were being received").bytes_mut();
        frame[..bytes.len()].copy_from_slice(bytes);
        (self.frame_start, self.frame_end) = (0, bytes.len());
    }

    /// Forgets everything said on the old socket; lanes keep their members.
    pub(crate) fn forget_conversation(&mut self) {
        (self.frame_start, self.frame_end) = (0, 0);
        self.in_flight.clear();
        self.reading = false;
        self.response_bytes = 0;
        self.expects_bulk = false;
        self.stream.reset();
        self.current = None;
        self.moves.clear();
        self.starved = false;
        self.versions = None;
    }

    /// A request is on its way at `now`.
    pub(crate) fn asks(&mut self, request: InFlight, now: Tick) {
        if self.in_flight.is_empty() {
            self.silent_since = now;
        }
        self.in_flight.push_back(request);
    }

    pub(crate) fn take_correlation(&mut self) -> i32 {
        let correlation = self.next_correlation;
        self.next_correlation = correlation.checked_add(1).unwrap_or(0);
        correlation
    }
}
