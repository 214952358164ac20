//! `ringmirror demo`: a node of our own as the source, filled by a client, mirrored and verified on
//! this machine; then a group goes on reading on the mirror where it was on the source.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mirror_coordinator::lifecycle::UncleanElection;
use mirror_coordinator::retry::RetryPolicy;
use mirror_node::client_properties::ClientProperties;
use mirror_node::control_loop::{ConfiguredMirror, EngineSettings, MirrorConfig};
use mirror_node::mirror_news::{MirrorEnd, MirrorNews, MirrorProgress};
use mirror_node::random_id::random_id;
use mirror_node::topic_filter::TopicFilter;
use mirror_node::verify::{self, VerifyConfig};
use mirror_uring::ShardLimits;
use serde::Serialize;

use crate::cli::DemoArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;
use crate::progress::ProgressView;
use crate::thread_cpu::CpuSplit;
use embedded_node::EmbeddedNode;
use filling::Filling;

mod client;
mod embedded_node;
mod filling;
mod reading;

pub(crate) use embedded_node::THREAD as SOURCE_THREAD;

/// What the demonstration showed.
#[derive(Debug, Serialize)]
struct DemoReport {
    /// `ok` or `failed`.
    verdict: &'static str,
    /// Bytes of batches mirrored.
    bytes: u64,
    /// Millions of bytes per second, from the engine's start until all is durable.
    mb_per_s: f64,
    /// CPU seconds of the mirror (the source not counted) per 10^9 bytes.
    cpu_seconds_per_gb: f64,
    /// What kept it from being faster.
    limiting_stage: &'static str,
    /// Batches whose every byte equals the source's.
    batches_verified: u64,
    /// Time of mirroring, seconds.
    mirror_seconds: f64,
    /// Time of verifying, seconds.
    verify_seconds: f64,
    /// CPU seconds of the source per 10^9 bytes, in the same process.
    source_cpu_seconds_per_gb: f64,
    /// Partitions.
    partitions: usize,
    /// Threads that mirrored.
    shards: usize,
    /// Offset at which the group went on, on the mirror as on the source.
    group_went_on_at: i64,
    /// What was wrong, when the verdict is `failed`.
    failures: Vec<String>,
}

