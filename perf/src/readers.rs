//! What readers that follow the tail take from mirroring.
//!
//! Every round mirrors the whole source twice into empty directories, by a node without readers
//! and by one with them, in turns as to which comes first. The source is a child process.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde::Serialize;

use crate::kafka_client::{KafkaClient, LogEdge};
use crate::log_fetcher::{Discard, FetchSettings, LogFetcher};
use crate::machine::{CorePair, WARM_UP, ratio_f64, warm_up};
use crate::measurement::{LimitRow, Sample, Series, median, order_of_round};
use crate::served_logs::WorkDirectory;
use crate::server_process::ServerProcess;
use crate::source_child::{SourceChild, SourceChildSpec, TOPIC};

/// How to measure.
#[derive(Clone, Debug)]
pub struct ReadersPlan {
    /// Where the node mirrors to; all of it is removed.
    pub directory: PathBuf,
    /// The program under measurement.
    pub ringmirror: PathBuf,
    /// Rounds, with and without readers.
    pub rounds: u32,
    /// Bytes mirrored in one run.
    pub bytes: u64,
    /// Consumers, each with a connection and a partition of its own.
    pub readers: u32,
    /// What becomes of the records at the consumers.
    pub discard: Discard,
    /// Tries at a round that other work disturbs, before it is taken after all.
    pub tries_max: u32,
}

/// What mirroring with and without readers showed.
#[derive(Clone, Debug, Serialize)]
pub struct ReadersRow {
    /// What was measured.
    pub scenario: String,
    /// Mirroring with nobody reading; processor time is the node's.
    pub without: LimitRow,
    /// Mirroring with readers.
    pub with: LimitRow,
    /// Median over rounds of the rate with readers over that without; at least 0.8 is the goal.
    pub rate_ratio: f64,
    /// Median over rounds of the share of all bytes that the readers had when the last byte was
    /// mirrored: far below 1, they did not follow the tail.
    pub read_share: f64,
    /// Whether the goal is reached.
    pub reaches_goal: bool,
}

/// One run of a node.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    sample: Sample,
    /// Bytes that readers had at the end.
    read_bytes: u64,
}

/// Measures; `tell` hears what was measured as it goes.
///
/// # Errors
/// When the node, the source or the disk refuses.
pub fn measure(plan: &ReadersPlan, mut tell: impl FnMut(&str)) -> Result<ReadersRow> {
    let root = WorkDirectory::create(&plan.directory, "perf-readers")?;
    root.check_room(plan.bytes + plan.bytes / 4)?;
    let source = SourceChild::start(&SourceChildSpec {
        core: CorePair::choose()?.sender,
        partitions: plan.readers,
        partition_bytes: plan.bytes / u64::from(plan.readers.max(1)),
        batch_bytes: BATCH_BYTES,
        record_bytes: 1024,
    })?;
    let bench = Bench { plan, root, source };
    warm_up(WARM_UP)?;
    let series = Series::with_tries(plan.tries_max);
    let (mut without, mut with, mut shares) = (series.clone(), series, Vec::new());
    for number in 1..=plan.rounds {
        for &readers in order_of_round(&[0, plan.readers], number) {
            let series = if readers == 0 { &mut without } else { &mut with };
            let mut read_bytes = 0;
            // The node lives and ends inside the round: it is ours without being named.
            let sample = series.round_with_children(&[bench.source.id()], || {
                let outcome = bench.run(readers)?;
                read_bytes = outcome.read_bytes;
                Ok(outcome.sample)
            })?;
            let share = ratio_f64(read_bytes) / ratio_f64(bench.source.description().bytes());
            if readers > 0 {
                shares.push(share);
            }
            let (rate, cpu) = (sample.mb_per_s(), sample.cpu_seconds_per_gb());
            tell(&format!(
                "round {number} {readers} readers: {rate:.0} MB/s {cpu:.3} CPU s/GB, \
                 {share:.2} of the bytes read when all were mirrored"
            ));
        }
    }
    let rounds = with.samples().iter().zip(without.samples());
    let rate_ratio = median(rounds.map(|(with, no)| with.mb_per_s() / no.mb_per_s()).collect());
    let readers = plan.readers;
    Ok(ReadersRow {
        scenario: format!("{readers}-readers"),
        without: without.row("no readers"),
        with: with.row(&format!("{readers} readers")),
        rate_ratio,
        read_share: median(shares),
        reaches_goal: rate_ratio >= RATE_RATIO_MIN,
    })
}

struct Bench<'a> {
    plan: &'a ReadersPlan,
    root: WorkDirectory,
    source: SourceChild,
}

