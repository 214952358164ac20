//! MirrorMaker 2 of Apache Kafka, in a process of its own as `connect-mirror-maker.sh` runs it,
//! which writes to a stock broker of another cluster.
//!
//! It copies records, not logs: it decompresses, compresses again, and gives new offsets. It needs
//! minutes for what others copy in seconds, and its virtual machine compiles for long. So only a
//! part is measured: the clock runs from when a quarter of the records are there, or
//! [`WARM_UP_MAX`] after the first one, to the last record, or for [`WINDOW`]. All of it is taken
//! in that time: processor time of MirrorMaker, of the source and of the target. Every copying has
//! a process and a cluster name of its own, and its topics are deleted afterwards.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use harness::kafka_jars;
use kafka_protocol::messages::{DeleteTopicsRequest, MetadataRequest};

use crate::kafka_client::{KafkaClient, LogEdge, name};
use crate::measurement::Sample;
use crate::needed_process::{NeededProcess, ProcessEnded, cause, ensure_all_run};
use crate::peers::source_cluster::until_gone;
use crate::peers::{CopyPlan, CopyRun};
use crate::process_watch::ProcessWatch;
use crate::server_process::{ServerKind, ServerProcess};
use crate::stock_broker::{self, PERFORMANCE_OPTIONS, RELEASE};

/// The broker that one or several MirrorMakers write to, one after the other.
#[derive(Debug)]
pub struct MirrorMakerPeer {
    target: ServerProcess,
    directory: PathBuf,
    copies: u32,
}

/// How to run MirrorMaker.
#[derive(Clone, Copy, Debug)]
pub struct MirrorMakerSettings {
    /// Larger requests, batches and heap; by default clients and heap are as shipped.
    pub is_tuned: bool,
    /// How the source's batches are compressed, and with `is_tuned` MirrorMaker's as well.
    pub compression: &'static str,
    /// The source broker's process.
    pub source_process: u32,
}

/// How far a copying is, and what it cost until then.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    records: u64,
    target_cpu: Duration,
    source_cpu: Duration,
}

impl MirrorMakerPeer {
    /// Starts the target broker below `root`.
    ///
    /// # Errors
    /// When it cannot be formatted or started.
    pub fn start(root: &Path) -> Result<Self> {
        let directory = root.join("mirror-maker-target");
        let mut target = stock_broker::start_new(&directory)?;
        target.wait_until("answering", |client| client.partitions("none").map(Some))?;
        Ok(Self { target, directory, copies: 0 })
    }

    /// Processes that live from copy to copy.
    #[must_use]
    pub fn processes(&self) -> Vec<NeededProcess> {
        vec![self.target.needed("the broker that MirrorMaker 2 writes to")]
    }

    /// Copies the topic, or as much of it as there is time for.
    ///
    /// # Errors
    /// When MirrorMaker fails, stands still or loses a task.
    pub fn copy(&mut self, plan: &CopyPlan<'_>, settings: &MirrorMakerSettings) -> Result<CopyRun> {
        // Offsets that it keeps in the target belong to a pair of cluster names.
        self.copies += 1;
        let alias = format!("source{}", self.copies);
        let output = self.directory.with_extension(format!("{alias}.out"));
        let mut mirror_maker = self.start_mirror_maker(plan, settings, &alias, &output)?;
        let needed = [plan.needed, &[mirror_maker.needed("MirrorMaker 2")]].concat();
        let watched = Watched {
            topic: format!("{alias}.{}", plan.topic),
            plan,
            settings,
            target: &self.target,
            output: &output,
            needed: &needed,
        };
        let run = watched.measure(&mut mirror_maker).map_err(|error| cause(error, &needed));
        // What it would still write is not wanted: there is nothing to wait for.
        mirror_maker.kill()?;
        let run = run.map_err(|error| match error.is::<ProcessEnded>() {
            true => error,
            false => error.context(format!("MirrorMaker 2, {}", tail(&output))),
        })?;
        self.delete_topics(&watched.topic)?;
        fs::remove_file(&output)?;
        Ok(run)
    }

    fn start_mirror_maker(
        &self,
        plan: &CopyPlan<'_>,
        settings: &MirrorMakerSettings,
        alias: &str,
        output: &Path,
    ) -> Result<ServerProcess> {
        let path = self.directory.with_extension(format!("{alias}.properties"));
        let target = self.target.address().to_string();
        let addresses = [plan.source.to_string(), target];
        fs::write(&path, properties(plan, settings, alias, &addresses))?;
        let jars = kafka_jars::class_path(&kafka_jars::fetch_mirror_maker(RELEASE)?);
        let heap = if settings.is_tuned { TUNED_HEAP } else { DEFAULT_HEAP };
        let mut command = vec!["java", "-Xms256M", heap];
        command.extend(PERFORMANCE_OPTIONS);
        command.extend(["-cp", &jars, "org.apache.kafka.connect.mirror.MirrorMaker"]);
        let mut command: Vec<String> = command.into_iter().map(str::to_owned).collect();
        command.push(path.display().to_string());
        // What is asked whether it is ready is where the records go.
        let address = self.target.address();
        ServerProcess::start(ServerKind::Stock, &command, address, output.to_owned())
    }

