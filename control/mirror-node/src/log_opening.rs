//! Opening the mirrored logs of a node that begins, so that it serves them whatever the source
//! does: what a crash left is repaired, and the engine finds every log closed. All that were
//! repaired are made durable together: one by one, fifty thousand logs take minutes.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kafka_log::closing::close_log;
use kafka_log::partition_files::PartitionFiles as _;
use kafka_log::partition_log::PartitionLog;
use kafka_log::recovery::{LoadError, LoadRequest, LoadedLog, LogCut, load};
use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};
use kafka_wire::offset::HighWatermark;
use kafka_wire::partition::PartitionIndex;
use mirror_coordinator::epoch_fencing;
use mirror_uring::deferred_files::{DeferredFiles, SharedSync};
use mirror_uring::real_files::RealFiles;

use crate::catalog::{Partition, Topic};
use crate::control_loop::log_config;
use crate::destination::Destination;
use crate::finding_text::finding_text;
use crate::log_ledger::LogCheckpoint;
use crate::log_view::LogState;
use crate::mirror_news::MirrorNews;
use crate::partition_check::topic_id_cure;

/// Opens and shows every mirrored log, on `threads` threads; what was found is told. Gives up
/// between two logs when `stop` is set. Blocks.
pub(crate) fn open_mirrored_logs(
    destination: &Destination,
    threads: usize,
    stop: &AtomicBool,
) -> Vec<MirrorNews> {
    let mut waiting = VecDeque::new();
    {
        let directory = destination.directory.lock();
        for (name, topic) in &directory.state.topics {
            let shown = destination.show(name, topic);
            for index in 0..shown.partitions.len() {
                let told = PartitionIndex::from_wire(i32::try_from(index).unwrap_or(i32::MAX));
                let told = told.map_or(LeaderEpoch::ZERO, |index| topic.leader_epoch(index));
                waiting.push_back(WaitingLog { topic: Arc::clone(&shown), index, told });
            }
        }
    }
    // Before anything is written.
    let sync = SharedSync::open(destination.directory.root());
    let (waiting, opened) = (Mutex::new(waiting), Mutex::new(OpenedLogs::default()));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(log) = next else { return };
                    let outcome = log.open(destination);
                    opened.lock().unwrap_or_else(PoisonError::into_inner).add(&log, outcome);
                }
            });
        }
    });
    let mut opened = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
    opened.settle(destination, sync);
    opened.show(destination)
}

/// A log that was opened.
struct OpenedLog {
    loaded: LoadedLog,
    /// What has to be made durable before it is closed.
    unsettled: Option<DeferredFiles>,
}

/// A log to be opened.
struct WaitingLog {
    topic: Arc<Topic>,
    index: usize,
    /// The leader epoch clients were told last.
    told: LeaderEpoch,
}

#[derive(Default)]
struct OpenedLogs {
    states: Vec<(Arc<Partition>, LogState)>,
    /// Logs that were repaired, and are closed once what was written is durable.
    repaired: Vec<RepairedLog>,
    news: Vec<MirrorNews>,
}

/// A log that was not closed, as it is now.
struct RepairedLog {
    partition: Arc<Partition>,
    files: DeferredFiles,
    state: LogState,
}

impl OpenedLogs {
    fn add(&mut self, log: &WaitingLog, outcome: Result<Option<OpenedLog>, String>) {
        let shown = log.partition();
        let partition = shown.name.to_string();
        match outcome {
            Ok(None) => {}
            Ok(Some(OpenedLog { loaded, unsettled })) => {
                self.news.extend(loaded.findings.iter().map(|finding| MirrorNews::Repaired {
                    partition: partition.clone(),
                    finding: finding_text(finding),
                }));
                let (partition, state) = (Arc::clone(shown), state(&loaded.log, log.told));
                match unsettled {
                    Some(files) => self.repaired.push(RepairedLog { partition, files, state }),
                    None => self.states.push((partition, state)),
                }
            }
            Err(reason) => self.news.push(MirrorNews::LogUnusable { partition, reason }),
        }
    }

