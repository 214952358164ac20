//! Mirrors that are deleted, and topics that are deleted at the source.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::mirror_node::DescribedPartition;
use harness::{KafkaCluster, MirrorNode};
use kafka_protocol::records::{Record, RecordBatchDecoder};
use serde_json::Value;

use crate::mirror_lifecycle::{
    create_with_records, expect_count, expect_read_only, expect_same_records, expect_writable,
    mirror_stock, shared_source,
};
use crate::mirrored::batches;

/// 30.1 test_mirror_deletion, 30.2 testDeleteClusterMirror.
#[test]
fn a_mirror_is_deleted_once_all_its_topics_are_stopped() -> Result<()> {
    let name = "a_mirror_is_deleted_once_all_its_topics_are_stopped";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let mut node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "kept", 5)?;
    mirror_stock(&source, &node, "from-stock", &["kept"])?;
    let delete = ["--delete", "--mirror", "from-stock", "--yes"];
    node.expect_mirror_refusal(&delete, &["CLUSTER_MIRROR_NOT_EMPTY"])?;
    ensure!(node.mirror_command(&["--list"])?.contains("from-stock"));

    node.stop_topics("from-stock", &["kept"])?;
    let told = node.mirror_command(&delete)?;
    ensure!(told.contains("Deleted mirror from-stock"), "{told}");
    ensure!(node.mirror_command(&["--list"])?.contains("No mirrors found"));
    ensure!(node.partitions()?.is_empty());
    node.stop()?;
    expect_tombstones(&node.data_dir())?;
    node.start_again()?;
    ensure!(node.mirror_command(&["--list"])?.contains("No mirrors found"));
    // The topic is as any other then, with its records.
    expect_writable(node.driver(), "kept", 1)?;
    expect_count(node.driver(), "kept", 6)
}

/// The last batch of the state log: tombstones of the partition's state, then of its position.
fn expect_tombstones(data_dir: &Path) -> Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let directory = entry?.path();
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("__mirror_state-") {
            let segment = crate::mirrored::segment_bytes(&directory)?;
            if let Some(last) = batches(&segment)?.last() {
                found.push(records(last)?);
            }
        }
    }
    ensure!(found.len() == 1, "{} partitions of the state log have records", found.len());
    let types: Vec<Option<i16>> = found[0].iter().map(key_type).collect();
    ensure!(types == [Some(STATE), Some(POSITION)], "keys of types {types:?}");
    ensure!(found[0].iter().all(|record| record.value.is_none()), "not tombstones: {found:?}");
    Ok(())
}

fn records(mut batch: &[u8]) -> Result<Vec<Record>> {
    Ok(RecordBatchDecoder::decode(&mut batch).context("a batch of the state log")?.records)
}

fn key_type(record: &Record) -> Option<i16> {
    Some(i16::from_be_bytes(record.key.as_deref()?.get(..2)?.try_into().ok()?))
}

/// 30.2 testMirrorWithPreCreatedTopic: what a deleted mirror left is a topic of its own with the
/// id of the source's.
#[test]
fn a_topic_with_the_sources_id_is_taken_into_a_mirror() -> Result<()> {
    let name = "a_topic_with_the_sources_id_is_taken_into_a_mirror";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "again", 5)?;
    mirror_stock(&source, &node, "first", &["again"])?;
    node.stop_topics("first", &["again"])?;
    node.mirror_command(&["--delete", "--mirror", "first", "--yes"])?;
    expect_writable(node.driver(), "again", 2)?;

    node.create_mirror("second", &source.bootstrap_servers(), &[])?;
    node.start_topics_over_records("second", "again")?;
    node.await_all_of(source.driver(), "again")?;
    expect_read_only(node.driver(), "again")?;
    expect_same_records(node.driver(), source.driver(), "again")
}

/// 30.1 test_topic_deletion, 30.2 testDeletedSourceTopicMovesToNonRetryable, X13.
#[test]
fn a_topic_deleted_at_the_source_fails_for_good_until_it_is_made_anew() -> Result<()> {
    let name = "a_topic_deleted_at_the_source_fails_for_good_until_it_is_made_anew";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    fails_until_made_anew(&source)
}

