//! Every client against one cluster, two at a time.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::json;

use super::Client;
use super::checks::{self, Finding};
use super::installed::{Installed, install};
use super::program::{Consumed, Program, Read};
use crate::driver::Isolation;
use crate::server_properties::random_id;
use crate::temp_dir::TempDir;

/// How the members of a group are coordinated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// JoinGroup and SyncGroup; the members assign.
    Classic,
    /// ConsumerGroupHeartbeat of KIP-848; the broker assigns.
    Consumer,
}

impl GroupProtocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Classic, Self::Consumer];

    /// The name as in `group.protocol`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// What every client has to do.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The cluster.
    pub bootstrap: String,
    /// The cluster that says what must be consumed; without it the cluster itself, as Kafka's own
    /// client reads it.
    pub source: Option<String>,
    /// Topics to consume. Groups consume the first one, if there are any; it has several
    /// partitions and no transactions.
    pub read_topics: Vec<String>,
    /// A topic that takes records.
    pub write_topic: Option<String>,
    /// A topic that takes none.
    pub refused: Option<Refusal>,
    /// Group protocols of the cluster.
    pub group_protocols: Vec<GroupProtocol>,
}

/// A topic whose records are refused, and how.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The topic.
    pub topic: String,
    /// The error code on the wire.
    pub code: i16,
}

/// How one client did.
#[derive(Clone, Debug)]
pub struct ClientReport {
    /// The client.
    pub client: Client,
    /// Versions by the name of the library.
    pub versions: BTreeMap<String, String>,
    /// Why it did not take part.
    pub skipped: Option<String>,
    /// What it was asked, in order.
    pub findings: Vec<Finding>,
    /// What was counted on the way, for people.
    pub told: Vec<String>,
    /// How long it took, installation left out.
    pub took: Duration,
}

/// What consumers must get, by topic and isolation, and what the cluster itself says.
#[derive(Debug)]
pub(super) struct Reference {
    consumed: BTreeMap<(String, &'static str), Consumed>,
    /// Number of partitions by topic, of the read topics.
    pub(super) partitions: BTreeMap<String, usize>,
    /// Kafka's own client at the cluster that is checked.
    judge: Mutex<Program>,
    /// Part of the names of everything that this run leaves in the cluster.
    pub(super) run: String,
}

/// Runs `clients` and reports on them in that order.
///
/// # Errors
/// When the expectations cannot be read or a client program does not start; failures of a client
/// are in its report.
pub fn run(matrix: &Matrix, clients: &[Client], install_dir: &Path) -> Result<Vec<ClientReport>> {
    let work_dir = TempDir::new("clients")?;
    let reference = Reference::read(matrix, install_dir, work_dir.path())?;
    each(clients, install_dir, |installed| run_one(matrix, &reference, installed, work_dir.path()))
}

/// Installs clients and examines them, a few at a time; reports are in their order.
pub(super) fn each(
    clients: &[Client],
    install_dir: &Path,
    examine: impl Fn(&Installed) -> Result<ClientReport> + Sync,
) -> Result<Vec<ClientReport>> {
    let waiting: Mutex<VecDeque<Client>> = Mutex::new(clients.iter().copied().collect());
    let done = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = waiting.lock().expect(NO_PANIC).pop_front();
            let Some(client) = next else { return Ok(()) };
            let report = match install(client, install_dir) {
                Ok(installed) => examine(&installed)?,
                Err(error) => ClientReport::skipped(client, &error),
            };
            done.lock().expect(NO_PANIC).push(report);
        }
    };
    thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..CLIENTS_AT_ONCE).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().expect("no check panics")?;
        }
        Ok(())
    })?;
    let mut reports = done.into_inner().expect(NO_PANIC);
    let place = |client| clients.iter().position(|one| *one == client);
    reports.sort_by_key(|report: &ClientReport| place(report.client));
    Ok(reports)
}

fn run_one(
    matrix: &Matrix,
    reference: &Reference,
    installed: &Installed,
    work_dir: &Path,
) -> Result<ClientReport> {
    let client = installed.client;
    let begin = Instant::now();
    let mut program = Program::start(installed, &matrix.bootstrap, work_dir)?;
    let about = program.about().with_context(|| format!("{client} as installed"))?;
    let findings = checks::all(&mut program, &about, client, matrix, reference);
    let (versions, took) = (about.versions, begin.elapsed());
    Ok(ClientReport { client, versions, skipped: None, findings, told: Vec::new(), took })
}

