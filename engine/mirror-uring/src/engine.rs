//! The handle an embedding host holds: starts the shards, routes orders, ends them.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use kafka_wire::partition::TopicIdPartition;
use mirror_shard::bridge::EngineCommand;
use mirror_shard::counters::ShardCounters;
use mirror_shard::limits::ShardLimits;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Sender};

use crate::affinity;
use crate::engine_error::EngineError;
use crate::op_table::OPS_IN_FLIGHT_MAX;
use crate::probe;
use crate::recent_records::{KeptBuffers, RecentRecords};
use crate::reports::{self, ReportSender, Reports};
use crate::routes::Routes;
use crate::segment_files::{OPEN_FILES_MAX, OPEN_FILES_MIN};
use crate::shard_thread::{self, ShardThread};

/// Commands that may wait for one shard.
pub const COMMANDS_WAITING_MAX: usize = 4096;

/// What an engine is started with.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Holds the partition directories; must exist. Locking it is the host's business.
    pub data_dir: PathBuf,
    /// CPUs to run on, one shard each; empty means all this process may use.
    pub cores: Vec<usize>,
    /// Sizes of each shard.
    pub limits: ShardLimits,
    /// Seed of the jitter of retries.
    pub seed: u64,
}

impl EngineConfig {
    /// One shard on every CPU this process may use, with the usual limits.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let limits = ShardLimits::default();
        Self { data_dir: data_dir.into(), cores: Vec::new(), limits, seed: 0 }
    }
}

/// Running shards. Send orders from any thread; news come from [`Reports`].
///
/// Ends by [`Engine::stop`], which waits. Dropping it ends the shards as cleanly, but in the
/// background.
#[derive(Debug)]
pub struct Engine {
    shards: Vec<RunningShard>,
    routes: Routes,
    recent: RecentRecords,
}

#[derive(Debug)]
struct RunningShard {
    commands: Sender<EngineCommand>,
    counters: Arc<Mutex<ShardCounters>>,
    thread: JoinHandle<()>,
}

impl Engine {
    /// Checks what the system offers, then starts one pinned thread per core.
    ///
    /// Takes as long as it takes to fault the slabs in: about 0.2 s per GiB.
    ///
    /// # Errors
    ///
    /// What is missing, and how to get it. Nothing keeps running then.
    pub fn start(config: EngineConfig) -> Result<(Self, Reports), EngineError> {
        probe::check_ring().map_err(EngineError::from_ring)?;
        check(&config)?;
        let cores = cores_to_use(&config)?;
        let routes = Routes::new(cores.len());
        let (sender, reports) = reports::channel(routes.clone());
        let started = Instant::now();
        let open_files_max = open_files_per_shard(cores.len());
        let (shards, recent) = (Vec::with_capacity(cores.len()), RecentRecords::default());
        let mut engine = Self { shards, routes, recent };
        let mut kept = Vec::with_capacity(cores.len());
        for core in cores {
            let ends = ShardEnds { reports: sender.clone(), started, open_files_max };
            let (shard, recent) = start_shard(&config, engine.shards.len(), core, ends)?;
            engine.shards.push(shard);
            kept.push(recent);
        }
        engine.recent = RecentRecords::new(kept);
        Ok((engine, reports))
    }

    /// How many shards run.
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Sends an order to the shards it concerns; waits while their queues are full.
    ///
    /// Orders about one partition arrive in the order they were sent from one task. Cancelling
    /// may leave an order for all shards with some of them.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownPartition`] when it was never added, [`EngineError::ShardEnded`].
    pub async fn send(&self, command: EngineCommand) -> Result<(), EngineError> {
        for (shard, command) in self.route(command)? {
            self.sent(shard, self.shards[shard].commands.send(command).await.map_err(|e| e.0))?;
        }
        Ok(())
    }

    /// Like [`Engine::send`], blocking the thread. Not for async code.
    ///
    /// # Errors
    ///
    /// As [`Engine::send`].
    ///
    /// # Panics
    ///
    /// On a thread that runs async code.
    pub fn send_blocking(&self, command: EngineCommand) -> Result<(), EngineError> {
        for (shard, command) in self.route(command)? {
            self.sent(shard, self.shards[shard].commands.blocking_send(command).map_err(|e| e.0))?;
        }
        Ok(())
    }

