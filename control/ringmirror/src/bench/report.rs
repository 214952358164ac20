//! What was measured, as one document, as tables, and in sentences.

use std::io;

use serde::Serialize;
use yardstick::measurement::{Sample, median};

use super::hardware::{DirectoryReport, Hardware};
use super::limiting_stage::{FULL_SHARE, Stage, StageShare, limiting, most_used};
use super::plan::Sink;
use super::rounds::{Round, Run};
use crate::output::Output;
use crate::table::table;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct BenchReport {
    /// The machine.
    pub(super) hardware: Hardware,
    /// Where the disk was measured; null when it was not.
    pub(super) directory: Option<DirectoryReport>,
    /// Where the batches came from.
    pub(super) source: SourceReport,
    /// How it was measured.
    pub(super) conditions: Conditions,
    /// What sinks are held against.
    pub(super) limits: Vec<LimitReport>,
    /// What was measured of each sink.
    pub(super) sinks: Vec<SinkReport>,
    /// What was left out, and what to distrust.
    pub(super) notes: Vec<String>,
}

/// The generated source and how it was asked.
#[derive(Debug, Serialize)]
pub(super) struct SourceReport {
    pub(super) core: usize,
    pub(super) partitions: u32,
    pub(super) record_bytes: u32,
    pub(super) batch_bytes: u32,
    pub(super) compression: &'static str,
    pub(super) response_bytes: u32,
    pub(super) connections: usize,
}

/// How it was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Conditions {
    /// Core of the engine, and of whatever receives.
    pub(super) engine_core: usize,
    /// For so long all cores were kept busy before the first round.
    pub(super) warm_up_seconds: f64,
    /// Rounds behind every figure.
    pub(super) rounds: usize,
    /// Time of each sink in a round.
    pub(super) seconds: f64,
    /// Rounds that other work disturbed and that were repeated.
    pub(super) rounds_repeated: usize,
    /// Rounds behind the figures although other work disturbed them.
    pub(super) rounds_disturbed: usize,
}

/// What the machine can do in one respect.
#[derive(Debug, Serialize)]
pub(super) struct LimitReport {
    /// `receive`, `disk`, `memory` or `crc`.
    pub(super) limit: &'static str,
    pub(super) rate: Rate,
}

/// A rate over several rounds, in 10^6 bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Rate {
    /// Median.
    pub(super) mb_per_s: f64,
    /// Slowest round.
    pub(super) mb_per_s_min: f64,
    /// Fastest round.
    pub(super) mb_per_s_max: f64,
}

/// What a sink did.
#[derive(Debug, Serialize)]
pub(super) struct SinkReport {
    /// `disk`, `memory` or `discard`.
    pub(super) sink: &'static str,
    pub(super) rate: Rate,
    /// Processor seconds per 10^9 bytes, of all threads but the one that measures.
    pub(super) cpu_seconds_per_gb: f64,
    /// The same of the source.
    pub(super) source_cpu_seconds_per_gb: f64,
    /// The most memory the process had in use, over all rounds.
    pub(super) peak_memory_bytes: u64,
    /// Share of the responses that waited for a buffer still to be written.
    pub(super) waiting_share: f64,
    /// The stage that limits; null when every stage has room.
    pub(super) limiting_stage: Option<Stage>,
    /// How much of each stage was used.
    pub(super) stages: Vec<StageShare>,
    /// That in words.
    pub(super) sentence: String,
    /// What to try.
    pub(super) advice: &'static str,
}

impl LimitReport {
    /// Every limit that was measured.
    pub(super) fn all(rounds: &[Round]) -> Vec<Self> {
        let of = |limit, sample: &dyn Fn(&Round) -> Option<Sample>| {
            let samples: Vec<Sample> = rounds.iter().filter_map(sample).collect();
            (!samples.is_empty()).then(|| Self { limit, rate: Rate::of(&samples) })
        };
        let limits = [
            of("receive", &|round| Some(round.receive)),
            of("disk", &|round| round.disk),
            of("memory", &|round| round.memory),
            of("crc", &|round| Some(round.crc)),
        ];
        limits.into_iter().flatten().collect()
    }

    /// In words.
    fn name(&self) -> &'static str {
        match self.limit {
            "receive" => "receive from this source, throw away",
            "disk" => "direct writes of 1 MiB to a new file",
            "memory" => "appends of 1 MiB to memory",
            _ => "CRC-32C",
        }
    }
}

