//! The most memory that mirroring and the logs of a node take, and how it is shared out.
//!
//! ```text
//! | program | reader | slab of each shard | written last | partitions, 8 KiB each |
//!   named    fixed    as configured        shrinks first   as many as there is room for
//! ```
//!
//! What clients make a node hold (requests, answers, committed offsets) has limits of its own and
//! comes beside it.

use std::fmt;

use kafka_wire::partition::TopicName;
use mirror_uring::affinity::allowed_cpus;
use mirror_uring::segment_reader::READ_BUFFERS;
use mirror_uring::{RECORD_BUFFER_BYTES, ShardLimits};

use crate::catalog::{Binding, INTERNAL_TOPICS};
use crate::control_loop::EngineSettings;

/// A cap that is large enough for what it has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryCap {
    /// All of it.
    pub bytes_max: u64,
    /// Of which the records written last may take this much.
    pub recent_bytes: u64,
    /// Partitions that the rest has room for, those of topics made here included.
    pub partition_count_max: usize,
}

/// A cap that is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryTooSmall {
    /// What was said.
    pub bytes_max: u64,
    shard_count: u64,
    buffer_bytes: u64,
    recent_bytes: u64,
    partition_count: usize,
}

impl MemoryTooSmall {
    /// The least that works.
    #[must_use]
    pub const fn bytes_needed(&self) -> u64 {
        let fixed = PROGRAM_BYTES + self.buffer_bytes + bytes_of(self.partition_count);
        let needed = fixed.saturating_add(self.recent_bytes);
        match needed.checked_next_multiple_of(1 << 20) {
            Some(whole) => whole,
            None => u64::MAX,
        }
    }
}

impl fmt::Display for MemoryTooSmall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes_max, shard_count, buffer_bytes, recent_bytes, partition_count } = *self;
        write!(
            out,
            "memory_bytes_max is {}, the least that works here is {}: {} for the program, {} for \
             the buffers of {shard_count} shards, {} for records written last, {} for \
             {partition_count} partitions",
            Size(bytes_max),
            Size(self.bytes_needed()),
            Size(PROGRAM_BYTES),
            Size(buffer_bytes),
            Size(recent_bytes),
            Size(bytes_of(partition_count))
        )
    }
}

impl std::error::Error for MemoryTooSmall {}

/// More partitions than there is memory for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{asked} more partitions, {held} are here and memory_bytes_max has room for {max}: raise it by \
     at least {} and start the node again, or have fewer topics",
    Size(bytes_of((held + asked).saturating_sub(*max)))
)]
pub struct NoMemory {
    /// How many were asked for.
    pub asked: usize,
    /// How many there are.
    pub held: usize,
    /// How many there may be.
    pub max: usize,
}

/// Partitions that there is memory for, and how many of them are taken.
///
/// Made of what a directory remembers while that is locked. Whoever takes room for topics has them
/// remembered before the lock is gone: nobody else is given the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRoom {
    held: usize,
    max: usize,
}

impl PartitionRoom {
    /// Room for so many, none of it taken.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { held: 0, max }
    }

    /// Partitions that take room.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Counts partitions of a topic that is here, whether there is room or not.
    pub fn hold(&mut self, topic: &TopicName, binding: Binding, partition_count: i32) {
        self.held = self.held.saturating_add(needed(topic, binding, partition_count));
    }

    /// Takes room for partitions that a topic is to have more.
    ///
    /// # Errors
    /// How many there are, and how many there may be; nothing is taken then.
    pub fn take(
        &mut self,
        topic: &TopicName,
        binding: Binding,
        partition_count: i32,
    ) -> Result<(), NoMemory> {
        let Self { held, max } = *self;
        let asked = needed(topic, binding, partition_count);
        if asked > max.saturating_sub(held) {
            return Err(NoMemory { asked, held, max });
        }
        self.held += asked;
        Ok(())
    }
}

/// Partitions of a topic that need room: those of one that the node made for itself are in the
/// allowance for the program.
fn needed(topic: &TopicName, binding: Binding, partition_count: i32) -> usize {
    let is_own = binding == Binding::Unbound && INTERNAL_TOPICS.contains(&topic.as_str());
    if is_own { 0 } else { usize::try_from(partition_count).unwrap_or_default() }
}

impl MemoryCap {
    /// What suits most: the buffers as they are configured, and [`PARTITIONS_USUAL`] partitions.
    #[must_use]
    pub fn default_bytes(engine: &EngineSettings) -> u64 {
        let (_, buffer_bytes) = buffers(engine);
        let fixed = PROGRAM_BYTES + buffer_bytes + bytes_of(PARTITIONS_USUAL);
        let needed = fixed.saturating_add(engine.recent_bytes);
        needed.checked_next_multiple_of(DEFAULT_STEP_BYTES).unwrap_or(u64::MAX)
    }

