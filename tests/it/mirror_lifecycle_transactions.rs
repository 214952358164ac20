//! Transactions that are open when mirroring stops.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Driver, Isolation, Outcome, Produce};
use harness::{ClusterOptions, KafkaCluster, KafkaRelease, MirrorNode};
use kafka_protocol::records::RecordBatchDecoder;

use crate::mirror_lifecycle::{
    count, expect_count, expect_equal_files, expect_same_records, expect_writable, mirror,
    mirror_stock, shared_source,
};
use crate::mirrored::{batches, segment_bytes};

/// 30.1 test_stop_with_txns, with source and node killed and stopped on the way. What is committed
/// at the destination afterwards is written by plain idempotent producers: a node takes no
/// transactions of its own.
#[test]
fn a_stop_aborts_what_is_open_and_nothing_else() -> Result<()> {
    let name = "a_stop_aborts_what_is_open_and_nothing_else";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let mut source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    let mut node = MirrorNode::start(source.driver())?;
    write_and_stop_both(&mut source, &mut node)?;
    kill_both(&mut source, &mut node)?;
    let at_source = source.driver();
    expect_same_records(node.driver(), at_source, TOPIC)?;
    expect_open(at_source)?;

    node.stop_topics("from-stock", &[TOPIC])?;
    expect_aborted(&node, at_source)?;
    node.kill()?;
    node.start_again()?;
    expect_aborted(&node, at_source)?;
    for producer in ["b at the node", "d at the node"] {
        for partition in PARTITIONS {
            let record = Produce::new(TOPIC, partition, 1).first(100).idempotent_as(producer);
            node.driver().produce(&record)?;
        }
    }
    for partition in PARTITIONS {
        let count = |at: &Driver, isolation| -> Result<u64> {
            Ok(at.digest(TOPIC, partition, isolation)?.count)
        };
        let raw = count(node.driver(), Isolation::ReadUncommitted)?;
        let readable = count(at_source, Isolation::ReadUncommitted)?;
        ensure!(raw == readable + 2, "{partition}: {raw} records, and {readable} at the source");
        let committed = count(node.driver(), Isolation::ReadCommitted)?;
        ensure!(committed == raw - 4, "{partition}: {committed} of {raw} records are committed");
    }
    OPEN.iter().try_for_each(|id| at_source.end_transaction(id, true))
}

/// The row's transactions: of a committed, of c aborted, of b and of the second d open. The source
/// restarts behind the first one while it is mirrored, the node misses the others.
fn write_and_stop_both(source: &mut KafkaCluster, node: &mut MirrorNode) -> Result<()> {
    source.driver().create_topic(&CreateTopic::new(TOPIC, 2))?;
    write(source.driver(), 0, Some(("txns-a", Outcome::Commit)))?;
    mirror_stock(source, node, "from-stock", &[TOPIC])?;
    source.restart_node(1)?;
    node.stop()?;
    let at_source = source.driver();
    write(at_source, 1, Some(("txns-a", Outcome::Commit)))?;
    write(at_source, 2, None)?;
    write(at_source, 3, Some(("txns-b", Outcome::Open)))?;
    write(at_source, 4, Some(("txns-d", Outcome::Open)))?;
    write(at_source, 5, Some(("txns-c", Outcome::Abort)))?;
    // The same transactional id anew: the first one's transaction is aborted.
    at_source.close_producer("txns-d")?;
    write(at_source, 6, Some(("txns-d", Outcome::Open)))?;
    write(at_source, 7, None)?;
    // Eight records; markers of a twice, of c, and of the fenced d.
    PARTITIONS.iter().try_for_each(|one| at_source.await_high_watermark(TOPIC, *one, 12))?;
    expect_open(at_source)?;
    node.start_again()?;
    node.await_all_of(at_source, TOPIC)
}

/// Writes one record to each partition, all in one transaction if in any.
fn write(at: &Driver, index: u64, producer: Option<(&str, Outcome)>) -> Result<()> {
    for partition in PARTITIONS {
        let record = Produce::new(TOPIC, partition, 1).first(index);
        let record = match producer {
            Some((id, _)) if partition == 0 => record.transaction(id, Outcome::Open),
            Some((id, outcome)) => record.transaction(id, outcome),
            None => record,
        };
        at.produce(&record)?;
    }
    Ok(())
}

