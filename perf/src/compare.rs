//! Two builds of `ringmirror` on the same work, in turns: did a change help?
//!
//! Every round of a scenario mirrors the same source once with each build, in turns as to which
//! comes first. Ratios are taken inside rounds. The source is a child process on the first core;
//! the engine's shard is on the last one.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::compare_row::CompareRow;
use crate::machine::{CorePair, WARM_UP, warm_up};
use crate::measurement::{Sample, Series, order_of_round};
use crate::program_run::{self, ProgramOutcome, ProgramRunPlan};
use crate::served_logs::WorkDirectory;
use crate::source_child::{SourceChild, SourceChildSpec};

/// A program under comparison.
#[derive(Clone, Debug)]
pub struct Build {
    /// The program.
    pub program: PathBuf,
    /// Options of `ringmirror mirror`, besides those that every run has.
    pub options: Vec<String>,
}

/// How to compare.
#[derive(Clone, Debug)]
pub struct ComparePlan {
    /// A and B.
    pub builds: [Build; 2],
    /// Where they mirror to; all of it is removed.
    pub directory: PathBuf,
    /// Rounds of every scenario.
    pub rounds: u32,
    /// Rounds of every scenario before them that do not count.
    pub warm_up_rounds: u32,
    /// Bytes mirrored in one run.
    pub bytes: u64,
    /// Only these; empty means the first.
    pub scenarios: Vec<String>,
    /// Tries at a run that other work disturbs, before it is taken after all.
    pub tries_max: u32,
}

/// What the source holds.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name, as in `perf peers`.
    pub name: &'static str,
    /// Partitions of the one topic.
    pub partitions: u32,
    /// Bytes of a batch, about.
    pub batch_bytes: u32,
    /// Bytes of each record's value.
    pub record_bytes: u32,
}

/// All scenarios; the first is the usual one.
pub const SCENARIOS: [Scenario; 5] = [
    Scenario::new("8-partitions", 8),
    Scenario::new("1-partition", 1),
    Scenario::new("1000-partitions", 1000),
    Scenario { record_bytes: 100, ..Scenario::new("8-partitions-100B", 8) },
    Scenario { batch_bytes: 256 << 10, ..Scenario::new("8-partitions-256KiB-batches", 8) },
];

impl Scenario {
    const fn new(name: &'static str, partitions: u32) -> Self {
        Self { name, partitions, batch_bytes: BATCH_BYTES, record_bytes: 1024 }
    }
}

/// Compares; `tell` hears what was measured as it goes.
///
/// # Errors
/// When a program, the source or the disk refuses.
pub fn measure(plan: &ComparePlan, mut tell: impl FnMut(&str)) -> Result<Vec<CompareRow>> {
    let root = WorkDirectory::create(&plan.directory, "perf-compare")?;
    root.check_room(plan.bytes + plan.bytes / 4)?;
    let mut rows = Vec::new();
    for scenario in chosen(&plan.scenarios)? {
        // One after the other: a source keeps its partitions in memory.
        let bench = Bench::prepare(plan, scenario, &root)?;
        rows.push(bench.compare(&mut tell)?);
    }
    Ok(rows)
}

fn chosen(asked: &[String]) -> Result<Vec<Scenario>> {
    let Some(usual) = SCENARIOS.first().filter(|_| asked.is_empty()) else {
        let known = || SCENARIOS.map(|scenario| scenario.name);
        let find = |name: &String| {
            let found = SCENARIOS.into_iter().find(|scenario| scenario.name == name);
            found.with_context(|| format!("no scenario {name}; there are {:?}", known()))
        };
        return asked.iter().map(find).collect();
    };
    Ok(vec![*usual])
}

/// Everything that is kept from round to round of a scenario.
#[derive(Debug)]
struct Bench<'a> {
    plan: &'a ComparePlan,
    scenario: Scenario,
    source: SourceChild,
    root: &'a WorkDirectory,
    /// Options of both builds, each with where to run.
    options: [Vec<String>; 2],
}

