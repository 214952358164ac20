//! Partitions that fail, and come back by themselves or by command.

use anyhow::{Result, ensure};
use harness::driver::{Isolation, Produce};
use harness::mirror_node::DescribedPartition;
use harness::{ClusterOptions, KafkaCluster, KafkaRelease, MirrorNode};

use crate::mirror_lifecycle::{
    Pair, create_with_records, expect_same_records, mirror, mirror_stock,
};

/// 30.1 test_failed_auto_topic_recovery, 30.2 testAutoRecovery, and X16 while failed.
#[test]
fn what_failed_with_its_source_comes_back_with_it() -> Result<()> {
    let name = "what_failed_with_its_source_comes_back_with_it";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let mut source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "orders", 5)?;
    mirror_stock(&source, &node, "from-stock", &["orders"])?;
    source.stop()?;
    let failed = node.await_state("orders", "FAILED")?;
    ensure!(failed[0].retry_attempt >= 1, "{failed:?}");
    source.start_node(1)?;
    source.wait_ready()?;
    source.driver().add_partitions("orders", 2)?;
    source.driver().produce(&Produce::new("orders", 1, 2))?;
    node.await_all_of(source.driver(), "orders")?;
    expect_same_records(node.driver(), source.driver(), "orders")?;
    let found = node.await_state("orders", "MIRRORING")?;
    ensure!(found.len() == 2, "{found:?}");
    // With the first records that came, what failed before counts no more.
    source.driver().produce(&Produce::new("orders", 0, 2).first(5))?;
    node.await_all_of(source.driver(), "orders")?;
    let is_forgotten = |found: &DescribedPartition| {
        found.state == "MIRRORING" && found.retry_attempt == 0 && found.error_message.is_none()
    };
    node.await_partitions("orders", "without a word of failures", is_forgotten)?;

    raised_epochs_hold_up_no_consumer(&mut source, &node)
}

/// 30.1 test_epoch_bump: every restart raises the epochs of a source without replicas.
fn raised_epochs_hold_up_no_consumer(source: &mut KafkaCluster, node: &MirrorNode) -> Result<()> {
    create_with_records(source.driver(), "bumped", 1)?;
    node.start_topics("from-stock", "bumped")?;
    for round in 1..=2 {
        source.restart_node(1)?;
        source.driver().produce(&Produce::new("bumped", 0, 2).first(round * 10))?;
    }
    node.await_all_of(source.driver(), "bumped")?;
    expect_same_records(node.driver(), source.driver(), "bumped")?;
    let digest = node.driver().digest("bumped", 0, Isolation::ReadCommitted)?;
    ensure!(digest.epochs.len() == 3, "{:?}: not raised twice", digest.epochs);
    let told = node.driver().describe_topic("bumped")?.partitions[0].leader_epoch;
    let newest = digest.epochs.last().map_or(0, |(epoch, _)| *epoch);
    ensure!(told >= newest, "clients are told epoch {told}, and records have {newest}");
    // A consumer that was given records of an epoch goes on behind its commit.
    for expected in [2, 4] {
        ensure!(node.driver().read_in_group("bumped", "bumped", 2)? == 2, "up to {expected}");
        let committed = node.driver().group_offsets("bumped")?;
        ensure!(committed.get("bumped-0") == Some(&expected), "{committed:?}");
    }
    Ok(())
}

/// 30.1 test_failed_manual_topic_recovery, 30.2 testManualRecovery.
#[test]
fn what_is_given_up_comes_back_by_command() -> Result<()> {
    let name = "what_is_given_up_comes_back_by_command";
    let Some(Pair { mut a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    b.driver().alter_broker_configs("", &[("mirror.failed.retry.max.attempts", "1")])?;
    create_with_records(a.driver(), "orders", 5)?;
    mirror(&a, &b, "from-a", &["orders"])?;
    a.stop()?;
    let failed = |found: &DescribedPartition| found.state == "FAILED" && found.retry_attempt == 1;
    b.await_partitions("orders", "failed once and given up", failed)?;
    let told = b.mirror_command(&["--describe", "--failed"])?;
    ensure!(told.contains("1/1"), "{told}");
    a.start_again()?;
    a.driver().produce(&Produce::new("orders", 0, 5).first(5))?;
    // Nothing brings it back by itself; a topic started meanwhile shows that the source is there.
    create_with_records(a.driver(), "later", 1)?;
    b.start_topics("from-a", "later")?;
    b.await_all_of(a.driver(), "later")?;
    b.await_state("orders", "FAILED")?;

    let told = b.mirror_command(&["--recover", "--mirror", "from-a", "--topics", "orders"])?;
    ensure!(told.contains("Recovered"), "{told}");
    b.await_all_of(a.driver(), "orders")?;
    expect_same_records(b.driver(), a.driver(), "orders")
}