impl Rate {
    fn of(samples: &[Sample]) -> Self {
        let rates = || samples.iter().map(Sample::mb_per_s);
        Self {
            mb_per_s: rounded(median(rates().collect()), 10.0),
            mb_per_s_min: rounded(rates().fold(f64::INFINITY, f64::min), 10.0),
            mb_per_s_max: rounded(rates().fold(0.0, f64::max), 10.0),
        }
    }

    fn range(self) -> String {
        format!("{:.0} - {:.0}", self.mb_per_s_min, self.mb_per_s_max)
    }
}

impl SinkReport {
    /// The figures of one sink; `has_two_cores` says that the source has one of its own.
    pub(super) fn new(sink: Sink, rounds: &[Round], has_two_cores: bool) -> Self {
        let of_sink = |round: &Round| round.runs.iter().copied().find(|run| run.sink == sink);
        let pairs: Vec<(&Round, Run)> =
            rounds.iter().filter_map(|round| Some((round, of_sink(round)?))).collect();
        let middle = |value: &dyn Fn(&Round, &Run) -> f64| {
            median(pairs.iter().map(|(round, run)| value(round, run)).collect())
        };
        let stages = |names: &[Stage]| -> Vec<StageShare> {
            let share = |stage| rounded(middle(&|round, run| share(stage, round, run)), 1e3);
            names.iter().map(|&stage| StageShare { stage, share: share(stage) }).collect()
        };
        let shares = stages(&stages_of(sink, has_two_cores));
        let samples: Vec<Sample> = pairs.iter().map(|(_, run)| run.sample).collect();
        let rate = Rate::of(&samples);
        let waiting_share = rounded(middle(&|_, run| run.waiting_share), 1e3);
        let limit = limiting(&shares, waiting_share);
        let source_cpu = |run: &Run| {
            run.source_busy * run.sample.elapsed.as_secs_f64() * 1e3
                / (run.sample.mb_per_s() * run.sample.elapsed.as_secs_f64())
        };
        let of_limit = limit.and_then(|limit| limit_rate(limit.stage, rounds));
        Self {
            sink: sink.name(),
            rate,
            cpu_seconds_per_gb: rounded(middle(&|_, run| run.sample.cpu_seconds_per_gb()), 1e3),
            source_cpu_seconds_per_gb: rounded(middle(&|_, run| source_cpu(run)), 1e3),
            peak_memory_bytes: pairs.iter().map(|(_, run)| run.peak_bytes).max().unwrap_or(0),
            limiting_stage: limit.map(|limit| limit.stage),
            waiting_share,
            sentence: sentence(sink.name(), rate.mb_per_s, limit, of_limit)
                .unwrap_or_else(|| no_limit_sentence(sink.name(), rate.mb_per_s, &shares)),
            advice: limit.map_or(NO_LIMIT_ADVICE, |limit| limit.stage.advice()),
            stages: shares,
        }
    }
}

/// The stages that bytes pass on their way to a sink.
fn stages_of(sink: Sink, has_two_cores: bool) -> Vec<Stage> {
    let mut stages = match sink {
        Sink::Disk => vec![Stage::Disk],
        Sink::Memory => vec![Stage::Memory],
        Sink::Discard => Vec::new(),
    };
    if has_two_cores {
        stages.extend([Stage::EngineCpu, Stage::Source]);
    } else {
        stages.push(Stage::CpuSharedWithTheSource);
    }
    stages.push(Stage::Receive);
    stages
}

/// How much of what `stage` could do in this round the run used.
fn share(stage: Stage, round: &Round, run: &Run) -> f64 {
    let of = |limit: Sample| run.sample.mb_per_s() / limit.mb_per_s();
    match stage {
        Stage::Disk => round.disk.map_or(0.0, of),
        Stage::Memory => round.memory.map_or(0.0, of),
        Stage::Receive => of(round.receive),
        Stage::EngineCpu => run.core_busy,
        Stage::Source => run.source_busy,
        Stage::CpuSharedWithTheSource => run.core_busy + run.source_busy,
    }
}

/// What a stage reached alone; cores are busy or not.
fn limit_rate(stage: Stage, rounds: &[Round]) -> Option<f64> {
    let limit = match stage {
        Stage::Disk => "disk",
        Stage::Memory => "memory",
        Stage::Receive => "receive",
        Stage::EngineCpu | Stage::Source | Stage::CpuSharedWithTheSource => return None,
    };
    let limits = LimitReport::all(rounds);
    limits.iter().find(|each| each.limit == limit).map(|each| each.rate.mb_per_s)
}

