//! Rows of `perf mirror`: medians of what the rounds of a scenario measured.

use serde::Serialize;

use crate::measurement::{Sample, Series, median};
use crate::mirror::Round;

/// How the engine wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Around the page cache, into reserved space of new files.
    Direct,
    /// Appending through the page cache.
    Buffered,
}

/// The engine in one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct MirrorRow {
    /// What was measured.
    pub scenario: String,
    /// Median rate of record bytes that reached the log.
    pub mb_per_s: f64,
    /// Slowest round.
    pub mb_per_s_min: f64,
    /// Fastest round.
    pub mb_per_s_max: f64,
    /// Rate over the limit of the same round: receiving or writing files of the same kind,
    /// whichever is less.
    pub ratio_to_limit: f64,
    /// Which of the two it was in the median.
    pub limit: &'static str,
    /// The same with as many requests in flight in the receive limit as the engine has.
    pub ratio_to_alike_limit: f64,
    /// Median processor time of all threads of the engine.
    pub cpu_seconds_per_gb: f64,
    /// Processor time over that of receiving and checking CRCs in the same round.
    pub cpu_ratio_to_floor: f64,
    /// Median of that floor.
    pub cpu_floor_seconds_per_gb: f64,
    /// The same source read and thrown away, with requests sent ahead.
    pub receive_mb_per_s: f64,
    /// The same with as many requests in flight as the engine has.
    pub receive_alike_mb_per_s: f64,
    /// A prebuilt sender, one connection.
    pub receive_prebuilt_mb_per_s: f64,
    /// Direct writes to blocks that were written before.
    pub disk_overwrite_mb_per_s: f64,
    /// Direct writes to a new file with reserved space.
    pub disk_new_file_mb_per_s: f64,
    /// Rounds behind the medians.
    pub rounds: usize,
    /// Engine rounds discarded because other work disturbed them.
    pub disturbed_rounds: u32,
    /// Engine rounds in the medians although disturbed: distrust if not 0.
    pub disturbed_rounds_kept: u32,
}

impl MirrorRow {
    /// The row of a variant; `None` when it was not measured.
    #[must_use]
    pub fn new(
        scenario: &str,
        variant: Variant,
        rounds: &[Round],
        engine: &Series,
    ) -> Option<Self> {
        let of = |value: &dyn Fn(&Round, Sample) -> f64| {
            let values = rounds.iter().filter_map(|round| {
                let sample = match variant {
                    Variant::Direct => Some(round.direct),
                    Variant::Buffered => round.buffered,
                };
                sample.map(|sample| value(round, sample))
            });
            median(values.collect())
        };
        let rate = |limit: fn(&Round) -> Sample| of(&|round, _| limit(round).mb_per_s());
        let (receive, disk) = (rate(|round| round.receive), rate(Round::disk));
        let engine = engine.row(scenario);
        let suffix = if variant == Variant::Buffered { "-buffered" } else { "" };
        (engine.rounds > 0).then(|| Self {
            scenario: format!("{scenario}{suffix}"),
            mb_per_s: engine.mb_per_s,
            mb_per_s_min: engine.mb_per_s_min,
            mb_per_s_max: engine.mb_per_s_max,
            ratio_to_limit: of(&|round, sample| sample.mb_per_s() / round.limit()),
            limit: if receive < disk { "receive" } else { "disk" },
            ratio_to_alike_limit: of(&|round, sample| sample.mb_per_s() / round.alike_limit()),
            cpu_seconds_per_gb: engine.cpu_seconds_per_gb,
            cpu_ratio_to_floor: of(&|round, sample| {
                sample.cpu_seconds_per_gb() / round.cpu_floor()
            }),
            cpu_floor_seconds_per_gb: of(&|round, _| round.cpu_floor()),
            receive_mb_per_s: receive,
            receive_alike_mb_per_s: rate(|round| round.receive_alike),
            receive_prebuilt_mb_per_s: rate(|round| round.prebuilt),
            disk_overwrite_mb_per_s: rate(|round| round.overwrite),
            disk_new_file_mb_per_s: rate(|round| round.new_file),
            rounds: engine.rounds,
            disturbed_rounds: engine.disturbed_rounds,
            disturbed_rounds_kept: engine.disturbed_rounds_kept,
        })
    }

    /// The head of a table of [`Self::text`].
    #[must_use]
    pub fn head() -> String {
        let rates =
            format!("{:>7} {:>7} {:>7} {:>6} {:>8}", "MB/s", "min", "max", "ratio", "limit");
        let alike = format!("{:>6}", "alike");
        format!(
            "{:<22} {rates} {alike} {:>8} {:>6} {:>7}",
            "scenario", "CPU s/GB", "floor", "ratio"
        )
    }

    /// One line of a table.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { scenario, mb_per_s, mb_per_s_min, mb_per_s_max, limit, .. } = self;
        let rates = format!("{mb_per_s:>7.0} {mb_per_s_min:>7.0} {mb_per_s_max:>7.0}");
        let ratios =
            format!("{:>6.2} {limit:>8} {:>6.2}", self.ratio_to_limit, self.ratio_to_alike_limit);
        let Self { cpu_seconds_per_gb, cpu_floor_seconds_per_gb, cpu_ratio_to_floor, .. } = self;
        let cpu = format!(
            "{cpu_seconds_per_gb:>8.3} {cpu_floor_seconds_per_gb:>6.3} {cpu_ratio_to_floor:>7.2}"
        );
        format!("{scenario:<22} {rates} {ratios} {cpu}")
    }
}

impl Round {
    /// Writing to files of the kind the engine had: new, or written before.
    #[must_use]
    pub fn disk(&self) -> Sample {
        if self.reuse_files { self.overwrite } else { self.new_file }
    }

    /// What the machine allows at most: receiving or writing.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.receive.mb_per_s().min(self.disk().mb_per_s())
    }

    /// What it allows to somebody with as many requests in flight as the engine.
    #[must_use]
    pub fn alike_limit(&self) -> f64 {
        self.receive_alike.mb_per_s().min(self.disk().mb_per_s())
    }

    /// Processor seconds per GB of receiving and checking.
    #[must_use]
    pub fn cpu_floor(&self) -> f64 {
        let receive = self.receive.cpu_seconds_per_gb();
        receive.min(self.receive_alike.cpu_seconds_per_gb()) + self.crc.cpu_seconds_per_gb()
    }
}

#[cfg(test)]
mod tests;
