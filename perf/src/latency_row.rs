//! What producing and consuming at a fixed rate showed: a row for each scenario.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::machine::ratio_f64;
use crate::measurement::{CalmRound, median};
use crate::server_process::ServerKind;

/// Latencies of both servers and how they compare.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyRow {
    /// What was measured.
    pub scenario: String,
    /// The node, if it was asked for.
    pub node: Option<LatencyFigures>,
    /// The stock broker, if it was asked for.
    pub stock: Option<LatencyFigures>,
    /// The node's p99 over the stock broker's, of all rounds together; at most 1 is the goal.
    pub p99_ratio: Option<f64>,
    /// The median over rounds of that ratio inside a round.
    pub p99_ratio_of_rounds: Option<f64>,
    /// Whether the goal is reached.
    pub reaches_goal: Option<bool>,
}

/// Latencies of one server, all rounds together, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyFigures {
    /// Records behind the figures.
    pub records: u64,
    /// Half of the records took at most so long.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 99 of 100 of every round, in their order.
    pub p99_us_of_rounds: Vec<f64>,
    /// 999 of 1000.
    pub p999_us: f64,
    /// 9999 of 10,000.
    pub p9999_us: f64,
    /// The slowest one.
    pub max_us: f64,
    /// Processor time of the server per second, in seconds.
    pub cpu_seconds_per_second: f64,
    /// Rounds behind the figures.
    pub rounds: usize,
    /// Rounds discarded because other work disturbed them.
    pub disturbed_rounds: u32,
    /// Rounds in the figures although disturbed, because no try was calm: distrust if not 0.
    pub disturbed_rounds_kept: u32,
}

/// What one round showed of one server.
#[derive(Clone, Debug)]
pub struct LatencyRound {
    /// Nanoseconds of every record.
    pub histogram: Histogram<u64>,
    /// Processor time of the server.
    pub cpu: Duration,
    /// How long the round took.
    pub elapsed: Duration,
}

/// The rounds of one scenario.
#[derive(Clone, Debug, Default)]
pub struct RoundsOfServers {
    node: Vec<CalmRound<LatencyRound>>,
    stock: Vec<CalmRound<LatencyRound>>,
}

impl RoundsOfServers {
    /// Keeps a round.
    pub fn push(&mut self, kind: ServerKind, round: CalmRound<LatencyRound>) {
        match kind {
            ServerKind::Node => self.node.push(round),
            ServerKind::Stock => self.stock.push(round),
        }
    }

    /// The row to print.
    ///
    /// # Errors
    /// When histograms of different shapes were pushed.
    pub fn row(&self, scenario: &str) -> Result<LatencyRow> {
        let (node, stock) = (figures(&self.node)?, figures(&self.stock)?);
        let both = node.as_ref().zip(stock.as_ref());
        let p99_ratio = both.map(|(node, stock)| node.p99_us / stock.p99_us);
        let p99 = |round: &CalmRound<LatencyRound>| micros(&round.value.histogram, P99);
        let rounds = self.node.iter().zip(&self.stock);
        let ratios: Vec<f64> = rounds.map(|(node, stock)| p99(node) / p99(stock)).collect();
        let p99_ratio_of_rounds = (!ratios.is_empty()).then(|| median(ratios));
        let reaches_goal = p99_ratio.map(|ratio| ratio <= P99_RATIO_MAX);
        let scenario = scenario.to_owned();
        Ok(LatencyRow { scenario, node, stock, p99_ratio, p99_ratio_of_rounds, reaches_goal })
    }
}

impl LatencyRound {
    /// Its figures for people.
    #[must_use]
    pub fn text(&self) -> String {
        let [p50, p99, p999] = [P50, P99, P999].map(|share| micros(&self.histogram, share));
        let cpu = self.cpu.as_secs_f64() / self.elapsed.as_secs_f64();
        format!("p50 {p50:.0} p99 {p99:.0} p99.9 {p999:.0} us, {cpu:.3} CPU s/s")
    }
}

impl LatencyRow {
    /// Heads of the columns of [`Self::text`].
    #[must_use]
    pub fn head() -> String {
        format!(
            "{:<16} {:>8} {:>8} {:>8} {:>9} {:>8}   {:>6} {:>6} goal",
            "scenario", "p50 us", "p99 us", "p99.9 us", "max us", "CPU s/s", "p99 x", "rounds"
        )
    }

    /// One line for each server; ratios stand at the last one.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |(kind, row): (ServerKind, &LatencyFigures)| {
            let LatencyFigures { p50_us, p99_us, p999_us, max_us, .. } = row;
            let (name, cpu) =
                (format!("{} {}", self.scenario, kind.name()), row.cpu_seconds_per_second);
            let times = format!("{p50_us:>8.0} {p99_us:>8.0} {p999_us:>8.0} {max_us:>9.0}");
            format!("{name:<16} {times} {cpu:>8.3}")
        };
        let mut text = self.servers().map(line).collect::<Vec<_>>().join("\n");
        if let (Some(all), Some(rounds)) = (self.p99_ratio, self.p99_ratio_of_rounds) {
            let goal = if self.reaches_goal == Some(true) { "reached" } else { "missed" };
            text.push_str(&format!("   {all:>6.2} {rounds:>6.2} {goal}"));
        }
        text
    }

    /// Figures of the servers that were asked for.
    pub fn servers(&self) -> impl Iterator<Item = (ServerKind, &LatencyFigures)> {
        let node = self.node.iter().map(|row| (ServerKind::Node, row));
        node.chain(self.stock.iter().map(|row| (ServerKind::Stock, row)))
    }
}

/// All rounds together; nothing without rounds.
///
/// # Errors
/// When the histograms have different shapes.
pub fn figures(rounds: &[CalmRound<LatencyRound>]) -> Result<Option<LatencyFigures>> {
    let Some(first) = rounds.first() else { return Ok(None) };
    let mut all = Histogram::new_from(&first.value.histogram);
    for round in rounds {
        all.add(&round.value.histogram)?;
    }
    let sum = |time: fn(&LatencyRound) -> Duration| {
        rounds.iter().map(|round| time(&round.value)).sum::<Duration>().as_secs_f64()
    };
    Ok(Some(LatencyFigures {
        records: all.len(),
        p50_us: micros(&all, P50),
        p99_us: micros(&all, P99),
        p99_us_of_rounds: rounds.iter().map(|round| micros(&round.value.histogram, P99)).collect(),
        p999_us: micros(&all, P999),
        p9999_us: micros(&all, P9999),
        max_us: ratio_f64(all.max()) / 1e3,
        cpu_seconds_per_second: sum(|round| round.cpu) / sum(|round| round.elapsed),
        rounds: rounds.len(),
        disturbed_rounds: rounds.iter().map(|round| round.disturbed).sum(),
        disturbed_rounds_kept: rounds.iter().map(|round| u32::from(!round.is_calm)).sum(),
    }))
}

/// The time that this share of the records took at most, in microseconds.
#[must_use]
pub fn micros(histogram: &Histogram<u64>, share: f64) -> f64 {
    ratio_f64(histogram.value_at_quantile(share)) / 1e3
}

const P50: f64 = 0.5;
/// 99 of 100.
pub const P99: f64 = 0.99;
const P999: f64 = 0.999;
const P9999: f64 = 0.9999;
/// The goal.
const P99_RATIO_MAX: f64 = 1.0;

#[cfg(test)]
mod tests;