pub(crate) fn run(args: &DemoArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let filling = filling(args)?;
    let scratch = Scratch::new(args)?;
    let (source_dir, mirror_dir) = (scratch.0.join("source"), scratch.0.join("mirror"));
    let source = EmbeddedNode::start(source_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(filling::fill(source.address(), filling))?;
    let properties = ClientProperties {
        bootstrap_servers: vec![source.address().clone()],
        ..ClientProperties::default()
    };
    let filter = TopicFilter::new(TOPIC, None)?;
    let config = MirrorConfig {
        data_dir: mirror_dir.clone(),
        mirror: ConfiguredMirror {
            name: crate::mirror::mirror_name(),
            properties: properties.clone(),
            filter: filter.clone(),
            unclean_election: UncleanElection::Fail,
        },
        engine: EngineSettings {
            cores: args.cores.clone().map(|cores| cores.0).unwrap_or_default(),
            limits: ShardLimits::default(),
            recent_bytes: 0,
        },
        retry: RetryPolicy::default(),
        until_caught_up: true,
        seed: 1,
    };
    let mirrored = mirror(config, !output.json)?;
    if mirrored.end == MirrorEnd::Stopped {
        return Ok(ExitCode::Interrupted);
    }
    let started = Instant::now();
    let compare = VerifyConfig { properties, data_dir: mirror_dir.clone(), filter };
    let compared = runtime.block_on(verify::verify(compare, &mut |_| {}))?;
    let verify_time = started.elapsed();
    let mut failures = mirrored.failures.clone();
    for partition in &compared.partitions {
        let what = partition.difference.as_ref().map(|difference| difference.what.clone());
        let found = what.into_iter().chain(partition.notes.iter().cloned());
        failures.extend(found.map(|text| format!("{}: {text}", partition.partition)));
    }
    if compared.partitions.len() != usize::try_from(args.partitions).unwrap_or(0) {
        failures.push(format!("{} partitions were compared", compared.partitions.len()));
    }
    let mirror = EmbeddedNode::start(mirror_dir)?;
    let went_on = reading::move_a_group(source.address(), mirror.address(), args.partitions);
    let group_went_on_at = runtime.block_on(went_on).unwrap_or_else(|error| {
        failures.push(format!("the group: {error:#}"));
        NOWHERE
    });
    let report = mirrored.report(compared.batches, verify_time, group_went_on_at, failures);
    drop((source, mirror));
    drop(scratch);
    print(&report, output)?;
    Ok(if report.verdict == "ok" { ExitCode::Done } else { ExitCode::Failed })
}

fn filling(args: &DemoArgs) -> Result<Filling, CommandError> {
    let record_bytes = usize::try_from(args.record_bytes).unwrap_or(usize::MAX);
    if record_bytes > RECORD_BYTES_MAX {
        let text = format!("records of at most {RECORD_BYTES_MAX} bytes, please");
        return Err(CommandError::usage(text));
    }
    Ok(Filling { bytes: args.bytes, partitions: args.partitions, record_bytes })
}

/// What mirroring came to.
struct Mirrored {
    end: MirrorEnd,
    progress: MirrorProgress,
    elapsed: Duration,
    cpu: CpuSplit,
    shards: usize,
    failures: Vec<String>,
}

fn mirror(config: MirrorConfig, with_view: bool) -> Result<Mirrored, CommandError> {
    let mut view = ProgressView::new(with_view && io::stderr().is_terminal(), true);
    let (mut started, mut shards) = (Instant::now(), 0);
    let mut cpu = (CpuSplit::default(), CpuSplit::default());
    let mut failures = Vec::new();
    let outcome = crate::mirror::mirror(config, &mut |news| {
        match &news {
            MirrorNews::Started { shards: count, .. } => {
                (started, shards) = (Instant::now(), *count);
                cpu.0 = CpuSplit::now().unwrap_or_default();
            }
            // The threads of both sides are still alive here.
            MirrorNews::Stopping => cpu.1 = CpuSplit::now().unwrap_or_default(),
            MirrorNews::Truncated { .. } | MirrorNews::Gap { .. } | MirrorNews::Corrupt { .. } => {
                failures.push(format!("{news:?}"));
            }
            _ => {}
        }
        if with_view && matches!(news, MirrorNews::Progress(_)) {
            view.show(&news);
        }
    });
    let elapsed = started.elapsed();
    view.finish();
    let outcome = outcome?;
    failures.extend(outcome.failed.iter().map(|part| format!("{}: {}", part.name, part.reason)));
    let cpu = cpu.1.since(cpu.0);
    let (end, progress) = (outcome.end, outcome.progress);
    Ok(Mirrored { end, progress, elapsed, cpu, shards, failures })
}

impl Mirrored {
    fn report(
        self,
        batches_verified: u64,
        verify: Duration,
        group_went_on_at: i64,
        failures: Vec<String>,
    ) -> DemoReport {
        let bytes = self.progress.bytes_written;
        // Bytes of a demonstration are far below 2^53, where a float is exact.
        let gigabytes = Duration::from_nanos(bytes.max(1)).as_secs_f64();
        DemoReport {
            verdict: if failures.is_empty() && batches_verified > 0 { "ok" } else { "failed" },
            bytes,
            mb_per_s: rounded(gigabytes * 1e3 / self.elapsed.as_secs_f64()),
            cpu_seconds_per_gb: rounded(self.cpu.mirror_seconds / gigabytes),
            limiting_stage: self.limiting_stage(),
            batches_verified,
            mirror_seconds: rounded(self.elapsed.as_secs_f64()),
            verify_seconds: rounded(verify.as_secs_f64()),
            source_cpu_seconds_per_gb: rounded(self.cpu.source_seconds / gigabytes),
            partitions: self.progress.partitions,
            shards: self.shards,
            group_went_on_at,
            failures,
        }
    }

    /// Names what was busy all the time; the disk when buffers had to be waited for.
    fn limiting_stage(&self) -> &'static str {
        let seconds = self.elapsed.as_secs_f64();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let cpus = f64::from(u32::try_from(cpus).unwrap_or(u32::MAX));
        let shards = f64::from(u32::try_from(self.shards.max(1)).unwrap_or(u32::MAX));
        if self.cpu.mirror_seconds > BUSY_SHARE * shards * seconds {
            "engine_cpu"
        } else if self.cpu.mirror_seconds + self.cpu.source_seconds > BUSY_SHARE * cpus * seconds {
            "cpu_shared_with_the_source"
        } else if self.progress.buffer_waits > self.progress.batches / WAITS_PER_BATCHES {
            "disk"
        } else {
            "source"
        }
    }
}

