//! Groups that move from a source to the node that mirrors it, in the middle of consuming and while
//! records keep coming: what a client got on both sides is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::checks::{Finding, GroupRun, Outcome};
use super::installed::Installed;
use super::matrix::{self, ClientReport, GroupProtocol};
use super::{Client, Program};
use crate::driver::{CreateTopic, Driver, Isolation, Produce};
use crate::kafka_cluster::KafkaCluster;
use crate::mirror_node::MirrorNode;
use crate::temp_dir::TempDir;

/// Moves a group of every client in `clients` from `source` to a node of its own.
///
/// # Errors
/// When the node or what produces cannot be started; failures of a client are in its report.
pub fn run(
    source: &KafkaCluster,
    clients: &[Client],
    protocols: &[GroupProtocol],
    install_dir: &Path,
) -> Result<Vec<ClientReport>> {
    let work_dir = TempDir::new("moving")?;
    let node = MirrorNode::start(source.driver())?;
    for client in clients {
        for protocol in protocols {
            source.driver().create_topic(&CreateTopic::new(&topic(*client, *protocol), 3))?;
        }
    }
    let bootstrap = source.bootstrap_servers();
    node.create_mirror(MIRROR, &bootstrap, &[])?;
    node.start_topics(MIRROR, "moving-.*")?;
    // A process of its own: nobody waits for its records.
    let producing = Driver::start(source.release(), &bootstrap, work_dir.path())?;
    let moving = Moving { bootstrap, node, producing, work_dir: work_dir.path() };
    matrix::each(clients, install_dir, |installed| moving.report(installed, protocols))
}

struct Moving<'a> {
    bootstrap: String,
    node: MirrorNode,
    producing: Driver,
    work_dir: &'a Path,
}

impl Moving<'_> {
    fn report(&self, installed: &Installed, protocols: &[GroupProtocol]) -> Result<ClientReport> {
        let (client, begin) = (installed.client, Instant::now());
        let about = Program::start(installed, &self.bootstrap, self.work_dir)?.about()?;
        let (mut findings, mut told) = (Vec::new(), Vec::new());
        for protocol in protocols {
            let name = protocol.name();
            let knows = about.group_protocols.iter().any(|known| known == name);
            let outcome = match (knows, client) {
                // It commits when it likes to.
                (false, _) | (_, Client::Kcat) => Outcome::Unsupported,
                _ => match self.moves(installed, *protocol) {
                    Ok(counted) => {
                        told.push(format!("{name} group moved over: {}", counted.text()));
                        Outcome::Passed
                    }
                    Err(error) => Outcome::Failed(format!("{error:#}")),
                },
            };
            findings.push(Finding { check: format!("{name} group moves over"), outcome });
        }
        let (versions, took) = (about.versions, begin.elapsed());
        Ok(ClientReport { client, versions, skipped: None, findings, told, took })
    }

    /// Consumes at the source, at the node while it mirrors, at the source, and at the node for
    /// good; each time the group goes on where it had committed at the source.
    fn moves(&self, installed: &Installed, protocol: GroupProtocol) -> Result<Counted> {
        let topic = topic(installed.client, protocol);
        let mut at_source = Program::start(installed, &self.bootstrap, self.work_dir)?;
        let mut at_node = Program::start(installed, self.node.address(), self.work_dir)?;
        let consume = |program: &mut Program, count: u64| -> Result<GroupRun> {
            program.ask(&json!({
                "action": "group", "topic": topic, "group": topic, "count": count,
                "protocol": protocol.name(), "commit_every": COMMIT_EVERY,
            }))
        };
        self.produce_to_all(&topic, 0, AT_FIRST)?;
        let begun = consume(&mut at_source, IN_THE_MIDDLE).context("at the source")?;
        let load = AtomicBool::new(true);
        thread::scope(|scope| {
            let produced = scope.spawn(|| self.produce(&topic, &load));
            // Also when anything here fails.
            let _stops = StopsLoad(&load);
            self.await_offsets(&topic, &begun)?;
            let meanwhile = consume(&mut at_node, IN_THE_MIDDLE).context("while mirrored")?;
            let early = count(&[&begun], &meanwhile, None).context("while mirrored")?;
            // Without members here it is where it is at the source again.
            self.await_offsets(&topic, &begun)?;
            let more = consume(&mut at_source, IN_THE_MIDDLE).context("at the source again")?;
            self.await_offsets(&topic, &more)?;
            self.node.stop_topics(MIRROR, &[&topic])?;
            let ends = self.ends(&topic)?;
            let rest = more.left_until(&ends)?;
            let moved = consume(&mut at_node, rest).context("at the node for good")?;
            load.store(false, Ordering::Relaxed);
            produced.join().expect("producing does not panic")?;
            let last = count(&[&begun, &more], &moved, Some(&ends))?;
            Ok(Counted { reread: early.reread + last.reread, ..last })
        })
    }

    /// Records at a steady rate, until nobody wants any more.
    fn produce(&self, topic: &str, wanted: &AtomicBool) -> Result<()> {
        let mut first = AT_FIRST;
        let mut due = Instant::now();
        while wanted.load(Ordering::Relaxed) {
            self.produce_to_all(topic, first, BURST)?;
            first += BURST;
            due += PACE;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    fn produce_to_all(&self, topic: &str, first: u64, count: u64) -> Result<()> {
        for partition in 0..PARTITIONS {
            let some = Produce::new(topic, partition, count).first(first).idempotent_as(topic);
            self.producing.produce(&some)?;
        }
        Ok(())
    }

    /// Waits until the group has at the node what it committed at the source.
    fn await_offsets(&self, group: &str, run: &GroupRun) -> Result<()> {
        let committed = run.committed.as_ref().context("the client tells no commits")?;
        let named: Vec<_> =
            committed.iter().map(|(partition, at)| (format!("{group}-{partition}"), *at)).collect();
        let named: Vec<_> = named.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        self.node.await_group_offsets(group, &named)
    }

    /// Where the records of each partition end at the node; behind them is what a stop wrote.
    fn ends(&self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let mut ends = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let read = self.node.driver().digest(topic, partition, Isolation::ReadUncommitted)?;
            ends.insert(partition, i64::try_from(read.count)?);
        }
        Ok(ends)
    }
}

