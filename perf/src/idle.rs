//! What partitions cost that have nothing to do: memory above the slab, processor time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use mirror_uring::ShardLimits;
use serde::Serialize;

use crate::engine_run::{EngineRun, EngineRunPlan, RUN_TIME_MAX};
use crate::machine::{CorePair, process_cpu, ratio_f64, resident_bytes};
use crate::measurement::CalmRound;
use crate::peers::figures::Spread;
use crate::source_child::{SourceChild, SourceChildSpec};

/// Partitions that have nothing to do.
#[derive(Clone, Copy, Debug)]
pub struct IdleScenario {
    /// What tables call it.
    pub name: &'static str,
    /// How many there are.
    pub partitions: u32,
}

/// Every scenario.
pub const SCENARIOS: [IdleScenario; 2] = [
    IdleScenario { name: "idle-10000", partitions: 10_000 },
    IdleScenario { name: "idle-50000", partitions: 50_000 },
];

/// How long nothing happens.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// For what is left of catching up.
const SETTLE_TIME: Duration = Duration::from_secs(3);
/// Most that is allowed for a partition.
const BYTES_PER_PARTITION_GOAL: u64 = 16 << 10;
/// Most processor time that is allowed, seconds per second.
const CPU_GOAL: f64 = 0.02;

/// What idle partitions cost.
#[derive(Clone, Debug, Serialize)]
pub struct IdleRow {
    /// What was measured.
    pub scenario: String,
    /// Partitions mirrored, all caught up.
    pub partitions: u32,
    /// Resident memory for each, above an engine that has its slab and no partition.
    pub resident_bytes_per_partition: u64,
    /// What is allowed.
    pub resident_bytes_per_partition_goal: u64,
    /// Processor time of the engine per second while nothing happens, in seconds: the median of
    /// the rounds.
    pub cpu_seconds_per_second: f64,
    /// In the least round.
    pub cpu_seconds_per_second_least: f64,
    /// In the worst one.
    pub cpu_seconds_per_second_most: f64,
    /// What is allowed.
    pub cpu_seconds_per_second_goal: f64,
    /// From the first order until every partition had caught up, seconds.
    pub catch_up_seconds: f64,
    /// Rounds behind the median.
    pub rounds: usize,
    /// Rounds in it although disturbed, because no try was calm: distrust if not 0.
    pub disturbed_rounds_kept: u32,
}

/// Mirrors one small batch of each partition, then measures while nothing happens: so many rounds,
/// each again while it is disturbed; `tell` hears each.
///
/// # Errors
/// When the engine or the source refuses.
pub fn measure(
    scenario: IdleScenario,
    directory: PathBuf,
    rounds: u32,
    tries_max: u32,
    mut tell: impl FnMut(&str),
) -> Result<IdleRow> {
    let cores = CorePair::choose()?;
    let source = SourceChild::start(&SourceChildSpec {
        core: cores.sender,
        partitions: scenario.partitions,
        partition_bytes: 1,
        batch_bytes: 1024,
        record_bytes: 256,
    })?;
    let limits = ShardLimits::default();
    let described = source.description();
    let plan = EngineRunPlan {
        source: described,
        directory: &directory,
        core: cores.receiver,
        limits,
        reuse_files: false,
    };
    let mut run = EngineRun::start(&plan)?;
    let before = resident_bytes()?;
    let begun = Instant::now();
    run.add_partitions(described)?;
    run.catch_up(Instant::now() + RUN_TIME_MAX)?;
    let catch_up_seconds = begun.elapsed().as_secs_f64();
    run.idle(SETTLE_TIME)?;
    let resident = resident_bytes()?.saturating_sub(before);
    let mut one_round = |number: u32| -> Result<CalmRound<f64>> {
        let round = CalmRound::run(tries_max, &[source.id()], || {
            let cpu_before = process_cpu()?;
            run.idle(IDLE_TIME)?;
            let cpu = process_cpu()?.saturating_sub(cpu_before);
            Ok(cpu.as_secs_f64() / IDLE_TIME.as_secs_f64())
        })?;
        let noise = if round.is_calm { "" } else { ", disturbed" };
        tell(&format!("round {number} {}: {:.4} CPU s/s{noise}", scenario.name, round.value));
        Ok(round)
    };
    let rounds = (1..=rounds).map(&mut one_round).collect::<Result<Vec<_>>>()?;
    run.stop()?;
    let cpu = rounds.iter().map(|round| round.value);
    let cpu = Spread::of(&cpu.collect::<Vec<_>>());
    Ok(IdleRow {
        scenario: scenario.name.to_owned(),
        partitions: scenario.partitions,
        resident_bytes_per_partition: resident / u64::from(scenario.partitions),
        resident_bytes_per_partition_goal: BYTES_PER_PARTITION_GOAL,
        cpu_seconds_per_second: cpu.median,
        cpu_seconds_per_second_least: cpu.min,
        cpu_seconds_per_second_most: cpu.max,
        cpu_seconds_per_second_goal: CPU_GOAL,
        catch_up_seconds,
        rounds: rounds.len(),
        disturbed_rounds_kept: rounds.iter().map(|round| u32::from(!round.is_calm)).sum(),
    })
}

impl IdleRow {
    /// One line for people.
    #[must_use]
    pub fn text(&self) -> String {
        let kib = |bytes: u64| ratio_f64(bytes) / 1024.0;
        format!(
            "{}: {:.1} KiB resident each above the slab (goal {:.0}), {:.4} CPU s/s ({:.4} to \
             {:.4}, goal {:.2}), caught up after {:.1} s",
            self.scenario,
            kib(self.resident_bytes_per_partition),
            kib(self.resident_bytes_per_partition_goal),
            self.cpu_seconds_per_second,
            self.cpu_seconds_per_second_least,
            self.cpu_seconds_per_second_most,
            self.cpu_seconds_per_second_goal,
            self.catch_up_seconds
        )
    }
}
