//! The end of a run: logs closed, threads joined.

use mirror_uring::{EngineCommand, EngineReport, Reports};
use tokio::time::{Instant, sleep_until};

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
    /// True when the engine closed every log it had, and nobody works on another one.
    pub(crate) logs_closed: bool,
    /// When everything is to be closed, logs of clients too; what is not is left to recovery.
    pub(crate) deadline: Instant,
    /// Where it stood.
    pub(crate) progress: MirrorProgress,
    /// What is not mirrored.
    pub(crate) failed: Vec<FailedPart>,
    /// What is left alone.
    pub(crate) left_out: Vec<FailedPart>,
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
            left_out: self.left_out,
        })
    }
}

impl MirrorLoop<'_> {
    /// Ends the run as cleanly as possible, whatever ended it. The engine closes its logs while
    /// the work on others is heard out; there is one deadline for all of it.
    pub(super) async fn finish(mut self, mut ended: Result<MirrorEnd, MirrorError>) -> RunEnd {
        let deadline = Instant::now() + self.destination.close_limit;
        self.work.forget_waiting();
        let (engine, reports) = (self.engine.take(), self.reports.take());
        let (Some(engine), Some(mut reports)) = (engine, reports) else {
            let logs_closed = self.hear_out(None, deadline).await.work_done;
            return RunEnd {
                has_begun: false,
                ended,
                logs_closed,
                deadline,
                progress: MirrorProgress::default(),
                failed: Vec::new(),
                left_out: Vec::new(),
            };
        };
        self.tell(MirrorNews::Stopping);
        let progress = {
            self.engine = Some(engine);
            self.progress()
        };
        let engine = self.engine.take().expect("it was put there");
        let shards = match engine.send(EngineCommand::Stop).await {
            Ok(()) => Some((&mut reports, engine.shard_count())),
            Err(_) => None,
        };
        let has_heard = shards.is_some();
        let HeardOut { all_clean, work_done } = self.hear_out(shards, deadline).await;
        let (failed, left_out) = (self.failed_parts(), self.left_out());
        let engine_closed = has_heard && all_clean;
        if engine_closed {
            self.note_closed();
            let stopped = tokio::task::spawn_blocking(|| engine.stop()).await;
            if let Ok(Err(error)) = stopped {
                ended = Err(error.into());
            }
        }
        let logs_closed = engine_closed && work_done;
        RunEnd { has_begun: true, ended, logs_closed, deadline, progress, failed, left_out }
    }

    /// Waits until so many shards have stopped and until other threads do nothing for this loop any
    /// more; nobody acts on what they say. Whoever waits to close logs hears when they are free.
    async fn hear_out(
        &mut self,
        mut shards: Option<(&mut Reports, usize)>,
        deadline: Instant,
    ) -> HeardOut {
        let mut all_clean = true;
        loop {
            let work_done = !self.persisting.is_writing && !self.work.is_running();
            if work_done && let Some(node) = &mut self.node {
                node.release_logs();
            }
            shards = shards.filter(|(_, running)| *running > 0);
            if work_done && shards.is_none() {
                return HeardOut { all_clean, work_done };
            }
            tokio::select! {
                report = next_of(&mut shards) => match report {
                    Some(report) => all_clean &= self.on_last_report(report, &mut shards),
                    None => (shards, all_clean) = (None, false),
                },
                Some(event) = self.events.recv(), if !work_done => self.on_last_event(event),
                () = sleep_until(deadline) => {
                    let limit = self.destination.close_limit;
                    tracing::warn!("not every log was closed within {limit:?}");
                    return HeardOut { all_clean: all_clean && shards.is_none(), work_done };
                }
            }
        }
    }

    /// False when a shard did not close all its logs cleanly.
    fn on_last_report(
        &mut self,
        report: EngineReport,
        shards: &mut Option<(&mut Reports, usize)>,
    ) -> bool {
        match report {
            EngineReport::Stopped { clean, .. } => {
                if let Some((_, running)) = shards {
                    *running -= 1;
                }
                clean
            }
            EngineReport::Partition { partition, event } => {
                self.note(partition, &event);
                true
            }
            _ => true,
        }
    }

    fn on_last_event(&mut self, event: LoopEvent) {
        match event {
            LoopEvent::Persisted(_) => self.persisting.is_writing = false,
            LoopEvent::LogWorked(worked) => self.work.note_done(worked.partition),
            _ => {}
        }
    }

    /// Notes the logs that the engine opened and has closed now.
    fn note_closed(&self) {
        for (_, entry) in self.book.entries() {
            if entry.is_in_engine && entry.progress.is_some() {
                self.destination.directory.note_closed(&entry.name);
            }
        }
    }
}

/// What was over by the deadline.
struct HeardOut {
    /// True when every shard closed all its logs.
    all_clean: bool,
    /// True when nobody works on a log for the loop any more.
    work_done: bool,
}

/// The next report of shards that run; never, without any.
async fn next_of(shards: &mut Option<(&mut Reports, usize)>) -> Option<EngineReport> {
    match shards {
        Some((reports, _)) => reports.recv().await,
        None => std::future::pending().await,
    }
}
