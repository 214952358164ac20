//! The end of a run: logs closed, threads joined.

use mirror_uring::{Engine, EngineCommand, EngineReport, Reports};
use tokio::time::{Instant, timeout_at};

use super::{LoopEvent, MirrorError, MirrorLoop};
use crate::destination::Destination;
use crate::mirror_news::{FailedPart, MirrorEnd, MirrorNews, MirrorOutcome, MirrorProgress};

/// How a run ended; its directory is still to be settled.
#[derive(Debug)]
pub(crate) struct RunEnd {
    /// False when it ended before there was an engine.
    pub(crate) has_begun: bool,
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
    pub(super) async fn finish(mut self, mut ended: Result<MirrorEnd, MirrorError>) -> RunEnd {
        let (engine, reports) = (self.engine.take(), self.reports.take());
        let (Some(engine), Some(mut reports)) = (engine, reports) else {
            self.hear_out_work().await;
            let (progress, failed) = (MirrorProgress::default(), Vec::new());
            return RunEnd { has_begun: false, ended, logs_closed: true, progress, failed };
        };
        self.tell(MirrorNews::Stopping);
        let progress = {
            self.engine = Some(engine);
            self.progress()
        };
        let engine = self.engine.take().expect("it was put there");
        let (logs_closed, ()) =
            (self.close_logs(&engine, &mut reports).await, self.hear_out_work().await);
        let failed = self.failed_parts();
        if logs_closed {
            self.note_closed();
            let stopped = tokio::task::spawn_blocking(|| engine.stop()).await;
            if let Ok(Err(error)) = stopped {
                ended = Err(error.into());
            }
        }
        RunEnd { has_begun: true, ended, logs_closed, progress, failed }
    }

    /// Tells the shards to stop and hears them out; false when one did not close cleanly in time.
    async fn close_logs(&mut self, engine: &Engine, reports: &mut Reports) -> bool {
        if engine.send(EngineCommand::Stop).await.is_err() {
            return false;
        }
        let limit = self.destination.close_limit;
        let deadline = Instant::now() + limit;
        let (mut stopped_count, mut all_clean) = (0, true);
        while stopped_count < engine.shard_count() {
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
            if entry.is_in_engine && entry.progress.is_some() {
                self.destination.directory.note_closed(&entry.name);
            }
        }
    }

    /// Waits for what other threads do for this loop; nobody acts on it any more.
    pub(super) async fn hear_out_work(&mut self) {
        self.work.forget_waiting();
        let deadline = Instant::now() + self.destination.close_limit;
        while self.persisting.is_writing || self.work.is_running() {
            match timeout_at(deadline, self.events.recv()).await {
                Ok(Some(LoopEvent::Persisted(_))) => self.persisting.is_writing = false,
                Ok(Some(LoopEvent::LogWorked(worked))) => self.work.note_done(worked.partition),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => {
                    tracing::warn!("work on logs was not done in time");
                    return;
                }
            }
        }
    }
}