/// Ends the load when it goes.
struct StopsLoad<'a>(&'a AtomicBool);

impl Drop for StopsLoad<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// What became of the records of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    /// Different records that the group got.
    records: usize,
    /// Records that it got on both sides: none that was committed at the source.
    reread: usize,
}

impl Counted {
    fn text(self) -> String {
        let Self { records, reread } = self;
        format!("{records} records, 0 skipped, {reread} of them uncommitted and read again")
    }
}

/// Counts what a group got at the source, in the order of `before`, and then at the node: up to
/// `ends` when it was to get all.
///
/// # Errors
/// When a record was skipped, or one read again that had been committed at the source.
fn count(
    before: &[&GroupRun],
    after: &GroupRun,
    ends: Option<&BTreeMap<i32, i64>>,
) -> Result<Counted> {
    let committed = before.last().and_then(|last| last.committed.as_ref());
    let committed = committed.context("nothing was committed at the source")?;
    let mut counted = Counted::default();
    for partition in 0..PARTITIONS {
        let of = |run: &GroupRun| -> BTreeSet<i64> {
            run.offsets.get(&partition).into_iter().flatten().copied().collect()
        };
        let at_source: BTreeSet<i64> = before.iter().flat_map(|run| of(run)).collect();
        let at_node = of(after);
        let committed = committed.get(&partition).copied().unwrap_or(0);
        let last = at_node.last().map_or(committed, |last| last + 1);
        let end = ends.and_then(|ends| ends.get(&partition)).copied().unwrap_or(last);
        // What was got at the source and not committed there is to come again.
        let is_got = |offset: &i64| match *offset < committed {
            true => at_source.contains(offset),
            false => at_node.contains(offset),
        };
        let skipped: Vec<i64> = (0..end).filter(|offset| !is_got(offset)).collect();
        ensure!(
            skipped.is_empty(),
            "{} records of partition {partition} were skipped, from {:?} on",
            skipped.len(),
            skipped.first()
        );
        let again: Vec<i64> = at_source.intersection(&at_node).copied().collect();
        let needless = again.iter().filter(|offset| **offset < committed).count();
        ensure!(
            needless == 0,
            "{needless} records of partition {partition} were read again below {committed}, which \
             was committed"
        );
        counted.records += at_source.union(&at_node).count();
        counted.reread += again.len();
    }
    Ok(counted)
}

impl GroupRun {
    /// Records from its commits to these ends.
    fn left_until(&self, ends: &BTreeMap<i32, i64>) -> Result<u64> {
        let committed = self.committed.as_ref().context("the client tells no commits")?;
        let left = |(partition, end): (&i32, &i64)| end - committed.get(partition).unwrap_or(&0);
        Ok(u64::try_from(ends.iter().map(left).sum::<i64>())?)
    }
}

/// The topic of a client, which is the name of its group as well.
fn topic(client: Client, protocol: GroupProtocol) -> String {
    format!("moving-{client}-{}", protocol.name())
}

const MIRROR: &str = "moving";
const PARTITIONS: i32 = 3;
/// Records of each partition before anybody consumes: too few of two partitions for a group that
/// consumes [`IN_THE_MIDDLE`], so it commits in all three. Where it has committed nothing at the
/// source, a mirror has nothing to set back to what it commits at the node.
const AT_FIRST: u64 = 350;
/// Records of each partition at a time from then on,
const BURST: u64 = 10;
/// and how often.
const PACE: Duration = Duration::from_millis(40);
/// Records consumed before a group moves; the last of them are not committed,
const IN_THE_MIDDLE: u64 = 1030;
/// since it commits after so many.
const COMMIT_EVERY: u64 = 100;

#[cfg(test)]
mod tests;
