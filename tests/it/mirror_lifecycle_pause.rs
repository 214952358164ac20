//! Pausing and resuming.

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::{KafkaCluster, MirrorNode};

use crate::mirror_lifecycle::{
    create_with_records, end, expect_count, expect_read_only, expect_same_records, expect_writable,
    mirror_stock, shared_source,
};

/// 30.1 test_pause_resume.
#[test]
fn a_paused_topic_stays_as_it_is_until_it_is_resumed() -> Result<()> {
    let name = "a_paused_topic_stays_as_it_is_until_it_is_resumed";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    pauses_and_resumes(&source, "paused")
}

/// The steps of that row with any source.
pub(crate) fn pauses_and_resumes(source: &KafkaCluster, topic: &str) -> Result<()> {
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), topic, 3)?;
    mirror_stock(source, &node, "from-stock", &[topic])?;
    node.mirror_command(&["--pause", "--mirror", "from-stock", "--topics", topic])?;
    node.await_state(topic, "PAUSED")?;
    source.driver().produce(&Produce::new(topic, 0, 1).first(3))?;
    expect_count(node.driver(), topic, 3)?;
    expect_read_only(node.driver(), topic)?;

    let resume = ["--resume", "--mirror", "from-stock", "--topics", topic];
    node.mirror_command(&resume)?;
    node.await_all_of(source.driver(), topic)?;
    expect_count(node.driver(), topic, 4)?;
    // What is mirrored needs no resuming, and a paused one can be stopped as it is.
    node.mirror_command(&resume)?;
    node.mirror_command(&["--pause", "--mirror", "from-stock", "--topics", topic])?;
    node.await_state(topic, "PAUSED")?;
    source.driver().produce(&Produce::new(topic, 0, 1).first(4))?;
    node.stop_topics("from-stock", &[topic])?;
    expect_count(node.driver(), topic, 4)?;
    expect_writable(node.driver(), topic, 1)
}

/// X16, while paused; a pause also outlives its node.
#[test]
fn partitions_added_while_paused_are_mirrored_after_the_resume() -> Result<()> {
    let name = "partitions_added_while_paused_are_mirrored_after_the_resume";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let mut node = MirrorNode::start(source.driver())?;
    source.driver().create_topic(&CreateTopic::new("grown", 1))?;
    source.driver().produce(&Produce::new("grown", 0, 5))?;
    mirror_stock(&source, &node, "from-stock", &["grown"])?;
    node.mirror_command(&["--pause", "--mirror", "from-stock", "--topics", "grown"])?;
    node.await_state("grown", "PAUSED")?;
    source.driver().add_partitions("grown", 3)?;
    source.driver().produce(&Produce::new("grown", 0, 1).first(5))?;
    source.driver().produce(&Produce::new("grown", 2, 7))?;
    node.kill()?;
    node.start_again()?;
    // A partition that came meanwhile has no state before the resume.
    node.await_partitions("grown", "paused", |one| one.partition > 0 || one.state == "PAUSED")?;
    ensure!(end(node.driver(), "grown")? == 5, "a paused partition went on");

    node.mirror_command(&["--resume", "--mirror", "from-stock", "--topics", "grown"])?;
    node.await_partitions("grown", "mirrored", |one| one.state == "MIRRORING")?;
    for (partition, expected) in [(0, 6), (2, 7)] {
        node.driver().await_high_watermark("grown", partition, expected)?;
    }
    node.await_all_of(source.driver(), "grown")?;
    expect_same_records(node.driver(), source.driver(), "grown")
}
