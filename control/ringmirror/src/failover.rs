//! `ringmirror failover`: topics of a mirror become writable here, source or no source.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedMirror;
use kafka_wire::mirror_api::mirror_topic::TopicOutcome;
use serde::Serialize;

use crate::cli::mirrors::FailoverArgs;
use crate::cluster_mirrors::refusal_line;
use crate::cluster_mirrors::tables::{PartitionRow, rows};
use crate::consent::{Consent, ask};
use crate::exit_code::{CommandError, ExitCode};
use crate::node_client::{NodeClient, TopicAction};
use crate::output::Output;
use crate::state_wait::{StateWish, Waited, not_refused, wait};
use crate::status::report::STOPPED;
use crate::table::{beginning, known, table};
use crate::topic_choice::TopicChoice;

pub(crate) fn run(args: &FailoverArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fail_over(args, output))
}

async fn fail_over(args: &FailoverArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let mut node = NodeClient::of(&args.cluster)?;
    let choice = TopicChoice::parse(args.moved.chosen.patterns())?;
    let known = node.topics_of(&args.mirror).await?;
    let all: BTreeSet<&String> =
        known.mirroring.iter().chain(&known.paused).chain(&known.stopped).collect();
    // Those that are stopping already are waited for with the others, and not stopped twice.
    let unknown = choice.names_without(&all);
    let topics = [choice.among(all.iter().copied()), unknown.clone()].concat();
    let active = choice.among(known.mirroring.iter().chain(&known.paused));
    let to_stop = [active, unknown].concat();
    if topics.is_empty() {
        let text = format!(
            "mirror {} has no topic that matches; `ringmirror cluster-mirrors --describe --mirror \
             {}` shows what it has",
            args.mirror, args.mirror
        );
        return Err(CommandError::new(ExitCode::Failed, anyhow::anyhow!(text)));
    }
    let mirrors = node.describe_partly(Some(&args.mirror), None).await?.mirrors;
    let loss = Loss::of(&mirrors, &topics);
    let question = format!(
        "Fail over {} topic(s) of mirror {} to this cluster? {}",
        topics.len(),
        args.mirror,
        loss.text()
    );
    if ask(&question, args.moved.yes)? == Consent::Refused {
        return Ok(Consent::REFUSED);
    }
    let text = loss.text();
    if args.moved.yes && !output.json && !text.is_empty() {
        output.line(text)?;
    }
    let outcomes = node.act(TopicAction::Stop, &args.mirror, &to_stop, choice.patterns()).await?;
    let topics = not_refused(&topics, &outcomes);
    let wish = StateWish {
        mirror: &args.mirror,
        topics: &topics,
        state: STOPPED,
        seconds_max: args.moved.wait,
    };
    let waited = wait(&mut node, &wish).await?;
    // Who does not tell states now is not asked for positions, to wait for these as well.
    let positions = match waited.error {
        None => positions(&mut node, &mirrors, args, &topics).await,
        Some(_) => Vec::new(),
    };
    let report = FailoverReport::of(&args.mirror, &outcomes, &waited, positions, loss);
    if output.json {
        output.document(&report)?;
    } else {
        for line in report.lines() {
            output.line(line)?;
        }
    }
    tell_why(&waited, args);
    Ok(report.exit_code(waited.was_interrupted))
}

/// What went wrong with the wait itself; a standard error nobody reads leaves nothing to be told.
fn tell_why(waited: &Waited, args: &FailoverArgs) {
    let mut stderr = io::stderr();
    if let Some(CommandError { error, .. }) = &waited.error {
        drop(writeln!(stderr, "ringmirror: the states are not known: {error:#}"));
    }
    if waited.was_interrupted || waited.missing(STOPPED).next().is_some() {
        drop(writeln!(
            stderr,
            "ringmirror: the node goes on stopping; `ringmirror cluster-mirrors --describe \
             --mirror {}` shows how far it is",
            args.mirror
        ));
    }
}

/// What is lost when nothing more comes from the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Loss {
    /// Records behind the source when they were last counted.
    records: i64,
    partitions_behind: usize,
    /// Partitions whose source was not counted, or not lately.
    partitions_unknown: usize,
    /// Of what was counted; -1 when nothing was.
    measured_age_ms_max: i64,
}

impl Loss {
    fn of(mirrors: &[DescribedMirror], topics: &[String]) -> Self {
        let topics: BTreeSet<&String> = topics.iter().collect();
        let mut loss = Self { measured_age_ms_max: -1, ..Self::default() };
        let rows = rows(mirrors).filter(|row| topics.contains(&row.topic) && row.state != STOPPED);
        for row in rows {
            if row.lag < 0 {
                loss.partitions_unknown += 1;
                continue;
            }
            loss.measured_age_ms_max = loss.measured_age_ms_max.max(row.measured_age_ms);
            if row.lag > 0 {
                loss.partitions_behind += 1;
                loss.records = loss.records.saturating_add(row.lag);
            }
        }
        loss
    }