    /// Like [`Engine::send`], refusing instead of waiting.
    ///
    /// # Errors
    ///
    /// As [`Engine::send`], and [`EngineError::QueueFull`]; an order for all shards may have
    /// reached some of them then, and may be sent again.
    pub fn try_send(&self, command: EngineCommand) -> Result<(), EngineError> {
        for (shard, command) in self.route(command)? {
            match self.shards[shard].commands.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Closed(command)) => self.sent(shard, Err(command))?,
                Err(TrySendError::Full(command)) => {
                    self.forget(&command);
                    return Err(EngineError::QueueFull { shard });
                }
            }
        }
        Ok(())
    }

    /// Where readers of the logs find what was written last, if
    /// [`ShardLimits::recent_buffer_count`] says that it is kept.
    #[must_use]
    pub fn recent_records(&self) -> RecentRecords {
        self.recent.clone()
    }

    /// What each shard has counted, a few microseconds ago at most while it is busy.
    #[must_use]
    pub fn counters(&self) -> Vec<ShardCounters> {
        let read =
            |shard: &RunningShard| *shard.counters.lock().unwrap_or_else(PoisonError::into_inner);
        self.shards.iter().map(read).collect()
    }

    /// Closes every log cleanly and waits until all threads have ended; blocks.
    ///
    /// Needs nobody to take reports meanwhile; the last ones stay to be taken afterwards.
    ///
    /// # Errors
    ///
    /// [`EngineError::ShardPanicked`] after a bug in a shard; the others have ended cleanly.
    pub fn stop(self) -> Result<(), EngineError> {
        let mut threads = Vec::with_capacity(self.shards.len());
        for shard in self.shards {
            // A closed channel is the order to stop, and one that finds room always.
            drop(shard.commands);
            threads.push(shard.thread);
        }
        let mut outcome = Ok(());
        for (shard, thread) in threads.into_iter().enumerate() {
            if thread.join().is_err() {
                outcome = Err(EngineError::ShardPanicked { shard });
            }
        }
        outcome
    }

    /// The shards a command concerns, with a command for each.
    fn route(&self, command: EngineCommand) -> Result<Vec<(usize, EngineCommand)>, EngineError> {
        let partition = match &command {
            EngineCommand::SetBroker { .. }
            | EngineCommand::SetSource { .. }
            | EngineCommand::RemoveSource(_)
            | EngineCommand::Stop => {
                let all = 0..self.shards.len();
                return Ok(all.map(|shard| (shard, command.clone())).collect());
            }
            EngineCommand::SetThrottle { bytes_per_second } => {
                let share = bytes_per_second.map(|rate| share_of(rate, self.shards.len()));
                let command = EngineCommand::SetThrottle { bytes_per_second: share };
                return Ok((0..self.shards.len()).map(|shard| (shard, command.clone())).collect());
            }
            EngineCommand::AddPartition(new) => {
                let shard = self.routes.assign(new.id);
                return Ok(vec![(shard, command)]);
            }
            EngineCommand::SetSourceLeader { partition, .. }
            | EngineCommand::SetLeaderEpoch { partition, .. }
            | EngineCommand::SetDivergencePolicy { partition, .. }
            | EngineCommand::SetThrottled { partition, .. }
            | EngineCommand::Pause(partition)
            | EngineCommand::Resume(partition)
            | EngineCommand::Truncate { partition, .. }
            | EngineCommand::Remove { partition, .. } => *partition,
        };
        let shard = self.routes.owner(&partition);
        let shard = shard.ok_or(EngineError::UnknownPartition { partition })?;
        Ok(vec![(shard, command)])
    }

    fn sent(&self, shard: usize, result: Result<(), EngineCommand>) -> Result<(), EngineError> {
        result.map_err(|command| {
            self.forget(&command);
            EngineError::ShardEnded { shard }
        })
    }

    /// Takes the assignment of a partition back when its order was not sent.
    fn forget(&self, command: &EngineCommand) {
        if let EngineCommand::AddPartition(new) = command {
            self.routes.removed(&new.id);
        }
    }

    /// The shard that owns a partition; for people and metrics.
    #[must_use]
    pub fn shard_of(&self, partition: &TopicIdPartition) -> Option<usize> {
        self.routes.owner(partition)
    }
}

