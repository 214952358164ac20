//! Bulk reads from `ringmirror node` against a stock broker over the same logs, side by side.
//!
//! Both servers run all the time, each over its own copy; while one is read from, the other has
//! nothing to do. In every round each scenario reads everything from both, in turns as to which
//! comes first. Ratios are taken inside a round; rows show medians.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::consume_row::{ConsumeRow, SeriesOfServers};
use crate::log_fetcher::{Discard, FetchSettings};
use crate::machine::{CorePair, WARM_UP, pin, warm_up};
use crate::measurement::{Sample, Series, order_of_round};
use crate::served_logs::{LogsPlan, ServedLogs, read_all};
use crate::server_process::{ServerKind, ServerProcess};
use crate::source_child::TOPIC;
use crate::stock_broker::run_client;

/// How to measure.
#[derive(Clone, Debug)]
pub struct ConsumePlan {
    /// Where both copies of the logs are made; all of it is removed.
    pub directory: PathBuf,
    /// The program under measurement.
    pub ringmirror: PathBuf,
    /// Which servers; both for ratios.
    pub servers: Vec<ServerKind>,
    /// Rounds of every scenario, interleaved.
    pub rounds: u32,
    /// Rounds before them that do not count: a virtual machine has to get warm.
    pub warm_up_rounds: u32,
    /// Partitions.
    pub partitions: u32,
    /// Bytes of each.
    pub partition_bytes: u64,
    /// Only these; empty means all.
    pub scenarios: Vec<String>,
    /// Tries at a round that other work disturbs, before it is taken after all.
    pub tries_max: u32,
    /// What becomes of the records at the client.
    pub discard: Discard,
}

/// Who reads, and how.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Whose requests.
    pub reader: Reader,
    /// Read from the disk: nothing is in the page cache before.
    pub is_cold: bool,
}

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub enum Reader {
    /// Our bare fetchers.
    Bare {
        /// Connections, each with its own partitions.
        connections: u32,
        /// `max.partition.fetch.bytes`.
        partition_bytes_max: u32,
    },
    /// Kafka's consumer, as `kafka-consumer-perf-test` runs it: a group of one member.
    Java,
}

impl Scenario {
    const fn warm(name: &'static str, partition_bytes_max: u32, connections: u32) -> Self {
        let reader = Reader::Bare { connections, partition_bytes_max };
        Self { name, reader, is_cold: false }
    }

    const fn cold(name: &'static str, partition_bytes_max: u32, connections: u32) -> Self {
        Self { is_cold: true, ..Self::warm(name, partition_bytes_max, connections) }
    }
}

/// All scenarios, in the order of rows.
pub const SCENARIOS: [Scenario; 7] = [
    Scenario::warm("1MiB-1conn", 1 << 20, 1),
    Scenario::warm("1MiB-4conn", 1 << 20, 4),
    Scenario::warm("8MiB-1conn", 8 << 20, 1),
    Scenario::warm("8MiB-4conn", 8 << 20, 4),
    Scenario::cold("1MiB-1conn-cold", 1 << 20, 1),
    Scenario::cold("1MiB-4conn-cold", 1 << 20, 4),
    Scenario { name: "java", reader: Reader::Java, is_cold: false },
];

/// Measures the scenarios; `tell` hears what was measured as it goes.
///
/// # Errors
/// When a server, a client or the disk refuses.
pub fn measure(plan: &ConsumePlan, mut tell: impl FnMut(&str)) -> Result<Vec<ConsumeRow>> {
    let is_chosen = |each: &Scenario| {
        plan.scenarios.is_empty() || plan.scenarios.iter().any(|s| s == each.name)
    };
    let chosen: Vec<Scenario> = SCENARIOS.into_iter().filter(is_chosen).collect();
    let bench = Bench::prepare(plan)?;
    let (count, bytes, root) =
        (bench.logs.bounds.len(), bench.logs.bytes, bench.logs.root().display());
    tell(&format!("{count} logs with {bytes} bytes, twice, in {root}"));
    warm_up(WARM_UP)?;
    for number in 1..=plan.warm_up_rounds {
        for scenario in &chosen {
            for server in order_of_round(&bench.servers, number) {
                let rate = bench.read(scenario, server)?.mb_per_s();
                let (name, server) = (scenario.name, server.kind().name());
                tell(&format!("warm-up {number} {name} {server}: {rate:.0} MB/s"));
            }
        }
    }
    let empty = SeriesOfServers::new(plan.tries_max);
    let mut series = vec![empty; chosen.len()];
    for number in 1..=plan.rounds {
        for (scenario, series) in chosen.iter().zip(&mut series) {
            for server in order_of_round(&bench.servers, number) {
                let sample = bench.round(scenario, server, series.of_mut(server.kind()))?;
                let (rate, cpu) = (sample.mb_per_s(), sample.cpu_seconds_per_gb());
                let (name, server) = (scenario.name, server.kind().name());
                tell(&format!("round {number} {name} {server}: {rate:.0} MB/s {cpu:.3} CPU s/GB"));
            }
        }
    }
    let row = |(scenario, series): (&Scenario, &SeriesOfServers)| series.row(scenario.name);
    Ok(chosen.iter().zip(&series).map(row).collect())
}

