//! Connections between the shard and source brokers: bytes on their way, delays, ends.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mirror_shard::buffer_pool::BufferLease;
use mirror_shard::op::ConnectionId;

use crate::fetch_answers::WaitingFetch;
use crate::source::Broker;

/// A receive that waits for bytes.
#[derive(Debug)]
pub(crate) struct PendingReceive {
    pub(crate) buffer: BufferLease,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// How a connection ended, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    No,
    /// What was sent still arrives, then the end.
    Closed,
    /// Nothing arrives any more.
    Reset,
}

/// One socket, seen from both sides.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) broker: Broker,
    pub(crate) connected: bool,
    pub(crate) ended: Ended,
    /// The shard asked for the end.
    pub(crate) disconnected: bool,
    /// Operations that have not completed.
    pub(crate) pending: u32,
    pub(crate) receive: Option<PendingReceive>,
    /// Bytes on their way to the shard, and how much of the first piece was taken.
    pub(crate) inbound: VecDeque<Bytes>,
    pub(crate) inbound_taken: usize,
    /// Nothing is delivered before.
    pub(crate) stalled_until: u64,
    /// When the last request sent reaches the broker: they arrive in order.
    pub(crate) arrives_at: u64,
    /// Requests the broker has not looked at.
    pub(crate) requests: VecDeque<Bytes>,
    /// The request being answered, and when it must be at the latest.
    pub(crate) waiting: Option<(Box<WaitingFetch>, u64)>,
}

impl Link {
    pub(crate) const fn new(broker: Broker) -> Self {
        Self {
            broker,
            connected: false,
            ended: Ended::No,
            disconnected: false,
            pending: 1,
            receive: None,
            inbound: VecDeque::new(),
            inbound_taken: 0,
            stalled_until: 0,
            arrives_at: 0,
            requests: VecDeque::new(),
            waiting: None,
        }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.connected && matches!(self.ended, Ended::No) && !self.disconnected
    }

    pub(crate) fn inbound_bytes(&self) -> usize {
        self.inbound.iter().map(Bytes::len).sum::<usize>() - self.inbound_taken
    }

    /// Moves up to `into.len()` arrived bytes out.
    pub(crate) fn take(&mut self, into: &mut [u8]) {
        let mut filled = 0;
        while filled < into.len() {
            let front = self.inbound.front().expect("the caller counted the bytes");
            let piece = &front[self.inbound_taken..];
            let taken = piece.len().min(into.len() - filled);
            into[filled..filled + taken].copy_from_slice(&piece[..taken]);
            filled += taken;
            self.inbound_taken += taken;
            if self.inbound_taken == front.len() {
                self.inbound.pop_front();
                self.inbound_taken = 0;
            }
        }
    }

    pub(crate) fn reset(&mut self) {
        self.ended = Ended::Reset;
        self.inbound.clear();
        self.inbound_taken = 0;
        self.requests.clear();
        self.waiting = None;
    }
}

/// How the network misbehaves now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NetworkFaults {
    /// Connects that fail, percent.
    pub(crate) refuse_percent: u64,
    /// Responses with a flipped bit in their records, per mille.
    pub(crate) flip_permille: u64,
    /// Responses that are no Kafka, per mille.
    pub(crate) garbage_permille: u64,
    /// Responses cut off in the middle, per mille.
    pub(crate) cut_permille: u64,
}

pub(crate) type Links = BTreeMap<ConnectionId, Link>;
