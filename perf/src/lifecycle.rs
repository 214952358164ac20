//! What very many mirrored partitions cost `ringmirror node`: starting, resting, stopping, the
//! source going away, one partition that cannot go on.
//!
//! The source is in this process, the node in one of its own. States are asked for over the wire,
//! so every time is as an operator sees it, longer by a look at most.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicName, TopicPartition};
use serde::Serialize;

use crate::machine::{ratio_f64, resident_bytes_of};
use crate::memory_cap::NodeMemory;
use crate::mirrors_client::MirrorsClient;
use crate::served_logs::WorkDirectory;
use crate::server_process::ServerProcess;
use crate::synthetic_source::SyntheticSource;
use crate::synthetic_source::spec::{BatchContent, LogSize, SyntheticSpec, TopicSpec};

/// How to measure.
#[derive(Clone, Debug)]
pub struct LifecyclePlan {
    /// Where the node keeps its data; all of it is removed.
    pub directory: PathBuf,
    /// The program under measurement.
    pub ringmirror: PathBuf,
    /// Partitions mirrored, in topics of a hundred.
    pub partitions: u32,
    /// What is measured after the first start.
    pub phases: Vec<Phase>,
}

/// A part of the measurement; the first start comes before all, the rest in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    /// Memory and processor time while nothing happens.
    Rest,
    /// The source goes away and comes back.
    Flap,
    /// The node is stopped and started, then killed and started.
    Restart,
    /// One partition cannot go on.
    Poison,
    /// Every topic is stopped; then the node is started again, after a stop and a kill.
    StopAll,
}

/// What was measured; times in seconds, 0 in phases that were left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LifecycleRow {
    /// Partitions mirrored.
    pub partitions: u32,
    /// From the order to start to all MIRRORING, logs made on the way.
    pub first_start: f64,
    /// From the order to start to every record here.
    pub caught_up: f64,
    /// Memory that the node holds at rest, of that what its buffers take.
    pub resident_mib: f64,
    /// Most memory that any of the nodes held at any time.
    pub resident_mib_max: f64,
    /// Most that a node may take; 0 when it knows no such limit.
    pub memory_mib_max: f64,
    /// Processor time at rest, per second.
    pub idle_cpu: f64,
    /// From the source's return, after ten seconds, to all MIRRORING.
    pub source_flap: f64,
    /// From the launch of a node that was stopped to its first answer, and to all MIRRORING.
    pub restart: (f64, f64),
    /// How long the stop of the node took before that.
    pub node_stop: f64,
    /// The same after `kill -9`.
    pub restart_after_kill: (f64, f64),
    /// From a cut at the source to the FAILED of its partition.
    pub poisoned: f64,
    /// Records mirrored in ten seconds from that cut on, over those in ten seconds before.
    pub poisoned_rate_ratio: f64,
    /// From the order to stop every topic to all STOPPED.
    pub stop_all: f64,
    /// From the launch of a node all of whose partitions are STOPPED to its first answer.
    pub restart_stopped: f64,
    /// The same after `kill -9`.
    pub restart_stopped_after_kill: f64,
}

/// Measures; `tell` hears each figure as it comes.
///
/// # Errors
/// When the node or the disk refuses, or a state is not reached in time.
pub fn measure(plan: &LifecyclePlan, mut tell: impl FnMut(&str)) -> Result<LifecycleRow> {
    let root = WorkDirectory::create(&plan.directory, "perf-lifecycle")?;
    let mut spec = source_spec(plan.partitions)?;
    let mut source = SyntheticSource::start(&spec)?;
    spec.listen = source.brokers().first().context("a source has a broker")?.1;
    let node = Run::launch(plan, &root)?;
    let mut row = LifecycleRow { partitions: plan.partitions, ..LifecycleRow::default() };
    let memory = NodeMemory::of(&plan.ringmirror)?;
    row.memory_mib_max = mib(memory.memory_bytes_max.unwrap_or(0));
    let mut run = Run { plan, root: &root, node, memory };

    let mut client = run.client()?;
    client.create(&source.bootstrap())?;
    let begun = Instant::now();
    client.start_all()?;
    tell(&format!("the order to start was answered after {:.2} s", seconds(begun)));
    row.first_start = run.until_all("MIRRORING", begun)?;
    row.caught_up = run.until_caught_up(begun)?;
    tell(&format!("first start {:.2} s, caught up {:.2} s", row.first_start, row.caught_up));

    for phase in <Phase as clap::ValueEnum>::value_variants() {
        if plan.phases.contains(phase) {
            source = run.measure(*phase, source, &spec, &mut row, &mut tell)?;
        }
    }
    run.note_memory()?;
    row.resident_mib_max = mib(run.memory.resident_bytes_max);
    Ok(row)
}

