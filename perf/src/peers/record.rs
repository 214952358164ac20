//! What was measured, round by round: what `peers.json` holds, and all that tables are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::peers::CopyRun;
use crate::peers::contender::Contender;

/// Everything of one or several sittings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PeersRecord {
    /// The scenarios, in the order they were measured in.
    pub scenarios: Vec<ScenarioRecord>,
}

/// On what, with what, when and by which command something was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    /// Day, UTC.
    pub date: String,
    /// Command line.
    pub command: String,
    /// Processor, cores, memory, disk, kernel.
    pub machine: String,
    /// Versions of what was measured.
    pub versions: String,
}

/// One scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScenarioRecord {
    /// Its name.
    pub name: String,
    /// What it is.
    pub what: String,
    /// When and where.
    pub sitting: Sitting,
    /// Partitions copied.
    pub partitions: u32,
    /// Records copied.
    pub records: u64,
    /// Bytes copied: of batches, as they lie on the source's disk.
    pub bytes: u64,
    /// Bytes of the records' values before compression.
    pub value_bytes: u64,
    /// Batches copied.
    pub batches: u64,
    /// The most memory that ringmirror may take; not in records of versions without a cap.
    #[serde(default)]
    pub memory_bytes_max: Option<u64>,
    /// What the machine did at most, by round.
    pub limits: Vec<LimitRecord>,
    /// Every run that counts.
    pub runs: Vec<RunRecord>,
}

/// What the machine did at most in one round.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LimitRecord {
    /// Which round.
    pub round: u32,
    /// Receiving from a prebuilt sender on one connection; of the synthetic source, receiving from
    /// it.
    pub receive_mb_per_s: f64,
    /// Direct writes to a new file with reserved space.
    pub disk_mb_per_s: f64,
    /// Other work disturbed one of them every time. Records of before 2026-11-22 do not tell.
    #[serde(default)]
    pub is_disturbed: bool,
}

/// One contender in one round.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Which round.
    pub round: u32,
    /// Who copied.
    pub contender: Contender,
    /// Bytes copied.
    pub bytes: u64,
    /// From the order to the last byte.
    pub seconds: f64,
    /// From the order to the first byte.
    pub first_byte_seconds: Option<f64>,
    /// Processor time of the copying process.
    pub cpu_seconds: f64,
    /// Of the source.
    pub source_cpu_seconds: f64,
    /// Of the broker that the copying process writes to, where there is one.
    pub target_cpu_seconds: Option<f64>,
    /// Most memory of the copying process; 0 when it says nothing.
    pub resident_bytes_max: u64,
    /// Tries before that other work disturbed.
    pub disturbed: u32,
    /// False when this one was disturbed too.
    pub is_calm: bool,
}

impl PeersRecord {
    /// What was measured of one scenario.
    #[must_use]
    pub fn scenario(&self, name: &str) -> Option<&ScenarioRecord> {
        self.scenarios.iter().find(|scenario| scenario.name == name)
    }

    /// Takes in what another sitting measured; of a scenario that both have, the later one counts.
    pub fn merge(&mut self, later: Self) {
        for scenario in later.scenarios {
            match self.scenarios.iter_mut().find(|known| known.name == scenario.name) {
                Some(known) => *known = scenario,
                None => self.scenarios.push(scenario),
            }
        }
    }
}

impl ScenarioRecord {
    /// The contenders that were measured, in the order of rows.
    #[must_use]
    pub fn contenders(&self) -> Vec<Contender> {
        let by_place: BTreeMap<Contender, ()> =
            self.runs.iter().map(|run| (run.contender, ())).collect();
        by_place.into_keys().collect()
    }

    /// The rounds of one contender.
    pub fn runs_of(&self, contender: Contender) -> impl Iterator<Item = &RunRecord> {
        self.runs.iter().filter(move |run| run.contender == contender)
    }

    /// A contender's run of one round.
    #[must_use]
    pub fn run(&self, contender: Contender, round: u32) -> Option<&RunRecord> {
        self.runs_of(contender).find(|run| run.round == round)
    }
}

impl RunRecord {
    /// What one run showed; the source's processor time is that of the whole copying, where the run
    /// does not know better.
    #[must_use]
    pub fn new(round: u32, contender: Contender, run: &CopyRun, source_cpu_seconds: f64) -> Self {
        Self {
            round,
            contender,
            bytes: run.sample.bytes,
            seconds: run.sample.elapsed.as_secs_f64(),
            first_byte_seconds: run.first_byte.map(|time| time.as_secs_f64()),
            cpu_seconds: run.sample.cpu.as_secs_f64(),
            source_cpu_seconds: run
                .source_cpu
                .map_or(source_cpu_seconds, |time| time.as_secs_f64()),
            target_cpu_seconds: run.target_cpu.map(|time| time.as_secs_f64()),
            resident_bytes_max: run.resident_bytes_max,
            disturbed: 0,
            is_calm: true,
        }
    }

    /// Rate in megabytes (10^6) per second.
    #[must_use]
    pub fn mb_per_s(&self) -> f64 {
        1e3 * self.gigabytes() / self.seconds
    }

    /// Processor seconds of the copying process per gigabyte.
    #[must_use]
    pub fn cpu_per_gb(&self) -> f64 {
        self.cpu_seconds / self.gigabytes()
    }

    /// Gigabytes (10^9) copied.
    #[must_use]
    pub fn gigabytes(&self) -> f64 {
        crate::machine::ratio_f64(self.bytes) / 1e9
    }
}

#[cfg(test)]
mod tests;
