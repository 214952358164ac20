//! Whether two sittings, on two machines or a day apart, say the same.
//!
//! Rates belong to a machine; ratios inside rounds should not. Every ratio that both have is held
//! against the other's range.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::machine::ratio_f64;
use crate::peers::contender::Contender;
use crate::peers::figures::Spread;
use crate::peers::goals::{Goal, goals};
use crate::peers::markdown::ratio;
use crate::peers::record::{PeersRecord, ScenarioRecord, Sitting};

/// One ratio that two sittings have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// In which scenario.
    pub scenario: String,
    /// Which ratio.
    pub what: String,
    /// What the sitting in question saw.
    pub seen: Spread,
    /// What the sitting saw that it is held against.
    pub recorded: Spread,
    /// How near they are.
    pub verdict: Verdict,
}

/// How near two ratios are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Each median lies within the other's range.
    Same,
    /// The ranges have something in common.
    Overlapping,
    /// They have nothing in common.
    Apart,
}

impl Verdict {
    fn of(one: &Spread, other: &Spread) -> Self {
        let is_within = |value: f64, range: &Spread| range.min <= value && value <= range.max;
        if is_within(one.median, other) && is_within(other.median, one) {
            Self::Same
        } else if one.min <= other.max && other.min <= one.max {
            Self::Overlapping
        } else {
            Self::Apart
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Overlapping => "overlapping",
            Self::Apart => "**apart**",
        }
    }
}

/// What two sittings have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// The scenarios that are compared, with where and when each was measured.
    pub scenarios: Vec<ComparedScenario>,
    /// Every ratio that both have with a range.
    pub agreements: Vec<Agreement>,
    /// What of these scenarios is not compared, and why; scenarios of topics of other sizes.
    pub left_out: Vec<String>,
}

/// A scenario that two sittings have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedScenario {
    /// Its name.
    pub name: String,
    /// The sitting in question.
    pub seen: Sitting,
    /// The sitting that it is held against.
    pub recorded: Sitting,
}

impl Comparison {
    /// Of all scenarios that both have with as many bytes.
    #[must_use]
    pub fn of(seen: &PeersRecord, recorded: &PeersRecord) -> Self {
        let mut comparison = Self::default();
        for scenario in &seen.scenarios {
            if let Some(known) = recorded.scenario(&scenario.name) {
                comparison.add_scenario(scenario, known);
            }
        }
        let (seen, recorded) = (comparison.compared(seen), comparison.compared(recorded));
        comparison.add_ratios(ratios(&seen), &ratios(&recorded));
        comparison
    }

    fn add_scenario(&mut self, seen: &ScenarioRecord, recorded: &ScenarioRecord) {
        let ScenarioRecord { name, sitting, bytes, .. } = seen;
        let (here, there) = (ratio_f64(*bytes), ratio_f64(recorded.bytes));
        if (here / there - 1.0).abs() > BYTES_TOLERANCE {
            let (here, there) = (here / 1e9, there / 1e9);
            self.left_out.push(format!("{name}: {here:.2} GB, on record {there:.2} GB"));
            return;
        }
        self.scenarios.push(ComparedScenario {
            name: name.clone(),
            seen: sitting.clone(),
            recorded: recorded.sitting.clone(),
        });
    }

    /// A record without the scenarios that are not compared, so that no ratio is to one of them.
    fn compared(&self, record: &PeersRecord) -> PeersRecord {
        let is_compared = |name: &str| self.scenarios.iter().any(|each| each.name == name);
        let mut record = record.clone();
        record.scenarios.retain(|scenario| is_compared(&scenario.name));
        record
    }

