//! The oracle: a stock broker opens what ringmirror wrote and gives what the source gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use harness::driver::{Outcome, Produce};
use harness::{
    ClusterOptions, ConsumedPartition, Kafka, KafkaCluster, KafkaRelease, Ringmirror, TempDir,
    first_difference, hand_over,
};

use crate::history;
use crate::kafka_dump::expect_clean_dump;
use crate::mirrored::{SOON, batches, catch_up, segment_bytes};

#[test]
fn kafka_4_goes_on_where_the_source_was() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("kafka_4_goes_on_where_the_source_was") else {
        return Ok(());
    };
    goes_on_where_the_source_was(&kafka, KafkaRelease::V4, "4.2")
}

#[test]
fn kafka_3_9_goes_on_where_the_source_was() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("kafka_3_9_goes_on_where_the_source_was") else {
        return Ok(());
    };
    goes_on_where_the_source_was(&kafka, KafkaRelease::V3_9, "3.9")
}

fn goes_on_where_the_source_was(kafka: &Kafka, release: KafkaRelease, told: &str) -> Result<()> {
    let source = kafka.start(release, ClusterOptions::default())?;
    let ids = history::fill(source.driver())?;
    source.driver().delete_records("plain", 0, 10)?;
    let directory = TempDir::new("mirror")?;
    let clean = directory.join("clean");
    catch_up(&source, "orders|plain", &clean)?;
    let killed = directory.join("killed");
    kill_when_caught_up(&source, &killed)?;

    for mirror in [&clean, &killed] {
        let broker = broker_on(kafka, release, mirror, told)?;
        shows_what_the_source_shows(&source, &broker, &ids)
            .with_context(|| format!("a broker on {}", mirror.display()))?;
        producers_go_on(&source, &broker)?;
        let errors = broker.errors(NODE)?;
        ensure!(errors.is_empty(), "{errors:?}");
    }
    Ok(())
}

/// Mirrors everything and dies without having closed anything.
fn kill_when_caught_up(source: &KafkaCluster, mirror: &Path) -> Result<()> {
    let bootstrap = source.bootstrap_servers();
    let mut running = Ringmirror::mirror(&bootstrap, "orders|plain", mirror).spawn()?;
    running.wait_for(SOON, |event| {
        event["event"] == "progress" && event["partitions_caught_up"] == 4
    })?;
    running.kill()?;
    Ok(())
}

/// Hands a mirror over, has Kafka's dump tool judge every file, and starts a stock broker.
fn broker_on(
    kafka: &Kafka,
    release: KafkaRelease,
    mirror: &Path,
    told: &str,
) -> Result<KafkaCluster> {
    let properties = hand_over(mirror, NODE, told)?;
    expect_clean_dump(release, mirror)?;
    kafka.start_on_directory(release, &properties)
}

fn shows_what_the_source_shows(
    source: &KafkaCluster,
    broker: &KafkaCluster,
    ids: &BTreeMap<&str, String>,
) -> Result<()> {
    for (topic, id) in ids {
        let theirs = source.driver().describe_topic(topic)?;
        let ours = broker.driver().describe_topic(topic)?;
        ensure!(ours.topic_id == *id, "{topic} has id {}, {id} at the source", ours.topic_id);
        let edges = |topic: &harness::driver::TopicDescription| {
            let edge = |part: &harness::driver::PartitionDescription| {
                (part.partition, part.log_start, part.high_watermark, part.last_stable)
            };
            topic.partitions.iter().map(edge).collect::<Vec<_>>()
        };
        ensure!(edges(&theirs) == edges(&ours), "{topic}: {theirs:?} became {ours:?}");
        let configs =
            (source.driver().topic_configs(topic)?, broker.driver().topic_configs(topic)?);
        ensure!(configs.0 == configs.1, "{topic}: settings {:?} became {:?}", configs.0, configs.1);
    }
    for (topic, partition) in history::PARTITIONS {
        let of = |driver| ConsumedPartition { driver, topic, partition };
        let difference = first_difference(of(source.driver()), of(broker.driver()))?;
        ensure!(difference.is_none(), "{}", difference.unwrap_or_default());
    }
    Ok(())
}

/// Producers continue at the next offset; nobody gets a producer id the source gave away.
fn producers_go_on(source: &KafkaCluster, broker: &KafkaCluster) -> Result<()> {
    let driver = broker.driver();
    let end = |topic: &str, partition: usize| -> Result<i64> {
        Ok(source.driver().describe_topic(topic)?.partitions[partition].high_watermark)
    };
    let idempotent = driver.produce(&Produce::new("orders", 0, 10).idempotent_as("after"))?;
    assert_eq!(idempotent.first_offset, end("orders", 0)?);
    let fresh = Produce::new("orders", 2, 3).transaction("fresh", Outcome::Commit);
    assert_eq!(driver.produce(&fresh)?.first_offset, end("orders", 2)?);
    let plain = driver.produce(&Produce::new("plain", 0, 1))?;
    assert_eq!(plain.first_offset, end("plain", 0)?);

    // The log still knows the transaction that the source left open: read_committed ends there.
    let open = driver.describe_topic("orders")?.partitions[1].last_stable;
    assert!(open < end("orders", 1)?, "the open transaction is gone");
    let next = Produce::new("orders", 1, 2).transaction("steady", Outcome::Commit);
    let first = driver.produce(&next)?.first_offset;
    assert!(first >= end("orders", 1)?, "{first}");

    let given = producer_ids(source.log_dir(1)?, &["orders-0", "orders-1"])?;
    let fresh = producer_ids(broker.log_dir(NODE)?, &["orders-2"])?;
    let (highest, lowest) = (given.last().copied(), fresh.first().copied());
    assert!(highest > Some(-1) && lowest > highest, "{given:?} then {fresh:?}");
    Ok(())
}

/// The producer ids in the batches of some partitions.
fn producer_ids(log_dir: PathBuf, partitions: &[&str]) -> Result<BTreeSet<i64>> {
    let mut ids = BTreeSet::new();
    for partition in partitions {
        for batch in batches(&segment_bytes(&log_dir.join(partition))?)? {
            ids.insert(i64::from_be_bytes(batch[PRODUCER_ID_AT..][..8].try_into()?));
        }
    }
    Ok(ids)
}

/// Where a batch of magic 2 tells its producer.
const PRODUCER_ID_AT: usize = 43;

const NODE: i32 = 7;
