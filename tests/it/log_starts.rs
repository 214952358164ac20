//! Logs that lose records at the source: by compaction, by request, by retention.

use std::path::Path;

use anyhow::Result;
use harness::driver::{CreateTopic, Produce};
use harness::{ClusterOptions, Driver, KafkaCluster, KafkaRelease, Ringmirror, TempDir};

use crate::mirrored::{SOON, catch_up, expect_same_bytes, expect_verified};

#[test]
fn what_the_source_deletes_is_followed_and_what_is_missed_is_named() -> Result<()> {
    let name = "what_the_source_deletes_is_followed_and_what_is_missed_is_named";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let options = ClusterOptions::default().config("log.retention.check.interval.ms", "500");
    let source = kafka.start(KafkaRelease::V4, options)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");

    compacted_logs_keep_their_gaps(&source, &mirror)?;
    deleted_records_move_the_log_start(&source, &mirror)?;
    retention_beyond_us_is_a_named_gap(&source, &mirror)?;
    expect_verified(&source, &mirror, 3)
}

fn compacted_logs_keep_their_gaps(source: &KafkaCluster, mirror: &Path) -> Result<()> {
    let driver = source.driver();
    compact(driver)?;
    catch_up(source, "compacted", mirror)?;
    expect_same_bytes(&source.log_dir(1)?, mirror, "compacted-0")?;

    // More behind the gaps, and gaps at the end of a run of ours.
    driver.produce(&Produce::new("compacted", 0, 5).first(300))?;
    catch_up(source, "compacted", mirror)?;
    expect_same_bytes(&source.log_dir(1)?, mirror, "compacted-0")
}

/// The records of a log that compaction has been over: `0..10` and `15..20` are gone.
fn compact(driver: &Driver) -> Result<()> {
    let compacted = CreateTopic::new("compacted", 1)
        .config("cleanup.policy", "compact")
        .config("segment.ms", "60000")
        .config("min.cleanable.dirty.ratio", "0.01");
    driver.create_topic(&compacted)?;
    let start = 1_700_000_000_000;
    let keyed = Produce::new("compacted", 0, 10).keys(5).records_per_batch(4).timestamp(start);
    driver.produce(&keyed)?;
    driver.produce(&Produce::new("compacted", 0, 5).first(100).timestamp(start))?;
    driver.produce(&keyed)?;
    driver.produce(&Produce::new("compacted", 0, 1).first(200).timestamp(start + 120_000))?;
    driver.await_compaction("compacted", 0)?;
    Ok(())
}

fn deleted_records_move_the_log_start(source: &KafkaCluster, mirror: &Path) -> Result<()> {
    let driver = source.driver();
    driver.create_topic(&CreateTopic::new("trimmed", 1).config("segment.bytes", "1048576"))?;
    driver.produce(&Produce::new("trimmed", 0, 4000).value_bytes(1000).records_per_batch(100))?;
    driver.delete_records("trimmed", 0, 150)?;
    catch_up(source, "trimmed", mirror)?;
    assert_eq!(log_start(mirror, "trimmed 0")?, Some(150));

    // While running: the start follows, and segments below it go.
    let mut running = Ringmirror::mirror(&source.bootstrap_servers(), "trimmed", mirror).spawn()?;
    running.wait_for_event("started", SOON)?;
    driver.delete_records("trimmed", 0, 3050)?;
    driver.produce(&Produce::new("trimmed", 0, 10).first(5000))?;
    running.wait_for(SOON, |event| {
        event["event"] == "progress" && event["offsets_done"].as_u64() >= Some(10)
    })?;
    running.terminate()?.expect_code(0)?;
    assert_eq!(log_start(mirror, "trimmed 0")?, Some(3050));
    let first = first_segment(&mirror.join("trimmed-0"))?;
    assert!(first > 0 && first <= 3050, "first segment is {first}");
    Ok(())
}

fn retention_beyond_us_is_a_named_gap(source: &KafkaCluster, mirror: &Path) -> Result<()> {
    let driver = source.driver();
    let topic = CreateTopic::new("expiring", 1).config("segment.bytes", "1048576");
    driver.create_topic(&topic)?;
    driver.produce(&Produce::new("expiring", 0, 100).value_bytes(1000))?;
    catch_up(source, "expiring", mirror)?;

    driver.produce(&Produce::new("expiring", 0, 5000).value_bytes(1000).batch_bytes(16_384))?;
    driver.alter_topic_configs("expiring", &[("retention.bytes", "1200000")])?;
    let deadline = std::time::Instant::now() + SOON;
    let start = loop {
        let start = driver.describe_topic("expiring")?.partitions[0].log_start;
        if start > 100 {
            break start;
        }
        anyhow::ensure!(std::time::Instant::now() < deadline, "retention does not delete");
    };
    let ended = catch_up(source, "expiring", mirror)?;
    let gaps = ended.events_named("gap")?;
    assert_eq!(gaps.len(), 1, "{ended}");
    assert_eq!(gaps[0]["partition"], "expiring-0");
    assert_eq!(gaps[0]["from"], 100);
    assert!(gaps[0]["to"].as_i64() >= Some(start), "{ended}");
    expect_same_bytes(&source.log_dir(1)?, mirror, "expiring-0")
}

/// The entry of our checkpoint of log starts for `topic partition`.
fn log_start(mirror: &Path, name: &str) -> Result<Option<i64>> {
    let text = std::fs::read_to_string(mirror.join("log-start-offset-checkpoint"))?;
    let entry = text.lines().find_map(|line| line.strip_prefix(name));
    Ok(entry.map(|offset| offset.trim().parse()).transpose()?)
}

fn first_segment(partition: &Path) -> Result<i64> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(partition)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(base) = name.strip_suffix(".log") {
            bases.push(base.parse()?);
        }
    }
    Ok(bases.into_iter().min().unwrap_or(-1))
}
