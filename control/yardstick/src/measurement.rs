//! Rounds of a measurement, what is kept of them, and rows to print.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::machine::{BusyClock, ratio_f64};

/// One run of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Bytes moved.
    pub bytes: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// Processor time of the measured side.
    pub cpu: Duration,
}

impl Sample {
    /// Rate in megabytes (10^6) per second.
    #[must_use]
    pub fn mb_per_s(&self) -> f64 {
        ratio_f64(self.bytes) / 1e6 / self.elapsed.as_secs_f64()
    }

    /// Processor seconds per gigabyte (10^9 bytes).
    #[must_use]
    pub fn cpu_seconds_per_gb(&self) -> f64 {
        self.cpu.as_secs_f64() / (ratio_f64(self.bytes) / 1e9)
    }
}

/// Samples of one scenario and how many were thrown away.
#[derive(Clone, Debug)]
pub struct Series {
    tries_max: u32,
    samples: Vec<Sample>,
    disturbed: u32,
    disturbed_kept: u32,
}

/// Tries at one round before a disturbed one is taken after all, usually.
pub const TRIES_MAX: u32 = 5;

impl Default for Series {
    fn default() -> Self {
        Self::with_tries(TRIES_MAX)
    }
}

impl Series {
    /// No samples yet; a disturbed round is taken after `tries_max` tries, at least one.
    #[must_use]
    pub fn with_tries(tries_max: u32) -> Self {
        let tries_max = tries_max.max(1);
        Self { tries_max, samples: Vec::new(), disturbed: 0, disturbed_kept: 0 }
    }

    /// Runs one round, again while it is disturbed; the last try is kept and told
    /// in `disturbed_rounds_kept`.
    ///
    /// # Errors
    /// What `run` says, or `/proc` does not tell.
    pub fn round(&mut self, run: impl FnMut() -> Result<Sample>) -> Result<Sample> {
        self.round_with_children(&[], run)
    }

    /// The same while child processes of ours work too.
    ///
    /// # Errors
    /// What `run` says, or `/proc` does not tell.
    pub fn round_with_children(
        &mut self,
        children: &[u32],
        run: impl FnMut() -> Result<Sample>,
    ) -> Result<Sample> {
        self.prepared_round(children, || Ok(()), run)
    }

    /// The same with something before every try that is not part of it.
    ///
    /// # Errors
    /// What `prepare` or `run` says, or `/proc` does not tell.
    pub fn prepared_round(
        &mut self,
        children: &[u32],
        prepare: impl FnMut() -> Result<()>,
        run: impl FnMut() -> Result<Sample>,
    ) -> Result<Sample> {
        let round = CalmRound::run_prepared(self.tries_max, children, prepare, run)?;
        self.disturbed += round.disturbed;
        self.disturbed_kept += u32::from(!round.is_calm);
        self.samples.push(round.value);
        Ok(round.value)
    }

    /// What was kept, in the order of rounds.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Median rate in MB/s.
    #[must_use]
    pub fn mb_per_s(&self) -> f64 {
        median(self.samples.iter().map(Sample::mb_per_s).collect())
    }

    /// Median processor seconds per GB.
    #[must_use]
    pub fn cpu_seconds_per_gb(&self) -> f64 {
        median(self.samples.iter().map(Sample::cpu_seconds_per_gb).collect())
    }

    /// The row to print.
    #[must_use]
    pub fn row(&self, scenario: &str) -> LimitRow {
        let rates = || self.samples.iter().map(Sample::mb_per_s);
        LimitRow {
            scenario: scenario.to_owned(),
            mb_per_s: self.mb_per_s(),
            mb_per_s_min: rates().fold(f64::INFINITY, f64::min),
            mb_per_s_max: rates().fold(0.0, f64::max),
            mb_per_s_of_rounds: rates().collect(),
            cpu_seconds_per_gb: self.cpu_seconds_per_gb(),
            rounds: self.samples.len(),
            disturbed_rounds: self.disturbed,
            disturbed_rounds_kept: self.disturbed_kept,
        }
    }
}

/// What one round measured, and how calm the machine was.
#[derive(Clone, Copy, Debug)]
pub struct CalmRound<T> {
    /// What the last try measured.
    pub value: T,
    /// Tries thrown away because other work disturbed them.
    pub disturbed: u32,
    /// False when the last try was disturbed too.
    pub is_calm: bool,
}

