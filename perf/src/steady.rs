//! From the moment a record is due at the source until a consumer of the mirror has it.
//!
//! One source broker has a topic for each reader of it: one that `ringmirror node` mirrors, one
//! that a second broker of the source's cluster follows, one that nobody copies. A round sends
//! records at a fixed rate to one of them, and a consumer waits for them at the copy; the others
//! have nothing to do. The topic without a copy shows what the source and our clients take.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::kafka_client::{KafkaClient, LogEdge};
use crate::latency_row::{LatencyRound, micros};
use crate::log_fetcher::{FetchSettings, LogFetcher};
use crate::machine::{WARM_UP, warm_up};
use crate::measurement::{CalmRound, Round, order_of_round};
use crate::memory_cap::NodeMemory;
use crate::needed_process::{NeededProcess, cause};
use crate::paced_producer::{ProducePlan, Schedule};
use crate::served_logs::WorkDirectory;
use crate::server_process::{ServerProcess, mirror_options};
use crate::steady_row::{RoundsOfReaders, SteadyRow};
use crate::stock_broker;
use crate::timed_consumer::produce_and_consume;

/// How to measure.
#[derive(Clone, Debug)]
pub struct SteadyPlan {
    /// Where the servers have their data; all of it is removed.
    pub directory: PathBuf,
    /// The program under measurement.
    pub ringmirror: PathBuf,
    /// Rounds of every reader, interleaved.
    pub rounds: u32,
    /// Rounds before them that do not count.
    pub warm_up_rounds: u32,
    /// Length of a round.
    pub round_time: Duration,
    /// Records per second; half of what all readers sustain when not given.
    pub records_per_second: Option<u32>,
    /// Bytes of each record's value.
    pub record_bytes: usize,
    /// Tries at a round that other work disturbs, before it is taken after all.
    pub tries_max: u32,
}

/// Where the consumer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// At `ringmirror node`.
    Node,
    /// At a broker that follows the source.
    Follower,
    /// At the source itself.
    Source,
}

impl Reader {
    /// All, in the order of rows.
    pub const ALL: [Self; 3] = [Self::Node, Self::Follower, Self::Source];

    /// Its name in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Follower => "follower",
            Self::Source => "source",
        }
    }

    const fn topic(self) -> &'static str {
        match self {
            Self::Node => "steady-node",
            Self::Follower => "steady-follower",
            Self::Source => "steady-source",
        }
    }

    /// Brokers that have its topic, the leader first.
    const fn brokers(self) -> &'static [i32] {
        match self {
            Self::Node | Self::Source => &[SOURCE_ID],
            Self::Follower => &[SOURCE_ID, FOLLOWER_ID],
        }
    }
}

/// Measures; `tell` hears what was measured as it goes.
///
/// # Errors
/// When a server or a client refuses.
pub fn measure(plan: &SteadyPlan, mut tell: impl FnMut(&str)) -> Result<SteadyRow> {
    let root = WorkDirectory::create(&plan.directory, "perf-steady")?;
    let servers = Servers::start(plan, &root)?;
    let measured = measure_with(&servers, plan, &mut tell);
    measured.map_err(|error| cause(error, &servers.needed()))
}

fn measure_with(
    servers: &Servers,
    plan: &SteadyPlan,
    tell: &mut impl FnMut(&str),
) -> Result<SteadyRow> {
    let ids = servers.needed().map(|server| server.id());
    let mut memory = NodeMemory::of(&plan.ringmirror)?;
    warm_up(WARM_UP)?;
    let rate = match plan.records_per_second {
        Some(rate) => rate,
        None => servers.half_load(plan, tell)?,
    };
    tell(&format!("{rate} records of {} bytes per second", plan.record_bytes));
    let mut rounds = RoundsOfReaders::default();
    for round in Round::all(plan.warm_up_rounds, plan.rounds) {
        for &reader in order_of_round(&Reader::ALL, round.number) {
            let tries_max = round.tries_max(plan.tries_max);
            let run = || servers.round(reader, rate, plan.round_time, plan.record_bytes);
            let measured = CalmRound::run(tries_max, &ids, run)?;
            let (name, figures) = (reader.name(), measured.value.text());
            let noise = if measured.is_calm { "" } else { ", disturbed" };
            tell(&format!("{round} {name}: {figures}{noise}"));
            if round.counts {
                rounds.push(reader, measured);
            }
        }
    }
    memory.note(servers.node.id())?;
    rounds.row(rate, plan.record_bytes, memory)
}

struct Servers {
    // Order of drop: the follower cannot stop in order when its controller is gone.
    node: ServerProcess,
    follower: ServerProcess,
    source: ServerProcess,
}

impl Servers {
    fn start(plan: &SteadyPlan, root: &WorkDirectory) -> Result<Self> {
        let (mut source, cluster) = stock_broker::start_first(&root.path.join("source"))?;
        let directory = root.path.join("follower");
        let follower = stock_broker::start_joining(&cluster, FOLLOWER_ID, &directory, &[])?;
        for reader in Reader::ALL {
            let topic = reader.topic();
            source.wait_until("having a topic to produce to", |client| {
                if client.partitions(topic)? != Some(1) {
                    // Refused as long as a broker is starting, or because it is there already.
                    client.create_topic_on(topic, 1, reader.brokers())?;
                }
                client.offsets(topic, 1, LogEdge::End)
            })?;
        }
        let options = mirror_options(source.address(), Reader::Node.topic());
        let directory = root.path.join("node");
        let node = ServerProcess::start_node_with(&plan.ringmirror, &directory, &options)?;
        let mut servers = Self { source, follower, node };
        for reader in [Reader::Node, Reader::Follower] {
            let address = servers.address(reader);
            servers.server(reader).wait_until("having the topic", |_| {
                let mut fetcher = LogFetcher::connect(address, NO_WAIT)?;
                let fetched = fetcher.fetch(reader.topic(), 0, 0, |_| {})?;
                Ok((fetched.error_code == 0).then_some(()))
            })?;
        }
        Ok(servers)
    }

