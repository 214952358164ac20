//! What reading from two servers showed: a row for each scenario.

use serde::Serialize;

use crate::measurement::{LimitRow, Sample, Series, median};
use crate::server_process::ServerKind;

/// Rates of both servers and how they compare.
#[derive(Clone, Debug, Serialize)]
pub struct ConsumeRow {
    /// What was measured.
    pub scenario: String,
    /// The node, if it was asked for; processor time is the server's.
    pub node: Option<LimitRow>,
    /// The stock broker, if it was asked for.
    pub stock: Option<LimitRow>,
    /// Median over rounds of the node's rate over the stock broker's; at least 1.5 is the goal.
    pub rate_ratio: Option<f64>,
    /// Median over rounds of the node's processor time for a GB over the stock broker's; at most
    /// 0.5 is the goal.
    pub cpu_ratio: Option<f64>,
    /// Whether one of the two goals is reached.
    pub reaches_goal: Option<bool>,
}

/// The series of one scenario.
#[derive(Clone, Debug)]
pub struct SeriesOfServers {
    node: Series,
    stock: Series,
}

impl SeriesOfServers {
    /// No samples yet.
    #[must_use]
    pub fn new(tries_max: u32) -> Self {
        let series = Series::with_tries(tries_max);
        Self { node: series.clone(), stock: series }
    }

    /// The series of one server.
    pub fn of_mut(&mut self, kind: ServerKind) -> &mut Series {
        match kind {
            ServerKind::Node => &mut self.node,
            ServerKind::Stock => &mut self.stock,
        }
    }

    /// The row to print.
    #[must_use]
    pub fn row(&self, scenario: &str) -> ConsumeRow {
        let of = |kind: ServerKind, series: &Series| {
            let name = format!("{scenario} {}", kind.name());
            (!series.samples().is_empty()).then(|| series.row(&name))
        };
        let rate_ratio = self.ratio(Sample::mb_per_s);
        let cpu_ratio = self.ratio(Sample::cpu_seconds_per_gb);
        let reaches_goal = rate_ratio
            .zip(cpu_ratio)
            .map(|(rate, cpu)| rate >= RATE_RATIO_MIN || cpu <= CPU_RATIO_MAX);
        ConsumeRow {
            scenario: scenario.to_owned(),
            node: of(ServerKind::Node, &self.node),
            stock: of(ServerKind::Stock, &self.stock),
            rate_ratio,
            cpu_ratio,
            reaches_goal,
        }
    }

    fn ratio(&self, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        let rounds = self.node.samples().iter().zip(self.stock.samples());
        let ratios: Vec<f64> = rounds.map(|(node, stock)| figure(node) / figure(stock)).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }
}

impl ConsumeRow {
    /// Heads of the columns of [`Self::text`].
    #[must_use]
    pub fn head() -> String {
        format!(
            "{:<24} {:>8} {:>8} {:>8} {:>9}   {:>6} {:>6} goal",
            "scenario", "MB/s", "min", "max", "CPU s/GB", "rate x", "CPU x"
        )
    }

    /// One line for each server; ratios stand at the last one.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |row: &LimitRow| {
            let LimitRow { scenario, mb_per_s, mb_per_s_min, mb_per_s_max, .. } = row;
            let cpu = row.cpu_seconds_per_gb;
            let rates = format!("{mb_per_s:>8.0} {mb_per_s_min:>8.0} {mb_per_s_max:>8.0}");
            format!("{scenario:<24} {rates} {cpu:>9.3}")
        };
        let lines: Vec<String> = self.servers().map(line).collect();
        let mut text = lines.join("\n");
        if let (Some(rate), Some(cpu)) = (self.rate_ratio, self.cpu_ratio) {
            let goal = if self.reaches_goal == Some(true) { "reached" } else { "missed" };
            text.push_str(&format!("   {rate:>6.2} {cpu:>6.2} {goal}"));
        }
        text
    }

    /// Figures of the servers that were asked for.
    pub fn servers(&self) -> impl Iterator<Item = &LimitRow> {
        self.node.iter().chain(&self.stock)
    }
}

/// So much faster, or
const RATE_RATIO_MIN: f64 = 1.5;
/// so much cheaper.
const CPU_RATIO_MAX: f64 = 0.5;

#[cfg(test)]
mod tests;
