//! Rounds: every limit and every sink in turn, so that a slow minute is slow for all of them.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use mirror_uring::ShardLimits;
use yardstick::disk_probe::{DISK_DEPTH, append_buffered, fill_reserved};
use yardstick::engine_run::{EngineRun, EngineRunPlan};
use yardstick::fetch_client::{DiscardPlan, check_and_discard, discard};
use yardstick::limits::check_crcs;
use yardstick::machine::{
    BusyClock, CorePair, HugeBuffers, process_cpu, process_cpu_of, ratio_f64, thread_cpu,
    threads_cpu,
};
use yardstick::measurement::Sample;
use yardstick::process_watch::ProcessWatch;
use yardstick::source_child::SourceChild;

use super::plan::{Plan, Sink};

/// A run was asked to end.
#[derive(Debug)]
pub(super) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("interrupted before it was done")
    }
}

impl Error for Interrupted {}

/// What is kept from round to round.
pub(super) struct Bench<'a> {
    pub(super) plan: &'a Plan,
    pub(super) cores: CorePair,
    pub(super) source: &'a SourceChild,
    pub(super) disk: Option<&'a Path>,
    pub(super) memory: Option<&'a Path>,
    pub(super) buffers: HugeBuffers,
    pub(super) stop: Arc<AtomicBool>,
}

/// What one round measured.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// The same source, received and thrown away unread.
    pub(super) receive: Sample,
    /// Direct writes to a new file.
    pub(super) disk: Option<Sample>,
    /// Appends to a new file that is memory.
    pub(super) memory: Option<Sample>,
    /// CRCs of memory in the cache.
    pub(super) crc: Sample,
    /// The sinks, in the order of the plan.
    pub(super) runs: Vec<Run>,
    /// Whether hardly anything else ran on the machine.
    pub(super) is_calm: bool,
}

/// What a sink did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) sink: Sink,
    pub(super) sample: Sample,
    /// Share of the time that the engine's core worked for us.
    pub(super) core_busy: f64,
    /// The same of the source's.
    pub(super) source_busy: f64,
    /// The most memory the process had in use.
    pub(super) peak_bytes: u64,
    /// Waits for a buffer, for each response.
    pub(super) waiting_share: f64,
}

