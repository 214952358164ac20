//! What is known of the tasks that carry over more than records: for `status` and metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedSync;
use mirror_coordinator::mirror_name::MirrorName;
use tokio::time::Instant;

use super::{SyncError, SyncTask};
use crate::timing::millis;

/// The tasks of all mirrors of a node; shared by those who do them and those who look.
#[derive(Debug, Default)]
pub struct SyncBoard {
    mirrors: Mutex<BTreeMap<MirrorName, BTreeMap<SyncTask, SyncReport>>>,
}

/// How a task of a mirror goes.
#[derive(Clone, Debug, Default)]
pub struct SyncReport {
    /// When a round ended last in which everything was done.
    pub succeeded_at: Option<Instant>,
    /// How long the last round took.
    pub took: Duration,
    /// Things that could not be done, ever.
    pub error_count: u64,
    /// The last of them, and when it was.
    pub last_error: Option<(Instant, String)>,
    /// Things that are here as at the source since the last round.
    pub in_step: u64,
    /// Things written here, ever.
    pub written: u64,
    /// What the last round left out because a rule says so.
    pub skipped: Noted,
    /// What the last round changed that changed anything that is told one by one.
    pub changed: Noted,
}

/// What one round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncOutcome {
    /// Things that are here as at the source.
    pub in_step: u64,
    /// Things written in this round.
    pub written: u64,
    /// What a rule leaves out, each with the rule.
    pub skipped: Noted,
    /// What could not be done, each with the reason.
    pub failed: Noted,
    /// What was changed, where that is told one by one.
    pub changed: Noted,
}

/// Sentences: the first of them and how many there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// The first [`NOTED_MAX`].
    pub first: Vec<String>,
    /// All.
    pub count: u64,
}

impl SyncReport {
    /// The report as it is told on the wire.
    pub(crate) fn described(&self, task: SyncTask) -> DescribedSync {
        let last_error = self.last_error.as_ref();
        DescribedSync {
            task: task.name().to_owned(),
            success_age_ms: self.succeeded_at.map_or(-1, |at| millis(at.elapsed())),
            took_ms: millis(self.took),
            in_step: wire(self.in_step),
            written: wire(self.written),
            error_count: wire(self.error_count),
            last_error: last_error.map(|(_, error)| error.clone()),
            last_error_age_ms: last_error.map_or(-1, |(at, _)| millis(at.elapsed())),
            skipped_count: wire(self.skipped.count),
            skipped: self.skipped.first.clone(),
            changed: self.changed.first.clone(),
        }
    }
}

impl Noted {
    /// The sentences, and one more on those that were not kept.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let kept = u64::try_from(self.first.len()).unwrap_or(u64::MAX);
        let rest = Some(self.count - kept).filter(|rest| *rest > 0);
        let rest = rest.map(|rest| format!("and {rest} more"));
        self.first.iter().cloned().chain(rest).collect()
    }

    /// Notes a sentence.
    pub fn note(&mut self, sentence: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < NOTED_MAX {
            let sentence = sentence();
            let kept = sentence.char_indices().nth(NOTED_CHARS_MAX).map(|(end, _)| end);
            self.first.push(match kept {
                Some(end) => format!("{}...", &sentence[..end]),
                None => sentence,
            });
        }
    }

    /// Notes a sentence that says more than the others, before them.
    pub(crate) fn note_first(&mut self, sentence: impl FnOnce() -> String) {
        let others = std::mem::take(self);
        self.note(sentence);
        self.count += others.count;
        let room = NOTED_MAX.saturating_sub(self.first.len());
        self.first.extend(others.first.into_iter().take(room));
    }
}

impl SyncBoard {
    /// Notes what became of a round, and tells an error that is news.
    pub(crate) fn note(
        &self,
        mirror: &MirrorName,
        task: SyncTask,
        took: Duration,
        outcome: Result<SyncOutcome, SyncError>,
    ) {
        let now = Instant::now();
        let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        let report = mirrors.entry(mirror.clone()).or_default().entry(task).or_default();
        report.took = took;
        let error = match outcome {
            Ok(SyncOutcome { in_step, written, skipped, failed, changed }) => {
                if changed.count > 0 {
                    report.changed = changed;
                }
                report.in_step = in_step;
                report.written += written;
                report.skipped = skipped;
                report.error_count += failed.count;
                if failed.count == 0 {
                    report.succeeded_at = Some(now);
                    return;
                }
                let told = failed.first.iter().take(ERRORS_TOLD).map(String::as_str);
                let told: Vec<&str> = told.collect();
                let rest = failed.count - u64::try_from(told.len()).unwrap_or(failed.count);
                let told = told.join("; ");
                if rest == 0 { told } else { format!("{told} (and {rest} more)") }
            }
            Err(error) => {
                report.error_count += 1;
                error.to_string()
            }
        };
        let is_news = report.last_error.as_ref().is_none_or(|(_, before)| *before != error);
        if is_news {
            tracing::warn!(%mirror, %task, error, "not everything could be carried over");
        }
        report.last_error = Some((now, error));
    }

    /// How the tasks of a mirror go; only those that came to the end of a round.
    #[must_use]
    pub fn of(&self, mirror: &MirrorName) -> BTreeMap<SyncTask, SyncReport> {
        let mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        mirrors.get(mirror).cloned().unwrap_or_default()
    }

    /// Forgets a mirror that was deleted.
    pub(crate) fn forget(&self, mirror: &MirrorName) {
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner).remove(mirror);
    }
}

fn wire(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Sentences on what could not be done that are told of a round.
const ERRORS_TOLD: usize = 2;
/// Sentences kept of one round.
pub const NOTED_MAX: usize = 20;
const NOTED_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests;
