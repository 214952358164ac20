//! Topics that have another name here than at the source: a prefix before it.

use std::fs;

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Isolation, Outcome, Produce};
use harness::mirror_node::create;
use harness::{Driver, MirrorNode, Ringmirror};

use crate::mirror_lifecycle::{Pair, create_with_records, expect_count, shared_source};
use crate::mirrored::{SOON, segment_bytes};

#[test]
fn topics_are_mirrored_byte_for_byte_under_a_prefix() -> Result<()> {
    let name = "topics_are_mirrored_byte_for_byte_under_a_prefix";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let mut node = MirrorNode::start(source.driver())?;
    let from = source.driver();
    from.create_topic(&CreateTopic::new("named-orders", 2).config("segment.bytes", "1048576"))?;
    from.produce(&Produce::new("named-orders", 0, 500).records_per_batch(7))?;
    from.produce(&Produce::new("named-orders", 1, 9).transaction("named", Outcome::Commit))?;
    from.await_high_watermark("named-orders", 1, 10)?;
    node.create_mirror("from-a", &source.bootstrap_servers(), &[("topics.prefix", "a.")])?;
    node.start_topics("from-a", r"a\.named-.*")?;
    await_all(&node, from, "named-orders")?;
    // One that appears later, and one whose name would be too long.
    create_with_records(from, "named-late", 4)?;
    from.create_topic(&CreateTopic::new(&format!("named-{}", "x".repeat(242)), 1))?;
    await_all(&node, from, "named-late")?;
    node.running()?.wait_for(SOON, |event| {
        let reason = event["reason"].as_str().unwrap_or_default();
        event["event"] == "topic_lost" && reason.contains("more than 249 characters")
    })?;
    let names: Vec<String> = node.driver().list_topics()?.into_keys().collect();
    ensure!(names == ["a.named-late", "a.named-orders"], "{names:?}");
    let configs = node.driver().topic_configs("a.named-orders")?;
    ensure!(configs.get("segment.bytes").is_some_and(|bytes| bytes == "1048576"), "{configs:?}");
    ensure!(node.driver().read_in_group("g", "a.named-orders", 509)? == 509);
    for partition in [0, 1] {
        let theirs = from.digest("named-orders", partition, Isolation::ReadCommitted)?;
        let ours = node.driver().digest("a.named-orders", partition, Isolation::ReadCommitted)?;
        ensure!(theirs == ours, "{theirs:?}, but {ours:?}");
    }

    node.stop()?;
    let verify = Ringmirror::verify(&source.bootstrap_servers(), &node.data_dir());
    let report = verify.run()?.expect_code(0)?.document()?;
    let compared = report["partitions"].as_array().map_or(0, Vec::len);
    ensure!(report["equal"] == true && compared == 3, "{report}");
    for partition in ["named-orders-0", "named-orders-1", "named-late-0"] {
        let theirs = segment_bytes(&source.log_dir(1)?.join(partition))?;
        let ours = segment_bytes(&node.data_dir().join(format!("a.{partition}")))?;
        ensure!(theirs == ours && !ours.is_empty(), "{partition} differs");
    }
    // It goes on after a restart.
    node.start_again()?;
    from.produce(&Produce::new("named-orders", 0, 5).first(500))?;
    await_all(&node, from, "named-orders")
}

