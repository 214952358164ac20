//! Offsets of consumer groups go over with the records.

use anyhow::{Result, bail, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::{Driver, MirrorNode};
use kafka_protocol::messages::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::mirror_lifecycle::{create_with_records, mirror_stock, shared_source};
use crate::raw_client::RawClient;

/// 30.1 test_consumer_groups_commit: a consumer that moves over goes on at the same record. Offsets
/// of topics that are not mirrored stay where they are.
#[test]
fn a_group_that_moves_over_goes_on_at_the_same_record() -> Result<()> {
    let name = "a_group_that_moves_over_goes_on_at_the_same_record";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "moving", 100)?;
    create_with_records(source.driver(), "staying", 10)?;
    mirror_stock(&source, &node, "from-stock", &["moving"])?;
    for protocol in ["classic", "consumer"] {
        let group = &format!("moving-{protocol}");
        let read = source.driver().offsets_in_group(group, protocol, "moving", 60)?;
        ensure!(read == (0..60).collect::<Vec<_>>(), "{read:?}");
        source.driver().commit_group(group, "staying", 0, 4)?;
        node.await_group_offsets(group, &[("moving-0", 60)])?;
    }
    // It goes on at the source, and so does what is known here.
    source.driver().offsets_in_group("moving-classic", "classic", "moving", 5)?;
    node.await_group_offsets("moving-classic", &[("moving-0", 65)])?;

    node.stop_topics("from-stock", &["moving"])?;
    for (protocol, at) in [("classic", 65), ("consumer", 60)] {
        let group = &format!("moving-{protocol}");
        let read = node.driver().offsets_in_group(group, protocol, "moving", 100 - at)?;
        ensure!(read == (i64::try_from(at)?..100).collect::<Vec<_>>(), "{protocol}: {read:?}");
        node.await_group_offsets(group, &[("moving-0", 100)])?;
    }
    Ok(())
}

/// 30.1 test_groups_filtering.
#[test]
fn only_groups_that_are_included_go_over() -> Result<()> {
    let name = "only_groups_that_are_included_go_over";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "filtered", 10)?;
    for group in ["app-group1", "app-group2", "other-group"] {
        source.driver().commit_group(group, "filtered", 0, 7)?;
    }
    let bootstrap = source.bootstrap_servers();
    let settings = [("groups.include", "app-.*"), ("groups.exclude", "app-group2")];
    node.create_mirror("from-stock", &bootstrap, &settings)?;
    node.start_topics("from-stock", "filtered")?;
    node.await_all_of(source.driver(), "filtered")?;
    node.await_group_offsets("app-group1", &[("filtered-0", 7)])?;
    // The groups of a round are taken together: what is not there now was left out.
    await_round(&node)?;
    for group in ["app-group2", "other-group"] {
        node.await_group_offsets(group, &[])?;
    }
    Ok(())
}

/// 30.2 testStoppedMirrorDoesNotOverwriteOffsets, and what the rest of test_consumer_groups_commit
/// says of groups that are active here.
#[test]
fn offsets_of_stopped_topics_and_of_active_groups_are_left_alone() -> Result<()> {
    let name = "offsets_of_stopped_topics_and_of_active_groups_are_left_alone";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    for topic in ["stopped", "mirrored"] {
        create_with_records(source.driver(), topic, 20)?;
    }
    mirror_stock(&source, &node, "from-stock", &["stopped", "mirrored"])?;
    for group in ["idle-here", "active-here"] {
        source.driver().commit_group(group, "stopped", 0, 3)?;
        source.driver().commit_group(group, "mirrored", 0, 3)?;
        node.await_group_offsets(group, &[("mirrored-0", 3), ("stopped-0", 3)])?;
    }
    node.stop_topics("from-stock", &["stopped"])?;
    node.driver().commit_group("idle-here", "stopped", 0, 11)?;
    join(&node, "active-here", "mirrored")?;
    for group in ["idle-here", "active-here"] {
        source.driver().commit_group(group, "stopped", 0, 5)?;
        source.driver().commit_group(group, "mirrored", 0, 5)?;
    }
    node.await_group_offsets("idle-here", &[("mirrored-0", 5), ("stopped-0", 11)])?;
    node.await_carried(GROUPS, "told of the active group", |carried| {
        let is_told = |one: &String| one.contains("group active-here: it has members here");
        carried.skipped.iter().any(is_told)
    })?;
    node.await_group_offsets("active-here", &[("mirrored-0", 3), ("stopped-0", 3)])?;
    // What is left out is no failure of the rest.
    let carried = node.carried(GROUPS.0, GROUPS.1)?;
    ensure!(carried.success_age_ms >= 0 && carried.last_error.is_none(), "{carried:?}");
    Ok(())
}

