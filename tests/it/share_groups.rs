//! Share groups of a mirror's source (KIP-932): from where they read goes over with the records, is
//! told by the node, and is what a stock broker goes on with that takes the directory over.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use harness::{ClusterOptions, KafkaRelease, MirrorNode, hand_over, run_tool};

use crate::mirror_lifecycle::{create_with_records, mirror_stock};
use crate::mirrored::SOON;

/// 30.1 test_share_groups_commit, and what becomes of it at a stock broker.
#[test]
fn a_share_group_goes_on_at_the_same_record_at_the_broker_that_takes_over() -> Result<()> {
    let name = "a_share_group_goes_on_at_the_same_record_at_the_broker_that_takes_over";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    let at_source = source.bootstrap_servers();
    let mut node = MirrorNode::start(source.driver())?;
    for (topic, count) in [("shared", 20), ("other", 5)] {
        create_with_records(source.driver(), topic, count)?;
        let reset = ["--reset-offsets", "--group", GROUP, "--topic", topic, "--to-earliest"];
        share_groups(&at_source, &[&reset[..], &["--execute"]].concat())?;
    }
    mirror_stock(&source, &node, "from-stock", &["shared"])?;
    await_start(&node, 0)?;
    ensure!(read_on(&at_source, 8)? == (0..8).collect::<Vec<_>>());
    await_start(&node, 8)?;
    // Of a topic that is not mirrored nothing is told, and other tools see the group as well.
    let told = share_groups(node.address(), &["--describe", "--group", GROUP, "--offsets"])?;
    ensure!(!told.contains("other"), "{told}");
    let listed = share_groups(node.address(), &["--list"])?;
    ensure!(listed.lines().any(|line| line.trim() == GROUP), "{listed}");
    let state = share_groups(node.address(), &["--describe", "--group", GROUP, "--state"])?;
    ensure!(state.contains("Empty"), "{state}");

    // It is kept: another run knows it, and after a stop nothing follows the source any more.
    node.stop_topics("from-stock", &["shared"])?;
    node.stop()?;
    node.start_again()?;
    await_start(&node, 8)?;
    ensure!(read_on(&at_source, 4)? == (8..12).collect::<Vec<_>>());
    let rounds = node.await_carried(TASK, "a round", |carried| carried.success_age_ms >= 0)?;
    node.await_carried(TASK, "another round", |carried| {
        (0..rounds.success_age_ms.max(1)).contains(&carried.success_age_ms)
    })?;
    ensure!(start(&node)? == Some(8), "the offset of a stopped topic moved");

    node.stop()?;
    let properties = hand_over(&node.data_dir(), NODE, "4.3")?;
    let broker = kafka.start_on_directory(KafkaRelease::V4, &properties)?;
    let address = broker.bootstrap_servers();
    let told = share_groups(&address, &["--describe", "--group", GROUP, "--offsets"])?;
    ensure!(start_in(&told) == Some(8), "{told}");
    ensure!(read_on(&address, 12)? == (8..20).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_source_without_share_groups_is_told_of_and_is_no_error() -> Result<()> {
    let name = "a_source_without_share_groups_is_told_of_and_is_no_error";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let source = kafka.start(KafkaRelease::V3_9, ClusterOptions::default())?;
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "shared", 3)?;
    mirror_stock(&source, &node, "from-stock", &["shared"])?;
    let carried = node.await_carried(TASK, "told once", |carried| {
        carried.skipped.iter().any(|one| one.contains("not offered by the source"))
    })?;
    ensure!(carried.skipped.len() == 1 && carried.error_count == 0, "{carried:?}");
    ensure!(carried.last_error.is_none() && carried.success_age_ms >= 0, "{carried:?}");
    Ok(())
}

/// Waits until the node tells that the group reads the topic from there.
fn await_start(node: &MirrorNode, expected: i64) -> Result<()> {
    let deadline = Instant::now() + SOON;
    loop {
        let found = start(node)?;
        if found == Some(expected) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the group is at {found:?} instead of {expected}");
        }
        thread::sleep(PAUSE);
    }
}

/// From where the node says that the group reads.
fn start(node: &MirrorNode) -> Result<Option<i64>> {
    // The tool fails while there is no such group.
    let told = share_groups(node.address(), &["--describe", "--group", GROUP, "--offsets"]);
    Ok(told.ok().and_then(|told| start_in(&told)))
}

/// `GROUP TOPIC PARTITION START-OFFSET LAG`
fn start_in(told: &str) -> Option<i64> {
    let of_topic = |line: &&str| line.split_whitespace().nth(1) == Some("shared");
    told.lines().find(of_topic)?.split_whitespace().nth(3)?.parse().ok()
}

/// Reads so many records in the group and settles them; returns their offsets.
fn read_on(bootstrap: &str, count: usize) -> Result<Vec<i64>> {
    let count = count.to_string();
    let told = run_tool(
        KafkaRelease::V4,
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
        &[
            "--bootstrap-server",
            bootstrap,
            "--group",
            GROUP,
            "--topic",
            "shared",
            "--max-messages",
            &count,
            "--timeout-ms",
            "60000",
            "--formatter-property",
            "print.offset=true",
            "--formatter-property",
            "print.value=false",
        ],
    )?;
    let offset = |line: &str| line.split_whitespace().next()?.strip_prefix("Offset:")?.parse().ok();
    let mut offsets: Vec<i64> = told.lines().filter_map(offset).collect();
    offsets.sort_unstable();
    Ok(offsets)
}

fn share_groups(bootstrap: &str, args: &[&str]) -> Result<String> {
    let tool = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
    run_tool(KafkaRelease::V4, tool, &[&["--bootstrap-server", bootstrap], args].concat())
}

const GROUP: &str = "sharing";
const TASK: (&str, &str) = ("from-stock", "share-groups");
const NODE: i32 = 1;
const PAUSE: Duration = Duration::from_millis(200);
