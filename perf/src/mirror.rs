//! The engine against what the machine can do, in the same interleaved rounds.
//!
//! Every round of a scenario measures, one after the other: the same source read and thrown away
//! over as many connections (twice: with as many requests in flight as the engine has, and with
//! more), a prebuilt sender, the disk (blocks written before; a new file), CRCs, the engine with
//! direct writes, and its twin that appends through the page cache. Ratios are taken inside a
//! round; rows show medians.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mirror_uring::{ShardCounters, ShardLimits};

use crate::disk_probe::{DISK_FILE_BYTES, DiskProbe};
use crate::engine_run::{self, EngineRunPlan};
use crate::fetch_client::{DiscardPlan, discard};
use crate::limits::{self, check_crcs};
use crate::machine::{CorePair, WARM_UP, warm_up};
use crate::measurement::{Sample, Series};
use crate::mirror_row::{MirrorRow, Variant};
use crate::source_child::{SourceChild, SourceChildSpec};

/// How to measure.
#[derive(Clone, Debug)]
pub struct MirrorPlan {
    /// Where disk and engine write; all of it is removed.
    pub directory: PathBuf,
    /// Rounds of every scenario, interleaved.
    pub rounds: u32,
    /// Bytes one engine run mirrors, about.
    pub bytes: u64,
    /// Fetch sessions on each connection instead of what the scenario says.
    pub fetches_per_connection: Option<u32>,
    /// Only these; empty means all.
    pub scenarios: Vec<String>,
    /// Tries at a round that other work disturbs, before it is taken after all.
    pub tries_max: u32,
    /// Leave the twin with buffered appends out: it takes most of the time.
    pub skip_buffered: bool,
    /// Direct runs begin with log files written before, as retention leaves them.
    pub reuse_files: bool,
}

/// Sizes of responses, and how many connections share the core.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Bytes asked for in one response, all from one partition.
    pub response_bytes: u32,
    /// Connections to the one source broker.
    pub connections: u32,
    /// Fetch sessions on each connection, each with a request in flight and a partition.
    pub fetches_per_connection: u32,
}

impl Scenario {
    const fn new(name: &'static str, response_bytes: u32, connections: u32) -> Self {
        // One connection is silent from the end of a response until the next request has gone
        // there and back, unless more than one is in flight.
        let fetches_per_connection = if connections == 1 { 4 } else { 1 };
        Self { name, response_bytes, connections, fetches_per_connection }
    }

    const fn partitions(&self) -> u32 {
        self.connections * self.fetches_per_connection
    }
}

/// All scenarios, in the order of rows.
pub const SCENARIOS: [Scenario; 6] = [
    Scenario::new("1MiB-1conn", 1 << 20, 1),
    Scenario::new("1MiB-8conn", 1 << 20, 8),
    Scenario::new("8MiB-1conn", 8 << 20, 1),
    Scenario::new("8MiB-8conn", 8 << 20, 8),
    Scenario::new("64KiB-1conn", 64 << 10, 1),
    Scenario::new("64KiB-8conn", 64 << 10, 8),
];

/// What one round of one scenario measured.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The same source, thrown away, with as many requests in flight as the engine has.
    pub receive_alike: Sample,
    /// The same source, thrown away, with more requests in flight.
    pub receive: Sample,
    /// A prebuilt sender on one connection.
    pub prebuilt: Sample,
    /// Memory to blocks that were written before.
    pub overwrite: Sample,
    /// Memory to a new file with reserved space.
    pub new_file: Sample,
    /// CRCs of cached memory.
    pub crc: Sample,
    /// The engine with direct writes.
    pub direct: Sample,
    /// What it counted.
    pub counters: ShardCounters,
    /// The engine with buffered appends.
    pub buffered: Option<Sample>,
    /// The engine began with files written before.
    pub reuse_files: bool,
}

/// The series behind a scenario, for the rule about disturbed rounds.
#[derive(Clone, Debug)]
struct SeriesOfScenario {
    limits: Series,
    direct: Series,
    buffered: Series,
    rounds: Vec<Round>,
}

impl SeriesOfScenario {
    fn new(tries_max: u32) -> Self {
        let series = Series::with_tries(tries_max);
        let (limits, direct, buffered) = (series.clone(), series.clone(), series);
        Self { limits, direct, buffered, rounds: Vec::new() }
    }
}

/// Measures the scenarios; `tell` hears what was measured as it goes.
///
/// # Errors
/// When the engine, a socket, the disk or `/proc` refuses.
pub fn measure(plan: &MirrorPlan, mut tell: impl FnMut(&str)) -> Result<Vec<MirrorRow>> {
    let fetches = |each: Scenario| Scenario {
        fetches_per_connection: plan.fetches_per_connection.unwrap_or(each.fetches_per_connection),
        ..each
    };
    let chosen: Vec<Scenario> =
        SCENARIOS.into_iter().filter(|each| is_chosen(plan, each)).map(fetches).collect();
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    check_room(plan)?;
    let mut bench = Bench::prepare(plan, &chosen)?;
    let mut series = vec![SeriesOfScenario::new(plan.tries_max); chosen.len()];
    for number in 1..=plan.rounds {
        for (scenario, series) in chosen.iter().zip(&mut series) {
            let round = bench.round(scenario, series)?;
            let (engine, receive) = (round.direct.mb_per_s(), round.receive.mb_per_s());
            let disk = round.disk().mb_per_s();
            let name = scenario.name;
            tell(&format!("round {number} {name}: {engine:.0} of {receive:.0} and {disk:.0} MB/s"));
            let ShardCounters { writes_direct, writes_buffered, buffer_waits, syncs, .. } =
                round.counters;
            let ShardCounters { bytes_received, bytes_written, fetch_responses, .. } =
                round.counters;
            tell(&format!(
                "    {fetch_responses} responses, {bytes_received} B received, {bytes_written} B \
                 written in {writes_direct} direct and {writes_buffered} buffered writes, \
                 {syncs} syncs, {buffer_waits} waits for buffers"
            ));
            series.rounds.push(round);
        }
    }
    let rows = chosen.iter().zip(&series).flat_map(|(scenario, series)| {
        let of = |variant, engine| MirrorRow::new(scenario.name, variant, &series.rounds, engine);
        let direct = of(Variant::Direct, &series.direct);
        [direct, of(Variant::Buffered, &series.buffered)].into_iter().flatten()
    });
    Ok(rows.collect())
}