#[test]
fn a_topic_is_mirrored_under_one_name() -> Result<()> {
    let name = "a_topic_is_mirrored_under_one_name";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let mut node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "once-orders", 3)?;
    create_with_records(source.driver(), "once-notes", 2)?;
    let bootstrap = source.bootstrap_servers();
    node.create_mirror("a", &bootstrap, &[("topics.prefix", "a.")])?;
    node.start_topics("a", "a.once-orders")?;
    await_all(&node, source.driver(), "once-orders")?;

    // Two mirrors of one source share it; a topic that both name stays where it is.
    node.create_mirror("b", &bootstrap, &[("topics.prefix", "b.")])?;
    let both = ["--start", "--mirror", "b", "--topics", "b.once-.*"];
    node.expect_mirror_refusal(&both, &["b.once-orders", "under two names (topics.prefix)"])?;
    node.await_state("b.once-notes", "MIRRORING")?;
    node.running()?.wait_for(SOON, |event| {
        let reason = event["reason"].as_str().unwrap_or_default();
        event["topic"] == "b.once-orders" && reason.contains("here already, as a.once-orders")
    })?;
    expect_count(node.driver(), "b.once-notes", 2)?;
    expect_count(node.driver(), "a.once-orders", 3)?;

    for prefix in ["__a.", "a b"] {
        let path = node.mirror_config("wrong", &bootstrap, &[("topics.prefix", prefix)])?;
        let path = path.display().to_string();
        node.expect_mirror_refusal(&create("wrong", &path), &["topics.prefix", "digits"])?;
    }
    Ok(())
}

#[test]
fn what_has_another_name_is_not_failed_back() -> Result<()> {
    let name = "what_has_another_name_is_not_failed_back";
    let Some(Pair { a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), "orders", 3)?;
    b.create_mirror("from-a", a.address(), &[("topics.prefix", "a.")])?;
    b.start_topics("from-a", "a.orders")?;
    await_all(&b, a.driver(), "orders")?;
    b.stop_topics("from-a", &["a.orders"])?;
    b.driver().produce(&Produce::new("a.orders", 0, 2).first(3))?;
    let back = ["--from", b.address(), "--mirror", "from-b", "--all", "--yes"];
    let ended = a.command("failback", &back)?.expect_code(1)?;
    let told = format!("{}{}", ended.stdout, ended.stderr);
    ensure!(told.contains("nor mirrored back"), "{ended}");
    expect_count(a.driver(), "orders", 3)?;
    expect_count(b.driver(), "a.orders", 5)
}

#[test]
fn a_run_of_the_mirror_alone_leaves_prefixed_topics_alone() -> Result<()> {
    let name = "a_run_of_the_mirror_alone_leaves_prefixed_topics_alone";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let mut node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "alone-orders", 3)?;
    let bootstrap = source.bootstrap_servers();
    node.create_mirror("from-a", &bootstrap, &[("topics.prefix", "a.")])?;
    node.start_topics("from-a", "a.alone-orders")?;
    await_all(&node, source.driver(), "alone-orders")?;
    node.stop()?;
    let data_dir = node.data_dir();
    let state = fs::read(data_dir.join("ringmirror.json"))?;
    let right = format!("ringmirror node --data-dir {}", data_dir.display());
    let words = ["a.alone-orders", "from-a", "topics.prefix=a.", &right];
    for topics in ["alone-orders", r"a\.alone-orders", "alone-no-such-topic"] {
        let line = Ringmirror::mirror(&bootstrap, topics, &data_dir).until_caught_up();
        line.run()?.expect_refusal(DATA_DIRECTORY, &words)?;
    }
    ensure!(fs::read(data_dir.join("ringmirror.json"))? == state, "the state was written");
    ensure!(!data_dir.join("alone-orders-0").exists(), "a second copy was begun");
    // The command that is named goes on.
    node.start_again()?;
    source.driver().produce(&Produce::new("alone-orders", 0, 2).first(3))?;
    await_all(&node, source.driver(), "alone-orders")?;
    expect_count(node.driver(), "a.alone-orders", 5)
}

/// Waits until a topic is mirrored under the prefix `a.`, with all that is at the source.
fn await_all(node: &MirrorNode, source: &Driver, topic: &str) -> Result<()> {
    let here = format!("a.{topic}");
    node.await_state(&here, "MIRRORING")?;
    for theirs in source.describe_topic(topic)?.partitions {
        node.driver().await_high_watermark(&here, theirs.partition, theirs.high_watermark)?;
    }
    Ok(())
}

/// The exit code of a data directory that cannot be used.
const DATA_DIRECTORY: i32 = 4;
