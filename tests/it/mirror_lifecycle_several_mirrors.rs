//! Several mirrors of one node: who has a topic, and commands that meet.

use anyhow::{Result, bail, ensure};
use harness::MirrorNode;
use kafka_wire::mirror_api::list_cluster_mirrors::{ListClusterMirrorsRequest, ListedMirror};
use kafka_wire::mirror_api::mirror_topic::MirrorTopic;
use kafka_wire::mirror_api::stop_mirror_topics::StopMirrorTopicsRequest;
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};

use crate::mirror_lifecycle::{
    Pair, cluster_id, create_with_records, expect_count, expect_same_records, mirror,
};
use crate::mirrored::SOON;
use crate::raw_client::RawClient;

/// X15.
#[test]
fn a_topic_moves_to_another_mirror_only_when_it_is_stopped() -> Result<()> {
    let name = "a_topic_moves_to_another_mirror_only_when_it_is_stopped";
    let Some(Pair { a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), "orders", 3)?;
    create_with_records(a.driver(), "notes", 3)?;
    mirror(&a, &b, "one", &["orders"])?;
    b.create_mirror("two", a.address(), &[])?;
    let start = ["--start", "--mirror", "two", "--topics", "orders", "--confirm"];
    b.expect_mirror_refusal(&start, &["TOPIC_ALREADY_IN_CLUSTER_MIRROR"])?;
    b.await_state("orders", "MIRRORING")?;
    b.stop_topics("one", &["orders"])?;
    b.mirror_command(&start)?;
    b.await_all_of(a.driver(), "orders")?;
    let mirrors: Vec<_> = b.partitions()?.into_iter().map(|found| found.mirror).collect();
    ensure!(mirrors == ["two"], "orders is in {mirrors:?}");

    // Two starts at once: both are answered, the topic is mirrored once.
    create_with_records(a.driver(), "bills", 3)?;
    for (mirrors, topic, refused) in [(["two", "two"], "notes", 0), (["one", "two"], "bills", 1)] {
        let start = |mirror| {
            b.cluster_mirrors_line(&["--start", "--mirror", mirror, "--topics", topic]).spawn()
        };
        let started = mirrors.map(start);
        let mut codes = Vec::new();
        for one in started {
            let one = one?.wait(SOON)?;
            let is_told = ["TOPIC_ALREADY_IN_CLUSTER_MIRROR", "INVALID_CLUSTER_MIRROR_STATE"];
            let is_told = is_told.iter().any(|w| one.stdout.contains(w) || one.stderr.contains(w));
            ensure!(one.code() == Some(0) || is_told, "{one}");
            codes.push(one.code());
        }
        let found = codes.iter().filter(|code| **code != Some(0)).count();
        ensure!(found == refused, "{topic}: {codes:?}");
        b.await_all_of(a.driver(), topic)?;
        expect_count(b.driver(), topic, 3)?;
        let times = b.partitions()?.iter().filter(|found| found.topic == topic).count();
        ensure!(times == 1, "{topic} is mirrored {times} times");
    }
    is_refused_when_stale(&b)?;
    b.await_state("notes", "MIRRORING")?;
    expect_same_records(b.driver(), a.driver(), "orders")
}

/// A command that was checked against metadata from before the last change.
fn is_refused_when_stale(node: &MirrorNode) -> Result<()> {
    let request = MirrorRequest::StopMirrorTopics(StopMirrorTopicsRequest {
        mirror_name: "two".to_owned(),
        topics: vec![MirrorTopic { topic_name: "notes".to_owned() }],
        state_offset: 0,
        patterns: Vec::new(),
    });
    let response = RawClient::connect(node.address())?.ask_about_mirrors(&request)?;
    let MirrorResponse::StopMirrorTopics(stopped) = response else {
        bail!("another response: {response:?}");
    };
    ensure!(stopped.error_code == INVALID_CLUSTER_MIRROR_STATE, "{stopped:?}");
    Ok(())
}

