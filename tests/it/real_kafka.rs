//! The fixture itself: real Kafka starts, takes records and gives them back.

use anyhow::Result;
use harness::authorizer::STRANGER;
use harness::driver::{Acl, Codec, CreateTopic, Driver, Isolation, Outcome, Produce};
use harness::{
    ClusterOptions, ConsumedPartition, Kafka, KafkaCluster, KafkaRelease, dump_log_segments,
    first_difference,
};

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
    driver.await_high_watermark("orders", 1, 8)?;
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

#[test]
fn a_stock_broker_opens_a_directory_that_another_left() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("a_stock_broker_opens_a_directory_that_another_left")
    else {
        return Ok(());
    };
    for release in KafkaRelease::ALL {
        opens_what_another_left(&kafka, release)?;
    }
    Ok(())
}

fn opens_what_another_left(kafka: &Kafka, release: KafkaRelease) -> Result<()> {
    let mut first = kafka.start(release, ClusterOptions::default())?;
    let id = first.driver().create_topic(&CreateTopic::new("left", 1))?;
    first.driver().produce(&Produce::new("left", 0, 7).transaction("t", Outcome::Open))?;
    let before = first.driver().digest("left", 0, Isolation::ReadUncommitted)?;
    first.stop()?;
    let properties = first.properties_path(1)?;

    let second = kafka.start_on_directory(release, &properties)?;
    let driver = second.driver();
    let found = driver.describe_topic("left")?;
    assert_eq!(found.topic_id, id);
    assert_eq!((found.partitions[0].high_watermark, found.partitions[0].last_stable), (7, 0));
    assert_eq!(driver.digest("left", 0, Isolation::ReadUncommitted)?, before);
    assert_eq!(second.errors(1)?, Vec::<String>::new());

    // Taking the transactional id over aborts what was open, then goes on behind the marker.
    let next = Produce::new("left", 0, 1).transaction("t", Outcome::Commit);
    assert_eq!(driver.produce(&next)?.first_offset, 8);
    driver.await_high_watermark("left", 0, 10)?;
    let segment = second.log_dir(1)?.join("left-0/00000000000000000000.log");
    let dump = dump_log_segments(release, &["--files", &segment.display().to_string()])?;
    // Two of records at least, of which a slow machine makes more, and two markers.
    let (batches, valid) = (dump.matches("baseOffset: "), dump.matches("isvalid: true"));
    let (batches, valid) = (batches.count(), valid.count());
    assert!(batches == valid && valid >= 4, "{dump}");
    Ok(())
}

#[test]
fn kafka_4_shows_every_event_that_a_mirror_must_follow() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("kafka_4_shows_every_event_that_a_mirror_must_follow")
    else {
        return Ok(());
    };
    let options = ClusterOptions::brokers(2).with_separate_controller();
    let mut cluster = kafka.start(KafkaRelease::V4, options)?;
    leaders_change_and_partitions_appear(cluster.driver())?;
    log_start_moves_and_compaction_leaves_gaps(cluster.driver())?;
    the_first_different_record_is_found(cluster.driver())?;
    an_unclean_leader_takes_records_back(&mut cluster)
}

fn leaders_change_and_partitions_appear(driver: &Driver) -> Result<()> {
    driver.create_topic(&CreateTopic::new("moving", 1).assigned(&[&[1, 2]]))?;
    driver.produce(&Produce::new("moving", 0, 3))?;
    let before = driver.describe_topic("moving")?.partitions.remove(0);
    assert_eq!((before.leader, before.high_watermark), (1, 3));

    driver.reassign("moving", 0, &[2, 1])?;
    driver.elect_preferred_leader("moving", 0)?;
    driver.produce(&Produce::new("moving", 0, 2))?;
    let after = driver.describe_topic("moving")?.partitions.remove(0);
    assert_eq!((after.leader, after.high_watermark), (2, 5));
    assert!(after.leader_epoch > before.leader_epoch, "{before:?} then {after:?}");
    let digest = driver.digest("moving", 0, Isolation::ReadUncommitted)?;
    assert_eq!(digest.epochs, [(before.leader_epoch, 0), (after.leader_epoch, 3)]);

    driver.add_partitions("moving", 3)?;
    assert_eq!(driver.describe_topic("moving")?.partitions.len(), 3);

    let old = driver.describe_topic("moving")?.topic_id;
    driver.delete_topic("moving")?;
    let new = driver.create_topic(&CreateTopic::new("moving", 1))?;
    assert_ne!(old, new);
    Ok(())
}

