//! Rows of `perf compare`: two builds on the same work, round by round.

use serde::Serialize;

use crate::measurement::{LimitRow, Sample, Series, median};

/// Two builds in one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct CompareRow {
    /// What was mirrored.
    pub scenario: String,
    /// The first build.
    pub a: BuildFigures,
    /// The second build.
    pub b: BuildFigures,
    /// MB/s of B over A.
    pub rate: RatioOfRounds,
    /// Processor seconds per GB of B over A.
    pub cpu: RatioOfRounds,
}

/// What one build did.
#[derive(Clone, Debug, Serialize)]
pub struct BuildFigures {
    /// Rates and processor time.
    #[serde(flatten)]
    pub figures: LimitRow,
    /// Most memory it had in use in any round, MiB.
    pub resident_mib_max: u64,
}

/// A ratio that was taken inside every round.
#[derive(Clone, Debug, Serialize)]
pub struct RatioOfRounds {
    /// The middle one.
    pub median: f64,
    /// Least of all rounds.
    pub min: f64,
    /// Most of all rounds.
    pub max: f64,
    /// Where the true median lies, but for chance; `None` with too few rounds to say.
    pub range: Option<(f64, f64)>,
    /// What follows from that.
    pub verdict: Verdict,
}

/// Whether two builds differ in a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// B has more.
    More,
    /// B has less.
    Less,
    /// What there is of a difference may be chance.
    NoDifferenceBeyondTheNoise,
    /// Even if all rounds agreed, that could be chance.
    TooFewRounds,
}

impl CompareRow {
    /// The row of a scenario from as many rounds of both.
    #[must_use]
    pub fn new(scenario: &str, a: &Series, b: &Series, resident_bytes_max: [u64; 2]) -> Self {
        let ratio = |figure: fn(&Sample) -> f64| {
            let rounds = a.samples().iter().zip(b.samples());
            RatioOfRounds::new(rounds.map(|(a, b)| figure(b) / figure(a)).collect())
        };
        let of = |name: &str, series: &Series, resident: u64| BuildFigures {
            figures: series.row(name),
            resident_mib_max: resident >> 20,
        };
        Self {
            scenario: scenario.to_owned(),
            a: of("A", a, resident_bytes_max[0]),
            b: of("B", b, resident_bytes_max[1]),
            rate: ratio(Sample::mb_per_s),
            cpu: ratio(Sample::cpu_seconds_per_gb),
        }
    }

    /// Lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let build = |build: &BuildFigures| {
            let LimitRow { scenario, mb_per_s, mb_per_s_min, mb_per_s_max, .. } = &build.figures;
            let (cpu, resident) = (build.figures.cpu_seconds_per_gb, build.resident_mib_max);
            let rates = format!("{mb_per_s:>8.0} {mb_per_s_min:>8.0} {mb_per_s_max:>8.0}");
            format!("{scenario:<20} {rates} {cpu:>9.3} {resident:>8}")
        };
        let head = format!(
            "{:<20} {:>8} {:>8} {:>8} {:>9} {:>8}",
            self.scenario, "MB/s", "min", "max", "CPU s/GB", "MiB"
        );
        let rate = self.rate.text("MB/s", "B is faster", "B is slower");
        let cpu = self.cpu.text("CPU s/GB", "B is dearer", "B is cheaper");
        format!("{head}\n{}\n{}\n{rate}\n{cpu}", build(&self.a), build(&self.b))
    }
}

impl RatioOfRounds {
    /// Judges ratios of rounds: `range` are the two of them, as far in from the ends as possible,
    /// between which the true median lies but for a chance of `CHANCE_MAX`; builds differ when 1
    /// is not in there. Nothing is assumed about how rounds scatter.
    #[must_use]
    pub fn new(mut ratios: Vec<f64>) -> Self {
        ratios.sort_by(f64::total_cmp);
        let range = ends_left_out(ratios.len())
            .and_then(|out| Some((*ratios.get(out)?, *ratios.get(ratios.len() - 1 - out)?)));
        let verdict = match range {
            None => Verdict::TooFewRounds,
            Some((low, _)) if low > 1.0 => Verdict::More,
            Some((_, high)) if high < 1.0 => Verdict::Less,
            Some(_) => Verdict::NoDifferenceBeyondTheNoise,
        };
        Self {
            min: ratios.first().copied().unwrap_or_default(),
            max: ratios.last().copied().unwrap_or_default(),
            median: median(ratios),
            range,
            verdict,
        }
    }

    fn text(&self, what: &str, more: &str, less: &str) -> String {
        let verdict = match self.verdict {
            Verdict::More => more,
            Verdict::Less => less,
            Verdict::NoDifferenceBeyondTheNoise => "no difference beyond the noise",
            Verdict::TooFewRounds => "too few rounds to tell",
        };
        let Self { median, min, max, range, .. } = self;
        let range = range.map_or_else(String::new, |(low, high)| {
            format!(", but for chance {low:.3} to {high:.3}")
        });
        format!("{what:<9} B/A {median:.3}, rounds {min:.3} to {max:.3}{range}: {verdict}")
    }
}

/// How many of so many rounds may be left out at each end; `None` when even all of them say
/// nothing. As often as a coin falls on one side: in a round without a difference, either build
/// may be ahead.
fn ends_left_out(rounds: usize) -> Option<usize> {
    let rounds_f64 = f64::from(u32::try_from(rounds).ok()?);
    // Chance that just so many of the rounds lie on one side of the true median, and up to them.
    let mut just = 0.5_f64.powf(rounds_f64);
    let mut up_to = just;
    let mut out = None;
    let mut count = 0;
    while 2.0 * up_to <= CHANCE_MAX && 2 * count < rounds {
        out = Some(count);
        let count_f64 = f64::from(u32::try_from(count).ok()?);
        just *= (rounds_f64 - count_f64) / (count_f64 + 1.0);
        up_to += just;
        count += 1;
    }
    out
}

/// Five rounds that agree are enough: they do so by chance in one of sixteen comparisons.
const CHANCE_MAX: f64 = 0.0625;

#[cfg(test)]
mod tests;
