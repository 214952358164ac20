//! Kafka's own client at a node: it gets what the source has, and its groups outlive the node.
//!
//! All clients with all they can do are in `cargo xtask clients`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use harness::clients::{Client, Program, install};
use harness::driver::{CreateTopic, Isolation, Produce};
use harness::{
    ClusterOptions, ConsumedPartition, Driver, KafkaRelease, Ringmirror, TempDir, first_difference,
};
use serde_json::{Value, json};

use crate::history;
use crate::mirrored::SOON;
use crate::node::ends_in_time;

#[test]
fn java_consumers_get_from_a_node_what_the_source_has() -> Result<()> {
    let name = "java_consumers_get_from_a_node_what_the_source_has";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    let ids = history::fill(source.driver())?;
    let directory = TempDir::new("clients")?;
    let data_dir = directory.join("data");
    let bootstrap = source.bootstrap_servers();
    let mut node = Ringmirror::node(&data_dir).mirror_from(&bootstrap, "orders|plain").spawn()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(KafkaRelease::V4, &address, directory.path())?;
    // Before, clients need not even find the topics.
    node.wait_for(SOON, |event| {
        event["event"] == "progress" && event["partitions_caught_up"] == history::PARTITIONS.len()
    })?;
    for topic in ids.keys() {
        for one in source.driver().describe_topic(topic)?.partitions {
            driver.await_high_watermark(topic, one.partition, one.high_watermark)?;
        }
    }
    let listed: BTreeMap<_, _> =
        ids.into_iter().map(|(topic, id)| (topic.to_owned(), id)).collect();
    assert_eq!(driver.list_topics()?, listed);
    for (topic, partition) in history::PARTITIONS {
        // Both isolation levels.
        let of = |driver| ConsumedPartition { driver, topic, partition };
        let difference = first_difference(of(source.driver()), of(&driver))?;
        ensure!(difference.is_none(), "{}", difference.unwrap_or_default());
    }
    let java = install(Client::Java, directory.path())?;
    let mut program = Program::start(&java, &address, directory.path())?;
    for idempotent in [false, true] {
        let answer: Value = program.ask(&json!({
            "action": "produce", "topic": "plain", "partition": 0, "prefix": "no", "count": 3,
            "acks": "all", "codec": "none", "idempotent": idempotent,
        }))?;
        // READ_ONLY_TOPIC is younger than the client.
        ensure!(answer["refused"]["code"] == UNKNOWN_SERVER_ERROR, "{idempotent}: {answer}");
    }
    drop((driver, program));
    ends_in_time(node, &data_dir)?;
    Ok(())
}

#[test]
fn a_group_goes_on_where_it_was_after_a_kill_and_after_a_stop_of_the_node() -> Result<()> {
    let name = "a_group_goes_on_where_it_was_after_a_kill_and_after_a_stop_of_the_node";
    if harness::kafka_or_skip(name).is_none() {
        return Ok(());
    }
    let directory = TempDir::new("clients")?;
    let data_dir = directory.join("data");
    let start = || -> Result<_> {
        let mut node = Ringmirror::node(&data_dir).spawn()?;
        let address = node.wait_serving(SOON)?;
        let driver = Driver::start(KafkaRelease::V4, &address, directory.path())?;
        Ok((node, driver, address))
    };
    let (node, driver, address) = start()?;
    driver.create_topic(&CreateTopic::new("notes", 2))?;
    driver.produce(&Produce::new("notes", 0, 60))?;
    driver.produce(&Produce::new("notes", 1, 60).idempotent())?;
    let first = runs(&directory, &address)?;
    drop(driver);
    node.kill()?;

    let (node, driver, address) = start()?;
    first.expect_at(&driver)?;
    let second = runs(&directory, &address)?;
    drop(driver);
    ends_in_time(node, &data_dir)?;

    let (node, driver, address) = start()?;
    second.expect_at(&driver)?;
    // What is left, and nothing twice.
    let last = runs(&directory, &address)?;
    last.expect_at(&driver)?;
    let all = BTreeMap::from([("notes-0".to_owned(), 60), ("notes-1".to_owned(), 60)]);
    ensure!(last.committed.iter().all(|found| *found == all), "{last:?}");
    let before = driver.digest("notes", 1, Isolation::ReadCommitted)?.count;
    ensure!(before == 60, "{before} records");
    drop(driver);
    ends_in_time(node, &data_dir)?;
    Ok(())
}

/// A third of the records, by a member of one group of each protocol.
fn runs(directory: &TempDir, address: &str) -> Result<Committed> {
    let java = install(Client::Java, directory.path())?;
    let mut program = Program::start(&java, address, directory.path())?;
    let mut committed = Vec::new();
    for protocol in PROTOCOLS {
        let answer: Value = program.ask(&json!({
            "action": "group", "topic": "notes", "group": protocol, "count": 40,
            "protocol": protocol,
        }))?;
        ensure!(answer["consumed"] == 40, "{protocol}: {answer}");
        let told: BTreeMap<i32, i64> = serde_json::from_value(answer["committed"].clone())?;
        let named = told.into_iter().map(|(partition, at)| (format!("notes-{partition}"), at));
        committed.push(named.collect());
    }
    Ok(Committed { committed })
}

/// Offsets by partition that a member committed, group by group.
#[derive(Debug)]
struct Committed {
    committed: Vec<BTreeMap<String, i64>>,
}

impl Committed {
    fn expect_at(&self, driver: &Driver) -> Result<()> {
        for (group, expected) in PROTOCOLS.into_iter().zip(&self.committed) {
            let found = driver.group_offsets(group)?;
            ensure!(found == *expected, "{group}: {expected:?} became {found:?}");
        }
        Ok(())
    }
}

/// Of groups, and names of groups.
const PROTOCOLS: [&str; 2] = ["classic", "consumer"];
const UNKNOWN_SERVER_ERROR: i32 = -1;
