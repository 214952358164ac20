//! What people see of a running mirror: a bar with rate and time left, and the news as lines.

use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use mirror_node::mirror_news::{MirrorNews, MirrorProgress, ServingNews};

/// Shows a run on standard error.
#[derive(Debug)]
pub(crate) struct ProgressView {
    bar: Option<ProgressBar>,
    /// True when the run ends by itself, so that it waits for no topic.
    until_caught_up: bool,
    /// Bytes written and milliseconds at the last look, for the rate.
    last: (u64, u64),
    rate: f64,
    /// Topics a node mirrors, as written.
    topics: Option<String>,
}

impl ProgressView {
    /// A view with a bar when `on_terminal`, else with lines only.
    pub(crate) fn new(on_terminal: bool, until_caught_up: bool) -> Self {
        let bar = on_terminal.then(|| {
            let style = ProgressStyle::with_template("{bar:32} {percent:>3}%  {msg}")
                .expect("the template is well-formed");
            ProgressBar::new(0).with_style(style)
        });
        Self { bar, until_caught_up, last: (0, 0), rate: 0.0, topics: None }
    }

    /// Tells of a node that mirrors these topics.
    pub(crate) fn of_topics(self, topics: Option<String>) -> Self {
        Self { topics, ..self }
    }

    pub(crate) fn show(&mut self, news: &MirrorNews) {
        match news {
            MirrorNews::Progress(progress) => self.show_progress(progress),
            MirrorNews::Serving(serving) => {
                self.say(&serving_text(serving, self.topics.as_deref()))
            }
            news => {
                if let Some(text) = news_text(news, self.until_caught_up) {
                    self.say(&text);
                }
            }
        }
    }

    /// Prints a line above the bar.
    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            // A standard error nobody reads any more leaves nothing to be told.
            None => drop(writeln!(io::stderr(), "{text}")),
        }
    }

    fn show_progress(&mut self, progress: &MirrorProgress) {
        let elapsed_ms = progress.elapsed_ms.saturating_sub(self.last.1);
        if elapsed_ms > 0 {
            let bytes = progress.bytes_written.saturating_sub(self.last.0);
            let seconds = Duration::from_millis(elapsed_ms).as_secs_f64();
            let now = Duration::from_secs(bytes).as_secs_f64() / seconds;
            self.rate = if self.rate == 0.0 { now } else { 0.7 * self.rate + 0.3 * now };
        }
        self.last = (progress.bytes_written, progress.elapsed_ms);
        let Some(bar) = &self.bar else { return };
        bar.set_length(progress.offsets_total.max(1));
        let caught_up = progress.partitions > 0 && progress.offsets_total == 0;
        bar.set_position(if caught_up { 1 } else { progress.offsets_done });
        bar.set_message(format!(
            "{}  {:.0} MB/s  {}  {}/{} partitions{}",
            indicatif::BinaryBytes(progress.bytes_written),
            self.rate / 1e6,
            time_left(progress),
            progress.partitions_caught_up,
            progress.partitions,
            if progress.partitions_failed > 0 {
                format!(", {} failed", progress.partitions_failed)
            } else {
                String::new()
            },
        ));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Time left if offsets keep coming as they did so far.
fn time_left(progress: &MirrorProgress) -> String {
    let left = progress.offsets_total.saturating_sub(progress.offsets_done);
    if left == 0 {
        return "caught up".to_owned();
    }
    match progress.elapsed_ms.saturating_mul(left).checked_div(progress.offsets_done) {
        Some(left_ms) => format!("{} left", HumanDuration(Duration::from_millis(left_ms))),
        None => "waiting for the source".to_owned(),
    }
}

fn serving_text(serving: &ServingNews, topics: Option<&str>) -> String {
    let ServingNews { node_id, advertised, address, mirror_from, .. } = serving;
    let (memory, room) = (serving.memory_bytes_max, serving.partitions_max);
    let memory = indicatif::BinaryBytes(memory);
    let listens =
        if address == advertised { String::new() } else { format!(" (listens at {address})") };
    let mirrors = match topics {
        Some(topics) => format!(", mirrors {topics} from {}", mirror_from.join(",")),
        None => String::new(),
    };
    format!(
        "node {node_id} serves Kafka clients at {advertised}{listens}{mirrors}; at most {memory} \
         of memory, room for {room} partitions"
    )
}

/// News in words; `None` for what only machines want.
fn news_text(news: &MirrorNews, until_caught_up: bool) -> Option<String> {
    Some(match news {
        MirrorNews::Started { source_cluster_id, shards, was_clean } => format!(
            "source cluster {}, {shards} shards{}",
            source_cluster_id.as_deref().unwrap_or("(tells no id)"),
            if *was_clean { ", directory was closed cleanly" } else { "" }
        ),
        MirrorNews::NothingSelected { topics_at_source } => {
            let next = if until_caught_up { "ending" } else { "waiting for one" };
            format!("no topic is selected (the source shows {topics_at_source}); {next}")
        }
        MirrorNews::TopicFound { topic, partitions, .. } => {
            format!("{topic}: mirroring {partitions} partitions")
        }
        MirrorNews::TopicLost { topic, reason } => format!("{topic}: not mirrored: {reason}"),
        MirrorNews::StateChanged { partition, to, reason: Some(reason), retry_in_ms, .. } => {
            let next = match retry_in_ms {
                Some(in_ms) => format!("trying again in {:.1} s", *in_ms as f64 / 1e3),
                None => "not tried again".to_owned(),
            };
            format!("{partition}: {to}: {reason} ({next})")
        }
        MirrorNews::StateChanged { .. } | MirrorNews::Progress(_) | MirrorNews::Serving(_) => {
            return None;
        }
        MirrorNews::LogUnusable { partition, reason } => {
            format!("{partition}: not served: {reason}")
        }
        MirrorNews::Repaired { partition, finding } => format!("{partition}: {finding}"),
        MirrorNews::Truncated { partition, from, to } => {
            format!("{partition}: the source's history differs: cut from {from} to {to}")
        }
        MirrorNews::Gap { partition, from, to } => format!(
            "{partition}: offsets {from} to {to} were dropped by the source before they were \
             mirrored"
        ),
        MirrorNews::Corrupt { partition, at, reason, count } => format!(
            "{partition}: damaged batch at {at} refused ({reason}; {count} so far); fetching again"
        ),
        MirrorNews::DiskFault { place, reason, full } => {
            format!("{place}: {}{reason}", if *full { "disk full: " } else { "" })
        }
        MirrorNews::SourceError { partition, error } => {
            format!("{partition}: the source answers {error}; trying again")
        }
        MirrorNews::BrokerUnreachable { broker, attempt, reason } => {
            format!("source broker {broker} cannot be reached ({reason}), attempt {attempt}")
        }
        MirrorNews::BrokerReachable { broker } => format!("source broker {broker} answers again"),
        MirrorNews::SourceUnreachable { reason } => format!("{reason}; trying again"),
        MirrorNews::Stopping => "closing logs".to_owned(),
    })
}

#[cfg(test)]
mod tests;
