//! `ringmirror failback`: the old primary follows the new one, after a failover.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use kafka_wire::mirror_api::list_cluster_mirrors::ListedMirror;
use kafka_wire::mirror_api::mirror_topic::TopicOutcome;
use mirror_coordinator::desired_state::DesiredState;
use mirror_node::properties::Property;
use serde::Serialize;

use crate::cli::mirrors::FailbackArgs;
use crate::cluster_mirrors::refusal_line;
use crate::cluster_mirrors::tables::PartitionRow;
use crate::consent::{Consent, ask};
use crate::exit_code::{CommandError, ExitCode};
use crate::node_client::{NodeClient, StartWish};
use crate::output::Output;
use crate::plan::PlanReport;
use crate::state_wait::{StateWish, Waited, not_refused, wait};
use crate::status::report::MIRRORING;
use crate::table::beginning;
use crate::topic_choice::{TopicChoice, exactly};

pub(crate) fn run(args: &FailbackArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fail_back(args, output))
}

async fn fail_back(args: &FailbackArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let mut old = NodeClient::of(&args.cluster)?;
    let mut new = NodeClient::at(&args.cluster, &args.from)?;
    let (old_id, new_id) = (old.cluster_id().await?, new.cluster_id().await?);
    if old_id == new_id {
        let text = "--bootstrap-server and --from name the same cluster; the first is to be the \
                    old primary, the second the one that took over";
        return Err(CommandError::usage(text));
    }
    let choice = TopicChoice::parse(args.moved.chosen.patterns())?;
    let topics = TakenOver::of(&new.list(None, &[DesiredState::Stopped]).await?, &old_id);
    let still = TakenOver::of(&new.list(None, &MIRRORED).await?, &old_id);
    let topics = topics.chosen(&still, &choice)?;
    make_mirror(&mut old, args, &new_id).await?;
    let wish = StartWish {
        mirror: args.mirror.clone(),
        include: patterns_for(&topics, &choice, &new.topics().await?),
        exclude: Vec::new(),
        confirm: args.confirm,
        plan_only: true,
    };
    let plan = PlanReport::of(&old.start(&wish).await?);
    if !output.json {
        for line in plan.lines() {
            output.line(line)?;
        }
        output.flush()?;
    }
    if plan.has_refusals() {
        let text = "nothing was started: see what cannot be, or leave it out with --topics";
        return Err(CommandError::new(ExitCode::Failed, anyhow::anyhow!(text)));
    }
    if plan.needs_confirmation && !args.confirm {
        let text = "the new primary has no position for some partitions, so that records would go \
                    which may be nowhere else: --confirm lets them go";
        return Err(CommandError::new(ExitCode::Failed, anyhow::anyhow!(text)));
    }
    let (cut, copied) = (plan.total().truncated_records, plan.total().copied_records);
    let question = format!(
        "Mirror {} topic(s) from {} to the old primary? {cut} records that are only there go, \
         {copied} are copied.",
        topics.len(),
        args.from.join(",")
    );
    if ask(&question, args.moved.yes)? == Consent::Refused {
        return Ok(Consent::REFUSED);
    }
    let started = old.start(&StartWish { plan_only: false, ..wish }).await?.topics;
    let topics = not_refused(&topics, &started);
    let state = StateWish {
        mirror: &args.mirror,
        topics: &topics,
        state: MIRRORING,
        seconds_max: args.moved.wait,
    };
    let waited = wait(&mut old, &state).await?;
    let report = FailbackReport::of(&args.mirror, plan, &started, &waited);
    report.print(output)?;
    if let Some(CommandError { error, .. }) = &waited.error {
        // A standard error nobody reads leaves nothing to be told.
        drop(writeln!(io::stderr(), "ringmirror: the states are not known: {error:#}"));
    }
    Ok(report.exit_code(waited.was_interrupted))
}

/// What starts these topics: what was asked for, where that means no other topic of the new
/// primary, so that later ones follow too; else the topics one by one.
fn patterns_for(topics: &[String], choice: &TopicChoice, there: &[String]) -> Vec<String> {
    let is_exact = choice.among(there) == topics;
    if is_exact { choice.patterns().to_vec() } else { exactly(topics) }
}

/// Topics that the new primary took from the old one, by the mirror they came by.
#[derive(Clone, Debug, Default)]
struct TakenOver(BTreeMap<String, String>);

impl TakenOver {
    fn of(listed: &[ListedMirror], old_id: &str) -> Self {
        let from_old = listed.iter().filter(|mirror| mirror.source_cluster_id == old_id);
        let topics = from_old.flat_map(|mirror| {
            let names = mirror.topic_names.iter().flatten();
            names.map(|name| (name.clone(), mirror.mirror_name.clone()))
        });
        Self(topics.collect())
    }