    /// Deletes all that MirrorMaker made, records and its own topics alike.
    fn delete_topics(&self, copied: &str) -> Result<()> {
        let mut client = KafkaClient::connect(self.target.address())?;
        let all = MetadataRequest::default().with_topics(None);
        let told = client.ask(&all, METADATA_VERSION)?;
        let names = told.topics.into_iter().filter_map(|topic| topic.name);
        let names: Vec<_> = names.filter(|name| !name.starts_with("__")).collect();
        ensure!(names.contains(&name(copied)), "{copied} is not there to be deleted");
        let request =
            DeleteTopicsRequest::default().with_topic_names(names).with_timeout_ms(TIMEOUT_MS);
        let response = client.ask(&request, DELETE_VERSION)?;
        for told in response.responses {
            let code = told.error_code;
            ensure!(code == 0, "{:?} is not deleted: error {code}", told.name);
        }
        until_gone(&self.directory, copied, &self.processes())?;
        rustix::fs::sync();
        Ok(())
    }
}

/// A copying that goes on.
struct Watched<'a> {
    topic: String,
    plan: &'a CopyPlan<'a>,
    settings: &'a MirrorMakerSettings,
    target: &'a ServerProcess,
    output: &'a Path,
    /// Who has to run, MirrorMaker too.
    needed: &'a [NeededProcess],
}

impl Watched<'_> {
    fn measure(&self, mirror_maker: &mut ServerProcess) -> Result<CopyRun> {
        let records = self.plan.records;
        let first =
            mirror_maker.wait_until_beside(self.needed, "copying the first record", |client| {
                self.refuse_dead_tasks()?;
                Ok(Some(self.records(client)?).filter(|records| *records > 0))
            })?;
        ensure!(first < records, "all was copied before anybody could look: take more bytes");
        let mut client = KafkaClient::connect(self.target.address())?;
        self.wait(&mut client, WARM_UP_MAX, records / 4)?;
        let watch = ProcessWatch::begin(mirror_maker.id())?;
        let begun = self.mark(&mut client)?;
        ensure!(begun.records < records, "all was copied while it warmed up: take more bytes");
        self.wait(&mut client, WINDOW, records)?;
        let ended = self.mark(&mut client)?;
        let cpu = watch.cpu()?;
        let copied = ended.records - begun.records;
        ensure!(copied > 0, "nothing was copied in {WINDOW:?}");
        // Batches are alike, so a record stands for as many bytes of the source's log as any other.
        let bytes = u128::from(self.plan.bytes) * u128::from(copied) / u128::from(records);
        let sample = Sample { bytes: u64::try_from(bytes)?, elapsed: ended.at - begun.at, cpu };
        Ok(CopyRun {
            sample,
            first_byte: None,
            source_cpu: Some(ended.source_cpu.saturating_sub(begun.source_cpu)),
            target_cpu: Some(ended.target_cpu.saturating_sub(begun.target_cpu)),
            resident_bytes_max: watch.resident_bytes_max()?,
        })
    }

    /// Waits until so many records are copied, or for `time`.
    fn wait(&self, client: &mut KafkaClient, time: Duration, wanted: u64) -> Result<()> {
        let begun = Instant::now();
        let (mut last, mut moved) = (0, begun);
        let mut looked_for_dead = begun;
        while begun.elapsed() < time {
            let records = self.records(client)?;
            if records >= wanted {
                return Ok(());
            }
            if records > last {
                (last, moved) = (records, Instant::now());
            }
            let is_stuck = moved.elapsed() > STANDSTILL_MAX;
            ensure!(!is_stuck, "no record in {STANDSTILL_MAX:?}, {records} are there");
            if looked_for_dead.elapsed() > DEAD_TASKS_PAUSE {
                looked_for_dead = Instant::now();
                self.refuse_dead_tasks()?;
                ensure_all_run(self.needed)?;
            }
            thread::sleep(LOOK_PAUSE);
        }
        self.refuse_dead_tasks()
    }

    fn mark(&self, client: &mut KafkaClient) -> Result<Mark> {
        let source = self.settings.source_process;
        Ok(Mark {
            at: Instant::now(),
            records: self.records(client)?,
            target_cpu: self.target.cpu()?,
            source_cpu: crate::machine::process_cpu_of(source)?,
        })
    }

    /// Records at the target; none while the topic is not there.
    fn records(&self, client: &mut KafkaClient) -> Result<u64> {
        let count = i32::try_from(self.plan.partitions)?;
        let ends = client.offsets(&self.topic, count, LogEdge::End)?;
        Ok(ends.map_or(0, |ends| ends.iter().sum::<i64>().unsigned_abs()))
    }

    fn refuse_dead_tasks(&self) -> Result<()> {
        let text = fs::read_to_string(self.output)?;
        match dead_task(&text) {
            Some(line) => bail!("a task died: {line}"),
            None => Ok(()),
        }
    }
}