impl ClientReport {
    fn skipped(client: Client, why: &anyhow::Error) -> Self {
        Self {
            client,
            versions: BTreeMap::new(),
            skipped: Some(format!("{why:#}")),
            findings: Vec::new(),
            told: Vec::new(),
            took: Duration::ZERO,
        }
    }
}

impl Reference {
    fn read(matrix: &Matrix, install_dir: &Path, work_dir: &Path) -> Result<Self> {
        let java = install(Client::Java, install_dir)?;
        let source = matrix.source.as_ref().unwrap_or(&matrix.bootstrap);
        let mut program = Program::start(&java, source, work_dir)?;
        let mut consumed = BTreeMap::new();
        for topic in &matrix.read_topics {
            for isolation in Isolation::ALL {
                let read = Read::whole(topic, isolation);
                let got = program.consume(&read)?;
                ensure!(got.count() > 0, "{topic} has no records for {}", isolation.name());
                consumed.insert((topic.clone(), isolation.name()), got);
            }
        }
        let listed: Listed = program.ask(&json!({"action": "list"}))?;
        let mut partitions = BTreeMap::new();
        for topic in &matrix.read_topics {
            let count = listed.topics.get(topic).with_context(|| format!("no topic {topic}"))?;
            partitions.insert(topic.clone(), *count);
        }
        let judge = match &matrix.source {
            None => program,
            Some(_) => Program::start(&java, &matrix.bootstrap, work_dir)?,
        };
        let reference =
            Self { consumed, partitions, judge: Mutex::new(judge), run: random_id()?[..8].into() };
        if !matrix.group_protocols.is_empty() {
            reference.check_group_topic(&matrix.read_topics)?;
        }
        Ok(reference)
    }

    fn check_group_topic(&self, read_topics: &[String]) -> Result<()> {
        let topic = read_topics.first().context("no topic to consume")?;
        let [all, committed] = Isolation::ALL.map(|isolation| self.expected(topic, isolation));
        ensure!(all == committed, "groups consume {topic}, which has aborted or open transactions");
        ensure!(self.partitions[topic] > 1, "groups share {topic}, which has one partition");
        Ok(())
    }

    /// What a consumer of a read topic must get.
    pub(super) fn expected(&self, topic: &str, isolation: Isolation) -> &Consumed {
        &self.consumed[&(topic.to_owned(), isolation.name())]
    }

    /// What Kafka's own client gets from the checked cluster now.
    pub(super) fn consume(&self, read: &Read<'_>) -> Result<Consumed> {
        self.judge.lock().expect(NO_PANIC).consume(read)
    }

    /// The type of a group: `classic` or `consumer`.
    pub(super) fn group_type(&self, group: &str) -> Result<String> {
        let request = json!({"action": "group_types"});
        let told: GroupTypes = self.judge.lock().expect(NO_PANIC).ask(&request)?;
        told.types.get(group).cloned().with_context(|| format!("no group {group} is listed"))
    }
}

/// Why what a client got is not what it must get, if it is not.
pub(super) fn compare(expected: &Consumed, got: &Consumed) -> Result<()> {
    for (partition, records) in &expected.partitions {
        let Some(found) = got.partitions.get(partition) else {
            bail!("nothing of partition {partition}, which has {} records", records.count);
        };
        let mut lines = found.lines.iter().zip(&records.lines);
        if let Some((ours, theirs)) = lines.find(|(ours, theirs)| ours != theirs) {
            bail!("partition {partition}: record '{ours}' should be '{theirs}'");
        }
        let (found, expected) = (found.count, records.count);
        ensure!(found == expected, "partition {partition}: {found} records of {expected}");
    }
    ensure!(expected.partitions == got.partitions, "other partitions: {:?}", got.counts());
    Ok(())
}

impl<'a> Read<'a> {
    /// All of a topic, with a line per record.
    pub(super) fn whole(topic: &'a str, isolation: Isolation) -> Self {
        Self { topic, isolation, values: None, lines: true, counts: BTreeMap::new() }
    }
}

/// Answer to `list`.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) topics: BTreeMap<String, usize>,
}

#[derive(Debug, Deserialize)]
struct GroupTypes {
    types: BTreeMap<String, String>,
}

/// One per core of the smallest machine that this runs on.
const CLIENTS_AT_ONCE: usize = 2;
const NO_PANIC: &str = "nothing panics while this is locked";
