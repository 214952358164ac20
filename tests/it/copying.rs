//! The main job: a whole history of a real cluster, byte for byte.

use anyhow::Result;
use harness::{ClusterOptions, Kafka, KafkaRelease, TempDir};

use crate::history;
use crate::kafka_dump::expect_clean_dump;
use crate::mirrored::{catch_up, expect_same_files, expect_verified};

#[test]
fn kafka_4_is_copied_byte_for_byte() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("kafka_4_is_copied_byte_for_byte") else {
        return Ok(());
    };
    is_copied_byte_for_byte(&kafka, KafkaRelease::V4)
}

#[test]
fn kafka_3_9_is_copied_byte_for_byte() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("kafka_3_9_is_copied_byte_for_byte") else {
        return Ok(());
    };
    is_copied_byte_for_byte(&kafka, KafkaRelease::V3_9)
}

fn is_copied_byte_for_byte(kafka: &Kafka, release: KafkaRelease) -> Result<()> {
    let source = kafka.start(release, ClusterOptions::default())?;
    history::fill(source.driver())?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let ended = catch_up(&source, "orders|plain", &mirror)?;
    assert_eq!(ended.events_named("topic_found")?.len(), 2, "{ended}");
    for (topic, partition) in history::PARTITIONS {
        expect_same_files(&source.log_dir(1)?, &mirror, &format!("{topic}-{partition}"))?;
    }
    expect_verified(&source, &mirror, history::PARTITIONS.len())?;
    expect_clean_dump(release, &mirror)?;

    // A second run finds nothing to do and changes nothing.
    let again = catch_up(&source, "orders|plain", &mirror)?;
    assert!(again.events_named("repaired")?.is_empty(), "{again}");
    for (topic, partition) in history::PARTITIONS {
        expect_same_files(&source.log_dir(1)?, &mirror, &format!("{topic}-{partition}"))?;
    }
    Ok(())
}
