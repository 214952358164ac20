//! Writing to a node with Kafka's own clients: to topics made there, and in vain to mirrored ones.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::driver::{Codec, CreateTopic, Isolation, Outcome, Produce};
use harness::{Driver, KafkaRelease, Ringmirror, TempDir, run_tool};

use crate::mirrored::SOON;
use crate::synthetic;

#[test]
fn topics_made_by_a_java_client_take_its_records_and_its_changes() -> Result<()> {
    let name = "topics_made_by_a_java_client_take_its_records_and_its_changes";
    if harness::kafka_or_skip(name).is_none() {
        return Ok(());
    }
    let directory = TempDir::new("writing")?;
    let data = directory.join("data");
    let mut node = Ringmirror::node(&data).spawn()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(KafkaRelease::V4, &address, directory.path())?;
    let id = driver.create_topic(&CreateTopic::new("notes", 2).config("retention.ms", "-1"))?;
    let mut written = 0;
    for codec in Codec::ALL {
        driver.produce(&Produce::new("notes", 0, 10).codec(codec))?;
        driver.produce(&Produce::new("notes", 0, 10).codec(codec).leader_acks())?;
        let last = driver.produce(&Produce::new("notes", 0, 10).codec(codec).idempotent())?;
        written += 30;
        assert_eq!(last.last_offset, written - 1, "{codec:?}");
    }
    let before = driver.digest("notes", 0, Isolation::ReadCommitted)?;

    driver.add_partitions("notes", 3)?;
    driver.alter_topic_configs("notes", &[("segment.bytes", "2097152")])?;
    drop(driver);
    node.terminate()?.expect_code(0)?;

    let mut node = Ringmirror::node(&data).spawn()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(KafkaRelease::V4, &address, directory.path())?;
    let described = driver.describe_topic("notes")?;
    assert_eq!((described.topic_id, described.partitions.len()), (id, 3));
    let configs = driver.topic_configs("notes")?;
    let configs: Vec<_> = configs.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(configs, [("retention.ms", "-1"), ("segment.bytes", "2097152")]);
    assert_eq!(driver.digest("notes", 0, Isolation::ReadUncommitted)?, before);
    assert_eq!(driver.delete_records("notes", 0, 40)?, 40);
    assert_eq!(driver.produce(&Produce::new("notes", 0, 1))?.first_offset, written);
    driver.delete_topic("notes")?;
    assert!(driver.list_topics()?.is_empty());
    node.terminate()?.expect_code(0)?;
    assert!(!data.join("notes-0").exists(), "the deleted topic's log is still there");
    Ok(())
}

#[test]
fn the_command_line_tools_change_what_is_local() -> Result<()> {
    if harness::kafka_or_skip("the_command_line_tools_change_what_is_local").is_none() {
        return Ok(());
    }
    for release in KafkaRelease::ALL {
        let directory = TempDir::new("writing")?;
        let mut node = Ringmirror::node(&directory.join("data")).spawn()?;
        let address = node.wait_serving(SOON)?;
        let run = |tool: &str, args: &[&str]| {
            run_tool(release, tool, &[&["--bootstrap-server", &address], args].concat())
        };
        let named = ["--entity-type", "topics", "--entity-name", "notes"];
        run(TOPICS, &["--create", "--topic", "notes", "--config", "retention.ms=1000"])?;
        let list = "leader.replication.throttled.replicas=[0:1,1:1]";
        run(CONFIGS, &[&named[..], &["--alter", "--add-config", list]].concat())?;
        let policy = ["--alter", "--add-config", "cleanup.policy=compact"];
        let refused = run(CONFIGS, &[&named[..], &policy].concat()).unwrap_err().to_string();
        assert!(refused.contains("this node does not compact"), "{refused}");
        let unset = ["--alter", "--delete-config", "retention.ms"];
        run(CONFIGS, &[&named[..], &unset].concat())?;
        let described = run(CONFIGS, &[&named[..], &["--describe"]].concat())?;
        assert!(described.contains("throttled.replicas=0:1,1:1"), "{described}");
        assert!(!described.contains("retention.ms"), "{described}");
        run(TOPICS, &["--alter", "--topic", "notes", "--partitions", "4"])?;
        let described = run(TOPICS, &["--describe", "--topic", "notes"])?;
        assert!(described.contains("PartitionCount: 4"), "{described}");
        run(TOPICS, &["--delete", "--topic", "notes"])?;
        assert_eq!(run(TOPICS, &["--list"])?.trim(), "");
        node.terminate()?.expect_code(0)?;
    }
    Ok(())
}

#[test]
fn a_java_client_changes_no_record_of_a_mirrored_topic() -> Result<()> {
    if harness::kafka_or_skip("a_java_client_changes_no_record_of_a_mirrored_topic").is_none() {
        return Ok(());
    }
    let source = synthetic::source(1, 1 << 20)?;
    let directory = TempDir::new("writing")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    let mut node = Ringmirror::node(&mirror).spawn()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(KafkaRelease::V4, &address, directory.path())?;
    let refusals = [
        ("a record", driver.produce(&Produce::new("orders", 0, 1)).map(drop)),
        ("an idempotent one", driver.produce(&Produce::new("orders", 0, 1).idempotent()).map(drop)),
        ("partitions", driver.add_partitions("orders", 5)),
        ("fewer records", driver.delete_records("orders", 0, 1).map(drop)),
        ("no topic", driver.delete_topic("orders")),
        ("another topic", driver.create_topic(&CreateTopic::new("orders", 1)).map(drop)),
    ];
    for (what, outcome) in refusals {
        ensure!(outcome.is_err(), "the mirrored topic was given {what}");
    }
    // Settings may be changed (KIP-1279): the source's win at the next look.
    driver.alter_topic_configs("orders", &[("retention.ms", "1")])?;
    node.terminate()?.expect_code(0)?;
    synthetic::expect_equal(&source, &mirror)
}

#[test]
fn a_transactional_java_producer_is_refused_at_once() -> Result<()> {
    if harness::kafka_or_skip("a_transactional_java_producer_is_refused_at_once").is_none() {
        return Ok(());
    }
    let directory = TempDir::new("writing")?;
    let mut node = Ringmirror::node(&directory.join("data")).spawn()?;
    let address = node.wait_serving(SOON)?;
    let driver = Driver::start(KafkaRelease::V4, &address, directory.path())?;
    driver.create_topic(&CreateTopic::new("notes", 1))?;
    let begun = Instant::now();
    let records = Produce::new("notes", 0, 1).transaction("payments", Outcome::Commit);
    let refusal = driver.produce(&records).err().map(|error| format!("{error:#}"));
    let refusal = refusal.unwrap_or_default();
    ensure!(refusal.contains("TransactionalIdAuthorization"), "refused by {refusal:?}");
    ensure!(begun.elapsed() < Duration::from_secs(30), "it took {:?}", begun.elapsed());
    node.terminate()?.expect_code(0)?;
    Ok(())
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