/// What limits, in words; `of_limit` is what that stage reached alone.
fn sentence(
    sink: &str,
    mb_per_s: f64,
    limit: Option<StageShare>,
    of_limit: Option<f64>,
) -> Option<String> {
    let StageShare { stage, share } = limit?;
    let (name, percent) = (stage.name(), percent(share));
    Some(match of_limit {
        Some(alone) if share < FULL_SHARE => format!(
            "{sink}: {name} limits: {mb_per_s:.0} MB/s of {alone:.0} that it takes without syncs \
             ({percent} %), and what was received waited for it"
        ),
        Some(alone) => format!(
            "{sink}: {name} limits: {mb_per_s:.0} MB/s of {alone:.0} that it does alone \
             ({percent} %)"
        ),
        None => format!(
            "{sink}: {name} limits: it was busy {percent} % of the time at {mb_per_s:.0} MB/s"
        ),
    })
}

fn no_limit_sentence(sink: &str, mb_per_s: f64, shares: &[StageShare]) -> String {
    let used = most_used(shares).map_or_else(String::new, |most| {
        format!(", the most used is {} at {} %", most.stage.name(), percent(most.share))
    });
    format!("{sink}: {mb_per_s:.0} MB/s, and no stage is full{used}")
}

fn percent(share: f64) -> f64 {
    (share * 100.0).round()
}

impl BenchReport {
    pub(super) fn print(&self, output: &mut Output) -> io::Result<()> {
        if output.json {
            return output.document(self);
        }
        for line in self.hardware.lines() {
            output.line(line)?;
        }
        if let Some(directory) = &self.directory {
            output.line(directory.line())?;
        }
        output.line(self.conditions_line())?;
        output.line("")?;
        self.print_tables(output)?;
        output.line("")?;
        for sink in &self.sinks {
            output.line(&sink.sentence)?;
            output.line(format_args!("    {}", sink.advice))?;
        }
        for note in &self.notes {
            output.line(format_args!("note: {note}"))?;
        }
        Ok(())
    }

    fn conditions_line(&self) -> String {
        let (source, how) = (&self.source, &self.conditions);
        format!(
            "source on core {}, engine on core {}: {} partitions, records of {} in batches of {}, \
             compression {}, {} connections, responses of {}; all cores busy {} s before, medians \
             of {} rounds of {} s",
            source.core,
            how.engine_core,
            source.partitions,
            indicatif::BinaryBytes(source.record_bytes.into()),
            indicatif::BinaryBytes(source.batch_bytes.into()),
            source.compression,
            source.connections,
            indicatif::BinaryBytes(source.response_bytes.into()),
            how.warm_up_seconds,
            how.rounds,
            how.seconds,
        )
    }

    fn print_tables(&self, output: &mut Output) -> io::Result<()> {
        let limits = self.limits.iter().map(|limit| {
            let rate = format!("{:.0}", limit.rate.mb_per_s);
            vec![limit.name().to_owned(), rate, limit.rate.range()]
        });
        for line in table(&["LIMIT", "MB/S", "RANGE"], &limits.collect::<Vec<_>>()) {
            output.line(line)?;
        }
        output.line("")?;
        let rows = self.sinks.iter().map(SinkReport::row).collect::<Vec<_>>();
        let headings =
            ["SINK", "MB/S", "RANGE", "CPU S/GB", "SOURCE", "PEAK MEMORY", "USED OF EACH STAGE"];
        for line in table(&headings, &rows) {
            output.line(line)?;
        }
        Ok(())
    }
}

impl SinkReport {
    fn row(&self) -> Vec<String> {
        let stage =
            |each: &StageShare| format!("{} {:.0} %", each.stage.name(), percent(each.share));
        vec![
            self.sink.to_owned(),
            format!("{:.0}", self.rate.mb_per_s),
            self.rate.range(),
            format!("{:.3}", self.cpu_seconds_per_gb),
            format!("{:.3}", self.source_cpu_seconds_per_gb),
            indicatif::BinaryBytes(self.peak_memory_bytes).to_string(),
            self.stages.iter().map(stage).collect::<Vec<_>>().join(", "),
        ]
    }
}

fn rounded(number: f64, steps: f64) -> f64 {
    (number * steps).round() / steps
}

const NO_LIMIT_ADVICE: &str = "the stages wait for one another: try more --connections and \
                               --partitions";

#[cfg(test)]
mod tests;
