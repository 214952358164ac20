//! All that mirrors do, from the oldest release among those that are tested.

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::{ClusterOptions, KafkaCluster, KafkaRelease, MirrorNode};

use crate::mirror_lifecycle::{
    create_with_records, expect_count, expect_same_records, mirror_stock,
};
use crate::mirror_lifecycle_configs::goes_on_from;
use crate::mirror_lifecycle_deletion::fails_until_made_anew;
use crate::mirror_lifecycle_pause::pauses_and_resumes;

/// The rows of the compatibility tests in 30.1: test_mirroring_sync, test_topic_deletion,
/// test_migration_ule; and test_config_update with another broker.
#[test]
fn kafka_3_9_is_followed_through_all_that_becomes_of_it() -> Result<()> {
    let name = "kafka_3_9_is_followed_through_all_that_becomes_of_it";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let options = ClusterOptions::brokers(2).with_separate_controller();
    let mut source = kafka.start(KafkaRelease::V3_9, options)?;
    pauses_and_resumes(&source, "paused")?;
    fails_until_made_anew(&source)?;
    carries_settings_and_groups_over(&source)?;

    let node = MirrorNode::start(source.driver())?;
    source.driver().create_topic(&CreateTopic::new(ELECTED, 1).assigned(&[&[2, 1]]))?;
    source.driver().produce(&Produce::new(ELECTED, 0, 1))?;
    mirror_stock(&source, &node, "of-both", &[ELECTED])?;
    node.driver().alter_topic_configs(ELECTED, &[(SUPPORT, "true")])?;
    goes_on_from_another_broker(&mut source)?;
    follows_an_unclean_election(&mut source, &node)
}

/// 30.1 test_consumer_groups_commit, in short; two brokers coordinate groups.
fn carries_settings_and_groups_over(source: &KafkaCluster) -> Result<()> {
    let node = MirrorNode::start(source.driver())?;
    source.driver().create_topic(&CreateTopic::new("grouped", 1).config("retention.ms", "77"))?;
    source.driver().produce(&Produce::new("grouped", 0, 30))?;
    mirror_stock(source, &node, "of-groups", &["grouped"])?;
    let groups: Vec<String> = (0..6).map(|number| format!("grouped-{number}")).collect();
    for (at, group) in (0..).zip(&groups) {
        source.driver().commit_group(group, "grouped", 0, at)?;
    }
    source.driver().offsets_in_group("grouped-reader", "classic", "grouped", 20)?;
    for (at, group) in (0..).zip(&groups) {
        node.await_group_offsets(group, &[("grouped-0", at)])?;
    }
    node.await_group_offsets("grouped-reader", &[("grouped-0", 20)])?;
    let configs = node.driver().topic_configs("grouped")?;
    ensure!(configs.get("retention.ms").is_some_and(|ms| ms == "77"), "{configs:?}");
    node.stop_topics("of-groups", &["grouped"])?;
    let read = node.driver().offsets_in_group("grouped-reader", "classic", "grouped", 10)?;
    ensure!(read == (20..30).collect::<Vec<_>>(), "{read:?}");
    Ok(())
}

/// The mirror knows broker 1 first, then broker 2, which is the only one in the end.
fn goes_on_from_another_broker(source: &mut KafkaCluster) -> Result<()> {
    let node = MirrorNode::start(source.driver())?;
    source.driver().create_topic(&CreateTopic::new("moved", 1).assigned(&[&[2]]))?;
    source.driver().produce(&Produce::new("moved", 0, 3))?;
    let [first, other] = [source.broker_address(1)?, source.broker_address(2)?];
    node.mirror("from-stock", (source.driver(), &first), &["moved"])?;
    goes_on_from(&other, &node, source.driver(), "moved")?;
    source.kill_node(1)?;
    source.wait_ready()?;
    create_with_records(source.driver(), "found", 2)?;
    node.start_topics("from-stock", "found")?;
    node.await_all_of(source.driver(), "found")
}

/// Broker 1 is away and behind; it is made leader of what broker 2 was alone with.
fn follows_an_unclean_election(source: &mut KafkaCluster, node: &MirrorNode) -> Result<()> {
    source.driver().produce(&Produce::new(ELECTED, 0, 1).first(1))?;
    node.await_all_of(source.driver(), ELECTED)?;
    expect_count(node.driver(), ELECTED, 2)?;
    source.kill_node(2)?;
    source.start_node(1)?;
    source.wait_ready()?;
    source.driver().elect_unclean_leader(ELECTED, 0)?;
    source.driver().produce(&Produce::new(ELECTED, 0, 2).first(100))?;
    node.await_all_of(source.driver(), ELECTED)?;
    expect_count(node.driver(), ELECTED, 3)?;
    expect_same_records(node.driver(), source.driver(), ELECTED)
}

const ELECTED: &str = "elected";
const SUPPORT: &str = "mirror.support.unclean.leader.election";
