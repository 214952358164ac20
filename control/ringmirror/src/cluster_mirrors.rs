//! `ringmirror cluster-mirrors`: what Kafka's `kafka-cluster-mirrors.sh` does (KIP-1279), flags and
//! columns alike.

use std::collections::BTreeSet;
use std::fs;

use kafka_wire::mirror_api::mirror_topic::TopicOutcome;
use mirror_coordinator::desired_state::DesiredState;
use mirror_node::properties::{self, Property};
use mirror_node::source_connection::error_name;
use serde::Serialize;

use crate::cli::mirrors::ClusterMirrorsArgs;
use crate::consent::{Consent, ask};
use crate::exit_code::{CommandError, ExitCode};
use crate::node_client::{MirrorTopics, NodeClient, StartWish, TopicAction};
use crate::output::Output;
use crate::topic_choice::TopicChoice;

pub(crate) mod tables;

use self::tables::{
    ListedMirrorRow, PartitionRow, failed_lines, failed_rows, listed_lines, partition_lines,
};

pub(crate) fn run(
    args: &ClusterMirrorsArgs,
    output: &mut Output,
) -> Result<ExitCode, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(args, output))
}

async fn act(args: &ClusterMirrorsArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let mut node = NodeClient::of(&args.cluster)?;
    let mirror = args.mirror.as_deref().unwrap_or_default();
    let action = [
        (args.stop, TopicAction::Stop),
        (args.pause, TopicAction::Pause),
        (args.resume, TopicAction::Resume),
        (args.recover, TopicAction::Recover),
    ];
    if let Some((_, action)) = action.into_iter().find(|(asked, _)| *asked) {
        return with_topics(&mut node, action, args, output).await;
    }
    if args.create {
        create(&mut node, args, output).await
    } else if args.start {
        start(&mut node, args, output).await
    } else if args.delete {
        let question = format!("Delete mirror {mirror} and what it knows for a failback?");
        if ask(&question, args.yes)? == Consent::Refused {
            return Ok(Consent::REFUSED);
        }
        node.delete(mirror).await?;
        done(output, "deleted", mirror, &format!("Deleted mirror {mirror}"))
    } else if args.list {
        let mirrors: Vec<ListedMirrorRow> =
            node.list(None, &DesiredState::ALL).await?.into_iter().map(Into::into).collect();
        print(output, &mirrors, listed_lines(&mirrors))
    } else if args.failed {
        let attempts_max = node.retry_attempts_max().await?;
        let attempts_max = attempts_max.as_deref().unwrap_or(RETRY_ATTEMPTS_MAX);
        let mirrors = node.describe(args.mirror.as_deref(), None).await?;
        let rows = failed_rows(&mirrors);
        print(output, &rows, failed_lines(&rows, attempts_max))
    } else {
        let mirrors = node.describe(args.mirror.as_deref(), None).await?;
        let rows: Vec<PartitionRow> = tables::rows(&mirrors).collect();
        print(output, &rows, partition_lines(&rows))
    }
}

fn print<T: Serialize>(
    output: &mut Output,
    document: &[T],
    lines: Vec<String>,
) -> Result<ExitCode, CommandError> {
    if output.json {
        output.document(&document)?;
    } else {
        for line in lines {
            output.line(line)?;
        }
    }
    Ok(ExitCode::Done)
}

/// A mirror that something was done with as a whole.
#[derive(Debug, Serialize)]
struct Done<'a> {
    mirror: &'a str,
    outcome: &'a str,
}

fn done(
    output: &mut Output,
    outcome: &str,
    mirror: &str,
    text: &str,
) -> Result<ExitCode, CommandError> {
    if output.json {
        output.document(&Done { mirror, outcome })?;
    } else {
        output.line(text)?;
    }
    Ok(ExitCode::Done)
}

async fn create(
    node: &mut NodeClient,
    args: &ClusterMirrorsArgs,
    output: &mut Output,
) -> Result<ExitCode, CommandError> {
    let (Some(mirror), Some(path)) = (&args.mirror, &args.mirror_config) else {
        return Err(CommandError::usage("--create needs --mirror and --mirror-config"));
    };
    let at = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| CommandError::usage(format!("cannot read {at}: {error}")))?;
    let settings =
        settings(&text).map_err(|error| CommandError::usage(format!("{at}: {error}")))?;
    node.create(mirror, &settings).await?;
    done(output, "created", mirror, &format!("Created mirror {mirror}"))
}