    /// Shares a cap out. Where it is too small for all, `engine.recent_bytes` goes down first, but
    /// not below `recent_bytes_min`, and then there is room for fewer partitions.
    ///
    /// # Errors
    /// When the buffers alone do not fit, with room for [`PARTITIONS_MIN`] partitions.
    pub fn share_out(
        bytes_max: u64,
        engine: &EngineSettings,
        recent_bytes_min: u64,
    ) -> Result<Self, MemoryTooSmall> {
        let (shard_count, buffer_bytes) = buffers(engine);
        let least = MemoryTooSmall {
            bytes_max,
            shard_count,
            buffer_bytes,
            recent_bytes: recent_bytes_min,
            partition_count: PARTITIONS_MIN,
        };
        if bytes_max < least.bytes_needed() {
            return Err(least);
        }
        let rest = bytes_max - PROGRAM_BYTES - buffer_bytes;
        let spare = rest.saturating_sub(bytes_of(PARTITIONS_USUAL));
        let most = engine.recent_bytes.max(recent_bytes_min);
        let recent_bytes = spare.clamp(recent_bytes_min, most);
        let partition_count_max = (rest - recent_bytes) / PARTITION_BYTES;
        let partition_count_max = usize::try_from(partition_count_max).unwrap_or(usize::MAX);
        Ok(Self { bytes_max, recent_bytes, partition_count_max })
    }

    /// The usual cap of a node with this engine.
    ///
    /// # Panics
    /// Never: the usual cap has room for its buffers.
    #[must_use]
    pub fn usual(engine: &EngineSettings) -> Self {
        let cap = Self::share_out(Self::default_bytes(engine), engine, engine.recent_bytes);
        cap.expect("the default is made of what the buffers need")
    }

    /// An engine that keeps within its share.
    #[must_use]
    pub fn bounded(&self, engine: EngineSettings) -> EngineSettings {
        let partition_count_max = u32::try_from(self.partition_count_max).unwrap_or(u32::MAX);
        let limits = ShardLimits { partition_count_max, ..engine.limits };
        EngineSettings { limits, recent_bytes: self.recent_bytes, ..engine }
    }

    /// Refuses a directory with more partitions than there is room for.
    ///
    /// # Errors
    /// The least cap that has room for them.
    pub fn check_held(&self, held: usize, engine: &EngineSettings) -> Result<(), MemoryTooSmall> {
        if held <= self.partition_count_max {
            return Ok(());
        }
        let (shard_count, buffer_bytes) = buffers(engine);
        let (bytes_max, partition_count) = (self.bytes_max, held);
        // A cap that is raised further gives to what was written last first.
        let is_beyond_usual = held > PARTITIONS_USUAL;
        let recent_bytes = if is_beyond_usual { engine.recent_bytes } else { self.recent_bytes };
        Err(MemoryTooSmall { bytes_max, shard_count, buffer_bytes, recent_bytes, partition_count })
    }
}

/// How many shards there will be, and the bytes of all buffers that have a fixed size: those of the
/// shards, without the ones for records written last, and those of the thread that reads segments
/// for clients.
fn buffers(engine: &EngineSettings) -> (u64, u64) {
    let shard_count = engine.shard_count();
    let shard = ShardLimits { recent_buffer_count: 0, ..engine.limits };
    let reader = u64::from(READ_BUFFERS) * u64::from(RECORD_BUFFER_BYTES);
    (shard_count, shard_count * shard.slab_bytes() + reader)
}

impl EngineSettings {
    /// Shards that an engine with these settings has.
    pub(crate) fn shard_count(&self) -> u64 {
        let count = if self.cores.is_empty() { allowed_cpus().len() } else { self.cores.len() };
        u64::try_from(count.max(1)).expect("a count of cores fits 64 bits")
    }
}

const fn bytes_of(partition_count: usize) -> u64 {
    (partition_count as u64).saturating_mul(PARTITION_BYTES)
}

/// A size as one may write it.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}MiB", self.0.div_ceil(1 << 20))
    }
}

/// Program, threads, allocator, and the topics that a node makes for itself: 54 MiB were seen with
/// few partitions.
pub const PROGRAM_BYTES: u64 = 96 << 20;
/// What a partition takes in all: 5.6 KiB were seen with 50,000 of them.
pub const PARTITION_BYTES: u64 = 8 << 10;
/// Partitions that the default has room for; buffers of a smaller cap shrink down to where so many
/// fit.
pub const PARTITIONS_USUAL: usize = 100_000;
/// A cap with room for fewer is refused.
pub const PARTITIONS_MIN: usize = 1_000;
const DEFAULT_STEP_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests;