    fn add_ratios(&mut self, seen: Vec<Ratio>, recorded: &[Ratio]) {
        let has_range = |spread: &Spread| spread.min < spread.max;
        let is_same =
            |one: &Ratio, other: &Ratio| one.scenario == other.scenario && one.what == other.what;
        for known in recorded {
            if !seen.iter().any(|ratio| is_same(ratio, known)) {
                self.left_out.push(format!("{known}: only on record"));
            }
        }
        for ratio in seen {
            let Some(known) = recorded.iter().find(|known| is_same(&ratio, known)) else {
                self.left_out.push(format!("{ratio}: not on record"));
                continue;
            };
            if !has_range(&ratio.spread) || !has_range(&known.spread) {
                self.left_out.push(format!("{ratio}: a number without a range"));
                continue;
            }
            let verdict = Verdict::of(&ratio.spread, &known.spread);
            let Ratio { scenario, what, spread: seen } = ratio;
            let recorded = known.spread;
            self.agreements.push(Agreement { scenario, what, seen, recorded, verdict });
        }
    }

    /// All of it in Markdown, and how many say the same.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = String::from(HEAD);
        // Writing to a string cannot fail.
        for ComparedScenario { name, seen, recorded } in &self.scenarios {
            for (who, sitting) in [("seen", seen), ("on record", recorded)] {
                let Sitting { date, command, machine, versions } = sitting;
                let _ =
                    writeln!(text, "* {name}, {who}: {date}, {machine}. {versions}. `{command}`");
            }
        }
        text.push_str("\n| scenario | what | seen | on record | |\n|---|---|--:|--:|---|\n");
        for Agreement { scenario, what, seen, recorded, verdict } in &self.agreements {
            let (seen, recorded, verdict) = (ratio(seen), ratio(recorded), verdict.title());
            let _ = writeln!(text, "| {scenario} | {what} | {seen} | {recorded} | {verdict} |");
        }
        let count = |wanted| self.agreements.iter().filter(|each| each.verdict == wanted).count();
        let _ = writeln!(
            text,
            "\n{} of {} ratios are the same, {} overlap, {} are apart.",
            count(Verdict::Same),
            self.agreements.len(),
            count(Verdict::Overlapping),
            count(Verdict::Apart),
        );
        if !self.left_out.is_empty() {
            let _ = writeln!(text, "\nNot compared:\n");
        }
        for each in &self.left_out {
            let _ = writeln!(text, "* {each}");
        }
        text
    }
}

/// A ratio of one sitting.
#[derive(Debug)]
struct Ratio {
    scenario: String,
    what: String,
    spread: Spread,
}

impl fmt::Display for Ratio {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {}", self.scenario, self.what)
    }
}

/// The ratios of every contender in every scenario, and the goals that are none of them.
fn ratios(record: &PeersRecord) -> Vec<Ratio> {
    let mut ratios: Vec<_> = record.scenarios.iter().flat_map(of_scenario).collect();
    let others = goals(record).into_iter().filter(|goal| !goal.is_in_table);
    ratios.extend(others.map(|Goal { scenario, what, seen, .. }| Ratio {
        scenario: scenario.to_owned(),
        what,
        spread: seen,
    }));
    ratios
}

fn of_scenario(scenario: &ScenarioRecord) -> Vec<Ratio> {
    // Without what the source gives at most it is another limit.
    let limit = match scenario.runs_of(Contender::Discard).next() {
        Some(_) => "limit",
        None => "the machine's limit",
    };
    let figures = scenario.contenders().into_iter().filter_map(|who| scenario.figures(who));
    let of_contender = figures.flat_map(|figures| {
        let title = figures.contender.title();
        [
            (format!("{title}: of {limit}"), figures.ratio_to_limit),
            (format!("{title}: ringmirror x"), figures.ringmirror_rate_ratio),
            (format!("{title}: CPU x"), figures.cpu_ratio),
        ]
    });
    let ratio = |(what, spread): (String, Option<Spread>)| {
        Some(Ratio { scenario: scenario.name.clone(), what, spread: spread? })
    };
    of_contender.filter_map(ratio).collect()
}

/// Most that the bytes of two sittings may differ by: batches end where they end.
const BYTES_TOLERANCE: f64 = 0.02;
const HEAD: &str = "### Against the sitting on record\n
\"same\": each median lies within the other's range; \"overlapping\": the ranges have something in
common; \"apart\": nothing.\n\n";

#[cfg(test)]
mod tests;
