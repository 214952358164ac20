//! Mirroring from a source at the far end of a long link.
//!
//! Every round mirrors from the same synthetic source across the same link, by a node as it is and
//! by one that asks for large responses, and receives from it without mirroring: that is the limit.
//! A run lasts until all is mirrored, or a given time: what a lossy link leaves of a rate is seen
//! as well in ten seconds as in ten minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::delayed_row::{DelayedRounds, DelayedRow};
use crate::fetch_client::{DiscardPlan, discard};
use crate::kafka_client::{KafkaClient, LogEdge};
use crate::long_link::{FAR, LinkOrder, LongLink};
use crate::machine::{CorePair, WARM_UP, warm_up};
use crate::measurement::Sample;
use crate::served_logs::WorkDirectory;
use crate::server_process::{ServerProcess, mirror_options};
use crate::source_child::{SourceChild, SourceChildSpec, TOPIC};

/// How to measure.
#[derive(Clone, Debug)]
pub struct DelayedPlan {
    /// Where the node mirrors to; all of it is removed.
    pub directory: PathBuf,
    /// The program under measurement.
    pub ringmirror: PathBuf,
    /// Rounds of every scenario, interleaved.
    pub rounds: u32,
    /// Which scenarios; all when empty.
    pub scenarios: Vec<String>,
    /// Longest time of one run.
    pub run_time: Duration,
    /// Largest packet.
    pub mtu: u16,
    /// The most that a socket's buffers grow to, at both ends.
    pub socket_bytes_max: u32,
    /// Bytes in one response that the second node asks for.
    pub response_bytes: u32,
    /// Tries at a round that other work disturbs, before it is taken after all.
    pub tries_max: u32,
}

/// A link, and how much goes through it.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// There and back.
    pub round_trip_ms: u64,
    /// The share of packets that is lost.
    pub loss: f64,
    /// Congestion control of both ends.
    pub congestion_control: &'static str,
    /// Partitions mirrored.
    pub partitions: u32,
}

/// All scenarios, in the order of rows.
pub const SCENARIOS: [Scenario; 8] = [
    scenario("delay-40ms-1part", 40, 0.0, CUBIC, 1),
    scenario("delay-40ms-8part", 40, 0.0, CUBIC, 8),
    scenario("delay-80ms-1part", 80, 0.0, CUBIC, 1),
    scenario("delay-80ms-8part", 80, 0.0, CUBIC, 8),
    scenario("delay-40ms-loss-cubic-8part", 40, LOSS, CUBIC, 8),
    scenario("delay-40ms-loss-bbr-8part", 40, LOSS, BBR, 8),
    scenario("delay-80ms-loss-cubic-1part", 80, LOSS, CUBIC, 1),
    scenario("delay-80ms-loss-bbr-1part", 80, LOSS, BBR, 1),
];

const fn scenario(
    name: &'static str,
    round_trip_ms: u64,
    loss: f64,
    congestion_control: &'static str,
    partitions: u32,
) -> Scenario {
    Scenario { name, round_trip_ms, loss, congestion_control, partitions }
}

/// Measures the scenarios; `tell` hears what was measured as it goes.
///
/// # Errors
/// When the link, the node, the source or the disk refuses.
pub fn measure(plan: &DelayedPlan, mut tell: impl FnMut(&str)) -> Result<Vec<DelayedRow>> {
    let root = WorkDirectory::create(&plan.directory, "perf-delayed")?;
    root.check_room(SOURCE_BYTES + SOURCE_BYTES / 4)?;
    let mut bench = Bench { plan, root: &root.path, link: LongLink::start(plan.mtu)? };
    let is_chosen =
        |name: &str| plan.scenarios.is_empty() || plan.scenarios.iter().any(|it| it == name);
    let chosen = SCENARIOS.into_iter().filter(|scenario| is_chosen(scenario.name));
    let rounds = |scenario| (scenario, DelayedRounds::with_tries(plan.tries_max));
    let mut chosen: Vec<_> = chosen.map(rounds).collect();
    warm_up(WARM_UP)?;
    for number in 1..=plan.rounds {
        for (scenario, rounds) in &mut chosen {
            bench.round(scenario, rounds)?;
            tell(&format!("round {number} {}: {}", scenario.name, rounds.last_text()));
        }
    }
    Ok(chosen.iter().map(|(scenario, rounds)| rounds.row(scenario, plan)).collect())
}

struct Bench<'a> {
    plan: &'a DelayedPlan,
    root: &'a Path,
    link: LongLink,
}

