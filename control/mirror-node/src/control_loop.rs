//! A mirror run: one input at a time from the engine, the source and the clock; the coordinator
//! decides, this loop carries out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::{BrokerId, SourceId, TopicIdPartition, TopicName};
use mirror_coordinator::coordinator::{Action, Coordinator, Input, UncleanElection};
use mirror_coordinator::retry::RetryPolicy;
use mirror_uring::affinity::allowed_cpus;
use mirror_uring::{BrokerAddress, EngineCommand, RECORD_BUFFER_BYTES, ShardLimits};
use mirror_uring::{Engine, EngineConfig, EngineError, Reports};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::client_properties::ClientProperties;
use crate::destination::Destination;
use crate::directory::{DataDirectory, DirectoryError};
use crate::discovery::Discovery;
use crate::mirror_news::{FailedPart, MirrorEnd, MirrorNews, MirrorOutcome, MirrorProgress};
use crate::partition_book::PartitionBook;
use crate::shared_directory::SharedDirectory;
use crate::source_client::SourceClient;
use crate::source_connection::SourceError;
use crate::source_watch::{SourceLook, SourceWatch, WatchPlan};
use crate::topic_filter::TopicFilter;

mod carry_out;
mod engine_news;
mod epoch_news;
mod shut_down;
mod source_news;

pub(crate) use shut_down::RunEnd;
pub(crate) use source_news::log_config;

/// The source of a run with one mirror.
const THE_SOURCE: SourceId = SourceId::new(0);

/// What to mirror, from where, to where.
#[derive(Clone, Debug)]
pub struct MirrorConfig {
    /// How to reach the source.
    pub properties: ClientProperties,
    /// Which topics.
    pub filter: TopicFilter,
    /// Where to.
    pub data_dir: PathBuf,
    /// CPUs to run on; empty means all this process may use.
    pub cores: Vec<usize>,
    /// Sizes of each shard.
    pub limits: ShardLimits,
    /// Memory of all shards together in which the records written last stay for clients of a node
    /// that follow the end of a log; not taken when nobody is served.
    pub recent_bytes: u64,
    /// What to do when the source loses records that we have.
    pub unclean_election: UncleanElection,
    /// When failed partitions are tried again.
    pub retry: RetryPolicy,
    /// End when every partition has what the source had when it was first asked.
    pub until_caught_up: bool,
    /// Seed of all jitter.
    pub seed: u64,
}

/// Why a run could not begin or had to end.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The source cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The engine cannot run.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Mirrors until `stop` resolves, or until everything is here when that is wanted. `observe` is
/// called on this thread and should return at once.
///
/// # Errors
/// When the run cannot begin, or cannot go on. Logs are closed as cleanly as possible either way.
pub async fn run(
    config: MirrorConfig,
    stop: impl Future<Output = ()>,
    observe: &mut dyn FnMut(MirrorNews),
) -> Result<MirrorOutcome, MirrorError> {
    let directory = DataDirectory::open_or_create(&config.data_dir)?;
    let destination = Destination::unserved(SharedDirectory::new(directory)?);
    match run_in(&destination, config, stop, observe).await {
        Ok(Some(ended)) => ended.settled(&destination, observe),
        Ok(None) => {
            destination.directory.lock().abandon();
            Ok(MirrorOutcome::nothing_done())
        }
        Err(error) => {
            destination.directory.lock().abandon();
            Err(error)
        }
    }
}

/// Mirrors into a directory that others may use as well; `None` when `stop` resolved before the
/// engine had begun. The caller writes the checkpoints that are left and the clean marker.
///
/// # Errors
/// When the run cannot begin.
pub(crate) async fn run_in(
    destination: &Destination,
    config: MirrorConfig,
    stop: impl Future<Output = ()>,
    observe: &mut dyn FnMut(MirrorNews),
) -> Result<Option<RunEnd>, MirrorError> {
    let mut stop = std::pin::pin!(stop);
    let begun = tokio::select! {
        begun = begin(&config, destination, observe) => begun?,
        () = &mut stop => return Ok(None),
    };
    let Begun { first, watch, engine, mut reports } = begun;
    observe(MirrorNews::Started {
        source_cluster_id: first.metadata.cluster_id.clone(),
        shards: engine.shard_count(),
        was_clean: destination.directory.take_clean_marker()?,
    });
    let mut mirror = MirrorLoop {
        coordinator: Coordinator::new(config.retry, config.seed),
        discovery: Discovery::new(config.filter.clone()),
        config,
        destination,
        engine,
        watch,
        book: PartitionBook::default(),
        brokers: BTreeMap::new(),
        lost_topics: BTreeMap::new(),
        epochs_to_announce: BTreeMap::new(),
        is_state_dirty: false,
        told_nothing_selected: false,
        started: Instant::now(),
        observe,
        actions: Vec::new(),
    };
    let ended = match mirror.on_look(first).await {
        Ok(()) => mirror.turn(&mut reports, stop).await,
        Err(error) => Err(error),
    };
    Ok(Some(mirror.finish(ended, reports).await))
}