fn is_chosen(plan: &MirrorPlan, scenario: &Scenario) -> bool {
    plan.scenarios.is_empty() || plan.scenarios.iter().any(|name| name == scenario.name)
}

fn check_room(plan: &MirrorPlan) -> Result<()> {
    fs::create_dir_all(&plan.directory)
        .with_context(|| format!("creating {}", plan.directory.display()))?;
    let stat = rustix::fs::statvfs(&plan.directory).context("asking for free disk space")?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = plan.bytes + plan.bytes / 4 + 2 * DISK_FILE_BYTES;
    ensure!(free >= needed, "{free} bytes of disk space are free, {needed} are needed");
    Ok(())
}

/// Everything that is kept from round to round.
struct Bench<'a> {
    plan: &'a MirrorPlan,
    cores: CorePair,
    disk: DiskProbe,
    /// By number of partitions.
    sources: BTreeMap<u32, SourceChild>,
}

impl<'a> Bench<'a> {
    fn prepare(plan: &'a MirrorPlan, chosen: &[Scenario]) -> Result<Self> {
        let cores = CorePair::choose()?;
        let disk = DiskProbe::new(&plan.directory)?;
        let mut sources = BTreeMap::new();
        for scenario in chosen {
            let partitions = scenario.partitions();
            let Entry::Vacant(place) = sources.entry(partitions) else { continue };
            place.insert(SourceChild::start(&SourceChildSpec {
                core: cores.sender,
                partitions,
                partition_bytes: plan.bytes / u64::from(partitions),
                batch_bytes: BATCH_BYTES,
                record_bytes: RECORD_BYTES,
            })?);
        }
        warm_up(WARM_UP)?;
        Ok(Self { plan, cores, disk, sources })
    }

    fn round(&mut self, scenario: &Scenario, series: &mut SeriesOfScenario) -> Result<Round> {
        let (cores, plan) = (self.cores, self.plan);
        let partitions = scenario.partitions();
        let source = self.sources.get(&partitions).context("every source was started")?;
        let child = [source.id()];
        let lanes = usize::try_from(scenario.fetches_per_connection)?;
        let alike = DiscardPlan {
            source: source.description(),
            core: cores.receiver,
            connections: usize::try_from(scenario.connections)?,
            requests_in_flight: lanes,
            response_bytes: scenario.response_bytes,
            time: LIMIT_TIME,
        };
        let ahead = DiscardPlan { requests_in_flight: lanes + 1, ..alike };
        let yardstick = &mut series.limits;
        let receive_alike = yardstick.round_with_children(&child, || discard(&alike))?;
        let receive = yardstick.round_with_children(&child, || discard(&ahead))?;
        let prebuilt = yardstick.round(|| limits::receive(cores, LIMIT_TIME))?;
        let overwrite = yardstick.round(|| self.disk.overwrite(LIMIT_TIME))?;
        let new_file = yardstick.round(|| self.disk.fill_reserved(LIMIT_TIME))?;
        let crc = yardstick.round(|| check_crcs(cores, LIMIT_TIME / 4))?;
        let run = |direct_writes| {
            let limits = shard_limits(scenario, direct_writes);
            let (source, directory) = (source.description(), plan.directory.as_path());
            let reuse_files = plan.reuse_files && direct_writes;
            let core = cores.receiver;
            let run = EngineRunPlan { source, directory, core, limits, reuse_files };
            engine_run::run(&run)
        };
        let mut counters = ShardCounters::default();
        let direct = series.direct.round_with_children(&child, || {
            let outcome = run(true)?;
            counters = outcome.counters;
            Ok(outcome.sample)
        })?;
        let buffered = if plan.skip_buffered {
            None
        } else {
            Some(series.buffered.round_with_children(&child, || Ok(run(false)?.sample))?)
        };
        Ok(Round {
            receive_alike,
            receive,
            prebuilt,
            overwrite,
            new_file,
            crc,
            direct,
            counters,
            buffered,
            reuse_files: plan.reuse_files,
        })
    }
}

/// What a host would set to get responses of this size, and the usual limits otherwise.
fn shard_limits(scenario: &Scenario, direct_writes: bool) -> ShardLimits {
    ShardLimits {
        connections_per_broker: scenario.connections,
        fetches_per_connection: scenario.fetches_per_connection,
        fetch_bytes_max: scenario.response_bytes,
        partition_fetch_bytes: scenario.response_bytes,
        partition_fetch_bytes_max: scenario.response_bytes,
        direct_writes,
        ..ShardLimits::default()
    }
}

/// How long each limit is measured in a round.
const LIMIT_TIME: Duration = Duration::from_millis(1000);
/// Batches as a producer with Kafka's usual `batch.size` sends them.
const BATCH_BYTES: u32 = 16 << 10;
const RECORD_BYTES: u32 = 1024;
