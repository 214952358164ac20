//! Topics made at a node: they outlive it, never mix with the source's, and a stock broker takes
//! them over.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Isolation, Produce};
use harness::{ClusterOptions, Driver, Kafka, KafkaRelease, Ringmirror, TempDir, hand_over};

use crate::mirrored::{SOON, expect_verified};
use crate::node::{ends_in_time, leader_epochs};

#[test]
fn what_was_made_at_a_node_outlives_it_and_is_handed_over() -> Result<()> {
    let name = "what_was_made_at_a_node_outlives_it_and_is_handed_over";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    outlives_and_is_handed_over(&kafka, KafkaRelease::V4, "4.2")
}

fn outlives_and_is_handed_over(kafka: &Kafka, release: KafkaRelease, told: &str) -> Result<()> {
    let source = kafka.start(release, ClusterOptions::default())?;
    source.driver().create_topic(&CreateTopic::new("orders", 1))?;
    source.driver().produce(&Produce::new("orders", 0, 10).idempotent_as("at the source"))?;
    let directory = TempDir::new("node")?;
    let data_dir = directory.join("data");
    let bootstrap = source.bootstrap_servers();
    let start = || Ringmirror::node(&data_dir).mirror_from(&bootstrap, "orders|notes").spawn();

    let mut node = start()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(release, &address, directory.path())?;
    let id =
        driver.create_topic(&CreateTopic::new("notes", 2).config("segment.bytes", "1048576"))?;
    driver.produce(&Produce::new("notes", 0, 30).idempotent_as("at the node"))?;
    driver.produce(&Produce::new("notes", 1, 5))?;
    driver.commit_group("readers", "notes", 0, 7)?;
    driver.create_topic(&CreateTopic::new("gone", 1))?;
    driver.delete_topic("gone")?;
    driver.await_high_watermark("orders", 0, 10)?;
    let made = Made::of(&driver)?;
    source.driver().create_topic(&CreateTopic::new("notes", 1))?;
    let lost = node.wait_for_event("topic_lost", SOON)?;
    let reason = lost["reason"].as_str().unwrap_or_default();
    ensure!(lost["topic"] == "notes" && reason.contains("made here"), "{lost}");
    drop(driver);
    ends_in_time(node, &data_dir)?;
    expect_verified(&source, &data_dir, 1)?;

    let mut node = start()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(release, &address, directory.path())?;
    ensure!(driver.describe_topic("notes")?.topic_id == id);
    made.expect_at(&driver)?;
    node.kill()?;

    let mut node = Ringmirror::node(&data_dir).spawn()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(release, &address, directory.path())?;
    made.expect_at(&driver)?;
    let more = driver.produce(&Produce::new("notes", 1, 1))?;
    ensure!(more.first_offset == 5, "{more:?}");
    let made = Made::of(&driver)?;
    drop(driver);
    ends_in_time(node, &data_dir)?;

    let broker = kafka.start_on_directory(release, &hand_over(&data_dir, 7, told)?)?;
    ensure!(broker.driver().describe_topic("notes")?.topic_id == id);
    // A client that was told an epoch here never meets a lower one there.
    let (told, orders) = (leader_epochs(&data_dir)?[0], broker.driver().describe_topic("orders")?);
    ensure!(i64::from(orders.partitions[0].leader_epoch) > told, "{told}, then {orders:?}");
    made.expect_at(broker.driver())
}

/// What clients find of what was made.
#[derive(Debug, PartialEq)]
struct Made {
    topics: Vec<String>,
    digests: Vec<harness::driver::Digest>,
    offsets: BTreeMap<String, i64>,
    configs: BTreeMap<String, String>,
}

impl Made {
    fn of(driver: &Driver) -> Result<Self> {
        let digest = |(topic, partition)| driver.digest(topic, partition, Isolation::ReadCommitted);
        let named = driver.list_topics()?.into_keys();
        Ok(Self {
            topics: named.filter(|name| !name.starts_with("__")).collect(),
            digests: [("notes", 0), ("notes", 1)].map(digest).into_iter().collect::<Result<_>>()?,
            offsets: driver.group_offsets("readers")?,
            configs: driver.topic_configs("notes")?,
        })
    }

    fn expect_at(&self, driver: &Driver) -> Result<()> {
        let found = Self::of(driver)?;
        ensure!(found == *self, "{self:?} became {found:?}");
        Ok(())
    }
}
