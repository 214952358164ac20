//! Which topics a mirror takes.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use harness::driver::Produce;
use harness::{Driver, MirrorNode};

use crate::mirror_lifecycle::{create_with_records, expect_count, expect_read_only, shared_source};

/// 30.1 test_topics_include_and_exclude; 30.2 testTopicsIncludeAndExclude,
/// testStopTopicPreventsRediscovery.
#[test]
fn topics_are_taken_as_they_match_and_stopped_ones_are_not_taken_again() -> Result<()> {
    let name = "topics_are_taken_as_they_match_and_stopped_ones_are_not_taken_again";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let at_source = source.driver();
    let node = MirrorNode::start(at_source)?;
    for topic in ["orders-us", "orders-eu", "orders-internal", "payments"] {
        create_with_records(at_source, topic, 3)?;
    }
    node.create_mirror("from-stock", &source.bootstrap_servers(), &[])?;
    let topics = ["--topics", "orders-.*", "--exclude", "orders-internal"];
    let told =
        node.mirror_command(&[&["--start", "--mirror", "from-stock"], &topics[..]].concat())?;
    ensure!(told.contains("Started 2 topic(s) in mirror from-stock"), "{told}");
    for topic in ["orders-us", "orders-eu"] {
        node.await_all_of(at_source, topic)?;
    }
    expect_topics(node.driver(), &["orders-eu", "orders-us"])?;

    node.stop_topics("from-stock", &["orders-eu"])?;
    at_source.produce(&Produce::new("orders-eu", 0, 3).first(3))?;
    // Once a later topic is here, the source has been looked at again; and then once more.
    for topic in ["orders-jp", "orders-kr"] {
        create_with_records(at_source, topic, 2)?;
        node.await_all_of(at_source, topic)?;
        expect_read_only(node.driver(), topic)?;
    }
    expect_count(node.driver(), "orders-eu", 3)?;
    node.await_state("orders-eu", "STOPPED")?;

    node.start_topics("from-stock", "payments")?;
    node.await_all_of(at_source, "payments")?;
    expect_topics(node.driver(), &["orders-eu", "orders-jp", "orders-kr", "orders-us", "payments"])
}

/// 30.2 testTopicsExcludeInternalTopics, testTopicsIncludeLiteral,
/// testTopicsIncludeLiteralAndRegex; patterns before there is anything that matches.
#[test]
fn names_and_expressions_choose_topics_and_internal_ones_stay_out() -> Result<()> {
    let name = "names_and_expressions_choose_topics_and_internal_ones_stay_out";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let at_source = source.driver();
    let node = MirrorNode::start(at_source)?;
    node.create_mirror("from-stock", &source.bootstrap_servers(), &[])?;
    let told = node.start_topics("from-stock", "chosen.literal,chosen-[ab]")?;
    ensure!(told.contains("No topics match yet"), "{told}");
    // A dot in an expression is any character, as in Kafka's own tools.
    for topic in ["chosen.literal", "chosen-a", "chosen-b", "chosen-c", "chosen-literals"] {
        create_with_records(at_source, topic, 2)?;
    }
    for topic in ["chosen.literal", "chosen-a", "chosen-b"] {
        node.await_all_of(at_source, topic)?;
    }
    expect_topics(node.driver(), &["chosen-a", "chosen-b", "chosen.literal"])?;

    // The source has one, as a group has committed there.
    at_source.commit_group("readers", "chosen-a", 0, 1)?;
    node.create_mirror("everything", &source.bootstrap_servers(), &[])?;
    node.start_topics("everything", "chosen-c,__consumer.*")?;
    node.await_all_of(at_source, "chosen-c")?;
    let mirrored: BTreeSet<_> = node.partitions()?.into_iter().map(|one| one.topic).collect();
    ensure!(!mirrored.iter().any(|topic| topic.starts_with("__")), "{mirrored:?}");

    let refused = ["--start", "--mirror", "everything", "--topics", "chosen-("];
    node.expect_mirror_refusal(&refused, &["chosen-("])
}

/// The node has just these topics, but for internal ones.
fn expect_topics(at: &Driver, expected: &[&str]) -> Result<()> {
    let found: Vec<String> =
        at.list_topics()?.into_keys().filter(|name| !name.starts_with("__")).collect();
    ensure!(found == expected, "{found:?}, not {expected:?}");
    Ok(())
}
