//! Whatever stops a mirror, the next start goes on where it was.

use std::path::Path;

use anyhow::Result;
use harness::driver::{Codec, CreateTopic, Produce};
use harness::{ClusterOptions, KafkaCluster, KafkaRelease, Ringmirror, TempDir};

use crate::mirrored::{SOON, catch_up, expect_same_bytes, expect_verified};

#[test]
fn a_large_copy_survives_stops_kills_and_a_restart_of_the_source() -> Result<()> {
    let name = "a_large_copy_survives_stops_kills_and_a_restart_of_the_source";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let mut source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    let topic = CreateTopic::new("large", PARTITIONS).config("segment.bytes", "4194304");
    source.driver().create_topic(&topic)?;
    produce(&source, 0)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");

    let first = cut_short(&source, &mirror, 3_000_000, HowToStop::Kill)?;
    let second = cut_short(&source, &mirror, 5_000_000, HowToStop::Kill)?;
    let third = cut_short(&source, &mirror, 5_000_000, HowToStop::Terminate)?;
    source.restart_node(1)?;
    produce(&source, 1)?;
    let fourth = cut_short(&source, &mirror, 5_000_000, HowToStop::Kill)?;
    catch_up(&source, "large", &mirror)?;

    for partition in 0..PARTITIONS {
        expect_same_bytes(&source.log_dir(1)?, &mirror, &format!("large-{partition}"))?;
    }
    expect_verified(&source, &mirror, PARTITIONS.unsigned_abs() as usize)?;
    // Only what follows a clean stop trusts the directory.
    assert_eq!((first, second, third, fourth), (false, false, false, true));
    Ok(())
}

enum HowToStop {
    Terminate,
    Kill,
}

/// Stops a mirror after it has written some bytes; says whether it found the directory clean.
fn cut_short(source: &KafkaCluster, mirror: &Path, bytes: u64, how: HowToStop) -> Result<bool> {
    let slow = mirror.with_extension("properties");
    // A batch per answer, so that there is a middle to stop in.
    std::fs::write(&slow, "fetch.max.bytes=1024\nmax.partition.fetch.bytes=1024\n")?;
    let mut running = Ringmirror::mirror(&source.bootstrap_servers(), "large", mirror)
        .option("--command-config", &slow.display().to_string())
        .spawn()?;
    let started = running.wait_for_event("started", SOON)?;
    let is_amid = |event: &serde_json::Value| {
        event["event"] == "progress" && event["bytes_written"].as_u64() >= Some(bytes)
    };
    running.wait_for(SOON, is_amid)?;
    match how {
        HowToStop::Terminate => running.terminate()?.expect_code(0)?,
        HowToStop::Kill => running.kill()?,
    };
    Ok(started["was_clean"] == true)
}

fn produce(source: &KafkaCluster, round: u64) -> Result<()> {
    for partition in 0..PARTITIONS {
        let codec = if partition == 0 { Codec::Lz4 } else { Codec::None };
        let records = Produce::new("large", partition, 15_000).first(round * 15_000);
        source.driver().produce(&records.value_bytes(1000).batch_bytes(2048).codec(codec))?;
    }
    Ok(())
}

const PARTITIONS: i32 = 2;