    /// Those that are meant. One that is still mirrored from the old primary would make a loop.
    fn chosen(&self, still: &Self, choice: &TopicChoice) -> Result<Vec<String>, CommandError> {
        let failed = |text: String| Err(CommandError::new(ExitCode::Failed, anyhow::anyhow!(text)));
        if let Some(topic) = choice.among(still.0.keys()).first() {
            let mirror = &still.0[topic];
            return failed(format!(
                "{topic} is still mirrored from the old primary, by mirror {mirror} of the new \
                 one: fail it over there first, with `ringmirror failover --mirror {mirror}`"
            ));
        }
        let all: BTreeSet<&String> = self.0.keys().collect();
        if let Some(topic) = choice.names_without(&all).first() {
            return failed(format!(
                "{topic} was never failed over to the new primary: none of its mirrors has it; \
                 `ringmirror cluster-mirrors --start` mirrors it as a new topic"
            ));
        }
        let topics = choice.among(self.0.keys());
        if topics.is_empty() {
            let text = "no topic that matches was failed over to the new primary; is --from the \
                        cluster that took over?";
            return failed(text.to_owned());
        }
        Ok(topics)
    }
}

/// Makes the mirror back, unless it is there.
async fn make_mirror(
    old: &mut NodeClient,
    args: &FailbackArgs,
    new_id: &str,
) -> Result<(), CommandError> {
    let listed = old.list(Some(&args.mirror), &DesiredState::ALL).await?;
    let Some(mirror) = listed.into_iter().find(|listed| listed.mirror_name == args.mirror) else {
        let value = args.from.join(",");
        let servers = Property { line: 1, key: BOOTSTRAP_SERVERS.to_owned(), value };
        return old.create(&args.mirror, &[servers]).await;
    };
    let id = &mirror.source_cluster_id;
    if id.is_empty() || id == new_id {
        return Ok(());
    }
    let text = format!(
        "mirror {} of the old primary copies from {} (cluster {id}), not from --from (cluster \
         {new_id}): choose another name for --mirror",
        args.mirror, mirror.source_bootstrap
    );
    Err(CommandError::new(ExitCode::Failed, anyhow::anyhow!(text)))
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailbackReport {
    mirror: String,
    plan: PlanReport,
    topics: usize,
    partitions_mirroring: usize,
    refused: Vec<String>,
    not_mirroring: Vec<PartitionRow>,
}

impl FailbackReport {
    fn of(mirror: &str, plan: PlanReport, started: &[TopicOutcome], waited: &Waited) -> Self {
        let (refused, done): (Vec<&TopicOutcome>, Vec<&TopicOutcome>) =
            started.iter().partition(|outcome| outcome.error_code != 0);
        let not_mirroring: Vec<PartitionRow> = waited.missing(MIRRORING).cloned().collect();
        Self {
            mirror: mirror.to_owned(),
            plan,
            topics: done.len(),
            partitions_mirroring: waited.partitions.len() - not_mirroring.len(),
            refused: refused.into_iter().map(refusal_line).collect(),
            not_mirroring,
        }
    }

    fn print(&self, output: &mut Output) -> io::Result<()> {
        if output.json {
            return output.document(self);
        }
        for line in self.lines() {
            output.line(line)?;
        }
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "Mirror {} follows the new primary: {} topic(s), {} partition(s) are mirrored",
            self.mirror, self.topics, self.partitions_mirroring
        )];
        lines.extend(self.refused.iter().map(|refusal| format!("not started: {refusal}")));
        let late = self.not_mirroring.iter().take(SHOWN_MAX).map(|row| {
            let error = row.error_message.as_deref().unwrap_or_default();
            let error = if error.is_empty() { String::new() } else { format!(": {error}") };
            let text = format!("{}-{} is {}{error}", row.topic, row.partition, row.state);
            format!("not mirrored yet: {}", beginning(&text, 300))
        });
        lines.extend(late);
        lines
    }

    fn exit_code(&self, was_interrupted: bool) -> ExitCode {
        let is_done = self.refused.is_empty() && self.not_mirroring.is_empty();
        match (is_done && self.partitions_mirroring > 0, was_interrupted) {
            (_, true) => ExitCode::Interrupted,
            (true, false) => ExitCode::Done,
            (false, false) => ExitCode::Failed,
        }
    }
}

const MIRRORED: [DesiredState; 2] = [DesiredState::Mirroring, DesiredState::Paused];
const BOOTSTRAP_SERVERS: &str = "bootstrap.servers";
/// Partitions that are shown one by one.
const SHOWN_MAX: usize = 50;

#[cfg(test)]
mod tests;
