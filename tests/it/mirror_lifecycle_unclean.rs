//! A source that loses records in an unclean election, followed or not as the topic says.

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::{ClusterOptions, KafkaCluster, KafkaRelease, MirrorNode};

use crate::mirror_lifecycle::{
    end, expect_count, expect_read_only, expect_same_records, expect_writable, mirror_stock,
};

/// 30.1 test_log_convergence_ule as far as one replica goes: the way back needs a source with
/// replicas that mirrors. 30.2 testUleRecoveryProcess, and section 12 without support.
#[test]
fn an_unclean_election_is_followed_with_support_and_fails_without() -> Result<()> {
    let name = "an_unclean_election_is_followed_with_support_and_fails_without";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let options = ClusterOptions::brokers(2).with_separate_controller();
    let mut source = kafka.start(KafkaRelease::V4, options)?;
    let node = MirrorNode::start(source.driver())?;
    for topic in [FOLLOWED, REFUSED] {
        source.driver().create_topic(&CreateTopic::new(topic, 1).assigned(&[&[1, 2]]))?;
        source.driver().produce(&Produce::new(topic, 0, 1))?;
    }
    mirror_stock(&source, &node, "from-stock", &[FOLLOWED, REFUSED])?;
    node.driver().alter_topic_configs(FOLLOWED, &[(SUPPORT, "true")])?;
    loses_records(&mut source, &node)?;

    node.await_all_of(source.driver(), FOLLOWED)?;
    expect_same_records(node.driver(), source.driver(), FOLLOWED)?;
    expect_count(node.driver(), FOLLOWED, 3)?;
    let failed = node.await_state(REFUSED, "FAILED")?;
    ensure!(failed[0].retry_attempt == -1, "{failed:?}");
    expect_count(node.driver(), REFUSED, 2)?;
    expect_read_only(node.driver(), REFUSED)?;

    // Both can be failed over, each with what it has.
    for (topic, records) in [(FOLLOWED, 3), (REFUSED, 2)] {
        node.stop_topics("from-stock", &[topic])?;
        ensure!(end(node.driver(), topic)? == records + 1);
        expect_writable(node.driver(), topic, 2)?;
    }
    Ok(())
}

/// One record of each topic that broker 2 never gets; then it is made leader, and takes two.
fn loses_records(source: &mut KafkaCluster, node: &MirrorNode) -> Result<()> {
    source.kill_node(2)?;
    source.wait_ready()?;
    for topic in [FOLLOWED, REFUSED] {
        source.driver().produce(&Produce::new(topic, 0, 1).first(1))?;
        node.await_all_of(source.driver(), topic)?;
        expect_count(node.driver(), topic, 2)?;
    }
    source.kill_node(1)?;
    source.start_node(2)?;
    source.wait_ready()?;
    for topic in [FOLLOWED, REFUSED] {
        source.driver().elect_unclean_leader(topic, 0)?;
        source.driver().produce(&Produce::new(topic, 0, 2).first(100))?;
    }
    Ok(())
}

const FOLLOWED: &str = "followed";
const REFUSED: &str = "refused";
const SUPPORT: &str = "mirror.support.unclean.leader.election";