    /// Makes the logs durable that were repaired, all at once: only then they are closed.
    fn settle(&mut self, destination: &Destination, sync: io::Result<SharedSync>) {
        if self.repaired.is_empty() {
            return;
        }
        let (mut files, mut logs) = (Vec::new(), Vec::new());
        for RepairedLog { partition, files: of_log, state } in std::mem::take(&mut self.repaired) {
            files.push(of_log);
            logs.push((partition, state));
        }
        let outcomes = match sync {
            Ok(sync) => sync.settle(files),
            Err(error) => {
                let refused = || io::Error::new(error.kind(), error.to_string());
                logs.iter().map(|_| Err(refused())).collect()
            }
        };
        for ((partition, state), outcome) in logs.into_iter().zip(outcomes) {
            let name = &partition.name;
            if let Err(error) = outcome {
                let reason = format!("cannot close the log: {error}");
                self.news.push(MirrorNews::LogUnusable { partition: name.to_string(), reason });
                continue;
            }
            let end = state.log_end.offset();
            let (log_start, high_watermark) = (state.log_start, Some(end));
            let checkpoint = LogCheckpoint { recovery_point: end, log_start, high_watermark };
            destination.directory.note(name, checkpoint);
            destination.directory.note_closed(name);
            self.states.push((partition, state));
        }
    }

    /// Remembers what clients will be told, then lets them see it.
    fn show(mut self, destination: &Destination) -> Vec<MirrorNews> {
        let mut directory = destination.directory.lock();
        let mut is_news = false;
        for (partition, state) in &self.states {
            if let Some(topic) = directory.state.topics.get_mut(&partition.name.topic) {
                let index = partition.name.partition;
                is_news |= topic.raise_leader_epoch(index, state.leader_epoch);
            }
        }
        // On a full disk they are served all the same: from the same logs the next start takes the
        // same epochs.
        if is_news && let Err(error) = directory.write_state() {
            destination.tell_fault(&error, &mut |news| self.news.push(news));
        }
        for (partition, state) in self.states {
            partition.view.publish(state);
        }
        self.news
    }
}

impl WaitingLog {
    fn partition(&self) -> &Arc<Partition> {
        &self.topic.partitions[self.index]
    }

    /// Opens the log, and closes it when it was not; `None` when nothing was mirrored yet.
    fn open(&self, destination: &Destination) -> Result<Option<OpenedLog>, String> {
        let (directory, partition) = (&destination.directory, self.partition());
        let name = &partition.name;
        if !partition.view.directory().is_dir() {
            return Ok(None);
        }
        let clean = directory.is_closed(name);
        let request = LoadRequest {
            topic_id: self.topic.id,
            config: log_config(&self.topic.configs),
            recovery_point: directory.recovery_point(name),
            log_start: directory.log_start(name),
            clean,
            cut: LogCut::Keep,
        };
        directory.note_open(name);
        let path = partition.view.directory().to_owned();
        let failed = |error: LoadError| match topic_id_cure(directory.root(), name, self.topic.id) {
            Some(cure) => format!("cannot open the log: {error}: {cure}"),
            None => format!("cannot open the log: {error}"),
        };
        let (loaded, unsettled) = if clean {
            let loaded = load(&mut RealFiles::new(path), &request).map_err(failed)?;
            directory.note_closed(name);
            (loaded, None)
        } else {
            let mut files = DeferredFiles::new(path);
            let loaded = load(&mut files, &request).map_err(failed)?;
            directory.note_repaired(name);
            close_log(&mut files, &loaded.log.close())
                .map_err(|error| format!("cannot close the log: {error}"))?;
            files.release();
            (loaded, Some(files))
        };
        destination.catalog.note_producer_id(loaded.log.producer_id_max());
        Ok(Some(OpenedLog { loaded, unsettled }))
    }
}

/// What readers are shown of a log that nobody writes yet.
fn state(log: &PartitionLog, told: LeaderEpoch) -> LogState {
    LogState {
        log_start: log.log_start(),
        log_end: log.accepted_end(),
        high_watermark: HighWatermark::new(log.accepted_end().offset()),
        last_stable_offset: log.last_stable_offset(),
        end_place: log.end_place(),
        epochs: Arc::new(log.epochs().clone()),
        leader_epoch: leader_epoch(log.latest_epoch(), told),
        cut_count: 0,
    }
}

/// Our epoch as a log's leader: not below what clients were told, nor below the log's own. One that
/// has to be raised gets the headroom that the next elections at the source need. One that has not
/// stays: the newest batches of a stopped mirror are in our epoch, and room above them at every
/// start would use epochs up; where there is a source, the lifecycle makes the room.
fn leader_epoch(latest: Option<SourceLeaderEpoch>, told: LeaderEpoch) -> LeaderEpoch {
    let Some(latest) = latest.filter(|latest| !told.covers(*latest)) else { return told };
    let raised = epoch_fencing::raised(latest, told);
    raised.or_else(|| LeaderEpoch::from_wire(latest.get())).unwrap_or(told)
}

#[cfg(test)]
mod tests;
