//! Whether two sittings, on two machines or a day apart, say the same.
//!
//! Rates belong to a machine; ratios inside rounds should not. Every ratio that both have is held
//! against the other's range.

use std::fmt::Write as _;

use serde::Serialize;

use crate::peers::contender::Contender;
use crate::peers::figures::Spread;
use crate::peers::goals::goals;
use crate::peers::markdown::ratio;
use crate::peers::record::{PeersRecord, ScenarioRecord};

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

/// Every ratio of rounds that both have. A number without a range, of a single round or of all
/// memory, cannot be held against anything and is left out.
#[must_use]
pub fn agreements(seen: &PeersRecord, recorded: &PeersRecord) -> Vec<Agreement> {
    let (seen, recorded) = (ratios(seen), ratios(recorded));
    let has_range = |spread: &Spread| spread.min < spread.max;
    seen.into_iter()
        .filter_map(|(scenario, what, seen)| {
            let same = |known: &&(String, String, Spread)| known.0 == scenario && known.1 == what;
            let recorded = recorded.iter().find(same)?.2;
            let verdict = Verdict::of(&seen, &recorded);
            (has_range(&seen) && has_range(&recorded)).then_some(Agreement {
                scenario,
                what,
                seen,
                recorded,
                verdict,
            })
        })
        .collect()
}

/// All of them as a table in Markdown, and how many say the same.
#[must_use]
pub fn table(agreements: &[Agreement]) -> String {
    let mut text = String::from(
        "### Against the sitting on record\n
\"same\": each median lies within the other's range; \"overlapping\": the ranges have something in
common; \"apart\": nothing.\n
| scenario | what | seen | on record | |\n|---|---|--:|--:|---|\n",
    );
    for Agreement { scenario, what, seen, recorded, verdict } in agreements {
        let (seen, recorded, verdict) = (ratio(seen), ratio(recorded), verdict.title());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {scenario} | {what} | {seen} | {recorded} | {verdict} |");
    }
    let count = |wanted| agreements.iter().filter(|each| each.verdict == wanted).count();
    let _ = writeln!(
        text,
        "\n{} of {} ratios are the same, {} overlap, {} are apart.",
        count(Verdict::Same),
        agreements.len(),
        count(Verdict::Overlapping),
        count(Verdict::Apart),
    );
    text
}

/// The ratios of every contender in every scenario, and between scenarios.
fn ratios(record: &PeersRecord) -> Vec<(String, String, Spread)> {
    let mut ratios: Vec<_> = record.scenarios.iter().flat_map(of_scenario).collect();
    // The other goals are ratios of a scenario's table.
    let between = goals(record).into_iter().filter(|goal| goal.is_between_scenarios);
    ratios.extend(between.map(|goal| (goal.scenario.to_owned(), goal.what, goal.seen)));
    ratios
}

fn of_scenario(scenario: &ScenarioRecord) -> Vec<(String, String, Spread)> {
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
    of_contender.filter_map(|(what, seen)| Some((scenario.name.clone(), what, seen?))).collect()
}

#[cfg(test)]
mod tests;
