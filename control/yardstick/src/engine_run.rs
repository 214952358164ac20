//! One run of the engine against a source: add every partition, wait until all have caught up.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{
    BrokerId, PartitionIndex, SourceBroker, SourceId, TopicId, TopicIdPartition, TopicName,
    TopicPartition,
};
use mirror_uring::{
    BrokerAddress, DivergencePolicy, Engine, EngineCommand, EngineConfig, EngineReport, LogConfig,
    NewPartition, PartitionEvent, RECYCLED_FILE_PREFIX, Reports, ShardCounters, ShardLimits,
};

use crate::machine::{process_cpu, thread_cpu};
use crate::measurement::Sample;
use crate::source_child::{SourceDescription, SourcePartition};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct EngineRunPlan<'a> {
    /// What is mirrored, all of it.
    pub source: &'a SourceDescription,
    /// An empty directory for the partitions is made and removed in here.
    pub directory: &'a Path,
    /// Where the engine's one shard runs.
    pub core: usize,
    /// Sizes of the shard.
    pub limits: ShardLimits,
    /// Begin with log files as retention leaves them: written before, ready to be reused.
    pub reuse_files: bool,
}

/// An engine that has been told of everything, and how far it is.
#[derive(Debug)]
pub struct EngineRun {
    engine: Engine,
    reports: Reports,
    /// Partitions that have not caught up, and where they end.
    behind: BTreeMap<TopicIdPartition, Offset>,
    log_config: LogConfig,
    data: DataDirectory,
}

/// What a run showed.
#[derive(Clone, Copy, Debug)]
pub struct EngineOutcome {
    /// From the first partition's log being open until the last one has caught up; processor
    /// time is that of the process without the calling thread.
    pub sample: Sample,
    /// The shard's counters at the end.
    pub counters: ShardCounters,
}

/// Mirrors the whole source once and removes the data.
///
/// # Errors
/// When the engine does not start, reports a fault, or is not done in [`RUN_TIME_MAX`].
pub fn run(plan: &EngineRunPlan<'_>) -> Result<EngineOutcome> {
    let mut run = EngineRun::start(plan)?;
    run.add_partitions(plan.source)?;
    let own_before = thread_cpu()?;
    run.first_event(Instant::now() + RUN_TIME_MAX)?;
    let (begun, before) = (Instant::now(), process_cpu()?);
    run.catch_up(begun + RUN_TIME_MAX)?;
    let elapsed = begun.elapsed();
    let own = thread_cpu()?.saturating_sub(own_before);
    let cpu = process_cpu()?.saturating_sub(before).saturating_sub(own);
    let counters = run.stop()?;
    Ok(EngineOutcome { sample: Sample { bytes: plan.source.bytes(), elapsed, cpu }, counters })
}

impl EngineRun {
    /// Starts an engine of one shard without partitions.
    ///
    /// # Errors
    /// When the directory cannot be made or the engine does not start.
    pub fn start(plan: &EngineRunPlan<'_>) -> Result<Self> {
        let data = DataDirectory::create(plan.directory)?;
        let mut log_config = LogConfig::default();
        if plan.reuse_files {
            log_config.segment_bytes = reusable_bytes(plan.source)?;
            leave_reusable_files(&data.path, plan.source, log_config.segment_bytes)?;
        }
        let config = EngineConfig {
            data_dir: data.path.clone(),
            cores: vec![plan.core],
            limits: plan.limits,
            seed: 1,
        };
        let (engine, reports) = Engine::start(config)?;
        let (host, port) = (plan.source.address.ip().to_string(), plan.source.address.port());
        let broker = plan.source.partitions.first().context("a source without partitions")?.leader;
        let broker = source_broker(broker)?;
        let address = BrokerAddress { host: host.into(), port };
        engine.send_blocking(EngineCommand::SetBroker { broker, address })?;
        Ok(Self { engine, reports, behind: BTreeMap::new(), log_config, data })
    }

    /// Orders every partition of the source to be mirrored.
    ///
    /// # Errors
    /// When the source describes an impossible partition or the engine has ended.
    pub fn add_partitions(&mut self, source: &SourceDescription) -> Result<()> {
        for partition in &source.partitions {
            let (mut new, end) = new_partition(partition)?;
            new.log_config = self.log_config;
            self.behind.insert(new.id, end);
            self.engine.send_blocking(EngineCommand::AddPartition(Box::new(new)))?;
        }
        Ok(())
    }

    /// Waits until every partition has caught up.
    ///
    /// # Errors
    /// When the engine reports a fault or takes longer than until `deadline`.
    pub fn catch_up(&mut self, deadline: Instant) -> Result<()> {
        while !self.behind.is_empty() {
            self.next_event(deadline)?;
        }
        Ok(())
    }

    /// Waits for the first word about a partition: its log is open.
    ///
    /// # Errors
    /// When the engine reports a fault or says nothing until `deadline`.
    pub fn first_event(&mut self, deadline: Instant) -> Result<()> {
        self.next_event(deadline)
    }