    fn text(&self) -> String {
        let age = match self.measured_age_ms_max {
            -1 => String::new(),
            ms => format!(", as measured up to {}.{} s ago", ms / 1000, ms % 1000 / 100),
        };
        let known = match (self.records, self.partitions_behind) {
            (0, _) if age.is_empty() => String::new(),
            (0, _) if self.partitions_unknown > 0 => {
                format!("Nothing was missing of the others{age}.")
            }
            (0, _) => format!("Nothing was missing{age}."),
            (records, behind) => format!(
                "{records} records of {behind} partition(s) were not copied and will be lost{age}."
            ),
        };
        let unknown = match self.partitions_unknown {
            0 => String::new(),
            count => format!("What is missing of {count} partition(s) is not known."),
        };
        [known, unknown].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// Where mirroring of a partition ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LastPosition {
    topic: String,
    partition: i32,
    last_mirror_epoch: i32,
    last_mirror_offset: i64,
}

/// The positions that a failback will go on from; none where they are not told.
async fn positions(
    node: &mut NodeClient,
    mirrors: &[DescribedMirror],
    args: &FailoverArgs,
    topics: &[String],
) -> Vec<LastPosition> {
    let Some(source) = mirrors.iter().find_map(|mirror| mirror.source_cluster_id.as_deref()) else {
        return Vec::new();
    };
    // Mirroring has ended all the same when they cannot be shown.
    let Ok(told) = node.describe(Some(&args.mirror), Some(source)).await else { return Vec::new() };
    let topics: BTreeSet<&String> = topics.iter().collect();
    let named = told.into_iter().flat_map(|mirror| mirror.topics);
    named
        .filter(|topic| topics.contains(&topic.topic_name))
        .flat_map(|topic| {
            topic.partitions.into_iter().map(move |told| LastPosition {
                topic: topic.topic_name.clone(),
                partition: told.partition_index,
                last_mirror_epoch: told.last_mirror_epoch,
                last_mirror_offset: told.last_mirror_offset,
            })
        })
        .collect()
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailoverReport {
    mirror: String,
    topics: usize,
    partitions_stopped: usize,
    lost: Loss,
    refused: Vec<String>,
    not_stopped: Vec<PartitionRow>,
    last_positions: Vec<LastPosition>,
}

impl FailoverReport {
    fn of(
        mirror: &str,
        outcomes: &[TopicOutcome],
        waited: &Waited,
        last_positions: Vec<LastPosition>,
        lost: Loss,
    ) -> Self {
        let refused = outcomes.iter().filter(|outcome| outcome.error_code != 0);
        let not_stopped: Vec<PartitionRow> = waited.missing(STOPPED).cloned().collect();
        Self {
            mirror: mirror.to_owned(),
            topics: topics_of(&waited.partitions),
            partitions_stopped: waited.partitions.len() - not_stopped.len(),
            lost,
            refused: refused.map(refusal_line).collect(),
            not_stopped,
            last_positions,
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![match self.partitions_stopped {
            0 => format!("No partition of mirror {} was failed over", self.mirror),
            count => format!(
                "Failed over {} topic(s) of mirror {}: {count} partition(s) are writable",
                self.topics, self.mirror
            ),
        }];
        if !self.last_positions.is_empty() {
            lines.push("Mirroring ended at:".to_owned());
            let shown = self.last_positions.iter().take(POSITIONS_SHOWN);
            let cells: Vec<Vec<String>> = shown
                .map(|at| {
                    vec![
                        at.topic.clone(),
                        at.partition.to_string(),
                        known(at.last_mirror_epoch.into()),
                        known(at.last_mirror_offset),
                    ]
                })
                .collect();
            lines.extend(table(&["TOPIC", "PARTITION", "LAST-EPOCH", "LAST-OFFSET"], &cells));
            let more = self.last_positions.len().saturating_sub(POSITIONS_SHOWN);
            if more > 0 {
                lines.push(format!("and {more} more, which --json lists"));
            }
        }
        lines.extend(self.refused.iter().map(|refusal| format!("not stopped: {refusal}")));
        let late = self.not_stopped.iter().take(POSITIONS_SHOWN).map(|row| {
            let error = row.error_message.as_deref().unwrap_or_default();
            let error = if error.is_empty() { String::new() } else { format!(": {error}") };
            let text = format!("{}-{} is {}{error}", row.topic, row.partition, row.state);
            format!("not stopped yet: {}", beginning(&text, 300))
        });
        lines.extend(late);
        lines
    }

    fn exit_code(&self, was_interrupted: bool) -> ExitCode {
        let is_done = self.refused.is_empty() && self.not_stopped.is_empty();
        match (is_done && self.partitions_stopped > 0, was_interrupted) {
            (_, true) => ExitCode::Interrupted,
            (true, false) => ExitCode::Done,
            (false, false) => ExitCode::Failed,
        }
    }
}

/// How many topics have a partition among these, sorted or not.
fn topics_of(rows: &[PartitionRow]) -> usize {
    rows.iter().map(|row| &row.topic).collect::<BTreeSet<_>>().len()
}

/// Partitions that are shown one by one.
const POSITIONS_SHOWN: usize = 50;

#[cfg(test)]
mod tests;
