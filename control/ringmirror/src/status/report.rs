//! What the status of mirrors comes to: one verdict with its reasons, sums, the worst partitions.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedMirror;
use serde::Serialize;

use self::carried::CarriedStatus;
use crate::cluster_mirrors::tables::{FAILED, PartitionRow, rows};
use crate::table::{beginning, known, table};

mod carried;

/// What is safe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    /// Time behind the source, milliseconds.
    lag_ms_max: i64,
    /// Age of the measurement, milliseconds.
    age_ms_max: i64,
}

impl Thresholds {
    pub(crate) fn new(lag_seconds_max: u64) -> Self {
        let lag_ms_max = i64::try_from(lag_seconds_max.saturating_mul(1000)).unwrap_or(i64::MAX);
        Self { lag_ms_max, age_ms_max: MEASURED_AGE_MS_MAX }
    }
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Verdict {
    Safe,
    NotSafe,
    /// Nothing is mirrored any more: every partition is stopped.
    FailedOver,
}

/// The whole screen.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusReport {
    verdict: Verdict,
    /// True when failing over now loses no more than what is on its way.
    pub(crate) safe: bool,
    /// Why not.
    pub(crate) reasons: Vec<String>,
    mirrors: Vec<MirrorStatus>,
}

/// One mirror.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MirrorStatus {
    mirror: String,
    source_bootstrap_server: Option<String>,
    source_cluster_id: Option<String>,
    partitions: usize,
    states: BTreeMap<String, usize>,
    /// Records behind the source, of all partitions where that is known.
    lag_sum: i64,
    lag_max: i64,
    /// Partitions whose lag is not known, stopped ones not counted.
    lag_unknown: usize,
    /// -1 when no partition tells.
    lag_ms_max: i64,
    /// Age of the oldest measurement; -1 when there is none.
    measured_age_ms_max: i64,
    worst: Vec<PartitionRow>,
    /// What is carried over beside records.
    carried: Vec<CarriedStatus>,
}

impl StatusReport {
    /// Judges what was described; `unanswered` are brokers that told nothing.
    pub(crate) fn of(
        mirrors: &[DescribedMirror],
        unanswered: Vec<String>,
        thresholds: &Thresholds,
    ) -> Self {
        let mut reasons = unanswered;
        let mut statuses = Vec::new();
        for mirror in mirrors {
            let (status, found) = judge(mirror, thresholds);
            let name = &mirror.mirror_name;
            reasons.extend(mirror.error_message.iter().map(|text| format!("{name}: {text}")));
            reasons.extend(found.into_iter().map(|reason| format!("{name}: {reason}")));
            statuses.push(status);
        }
        if statuses.iter().all(|status| status.partitions == 0) {
            reasons.push("nothing is mirrored here".to_owned());
        }
        let verdict = match reasons.is_empty() {
            false => Verdict::NotSafe,
            true if statuses.iter().all(MirrorStatus::is_stopped) => Verdict::FailedOver,
            true => Verdict::Safe,
        };
        Self { verdict, safe: reasons.is_empty(), reasons, mirrors: statuses }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![match self.verdict {
            Verdict::Safe => "SAFE to fail over now".to_owned(),
            Verdict::NotSafe => "NOT SAFE to fail over now".to_owned(),
            Verdict::FailedOver => {
                let count: usize = self.mirrors.iter().map(|mirror| mirror.partitions).sum();
                format!("FAILED OVER: nothing is mirrored, {count} partition(s) are writable here")
            }
        }];
        lines.extend(self.reasons.iter().map(|reason| format!("  {}", beginning(reason, 300))));
        for mirror in &self.mirrors {
            lines.push(String::new());
            lines.extend(mirror.lines());
        }
        lines
    }
}

/// A mirror's numbers, and what speaks against failing it over.
fn judge(mirror: &DescribedMirror, thresholds: &Thresholds) -> (MirrorStatus, Vec<String>) {
    let mut rows: Vec<PartitionRow> = rows(std::slice::from_ref(mirror)).collect();
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        *states.entry(row.state.clone()).or_default() += 1;
    }
    let reasons = reasons(&rows, &states, thresholds);
    rows.retain(|row| row.state != STOPPED);
    let of_all = |value: fn(&PartitionRow) -> i64| rows.iter().map(value).max().unwrap_or(-1);
    let (lag_max, lag_ms_max) = (of_all(|row| row.lag), of_all(|row| row.lag_ms));
    let measured_age_ms_max = of_all(|row| row.measured_age_ms);
    let known = rows.iter().filter(|row| row.lag >= 0);
    let status = MirrorStatus {
        mirror: mirror.mirror_name.clone(),
        source_bootstrap_server: mirror.source_bootstrap.clone(),
        source_cluster_id: mirror.source_cluster_id.clone(),
        partitions: states.values().sum(),
        states,
        lag_sum: known.clone().fold(0, |sum: i64, row| sum.saturating_add(row.lag)),
        lag_max,
        lag_unknown: rows.len() - known.count(),
        lag_ms_max,
        measured_age_ms_max,
        worst: worst(rows),
        carried: mirror.syncs.iter().map(CarriedStatus::of).collect(),
    };
    (status, reasons)
}