/// What a run needs beside its directory.
struct Begun {
    first: SourceLook,
    watch: SourceWatch,
    engine: Engine,
    reports: Reports,
}

/// Asks the source for the first time, and starts the engine once it answered. Waits only for the
/// source, so that it may be dropped until then.
async fn begin(
    config: &MirrorConfig,
    destination: &Destination,
    observe: &mut dyn FnMut(MirrorNews),
) -> Result<Begun, MirrorError> {
    let (first, watch) = first_look(config, destination.is_served, observe).await?;
    destination.directory.lock().bind_source(first.metadata.cluster_id.as_deref())?;
    let root = destination.directory.root();
    let (engine, reports) = Engine::start(engine_config(config, root, destination.is_served))?;
    destination.catalog.set_recent_records(engine.recent_records());
    Ok(Begun { first, watch, engine, reports })
}

/// Looks at the source until it answers, when there is something to serve meanwhile.
async fn first_look(
    config: &MirrorConfig,
    until_it_answers: bool,
    observe: &mut dyn FnMut(MirrorNews),
) -> Result<(SourceLook, SourceWatch), SourceError> {
    let mut told = String::new();
    loop {
        let plan = WatchPlan {
            filter: config.filter.clone(),
            refresh: Duration::from_millis(config.properties.metadata_refresh_ms),
            wants_log_ends: config.until_caught_up,
        };
        let client = SourceClient::new(config.properties.clone());
        match SourceWatch::start(client, plan).await {
            Err(error) if until_it_answers => {
                let reason = error.to_string();
                if reason != told {
                    told.clone_from(&reason);
                    observe(MirrorNews::SourceUnreachable { reason });
                }
                sleep(FIRST_LOOK_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

struct MirrorLoop<'a> {
    config: MirrorConfig,
    destination: &'a Destination,
    engine: Engine,
    watch: SourceWatch,
    coordinator: Coordinator,
    discovery: Discovery,
    book: PartitionBook,
    /// Where the engine was told that brokers listen.
    brokers: BTreeMap<BrokerId, BrokerAddress>,
    lost_topics: BTreeMap<TopicName, String>,
    /// Raised leader epochs that clients may not be told of yet.
    epochs_to_announce: BTreeMap<TopicIdPartition, LeaderEpoch>,
    /// True while `ringmirror.json` could not be written; nothing new is added meanwhile.
    is_state_dirty: bool,
    told_nothing_selected: bool,
    started: Instant,
    observe: &'a mut dyn FnMut(MirrorNews),
    actions: Vec<Action>,
}

impl MirrorLoop<'_> {
    /// Takes inputs until the run is to end.
    async fn turn(
        &mut self,
        reports: &mut Reports,
        mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Result<MirrorEnd, MirrorError> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut checkpointed, mut told) = (Instant::now(), Instant::now());
        let mut looked_for_end = Instant::now();
        loop {
            tokio::select! {
                () = &mut stop => return Ok(MirrorEnd::Stopped),
                report = reports.recv() => match report {
                    Some(report) => self.on_report(report).await?,
                    None => return Err(EngineError::ShardEnded { shard: 0 }.into()),
                },
                look = self.watch.next() => match look {
                    Some(Ok(look)) => self.on_look(look).await?,
                    Some(Err(error)) => {
                        self.tell(MirrorNews::SourceUnreachable { reason: error.to_string() });
                    }
                    None => return Ok(MirrorEnd::Stopped),
                },
                _ = ticks.tick() => {
                    self.step(Input::Tick).await?;
                    self.announce_epochs();
                    if told.elapsed() >= PROGRESS_EVERY {
                        told = Instant::now();
                        self.tell(MirrorNews::Progress(self.progress()));
                    }
                    if checkpointed.elapsed() >= CHECKPOINT_EVERY {
                        checkpointed = Instant::now();
                        self.write_checkpoints();
                    }
                }
            }
            if looked_for_end.elapsed() >= END_EVERY {
                looked_for_end = Instant::now();
                if let Some(end) = self.reached_end() {
                    return Ok(end);
                }
            }
        }
    }

    fn tell(&mut self, news: MirrorNews) {
        (self.observe)(news);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets the coordinator decide and carries out what it wants.
    async fn step(&mut self, input: Input) -> Result<(), MirrorError> {
        let mut actions = std::mem::take(&mut self.actions);
        self.coordinator.step(self.now_ms(), input, &mut actions);
        for action in actions.drain(..) {
            self.carry_out(action).await?;
        }
        self.actions = actions;
        Ok(())
    }

    async fn send(&self, command: EngineCommand) -> Result<(), MirrorError> {
        Ok(self.engine.send(command).await?)
    }

    fn write_checkpoints(&mut self) -> bool {
        self.destination.write_checkpoints(self.observe)
    }

    fn tell_directory_fault(&mut self, error: &DirectoryError) {
        self.destination.tell_fault(error, self.observe);
    }

    /// Why the run is over, when it is to end by itself and has come to its end.
    fn reached_end(&self) -> Option<MirrorEnd> {
        if !self.config.until_caught_up || self.is_state_dirty {
            return None;
        }
        let mut count = 0;
        for (id, entry) in self.book.entries() {
            count += 1;
            let reached = match (entry.target, entry.progress) {
                // The watermark comes with the first records: before, nobody has asked whether
                // our log is still part of the source's.
                (Some(target), Some(progress)) => {
                    progress.source_high_watermark.is_some() && progress.log_end.offset() >= target
                }
                _ => false,
            };
            let failure = self.coordinator.failure(id);
            let given_up = failure.is_some_and(|failure| failure.attempt.is_none());
            if !reached && !given_up {
                return None;
            }
        }
        let nothing = count == 0 && self.lost_topics.is_empty();
        Some(if nothing { MirrorEnd::NothingSelected } else { MirrorEnd::CaughtUp })
    }

    fn progress(&self) -> MirrorProgress {
        let mut sum = MirrorProgress { elapsed_ms: self.now_ms(), ..MirrorProgress::default() };
        for (id, entry) in self.book.entries() {
            sum.partitions += 1;
            sum.partitions_failed += usize::from(self.coordinator.is_failed(id));
            let (Some(loaded), Some(progress)) = (entry.loaded_end, entry.progress) else {
                continue;
            };
            let log_end = progress.log_end.offset();
            let high_watermark = progress.source_high_watermark.map(|mark| mark.offset());
            let goal = entry.target.max(high_watermark).map_or(log_end, |goal| goal.max(log_end));
            sum.partitions_caught_up += usize::from(high_watermark.is_some() && goal == log_end);
            sum.offsets_done += u64::try_from((log_end - loaded).get()).unwrap_or(0);
            sum.offsets_total += u64::try_from((goal - loaded).get()).unwrap_or(0);
        }
        for counters in self.engine.counters() {
            sum.bytes_received += counters.bytes_received;
            sum.bytes_written += counters.bytes_written;
            sum.batches += counters.batches_accepted;
            sum.batches_corrupt += counters.batches_corrupt;
            sum.buffer_waits += counters.buffer_waits;
        }
        sum
    }

    /// Everything that is not mirrored, with the reason.
    fn failed_parts(&self) -> Vec<FailedPart> {
        let topics = self
            .lost_topics
            .iter()
            .map(|(name, reason)| FailedPart { name: name.to_string(), reason: reason.clone() });
        let partitions = self.book.entries().filter_map(|(id, entry)| {
            let failure = self.coordinator.failure(id)?;
            let lost = self.lost_topics.contains_key(&entry.name.topic);
            (self.coordinator.is_failed(id) && !lost).then(|| FailedPart {
                name: entry.name.to_string(),
                reason: failure.reason.clone(),
            })
        });
        topics.chain(partitions).collect()
    }
}

fn engine_config(config: &MirrorConfig, data_dir: &Path, is_served: bool) -> EngineConfig {
    let (mut limits, properties) = (config.limits, &config.properties);
    limits.request_timeout_ms = properties.request_timeout_ms;
    limits.fetch_bytes_max = properties.fetch_bytes_max.unwrap_or(limits.fetch_bytes_max);
    limits.partition_fetch_bytes_max =
        properties.partition_fetch_bytes_max.unwrap_or(limits.partition_fetch_bytes_max);
    limits.fetch_wait_ms = properties.fetch_wait_ms.unwrap_or(limits.fetch_wait_ms);
    limits.backoff_ms = properties.backoff_ms.unwrap_or(limits.backoff_ms);
    limits.backoff_max_ms = properties.backoff_max_ms.unwrap_or(limits.backoff_max_ms);
    limits.reuse_files &= !is_served;
    limits.recent_buffer_count = if is_served { recent_buffers(config) } else { 0 };
    EngineConfig {
        data_dir: data_dir.to_owned(),
        cores: config.cores.clone(),
        limits,
        seed: config.seed,
    }
}

/// [`MirrorConfig::recent_bytes`] that suits most: a tenth of a second of two cores at full speed,
/// which is the time readers of the tail have to come back.
pub const RECENT_BYTES: u64 = 256 << 20;
/// A shard's share of the buffers for what was written last.
fn recent_buffers(config: &MirrorConfig) -> u32 {
    let cores = &config.cores;
    let shards = if cores.is_empty() { allowed_cpus().len() } else { cores.len() };
    let shards = u64::try_from(shards.max(1)).expect("a count of cores fits 64 bits");
    let buffers = config.recent_bytes / u64::from(RECORD_BUFFER_BYTES) / shards;
    u32::try_from(buffers).unwrap_or(u32::MAX)
}

/// How often retries are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often the end is looked for while reports come.
const END_EVERY: Duration = Duration::from_millis(10);
/// How long a source that does not answer is left alone before it is asked again.
const FIRST_LOOK_PAUSE: Duration = Duration::from_secs(1);
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How much of a crashed run is read again at the next start, in time.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
