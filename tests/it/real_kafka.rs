//! The fixture itself: real Kafka starts, takes records and gives them back.

use anyhow::Result;
use harness::driver::{Codec, CreateTopic, Isolation, Outcome, Produce};
use harness::{ClusterOptions, Kafka, KafkaRelease};

#[test]
fn kafka_4_gives_back_what_its_clients_produced() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("kafka_4_gives_back_what_its_clients_produced") else {
        return Ok(());
    };
    gives_back_what_was_produced(&kafka, KafkaRelease::V4)
}

#[test]
fn kafka_3_9_gives_back_what_its_clients_produced() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("kafka_3_9_gives_back_what_its_clients_produced")
    else {
        return Ok(());
    };
    gives_back_what_was_produced(&kafka, KafkaRelease::V3_9)
}

fn gives_back_what_was_produced(kafka: &Kafka, release: KafkaRelease) -> Result<()> {
    let mut cluster = kafka.start(release, ClusterOptions::default())?;
    let driver = cluster.driver();
    let id = driver.create_topic(&CreateTopic::new("orders", 2))?;
    for codec in Codec::ALL {
        driver.produce(&Produce::new("orders", 0, 20).codec(codec).records_per_batch(5))?;
    }
    let everything = driver.digest("orders", 0, Isolation::ReadUncommitted)?;
    assert_eq!(everything.count, 100);
    assert_eq!(everything.offsets, [(0, 99)]);

    // Two of each, with the marker in between: 0 1 [2] 3 4 [5] 6 7.
    for (outcome, first) in [(Outcome::Commit, 0), (Outcome::Abort, 2), (Outcome::Open, 4)] {
        driver.produce(&Produce::new("orders", 1, 2).first(first).transaction("t", outcome))?;
    }
    let all = driver.digest("orders", 1, Isolation::ReadUncommitted)?;
    assert_eq!((all.offsets, all.end), (vec![(0, 1), (3, 4), (6, 7)], 8));
    let committed = driver.digest("orders", 1, Isolation::ReadCommitted)?;
    assert_eq!((committed.offsets, committed.end), (vec![(0, 1)], 6));

    cluster.restart_node(1)?;
    let driver = cluster.driver();
    let after = driver.describe_topic("orders")?;
    assert_eq!(after.topic_id, id);
    assert_eq!(after.partitions[1].high_watermark, 8);
    assert_eq!(after.partitions[1].last_stable, 6);
    assert_eq!(driver.digest("orders", 0, Isolation::ReadUncommitted)?, everything);
    cluster.stop()
}
