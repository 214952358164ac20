//! One direction of a long link: packets wait out a delay, and some are lost.
//!
//! Knows no device and no clock: what is a packet, and when it is, come from outside.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What happens to packets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// How long each is on its way.
    pub delay: Duration,
    /// The share of them that is lost, 0 to 1.
    pub loss: f64,
}

/// What happened to packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketCounts {
    /// Taken onto the way.
    pub taken: u64,
    /// Lost on purpose.
    pub lost: u64,
    /// Lost because [`QUEUE_BYTES_MAX`] were on the way.
    pub overflown: u64,
}

impl PacketCounts {
    /// What happened after `earlier`.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            taken: self.taken - earlier.taken,
            lost: self.lost - earlier.lost,
            overflown: self.overflown - earlier.overflown,
        }
    }
}

/// Bytes on the way in one direction: a second at 256 MB/s. What comes on top is lost, as in a
/// router whose buffer is full.
pub const QUEUE_BYTES_MAX: usize = 256 << 20;

/// Packets on their way, and memory for more.
#[derive(Debug)]
pub struct DelayLine {
    passage: Passage,
    random: u64,
    waiting: VecDeque<(Instant, Packet)>,
    waiting_bytes: usize,
    spare: Vec<Packet>,
    packet_bytes_max: usize,
    counts: PacketCounts,
}

/// A buffer, and how much of it is a packet.
#[derive(Debug)]
pub struct Packet {
    buffer: Box<[u8]>,
    bytes: usize,
}

impl DelayLine {
    /// A line for packets of at most so many bytes; equal seeds lose equal packets.
    #[must_use]
    pub fn new(packet_bytes_max: usize, seed: u64) -> Self {
        Self {
            passage: Passage { delay: Duration::ZERO, loss: 0.0 },
            random: seed,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            spare: Vec::new(),
            packet_bytes_max,
            counts: PacketCounts::default(),
        }
    }

    /// What happens to packets that come from now on; those on their way keep their time.
    pub const fn set(&mut self, passage: Passage) {
        self.passage = passage;
    }

    /// What happened so far.
    #[must_use]
    pub const fn counts(&self) -> PacketCounts {
        self.counts
    }

    /// Room for a packet.
    pub fn packet(&mut self) -> Packet {
        let new = || Packet { buffer: vec![0; self.packet_bytes_max].into(), bytes: 0 };
        self.spare.pop().unwrap_or_else(new)
    }

    /// Gives the room back.
    pub fn give_back(&mut self, packet: Packet) {
        self.spare.push(packet);
    }

    /// Takes a packet onto the way, or loses it.
    pub fn take(&mut self, packet: Packet, now: Instant) {
        if self.next_share() < self.passage.loss {
            self.counts.lost += 1;
            return self.give_back(packet);
        }
        if self.waiting_bytes + packet.bytes > QUEUE_BYTES_MAX {
            self.counts.overflown += 1;
            return self.give_back(packet);
        }
        // A shorter delay than before must not let packets overtake others.
        let due = now + self.passage.delay;
        let due = self.waiting.back().map_or(due, |(last, _)| due.max(*last));
        self.counts.taken += 1;
        self.waiting_bytes += packet.bytes;
        self.waiting.push_back((due, packet));
    }

    /// The next packet that has arrived.
    pub fn arrived(&mut self, now: Instant) -> Option<Packet> {
        let (due, _) = self.waiting.front()?;
        if *due > now {
            return None;
        }
        let (_, packet) = self.waiting.pop_front()?;
        self.waiting_bytes -= packet.bytes;
        Some(packet)
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.waiting.front().map(|(due, _)| *due)
    }

    /// A number from 0 to 1, 1 excluded: splitmix64.
    fn next_share(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(high) / 4_294_967_296.0
    }
}

impl Packet {
    /// All the room, to receive into; `set_bytes` says how much came.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// How much of the room is the packet.
    pub fn set_bytes(&mut self, bytes: usize) {
        self.bytes = bytes.min(self.buffer.len());
    }

    /// The packet.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.bytes]
    }
}

#[cfg(test)]
mod tests;