fn print(report: &DemoReport, output: &mut Output) -> io::Result<()> {
    if output.json {
        return output.document(report);
    }
    output.line(format_args!(
        "mirrored {} in {:.2} s: {:.0} MB/s, {:.3} CPU s/GB (the source took {:.3}), limited by {}",
        indicatif::BinaryBytes(report.bytes),
        report.mirror_seconds,
        report.mb_per_s,
        report.cpu_seconds_per_gb,
        report.source_cpu_seconds_per_gb,
        report.limiting_stage,
    ))?;
    output.line(format_args!(
        "verified {} batches in {:.2} s: {}",
        report.batches_verified,
        report.verify_seconds,
        if report.verdict == "ok" { "every byte is equal" } else { "NOT EQUAL" }
    ))?;
    if report.group_went_on_at != NOWHERE {
        output.line(format_args!(
            "a group that had read to offset {} on the source went on there on the mirror",
            report.group_went_on_at
        ))?;
    }
    for failure in &report.failures {
        output.line(format_args!("  {failure}"))?;
    }
    output.line(format_args!("verdict: {}", report.verdict))
}

fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// The directory mirrored to; deleted at the end, whatever the end is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(args: &DemoArgs) -> Result<Self, CommandError> {
        // Once at the source and once mirrored.
        let needed = args.bytes * 2 + args.bytes / 4 + ROOM_BYTES;
        let candidates = match &args.scratch {
            Some(directory) => vec![directory.clone()],
            None => vec![std::env::temp_dir(), PathBuf::from("target"), PathBuf::from(".")],
        };
        let mut refusals = Vec::new();
        for parent in candidates {
            match room(&parent) {
                Ok((_, true)) if args.scratch.is_none() => {
                    refusals.push(format!("{} is in memory", parent.display()));
                }
                Ok((free, _)) if free < needed => refusals.push(format!(
                    "{} has {} free",
                    parent.display(),
                    indicatif::BinaryBytes(free)
                )),
                Ok(_) => {
                    let path = parent.join(format!("ringmirror-demo-{}", random_id()?));
                    fs::create_dir(&path)?;
                    return Ok(Self(path));
                }
                Err(error) => refusals.push(format!("{}: {error}", parent.display())),
            }
        }
        let needed = indicatif::BinaryBytes(needed);
        let text =
            format!("no room for {needed}: {}; name one with --scratch", refusals.join(", "));
        Err(CommandError::new(ExitCode::DataDirectory, anyhow::anyhow!(text)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot delete the demo's files");
        }
    }
}

/// Bytes free under a directory, and whether they are memory.
fn room(directory: &Path) -> io::Result<(u64, bool)> {
    let room = rustix::fs::statvfs(directory)?;
    let kind = rustix::fs::statfs(directory)?.f_type;
    Ok((room.f_bavail.saturating_mul(room.f_frsize), u64::try_from(kind) == Ok(TMPFS_MAGIC)))
}

/// `TMPFS_MAGIC` of Linux.
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// What segments may be reserved ahead.
const ROOM_BYTES: u64 = 1 << 30;
/// A stage that is busy for this share of the time is the limit.
const BUSY_SHARE: f64 = 0.9;
/// More than one wait for a buffer per so many batches means that writing was slower.
const WAITS_PER_BATCHES: u64 = 1_000;
/// Larger records would not fit a batch of the source (`max.message.bytes`).
const RECORD_BYTES_MAX: usize = 1_000_000;
/// The topic that is made, filled and mirrored.
const TOPIC: &str = "demo";
/// When the group did not go on.
const NOWHERE: i64 = -1;