/// Kills both sides while transactions are open, with a record more at the source.
fn kill_both(source: &mut KafkaCluster, node: &mut MirrorNode) -> Result<()> {
    node.kill()?;
    write(source.driver(), 8, None)?;
    source.kill_node(1)?;
    node.start_again()?;
    source.start_node(1)?;
    source.wait_ready()?;
    node.await_all_of(source.driver(), TOPIC)
}

fn expect_open(at_source: &Driver) -> Result<()> {
    let open = at_source.ongoing_transactions()?;
    ensure!(open == OPEN, "{open:?} are open");
    Ok(())
}

/// Each partition has two ABORT markers and one reset more than the source's.
fn expect_aborted(node: &MirrorNode, at_source: &Driver) -> Result<()> {
    let ours = node.driver().describe_topic(TOPIC)?.partitions;
    let theirs = at_source.describe_topic(TOPIC)?.partitions;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let added = ours.high_watermark - theirs.high_watermark;
        ensure!(added == 3, "{added} records were added, not 3: {ours:?}, {theirs:?}");
        ensure!(ours.last_stable == ours.high_watermark, "something is open: {ours:?}");
    }
    Ok(())
}

/// A kill between any two steps of a stop: what is begun again aborts nothing twice.
#[test]
fn a_stop_that_is_killed_aborts_each_open_transaction_once() -> Result<()> {
    let name = "a_stop_that_is_killed_aborts_each_open_transaction_once";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let (at_source, topic) = (source.driver(), "killed-stop");
    at_source.create_topic(&CreateTopic::new(topic, 1))?;
    for id in ["killed-1", "killed-2", "killed-3"] {
        at_source.produce(&Produce::new(topic, 0, 2).transaction(id, Outcome::Open))?;
    }
    let mut node = MirrorNode::start(at_source)?;
    mirror_stock(&source, &node, "from-stock", &[topic])?;
    node.mirror_command(&["--stop", "--mirror", "from-stock", "--topics", topic, "--yes"])?;
    node.kill()?;
    node.start_again()?;
    node.await_state(topic, "STOPPED")?;
    expect_writable(node.driver(), topic, 1)?;
    ensure!(count(node.driver(), topic, Isolation::ReadCommitted)? == 1);
    node.stop()?;
    let segment = segment_bytes(&node.data_dir().join(format!("{topic}-0")))?;
    let markers = control_records(&segment)?;
    let (aborts, resets): (Vec<_>, Vec<_>) =
        markers.iter().partition(|(control_type, _)| *control_type == ABORT);
    let producers: BTreeSet<i64> = aborts.iter().map(|(_, producer)| *producer).collect();
    ensure!((aborts.len(), producers.len()) == (3, 3), "not three ABORT markers: {markers:?}");
    // One that was begun again may write a second one, which means the same.
    let are_last = markers.iter().rev().take(resets.len()).all(|(kind, _)| *kind == PID_RESET);
    ensure!(!resets.is_empty() && are_last, "no reset behind all markers: {markers:?}");
    for id in ["killed-1", "killed-2", "killed-3"] {
        at_source.end_transaction(id, false)?;
    }
    Ok(())
}

/// Types and producers of the control batches, in order.
fn control_records(segment: &[u8]) -> Result<Vec<(i16, i64)>> {
    let mut found = Vec::new();
    for mut batch in batches(segment)? {
        let decoded = RecordBatchDecoder::decode(&mut batch).context("a batch of the log")?;
        for record in decoded.records.iter().filter(|record| record.control) {
            let key = record.key.as_deref().and_then(|key| key.get(2..4)).context("a key")?;
            found.push((i16::from_be_bytes(key.try_into()?), record.producer_id));
        }
    }
    Ok(found)
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

const TOPIC: &str = "with-txns";
const PARTITIONS: [i32; 2] = [0, 1];
/// Transactional ids of the transactions that are open when mirroring stops.
const OPEN: [&str; 2] = ["txns-b", "txns-d"];
/// Types of control records.
const ABORT: i16 = 0;
const PID_RESET: i16 = 7;
