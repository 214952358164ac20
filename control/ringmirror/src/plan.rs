//! `ringmirror plan`: what a start or a failback would do, before it happens.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::mirror_api::mirror_topic::TopicOutcome;
use kafka_wire::mirror_api::start_mirror_topics::{PlannedPartition, StartMirrorTopicsResponse};
use mirror_node::source_connection::error_name;
use serde::Serialize;

use crate::cli::mirrors::PlanArgs;
use crate::cluster_mirrors::{patterns, refusal_line};
use crate::exit_code::{CommandError, ExitCode};
use crate::node_client::{NodeClient, StartWish};
use crate::output::Output;
use crate::table::{beginning, known, table};

pub(crate) fn run(args: &PlanArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let include = patterns("--topics", Some(&args.topics))?;
    let exclude = patterns("--exclude", args.exclude.as_deref())?;
    let mirror = args.mirror.clone();
    let wish = StartWish { mirror, include, exclude, confirm: false, plan_only: true };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(async {
        let mut node = NodeClient::of(&args.cluster)?;
        if args.failback && !node.has_mirror(&args.mirror).await? {
            return Err(no_mirror_back(&args.mirror));
        }
        node.start(&wish).await
    })?;
    let report = PlanReport::of(&told);
    if output.json {
        output.document(&report)?;
    } else {
        for line in report.lines() {
            output.line(line)?;
        }
    }
    Ok(if report.needs_confirmation || report.has_refusals() {
        ExitCode::Failed
    } else {
        ExitCode::Done
    })
}

/// Why a failback cannot be planned whose mirror is still to be made.
fn no_mirror_back(mirror: &str) -> CommandError {
    let text = format!(
        "there is no mirror {mirror} to plan with yet: `ringmirror failback` makes it, and shows \
         the same plan before it asks; to see it now, make the mirror yourself with `ringmirror \
         cluster-mirrors --create --mirror {mirror} --mirror-config FILE`, where FILE has the \
         bootstrap.servers of the new primary"
    );
    CommandError::new(ExitCode::Failed, anyhow::anyhow!(text))
}

/// What would be done, by topic and in all.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanReport {
    topics: Vec<TopicPlan>,
    total: TopicPlan,
    /// True when some of it is done only with `--confirm`.
    pub(crate) needs_confirmation: bool,
    /// What cannot be started, and why.
    refusals: Vec<String>,
    /// Topics that the mirror follows already.
    already_mirrored: Vec<String>,
    /// Settings of topics that would be others here.
    changed_configs: Vec<String>,
    /// Settings of topics that would count for nothing here.
    ineffective_configs: Vec<String>,
    /// Access control lists that would come and go.
    changed_acls: Vec<String>,
}

/// Of a topic, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicPlan {
    topic: String,
    partitions: usize,
    created: usize,
    /// Offsets that are copied: as many records at most.
    pub(crate) copied_records: i64,
    /// -1 when it is not known of every partition.
    copied_bytes: i64,
    /// Records here that go.
    pub(crate) truncated_records: i64,
    /// Of these, those whose offsets other records of the source take.
    overwritten_records: i64,
    needs_confirmation: bool,
}

impl PlanReport {
    pub(crate) fn of(told: &StartMirrorTopicsResponse) -> Self {
        let mut topics: BTreeMap<&str, TopicPlan> = BTreeMap::new();
        let mut total = TopicPlan { topic: "TOTAL".to_owned(), ..TopicPlan::default() };
        let mut refusals: Vec<String> = told
            .topics
            .iter()
            .filter(|outcome| outcome.error_code != 0)
            .map(refusal_line)
            .collect();
        for partition in &told.plan {
            if partition.error_code != 0 {
                refusals.push(partition_refusal(partition));
                continue;
            }
            let name = partition.topic_name.as_str();
            let topic = topics.entry(name).or_default();
            name.clone_into(&mut topic.topic);
            topic.take(partition);
            total.take(partition);
        }
        let needs_confirmation = total.needs_confirmation;
        let planned: BTreeSet<&str> =
            told.plan.iter().map(|partition| partition.topic_name.as_str()).collect();
        let is_left = |outcome: &&TopicOutcome| {
            outcome.error_code == 0 && !planned.contains(outcome.name.as_str())
        };
        let already = told.topics.iter().filter(is_left);
        let already_mirrored = already.map(|outcome| outcome.name.clone()).collect();
        let topics = topics.into_values().collect();
        Self {
            topics,
            total,
            needs_confirmation,
            refusals,
            already_mirrored,
            changed_configs: told.changed_configs.clone(),
            ineffective_configs: told.ineffective_configs.clone(),
            changed_acls: told.changed_acls.clone(),
        }
    }

