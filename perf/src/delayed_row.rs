//! What mirroring across a long link showed: a row for each link.

use serde::Serialize;

use crate::delay_line::PacketCounts;
use crate::delayed::{DelayedPlan, Scenario};
use crate::machine::ratio_f64;
use crate::measurement::{LimitRow, Sample, Series, median};
use crate::memory_cap::NodeMemory;

/// A link, what was set, and what happened on it.
#[derive(Clone, Debug, Serialize)]
pub struct LinkRow {
    /// What was measured.
    pub scenario: String,
    /// There and back.
    pub round_trip_ms: u64,
    /// The share of packets that the link lost, counted.
    pub loss: f64,
    /// Packets that found the link's queue full: more than a few are no long link any more.
    pub packets_overflown: u64,
    /// Congestion control of both ends.
    pub congestion_control: String,
    /// Largest packet: a loss takes so many bytes.
    pub mtu: u16,
    /// The most that a socket's buffers grow to, at both ends.
    pub socket_bytes_max: u32,
    /// Partitions mirrored.
    pub partitions: u32,
    /// What nodes took of memory.
    pub node_memory: NodeMemory,
}

/// Rates across one link.
#[derive(Clone, Debug, Serialize)]
pub struct DelayedRow {
    /// The link.
    #[serde(flatten)]
    pub link: LinkRow,
    /// Receiving and throwing away, as many connections as partitions.
    pub receive: LimitRow,
    /// A node without settings.
    pub standard: LimitRow,
    /// A node that asks for `response_bytes` in a response and for a partition.
    pub large: LimitRow,
    /// What it asks for.
    pub response_bytes: u32,
    /// Median over rounds of the rate without settings over that of receiving.
    pub standard_ratio: f64,
    /// The same with large responses.
    pub large_ratio: f64,
    /// Whether either reaches [`MB_PER_S_MIN`], where that is the goal.
    pub reaches_goal: Option<bool>,
}

/// The goal of one partition, with a round trip of 80 ms and no loss.
pub const MB_PER_S_MIN: f64 = 200.0;

impl LinkRow {
    /// What it is when this came from its far end in all rounds together.
    #[must_use]
    pub fn new(
        scenario: &Scenario,
        plan: &DelayedPlan,
        packets: &[PacketCounts],
        node_memory: NodeMemory,
    ) -> Self {
        let sum = |count: fn(&PacketCounts) -> u64| packets.iter().map(count).sum::<u64>();
        let (taken, lost) = (sum(|packets| packets.taken), sum(|packets| packets.lost));
        Self {
            scenario: scenario.name.to_owned(),
            round_trip_ms: scenario.round_trip_ms,
            loss: ratio_f64(lost) / ratio_f64((taken + lost).max(1)),
            packets_overflown: sum(|packets| packets.overflown),
            congestion_control: scenario.congestion_control.to_owned(),
            mtu: plan.mtu,
            socket_bytes_max: plan.socket_bytes_max,
            partitions: scenario.partitions,
            node_memory,
        }
    }

    /// What nodes took of memory, for people.
    #[must_use]
    pub fn memory_text(&self) -> String {
        format!("{}: memory of the node {}", self.scenario, self.node_memory.text())
    }
}

/// The rounds of one link.
#[derive(Clone, Debug)]
pub struct DelayedRounds {
    /// Receiving and throwing away.
    pub receive: Series,
    /// A node without settings.
    pub standard: Series,
    /// A node that asks for large responses.
    pub large: Series,
    /// What came from the source in each round.
    pub packets: Vec<PacketCounts>,
    /// What nodes took of memory.
    pub memory: NodeMemory,
}

impl DelayedRounds {
    /// No rounds yet; a disturbed one is taken after so many tries.
    #[must_use]
    pub fn with_tries(tries_max: u32, memory: NodeMemory) -> Self {
        let series = Series::with_tries(tries_max);
        let (receive, standard, large) = (series.clone(), series.clone(), series);
        Self { receive, standard, large, packets: Vec::new(), memory }
    }

    /// The last round for people.
    #[must_use]
    pub fn last_text(&self) -> String {
        let rate = |series: &Series| series.samples().last().map_or(0.0, Sample::mb_per_s);
        let [receive, standard, large] = [&self.receive, &self.standard, &self.large].map(rate);
        let packets = packets_text(self.packets.last());
        format!(
            "receive {receive:.0}, node {standard:.0}, with large responses {large:.0} MB/s; \
             {packets}"
        )
    }

    /// The row to print.
    #[must_use]
    pub fn row(&self, scenario: &Scenario, plan: &DelayedPlan) -> DelayedRow {
        let ratio = |series: &Series| {
            let rounds = series.samples().iter().zip(self.receive.samples());
            median(rounds.map(|(ours, limit)| ours.mb_per_s() / limit.mb_per_s()).collect())
        };
        let (standard, large) = (self.standard.row("standard"), self.large.row("large"));
        let has_goal =
            scenario.partitions == 1 && scenario.round_trip_ms == 80 && scenario.loss <= 0.0;
        let best = standard.mb_per_s.max(large.mb_per_s);
        DelayedRow {
            link: LinkRow::new(scenario, plan, &self.packets, self.memory),
            receive: self.receive.row("receive"),
            standard_ratio: ratio(&self.standard),
            large_ratio: ratio(&self.large),
            standard,
            large,
            response_bytes: plan.response_bytes,
            reaches_goal: has_goal.then_some(best >= MB_PER_S_MIN),
        }
    }
}

impl DelayedRow {
    /// Heads of the columns of [`Self::text`].
    #[must_use]
    pub fn head() -> String {
        format!(
            "{:<28} {:>7} {:>8} {:>6} {:>6} {:>6} {:>6} {:>6}  goal",
            "scenario", "lost", "receive", "node", "ratio", "large", "ratio", "s/GB"
        )
    }

    /// One line for people, rates in MB/s.
    #[must_use]
    pub fn text(&self) -> String {
        let rates = [&self.receive, &self.standard, &self.large].map(|row| row.mb_per_s);
        let [receive, standard, large] = rates;
        let (standard_ratio, large_ratio) = (self.standard_ratio, self.large_ratio);
        let (name, loss, cpu) =
            (&self.link.scenario, self.link.loss, self.large.cpu_seconds_per_gb);
        let goal = match self.reaches_goal {
            Some(true) => "reached",
            Some(false) => "missed",
            None => "-",
        };
        format!(
            "{name:<28} {loss:>7.4} {receive:>8.0} {standard:>6.0} {standard_ratio:>6.2} \
             {large:>6.0} {large_ratio:>6.2} {cpu:>6.3}  {goal}"
        )
    }
}

/// What happened to packets, for people.
pub(crate) fn packets_text(packets: Option<&PacketCounts>) -> String {
    let PacketCounts { taken, lost, overflown } = packets.copied().unwrap_or_default();
    format!("{taken} packets, {lost} lost, {overflown} overflown")
}

#[cfg(test)]
pub(crate) mod tests;