impl Bench<'_> {
    /// Measures everything once, for `time` each sink.
    pub(super) fn round(&mut self, time: Duration, tell: &dyn Fn(&str)) -> Result<Round> {
        let child = [self.source.id()];
        let before = BusyClock::read(&child)?;
        let limit_time = time / 2;
        tell("receiving");
        let receive = self.go_on().and_then(|()| discard(&self.discard_plan(1, limit_time)))?;
        let crc = self.go_on().and_then(|()| check_crcs(self.cores, limit_time / 4))?;
        let disk = match self.disk {
            None => None,
            Some(directory) => {
                tell("the disk");
                self.go_on()?;
                Some(fill_reserved(
                    directory,
                    &mut self.buffers,
                    self.plan.probe_bytes,
                    limit_time,
                )?)
            }
        };
        let memory = match self.memory {
            None => None,
            Some(directory) => {
                tell("memory");
                self.go_on()?;
                let (core, bytes) = (self.cores.receiver, self.plan.memory_bytes);
                Some(append_buffered(directory, core, bytes, limit_time)?)
            }
        };
        let mut runs = Vec::new();
        for sink in self.plan.sinks.clone() {
            tell(&format!("sink {}", sink.name()));
            self.go_on()?;
            runs.push(self.run(sink, time)?);
        }
        let is_calm = BusyClock::read(&child)?.is_calm_since(&before);
        Ok(Round { receive, disk, memory, crc, runs, is_calm })
    }

    fn go_on(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Interrupted.into()) } else { Ok(()) }
    }

    fn run(&self, sink: Sink, time: Duration) -> Result<Run> {
        match sink {
            Sink::Disk => self.copy(sink, self.disk.context("a directory on disk")?, time),
            Sink::Memory => self.copy(sink, self.memory.context("a directory in memory")?, time),
            Sink::Discard => self.throw_away(time),
        }
    }

    /// Lets the engine copy for `time`, or as much as there is room for.
    fn copy(&self, sink: Sink, directory: &Path, time: Duration) -> Result<Run> {
        let watch = ProcessWatch::begin(std::process::id())?;
        let source = self.source.description();
        let plan = EngineRunPlan {
            source,
            directory,
            core: self.cores.receiver,
            limits: self.limits(sink),
            reuse_files: false,
        };
        let bytes_max = if sink == Sink::Memory { self.plan.memory_bytes } else { self.plan.bytes };
        let mut engine = EngineRun::start(&plan)?;
        engine.add_partitions(source)?;
        engine.first_event(Instant::now() + START_TIME_MAX)?;
        let clocks = Clocks::read(self.source.id())?;
        let bytes_before = engine.counters().bytes_written;
        let mut bytes = 0;
        while bytes < bytes_max && clocks.begun.elapsed() < time {
            self.go_on()?;
            engine.idle(LOOK_PAUSE.min(time))?;
            bytes = engine.counters().bytes_written - bytes_before;
        }
        let elapsed = clocks.begun.elapsed();
        let busy = Clocks::read(self.source.id())?;
        let peak_bytes = watch.resident_bytes_max()?;
        let counters = engine.stop()?;
        let cpu = busy.process.saturating_sub(clocks.process);
        let cpu = cpu.saturating_sub(busy.own.saturating_sub(clocks.own));
        let share = |now: Duration, then: Duration| {
            now.saturating_sub(then).as_secs_f64() / elapsed.as_secs_f64()
        };
        Ok(Run {
            sink,
            sample: Sample { bytes, elapsed, cpu },
            core_busy: share(busy.shard, clocks.shard),
            source_busy: share(busy.source, clocks.source),
            peak_bytes,
            waiting_share: ratio_f64(counters.buffer_waits)
                / ratio_f64(counters.fetch_responses.max(1)),
        })
    }

    /// Receives, checks and throws away.
    fn throw_away(&self, time: Duration) -> Result<Run> {
        let watch = ProcessWatch::begin(std::process::id())?;
        let (before, begun) = (process_cpu_of(self.source.id())?, Instant::now());
        let sample = check_and_discard(&self.discard_plan(1, time))?;
        let source = process_cpu_of(self.source.id())?.saturating_sub(before);
        Ok(Run {
            sink: Sink::Discard,
            sample,
            core_busy: sample.cpu.as_secs_f64() / sample.elapsed.as_secs_f64(),
            source_busy: source.as_secs_f64() / begun.elapsed().as_secs_f64(),
            peak_bytes: watch.resident_bytes_max()?,
            waiting_share: 0.0,
        })
    }

    fn discard_plan(&self, requests_ahead: usize, time: Duration) -> DiscardPlan<'_> {
        DiscardPlan {
            source: self.source.description(),
            core: self.cores.receiver,
            connections: self.plan.connections,
            requests_in_flight: 1 + requests_ahead,
            response_bytes: self.plan.response_bytes,
            time,
        }
    }

    /// The engine's usual limits but for what was asked for.
    fn limits(&self, sink: Sink) -> ShardLimits {
        ShardLimits {
            connections_per_broker: u32::try_from(self.plan.connections).unwrap_or(1),
            fetch_bytes_max: self.plan.response_bytes,
            partition_fetch_bytes_max: self.plan.response_bytes,
            direct_writes: sink == Sink::Disk,
            ..ShardLimits::default()
        }
    }
}

/// Processor times at one moment.
struct Clocks {
    begun: Instant,
    process: Duration,
    /// Of the thread that measures.
    own: Duration,
    /// Of the engine's thread, and of the kernel's workers for it.
    shard: Duration,
    source: Duration,
}

impl Clocks {
    fn read(source: u32) -> Result<Self> {
        Ok(Self {
            process: process_cpu()?,
            own: thread_cpu()?,
            shard: threads_cpu("ringmirror-")? + threads_cpu("iou-wrk-")?,
            source: process_cpu_of(source)?,
            begun: Instant::now(),
        })
    }
}

/// Buffers of the disk's limit.
pub(super) const BUFFER_COUNT: usize = DISK_DEPTH;
/// An engine that says nothing for this long is stuck.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// How often to look whether it is time to stop.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
