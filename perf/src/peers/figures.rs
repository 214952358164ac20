//! Medians, ranges and ratios of the rounds; a ratio is taken inside each round.

use serde::Serialize;

use crate::machine::ratio_f64;
use crate::measurement::median;
use crate::peers::contender::Contender;
use crate::peers::record::{LimitRecord, RunRecord, ScenarioRecord};

/// The middle of some values, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// One contender in one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Who.
    pub contender: Contender,
    /// Bytes of batches copied, MB/s.
    pub mb_per_s: Spread,
    /// Median processor time of the copying process, s/GB.
    pub cpu_per_gb: f64,
    /// Median processor time of the source, s/GB.
    pub source_cpu_per_gb: f64,
    /// Median processor time of the broker it writes to, s/GB, where there is one.
    pub target_cpu_per_gb: Option<f64>,
    /// Most memory of all rounds; 0 when it says nothing.
    pub resident_bytes_max: u64,
    /// Rate over the machine's limit in the same round.
    pub ratio_to_limit: Option<Spread>,
    /// ringmirror's rate over this one's in the same round.
    pub ringmirror_rate_ratio: Option<Spread>,
    /// This one's processor time over ringmirror's in the same round.
    pub cpu_ratio: Option<Spread>,
    /// Rounds behind the medians.
    pub rounds: usize,
    /// Tries thrown away because other work disturbed them.
    pub disturbed: u32,
    /// Rounds in the medians although disturbed: distrust if not 0.
    pub disturbed_kept: usize,
}

impl Spread {
    /// Of no values, all zero.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let min = values.iter().copied().min_by(f64::total_cmp);
        let max = values.iter().copied().max_by(f64::total_cmp);
        Self {
            median: median(values.to_vec()),
            min: min.unwrap_or_default(),
            max: max.unwrap_or_default(),
        }
    }

    /// Of what some rounds have; nothing when none has it.
    pub(in crate::peers) fn of_rounds(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        (!values.is_empty()).then(|| Self::of(&values))
    }
}

impl LimitRecord {
    /// The lesser of receiving and writing.
    #[must_use]
    pub fn of_machine(&self) -> f64 {
        self.receive_mb_per_s.min(self.disk_mb_per_s)
    }
}

impl ScenarioRecord {
    /// A contender's figures; `None` when it was not measured.
    #[must_use]
    pub fn figures(&self, contender: Contender) -> Option<Figures> {
        let runs: Vec<&RunRecord> = self.runs_of(contender).collect();
        if runs.is_empty() {
            return None;
        }
        let middle = |figure: &dyn Fn(&RunRecord) -> f64| {
            median(runs.iter().map(|run| figure(run)).collect())
        };
        let targets = runs.iter().filter_map(|run| Some(run.target_cpu_seconds? / run.gigabytes()));
        let targets: Vec<f64> = targets.collect();
        let rates: Vec<f64> = runs.iter().map(|run| run.mb_per_s()).collect();
        Some(Figures {
            contender,
            mb_per_s: Spread::of(&rates),
            cpu_per_gb: middle(&RunRecord::cpu_per_gb),
            source_cpu_per_gb: middle(&|run| run.source_cpu_seconds / run.gigabytes()),
            target_cpu_per_gb: (!targets.is_empty()).then(|| median(targets)),
            resident_bytes_max: runs.iter().map(|run| run.resident_bytes_max).max().unwrap_or(0),
            ratio_to_limit: self.ratio_to_limit(contender),
            ringmirror_rate_ratio: self
                .ratio(contender, |ours, theirs| ours.mb_per_s() / theirs.mb_per_s()),
            cpu_ratio: self
                .ratio(contender, |ours, theirs| theirs.cpu_per_gb() / ours.cpu_per_gb()),
            rounds: runs.len(),
            disturbed: runs.iter().map(|run| run.disturbed).sum(),
            disturbed_kept: runs.iter().filter(|run| !run.is_calm).count(),
        })
    }

    /// A ratio of ringmirror to a contender inside rounds; `None` for itself.
    fn ratio(
        &self,
        contender: Contender,
        ratio: impl Fn(&RunRecord, &RunRecord) -> f64,
    ) -> Option<Spread> {
        if contender == Contender::Ringmirror {
            return None;
        }
        self.ratio_between(Contender::Ringmirror, contender, ratio)
    }

    /// A ratio between two contenders inside rounds; `None` without a common round.
    #[must_use]
    pub fn ratio_between(
        &self,
        one: Contender,
        other: Contender,
        ratio: impl Fn(&RunRecord, &RunRecord) -> f64,
    ) -> Option<Spread> {
        let of_round = |one: &RunRecord| Some(ratio(one, self.run(other, one.round)?));
        Spread::of_rounds(self.runs_of(one).filter_map(of_round))
    }

    /// What can be had in a round: what the machine can do, and where it was measured what the
    /// source gives to somebody who throws everything away.
    #[must_use]
    pub fn limit(&self, limit: &LimitRecord) -> f64 {
        let discarded = self.run(Contender::Discard, limit.round).map(RunRecord::mb_per_s);
        limit.of_machine().min(discarded.unwrap_or(f64::INFINITY))
    }

    /// A contender's rate over the limit inside rounds.
    #[must_use]
    pub fn ratio_to_limit(&self, contender: Contender) -> Option<Spread> {
        let of_round = |limit: &LimitRecord| {
            Some(self.run(contender, limit.round)?.mb_per_s() / self.limit(limit))
        };
        Spread::of_rounds(self.limits.iter().filter_map(of_round))
    }

    /// Bytes of a batch in the mean.
    #[must_use]
    pub fn batch_bytes(&self) -> f64 {
        ratio_f64(self.bytes) / ratio_f64(self.batches.max(1))
    }

    /// How many times smaller compression made the records.
    #[must_use]
    pub fn compression(&self) -> f64 {
        ratio_f64(self.value_bytes) / ratio_f64(self.bytes.max(1))
    }
}

#[cfg(test)]
pub(in crate::peers) mod tests;