impl<'a> Bench<'a> {
    fn prepare(plan: &'a ComparePlan, scenario: Scenario, root: &'a WorkDirectory) -> Result<Self> {
        let cores = CorePair::choose()?;
        let source = SourceChild::start(&SourceChildSpec {
            core: cores.sender,
            partitions: scenario.partitions,
            partition_bytes: plan.bytes / u64::from(scenario.partitions),
            batch_bytes: scenario.batch_bytes,
            record_bytes: scenario.record_bytes,
        })?;
        let options = plan.builds.clone().map(|build| with_core(build.options, cores.receiver));
        warm_up(WARM_UP)?;
        Ok(Self { plan, scenario, source, root, options })
    }

    fn compare(&self, tell: &mut impl FnMut(&str)) -> Result<CompareRow> {
        let name = self.scenario.name;
        for number in 1..=self.plan.warm_up_rounds {
            for &build in order_of_round(&BUILDS, number) {
                let rate = self.run(build)?.sample.mb_per_s();
                tell(&format!("warm-up {number} {name} {}: {rate:.0} MB/s", LETTERS[build]));
            }
        }
        let series = Series::with_tries(self.plan.tries_max);
        let mut series = [series.clone(), series];
        let mut resident = [0; 2];
        for number in 1..=self.plan.rounds {
            for &build in order_of_round(&BUILDS, number) {
                // The program lives and ends inside the round: it is ours without being named.
                let sample = series[build].round_with_children(&[self.source.id()], || {
                    let outcome = self.run(build)?;
                    resident[build] = outcome.resident_bytes_max.max(resident[build]);
                    Ok(outcome.sample)
                })?;
                let Sample { elapsed, .. } = sample;
                let (rate, cpu) = (sample.mb_per_s(), sample.cpu_seconds_per_gb());
                let letter = LETTERS[build];
                tell(&format!(
                    "round {number} {name} {letter}: {rate:.0} MB/s {cpu:.3} CPU s/GB in \
                     {elapsed:.2?}"
                ));
            }
        }
        let [a, b] = &series;
        Ok(CompareRow::new(name, a, b, resident))
    }

    /// Mirrors everything with a build into a new directory, which is removed.
    fn run(&self, build: usize) -> Result<ProgramOutcome> {
        let directory = self.root.path.join("data");
        let outcome = program_run::run(&ProgramRunPlan {
            program: &self.plan.builds[build].program,
            options: &self.options[build],
            source: self.source.description(),
            directory: &directory,
        });
        let removed = fs::remove_dir_all(&directory);
        // What the disk still has to do must not slow down what is measured next.
        rustix::fs::sync();
        // A program that fails may not have come to make its directory.
        let outcome = outcome.with_context(|| format!("build {}", LETTERS[build]))?;
        removed?;
        Ok(outcome)
    }
}

/// Adds where to run, unless the options say it.
fn with_core(mut options: Vec<String>, core: usize) -> Vec<String> {
    if !options.iter().any(|option| option.split('=').next() == Some(CORES)) {
        options.extend([CORES.to_owned(), core.to_string()]);
    }
    options
}

/// Checks that a program can be run at all.
///
/// # Errors
/// When there is no such file.
pub fn program(path: &str) -> Result<PathBuf> {
    let path = PathBuf::from(path);
    ensure!(path.is_file(), "{} is not there", path.display());
    // It is run from where we are, not looked for in PATH.
    Ok(path.canonicalize()?)
}

const BUILDS: [usize; 2] = [0, 1];
const LETTERS: [&str; 2] = ["A", "B"];
const CORES: &str = "--cores";
/// Close to the 16 KiB of Kafka's producer.
const BATCH_BYTES: u32 = 16 << 10;

#[cfg(test)]
mod tests;
