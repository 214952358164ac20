//! What carrying over the offsets of very many consumer groups costs `ringmirror node`: seconds of
//! a whole round over a stock Kafka broker that coordinates them, and processor time in it.
//!
//! Rounds are ordered one at a time: the node's interval is an hour, and the shortest there is
//! until a round has begun.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::Driver;
use harness::driver::{CreateTopic, Produce};
use kafka_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, IncrementalAlterConfigsRequest, OffsetCommitRequest};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedSync;
use serde::Serialize;

use crate::kafka_client::{KafkaClient, LogEdge, name};
use crate::machine::{ratio_f64, resident_bytes_of};
use crate::mirrors_client::MirrorsClient;
use crate::served_logs::WorkDirectory;
use crate::server_process::ServerProcess;
use crate::stock_broker;

/// How to measure.
#[derive(Clone, Debug)]
pub struct GroupsPlan {
    /// Where both servers keep their data; all of it is removed.
    pub directory: PathBuf,
    /// The program under measurement.
    pub ringmirror: PathBuf,
    /// Consumer groups at the source.
    pub groups: u32,
    /// Partitions that each has offsets of.
    pub partitions: i32,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct GroupsRow {
    /// Consumer groups.
    pub groups: u32,
    /// Partitions that each has offsets of.
    pub partitions: i32,
    /// Rounds, in order.
    pub rounds: Vec<GroupsRound>,
}

/// One round.
#[derive(Clone, Debug, Serialize)]
pub struct GroupsRound {
    /// What there was to do.
    pub what: String,
    /// How long it took, as the node says.
    pub seconds: f64,
    /// Processor time of the node from just before it to its end.
    pub cpu_seconds: f64,
    /// Offsets that it wrote.
    pub written: i64,
    /// Memory that the node holds afterwards.
    pub resident_mib: f64,
}

/// Measures; `tell` hears each figure as it comes.
///
/// # Errors
/// When a server refuses, or a round leaves something out.
pub fn measure(plan: &GroupsPlan, mut tell: impl FnMut(&str)) -> Result<GroupsRow> {
    let root = WorkDirectory::create(&plan.directory, "perf-groups")?;
    let mut broker = stock_broker::start_new(&root.path.join("stock"))?;
    broker.wait_until("its first answer", |client| client.partitions("none"))?;
    fill(broker.address(), plan.partitions, &root.path)?;
    let mut source = Source::connect(&mut broker, plan)?;
    let begun = Instant::now();
    source.commit_all(0)?;
    tell(&format!("{} groups have committed after {:.1} s", plan.groups, seconds(begun)));

    let mut node = ServerProcess::start_node(&plan.ringmirror, &root.path.join("node"), None)?;
    node.wait_until("its first answer", |client| Ok(Some(client.offsets("none", 0, END)?)))?;
    let mut rounds = Rounds { node: &node, mirrors: MirrorsClient::connect(node.address())? };
    rounds.set_interval(HOUR_MS)?;
    rounds.mirrors.create(&broker.address().to_string())?;
    rounds.mirrors.start_all()?;
    rounds.await_records(plan.partitions)?;
    let mut row =
        GroupsRow { groups: plan.groups, partitions: plan.partitions, rounds: Vec::new() };
    let every = i64::from(plan.groups) * i64::from(plan.partitions);
    for (what, moves, written) in [
        ("every offset is new", false, every),
        ("nothing has changed", false, 0),
        ("nothing has changed, again", false, 0),
        ("every offset has moved", true, every),
    ] {
        if moves {
            source.commit_all(1)?;
        }
        let round = rounds.one(what, i64::from(plan.groups))?;
        ensure!(round.written == written, "{what}: {} written, not {written}", round.written);
        tell(&round.text());
        row.rounds.push(round);
    }
    Ok(row)
}

/// Who commits for all groups.
struct Source<'a> {
    client: KafkaClient,
    plan: &'a GroupsPlan,
}

impl<'a> Source<'a> {
    fn connect(broker: &mut ServerProcess, plan: &'a GroupsPlan) -> Result<Self> {
        broker.wait_until("a coordinator of groups", |client| {
            let key = StrBytes::from_string(group_name(0));
            let request = FindCoordinatorRequest::default().with_key(key);
            let found = client.ask(&request, FIND_COORDINATOR_VERSION)?;
            Ok((found.error_code == 0).then_some(()))
        })?;
        let mut source = Self { client: KafkaClient::connect(broker.address())?, plan };
        // The coordinator may still load.
        broker.wait_until("a commit", |_| Ok(source.commit(0, 0).ok()))?;
        Ok(source)
    }

    /// Has every group commit every partition, each at another place, `further` behind the last.
    fn commit_all(&mut self, further: i64) -> Result<()> {
        (0..self.plan.groups).try_for_each(|group| self.commit(group, further))
    }

    /// As a group without members does it.
    fn commit(&mut self, group: u32, further: i64) -> Result<()> {
        let partition = |index: i32| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset((i64::from(group) + i64::from(index)) % OFFSETS + further)
        };
        let topic = OffsetCommitRequestTopic::default()
            .with_name(name(TOPIC))
            .with_partitions((0..self.plan.partitions).map(partition).collect());
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(group_name(group))))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let response = self.client.ask(&request, OFFSET_COMMIT_VERSION)?;
        let mut codes = response.topics.iter().flat_map(|topic| &topic.partitions);
        let refused = codes.find(|one| one.error_code != 0);
        ensure!(refused.is_none(), "{}: {refused:?}", group_name(group));
        Ok(())
    }
}

