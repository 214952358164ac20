//! From the moment a record is due at the producer until a waiting consumer has it.
//!
//! Producer and consumer are ours and in this process, so one clock sees both ends. A round sends
//! records at a fixed rate to one server; the other has nothing to do. The time of a record
//! begins when it is due, not when it is sent (see `paced_producer`).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::kafka_client::{KafkaClient, LogEdge};
use crate::latency_row::{LatencyRound, LatencyRow, RoundsOfServers};
use crate::machine::{WARM_UP, warm_up};
use crate::measurement::{CalmRound, Round, order_of_round};
use crate::paced_producer::{ProducePlan, Schedule};
use crate::served_logs::WorkDirectory;
use crate::server_process::{ServerKind, ServerProcess};
use crate::stock_broker;
use crate::timed_consumer::produce_and_consume;

/// How to measure.
#[derive(Clone, Debug)]
pub struct LatencyPlan {
    /// Where the servers have their data; all of it is removed.
    pub directory: PathBuf,
    /// The program under measurement.
    pub ringmirror: PathBuf,
    /// Which servers; both for ratios.
    pub servers: Vec<ServerKind>,
    /// Rounds of every scenario, interleaved.
    pub rounds: u32,
    /// Rounds before them that do not count: a virtual machine has to get warm.
    pub warm_up_rounds: u32,
    /// Length of a round.
    pub round_time: Duration,
    /// Records per second.
    pub records_per_second: u32,
    /// Bytes of each record's value.
    pub record_bytes: usize,
    /// Tries at a round that other work disturbs, before it is taken after all.
    pub tries_max: u32,
}

/// What the producer waits for.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name, and its topic's.
    pub name: &'static str,
    /// As in the protocol.
    pub acks: i16,
}

/// All scenarios, in the order of rows.
pub const SCENARIOS: [Scenario; 2] =
    [Scenario { name: "acks-1", acks: 1 }, Scenario { name: "acks-all", acks: -1 }];

/// Measures the scenarios; `tell` hears what was measured as it goes.
///
/// # Errors
/// When a server or a client refuses.
pub fn measure(plan: &LatencyPlan, mut tell: impl FnMut(&str)) -> Result<Vec<LatencyRow>> {
    ensure!(!plan.servers.is_empty(), "no server is asked for");
    let root = WorkDirectory::create(&plan.directory, "perf-latency")?;
    let start = |kind: &ServerKind| start(*kind, plan, &root);
    let servers = plan.servers.iter().map(start).collect::<Result<Vec<_>>>()?;
    warm_up(WARM_UP)?;
    let mut rounds = vec![RoundsOfServers::default(); SCENARIOS.len()];
    for turn in Round::all(plan.warm_up_rounds, plan.rounds) {
        for (scenario, rounds) in SCENARIOS.iter().zip(&mut rounds) {
            for server in order_of_round(&servers, turn.number) {
                let tries_max = turn.tries_max(plan.tries_max);
                let run = || round(plan, scenario, server);
                let measured = CalmRound::run(tries_max, &[server.id()], run)?;
                let (name, kind) = (scenario.name, server.kind().name());
                let figures = measured.value.text();
                tell(&format!("{turn} {name} {kind}: {figures}"));
                if turn.counts {
                    rounds.push(server.kind(), measured);
                }
            }
        }
    }
    let row = |(scenario, rounds): (&Scenario, &RoundsOfServers)| rounds.row(scenario.name);
    SCENARIOS.iter().zip(&rounds).map(row).collect()
}

fn start(kind: ServerKind, plan: &LatencyPlan, root: &WorkDirectory) -> Result<ServerProcess> {
    let directory = root.path.join(kind.name());
    let mut server = match kind {
        ServerKind::Node => ServerProcess::start_node(&plan.ringmirror, &directory, None)?,
        ServerKind::Stock => stock_broker::start_new(&directory)?,
    };
    for Scenario { name, .. } in SCENARIOS {
        server.wait_until("having a topic to produce to", |client| {
            if client.partitions(name)? != Some(1) {
                // Refused as long as the server is starting, or because it is there already.
                client.create_topic(name)?;
            }
            client.offsets(name, 1, LogEdge::End)
        })?;
    }
    Ok(server)
}

fn round(plan: &LatencyPlan, scenario: &Scenario, server: &ServerProcess) -> Result<LatencyRound> {
    let (address, topic) = (server.address(), scenario.name);
    let mut client = KafkaClient::connect(address)?;
    let ends = client.offsets(topic, 1, LogEdge::End)?.context("the topic is gone")?;
    let start_offset = *ends.first().context("a topic of one partition")?;
    let records = u32::try_from(
        plan.round_time.as_micros() * u128::from(plan.records_per_second) / 1_000_000,
    )?;
    let interval = Duration::from_secs(1) / plan.records_per_second;
    let schedule = Schedule { begin: Instant::now() + LEAD, interval, records };
    let (acks, record_bytes) = (scenario.acks, plan.record_bytes);
    let produced = ProducePlan { address, topic, acks, record_bytes, start_offset };
    let before = server.cpu()?;
    let histogram = produce_and_consume(&produced, address, &schedule)?;
    let cpu = server.cpu()?.saturating_sub(before);
    Ok(LatencyRound { histogram, cpu, elapsed: schedule.begin.elapsed() })
}

/// From the start of the consumer to the first record: it is waiting by then.
const LEAD: Duration = Duration::from_millis(100);
