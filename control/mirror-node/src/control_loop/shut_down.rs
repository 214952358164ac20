//! The end of a run: logs closed, threads joined.

use mirror_uring::Reports;
use mirror_uring::{EngineCommand, EngineReport};
use tokio::time::{Instant, timeout_at};

use super::{MirrorError, MirrorLoop};
use crate::destination::Destination;
use crate::mirror_news::{FailedPart, MirrorEnd, MirrorNews, MirrorOutcome, MirrorProgress};

/// How a run ended; its directory is still to be settled.
#[derive(Debug)]
pub(crate) struct RunEnd {
    /// What ended it.
    pub(crate) ended: Result<MirrorEnd, MirrorError>,
    /// True when the engine closed every log it had.
    pub(crate) logs_closed: bool,
    /// Where it stood.
    pub(crate) progress: MirrorProgress,
    /// What is not mirrored.
    pub(crate) failed: Vec<FailedPart>,
}

impl RunEnd {
    /// Leaves the directory and says how the run went.
    ///
    /// # Errors
    /// What ended the run, when that was an error.
    pub(crate) fn settled(
        self,
        destination: &Destination,
        observe: &mut dyn FnMut(MirrorNews),
    ) -> Result<MirrorOutcome, MirrorError> {
        let settled = destination.settle(self.logs_closed, observe);
        Ok(MirrorOutcome {
            end: self.ended?,
            closed: settled.closed,
            clean: settled.clean,
            progress: self.progress,
            failed: self.failed,
        })
    }
}

impl MirrorLoop<'_> {
    /// Ends the run as cleanly as possible, whatever ended it.
    pub(super) async fn finish(
        mut self,
        mut ended: Result<MirrorEnd, MirrorError>,
        mut reports: Reports,
    ) -> RunEnd {
        self.tell(MirrorNews::Stopping);
        let logs_closed = self.close_logs(&mut reports).await;
        let (progress, failed) = (self.progress(), self.failed_parts());
        if logs_closed {
            self.note_closed();
            let stopped = tokio::task::spawn_blocking(|| self.engine.stop()).await;
            if let Ok(Err(error)) = stopped {
                ended = Err(error.into());
            }
        }
        RunEnd { ended, logs_closed, progress, failed }
    }

    /// Tells the shards to stop and hears them out; false when one did not close cleanly in time.
    async fn close_logs(&mut self, reports: &mut Reports) -> bool {
        if self.engine.send(EngineCommand::Stop).await.is_err() {
            return false;
        }
        let limit = self.destination.close_limit;
        let deadline = Instant::now() + limit;
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
                    tracing::warn!("the engine did not close every log within {limit:?}");
                    return false;
                }
            }
        }
        all_clean
    }

    /// Notes the logs that the engine opened and has closed now.
    fn note_closed(&self) {
        for (_, entry) in self.book.entries() {
            if entry.progress.is_some() {
                self.destination.directory.note_closed(&entry.name);
            }
        }
    }
}
