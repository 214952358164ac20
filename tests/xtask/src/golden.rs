//! `cargo xtask golden`: captures tests/golden from real brokers.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use harness::driver::{Codec, CreateTopic, Driver, Isolation, Outcome, Produce};
use harness::{ClusterOptions, Kafka, KafkaCluster, KafkaRelease, dump_log_segments};
use serde_json::{Map, Value, json};

use crate::repository;

/// Captures every release.
pub(crate) fn run() -> Result<()> {
    let kafka = Kafka::acquire();
    for release in KafkaRelease::ALL {
        let target = repository::root().join("tests/golden").join(release.golden_name());
        eprintln!("capturing Kafka {release} into {}", target.display());
        capture(&kafka, release, &target)?;
    }
    Ok(())
}

fn capture(kafka: &Kafka, release: KafkaRelease, target: &Path) -> Result<()> {
    let mut cluster = kafka.start(release, ClusterOptions::default())?;
    fill(cluster.driver())?;
    fill_across_restarts(&mut cluster)?;
    let expected = expected(release, cluster.driver())?;
    cluster.stop()?;

    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    let log_dir = target.join("log-dir");
    fs::create_dir_all(&log_dir)?;
    fs::write(target.join("expected.json"), format!("{expected:#}\n"))?;
    copy_log_dir(&cluster.log_dir(1)?, &log_dir)?;
    for topic in TOPICS {
        let dump = dump_partition(release, &log_dir.join(format!("{topic}-0")))?;
        fs::write(target.join(format!("{topic}-0.dump.txt")), dump)?;
    }
    Ok(())
}

fn topic(name: &str) -> CreateTopic {
    CreateTopic::new(name, 1)
        // A minute of record time closes a segment; the timestamps below jump over it.
        .config("segment.ms", "60000")
        // An index entry for almost every batch.
        .config("index.interval.bytes", "200")
        .config("retention.ms", "-1")
        .config("file.delete.delay.ms", "100")
}

fn small(topic: &str, count: u64) -> Produce {
    Produce::new(topic, 0, count).value_bytes(40).records_per_batch(3).timestamp(START_MS)
}

fn fill(driver: &Driver) -> Result<()> {
    for name in TOPICS {
        let cleanup = if name == "compacted" { "compact" } else { "delete" };
        let topic = topic(name).config("min.cleanable.dirty.ratio", "0.01");
        driver.create_topic(&topic.config("cleanup.policy", cleanup))?;
    }
    driver.produce(&small("plain", 12))?;
    driver.produce(&small("plain", 6).first(12).timestamp(NEXT_SEGMENT_MS))?;
    for producer in ["one", "two", "one"] {
        driver.produce(&small("idempotent", 6).idempotent_as(producer))?;
    }
    let later = small("idempotent", 4).timestamp(NEXT_SEGMENT_MS);
    driver.produce(&later.idempotent_as("two"))?;
    for codec in Codec::ALL {
        driver.produce(&small("codecs", 6).codec(codec))?;
    }
    driver.produce(&small("trimmed", 9))?;
    driver.produce(&small("trimmed", 6).first(9).timestamp(NEXT_SEGMENT_MS))?;
    driver.delete_records("trimmed", 0, 4)?;
    fill_transactional(driver)?;
    fill_compacted(driver)
}

/// Committed, aborted, two at a time, and one left open, over two segments.
///
/// Markers carry the broker's time, so the records here are of now and of two minutes from now.
fn fill_transactional(driver: &Driver) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let now = i64::try_from(now)?;
    let some = || small("transactional", 3).timestamp(now);
    driver.produce(&some().transaction("a", Outcome::Commit))?;
    driver.produce(&some().transaction("a", Outcome::Abort))?;
    driver.produce(&some().transaction("b", Outcome::Open))?;
    driver.produce(&some().transaction("a", Outcome::Abort))?;
    driver.produce(&some())?;
    driver.end_transaction("b", false)?;
    let next = || small("transactional", 3).first(3).timestamp(now + 120_000);
    driver.produce(&next().transaction("a", Outcome::Commit))?;
    driver.produce(&next().transaction("b", Outcome::Abort))?;
    driver.produce(&next().transaction("c", Outcome::Open))?;
    driver.produce(&next())?;
    Ok(())
}

fn fill_compacted(driver: &Driver) -> Result<()> {
    driver.produce(&small("compacted", 10).keys(5))?;
    driver.produce(&small("compacted", 5).first(100))?;
    driver.produce(&small("compacted", 10).keys(5).tombstone_every(4))?;
    driver.produce(&small("compacted", 2).first(200).timestamp(NEXT_SEGMENT_MS))?;
    driver.await_compaction("compacted", 0)?;
    Ok(())
}

/// Each restart is a new leader epoch.
fn fill_across_restarts(cluster: &mut KafkaCluster) -> Result<()> {
    for round in 0..3 {
        cluster.driver().produce(&small("epochs", 4).first(round * 4))?;
        if round < 2 {
            cluster.restart_node(1)?;
        }
    }
    Ok(())
}

/// What Kafka's own clients say about the partitions.
fn expected(release: KafkaRelease, driver: &Driver) -> Result<Value> {
    let mut partitions = Map::new();
    for topic in TOPICS {
        let description = driver.describe_topic(topic)?;
        let told = json!({
            "topic_id": description.topic_id,
            "offsets": description.partitions,
            "read_uncommitted": driver.digest(topic, 0, Isolation::ReadUncommitted)?,
            "read_committed": driver.digest(topic, 0, Isolation::ReadCommitted)?,
        });
        partitions.insert(format!("{topic}-0"), told);
    }
    Ok(json!({"kafka_version": release.version(), "partitions": partitions}))
}

/// Copies the files at the root and the directories of our topics.
fn copy_log_dir(from: &Path, to: &Path) -> Result<()> {
    copy_files(from, to)?;
    for topic in TOPICS {
        let partition = format!("{topic}-0");
        fs::create_dir(to.join(&partition))?;
        copy_files(&from.join(&partition), &to.join(&partition))?;
    }
    Ok(())
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let leftover = name.to_string_lossy().ends_with(".deleted") || name == ".lock";
        if entry.file_type()?.is_file() && !leftover {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

/// What Kafka's dump tool prints about every file of a partition, without the path of this machine.
fn dump_partition(release: KafkaRelease, partition: &Path) -> Result<String> {
    let mut files: Vec<String> = Vec::new();
    for entry in fs::read_dir(partition)? {
        let path = entry?.path();
        let kind = path.extension().and_then(|extension| extension.to_str());
        if kind.is_some_and(|kind| DUMPED.contains(&kind)) {
            files.push(path.display().to_string());
        }
    }
    files.sort();
    let dump = dump_log_segments(release, &["--files", &files.join(",")])?;
    let parent = format!("{}/", partition.parent().context("a partition at the root")?.display());
    Ok(dump.replace(&parent, ""))
}

const TOPICS: [&str; 8] =
    ["empty", "plain", "idempotent", "transactional", "codecs", "compacted", "trimmed", "epochs"];
const DUMPED: [&str; 5] = ["log", "index", "timeindex", "txnindex", "snapshot"];
const START_MS: i64 = 1_700_000_000_000;
const NEXT_SEGMENT_MS: i64 = START_MS + 120_000;