impl<T> CalmRound<T> {
    /// Runs until a try is calm, at most `tries_max` times and at least once; `children` are
    /// processes of ours that work too.
    ///
    /// # Errors
    /// What `run` says, or `/proc` does not tell.
    pub fn run(tries_max: u32, children: &[u32], run: impl FnMut() -> Result<T>) -> Result<Self> {
        Self::run_prepared(tries_max, children, || Ok(()), run)
    }

    /// The same with something before every try that is not part of it.
    ///
    /// # Errors
    /// What `prepare` or `run` says, or `/proc` does not tell.
    pub fn run_prepared(
        tries_max: u32,
        children: &[u32],
        mut prepare: impl FnMut() -> Result<()>,
        mut run: impl FnMut() -> Result<T>,
    ) -> Result<Self> {
        Self::until_calm(tries_max, || {
            prepare()?;
            let before = BusyClock::read(children)?;
            let value = run()?;
            Ok((value, BusyClock::read(children)?.is_calm_since(&before)))
        })
    }

    /// Tries until `attempt` says that it was calm.
    fn until_calm(tries_max: u32, mut attempt: impl FnMut() -> Result<(T, bool)>) -> Result<Self> {
        let mut disturbed = 0;
        loop {
            let (value, is_calm) = attempt()?;
            if is_calm || disturbed + 1 >= tries_max {
                return Ok(Self { value, disturbed, is_calm });
            }
            disturbed += 1;
        }
    }
}

/// A round in which everybody who is measured comes once; shown as `warm-up 1` or `round 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Which one, from 1.
    pub number: u32,
    /// False for those at the beginning that are run and thrown away.
    pub counts: bool,
}

impl Round {
    /// Rounds that do not count, followed by those that do.
    pub fn all(warm_ups: u32, counted: u32) -> impl Iterator<Item = Self> {
        let rounds = |count, counts| (1..=count).map(move |number| Self { number, counts });
        rounds(warm_ups, false).chain(rounds(counted, true))
    }

    /// Tries at it: what does not count need not be calm.
    #[must_use]
    pub const fn tries_max(self, tries_max: u32) -> u32 {
        if self.counts { tries_max } else { 1 }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", if self.counts { "round" } else { "warm-up" }, self.number)
    }
}

/// In which order all come in round `number`, from 1, so that everybody comes right after every
/// other one equally often: what one leaves behind (memory given back, files to write) helps or
/// hinders the next, and must not always be the same one's. A Williams square; after as many
/// rounds as there are contenders, twice as many of an odd number, each has followed each once, of
/// an odd number twice.
pub fn order_of_round<T>(all: &[T], number: u32) -> impl Iterator<Item = &T> {
    let count = all.len();
    let turn = usize::try_from(number).unwrap_or(0).saturating_sub(1);
    // Neighbours in a row of an odd square lie an odd number apart, in its mirror an even one.
    let is_backwards = !count.is_multiple_of(2) && !turn.is_multiple_of(2);
    (0..count).map(move |step| {
        let step = if is_backwards { count - 1 - step } else { step };
        // 0, 1, -1, 2, -2 and so on.
        let place = if step.is_multiple_of(2) { count - step / 2 } else { step.div_ceil(2) };
        &all[(turn + place) % count]
    })
}

/// What the machine can do in one respect.
#[derive(Clone, Debug, Serialize)]
pub struct LimitRow {
    /// What was measured.
    pub scenario: String,
    /// Median rate.
    pub mb_per_s: f64,
    /// Slowest round.
    pub mb_per_s_min: f64,
    /// Fastest round.
    pub mb_per_s_max: f64,
    /// Every round, in their order.
    pub mb_per_s_of_rounds: Vec<f64>,
    /// Median processor time of the measured side.
    pub cpu_seconds_per_gb: f64,
    /// Rounds behind the medians.
    pub rounds: usize,
    /// Rounds discarded because other work disturbed them.
    pub disturbed_rounds: u32,
    /// Rounds in the medians although disturbed, because no try was calm: distrust if not 0.
    pub disturbed_rounds_kept: u32,
}

/// The middle value, or the mean of the two middle ones; 0 without values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle)) {
        (_, None) => 0.0,
        (1, Some(value)) => *value,
        (_, Some(value)) => f64::midpoint(values[middle - 1], *value),
    }
}

/// Repeats `step`, which returns the bytes it moved, for about `time`.
///
/// # Errors
/// What `step` says.
pub fn repeat_for(
    time: Duration,
    mut step: impl FnMut() -> Result<u64>,
) -> Result<(u64, Duration)> {
    let begun = Instant::now();
    let mut bytes = 0;
    while begun.elapsed() < time {
        bytes += step()?;
    }
    Ok((bytes, begun.elapsed()))
}

#[cfg(test)]
mod tests;