struct Run<'a> {
    plan: &'a LifecyclePlan,
    root: &'a WorkDirectory,
    node: ServerProcess,
    /// Of all nodes so far, when they were looked at last.
    memory: NodeMemory,
}

impl Run<'_> {
    fn launch(plan: &LifecyclePlan, root: &WorkDirectory) -> Result<ServerProcess> {
        let data = root.path.join("data");
        let mut node = ServerProcess::start_node(&plan.ringmirror, &data, None)?;
        node.wait_until("its first answer", |client| Ok(Some(client.offsets("none", 0, END)?)))?;
        Ok(node)
    }

    /// Returns the source that runs afterwards.
    fn measure(
        &mut self,
        phase: Phase,
        source: SyntheticSource,
        spec: &SyntheticSpec,
        row: &mut LifecycleRow,
        tell: &mut impl FnMut(&str),
    ) -> Result<SyntheticSource> {
        match phase {
            Phase::Rest => {
                (row.resident_mib, row.idle_cpu) = self.rest()?;
                tell(&format!(
                    "{:.0} MiB resident, {:.3} s/s idle",
                    row.resident_mib, row.idle_cpu
                ));
            }
            Phase::Flap => {
                source.stop();
                thread::sleep(FLAP);
                tell(&format!("states without the source: {:?}", self.client()?.states()?));
                let source = SyntheticSource::start(spec)?;
                row.source_flap = self.until_all("MIRRORING", Instant::now())?;
                tell(&format!("source flap {:.2} s", row.source_flap));
                return Ok(source);
            }
            Phase::Restart => {
                row.node_stop = self.stop()?;
                row.restart = self.restart("MIRRORING")?;
                tell(&format!("node stop {:.2} s, restart {:.2?} s", row.node_stop, row.restart));
                self.kill()?;
                row.restart_after_kill = self.restart("MIRRORING")?;
                tell(&format!("restart after kill -9 {:.2?} s", row.restart_after_kill));
            }
            Phase::Poison => {
                (row.poisoned, row.poisoned_rate_ratio) = self.poison(&source)?;
                let ratio = row.poisoned_rate_ratio;
                tell(&format!("poisoned: FAILED after {:.2} s, rate {ratio:.3}", row.poisoned));
            }
            Phase::StopAll => self.measure_stop_of_all(row, tell)?,
        }
        Ok(source)
    }

    fn measure_stop_of_all(
        &mut self,
        row: &mut LifecycleRow,
        tell: &mut impl FnMut(&str),
    ) -> Result<()> {
        let begun = Instant::now();
        self.client()?.stop_all()?;
        tell(&format!("the order to stop was answered after {:.2} s", seconds(begun)));
        row.stop_all = self.until_all("STOPPED", begun)?;
        tell(&format!("stop of all {:.2} s", row.stop_all));
        self.until_at_rest(begun)?;
        tell(&format!("at rest {:.2} s after the order", seconds(begun)));
        let stopped = self.stop()?;
        row.restart_stopped = self.restart("STOPPED")?.0;
        tell(&format!("node stop {stopped:.2} s, restart {:.2} s", row.restart_stopped));
        self.kill()?;
        row.restart_stopped_after_kill = self.restart("STOPPED")?.0;
        tell(&format!("restart after kill -9 {:.2} s", row.restart_stopped_after_kill));
        Ok(())
    }

    fn client(&self) -> Result<MirrorsClient> {
        MirrorsClient::connect(self.node.address())
    }

    /// Waits until every partition has the state; seconds since `begun`.
    fn until_all(&self, state: &str, begun: Instant) -> Result<f64> {
        let mut client = self.client()?;
        let wanted = usize::try_from(self.plan.partitions)?;
        loop {
            let looked = Instant::now();
            let states = client.states()?;
            if states.get(state) == Some(&wanted) {
                return Ok(seconds(begun));
            }
            ensure!(begun.elapsed() < WAIT_MAX, "not all are {state} in {WAIT_MAX:?}: {states:?}");
            // Looks are a third of the node's work at most.
            thread::sleep(LOOK_PAUSE.max(looked.elapsed() * 2));
        }
    }

    fn until_caught_up(&self, begun: Instant) -> Result<f64> {
        while self.records()? < u64::from(self.plan.partitions) {
            ensure!(begun.elapsed() < WAIT_MAX, "not all is mirrored in {WAIT_MAX:?}");
            thread::sleep(LOOK_PAUSE);
        }
        Ok(seconds(begun))
    }

    /// Records here, those of the first topics of as many as are asked at a time.
    fn records(&self) -> Result<u64> {
        let mut client = crate::kafka_client::KafkaClient::connect(self.node.address())?;
        let mut sum = 0;
        for topic in 0..topic_count(self.plan.partitions) {
            let count = topic_partitions(self.plan.partitions, topic);
            let ends = client.offsets(&topic_name(topic), count, END)?;
            sum += ends.map_or(0, |ends| ends.iter().sum::<i64>());
        }
        Ok(u64::try_from(sum)?)
    }

    /// Waits until the node does nothing any more, not even what it leaves for a quiet moment.
    fn until_at_rest(&self, begun: Instant) -> Result<()> {
        thread::sleep(SETTLE);
        loop {
            let before = self.node.cpu()?;
            thread::sleep(SETTLE);
            if self.node.cpu()?.saturating_sub(before) < AT_REST_CPU_MAX {
                return Ok(());
            }
            ensure!(begun.elapsed() < WAIT_MAX, "the node does not come to rest in {WAIT_MAX:?}");
        }
    }

    /// Memory in MiB and processor time per second, while nothing happens.
    fn rest(&self) -> Result<(f64, f64)> {
        thread::sleep(SETTLE);
        let before = self.node.cpu()?;
        thread::sleep(REST);
        let cpu = self.node.cpu()?.saturating_sub(before);
        let resident = resident_bytes_of(self.node.id())?;
        Ok((mib(resident), cpu.as_secs_f64() / REST.as_secs_f64()))
    }

    /// Notes what the node had resident at most; what it takes to end is not seen.
    fn note_memory(&mut self) -> Result<()> {
        self.memory.note(self.node.id())
    }

    fn kill(&mut self) -> Result<()> {
        self.note_memory()?;
        self.node.kill()
    }

    fn stop(&mut self) -> Result<f64> {
        self.note_memory()?;
        let begun = Instant::now();
        self.node.stop()?;
        Ok(seconds(begun))
    }

    /// Seconds to the first answer, and to all partitions in `state`.
    fn restart(&mut self, state: &str) -> Result<(f64, f64)> {
        let begun = Instant::now();
        self.node = Self::launch(self.plan, self.root)?;
        let served = seconds(begun);
        Ok((served, self.until_all(state, begun)?))
    }

    /// Cuts one log at the source below what is here, while others grow at a steady pace.
    fn poison(&self, source: &SyntheticSource) -> Result<(f64, f64)> {
        let growing = (1..=GROWING.min(self.plan.partitions - 1)).map(partition);
        let growing = growing.collect::<Result<Vec<_>>>()?;
        let (mut failed, mut rates) = (0.0, [0.0; 2]);
        for (round, rate) in rates.iter_mut().enumerate() {
            let (begun, before) = (Instant::now(), self.records()?);
            let mut next = begun;
            if round == 1 {
                source.unclean_election(&partition(0)?, Offset::ZERO)?;
            }
            while begun.elapsed() < ROUND {
                for partition in &growing {
                    source.append(partition, 1)?;
                }
                if round == 1 && failed == 0.0 && self.client()?.states()?.contains_key("FAILED") {
                    failed = seconds(begun);
                }
                next += PACE;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            *rate = ratio_f64(self.records()? - before) / seconds(begun);
        }
        ensure!(failed > 0.0, "the poisoned partition did not fail");
        Ok((failed, rates[1] / rates[0]))
    }
}

