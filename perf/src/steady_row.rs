//! What reading a mirror at a fixed rate showed, against the source's own follower.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::latency_row::{LatencyFigures, LatencyRound, P99, figures, micros};
use crate::measurement::{CalmRound, median};
use crate::memory_cap::NodeMemory;
use crate::steady::Reader;

/// Latencies of all readers and how they compare.
#[derive(Clone, Debug, Serialize)]
pub struct SteadyRow {
    /// Records per second.
    pub records_per_second: u32,
    /// Bytes of each record's value.
    pub record_bytes: usize,
    /// Reading the mirror.
    pub node: LatencyFigures,
    /// Reading Kafka's follower.
    pub follower: LatencyFigures,
    /// Reading the source: what is neither's fault.
    pub source: LatencyFigures,
    /// The median over rounds of the mirror's p99 over the follower's.
    pub p99_ratio_of_rounds: f64,
    /// Whether the mirror's p99 is at most [`P99_US_MAX`].
    pub reaches_p99: bool,
    /// Whether the mirror's p99.99 is at most [`P9999_US_MAX`].
    pub reaches_p9999: bool,
    /// Whether the mirror's p99 is below the follower's, of all rounds together.
    pub is_below_follower: bool,
    /// What the node took of memory.
    pub node_memory: NodeMemory,
}

/// The goal.
pub const P99_US_MAX: f64 = 5_000.0;
/// The goal.
pub const P9999_US_MAX: f64 = 20_000.0;

/// The rounds of every reader.
#[derive(Clone, Debug, Default)]
pub struct RoundsOfReaders {
    rounds: BTreeMap<Reader, Vec<CalmRound<LatencyRound>>>,
}

impl RoundsOfReaders {
    /// Keeps a round.
    pub fn push(&mut self, reader: Reader, round: CalmRound<LatencyRound>) {
        self.rounds.entry(reader).or_default().push(round);
    }

    /// The row to print.
    ///
    /// # Errors
    /// When a reader has no round.
    pub fn row(
        &self,
        records_per_second: u32,
        record_bytes: usize,
        node_memory: NodeMemory,
    ) -> Result<SteadyRow> {
        let of = |reader| {
            let rounds = self.rounds.get(&reader).map_or(&[][..], Vec::as_slice);
            let told = figures(rounds)?;
            told.ok_or_else(|| anyhow::anyhow!("no round of {reader:?}")).map(|told| (rounds, told))
        };
        let (node_rounds, node) = of(Reader::Node)?;
        let (follower_rounds, follower) = of(Reader::Follower)?;
        let p99 = |round: &CalmRound<LatencyRound>| micros(&round.value.histogram, P99);
        let pairs = node_rounds.iter().zip(follower_rounds);
        Ok(SteadyRow {
            records_per_second,
            record_bytes,
            p99_ratio_of_rounds: median(pairs.map(|(ours, its)| p99(ours) / p99(its)).collect()),
            reaches_p99: node.p99_us <= P99_US_MAX,
            reaches_p9999: node.p9999_us <= P9999_US_MAX,
            is_below_follower: node.p99_us < follower.p99_us,
            node,
            follower,
            source: of(Reader::Source)?.1,
            node_memory,
        })
    }
}

impl SteadyRow {
    /// Lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |(reader, row): (Reader, &LatencyFigures)| {
            let LatencyFigures { p50_us, p99_us, p999_us, p9999_us, max_us, .. } = row;
            let (name, cpu) = (reader.name(), row.cpu_seconds_per_second);
            let times = format!("{p50_us:>8.0} {p99_us:>8.0} {p999_us:>8.0} {p9999_us:>9.0}");
            format!("{name:<10} {times} {max_us:>9.0} {cpu:>8.3}")
        };
        let head = format!(
            "{:<10} {:>8} {:>8} {:>8} {:>9} {:>9} {:>8}",
            "read at", "p50 us", "p99 us", "p99.9 us", "p99.99 us", "max us", "CPU s/s"
        );
        let lines: Vec<String> = self.readers().map(line).collect();
        let told = |reached| if reached { "reached" } else { "missed" };
        let goals = format!(
            "p99 <= 5 ms {}, p99.99 <= 20 ms {}, p99 below the follower's {} ({:.2} in rounds)",
            told(self.reaches_p99),
            told(self.reaches_p9999),
            told(self.is_below_follower),
            self.p99_ratio_of_rounds
        );
        let (rate, bytes) = (self.records_per_second, self.record_bytes);
        let load = format!("{rate} records of {bytes} bytes per s: {goals}");
        let memory = format!("memory of the node {}", self.node_memory.text());
        format!("{head}\n{}\n{load}\n{memory}", lines.join("\n"))
    }

    /// Figures of every reader.
    pub fn readers(&self) -> impl Iterator<Item = (Reader, &LatencyFigures)> {
        Reader::ALL.into_iter().zip([&self.node, &self.follower, &self.source])
    }
}

#[cfg(test)]
mod tests;