    fn server(&mut self, reader: Reader) -> &mut ServerProcess {
        match reader {
            Reader::Node => &mut self.node,
            Reader::Follower => &mut self.follower,
            Reader::Source => &mut self.source,
        }
    }

    const fn read_from(&self, reader: Reader) -> &ServerProcess {
        match reader {
            Reader::Node => &self.node,
            Reader::Follower => &self.follower,
            Reader::Source => &self.source,
        }
    }

    fn address(&self, reader: Reader) -> SocketAddr {
        self.read_from(reader).address()
    }

    /// Who has to run while a round does.
    fn needed(&self) -> [NeededProcess; 3] {
        [
            self.source.needed("the source broker"),
            self.follower.needed("the follower"),
            self.node.needed("the node"),
        ]
    }

    /// Half of the highest rate that was sustained by the node and by the follower.
    fn half_load(&self, plan: &SteadyPlan, tell: &mut impl FnMut(&str)) -> Result<u32> {
        let searched = [Reader::Node, Reader::Follower];
        // A virtual machine that has just begun sustains nothing, and the source is one: whoever is
        // searched first would have it cold.
        for rate in WARM_UP_RATES {
            for reader in searched {
                self.is_sustained(reader, rate, plan, tell)?;
            }
        }
        let mut sustained = u32::MAX;
        for reader in searched {
            let rate = highest_sustained(|rate| {
                // Once more: anything may come between.
                let mut is_sustained = || self.is_sustained(reader, rate, plan, tell);
                Ok(is_sustained()? || is_sustained()?)
            })?;
            tell(&format!("{} sustains {rate} per s", reader.name()));
            sustained = sustained.min(rate);
        }
        Ok(sustained / 2)
    }

    fn is_sustained(
        &self,
        reader: Reader,
        rate: u32,
        plan: &SteadyPlan,
        tell: &mut impl FnMut(&str),
    ) -> Result<bool> {
        let round = self.round(reader, rate, PROBE_TIME, plan.record_bytes)?;
        let late = micros(&round.histogram, SUSTAINED_SHARE);
        tell(&format!("{} at {rate} per s: p90 {late:.0} us", reader.name()));
        Ok(late <= SUSTAINED_US_MAX)
    }

    fn round(
        &self,
        reader: Reader,
        rate: u32,
        time: Duration,
        record_bytes: usize,
    ) -> Result<LatencyRound> {
        let (server, topic) = (self.read_from(reader), reader.topic());
        let address = self.source.address();
        let ends = KafkaClient::connect(address)?.offsets(topic, 1, LogEdge::End)?;
        let ends = ends.context("the topic is gone")?;
        let start_offset = *ends.first().context("a topic of one partition")?;
        let records = u32::try_from(time.as_micros() * u128::from(rate) / 1_000_000)?;
        let interval = Duration::from_secs(1) / rate;
        let schedule = Schedule { begin: Instant::now() + LEAD, interval, records };
        let produced = ProducePlan { address, topic, acks: 1, record_bytes, start_offset };
        let before = server.cpu()?;
        let histogram = produce_and_consume(&produced, server.address(), &schedule)?;
        let cpu = server.cpu()?.saturating_sub(before);
        Ok(LatencyRound { histogram, cpu, elapsed: schedule.begin.elapsed() })
    }
}

/// Doubles the rate until it is not sustained, then halves the steps in between.
fn highest_sustained(mut sustains: impl FnMut(u32) -> Result<bool>) -> Result<u32> {
    let (mut low, mut high) = (0, RATE_FIRST);
    while high < RATE_MAX && sustains(high)? {
        (low, high) = (high, high * 2);
    }
    ensure!(low > 0, "not even {RATE_FIRST} records per second are sustained");
    for _ in 0..RATE_STEPS {
        let middle = low.midpoint(high);
        if sustains(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

const SOURCE_ID: i32 = 1;
const FOLLOWER_ID: i32 = 2;
/// From the start of the consumer to the first record: it is waiting by then.
const LEAD: Duration = Duration::from_millis(100);
const NO_WAIT: FetchSettings = FetchSettings { wait_ms_max: 0, ..FetchSettings::JAVA };
/// A rate is sustained when so many of the records ...
const SUSTAINED_SHARE: f64 = 0.9;
/// ... of so long a probe ...
const PROBE_TIME: Duration = Duration::from_secs(3);
/// ... are with the consumer so soon after they were due, microseconds.
const SUSTAINED_US_MAX: f64 = 100_000.0;
/// Where the search begins.
const RATE_FIRST: u32 = 4_000;
/// Where it ends at the latest.
const RATE_MAX: u32 = 1_024_000;
/// Of probes that do not count.
const WARM_UP_RATES: [u32; 4] = [4_000, 8_000, 16_000, 32_000];
/// How often a range is halved.
const RATE_STEPS: u32 = 3;

#[cfg(test)]
mod tests;
