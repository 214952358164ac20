//! Moments and durations.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Sleeps; for ever without a moment to wake at.
pub(crate) async fn sleep_until_some(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// A duration as Kafka's messages give it, in milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
