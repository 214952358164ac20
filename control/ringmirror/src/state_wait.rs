//! Waiting until partitions of a mirror come to a state, with a bar on a terminal.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kafka_wire::mirror_api::mirror_topic::TopicOutcome;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster_mirrors::tables::{PartitionRow, rows};
use crate::exit_code::{CommandError, ExitCode};
use crate::node_client::NodeClient;
use crate::stop_signal::stop_signal;

/// What is waited for.
#[derive(Clone, Debug)]
pub(crate) struct StateWish<'a> {
    pub(crate) mirror: &'a str,
    pub(crate) topics: &'a [String],
    pub(crate) state: &'static str,
    pub(crate) seconds_max: u64,
}

/// How the wait ended.
#[derive(Debug)]
pub(crate) struct Waited {
    /// The topics' partitions, as last seen.
    pub(crate) partitions: Vec<PartitionRow>,
    /// True when it was broken off from the keyboard.
    pub(crate) was_interrupted: bool,
    /// Why the last look failed.
    pub(crate) error: Option<CommandError>,
}

impl Waited {
    /// Partitions that are not there yet.
    pub(crate) fn missing<'a>(&'a self, state: &'a str) -> impl Iterator<Item = &'a PartitionRow> {
        self.partitions.iter().filter(move |row| row.state != state)
    }
}

/// Looks again and again until all are there, the time is over, or somebody breaks it off. Of no
/// topics nothing is waited for.
pub(crate) async fn wait(
    node: &mut NodeClient,
    wish: &StateWish<'_>,
) -> Result<Waited, CommandError> {
    let mut waited = Waited { partitions: Vec::new(), was_interrupted: false, error: None };
    if wish.topics.is_empty() {
        return Ok(waited);
    }
    let stop = stop_signal()?;
    tokio::pin!(stop);
    let deadline = Instant::now() + Duration::from_secs(wish.seconds_max);
    let bar = io::stderr().is_terminal().then(new_bar);
    loop {
        // Who waits for no time at all still wants to know.
        let patience = deadline.max(Instant::now() + LOOK_PATIENCE);
        let look = timeout_at(patience, look(node, wish));
        // What does not answer now may do so later.
        match tokio::select! { seen = look => seen, () = &mut stop => break } {
            Ok(Ok(partitions)) => (waited.partitions, waited.error) = (partitions, None),
            Ok(Err(error)) => waited.error = Some(error),
            Err(_) => waited.error = Some(no_answer()),
        }
        let missing = waited.missing(wish.state).count();
        if let Some(bar) = &bar {
            let count = waited.partitions.len();
            bar.set_length(u64::try_from(count.max(1)).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(count - missing).unwrap_or(0));
            bar.set_message(format!("{} of {count} {}", count - missing, wish.state));
        }
        let is_seen = waited.error.is_none() && !waited.partitions.is_empty();
        if (is_seen && missing == 0) || Instant::now() >= deadline {
            finish(bar.as_ref());
            return Ok(waited);
        }
        tokio::select! { () = sleep(LOOK_EVERY) => {} () = &mut stop => break }
    }
    finish(bar.as_ref());
    waited.was_interrupted = true;
    Ok(waited)
}

async fn look(
    node: &mut NodeClient,
    wish: &StateWish<'_>,
) -> Result<Vec<PartitionRow>, CommandError> {
    let mirrors = node.describe(Some(wish.mirror), None).await?;
    let topics: BTreeSet<&String> = wish.topics.iter().collect();
    Ok(rows(&mirrors).filter(|row| topics.contains(&row.topic)).collect())
}

fn no_answer() -> CommandError {
    let text = "the node did not answer before the end of --wait";
    CommandError::new(ExitCode::Source, anyhow::anyhow!(text))
}

fn new_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {percent:>3}%  {msg}")
        .expect("the template is well-formed");
    ProgressBar::new(1).with_style(style)
}

fn finish(bar: Option<&ProgressBar>) {
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a look may take when the wait is over before it.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Topics that the node did not refuse: the states asked for never come to the others.
pub(crate) fn not_refused(topics: &[String], outcomes: &[TopicOutcome]) -> Vec<String> {
    let refused = outcomes.iter().filter(|outcome| outcome.error_code != 0);
    let refused: BTreeSet<&String> = refused.map(|outcome| &outcome.name).collect();
    topics.iter().filter(|topic| !refused.contains(topic)).cloned().collect()
}

#[cfg(test)]
mod tests;
