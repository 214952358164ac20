//! Nodes that are killed while clients write to them: what was acknowledged is there, once.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Isolation, Produce, Range};
use harness::{Driver, KafkaRelease, Ringmirror, Running, TempDir};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;

use crate::mirrored::SOON;
use crate::node::ends_in_time;
use crate::raw_client::{RawClient, topic_name};

#[test]
fn kills_under_writing_clients_lose_nothing_and_double_nothing() -> Result<()> {
    let name = "kills_under_writing_clients_lose_nothing_and_double_nothing";
    if harness::kafka_or_skip(name).is_none() {
        return Ok(());
    }
    let directory = TempDir::new("killed")?;
    let data_dir = directory.join("data");
    let (node, address) = start(&data_dir, "127.0.0.1:0")?;
    let driver = Driver::start(KafkaRelease::V4, &address, directory.path())?;
    driver.create_topic(&CreateTopic::new(TOPIC, 1))?;
    let (is_over, commits) = (AtomicBool::new(false), Commits::default());
    let (acknowledged, rounds) = mpsc::channel();
    let (node, written) = thread::scope(|scope| -> Result<(Running, u64)> {
        let producer = scope.spawn(|| produce(&driver, &is_over, &acknowledged));
        let committer = scope.spawn(|| commits.go_on(&address, &is_over));
        let kill = || -> Result<Running> {
            let mut node = node;
            for _ in 0..KILLS {
                wait_for_progress(&rounds, &commits)?;
                node.kill()?;
                node = start(&data_dir, &address)?.0;
            }
            wait_for_progress(&rounds, &commits)?;
            Ok(node)
        };
        let outcome = kill();
        is_over.store(true, Ordering::Release);
        let written = producer.join().expect("the producer does not panic");
        committer.join().expect("the committer does not panic")?;
        Ok((outcome?, written?))
    })?;
    let records = driver.records(TOPIC, 0, Isolation::ReadUncommitted, Range::default())?;
    let found = records.iter().map(|record| record.key.as_deref().unwrap_or_default());
    let wrong = found.enumerate().find(|(at, key)| *key != format!("key-{at}").as_bytes());
    ensure!(wrong.is_none(), "of {written} records {wrong:?} is at a wrong place");
    ensure!(records.len() as u64 == written, "{} records, not {written}", records.len());
    drop(driver);
    ends_in_time(node, &data_dir)?;
    Ok(())
}

/// More and more records, until it is over; tells of every round that was acknowledged.
fn produce(driver: &Driver, is_over: &AtomicBool, told: &mpsc::Sender<()>) -> Result<u64> {
    let mut written = 0;
    while !is_over.load(Ordering::Acquire) {
        // Batches of some five records; the producer has as many requests in flight as it may.
        let records = Produce::new(TOPIC, 0, ROUND_RECORDS).first(written).batch_bytes(1_000);
        driver.produce(&records.idempotent_as("steady"))?;
        written += ROUND_RECORDS;
        // Nobody listens to the last one.
        let _ = told.send(());
    }
    Ok(written)
}

/// Waits until records were acknowledged, commits too, and the next ones are under way.
fn wait_for_progress(rounds: &Receiver<()>, commits: &Commits) -> Result<()> {
    while rounds.try_recv().is_ok() {}
    rounds.recv_timeout(SOON).context("waiting for acknowledged records")?;
    let (before, deadline) = (commits.acknowledged.load(Ordering::Acquire), Instant::now() + SOON);
    while commits.acknowledged.load(Ordering::Acquire) <= before {
        ensure!(Instant::now() < deadline, "no commit is acknowledged");
        thread::yield_now();
    }
    Ok(())
}

/// A group's commits, each one further.
#[derive(Debug)]
struct Commits {
    acknowledged: AtomicI64,
}

impl Default for Commits {
    fn default() -> Self {
        Self { acknowledged: AtomicI64::new(-1) }
    }
}

impl Commits {
    /// Commits until it is over, and looks after every loss of the node what is there.
    fn go_on(&self, address: &str, is_over: &AtomicBool) -> Result<()> {
        let mut next = 0;
        let mut deadline = Instant::now() + SOON;
        while !is_over.load(Ordering::Acquire) {
            let before = next;
            match self.converse(address, is_over, &mut next) {
                Err(error) if error.is::<std::io::Error>() => {}
                outcome => outcome?,
            }
            if next > before {
                deadline = Instant::now() + SOON;
            }
            ensure!(Instant::now() < deadline, "no commit is taken");
        }
        Ok(())
    }

    fn converse(&self, address: &str, is_over: &AtomicBool, next: &mut i64) -> Result<()> {
        let mut client = RawClient::connect(address)?;
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        let Some(found) = committed(&mut client)? else { return Ok(()) };
        let legal = acknowledged..=acknowledged.max(*next);
        ensure!(legal.contains(&found), "offset {found} is committed, expected {legal:?}");
        while !is_over.load(Ordering::Acquire) {
            *next += 1;
            let code = commit(&mut client, *next)?;
            if TRY_AGAIN.contains(&code) {
                return Ok(());
            }
            ensure!(code == 0, "error {code} for a commit");
            self.acknowledged.store(*next, Ordering::Release);
        }
        Ok(())
    }
}

/// What is committed, -1 for nothing; `None` when the groups are still being read.
fn committed(client: &mut RawClient) -> Result<Option<i64>> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name(TOPIC))
        .with_partition_indexes(vec![0]);
    let group =
        OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(Some(vec![topic]));
    let answer = client.ask(&OffsetFetchRequest::default().with_groups(vec![group]), 8)?;
    let group = &answer.groups[0];
    if TRY_AGAIN.contains(&group.error_code) {
        return Ok(None);
    }
    ensure!(group.error_code == 0, "{answer:?}");
    Ok(Some(group.topics[0].partitions[0].committed_offset))
}

fn commit(client: &mut RawClient, offset: i64) -> Result<i16> {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![topic]);
    Ok(client.ask(&request, 8)?.topics[0].partitions[0].error_code)
}

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("readers"))
}

fn start(data_dir: &Path, listen: &str) -> Result<(Running, String)> {
    let data_dir = data_dir.display().to_string();
    let args = ["node", "--json", "--listen", listen, "--data-dir", &data_dir];
    let mut node = Ringmirror::new(&args).spawn()?;
    let address = node.wait_serving(SOON)?;
    Ok((node, address))
}

const TOPIC: &str = "notes";
const KILLS: usize = 3;
const ROUND_RECORDS: u64 = 2_000;
/// The coordinator is loading, not available, or not there yet.
const TRY_AGAIN: [i16; 3] = [14, 15, 16];
