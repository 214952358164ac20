//! The end of a run: logs closed, checkpoints and the clean marker written, threads joined.

use mirror_uring::Reports;
use mirror_uring::{EngineCommand, EngineReport};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

use super::{MirrorError, MirrorLoop};
use crate::mirror_news::{MirrorEnd, MirrorNews, MirrorOutcome};

impl MirrorLoop<'_> {
    /// Ends the run as cleanly as possible, whatever ended it.
    pub(super) async fn finish(
        mut self,
        ended: Result<MirrorEnd, MirrorError>,
        mut reports: Reports,
    ) -> Result<MirrorOutcome, MirrorError> {
        self.tell(MirrorNews::Stopping);
        let logs_closed = self.close_logs(&mut reports).await;
        let checkpoints_written = self.write_checkpoints();
        let mut closed = logs_closed && checkpoints_written;
        let mut clean = closed && self.all_logs_were_closed();
        if clean && let Err(error) = self.directory.write_clean_marker() {
            self.tell_directory_fault(&error);
            (closed, clean) = (false, false);
        }
        let (progress, failed) = (self.progress(), self.failed_parts());
        if logs_closed {
            let stopped = tokio::task::spawn_blocking(|| self.engine.stop()).await;
            if let Ok(Err(error)) = stopped {
                return Err(error.into());
            }
        }
        Ok(MirrorOutcome { end: ended?, closed, clean, progress, failed })
    }

    /// Tells the shards to stop and hears them out; false when one did not close cleanly in time.
    async fn close_logs(&mut self, reports: &mut Reports) -> bool {
        if self.engine.send(EngineCommand::Stop).await.is_err() {
            return false;
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        let (mut stopped_count, mut all_clean) = (0, true);
        while stopped_count < self.engine.shard_count() {
            match timeout_at(deadline, reports.recv()).await {
                Ok(Some(EngineReport::Stopped { clean, .. })) => {
                    stopped_count += 1;
                    all_clean &= clean;
                }
                Ok(Some(EngineReport::Partition { partition, event })) => {
                    self.note(partition, &event);
                }
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => {
                    tracing::warn!("the engine did not close every log within {STOP_TIMEOUT:?}");
                    return false;
                }
            }
        }
        all_clean
    }

    /// True when every log in the directory is closed: those of this run were opened and closed
    /// by the engine, the others not touched since a clean end.
    fn all_logs_were_closed(&mut self) -> bool {
        let (partitions, _) = match self.directory.list_partitions() {
            Ok(listed) => listed,
            Err(error) => {
                self.tell_directory_fault(&error);
                return false;
            }
        };
        let loaded = self.book.loaded();
        partitions.iter().all(|name| *loaded.get(name).unwrap_or(&self.was_clean))
    }
}

/// With what follows it, less than the ten seconds a service manager usually waits.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