impl Bench<'_> {
    /// Mirrors everything into a new directory, which is removed.
    fn run(&self, readers: u32) -> Result<Outcome> {
        let directory = self.root.path.join("data");
        let address = self.source.description().address;
        let mut node = ServerProcess::start_node(&self.plan.ringmirror, &directory, Some(address))?;
        let outcome = self.mirror(&mut node, readers);
        // A node that fails is more worth telling than what it did not do.
        let stopped = node.stop();
        fs::remove_dir_all(&directory)?;
        // What the disk still has to do must not slow down what is measured next.
        rustix::fs::sync();
        stopped.and(outcome)
    }

    fn mirror(&self, node: &mut ServerProcess, readers: u32) -> Result<Outcome> {
        let settings = FetchSettings { discard: self.plan.discard, ..FetchSettings::JAVA };
        let (is_over, read_bytes) = (AtomicBool::new(false), AtomicU64::new(0));
        let logs = self.source.description().partitions.iter().take(usize::try_from(readers)?);
        let address = node.address();
        thread::scope(|scope| {
            let (is_over, read_bytes) = (&is_over, &read_bytes);
            let clients: Vec<_> = logs
                .map(|log| {
                    let tail = Tail { address, partition: log.partition, end: log.end_offset };
                    scope.spawn(move || tail.follow(settings, is_over, read_bytes))
                })
                .collect();
            let sample = self.watch(node);
            let read_bytes = read_bytes.load(Ordering::Relaxed);
            if sample.is_err() {
                is_over.store(true, Ordering::Relaxed);
            }
            for client in clients {
                let followed = client.join().unwrap_or_else(|_| bail!("a reader panicked"));
                if sample.is_ok() {
                    followed?;
                }
            }
            Ok(Outcome { sample: sample?, read_bytes })
        })
    }

    /// Waits until all is mirrored. The clock runs from the first sight of mirrored records; those
    /// that were there at that moment do not count.
    fn watch(&self, node: &mut ServerProcess) -> Result<Sample> {
        let partitions = &self.source.description().partitions;
        let count = i32::try_from(partitions.len())?;
        let end: i64 = partitions.iter().map(|log| log.end_offset).sum();
        let mirrored = |client: &mut KafkaClient| -> Result<i64> {
            let ends = client.offsets(TOPIC, count, LogEdge::End)?;
            Ok(ends.map_or(0, |ends| ends.iter().sum()))
        };
        let mut last = node.wait_until("mirroring the first record", |client| {
            let mirrored = mirrored(client)?;
            Ok((mirrored > 0).then_some(mirrored))
        })?;
        let (begun, before, first) = (Instant::now(), node.cpu()?, last);
        ensure!(first < end, "all was mirrored before anybody could look: take more bytes");
        let mut client = KafkaClient::connect(node.address())?;
        while last < end {
            thread::sleep(LOOK_PAUSE);
            last = mirrored(&mut client)?;
            let is_stuck = begun.elapsed() > RUN_TIME_MAX;
            ensure!(!is_stuck, "{last} of {end} records are mirrored after {RUN_TIME_MAX:?}");
        }
        let (elapsed, after) = (begun.elapsed(), node.cpu()?);
        let records = |count: i64| u64::try_from(count);
        let bytes = self.source.description().bytes();
        let counted = u128::from(bytes) * u128::from(records(end - first)?);
        let bytes = u64::try_from(counted / u128::from(records(end)?))?;
        Ok(Sample { bytes, elapsed, cpu: after.saturating_sub(before) })
    }
}

/// A partition that a reader follows from its start while it grows.
#[derive(Clone, Copy, Debug)]
struct Tail {
    address: SocketAddr,
    partition: i32,
    end: i64,
}

impl Tail {
    fn follow(
        &self,
        settings: FetchSettings,
        is_over: &AtomicBool,
        read_bytes: &AtomicU64,
    ) -> Result<()> {
        let mut connected = None;
        let mut offset = 0;
        while offset < self.end && !is_over.load(Ordering::Relaxed) {
            // The node is not there at first, and then does not know the topic yet.
            let fetcher = match &mut connected {
                Some(fetcher) => fetcher,
                None => match LogFetcher::connect(self.address, settings) {
                    Ok(fetcher) => connected.insert(fetcher),
                    Err(_) => {
                        thread::sleep(LOOK_PAUSE);
                        continue;
                    }
                },
            };
            let fetched = fetcher.fetch(TOPIC, self.partition, offset, |_| {})?;
            let code = fetched.error_code;
            if offset == 0 && code != 0 {
                thread::sleep(LOOK_PAUSE);
                continue;
            }
            ensure!(code == 0, "{TOPIC}-{} at {offset}: error {code}", self.partition);
            read_bytes.fetch_add(fetched.batch_bytes, Ordering::Relaxed);
            offset = fetched.next_offset;
        }
        Ok(())
    }
}

impl ReadersRow {
    /// Lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |row: &LimitRow| {
            let LimitRow { scenario, mb_per_s, mb_per_s_min, mb_per_s_max, .. } = row;
            let cpu = row.cpu_seconds_per_gb;
            let rates = format!("{mb_per_s:>8.0} {mb_per_s_min:>8.0} {mb_per_s_max:>8.0}");
            format!("{scenario:<12} {rates} {cpu:>9.3}")
        };
        let head = ["mirroring", "MB/s", "min", "max", "CPU s/GB"];
        let [what, rate, min, max, cpu] = head;
        let head = format!("{what:<12} {rate:>8} {min:>8} {max:>8} {cpu:>9}   rate x   read");
        let (ratio, share) = (self.rate_ratio, self.read_share);
        let goal = if self.reaches_goal { "reached" } else { "missed" };
        let (without, with) = (line(&self.without), line(&self.with));
        format!("{head}\n{without}\n{with}   {ratio:>6.2} {share:>6.2} {goal}")
    }
}

/// The goal.
const RATE_RATIO_MIN: f64 = 0.8;
/// Close to the 16 KiB of Kafka's producer.
const BATCH_BYTES: u32 = 16 << 10;
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// A run that takes longer is stuck.
const RUN_TIME_MAX: Duration = Duration::from_secs(300);