/// A partition that is stopped is failed over already; any other has to be mirrored, nearly up to
/// the source, and that known lately.
fn reasons(
    rows: &[PartitionRow],
    states: &BTreeMap<String, usize>,
    thresholds: &Thresholds,
) -> Vec<String> {
    let mut reasons: Vec<String> = states
        .iter()
        .filter(|(state, _)| !matches!(state.as_str(), MIRRORING | STOPPED))
        .map(|(state, count)| format!("{} {state}", counted(*count)))
        .collect();
    let mirrored: Vec<&PartitionRow> = rows.iter().filter(|row| row.state == MIRRORING).collect();
    let mut note = |count: usize, what: String| {
        if count > 0 {
            reasons.push(format!("{} {what}", counted(count)));
        }
    };
    let count = |is: &dyn Fn(&PartitionRow) -> bool| mirrored.iter().filter(|row| is(row)).count();
    let unmeasured = |row: &PartitionRow| row.lag < 0 || row.measured_age_ms < 0;
    let stale = |row: &PartitionRow| row.measured_age_ms > thresholds.age_ms_max;
    let late =
        |row: &PartitionRow| !unmeasured(row) && row.lag > 0 && row.lag_ms > thresholds.lag_ms_max;
    // Records are missing, and nobody says since when.
    let undated = |row: &PartitionRow| !unmeasured(row) && row.lag > 0 && row.lag_ms < 0;
    // Who knows why nothing is measured says so.
    let told = mirrored.iter().find(|row| unmeasured(row) && row.error_message.is_some());
    let told = told.map_or_else(String::new, |row| {
        let message = row.error_message.as_deref().unwrap_or_default();
        format!(", such as {}-{}: {message}", row.topic, row.partition)
    });
    note(count(&unmeasured), format!("without a lag that is known{told}"));
    let seconds = thresholds.age_ms_max / 1000;
    note(count(&stale), format!("measured more than {seconds} s ago: does the source answer?"));
    note(count(&late), format!("more than {} s behind", thresholds.lag_ms_max / 1000));
    note(count(&undated), "behind for a time that is not known".to_owned());
    reasons
}

fn counted(count: usize) -> String {
    if count == 1 { "1 partition is".to_owned() } else { format!("{count} partitions are") }
}

/// Failed ones first, then those not mirrored, then by lag; none that is as it should be.
fn worst(mut rows: Vec<PartitionRow>) -> Vec<PartitionRow> {
    rows.retain(|row| row.state != MIRRORING || row.lag != 0);
    rows.sort_by_key(|row| {
        let rank = match row.state.as_str() {
            FAILED => 0,
            MIRRORING => 2,
            _ => 1,
        };
        let lag = Reverse((row.lag, row.lag_ms));
        (rank, lag, row.topic.clone(), row.partition)
    });
    rows.truncate(WORST_COUNT);
    rows
}

impl MirrorStatus {
    fn is_stopped(&self) -> bool {
        self.states.keys().all(|state| state == STOPPED)
    }

    fn lines(&self) -> Vec<String> {
        let bootstrap = self.source_bootstrap_server.as_deref().unwrap_or("nowhere");
        let id = self.source_cluster_id.as_deref().unwrap_or("not known yet");
        let states: Vec<String> =
            self.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let sum =
            if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
        let source = format!("from {bootstrap}, cluster {id}");
        let mut lines = vec![
            format!("mirror {} {}", self.mirror, beginning(&source, 200)),
            format!("  partitions  {}{sum}", self.partitions),
            format!("  lag         {}", self.lag_text()),
        ];
        lines.extend(self.carried.iter().flat_map(CarriedStatus::lines));
        if !self.worst.is_empty() {
            lines.push(String::new());
            lines.extend(worst_lines(&self.worst).into_iter().map(|line| format!("  {line}")));
        }
        lines
    }

    fn lag_text(&self) -> String {
        if self.partitions > 0 && self.is_stopped() {
            return "none: every partition is stopped".to_owned();
        }
        if self.lag_max < 0 {
            return "not known".to_owned();
        }
        let unknown = match self.lag_unknown {
            0 => String::new(),
            count => format!("; not known of {count}"),
        };
        format!(
            "{} records, at most {} in one partition; at most {} s, measured up to {} s \
             ago{unknown}",
            self.lag_sum,
            self.lag_max,
            seconds(self.lag_ms_max),
            seconds(self.measured_age_ms_max),
        )
    }
}

fn worst_lines(worst: &[PartitionRow]) -> Vec<String> {
    let cells: Vec<Vec<String>> = worst
        .iter()
        .map(|row| {
            vec![
                row.topic.clone(),
                row.partition.to_string(),
                row.state.clone(),
                known(row.lag),
                seconds(row.lag_ms),
                seconds(row.measured_age_ms),
                beginning(row.error_message.as_deref().unwrap_or_default(), ERROR_CHARS_MAX),
            ]
        })
        .collect();
    table(&["TOPIC", "PARTITION", "STATE", "LAG", "SECONDS", "MEASURED-AGO", "ERROR"], &cells)
}

/// Seconds with a tenth; `-` for unknown.
pub(super) fn seconds(ms: i64) -> String {
    if ms < 0 { "-".to_owned() } else { format!("{}.{}", ms / 1000, ms % 1000 / 100) }
}

pub(crate) const MIRRORING: &str = "MIRRORING";
pub(crate) const STOPPED: &str = "STOPPED";
/// Older than this, a measurement says nothing of now.
const MEASURED_AGE_MS_MAX: i64 = 5_000;
const WORST_COUNT: usize = 10;
const ERROR_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests;
