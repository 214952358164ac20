//! Transactions that are open when mirroring stops.

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Driver, Isolation, Outcome, Produce};
use harness::{KafkaCluster, MirrorNode};

use crate::mirror_lifecycle::{
    count, end, expect_count, expect_equal_files, expect_same_records, expect_writable, mirror,
    mirror_stock, shared_source,
};

/// 30.1 test_stop_with_txns. What is committed at the destination afterwards is written by plain
/// idempotent producers: a node takes no transactions of its own.
#[test]
fn a_stop_aborts_what_is_open_and_nothing_else() -> Result<()> {
    let name = "a_stop_aborts_what_is_open_and_nothing_else";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let (at_source, topic) = (source.driver(), "with-txns");
    at_source.create_topic(&CreateTopic::new(topic, 1))?;
    let mut written = 0;
    let mut one = |producer: Option<(&str, Outcome)>| -> Result<()> {
        let record = Produce::new(topic, 0, 1).first(written);
        written += 1;
        let record = match producer {
            Some((id, outcome)) => record.transaction(id, outcome),
            None => record,
        };
        at_source.produce(&record).map(|_| ())
    };
    one(Some(("txns-a", Outcome::Commit)))?;
    one(Some(("txns-a", Outcome::Commit)))?;
    one(None)?;
    one(Some(("txns-b", Outcome::Open)))?;
    one(Some(("txns-d", Outcome::Open)))?;
    one(Some(("txns-c", Outcome::Abort)))?;
    // The same transactional id anew: the first one's transaction is aborted.
    at_source.close_producer("txns-d")?;
    one(Some(("txns-d", Outcome::Open)))?;
    one(None)?;
    // Eight records; markers of a twice, of c, and of the fenced d.
    at_source.await_high_watermark(topic, 0, 12)?;
    let source_end = end(at_source, topic)?;

    let node = MirrorNode::start(at_source)?;
    mirror_stock(&source, &node, "from-stock", &[topic])?;
    expect_same_records(node.driver(), at_source, topic)?;
    node.stop_topics("from-stock", &[topic])?;
    let added = end(node.driver(), topic)? - source_end;
    ensure!(added == 3, "{added} records were added, not 2 ABORT markers and 1 reset");

    for producer in ["b at the node", "d at the node"] {
        let record = Produce::new(topic, 0, 1).first(written).idempotent_as(producer);
        node.driver().produce(&record)?;
        written += 1;
    }
    let raw = count(node.driver(), topic, Isolation::ReadUncommitted)?;
    let readable = count(at_source, topic, Isolation::ReadUncommitted)?;
    ensure!(raw == readable + 2, "{raw} records, and {readable} at the source");
    let committed = count(node.driver(), topic, Isolation::ReadCommitted)?;
    ensure!(committed == raw - 4, "{committed} of {raw} records are committed");
    for id in ["txns-b", "txns-d"] {
        at_source.end_transaction(id, true)?;
    }
    Ok(())
}

/// X10: the coordinator at the source decides after the failover, and the old source learns of it
/// before it is failed back.
#[test]
fn a_marker_that_comes_after_the_failover_is_cut_at_the_failback() -> Result<()> {
    let name = "a_marker_that_comes_after_the_failover_is_cut_at_the_failback";
    let Some(stock) = shared_source(name)? else { return Ok(()) };
    let topic = "late-marker";
    let (mut a, mut b) = open_transaction_in_a_chain(&stock, topic)?;
    b.stop_topics("from-a", &[topic])?;
    expect_writable(b.driver(), topic, 2)?;
    // Two records, those of before and the aborted ones not among what is committed.
    ensure!(count(b.driver(), topic, Isolation::ReadCommitted)? == 5);

    stock.driver().end_transaction("late", true)?;
    a.driver().await_high_watermark(topic, 0, 8)?;
    ensure!(count(a.driver(), topic, Isolation::ReadCommitted)? == 7, "the marker did not arrive");
    a.stop_topics("from-stock", &[topic])?;
    mirror(&b, &a, "from-b", &[topic])?;
    expect_same_records(a.driver(), b.driver(), topic)?;
    ensure!(count(a.driver(), topic, Isolation::ReadCommitted)? == 5, "the marker still counts");
    expect_equal_files(&mut a, &mut b, &[(topic, 1)])
}

/// Three records and four of an open transaction, at a stock broker, a node, and one behind it.
fn open_transaction_in_a_chain(
    stock: &KafkaCluster,
    topic: &str,
) -> Result<(MirrorNode, MirrorNode)> {
    let at_stock: &Driver = stock.driver();
    at_stock.create_topic(&CreateTopic::new(topic, 1))?;
    at_stock.produce(&Produce::new(topic, 0, 3))?;
    at_stock.produce(&Produce::new(topic, 0, 4).first(3).transaction("late", Outcome::Open))?;
    let (a, b) = (MirrorNode::start(at_stock)?, MirrorNode::start(at_stock)?);
    mirror_stock(stock, &a, "from-stock", &[topic])?;
    mirror(&a, &b, "from-a", &[topic])?;
    expect_count(b.driver(), topic, 7)?;
    Ok((a, b))
}