    pub(crate) fn has_refusals(&self) -> bool {
        !self.refusals.is_empty()
    }

    pub(crate) const fn total(&self) -> &TopicPlan {
        &self.total
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.topics.is_empty() && self.refusals.is_empty() {
            lines.push(match self.already_mirrored.is_empty() {
                true => "Nothing would be started: no topic of the source matches".to_owned(),
                false => "Nothing would be started".to_owned(),
            });
        }
        if !self.topics.is_empty() {
            let headings = [
                "TOPIC",
                "PARTITIONS",
                "CREATED",
                "COPIED",
                "BYTES",
                "TRUNCATED",
                "OVERWRITTEN",
                "NEEDS",
            ];
            let rows: Vec<Vec<String>> =
                self.topics.iter().chain([&self.total]).map(TopicPlan::cells).collect();
            lines.extend(table(&headings, &rows));
        }
        lines.extend(self.refusals.iter().map(|refusal| format!("cannot be started: {refusal}")));
        if !self.already_mirrored.is_empty() {
            lines.push(format!(
                "mirrored already, and left as they are: {}",
                self.already_mirrored.join(", ")
            ));
        }
        let changed = self.changed_configs.iter();
        lines.extend(changed.map(|one| format!("setting: {}", beginning(one, LINE_CHARS_MAX))));
        let ineffective = self.ineffective_configs.iter();
        lines.extend(
            ineffective.map(|one| format!("no effect here: {}", beginning(one, LINE_CHARS_MAX))),
        );
        let acls = self.changed_acls.iter();
        lines.extend(acls.map(|one| format!("access control: {}", beginning(one, LINE_CHARS_MAX))));
        if self.needs_confirmation {
            lines.push(String::new());
            lines.push(format!(
                "{} records that are only here would go: that is done only with --confirm",
                self.total.truncated_records
            ));
        }
        lines
    }
}

impl TopicPlan {
    fn take(&mut self, partition: &PlannedPartition) {
        let kept_to = partition.truncate_to.max(0);
        let truncated = (partition.local_end - kept_to).max(0);
        let copied = (partition.source_end - kept_to).max(0);
        // Without a log here, all of it is cut from nothing.
        let truncated = if partition.local_end < 0 { 0 } else { truncated };
        self.copied_bytes = match (self.partitions, partition.copied_bytes) {
            (0, bytes) => bytes.max(-1),
            (_, bytes) if bytes >= 0 && self.copied_bytes >= 0 => {
                self.copied_bytes.saturating_add(bytes)
            }
            _ => -1,
        };
        self.partitions += 1;
        self.created += usize::from(partition.is_new);
        self.copied_records = self.copied_records.saturating_add(copied);
        self.truncated_records = self.truncated_records.saturating_add(truncated);
        self.overwritten_records = self.overwritten_records.saturating_add(truncated.min(copied));
        self.needs_confirmation |= partition.needs_confirmation;
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.clone(),
            self.partitions.to_string(),
            self.created.to_string(),
            self.copied_records.to_string(),
            known(self.copied_bytes),
            self.truncated_records.to_string(),
            self.overwritten_records.to_string(),
            if self.needs_confirmation { "--confirm" } else { "-" }.to_owned(),
        ]
    }
}

fn partition_refusal(partition: &PlannedPartition) -> String {
    let (topic, index) = (&partition.topic_name, partition.partition_index);
    let (code, name) = (partition.error_code, error_name(partition.error_code));
    let said = partition.error_message.as_deref().filter(|text| !text.is_empty());
    let said = said.map_or_else(String::new, |text| format!(": {text}"));
    format!("{topic}-{index}: {name} ({code}){said}")
}

const LINE_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests;