/// The line by which the log tells that a task of it died.
fn dead_task(output: &str) -> Option<&str> {
    output.lines().find(|line| DEATHS.iter().any(|death| line.contains(death)))
}

fn tail(output: &Path) -> String {
    let text = fs::read_to_string(output).unwrap_or_else(|error| error.to_string());
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// The file that `connect-mirror-maker.sh` is started with; `addresses` are those of source and
/// target.
fn properties(
    plan: &CopyPlan<'_>,
    settings: &MirrorMakerSettings,
    alias: &str,
    addresses: &[String; 2],
) -> String {
    let [source, target] = addresses;
    let mut lines = BTreeMap::from([
        ("clusters".to_owned(), format!("{alias},target")),
        (format!("{alias}.bootstrap.servers"), source.clone()),
        ("target.bootstrap.servers".to_owned(), target.clone()),
        (format!("{alias}->target.enabled"), "true".to_owned()),
        (format!("target->{alias}.enabled"), "false".to_owned()),
        (format!("{alias}->target.topics"), plan.topic.to_owned()),
        ("tasks.max".to_owned(), TASKS.to_string()),
    ]);
    // Nothing but the records; and nothing is written to the source.
    for off in SWITCHED_OFF {
        lines.insert(off.to_owned(), "false".to_owned());
    }
    for internal in INTERNAL_TOPICS {
        lines.insert(format!("{internal}replication.factor"), "1".to_owned());
    }
    if settings.is_tuned {
        for (key, value) in TUNED_PRODUCER {
            lines.insert(format!("target.producer.{key}"), value.to_owned());
        }
        let compression = settings.compression.to_owned();
        lines.insert("target.producer.compression.type".to_owned(), compression);
        for (key, value) in TUNED_CONSUMER {
            lines.insert(format!("{alias}.consumer.{key}"), value.to_owned());
        }
    }
    let mut text = String::new();
    for (key, value) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}

/// Longest time after the first record in which the virtual machine compiles and nothing counts.
pub const WARM_UP_MAX: Duration = Duration::from_secs(15);
/// Longest time that is measured.
pub const WINDOW: Duration = Duration::from_secs(20);
/// What four tasks need with buffers of 32 MiB, and of 64 MiB with larger requests.
const DEFAULT_HEAP: &str = "-Xmx1G";
const TUNED_HEAP: &str = "-Xmx3G";
const TASKS: u32 = 4;
const SWITCHED_OFF: [&str; 7] = [
    "emit.heartbeats.enabled",
    "emit.checkpoints.enabled",
    "emit.offset-syncs.enabled",
    "sync.group.offsets.enabled",
    "sync.topic.configs.enabled",
    "sync.topic.acls.enabled",
    "refresh.groups.enabled",
];
const INTERNAL_TOPICS: [&str; 6] = [
    "",
    "checkpoints.topic.",
    "heartbeats.topic.",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
];
/// Sockets grow as the kernel lets them.
const TUNED_PRODUCER: [(&str, &str); 5] = [
    ("batch.size", "262144"),
    ("linger.ms", "50"),
    ("buffer.memory", "67108864"),
    ("max.request.size", "8388608"),
    ("send.buffer.bytes", "-1"),
];
const TUNED_CONSUMER: [(&str, &str); 4] = [
    ("max.poll.records", "2000"),
    ("max.partition.fetch.bytes", "4194304"),
    ("fetch.max.bytes", "33554432"),
    ("receive.buffer.bytes", "-1"),
];
/// How the log tells of what no task survives.
const DEATHS: [&str; 4] = [
    "Task is being killed",
    "java.lang.OutOfMemoryError",
    "Failed to start task",
    "Failed to configure MirrorSourceConnector",
];
const STANDSTILL_MAX: Duration = Duration::from_secs(10);
const DEAD_TASKS_PAUSE: Duration = Duration::from_secs(1);
const LOOK_PAUSE: Duration = Duration::from_millis(20);
const TAIL_LINES: usize = 20;
const TIMEOUT_MS: i32 = 60_000;
const METADATA_VERSION: i16 = 9;
/// Newest version that names topics by themselves.
const DELETE_VERSION: i16 = 5;

#[cfg(test)]
mod tests;