/// The settings of a file; which there are the node knows.
fn settings(text: &str) -> Result<Vec<Property>, String> {
    let settings = properties::parse(text).map_err(|error| error.to_string())?;
    for (index, setting) in settings.iter().enumerate() {
        if settings[..index].iter().any(|earlier| earlier.key == setting.key) {
            return Err(format!("line {}: {} is set twice", setting.line, setting.key));
        }
    }
    if settings.is_empty() {
        return Err("no settings; a line bootstrap.servers=HOST:PORT is needed".to_owned());
    }
    Ok(settings)
}

async fn start(
    node: &mut NodeClient,
    args: &ClusterMirrorsArgs,
    output: &mut Output,
) -> Result<ExitCode, CommandError> {
    let mirror = args.mirror.clone().unwrap_or_default();
    let wish = StartWish {
        include: patterns("--topics", args.topics.as_deref())?,
        exclude: patterns("--exclude", args.exclude.as_deref())?,
        mirror: mirror.clone(),
        confirm: args.confirm,
        plan_only: false,
    };
    let started = node.start(&wish).await?.topics;
    let waiting = format!(
        "No topics match yet in mirror {mirror}; the patterns are saved, and topics that appear \
         are started"
    );
    print_outcomes(output, "Started", &mirror, &started, &waiting)
}

/// A list of patterns as the node takes them; none when the flag was not given.
pub(crate) fn patterns(flag: &str, text: Option<&str>) -> Result<Vec<String>, CommandError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    Ok(TopicChoice::parse_of(flag, text)?.patterns().to_vec())
}

async fn with_topics(
    node: &mut NodeClient,
    action: TopicAction,
    args: &ClusterMirrorsArgs,
    output: &mut Output,
) -> Result<ExitCode, CommandError> {
    let mirror = args.mirror.as_deref().unwrap_or_default();
    let choice = TopicChoice::parse(args.topics.as_deref().unwrap_or_default())?;
    let (known, verb) = (node.topics_of(mirror).await?, verb(action));
    let failed = match action {
        TopicAction::Recover => failed_topics(node, mirror).await?,
        _ => Vec::new(),
    };
    let chosen = chosen(action, &choice, &known, &failed);
    if action == TopicAction::Stop {
        let question = format!(
            "Stop {} topic(s) of mirror {mirror} and make them writable here? What was not copied \
             yet stays at the source.",
            chosen.topics.len()
        );
        if ask(&question, args.yes)? == Consent::Refused {
            return Ok(Consent::REFUSED);
        }
    }
    // A stop that names nothing still keeps what it names from being started.
    let outcomes = if chosen.topics.is_empty() && action != TopicAction::Stop {
        Vec::new()
    } else {
        node.act(action, mirror, &chosen.topics, choice.patterns()).await?
    };
    let nothing = nothing_text(action, mirror, &chosen);
    let code = print_outcomes(output, verb, mirror, &outcomes, &nothing)?;
    let has_missed = outcomes.is_empty() && !chosen.is_done_already && action != TopicAction::Stop;
    Ok(if has_missed { ExitCode::Failed } else { code })
}

/// What is said when nothing was done with any topic.
fn nothing_text(action: TopicAction, mirror: &str, chosen: &Chosen) -> String {
    let why = match (chosen.is_done_already, action, chosen.stopped.first()) {
        (true, TopicAction::Recover, _) => "none of those that match has failed".to_owned(),
        (true, ..) => "all that match are so already".to_owned(),
        (false, TopicAction::Stop, _) => {
            "none matches; topics that appear and match are not started".to_owned()
        }
        (false, _, Some(first)) => format!(
            "{} that match are STOPPED, such as {first}; --start mirrors them again",
            chosen.stopped.len()
        ),
        (false, _, None) => "none matches".to_owned(),
    };
    format!("{} no topics in mirror {mirror}: {why}", verb(action))
}

const fn verb(action: TopicAction) -> &'static str {
    match action {
        TopicAction::Stop => "Stopped",
        TopicAction::Pause => "Paused",
        TopicAction::Resume => "Resumed",
        TopicAction::Recover => "Recovered",
    }
}

/// Topics with a partition that failed.
async fn failed_topics(node: &mut NodeClient, mirror: &str) -> Result<Vec<String>, CommandError> {
    let mirrors = node.describe(Some(mirror), None).await?;
    Ok(failed_rows(&mirrors).into_iter().map(|row| row.topic).collect())
}