/// What every shard of an engine gets alike.
struct ShardEnds {
    reports: ReportSender,
    started: Instant,
    open_files_max: usize,
}

fn start_shard(
    config: &EngineConfig,
    shard: usize,
    core: usize,
    ends: ShardEnds,
) -> Result<(RunningShard, Arc<KeptBuffers>), EngineError> {
    let (commands, inbox) = mpsc::channel(COMMANDS_WAITING_MAX);
    let counters = Arc::new(Mutex::new(ShardCounters::default()));
    let (ready, is_ready) = std_mpsc::channel();
    let body = ShardThread {
        index: u32::try_from(shard).expect("a machine has fewer than 2^32 cores"),
        core,
        data_dir: config.data_dir.clone(),
        limits: config.limits,
        seed: config.seed,
        open_files_max: ends.open_files_max,
        commands: inbox,
        reports: ends.reports,
        counters: Arc::clone(&counters),
        started: ends.started,
    };
    let thread =
        shard_thread::spawn(body, ready).map_err(|source| EngineError::Thread { shard, source })?;
    match is_ready.recv() {
        Ok(Ok(recent)) => Ok((RunningShard { commands, counters, thread }, recent)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(EngineError::ShardPanicked { shard }),
    }
}

fn check(config: &EngineConfig) -> Result<(), EngineError> {
    config.limits.check().map_err(|reason| EngineError::Limits { reason })?;
    let per_connection = 2 * u64::from(config.limits.connection_count_max);
    let ops = per_connection + u64::from(config.limits.writes_in_flight_max);
    if usize::try_from(ops).is_ok_and(|ops| ops > OPS_IN_FLIGHT_MAX / 2) {
        let reason = format!("{ops} operations in flight, at most {}", OPS_IN_FLIGHT_MAX / 2);
        return Err(EngineError::Limits { reason });
    }
    let refuse = |source| EngineError::DataDir { path: config.data_dir.clone(), source };
    let metadata = config.data_dir.metadata().map_err(refuse)?;
    if !metadata.is_dir() {
        return Err(refuse(std::io::ErrorKind::NotADirectory.into()));
    }
    Ok(())
}

fn cores_to_use(config: &EngineConfig) -> Result<Vec<usize>, EngineError> {
    let allowed = affinity::allowed_cpus();
    if config.cores.is_empty() {
        return if allowed.is_empty() { Err(EngineError::NoCores) } else { Ok(allowed) };
    }
    let forbidden = config.cores.iter().find(|core| !allowed.contains(core));
    match forbidden {
        Some(core) => Err(EngineError::CoreNotAllowed { core: *core, allowed }),
        None => Ok(config.cores.clone()),
    }
}

/// One shard's share of a rate: together they stay below it, but for rates of a few bytes.
fn share_of(rate: NonZeroU64, shard_count: usize) -> NonZeroU64 {
    let shards = u64::try_from(shard_count).expect("a count of cores fits 64 bits");
    NonZeroU64::new(rate.get() / shards.max(1)).unwrap_or(NonZeroU64::MIN)
}

/// Half of the process's descriptors for segment files, shared evenly.
fn open_files_per_shard(shard_count: usize) -> usize {
    let limit = probe::open_files_limit().unwrap_or(DESCRIPTORS_USUAL);
    let share = limit / 2 / u64::try_from(shard_count).expect("a count of cores fits 64 bits");
    usize::try_from(share).unwrap_or(OPEN_FILES_MAX).clamp(OPEN_FILES_MIN, OPEN_FILES_MAX)
}

/// The soft limit of most systems, when ours cannot be read.
const DESCRIPTORS_USUAL: u64 = 1024;

#[cfg(test)]
mod tests;