/// Everything that is kept from round to round.
#[derive(Debug)]
struct Bench<'a> {
    plan: &'a ConsumePlan,
    cores: CorePair,
    // Order of drop: the servers before what they serve.
    servers: Vec<ServerProcess>,
    logs: ServedLogs,
}

impl<'a> Bench<'a> {
    fn prepare(plan: &'a ConsumePlan) -> Result<Self> {
        ensure!(!plan.servers.is_empty(), "no server is asked for");
        let logs = ServedLogs::prepare(&LogsPlan {
            directory: &plan.directory,
            ringmirror: &plan.ringmirror,
            partitions: plan.partitions,
            partition_bytes: plan.partition_bytes,
        })?;
        let serve = |kind: &ServerKind| logs.serve(*kind, &plan.ringmirror);
        let servers = plan.servers.iter().map(serve).collect::<Result<Vec<_>>>()?;
        Ok(Self { plan, cores: CorePair::choose()?, servers, logs })
    }

    fn round(
        &self,
        scenario: &Scenario,
        server: &ServerProcess,
        series: &mut Series,
    ) -> Result<Sample> {
        series.round_with_children(&[server.id()], || self.read(scenario, server))
    }

    /// Reads everything from one server.
    fn read(&self, scenario: &Scenario, server: &ServerProcess) -> Result<Sample> {
        let read = self.try_read(scenario, server);
        read.with_context(|| format!("{} from {}", scenario.name, server.kind().name()))
    }

    fn try_read(&self, scenario: &Scenario, server: &ServerProcess) -> Result<Sample> {
        // Also before a cold read: what is evicted is in one piece then, as it is for the other.
        self.logs.warm(server.kind())?;
        if scenario.is_cold {
            self.logs.evict(server.kind())?;
        }
        match scenario.reader {
            Reader::Bare { connections, partition_bytes_max } => {
                let settings = FetchSettings {
                    partition_bytes_max,
                    discard: self.plan.discard,
                    ..FetchSettings::JAVA
                };
                self.read_bare(server, usize::try_from(connections)?, settings)
            }
            Reader::Java => self.read_java(server),
        }
    }

    fn read_bare(
        &self,
        server: &ServerProcess,
        connections: usize,
        settings: FetchSettings,
    ) -> Result<Sample> {
        let read = || -> Result<Sample> {
            // The threads of the clients are started by this one, and share its core.
            pin(self.cores.sender)?;
            let (begun, before) = (Instant::now(), server.cpu()?);
            let (address, logs) = (server.address(), &self.logs.bounds);
            let bytes = read_all(address, TOPIC, logs, connections, settings)?;
            let (elapsed, after) = (begun.elapsed(), server.cpu()?);
            Ok(Sample { bytes, elapsed, cpu: after.saturating_sub(before) })
        };
        let sample = std::thread::scope(|scope| {
            scope.spawn(read).join().unwrap_or_else(|_| anyhow::bail!("a client panicked"))
        })?;
        let (read, there) = (sample.bytes, self.logs.bytes);
        ensure!(read == there, "{read} bytes came of logs that have {there}");
        Ok(sample)
    }

    fn read_java(&self, server: &ServerProcess) -> Result<Sample> {
        let records: i64 = self.logs.bounds.iter().map(|log| log.end - log.start).sum();
        let (address, records) = (server.address().to_string(), records.to_string());
        let args = ["--bootstrap-server", &address, "--topic", TOPIC, "--num-records", &records];
        let before = server.cpu()?;
        let told = run_client(CONSUMER_PERFORMANCE, &args)?;
        let cpu = server.cpu()?.saturating_sub(before);
        let elapsed = consumer_performance(&told, &records)?;
        Ok(Sample { bytes: self.logs.bytes, elapsed, cpu })
    }
}

/// Reads the one line of figures that Kafka's tool prints below its head line: the time it spent
/// on fetching, if it got so many records.
fn consumer_performance(told: &str, records: &str) -> Result<Duration> {
    let mut lines = told.lines().skip_while(|line| !line.starts_with("start.time"));
    let head = lines.next().unwrap_or_default();
    // Warnings come in between.
    let figures = lines.find(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    let figures = figures.with_context(|| format!("no figures in {told}"))?;
    let column = |name: &str| {
        let at = head.split(',').position(|column| column.trim() == name);
        let figure = at.and_then(|at| figures.split(',').nth(at));
        figure.with_context(|| format!("no {name} in {told}")).map(str::trim)
    };
    let consumed = column("data.consumed.in.nMsg")?;
    ensure!(consumed == records, "Kafka's consumer got {consumed} of {records} records: {told}");
    Ok(Duration::from_millis(column("fetch.time.ms")?.parse()?))
}

/// Main class of `kafka-consumer-perf-test`.
const CONSUMER_PERFORMANCE: &str = "org.apache.kafka.tools.ConsumerPerformance";

#[cfg(test)]
mod tests;