/// The steps of that row with any source.
pub(crate) fn fails_until_made_anew(source: &KafkaCluster) -> Result<()> {
    let at_source = source.driver();
    let mut node = MirrorNode::start(at_source)?;
    create_with_records(at_source, "deleted", 5)?;
    create_with_records(at_source, "steady", 1)?;
    mirror_stock(source, &node, "from-stock", &["deleted", "steady"])?;
    at_source.delete_topic("deleted")?;
    let failed = node.await_partitions("deleted", "given up", |found| {
        found.state == "FAILED" && found.retry_attempt == -1
    })?;
    let reason = failed[0].error_message.clone().unwrap_or_default();
    ensure!(reason.contains("deleted"), "{reason}");
    let told = node.mirror_command(&["--describe", "--failed"])?;
    ensure!(told.contains("NonRetryable") && !told.contains("steady"), "{told}");

    // Made anew it is another topic, which is never mixed with the old one.
    at_source.create_topic(&CreateTopic::new("deleted", 1))?;
    at_source.produce(&Produce::new("deleted", 0, 9).first(100))?;
    at_source.produce(&Produce::new("steady", 0, 1).first(1))?;
    node.await_all_of(at_source, "steady")?;
    node.await_state("deleted", "FAILED")?;
    expect_count(node.driver(), "deleted", 5)?;
    expect_read_only(node.driver(), "deleted")?;

    // Stopped it is a topic of its own, which the source's does not replace.
    node.stop_topics("from-stock", &["deleted"])?;
    let start = ["--start", "--mirror", "from-stock", "--topics", "deleted", "--confirm"];
    node.expect_mirror_refusal(&start, &["INCONSISTENT_TOPIC_ID"])?;
    expect_count(node.driver(), "deleted", 5)?;
    expect_writable(node.driver(), "deleted", 1)?;

    // Deleted here as well, the new one is mirrored, whatever becomes of the node.
    node.driver().delete_topic("deleted")?;
    node.start_topics("from-stock", "deleted")?;
    node.await_all_of(at_source, "deleted")?;
    node.kill()?;
    node.start_again()?;
    at_source.produce(&Produce::new("deleted", 0, 1).first(200))?;
    node.await_all_of(at_source, "deleted")?;
    expect_count(node.driver(), "deleted", 10)?;
    expect_same_records(node.driver(), at_source, "deleted")?;
    let [theirs, ours] = [at_source.list_topics()?, node.driver().list_topics()?];
    ensure!(theirs["deleted"] == ours["deleted"], "another id than {}", theirs["deleted"]);
    let told = node.mirror_command(&["--describe", "--failed"])?;
    ensure!(!told.contains("deleted"), "{told}");
    node.await_state("steady", "MIRRORING").map(|_| ())
}

#[test]
fn a_topic_that_is_made_anew_is_told_not_safe_long_before_the_next_look() -> Result<()> {
    let name = "a_topic_that_is_made_anew_is_told_not_safe_long_before_the_next_look";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let at_source = source.driver();
    let node = MirrorNode::start(at_source)?;
    create_with_records(at_source, "gone_soon", 5)?;
    create_with_records(at_source, "steady_then", 1)?;
    mirror_stock(&source, &node, "from-stock", &["gone_soon", "steady_then"])?;
    await_status(&node, "safe", |status| status["safe"] == true)?;
    // Nobody looks by himself any more.
    let longest = i64::MAX.to_string();
    let never = [("mirror.metadata.refresh.interval.ms", longest.as_str())];
    node.driver().alter_broker_configs("", &never)?;

    at_source.delete_topic("gone_soon")?;
    create_with_records(at_source, "gone_soon", 7)?;
    let recreated = |row: &DescribedPartition| {
        let reason = row.error_message.as_deref().unwrap_or_default();
        row.state == "FAILED" && reason.contains("recreated")
    };
    node.await_partitions("gone_soon", "known as made anew", recreated)?;
    await_status(&node, "not safe for a failed partition", |status| {
        status["safe"] == false && status["reasons"].to_string().contains("1 partition is FAILED")
    })?;
    expect_count(node.driver(), "gone_soon", 5)?;
    node.await_state("steady_then", "MIRRORING").map(|_| ())
}

/// Waits until `status --json` is as it should be.
fn await_status(node: &MirrorNode, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<()> {
    let deadline = Instant::now() + STATUS_WAIT;
    loop {
        let told = node.command("status", &["--json"])?;
        if is_it(&told.document()?) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not {what} within {STATUS_WAIT:?}: {told}");
        thread::sleep(POLL_PAUSE);
    }
}

/// Longer than anything takes on a machine that has nothing else to do.
const STATUS_WAIT: Duration = Duration::from_secs(60);
const POLL_PAUSE: Duration = Duration::from_millis(100);
/// Types of keys in the state log.
const POSITION: i16 = 1;
const STATE: i16 = 2;