    /// Whether every partition has caught up.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.behind.is_empty()
    }

    /// What the one shard has counted so far.
    #[must_use]
    pub fn counters(&self) -> ShardCounters {
        self.engine.counters().into_iter().next().unwrap_or_default()
    }

    /// Takes reports for `time`; an engine that mirrors nothing new must go on well.
    ///
    /// # Errors
    /// When the engine reports a fault.
    pub fn idle(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if let Some(report) = self.reports.recv_timeout(left) {
                self.note(report)?;
            }
        }
        Ok(())
    }

    /// Stops the engine and removes its data.
    ///
    /// # Errors
    /// When a shard did not end cleanly.
    pub fn stop(self) -> Result<ShardCounters> {
        let counters =
            self.engine.counters().into_iter().next().context("one shard was started")?;
        self.engine.stop()?;
        drop(self.data);
        Ok(counters)
    }

    fn next_event(&mut self, deadline: Instant) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.reports.recv_timeout(left) {
            Some(report) => self.note(report),
            None => bail!("not caught up in time; counters: {:?}", self.engine.counters()),
        }
    }

    fn note(&mut self, report: EngineReport) -> Result<()> {
        let EngineReport::Partition { partition, event } = report else { return refuse(report) };
        match event {
            PartitionEvent::Loaded { .. } | PartitionEvent::EpochBegan { .. } => {}
            PartitionEvent::Progress(progress) => {
                let end = self.behind.get(&partition).copied();
                if end.is_some_and(|end| progress.log_end.offset() >= end) {
                    self.behind.remove(&partition);
                }
            }
            PartitionEvent::DiskFault { reason, .. } => bail!(
                "the disk refused partition {}: {reason}; see that there is room, and that \
                 `ulimit -n` allows two files for each partition and more",
                partition.partition.get()
            ),
            other => bail!("{partition:?}: {other:?}"),
        }
        Ok(())
    }
}

fn refuse(report: EngineReport) -> Result<()> {
    match report {
        EngineReport::BrokerReachable { .. } => Ok(()),
        EngineReport::BrokerUnreachable { reason, .. } => {
            bail!("the source ended or does not answer: {reason}")
        }
        other => bail!("the engine reports {other:?}"),
    }
}

fn source_broker(id: i32) -> Result<SourceBroker> {
    let broker = BrokerId::from_wire(id).context("an illegal broker id")?;
    Ok(SourceBroker { source: SourceId::new(0), broker })
}

fn new_partition(described: &SourcePartition) -> Result<(NewPartition, Offset)> {
    let topic = TopicName::parse(&described.topic).context("an illegal topic name")?;
    let topic_id = TopicId::parse(&described.topic_id).context("an illegal topic id")?;
    let partition = PartitionIndex::from_wire(described.partition).context("a negative number")?;
    let end = Offset::from_wire(described.end_offset).context("a negative end offset")?;
    ensure!(end > Offset::ZERO, "{topic:?}-{partition:?} is empty: it would never progress");
    let new = NewPartition {
        id: TopicIdPartition { topic_id, partition },
        name: TopicPartition { topic, partition },
        source_topic: None,
        source_has_topic_ids: true,
        leader: source_broker(described.leader)?,
        source_epoch: None,
        leader_epoch: LeaderEpoch::from_wire(1).context("a legal epoch")?,
        log_config: LogConfig::default(),
        recovery_point: None,
        log_start: None,
        clean: false,
        on_divergence: DivergencePolicy::Fail,
    };
    Ok((new, end))
}

/// Size of segments of which three hold a whole partition: the first is always a new file.
fn reusable_bytes(source: &SourceDescription) -> Result<u32> {
    let each = source.bytes() / u64::try_from(source.partitions.len())?.max(1);
    let third = each / 3 + each / 64;
    Ok(u32::try_from(third.next_multiple_of(1 << 20))?)
}

/// Writes the files that a partition's retired segments would have left.
fn leave_reusable_files(root: &Path, source: &SourceDescription, bytes: u32) -> Result<()> {
    let chunk = vec![0x5a; 1 << 20];
    for partition in &source.partitions {
        let directory = root.join(format!("{}-{}", partition.topic, partition.partition));
        fs::create_dir_all(&directory)?;
        for number in 0..2 {
            let name = format!("{RECYCLED_FILE_PREFIX}{number}");
            let file = fs::File::create(directory.join(name))?;
            for _ in 0..bytes >> 20 {
                (&file).write_all(&chunk)?;
            }
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// A directory of its own for each run; removed when dropped.
#[derive(Debug)]
struct DataDirectory {
    path: PathBuf,
}

impl DataDirectory {
    fn create(parent: &Path) -> Result<Self> {
        let path = parent.join(format!("perf-mirror-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        // Nothing else can be done about a directory that does not go away.
        let _ = fs::remove_dir_all(&self.path);
        // What the disk still has to do must not slow down what is measured next.
        rustix::fs::sync();
    }
}

/// A run that takes longer is stuck.
pub const RUN_TIME_MAX: Duration = Duration::from_secs(300);
