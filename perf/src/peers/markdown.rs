//! The tables, as Markdown.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::machine::ratio_f64;
use crate::measurement::median;
use crate::peers::figures::{Figures, Spread};
use crate::peers::goals::goals;
use crate::peers::record::{PeersRecord, ScenarioRecord, Sitting};

/// Everything: a table for each scenario, with where it was measured, and the goals.
#[must_use]
pub fn report(record: &PeersRecord) -> String {
    let mut text = String::from(HEAD);
    for scenario in &record.scenarios {
        text.push_str(&table(scenario));
    }
    line(&mut text, "### Goals\n");
    line(&mut text, "| scenario | what | at least | seen | reached |");
    line(&mut text, "|---|---|--:|--:|---|");
    for goal in goals(record) {
        let reached = match (goal.is_reached, goal.is_divided()) {
            (true, false) => "yes",
            (true, true) => "yes, but not in every round",
            (false, true) => "**no**, but in some rounds",
            (false, false) => "**no**",
        };
        let (at_least, seen) = (goal.at_least, ratio(&goal.seen));
        let (scenario, what) = (goal.scenario, goal.what);
        line(&mut text, &format!("| {scenario} | {what} | {at_least} | {seen} | {reached} |"));
    }
    text
}

/// One scenario.
fn table(scenario: &ScenarioRecord) -> String {
    let mut text = String::new();
    let ScenarioRecord { name, what, partitions, records, bytes, limits, .. } = scenario;
    let gb = ratio_f64(*bytes) / 1e9;
    line(&mut text, &format!("### {name}\n"));
    let Sitting { date, command, machine, versions } = &scenario.sitting;
    line(&mut text, &format!("{date}: {machine}. {versions}. `{command}`\n"));
    let plural = if *partitions == 1 { "" } else { "s" };
    let batch = scenario.batch_bytes() / 1e3;
    let compression = match scenario.compression() {
        ratio if ratio > 1.05 => format!(", {ratio:.2} times smaller than their records"),
        _ => String::new(),
    };
    line(
        &mut text,
        &format!(
            "{what}. {records} records in {partitions} partition{plural}, {gb:.2} GB, batches of \
             {batch:.0} KB in the mean{compression}.\n"
        ),
    );
    line(&mut text, COLUMNS);
    line(&mut text, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for contender in scenario.contenders() {
        if let Some(figures) = scenario.figures(contender) {
            line(&mut text, &row(&figures));
        }
    }
    let middle = |of: fn(&crate::peers::record::LimitRecord) -> f64| {
        Spread::of(&limits.iter().map(of).collect::<Vec<_>>())
    };
    let receive = rates(&middle(|limit| limit.receive_mb_per_s));
    let disk = rates(&middle(|limit| limit.disk_mb_per_s));
    line(&mut text, &format!("| *limit: receiving* | {receive} | | | | | | | |"));
    line(&mut text, &format!("| *limit: writing* | {disk} | | | | | | | |"));
    let limit = median(limits.iter().map(|limit| scenario.limit(limit)).collect());
    let runs = &scenario.runs;
    let tries: u32 = runs.iter().map(|run| run.disturbed).sum();
    let kept = runs.iter().filter(|run| !run.is_calm).count();
    let kept_limits = limits.iter().filter(|limit| limit.is_disturbed).count();
    line(
        &mut text,
        &format!(
            "\n{} rounds; the limit is {limit:.0} MB/s in the median. {tries} tries were disturbed \
             and repeated; {kept} of {} runs and {kept_limits} of {} limits are disturbed all the \
             same.\n",
            limits.len(),
            runs.len(),
            limits.len(),
        ),
    );
    text
}

fn row(figures: &Figures) -> String {
    let times = |seen: &Option<Spread>| seen.as_ref().map(ratio).unwrap_or_default();
    let target = figures.target_cpu_per_gb.map(|figure| format!("{figure:.2}"));
    let resident = match figures.resident_bytes_max >> 20 {
        0 => String::new(),
        mib => mib.to_string(),
    };
    let Figures { cpu_per_gb, source_cpu_per_gb, .. } = figures;
    let cells = [
        figures.contender.title().to_owned(),
        rates(&figures.mb_per_s),
        format!("{cpu_per_gb:.2}"),
        format!("{source_cpu_per_gb:.2}"),
        target.unwrap_or_default(),
        times(&figures.ratio_to_limit),
        resident,
        times(&figures.ringmirror_rate_ratio),
        times(&figures.cpu_ratio),
    ];
    format!("| {} |", cells.join(" | "))
}

/// The median, and the range where there is one.
pub(in crate::peers) fn ratio(spread: &Spread) -> String {
    let Spread { median, min, max } = spread;
    match min.total_cmp(max) {
        Ordering::Equal => format!("{median:.2}"),
        _ => format!("{median:.2} ({min:.2} - {max:.2})"),
    }
}

fn rates(spread: &Spread) -> String {
    let Spread { median, min, max } = spread;
    format!("{median:.0} | {min:.0} - {max:.0}")
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

const HEAD: &str = "## ringmirror and its peers on the same work\n
One contender copies at a time, all in every round; a ratio is taken inside each round. MB are 10^6
bytes of batches, as they lie on the source's disk. Processor time is that of the copying process.
\"ringmirror x\" is how many times faster ringmirror copies, \"CPU x\" how many times more processor
time this one takes than ringmirror. \"of limit\" is the rate over the least of receiving, writing
and what the source gives to a fetcher that throws everything away: a second each, before the
copies, so a copy may get more. Ratios are medians of rounds, the range in parentheses; those of one
scenario to another are of rounds with the same number, measured one scenario after the other.\n\n";
const COLUMNS: &str = "| who | MB/s | least - most | CPU s/GB | source | target | of limit | MiB | \
                       ringmirror x | CPU x |";

#[cfg(test)]
mod tests;