/// X12.
#[test]
fn offsets_outside_the_log_are_brought_into_it() -> Result<()> {
    let name = "offsets_outside_the_log_are_brought_into_it";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    source.driver().create_topic(&CreateTopic::new("clamped", 2))?;
    source.driver().produce(&Produce::new("clamped", 0, 20))?;
    source.driver().delete_records("clamped", 0, 8)?;
    for (group, partition, at) in [
        ("far-ahead", 0, 1_000),
        ("far-behind", 0, 2),
        ("at-the-start", 0, 8),
        ("at-the-end", 0, 20),
        // Nothing was ever written there: in which epoch it ends is not known.
        ("in-no-epoch", 1, 7),
        ("in-no-epoch", 0, 9),
    ] {
        source.driver().commit_group(group, "clamped", partition, at)?;
    }
    mirror_stock(&source, &node, "from-stock", &["clamped"])?;
    for (group, at) in [
        ("far-ahead", 20),
        ("far-behind", 8),
        ("at-the-start", 8),
        ("at-the-end", 20),
        ("in-no-epoch", 9),
    ] {
        node.await_group_offsets(group, &[("clamped-0", at)])?;
    }
    node.await_carried(GROUPS, "told of the unknown epoch", |carried| {
        let is_told =
            |one: &String| one.starts_with("group in-no-epoch, clamped-1: committed at 7");
        carried.skipped.iter().any(is_told)
    })?;
    // Records come, and the offset becomes one within the log.
    source.driver().produce(&Produce::new("clamped", 1, 30))?;
    node.await_group_offsets("in-no-epoch", &[("clamped-0", 9), ("clamped-1", 7)])?;
    // A group that was carried to the end here is let go on when more records come.
    source.driver().produce(&Produce::new("clamped", 0, 5).first(20))?;
    node.await_group_offsets("far-ahead", &[("clamped-0", 25)])?;
    read_on(node.driver(), "at-the-end", 5)
}

/// Many groups are one round, and a round in which nothing changed writes nothing.
#[test]
fn many_groups_go_over_in_one_round_and_are_written_once() -> Result<()> {
    let name = "many_groups_go_over_in_one_round_and_are_written_once";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    source.driver().create_topic(&CreateTopic::new("many", MANY_PARTITIONS))?;
    for partition in 0..MANY_PARTITIONS {
        source.driver().produce(&Produce::new("many", partition, 10))?;
    }
    source.driver().commit_group("many-0", "many", 0, 1)?;
    commit_many(&source.bootstrap_servers())?;
    let settings = [("groups.include", "many-.*")];
    node.create_mirror("from-stock", &source.bootstrap_servers(), &settings)?;
    node.start_topics("from-stock", "many")?;
    node.await_all_of(source.driver(), "many")?;
    let offsets = i64::try_from(MANY_GROUPS)? * i64::from(MANY_PARTITIONS);
    let carried = node.await_carried(GROUPS, "done with all groups", |carried| {
        carried.in_step == i64::try_from(MANY_GROUPS).unwrap_or(-1)
            && carried.written >= offsets
            && carried.success_age_ms >= 0
    })?;
    await_round(&node)?;
    let later = node.carried(GROUPS.0, GROUPS.1)?;
    ensure!(later.written == carried.written, "{carried:?}, then {later:?}");
    ensure!(later.error_count == 0 && later.in_step == carried.in_step, "{later:?}");
    Ok(())
}

/// Every group commits 3 in every partition, as a consumer without a group would.
fn commit_many(address: &str) -> Result<()> {
    let mut client = RawClient::connect(address)?;
    let mut waiting: Vec<usize> = (0..MANY_GROUPS).collect();
    while !waiting.is_empty() {
        let mut again = Vec::new();
        for some in waiting.chunks(100) {
            for group in some {
                client.send(&commit_of(*group), 9)?;
            }
            for group in some {
                let answer = client.receive::<OffsetCommitRequest>(9)?;
                let mut codes = answer.topics.iter().flat_map(|topic| &topic.partitions);
                match codes.find(|partition| partition.error_code != 0) {
                    // The coordinator is loading, or not there yet.
                    Some(partition) if matches!(partition.error_code, 14..=16) => {
                        again.push(*group);
                    }
                    Some(partition) => bail!("group {group}: {partition:?}"),
                    None => {}
                }
            }
        }
        waiting = again;
    }
    Ok(())
}

fn commit_of(group: usize) -> OffsetCommitRequest {
    let partition = |index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(3)
            .with_committed_metadata(Some(StrBytes::from_static_str("")))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(StrBytes::from_static_str("many")))
        .with_partitions((0..MANY_PARTITIONS).map(partition).collect());
    OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(format!("many-{group}"))))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

/// A consumer is given so many records, and does not wait for an epoch that never comes.
fn read_on(at: &Driver, group: &str, count: u64) -> Result<()> {
    let read = at.read_in_group(group, "clamped", count)?;
    ensure!(read >= count, "{group}: {read} records, not {count}");
    Ok(())
}

/// Waits for a round that began after now.
fn await_round(node: &MirrorNode) -> Result<()> {
    for _twice in 0..2 {
        let before = node.carried(GROUPS.0, GROUPS.1)?;
        node.await_carried(GROUPS, "done anew", |carried| {
            let is_newer = carried.success_age_ms < before.success_age_ms;
            carried.success_age_ms >= 0 && (is_newer || before.success_age_ms < 0)
        })?;
    }
    Ok(())
}

/// A member that joins a group of the node and says nothing more.
fn join(node: &MirrorNode, group: &'static str, topic: &'static str) -> Result<()> {
    let heartbeat = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str(group)))
        .with_member_id(StrBytes::from_static_str("aaaaaaaaaaaaaaaaaaaaaa"))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![TopicName(StrBytes::from_static_str(topic))]))
        .with_topic_partitions(Some(vec![]));
    let answer = RawClient::connect(node.address())?.ask(&heartbeat, 1)?;
    ensure!(answer.error_code == 0, "{answer:?}");
    Ok(())
}

/// The mirror of these tests, and the task.
const GROUPS: (&str, &str) = ("from-stock", "consumer-groups");
const MANY_GROUPS: usize = 1_000;
const MANY_PARTITIONS: i32 = 20;
