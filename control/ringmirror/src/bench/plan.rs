//! What will be measured: the options, checked against the machine.

use std::time::Duration;

use indicatif::BinaryBytes;

use super::scratch::{self, Place};
use crate::cli::bench::{BenchArgs, SinkChoice};
use crate::exit_code::{CommandError, ExitCode};

/// What becomes of the batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    Disk,
    Memory,
    Discard,
}

impl Sink {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Discard => "discard",
        }
    }
}

/// What will be measured, and where.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) sinks: Vec<Sink>,
    /// Where the disk is measured, when it is.
    pub(super) disk: Option<Place>,
    pub(super) connections: usize,
    pub(super) response_bytes: u32,
    /// Time of each sink in a round.
    pub(super) time: Duration,
    /// The most the disk is given in a round.
    pub(super) bytes: u64,
    /// The same of memory.
    pub(super) memory_bytes: u64,
    /// Size of the file that the disk's limit is measured with.
    pub(super) probe_bytes: u64,
    /// What was left out, and why.
    pub(super) notes: Vec<String>,
}

impl Plan {
    /// Looks at the places and refuses what cannot be measured.
    pub(super) fn new(
        args: &BenchArgs,
        memory_available: Option<u64>,
    ) -> Result<Self, CommandError> {
        let is_asked = |choice| args.sink.contains(&choice) || args.sink.contains(&SinkChoice::All);
        let mut plan = Self {
            sinks: Vec::new(),
            disk: None,
            connections: usize::try_from(args.connections.min(args.partitions)).unwrap_or(1),
            response_bytes: args.response_bytes,
            time: Duration::from_secs_f64(args.seconds),
            bytes: args.bytes,
            memory_bytes: 0,
            probe_bytes: args.bytes.min(PROBE_BYTES_MAX),
            notes: Vec::new(),
        };
        if is_asked(SinkChoice::Disk) {
            plan.disk = Some(disk(args)?);
            plan.sinks.push(Sink::Disk);
        }
        if is_asked(SinkChoice::Memory) {
            match memory_bytes(args, memory_available) {
                Ok(bytes) => {
                    plan.memory_bytes = bytes;
                    plan.sinks.push(Sink::Memory);
                }
                // Asked for by name it has to be there.
                Err(refusal) if args.sink.contains(&SinkChoice::Memory) => return Err(refusal),
                Err(refusal) => {
                    plan.notes.push(format!("without the sink memory: {:#}", refusal.error));
                }
            }
        }
        if is_asked(SinkChoice::Discard) {
            plan.sinks.push(Sink::Discard);
        }
        Ok(plan)
    }
}

/// The place on disk, if it has what is needed.
fn disk(args: &BenchArgs) -> Result<Place, CommandError> {
    let place = scratch::look_at(&args.data_dir, "--data-dir")?;
    let directory = args.data_dir.display();
    if place.facts.direct_write_bytes_min.is_none() {
        let what = if place.is_memory { "is memory" } else { "takes no direct writes" };
        return Err(refusal(format!(
            "{directory} {what}; name a directory on a disk (ext4 or xfs) with --data-dir, or \
             measure without it: --sink memory,discard"
        )));
    }
    let needed = room(args, args.bytes);
    if place.free_bytes < needed {
        let (free, needed) = (BinaryBytes(place.free_bytes), BinaryBytes(needed));
        return Err(refusal(format!(
            "{directory} has {free} free, {needed} are needed; make room, name a directory on \
             another disk with --data-dir, or copy less with --bytes"
        )));
    }
    Ok(place)
}

/// How much the sink memory may be given: half of what there is, at most.
fn memory_bytes(args: &BenchArgs, available: Option<u64>) -> Result<u64, CommandError> {
    let place = scratch::look_at(&args.memory_dir, "--memory-dir")?;
    let directory = args.memory_dir.display();
    if !place.is_memory {
        return Err(refusal(format!(
            "{directory} is not memory; name a tmpfs with --memory-dir (mount -t tmpfs -o size=8G \
             none DIR)"
        )));
    }
    let free = place.free_bytes.min(available.unwrap_or(u64::MAX));
    let needed = room(args, args.bytes.min(MEMORY_BYTES_MIN));
    if free < needed {
        let (free, needed) = (BinaryBytes(free), BinaryBytes(needed));
        return Err(refusal(format!(
            "{directory} has {free} of memory to give, {needed} are needed; name a larger tmpfs \
             with --memory-dir, or free memory"
        )));
    }
    Ok(args.bytes.min(free / 2))
}

/// Room for `bytes` and what is reserved or written beyond them.
fn room(args: &BenchArgs, bytes: u64) -> u64 {
    let reserved = u64::from(args.partitions).saturating_mul(RESERVED_BYTES).min(bytes);
    bytes + bytes / 4 + reserved + ROOM_BYTES
}

fn refusal(text: String) -> CommandError {
    CommandError::new(ExitCode::DataDirectory, anyhow::anyhow!(text))
}

/// What is reserved ahead of direct writes for a partition.
const RESERVED_BYTES: u64 = 16 << 20;
/// What may be written between two looks.
const ROOM_BYTES: u64 = 256 << 20;
/// Less says nothing about memory.
const MEMORY_BYTES_MIN: u64 = 256 << 20;
const PROBE_BYTES_MAX: u64 = 2 << 30;
