//! What the status tells of what a mirror carries beside records.

use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedSync;
use serde::Serialize;

use super::seconds;
use crate::table::beginning;

/// One kind of thing that is carried over.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CarriedStatus {
    task: String,
    /// How long ago all of it was done; -1 for never.
    success_age_ms: i64,
    took_ms: i64,
    in_step: i64,
    written: i64,
    error_count: i64,
    last_error: Option<String>,
    last_error_age_ms: i64,
    skipped_count: i64,
    skipped: Vec<String>,
    changed: Vec<String>,
}

impl CarriedStatus {
    pub(super) fn of(told: &DescribedSync) -> Self {
        Self {
            task: told.task.clone(),
            success_age_ms: told.success_age_ms,
            took_ms: told.took_ms,
            in_step: told.in_step,
            written: told.written,
            error_count: told.error_count,
            last_error: told.last_error.clone(),
            last_error_age_ms: told.last_error_age_ms,
            skipped_count: told.skipped_count,
            skipped: told.skipped.clone(),
            changed: told.changed.clone(),
        }
    }

    /// One line of sums, and below it what is not as it should be.
    pub(super) fn lines(&self) -> Vec<String> {
        let done = match self.success_age_ms {
            -1 => "not done yet".to_owned(),
            age => format!("done {} s ago", seconds(age)),
        };
        let task = beginning(&self.task, TASK_CHARS_MAX);
        let mut lines = vec![format!(
            "  {task:<16}{done}: {} in step, {} written, {} left out, {} errors",
            self.in_step, self.written, self.skipped_count, self.error_count
        )];
        // An error before the last success is history.
        let is_over = (0..self.last_error_age_ms).contains(&self.success_age_ms);
        if let Some(error) = self.last_error.as_ref().filter(|_| !is_over) {
            let age = seconds(self.last_error_age_ms);
            lines.push(format!("    failed {age} s ago: {}", beginning(error, LINE_CHARS_MAX)));
        }
        let changed = self.changed.iter().take(SHOWN_MAX);
        lines.extend(changed.map(|one| format!("    changed: {}", beginning(one, LINE_CHARS_MAX))));
        let shown = self.skipped.iter().take(SHOWN_MAX);
        lines.extend(shown.map(|one| format!("    left out: {}", beginning(one, LINE_CHARS_MAX))));
        let shown = i64::try_from(SHOWN_MAX.min(self.skipped.len())).unwrap_or(i64::MAX);
        if self.skipped_count > shown {
            lines.push(format!("    left out: {} more", self.skipped_count - shown));
        }
        lines
    }
}

const TASK_CHARS_MAX: usize = 15;
const LINE_CHARS_MAX: usize = 200;
const SHOWN_MAX: usize = 5;

#[cfg(test)]
mod tests;