impl Bench<'_> {
    fn round(&mut self, scenario: &Scenario, rounds: &mut DelayedRounds) -> Result<()> {
        let plan = self.plan;
        let order = LinkOrder::new(
            Duration::from_millis(scenario.round_trip_ms),
            scenario.loss,
            scenario.congestion_control,
            plan.socket_bytes_max,
        );
        self.link.set(&order)?;
        let cores = CorePair::choose()?;
        let spec = SourceChildSpec {
            core: cores.sender,
            partitions: scenario.partitions,
            partition_bytes: SOURCE_BYTES / u64::from(scenario.partitions),
            batch_bytes: 16 << 10,
            record_bytes: 1024,
        };
        // Connections keep what they learned of the link: each round has a new source.
        let source = SourceChild::start_at(&spec, FAR, &self.link.run_by())?;
        let ours = [source.id(), self.link.id()];
        let connections = usize::try_from(scenario.partitions)?;
        let received = DiscardPlan {
            source: source.description(),
            core: cores.receiver,
            connections,
            // As much on the way as the sockets take, so that the source never waits.
            requests_in_flight: REQUESTS_ON_THE_WAY.div_ceil(connections),
            response_bytes: 1 << 20,
            time: plan.run_time,
        };
        rounds.receive.round_with_children(&ours, || discard(&received))?;
        rounds
            .large
            .round_with_children(&ours, || self.mirror(&source, Some(plan.response_bytes)))?;
        rounds.standard.round_with_children(&ours, || self.mirror(&source, None))?;
        rounds.packets.push(self.link.set(&order)?.homeward);
        Ok(())
    }

    /// Mirrors into a new directory, which is removed.
    fn mirror(&self, source: &SourceChild, response_bytes: Option<u32>) -> Result<Sample> {
        let directory = self.root.join("data");
        let mut options = mirror_options(source.description().address, ".*");
        if let Some(bytes) = response_bytes {
            let path = self.root.join("source.properties");
            fs::write(
                &path,
                format!("fetch.max.bytes={bytes}\nmax.partition.fetch.bytes={bytes}\n"),
            )?;
            options.extend(["--command-config".to_owned(), path.display().to_string()]);
        }
        let mut node = ServerProcess::start_node_with(&self.plan.ringmirror, &directory, &options)?;
        let sample = watch(&mut node, source, self.plan.run_time);
        // A node that fails is more worth telling than what it did not do.
        let stopped = node.stop();
        fs::remove_dir_all(&directory)?;
        // What the disk still has to do must not slow down what is measured next.
        rustix::fs::sync();
        stopped.and(sample)
    }
}

/// Waits until all is mirrored or the time is over. The clock runs from the first sight of mirrored
/// records; those that were there at that moment do not count.
fn watch(node: &mut ServerProcess, source: &SourceChild, time: Duration) -> Result<Sample> {
    let partitions = &source.description().partitions;
    let count = i32::try_from(partitions.len())?;
    let end: i64 = partitions.iter().map(|log| log.end_offset).sum();
    let mirrored = |client: &mut KafkaClient| -> Result<Option<i64>> {
        let ends = client.offsets(TOPIC, count, LogEdge::End)?;
        Ok(ends.map(|ends| ends.iter().sum()))
    };
    let first = node.wait_until("mirroring the first record", |client| {
        Ok(mirrored(client)?.filter(|records| *records > 0))
    })?;
    let (begun, before) = (Instant::now(), node.cpu()?);
    let mut client = KafkaClient::connect(node.address())?;
    let mut last = first;
    while last < end && begun.elapsed() < time {
        thread::sleep(LOOK_PAUSE);
        last = mirrored(&mut client)?.context("the topic is gone")?;
    }
    let (elapsed, after) = (begun.elapsed(), node.cpu()?);
    let records = u128::try_from(last - first)? * u128::from(source.description().bytes());
    let bytes = u64::try_from(records / u128::try_from(end)?)?;
    Ok(Sample { bytes, elapsed, cpu: after.saturating_sub(before) })
}

const CUBIC: &str = "cubic";
const BBR: &str = "bbr";
const LOSS: f64 = 0.01;
/// Bytes at the source, all partitions together: more than a run gets through.
const SOURCE_BYTES: u64 = 8 << 30;
/// Responses of 1 MiB that are asked for ahead, all connections together.
const REQUESTS_ON_THE_WAY: usize = 128;
const LOOK_PAUSE: Duration = Duration::from_millis(5);
