//! What the tests of the mirrors' life have in common: which cluster they mirror from, and what
//! both sides must hold in the end.
//!
//! The modules `mirror_lifecycle_*` are the acceptance scenarios of KIP-1279; which row is answered
//! by which test is in `control/mirror-coordinator/ACCEPTANCE.md`.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result, bail, ensure};
use harness::driver::{CreateTopic, Isolation, Produce};
use harness::{
    ClusterOptions, Driver, Kafka, KafkaCluster, KafkaRelease, MirrorNode, Ringmirror, TempDir,
};
use kafka_wire::mirror_api::describe_cluster_mirrors::DescribeClusterMirrorsRequest;
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};

use crate::mirrored::expect_same_bytes;
use crate::raw_client::RawClient;

/// A stock broker for all tests that run at the same time, who name topics after themselves.
pub(crate) fn shared_source(test: &str) -> Result<Option<Arc<KafkaCluster>>> {
    static SHARED: Mutex<Weak<KafkaCluster>> = Mutex::new(Weak::new());
    shared(&SHARED, test, |kafka| kafka.start(KafkaRelease::V4, ClusterOptions::default()))
}

/// Kafka's own clients without a broker, for tests between nodes.
#[derive(Debug)]
pub(crate) struct Clients {
    driver: Driver,
    _directory: TempDir,
    _kafka: Kafka,
}

/// Such clients for all tests that run at the same time.
pub(crate) fn shared_clients(test: &str) -> Result<Option<Arc<Clients>>> {
    static SHARED: Mutex<Weak<Clients>> = Mutex::new(Weak::new());
    shared(&SHARED, test, |kafka| {
        let directory = TempDir::new("clients")?;
        // Nobody asks for the cluster it is started against.
        let driver = Driver::start(KafkaRelease::V4, "127.0.0.1:1", directory.path())?;
        Ok(Clients { driver, _directory: directory, _kafka: kafka })
    })
}

/// What is in use already, or what `start` makes; nothing when there is no Kafka here. A test takes
/// one thing only: each holds one of the places of [`harness::KAFKA_TESTS_MAX`].
fn shared<T>(
    place: &Mutex<Weak<T>>,
    test: &str,
    start: impl FnOnce(Kafka) -> Result<T>,
) -> Result<Option<Arc<T>>> {
    // A test that failed while it started one left none behind.
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(used) = place.upgrade() {
        return Ok(Some(used));
    }
    let Some(kafka) = harness::kafka_or_skip(test) else { return Ok(None) };
    let started = Arc::new(start(kafka)?);
    *place = Arc::downgrade(&started);
    Ok(Some(started))
}

/// Two nodes, the second to mirror from the first.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) a: MirrorNode,
    pub(crate) b: MirrorNode,
    clients: Arc<Clients>,
}

impl Pair {
    pub(crate) fn start(test: &str) -> Result<Option<Self>> {
        let Some(clients) = shared_clients(test)? else { return Ok(None) };
        let [a, b] = [MirrorNode::start(&clients.driver)?, MirrorNode::start(&clients.driver)?];
        Ok(Some(Self { a, b, clients }))
    }

    /// One more.
    pub(crate) fn third(&self) -> Result<MirrorNode> {
        MirrorNode::start(&self.clients.driver)
    }
}

/// Has `to` mirror topics from the node `from`, and waits until it has all of them.
pub(crate) fn mirror(
    from: &MirrorNode,
    to: &MirrorNode,
    name: &str,
    topics: &[&str],
) -> Result<()> {
    to.mirror(name, (from.driver(), from.address()), topics)
}

/// Has a node mirror topics from a stock cluster, and waits until it has all of them.
pub(crate) fn mirror_stock(
    source: &KafkaCluster,
    to: &MirrorNode,
    name: &str,
    topics: &[&str],
) -> Result<()> {
    to.mirror(name, (source.driver(), &source.bootstrap_servers()), topics)
}

/// Makes a topic of one partition with `count` records.
pub(crate) fn create_with_records(at: &Driver, topic: &str, count: u64) -> Result<()> {
    at.create_topic(&CreateTopic::new(topic, 1))?;
    at.produce(&Produce::new(topic, 0, count))?;
    Ok(())
}

/// How many records a consumer is given.
pub(crate) fn count(at: &Driver, topic: &str, isolation: Isolation) -> Result<u64> {
    Ok(at.digest(topic, 0, isolation)?.count)
}

/// A consumer of partition 0 is given so many records.
pub(crate) fn expect_count(at: &Driver, topic: &str, expected: u64) -> Result<()> {
    let found = at.digest(topic, 0, Isolation::ReadUncommitted)?;
    ensure!(found.count == expected, "{topic}: not {expected} records: {found:?}");
    Ok(())
}

