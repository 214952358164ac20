//! What copying from a real broker across a long link showed: a node beside Kafka's follower.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::delay_line::PacketCounts;
use crate::delayed::{DelayedPlan, Scenario};
use crate::delayed_peers::Copier;
use crate::delayed_row::{LinkRow, packets_text};
use crate::measurement::{LimitRow, Sample, Series, median};
use crate::memory_cap::NodeMemory;

/// Rates across one link.
#[derive(Clone, Debug, Serialize)]
pub struct DelayedPeersRow {
    /// The link.
    #[serde(flatten)]
    pub link: LinkRow,
    /// Who copied, the node first.
    pub copiers: Vec<CopierRow>,
}

/// Rates of one who copied.
#[derive(Clone, Debug, Serialize)]
pub struct CopierRow {
    /// Its name and its rates.
    #[serde(flatten)]
    pub rates: LimitRow,
    /// Median over rounds of the node's rate over this one's.
    pub node_ratio: f64,
}

/// The rounds of one link.
#[derive(Clone, Debug)]
pub struct DelayedPeersRounds {
    tries_max: u32,
    series: BTreeMap<Copier, Series>,
    /// What came from the source in each round.
    pub packets: Vec<PacketCounts>,
    /// What nodes took of memory.
    pub memory: NodeMemory,
}

impl DelayedPeersRounds {
    /// No rounds yet; a disturbed one is taken after so many tries.
    #[must_use]
    pub const fn with_tries(tries_max: u32, memory: NodeMemory) -> Self {
        Self { tries_max, series: BTreeMap::new(), packets: Vec::new(), memory }
    }

    /// The rounds of one who copies.
    pub fn series(&mut self, copier: Copier) -> &mut Series {
        self.series.entry(copier).or_insert_with(|| Series::with_tries(self.tries_max))
    }

    /// The last round for people.
    #[must_use]
    pub fn last_text(&self) -> String {
        let rate = |(copier, series): (&Copier, &Series)| {
            let rate = series.samples().last().map_or(0.0, Sample::mb_per_s);
            format!("{} {rate:.1}", copier.name())
        };
        let rates: Vec<String> = self.series.iter().map(rate).collect();
        format!("{} MB/s; {}", rates.join(", "), packets_text(self.packets.last()))
    }

    /// The row to print.
    #[must_use]
    pub fn row(&self, scenario: &Scenario, plan: &DelayedPlan) -> DelayedPeersRow {
        let node = self.series.get(&Copier::Node).map_or(&[][..], Series::samples);
        let row = |(copier, series): (&Copier, &Series)| {
            let rounds = node.iter().zip(series.samples());
            let ratios = rounds.map(|(node, this)| node.mb_per_s() / this.mb_per_s());
            CopierRow { rates: series.row(copier.name()), node_ratio: median(ratios.collect()) }
        };
        DelayedPeersRow {
            link: LinkRow::new(scenario, plan, &self.packets, self.memory),
            copiers: self.series.iter().map(row).collect(),
        }
    }
}

impl DelayedPeersRow {
    /// Heads of the columns of [`Self::text`].
    #[must_use]
    pub fn head() -> String {
        format!(
            "{:<28} {:>7} {:<15} {:>7} {:>7} {:>7} {:>7} {:>7}",
            "scenario", "lost", "copier", "MB/s", "min", "max", "node x", "s/GB"
        )
    }

    /// A line for each who copied, rates in MB/s.
    #[must_use]
    pub fn text(&self) -> String {
        let LinkRow { scenario, loss, .. } = &self.link;
        let line = |CopierRow { rates, node_ratio }: &CopierRow| {
            let LimitRow { mb_per_s, mb_per_s_min, mb_per_s_max, .. } = rates;
            let (name, cpu) = (&rates.scenario, rates.cpu_seconds_per_gb);
            format!(
                "{scenario:<28} {loss:>7.4} {name:<15} {mb_per_s:>7.1} {mb_per_s_min:>7.1} \
                 {mb_per_s_max:>7.1} {node_ratio:>7.2} {cpu:>7.3}"
            )
        };
        self.copiers.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests;