impl LifecycleRow {
    /// A line for each figure, with what is allowed at 50,000 partitions.
    #[must_use]
    pub fn text(&self) -> String {
        let (restart, killed) = (self.restart, self.restart_after_kill);
        let cap = format!("{:.0}", self.memory_mib_max);
        let figures = [
            ("first start until all MIRRORING, s", self.first_start, "10"),
            ("first start until caught up, s", self.caught_up, "-"),
            ("resident, MiB", self.resident_mib, "1024"),
            ("resident at most, of the cap, MiB", self.resident_mib_max, cap.as_str()),
            ("processor at rest, s/s", self.idle_cpu, "0.05"),
            ("source back until all MIRRORING, s", self.source_flap, "10"),
            ("stop of the node, s", self.node_stop, "10"),
            ("restart until served, s", restart.0, "-"),
            ("restart until all MIRRORING, s", restart.1, "10"),
            ("restart after kill -9 until served, s", killed.0, "-"),
            ("restart after kill -9 until all MIRRORING, s", killed.1, "10"),
            ("poisoned partition until FAILED, s", self.poisoned, "-"),
            ("rate of others, after over before", self.poisoned_rate_ratio, "0.99"),
            ("stop of all until STOPPED, s", self.stop_all, "10"),
            ("restart, all STOPPED, until served, s", self.restart_stopped, "-"),
            ("the same after kill -9, s", self.restart_stopped_after_kill, "-"),
        ];
        let mut text = format!("{} partitions {:>30} {:>8}", self.partitions, "figure", "goal");
        // Of phases that were left out there is no line.
        for (what, figure, goal) in figures.into_iter().filter(|(_, figure, _)| *figure > 0.0) {
            let _ = write!(text, "\n{what:<46} {figure:>8.3} {goal:>8}");
        }
        text
    }
}