fn log_start_moves_and_compaction_leaves_gaps(driver: &Driver) -> Result<()> {
    driver.create_topic(&CreateTopic::new("trimmed", 1))?;
    driver.produce(&Produce::new("trimmed", 0, 10).records_per_batch(4))?;
    assert_eq!(driver.delete_records("trimmed", 0, 6)?, 6);
    let digest = driver.digest("trimmed", 0, Isolation::ReadUncommitted)?;
    assert_eq!(digest.offsets, [(6, 9)]);

    let compacted = CreateTopic::new("compacted", 1)
        .config("cleanup.policy", "compact")
        .config("segment.ms", "60000")
        .config("min.cleanable.dirty.ratio", "0.01");
    driver.create_topic(&compacted)?;
    // Five keys over and over, with five others in between that stay.
    let start = 1_700_000_000_000;
    let keyed = Produce::new("compacted", 0, 10).keys(5).records_per_batch(4).timestamp(start);
    driver.produce(&keyed)?;
    driver.produce(&Produce::new("compacted", 0, 5).first(100).timestamp(start))?;
    driver.produce(&keyed)?;
    // Two minutes later by its timestamp: closes the segment, which makes it fit for compaction.
    driver.produce(&Produce::new("compacted", 0, 1).first(200).timestamp(start + 120_000))?;
    let digest = driver.await_compaction("compacted", 0)?;
    assert_eq!((digest.offsets, digest.end), (vec![(10, 14), (20, 25)], 26));
    Ok(())
}

fn the_first_different_record_is_found(driver: &Driver) -> Result<()> {
    driver.create_topic(&CreateTopic::new("pair", 2))?;
    let [left, right] =
        [0, 1].map(|partition| ConsumedPartition { driver, topic: "pair", partition });
    for partition in [0, 1] {
        driver.produce(&Produce::new("pair", partition, 21).timestamp(1))?;
    }
    assert_eq!(first_difference(left, right)?, None);

    driver.produce(&Produce::new("pair", 0, 9).first(21).timestamp(1))?;
    driver.produce(&Produce::new("pair", 1, 9).first(21).timestamp(2))?;
    let told = first_difference(left, right)?.unwrap_or_default();
    assert!(told.contains("of pair-0 from offset 21 on"), "{told}");
    Ok(())
}

fn an_unclean_leader_takes_records_back(cluster: &mut KafkaCluster) -> Result<()> {
    let topic = CreateTopic::new("lossy", 1).assigned(&[&[1, 2]]);
    cluster.driver().create_topic(&topic)?;
    cluster.driver().produce(&Produce::new("lossy", 0, 5))?;
    cluster.kill_node(2)?;
    cluster.wait_ready()?;
    cluster.driver().produce(&Produce::new("lossy", 0, 5).first(100))?;
    assert_eq!(cluster.driver().describe_topic("lossy")?.partitions[0].high_watermark, 10);

    cluster.kill_node(1)?;
    cluster.start_node(2)?;
    cluster.wait_ready()?;
    cluster.driver().elect_unclean_leader("lossy", 0)?;
    let after = cluster.driver().describe_topic("lossy")?.partitions.remove(0);
    assert_eq!((after.leader, after.high_watermark), (2, 5));
    Ok(())
}

#[test]
fn a_broker_with_an_authorizer_lets_strangers_do_what_rules_allow() -> Result<()> {
    let name = "a_broker_with_an_authorizer_lets_strangers_do_what_rules_allow";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    for release in KafkaRelease::ALL {
        lets_strangers_do_what_rules_allow(&kafka, release)?;
    }
    Ok(())
}

fn lets_strangers_do_what_rules_allow(kafka: &Kafka, release: KafkaRelease) -> Result<()> {
    let mut cluster = kafka.start(release, ClusterOptions::default().with_authorizer())?;
    let admin = cluster.driver();
    admin.create_topic(&CreateTopic::new("orders", 1))?;
    admin.produce(&Produce::new("orders", 0, 3))?;
    let stranger = admin.at(&cluster.bootstrap_servers());
    let alice = cluster.driver_as("alice")?;
    assert!(stranger.list_topics()?.is_empty());
    assert!(alice.list_topics()?.is_empty());

    let see = Acl::allow(STRANGER, "DESCRIBE", ("TOPIC", "orders"));
    let read = Acl::allow("User:alice", "READ", ("TOPIC", "ord")).prefixed();
    admin.create_acls(&[see.clone(), read.clone()])?;
    assert_eq!(admin.acls()?, [read.clone(), see.clone()]);
    assert!(stranger.list_topics()?.contains_key("orders"));
    assert_eq!(alice.digest("orders", 0, Isolation::ReadUncommitted)?.count, 3);
    let refused = stranger.alter_topic_configs("orders", &[("retention.ms", "1000")]);
    let told = refused.map_err(|error| error.to_string()).err().unwrap_or_default();
    assert!(told.contains("TopicAuthorizationException"), "{told}");

    admin.delete_acls(&[see])?;
    admin.create_acls(&[read.denied()])?;
    assert!(stranger.list_topics()?.is_empty());
    let refused = alice.digest("orders", 0, Isolation::ReadUncommitted);
    let told = refused.map_err(|error| error.to_string()).err().unwrap_or_default();
    assert!(told.contains("TopicAuthorizationException"), "{told}");
    drop((stranger, alice));
    cluster.stop()
}