/// Topics that something is to be done with.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    topics: Vec<String>,
    /// True when there are none because all that match are where they are to come.
    is_done_already: bool,
    /// Those that match and are STOPPED.
    stopped: Vec<String>,
}

/// What a list means: of the topics that the action changes something for, those that match, and
/// names that nothing is known of, so that the node can say what is wrong with them.
fn chosen(
    action: TopicAction,
    choice: &TopicChoice,
    known: &MirrorTopics,
    failed: &[String],
) -> Chosen {
    let MirrorTopics { mirroring, paused, stopped } = known;
    let all: BTreeSet<&String> = mirroring.iter().chain(paused).chain(stopped).collect();
    let mut topics = match action {
        TopicAction::Stop => choice.among(mirroring.iter().chain(paused)),
        TopicAction::Pause => choice.among(mirroring),
        TopicAction::Resume => choice.among(paused),
        TopicAction::Recover => choice.among(failed),
    };
    topics.extend(choice.names_without(&all));
    let done = match action {
        TopicAction::Stop => choice.among(stopped),
        TopicAction::Pause => choice.among(paused),
        TopicAction::Resume => choice.among(mirroring),
        TopicAction::Recover => choice.among(all.iter().copied()),
    };
    let is_done_already = topics.is_empty() && !done.is_empty();
    Chosen { topics, is_done_already, stopped: choice.among(stopped) }
}

/// What became of each topic.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TopicReport<'a> {
    mirror: &'a str,
    topic: &'a str,
    error_code: i16,
    error: Option<String>,
    error_message: Option<&'a str>,
}

fn print_outcomes(
    output: &mut Output,
    verb: &str,
    mirror: &str,
    outcomes: &[TopicOutcome],
    nothing: &str,
) -> Result<ExitCode, CommandError> {
    if output.json {
        let reports: Vec<TopicReport<'_>> = outcomes
            .iter()
            .map(|outcome| TopicReport {
                mirror,
                topic: &outcome.name,
                error_code: outcome.error_code,
                error: (outcome.error_code != 0).then(|| error_name(outcome.error_code)),
                error_message: outcome.error_message.as_deref(),
            })
            .collect();
        output.document(&reports)?;
    } else {
        for line in outcome_lines(verb, mirror, outcomes, nothing) {
            output.line(line)?;
        }
    }
    let all_done = outcomes.iter().all(|outcome| outcome.error_code == 0);
    Ok(if all_done { ExitCode::Done } else { ExitCode::Failed })
}

fn outcome_lines(
    verb: &str,
    mirror: &str,
    outcomes: &[TopicOutcome],
    nothing: &str,
) -> Vec<String> {
    let names: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.error_code == 0)
        .map(|outcome| outcome.name.as_str())
        .collect();
    let mut lines = Vec::new();
    if outcomes.is_empty() {
        lines.push(nothing.to_owned());
    } else if !names.is_empty() {
        let (count, shown) = (names.len(), names.len().min(NAMES_SHOWN_MAX));
        let more = match count - shown {
            0 => String::new(),
            more => format!(" and {more} more, which --json lists"),
        };
        let names = names[..shown].join(", ");
        lines.push(format!("{verb} {count} topic(s) in mirror {mirror}: [{names}]{more}"));
    }
    let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.error_code != 0).collect();
    lines.extend(refused.iter().take(REFUSALS_SHOWN_MAX).map(|outcome| refusal_line(outcome)));
    let more = refused.len().saturating_sub(REFUSALS_SHOWN_MAX);
    if more > 0 {
        lines.push(format!("and {more} more were refused, which --json lists"));
    }
    lines
}

/// Why a topic was refused.
pub(crate) fn refusal_line(outcome: &TopicOutcome) -> String {
    let (name, code) = (&outcome.name, outcome.error_code);
    let said = outcome.error_message.as_deref().filter(|text| !text.is_empty());
    let said = said.map_or_else(String::new, |text| format!(": {text}"));
    format!("{name}: {} ({code}){said}", error_name(code))
}

/// Topics that are named one by one.
const NAMES_SHOWN_MAX: usize = 20;
const REFUSALS_SHOWN_MAX: usize = 50;
/// Attempts after which a failed partition is given up, where the node does not tell.
const RETRY_ATTEMPTS_MAX: &str = "20";

#[cfg(test)]
mod tests;
