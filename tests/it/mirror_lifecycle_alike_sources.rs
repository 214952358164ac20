//! Several sources at once: brokers with one id, topics with one name, and a bound on what comes
//! in of some.

use std::time::Instant;

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::{Driver, MirrorNode, Ringmirror};
use serde_json::json;

use crate::mirror_lifecycle::{
    Pair, create_with_records, expect_count, expect_same_records, mirror, mirror_stock,
    shared_source,
};
use crate::mirrored::SOON;

/// X19: ids of brokers are a cluster's own. Of three sources, each with a broker 1 that leads
/// topics of the same names, one is a stock broker, and one comes and goes.
#[test]
fn sources_whose_brokers_have_one_id_are_kept_apart() -> Result<()> {
    let name = "sources_whose_brokers_have_one_id_are_kept_apart";
    let Some(stock) = shared_source(name)? else { return Ok(()) };
    let at_stock = stock.driver();
    let [mut a, c] = [MirrorNode::start(at_stock)?, MirrorNode::start(at_stock)?];
    let mut node = MirrorNode::start(at_stock)?;
    for (at, count) in [(at_stock, 3), (a.driver(), 4), (c.driver(), 5)] {
        for topic in [OF_STOCK, OF_A, OF_C] {
            create_with_records(at, topic, count)?;
            let leader = at.describe_topic(topic)?.partitions[0].leader;
            ensure!(leader == 1, "broker {leader} leads");
        }
    }
    mirror_stock(&stock, &node, "from-stock", &[OF_STOCK])?;
    mirror(&a, &node, "from-a", &[OF_A])?;
    mirror(&c, &node, "from-c", &[OF_C])?;
    expect_each(&node, &[(at_stock, OF_STOCK, 3), (a.driver(), OF_A, 4), (c.driver(), OF_C, 5)])?;

    // One fails with its source, and the others go on, through a kill of the node as well.
    a.kill()?;
    node.await_state(OF_A, "FAILED")?;
    for round in [10, 20] {
        at_stock.produce(&Produce::new(OF_STOCK, 0, 1).first(round))?;
        c.driver().produce(&Produce::new(OF_C, 0, 1).first(round))?;
        node.await_all_of(at_stock, OF_STOCK)?;
        node.await_all_of(c.driver(), OF_C)?;
        if round == 10 {
            node.kill()?;
            node.start_again()?;
        }
    }
    a.start_again()?;
    a.driver().produce(&Produce::new(OF_A, 0, 1).first(10))?;
    node.await_all_of(a.driver(), OF_A)?;
    expect_each(&node, &[(at_stock, OF_STOCK, 5), (a.driver(), OF_A, 5), (c.driver(), OF_C, 7)])?;

    // What another source calls the same is another topic.
    node.stop_topics("from-a", &[OF_A])?;
    let start = ["--start", "--mirror", "from-c", "--topics", OF_A, "--confirm"];
    node.expect_mirror_refusal(&start, &["INCONSISTENT_TOPIC_ID"])?;
    expect_count(node.driver(), OF_A, 5)?;
    // Each source is asked about its own, whoever was asked before.
    node.stop()?;
    for (bootstrap, of_others) in
        [(stock.bootstrap_servers().as_str(), [OF_A, OF_C]), (c.address(), [OF_STOCK, OF_A])]
    {
        let ended = Ringmirror::verify(bootstrap, &node.data_dir()).run()?.expect_code(0)?;
        let report = ended.document()?;
        let compared = report["partitions"].as_array().map_or(0, Vec::len);
        ensure!(report["equal"] == true && compared == 1, "{ended}");
        ensure!(report["of_other_sources"] == json!(of_others), "{ended}");
        let refused = Ringmirror::verify(bootstrap, &node.data_dir());
        let refused = refused.option("--topics", of_others[0]).run()?;
        ensure!(refused.code() == Some(3) && refused.stderr.contains("wrong address"), "{refused}");
    }
    Ok(())
}

/// Each topic has all that its source has, so many records, and nobody else's.
fn expect_each(node: &MirrorNode, topics: &[(&Driver, &str, u64)]) -> Result<()> {
    for (source, topic, count) in topics {
        expect_same_records(node.driver(), source, topic)?;
        expect_count(node.driver(), topic, *count)?;
    }
    let ours = node.driver().list_topics()?;
    for (source, topic, _) in topics {
        let theirs = source.list_topics()?;
        ensure!(ours[*topic] == theirs[*topic], "{topic} has another id than at its source");
    }
    Ok(())
}

/// X19: of one topic one partition is listed, and the rate is the slowest there is.
#[test]
fn a_rate_holds_back_the_partitions_listed_and_no_others() -> Result<()> {
    let name = "a_rate_holds_back_the_partitions_listed_and_no_others";
    let Some(Pair { a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    a.driver().create_topic(&CreateTopic::new(LISTED, 2))?;
    a.driver().create_topic(&CreateTopic::new(FREE, 1))?;
    mirror(&a, &b, "from-a", &[LISTED, FREE])?;
    b.driver().alter_broker_configs("", &[(RATE, "1")])?;
    b.driver().alter_topic_configs(LISTED, &[(REPLICAS, "0:1")])?;

    // Settings count from some moment on: until the listed one stands still for some rounds.
    let deadline = Instant::now() + SOON;
    let (mut end, mut still) = (round(&a, &b)?, 0);
    while still < STILL_ROUNDS {
        ensure!(Instant::now() < deadline, "{LISTED}-0 is not held back, it came to {end}");
        let before = std::mem::replace(&mut end, round(&a, &b)?);
        still = if end == before { still + 1 } else { 0 };
    }
    let [ours, theirs] = [&b, &a].map(|node| node.driver().describe_topic(LISTED));
    let [ours, theirs] = [ours?.partitions, theirs?.partitions];
    ensure!(ours[0].high_watermark < theirs[0].high_watermark, "{ours:?}, {theirs:?}");
    let slow = b.partitions()?.into_iter().find(|one| one.topic == LISTED && one.partition == 0);
    ensure!(slow.as_ref().is_some_and(|one| one.state == "MIRRORING"), "{slow:?}");

    b.driver().alter_broker_configs("", &[(RATE, &i64::MAX.to_string())])?;
    b.await_all_of(a.driver(), LISTED)?;
    expect_same_records(b.driver(), a.driver(), LISTED)
}

/// Writes some records to every partition and waits until the free ones have theirs; tells where
/// the listed one ends then.
fn round(a: &MirrorNode, b: &MirrorNode) -> Result<i64> {
    for (topic, partition) in [(LISTED, 0), (LISTED, 1), (FREE, 0)] {
        let written = a.driver().produce(&Produce::new(topic, partition, 10))?;
        if (topic, partition) != (LISTED, 0) {
            b.driver().await_high_watermark(topic, partition, written.last_offset + 1)?;
        }
    }
    Ok(b.driver().describe_topic(LISTED)?.partitions[0].high_watermark)
}

const OF_STOCK: &str = "alike-1";
const OF_A: &str = "alike-2";
const OF_C: &str = "alike-3";
const LISTED: &str = "listed";
const FREE: &str = "free";
const RATE: &str = "mirror.replication.throttled.rate";
const REPLICAS: &str = "mirror.replication.throttled.replicas";
/// A partition that is not held back is not so far behind.
const STILL_ROUNDS: u32 = 3;
