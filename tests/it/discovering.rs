//! What appears at the source while a mirror runs, and what is selected of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::driver::{CreateTopic, Produce};
use harness::{ClusterOptions, KafkaRelease, Ringmirror, TempDir};

use crate::mirrored::{SOON, expect_same_bytes, expect_verified};

#[test]
fn new_topics_and_partitions_are_mirrored_within_five_seconds() -> Result<()> {
    let name = "new_topics_and_partitions_are_mirrored_within_five_seconds";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    let driver = source.driver();
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");

    // Nothing is selected yet: says so and keeps watching.
    driver.create_topic(&CreateTopic::new("other", 1))?;
    let mut running = Ringmirror::mirror(&source.bootstrap_servers(), "orders|pay-.*", &mirror)
        .option("--exclude", "pay-test")
        .spawn()?;
    running.wait_for_event("nothing_selected", SOON)?;

    for topic in ["pay-test", "pay-cards", "orders-too"] {
        driver.create_topic(&CreateTopic::new(topic, 1))?;
        driver.produce(&Produce::new(topic, 0, 10))?;
    }
    let created = Instant::now();
    running
        .wait_for(SOON, |event| event["event"] == "topic_found" && event["topic"] == "pay-cards")?;
    assert!(created.elapsed() < DISCOVERY_LIMIT, "took {:?}", created.elapsed());

    driver.add_partitions("pay-cards", 3)?;
    let added = Instant::now();
    driver.produce(&Produce::new("pay-cards", 2, 10))?;
    running.wait_for(SOON, |event| {
        event["event"] == "state_changed"
            && event["partition"] == "pay-cards-2"
            && event["to"] == "MIRRORING"
    })?;
    assert!(added.elapsed() < DISCOVERY_LIMIT, "took {:?}", added.elapsed());
    running.wait_for(SOON, |event| {
        event["event"] == "progress" && event["offsets_done"].as_u64() == Some(20)
    })?;

    let ended = running.terminate()?.expect_code(0)?;
    let found = ended.events_named("topic_found")?;
    assert!(found.iter().all(|event| event["topic"] == "pay-cards"), "{ended}");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&mirror)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().into_string().ok().context("a name is text")?);
        }
    }
    names.sort();
    assert_eq!(names, ["pay-cards-0", "pay-cards-1", "pay-cards-2"]);
    for partition in names {
        expect_same_bytes(&source.log_dir(1)?, &mirror, &partition)?;
    }
    expect_verified(&source, &mirror, 3)
}

/// The promise.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(5);
