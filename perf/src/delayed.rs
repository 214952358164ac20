//! Mirroring from a source at the far end of a long link.
//!
//! Every round mirrors from the same synthetic source across the same link, by a node as it is and
//! by one that asks for large responses, and receives from it without mirroring: that is the limit.
//! `delayed_peers` has the same links with a real broker at their far end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::delayed_row::{DelayedRounds, DelayedRow};
use crate::fetch_client::{DiscardPlan, discard};
use crate::long_link::{FAR, LinkOrder, LongLink};
use crate::machine::{CorePair, WARM_UP, warm_up};
use crate::memory_cap::NodeMemory;
use crate::needed_process::{NeededProcess, cause};
use crate::peers::CopyPlan;
use crate::peers::produced_topic::ProducedTopic;
use crate::peers::timed_copy::mirror_for;
use crate::served_logs::WorkDirectory;
use crate::source_child::{SourceChild, SourceChildSpec};

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

impl DelayedPlan {
    /// The scenarios that are asked for.
    #[must_use]
    pub fn chosen(&self) -> Vec<Scenario> {
        let is_chosen =
            |name: &str| self.scenarios.is_empty() || self.scenarios.iter().any(|it| it == name);
        SCENARIOS.into_iter().filter(|scenario| is_chosen(scenario.name)).collect()
    }

    pub(crate) fn link_order(&self, scenario: &Scenario) -> LinkOrder {
        let round_trip = Duration::from_millis(scenario.round_trip_ms);
        let bytes = self.socket_bytes_max;
        LinkOrder::new(round_trip, scenario.loss, scenario.congestion_control, bytes)
    }
}

/// Measures the scenarios; `tell` hears what was measured as it goes.
///
/// # Errors
/// When the link, the node, the source or the disk refuses.
pub fn measure(plan: &DelayedPlan, mut tell: impl FnMut(&str)) -> Result<Vec<DelayedRow>> {
    let root = WorkDirectory::create(&plan.directory, "perf-delayed")?;
    root.check_room(SOURCE_BYTES + SOURCE_BYTES / 4)?;
    let mut bench = Bench { plan, root: &root.path, link: LongLink::start(plan.mtu)? };
    let memory = NodeMemory::of(&plan.ringmirror)?;
    let rounds = |scenario| (scenario, DelayedRounds::with_tries(plan.tries_max, memory));
    let mut chosen: Vec<_> = plan.chosen().into_iter().map(rounds).collect();
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
        let order = plan.link_order(scenario);
        self.link.set(&order)?;
        let cores = CorePair::choose()?;
        let spec = SourceChildSpec {
            core: cores.sender,
            partitions: scenario.partitions,
            partition_bytes: SOURCE_BYTES / u64::from(scenario.partitions),
            batch_bytes: BATCH_BYTES,
            record_bytes: RECORD_BYTES,
        };
        // Connections keep what they learned of the link: each round has a new source.
        let source = SourceChild::start_at(&spec, FAR, &self.link.run_by())?;
        let synthetic = NeededProcess::new("the synthetic source", source.id(), None);
        let needed = [synthetic, self.link.process()];
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
        let topic = ProducedTopic::synthetic(source.description(), BATCH_BYTES, RECORD_BYTES);
        let directory = self.root.join("data");
        let spent = self.root.join("spent");
        let copied = topic.copy_plan(source.description().address, &directory, &spent)?;
        let copy = CopyPlan { needed: &needed, ..copied };
        let large = self.ask_for(plan.response_bytes)?;
        let ran = self.run(rounds, &received, &copy, &large);
        ran.map_err(|error| cause(error, &needed))?;
        rounds.packets.push(self.link.set(&order)?.homeward);
        Ok(())
    }

    /// Everybody once.
    fn run(
        &self,
        rounds: &mut DelayedRounds,
        received: &DiscardPlan<'_>,
        copy: &CopyPlan<'_>,
        large: &[String],
    ) -> Result<()> {
        let ours: Vec<u32> = copy.needed.iter().map(NeededProcess::id).collect();
        rounds.receive.round_with_children(&ours, || discard(received))?;
        let (time, ringmirror) = (self.plan.run_time, &self.plan.ringmirror);
        let mut mirror = |options| mirror_for(time, copy, ringmirror, options, &mut rounds.memory);
        rounds.large.round_with_children(&ours, || mirror(large))?;
        rounds.standard.round_with_children(&ours, || mirror(&[]))?;
        Ok(())
    }

    /// Options of a node that asks for so many bytes in a response.
    fn ask_for(&self, bytes: u32) -> Result<[String; 2]> {
        let path = self.root.join("source.properties");
        fs::write(&path, format!("fetch.max.bytes={bytes}\nmax.partition.fetch.bytes={bytes}\n"))?;
        Ok(["--command-config".to_owned(), path.display().to_string()])
    }
}

/// The usual congestion control.
pub(crate) const CUBIC: &str = "cubic";
const BBR: &str = "bbr";
const LOSS: f64 = 0.01;
/// Bytes at the source, all partitions together: more than a run gets through.
const SOURCE_BYTES: u64 = 8 << 30;
/// Responses of 1 MiB that are asked for ahead, all connections together.
const REQUESTS_ON_THE_WAY: usize = 128;
const BATCH_BYTES: u32 = 16 << 10;
const RECORD_BYTES: u32 = 1024;