fn source_spec(partitions: u32) -> Result<SyntheticSpec> {
    let content = BatchContent {
        record_bytes: 100,
        batch_bytes: 1,
        cycle_bytes: 64 << 10,
        ..BatchContent::default()
    };
    let topic = |index| {
        let name = TopicName::parse(&topic_name(index)).context("a legal name")?;
        let count = topic_partitions(partitions, index);
        let topic = TopicSpec::new(name, count, LogSize::Batches(1));
        Ok(TopicSpec { content: content.clone(), ..topic })
    };
    let topics = (0..topic_count(partitions)).map(topic).collect::<Result<_>>()?;
    Ok(SyntheticSpec { topics, ..SyntheticSpec::default() })
}

fn partition(index: u32) -> Result<TopicPartition> {
    let topic = TopicName::parse(&topic_name(index / TOPIC_PARTITIONS)).context("a legal name")?;
    let index = i32::try_from(index % TOPIC_PARTITIONS)?;
    let partition = PartitionIndex::from_wire(index).context("an index")?;
    Ok(TopicPartition { topic, partition })
}

const fn topic_count(partitions: u32) -> u32 {
    partitions.div_ceil(TOPIC_PARTITIONS)
}

fn topic_partitions(partitions: u32, topic: u32) -> i32 {
    let left = partitions - topic * TOPIC_PARTITIONS;
    i32::try_from(left.min(TOPIC_PARTITIONS)).unwrap_or(i32::MAX)
}

fn topic_name(index: u32) -> String {
    format!("topic-{index:05}")
}

fn mib(bytes: u64) -> f64 {
    ratio_f64(bytes) / f64::from(1 << 20)
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

const END: crate::kafka_client::LogEdge = crate::kafka_client::LogEdge::End;
const TOPIC_PARTITIONS: u32 = 100;
/// Whoever is not there by then is not measured but broken.
const WAIT_MAX: Duration = Duration::from_secs(300);
const LOOK_PAUSE: Duration = Duration::from_millis(50);
const SETTLE: Duration = Duration::from_secs(10);
/// Processor time of a node at rest, in [`SETTLE`].
const AT_REST_CPU_MAX: Duration = Duration::from_millis(500);
const REST: Duration = Duration::from_secs(20);
const FLAP: Duration = Duration::from_secs(10);
/// Partitions that grow while another one fails.
const GROWING: u32 = 100;
const ROUND: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_millis(100);
