//! Looks after the logs of topics made here, every few seconds for as long as a node runs.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;

use super::LocalTopics;

/// Keeps local logs small and durable until it is dropped.
#[derive(Debug)]
pub struct Keeper(JoinHandle<()>);

impl Keeper {
    /// Begins on this runtime.
    #[must_use]
    pub fn start(topics: Arc<LocalTopics>) -> Self {
        Self(tokio::spawn(keep_up(topics)))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep_up(topics: Arc<LocalTopics>) {
    let mut rounds = tokio::time::interval(EVERY);
    loop {
        rounds.tick().await;
        let topics = Arc::clone(&topics);
        let round = tokio::task::spawn_blocking(move || {
            topics.keep_up(now_ms());
            if let Err(error) = topics.directory.write_checkpoints() {
                tracing::warn!("cannot write checkpoints: {error}");
            }
        });
        if let Err(error) = round.await {
            tracing::error!("local logs are not kept up: {error}");
            return;
        }
    }
}

/// Milliseconds since 1970; zero for a clock before that.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a crash of the machine may take from a local log, at most; a crash of the node takes
/// nothing.
pub(crate) const FLUSH_EVERY_MS: i64 = 5_000;
const EVERY: Duration = Duration::from_millis(FLUSH_EVERY_MS.unsigned_abs());