/// The offset behind the last record of partition 0.
pub(crate) fn end(at: &Driver, topic: &str) -> Result<i64> {
    Ok(at.describe_topic(topic)?.partitions[0].high_watermark)
}

/// Nobody can produce to partition 0.
pub(crate) fn expect_read_only(at: &Driver, topic: &str) -> Result<()> {
    let before = end(at, topic)?;
    let refused = at.produce(&Produce::new(topic, 0, 1));
    ensure!(refused.is_err(), "{topic} took a record: {refused:?}");
    ensure!(end(at, topic)? == before, "{topic} grew although it refused");
    Ok(())
}

/// Anybody can.
pub(crate) fn expect_writable(at: &Driver, topic: &str, count: u64) -> Result<()> {
    let before = end(at, topic)?;
    let written = at.produce(&Produce::new(topic, 0, count).first(WRITTEN_LATER))?;
    ensure!(written.first_offset == before, "{topic}: {written:?}, not at its end {before}");
    Ok(())
}

/// Both sides give their consumers the same records at the same offsets.
pub(crate) fn expect_same_records(left: &Driver, right: &Driver, topic: &str) -> Result<()> {
    for partition in left.describe_topic(topic)?.partitions {
        let index = partition.partition;
        for isolation in Isolation::ALL {
            let (left, right) =
                (left.digest(topic, index, isolation)?, right.digest(topic, index, isolation)?);
            ensure!(left == right, "{topic}-{index}, {isolation:?}: {left:?}, but {right:?}");
        }
    }
    Ok(())
}

/// Proves that the directories of two nodes have the same bytes: once as `ringmirror verify` reads
/// the other node, once file by file. Both run before and after.
pub(crate) fn expect_equal_files(
    checked: &mut MirrorNode,
    other: &mut MirrorNode,
    topics: &[(&str, i32)],
) -> Result<()> {
    checked.stop()?;
    for (topic, partitions) in topics {
        let verify = Ringmirror::verify(other.address(), &checked.data_dir());
        let ended = verify.option("--topics", topic).run()?.expect_code(0)?;
        let report = ended.document()?;
        let compared = report["partitions"].as_array().map_or(0, Vec::len);
        let expected = usize::try_from(*partitions)?;
        ensure!(report["equal"] == true && compared == expected, "{topic}: {ended}");
    }
    other.stop()?;
    for (topic, partitions) in topics {
        for partition in 0..*partitions {
            let name = format!("{topic}-{partition}");
            expect_same_bytes(&other.data_dir(), &checked.data_dir(), &name)?;
        }
    }
    other.start_again()?;
    checked.start_again()
}

/// The id of a node's cluster.
pub(crate) fn cluster_id(node: &MirrorNode) -> Result<String> {
    node.driver().wait_ready(&[NODE_ID])
}

/// Where a stopped mirror from `source` ended in partition 0: last mirrored epoch, and offset.
pub(crate) fn last_position(
    node: &MirrorNode,
    source: &MirrorNode,
    topic: &str,
) -> Result<(i32, i64)> {
    last_positions(node, source, topic)?.first().copied().context("no partition")
}

/// As [`last_position`] of every partition.
pub(crate) fn last_positions(
    node: &MirrorNode,
    source: &MirrorNode,
    topic: &str,
) -> Result<Vec<(i32, i64)>> {
    let request = MirrorRequest::DescribeClusterMirrors(DescribeClusterMirrorsRequest {
        mirror_names: None,
        include_authorized_operations: false,
        topics: None,
        include_mirror_state: true,
        include_mirror_offset: false,
        cluster_id: Some(cluster_id(source)?),
        last_mirror_epoch_lookups: Vec::new(),
    });
    let response = RawClient::connect(node.address())?.ask_about_mirrors(&request)?;
    let MirrorResponse::DescribeClusterMirrors(described) = response else {
        bail!("another response: {response:?}");
    };
    let topics = described.mirrors.iter().flat_map(|mirror| &mirror.topics);
    let partitions = topics.filter(|found| found.topic_name == topic).flat_map(|t| &t.partitions);
    let mut found: Vec<_> = partitions
        .map(|one| (one.partition_index, (one.last_mirror_epoch, one.last_mirror_offset)))
        .collect();
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, position)| position).collect())
}

const NODE_ID: i32 = 1;

/// Index of the first record of those a topic is given after its first ones.
const WRITTEN_LATER: u64 = 1_000_000;
