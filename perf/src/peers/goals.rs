//! What is to be reached, and whether it was.

use serde::Serialize;

use crate::machine::ratio_f64;
use crate::peers::contender::Contender::{
    self, Follower, FollowerTuned, MirrorMaker, MirrorMakerTuned, Ringmirror, RingmirrorBuffered,
};
use crate::peers::figures::Spread;
use crate::peers::record::{PeersRecord, RunRecord, ScenarioRecord};

/// One goal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// In which scenario.
    pub scenario: &'static str,
    /// What.
    pub what: String,
    /// At least this.
    pub at_least: f64,
    /// What was seen, inside rounds where it is a ratio of the same rounds.
    pub seen: Spread,
    /// Whether the median is enough.
    pub is_reached: bool,
    /// Whether it is a ratio to ringmirror or to the limit, which the scenario's table has, too.
    pub is_in_table: bool,
}

impl Goal {
    /// Whether some rounds say that it is reached and some that it is not.
    #[must_use]
    pub fn is_divided(&self) -> bool {
        self.seen.min < self.at_least && self.seen.max >= self.at_least
    }
}

/// Every goal about which something was measured.
#[must_use]
pub fn goals(record: &PeersRecord) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut add = |scenario, what: &str, is_in_table, at_least, seen: Option<Spread>| {
        if let Some(seen) = seen {
            let (what, is_reached) = (what.to_owned(), seen.median >= at_least);
            goals.push(Goal { scenario, what, at_least, seen, is_reached, is_in_table });
        }
    };
    let of = |name: &str| record.scenario(name);
    if let Some(bulk) = of(BULK) {
        add(BULK, "rate over the limit", true, 0.9, bulk.ratio_to_limit(Ringmirror));
        for (peer, at_least) in [(Follower, 4.0), (FollowerTuned, 3.0)] {
            let what = format!("rate over that of the {}", peer.title());
            add(BULK, &what, true, at_least, rate(bulk, Ringmirror, peer));
        }
        for (ours, is_in_table, at_least) in
            [(Ringmirror, true, 5.0), (RingmirrorBuffered, false, 2.0)]
        {
            let what =
                format!("processor time of the Kafka follower over that of {}", ours.title());
            add(BULK, &what, is_in_table, at_least, cpu(bulk, ours, Follower));
        }
    }
    for (name, at_least) in [(BULK, 60.0), ("8-partitions-zstd", 100.0)] {
        for peer in [MirrorMaker, MirrorMakerTuned] {
            let what = format!("processor time over that of ringmirror: {}", peer.title());
            let seen = of(name).and_then(|scenario| cpu(scenario, Ringmirror, peer));
            add(name, &what, true, at_least, seen);
        }
    }
    if let Some(synthetic) = of(SYNTHETIC) {
        add(SYNTHETIC, "rate over the limit", true, 0.95, synthetic.ratio_to_limit(Ringmirror));
    }
    for (name, at_least) in [("1-partition", 0.9), ("1000-partitions", 0.6)] {
        let seen = of(name).zip(of(BULK)).and_then(|(scenario, bulk)| over(scenario, bulk));
        add(name, "rate over that of 8 partitions", false, at_least, seen);
    }
    let memory = memory(record).map(|seen| Spread::of(&[seen]));
    add(ALL, "cap on memory over the most that ringmirror had resident", false, 1.0, memory);
    goals
}

/// ringmirror's rate in one scenario over that in another, in rounds of the same number.
fn over(scenario: &ScenarioRecord, bulk: &ScenarioRecord) -> Option<Spread> {
    let of_round =
        |run: &RunRecord| Some(run.mb_per_s() / bulk.run(Ringmirror, run.round)?.mb_per_s());
    Spread::of_rounds(scenario.runs_of(Ringmirror).filter_map(of_round))
}

fn rate(scenario: &ScenarioRecord, ours: Contender, theirs: Contender) -> Option<Spread> {
    scenario.ratio_between(ours, theirs, |ours, theirs| ours.mb_per_s() / theirs.mb_per_s())
}

fn cpu(scenario: &ScenarioRecord, ours: Contender, theirs: Contender) -> Option<Spread> {
    let cpu = |run: &RunRecord| run.cpu_per_gb();
    scenario.ratio_between(ours, theirs, |ours, theirs| cpu(theirs) / cpu(ours))
}

/// The cap over the resident memory of the run that came nearest to it, whatever was copied.
fn memory(record: &PeersRecord) -> Option<f64> {
    let of_scenario = |scenario: &ScenarioRecord| {
        let ours = [Ringmirror, RingmirrorBuffered];
        let runs = ours.iter().flat_map(|contender| scenario.runs_of(*contender));
        let resident = runs.map(|run| run.resident_bytes_max).max()?;
        Some(ratio_f64(scenario.memory_bytes_max?) / ratio_f64(resident))
    };
    record.scenarios.iter().filter_map(of_scenario).min_by(f64::total_cmp)
}

const ALL: &str = "all";
const BULK: &str = "8-partitions";
const SYNTHETIC: &str = "synthetic";

#[cfg(test)]
mod tests;