/// A partition that is only on the destination is named, with what to do, until the source has it.
#[test]
fn partitions_that_the_source_does_not_have_are_told_of() -> Result<()> {
    let name = "partitions_that_the_source_does_not_have_are_told_of";
    let Some(Pair { a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), "orders", 3)?;
    mirror(&a, &b, "from-a", &["orders"])?;
    b.stop_topics("from-a", &["orders"])?;
    a.driver().add_partitions("orders", 2)?;
    a.create_mirror("from-b", b.address(), &[])?;
    a.start_topics("from-b", "orders")?;
    a.await_partitions("orders", "told of", |found| {
        let told = found.error_message.as_deref().unwrap_or_default();
        let is_told = told.contains("add partitions to it at the source");
        found.state == "MIRRORING" && is_told == (found.partition == 1)
    })?;
    let status = a.command("status", &[])?.expect_code(1)?;
    ensure!(status.stdout.contains("orders-1: the source has 1 partition(s)"), "{status}");
    b.driver().add_partitions("orders", 2)?;
    // The stopped topic's new partition is closed off like the others meanwhile: its end moves.
    let found = a.await_partitions("orders", "followed", |found| {
        found.state == "MIRRORING" && found.lag == 0 && found.error_message.is_none()
    })?;
    ensure!(found.len() == 2, "{found:?}");
    Ok(())
}

/// 30.2 testListClusterMirrorsFilters.
#[test]
fn mirrors_are_listed_by_name_source_and_state() -> Result<()> {
    let name = "mirrors_are_listed_by_name_source_and_state";
    let Some(pair) = Pair::start(name)? else { return Ok(()) };
    let c = pair.third()?;
    let Pair { a, b, .. } = pair;
    for topic in ["stopped", "paused", "mirrored"] {
        create_with_records(a.driver(), topic, 1)?;
    }
    create_with_records(c.driver(), "of-c", 1)?;
    mirror(&a, &b, "from-a", &["stopped", "paused", "mirrored"])?;
    mirror(&c, &b, "from-c", &["of-c"])?;
    b.stop_topics("from-a", &["stopped"])?;
    b.mirror_command(&["--pause", "--mirror", "from-a", "--topics", "paused"])?;

    let [of_a, of_c] = [cluster_id(&a)?, cluster_id(&c)?];
    let all = list(&b, None, None, &[])?;
    let told = |mirror: &ListedMirror| (mirror.mirror_name.clone(), mirror.topic_names.clone());
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let expected = [
        ("from-a".to_owned(), names(&["mirrored", "paused"])),
        ("from-c".to_owned(), names(&["of-c"])),
    ];
    ensure!(all.iter().map(told).eq(expected), "{all:?}");
    ensure!(all[0].source_cluster_id == of_a && all[0].source_bootstrap == a.address(), "{all:?}");
    let found = list(&b, Some("from-c"), None, &[])?;
    ensure!(found.len() == 1 && found[0].source_cluster_id == of_c, "{found:?}");
    let found = list(&b, None, Some(&of_a), &[STOPPED])?;
    ensure!(found.len() == 1 && found[0].topic_names == names(&["stopped"]), "{found:?}");
    ensure!(found[0].topic_count == 1, "{found:?}");
    ensure!(list(&b, Some("from-a"), Some(&of_c), &[])?.is_empty());
    ensure!(list(&b, Some("no such mirror"), None, &[])?.is_empty());

    let table = b.mirror_command(&["--list"])?;
    for words in ["MIRROR", "TOPICS", "SOURCE-CLUSTER-ID", "from-a", &of_a, a.address()] {
        ensure!(table.contains(words), "no {words:?} in {table}");
    }
    Ok(())
}

fn list(
    node: &MirrorNode,
    mirror: Option<&str>,
    source: Option<&str>,
    states: &[i8],
) -> Result<Vec<ListedMirror>> {
    let request = MirrorRequest::ListClusterMirrors(ListClusterMirrorsRequest {
        mirror_name: mirror.map(str::to_owned),
        source_cluster_id: source.map(str::to_owned),
        desired_states: states.to_vec(),
    });
    let response = RawClient::connect(node.address())?.ask_about_mirrors(&request)?;
    let MirrorResponse::ListClusterMirrors(listed) = response else {
        bail!("another response: {response:?}");
    };
    ensure!(listed.error_code == 0, "{listed:?}");
    Ok(listed.mirrors)
}

const STOPPED: i8 = 7;
const INVALID_CLUSTER_MIRROR_STATE: i16 = 145;