/// Who orders rounds and watches them.
struct Rounds<'a> {
    node: &'a ServerProcess,
    mirrors: MirrorsClient,
}

impl Rounds<'_> {
    /// Has the node go round once.
    fn one(&mut self, what: &str, groups: i64) -> Result<GroupsRound> {
        let before = self.sync()?;
        let (errors, written) = before.as_ref().map_or((0, 0), |it| (it.error_count, it.written));
        let cpu = self.node.cpu()?;
        let begun = Instant::now();
        self.set_interval(0)?;
        // A round is over when one succeeded after this moment; the next waits for four times what
        // it took.
        let told = loop {
            let told = self.sync()?;
            let is_over = |told: &DescribedSync| {
                let age = Duration::from_millis(u64::try_from(told.success_age_ms).unwrap_or(0));
                told.success_age_ms >= 0 && age < begun.elapsed()
            };
            if let Some(told) = told.filter(is_over) {
                break told;
            }
            ensure!(begun.elapsed() < WAIT_MAX, "{what}: no round in {WAIT_MAX:?}");
            thread::sleep(LOOK_PAUSE);
        };
        let cpu = self.node.cpu()?.saturating_sub(cpu);
        self.set_interval(HOUR_MS)?;
        let in_step = told.in_step;
        ensure!(in_step == groups, "{what}: {in_step} of {groups} groups are in step: {told:?}");
        ensure!(told.error_count == errors, "{what}: {told:?}");
        Ok(GroupsRound {
            what: what.to_owned(),
            seconds: ratio_f64(u64::try_from(told.took_ms)?) / 1000.0,
            cpu_seconds: cpu.as_secs_f64(),
            written: told.written - written,
            resident_mib: ratio_f64(resident_bytes_of(self.node.id())?) / f64::from(1 << 20),
        })
    }

    fn sync(&mut self) -> Result<Option<DescribedSync>> {
        Ok(self.mirrors.syncs()?.into_iter().find(|sync| sync.task == TASK))
    }

    fn set_interval(&mut self, ms: u64) -> Result<()> {
        let config = AlterableConfig::default()
            .with_name(StrBytes::from_static_str(INTERVAL))
            .with_value(Some(StrBytes::from_string(ms.to_string())));
        let resource =
            AlterConfigsResource::default().with_resource_type(BROKER).with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let mut client = KafkaClient::connect(self.node.address())?;
        let told = client.ask(&request, ALTER_CONFIGS_VERSION)?;
        let refused = told.responses.iter().find(|one| one.error_code != 0);
        ensure!(refused.is_none(), "{INTERVAL}: {refused:?}");
        Ok(())
    }

    fn await_records(&mut self, partitions: i32) -> Result<()> {
        let begun = Instant::now();
        loop {
            let mut client = KafkaClient::connect(self.node.address())?;
            let ends = client.offsets(TOPIC, partitions, END)?.unwrap_or_default();
            if !ends.is_empty() && ends.iter().all(|end| *end > OFFSETS) {
                return Ok(());
            }
            ensure!(begun.elapsed() < WAIT_MAX, "not all is mirrored in {WAIT_MAX:?}: {ends:?}");
            thread::sleep(LOOK_PAUSE);
        }
    }
}

impl GroupsRow {
    /// A line for each round.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{} groups x {} partitions", self.groups, self.partitions);
        for round in &self.rounds {
            let _ = write!(text, "\n{}", round.text());
        }
        text
    }
}

impl GroupsRound {
    fn text(&self) -> String {
        let Self { what, seconds, cpu_seconds, written, resident_mib } = self;
        format!(
            "{what:<28} {seconds:>7.2} s, {cpu_seconds:>6.2} s of processor time, {written:>8} \
             written, {resident_mib:>5.0} MiB resident"
        )
    }
}

/// Makes the topic, with more records in each partition than any group has consumed.
fn fill(broker: SocketAddr, partitions: i32, work_dir: &Path) -> Result<()> {
    let driver = Driver::start(stock_broker::RELEASE, &broker.to_string(), work_dir)?;
    driver.create_topic(&CreateTopic::new(TOPIC, partitions))?;
    for partition in 0..partitions {
        driver.produce(&Produce::new(TOPIC, partition, RECORDS))?;
    }
    Ok(())
}

fn group_name(index: u32) -> String {
    format!("group-{index:06}")
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

const TOPIC: &str = "orders";
const TASK: &str = "consumer-groups";
const INTERVAL: &str = "mirror.group.offsets.refresh.interval.ms";
const HOUR_MS: u64 = 3_600_000;
const END: LogEdge = LogEdge::End;
/// Groups stand at as many different offsets,
const OFFSETS: i64 = 500;
/// in logs of so many records.
const RECORDS: u64 = 600;
const BROKER: i8 = 4;
const FIND_COORDINATOR_VERSION: i16 = 3;
const OFFSET_COMMIT_VERSION: i16 = 8;
const ALTER_CONFIGS_VERSION: i16 = 1;
/// Whoever is not there by then is not measured but broken.
const WAIT_MAX: Duration = Duration::from_secs(300);
const LOOK_PAUSE: Duration = Duration::from_millis(50);
