//! Loops that are refused, and chains that work.

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Produce};

use crate::mirror_lifecycle::{
    Pair, create_with_records, end, expect_count, expect_equal_files, expect_same_records,
    expect_writable, mirror,
};

/// 30.2 testMirrorLoopDetection; VK5.
#[test]
fn a_topic_is_not_mirrored_back_while_it_is_mirrored() -> Result<()> {
    let name = "a_topic_is_not_mirrored_back_while_it_is_mirrored";
    let Some(Pair { mut a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), "orders", 3)?;
    mirror(&a, &b, "forward", &["orders"])?;
    a.create_mirror("backward", b.address(), &[])?;
    for start in [&START[..], &[&START[..], &["--confirm"]].concat()] {
        let words = ["Detected mirror loop for mirror: forward", "failover --mirror forward"];
        a.expect_mirror_refusal(start, &words)?;
    }
    // The topic is its clients' as before, and the forward direction goes on.
    ensure!(a.partitions()?.is_empty(), "{:?}", a.partitions()?);
    expect_writable(a.driver(), "orders", 1)?;
    b.await_all_of(a.driver(), "orders")?;
    expect_count(b.driver(), "orders", 4)?;

    // With forward stopped, the other direction begins without a word about what would go.
    b.stop_topics("forward", &["orders"])?;
    expect_writable(b.driver(), "orders", 1)?;
    a.mirror_command(&START)?;
    a.await_all_of(b.driver(), "orders")?;
    expect_count(a.driver(), "orders", 5)?;
    a.stop()?;
    a.start_again()?;
    a.await_state("orders", "MIRRORING")?;
    expect_same_records(a.driver(), b.driver(), "orders")
}

/// What is ordered too early.
const START: [&str; 5] = ["--start", "--mirror", "backward", "--topics", "orders"];

/// VK5: both sides take by pattern whatever the other has, and see what the other took from them.
#[test]
fn patterns_on_both_sides_make_no_loop() -> Result<()> {
    let name = "patterns_on_both_sides_make_no_loop";
    let Some(Pair { a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    for (node, source) in [(&a, &b), (&b, &a)] {
        node.create_mirror("from-peer", source.address(), &[])?;
        node.start_topics("from-peer", "shared-.*")?;
    }
    create_with_records(a.driver(), "shared-1", 3)?;
    b.await_all_of(a.driver(), "shared-1")?;
    // Once a later topic is here, the other side has been looked at again; and then once more.
    for topic in ["shared-2", "shared-3"] {
        create_with_records(b.driver(), topic, 2)?;
        a.await_all_of(b.driver(), topic)?;
    }
    expect_writable(a.driver(), "shared-1", 1)?;
    b.await_all_of(a.driver(), "shared-1")?;
    expect_count(b.driver(), "shared-1", 4)?;
    let followed: Vec<_> = a.partitions()?.into_iter().map(|found| found.topic).collect();
    ensure!(followed == ["shared-2", "shared-3"], "{followed:?}");
    let followed: Vec<_> = b.partitions()?.into_iter().map(|found| found.topic).collect();
    ensure!(followed == ["shared-1"], "{followed:?}");
    Ok(())
}

/// Both ways at once, of different topics.
#[test]
fn two_nodes_mirror_different_topics_from_each_other() -> Result<()> {
    let name = "two_nodes_mirror_different_topics_from_each_other";
    let Some(Pair { a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), "of-a", 3)?;
    create_with_records(b.driver(), "of-b", 4)?;
    mirror(&a, &b, "from-a", &["of-a"])?;
    mirror(&b, &a, "from-b", &["of-b"])?;
    a.driver().produce(&Produce::new("of-a", 0, 1).first(3))?;
    b.driver().produce(&Produce::new("of-b", 0, 1).first(4))?;
    b.await_all_of(a.driver(), "of-a")?;
    a.await_all_of(b.driver(), "of-b")?;
    expect_count(b.driver(), "of-a", 4)?;
    expect_count(a.driver(), "of-b", 5)
}

/// X9. Producers are given ids by the cluster they write to, so that two clusters give out the
/// same ones: the reset of a failover keeps their sequences apart, down the chain as well.
#[test]
fn producers_of_two_clusters_with_one_id_do_not_meet_in_a_chain() -> Result<()> {
    let name = "producers_of_two_clusters_with_one_id_do_not_meet_in_a_chain";
    let Some(pair) = Pair::start(name)? else { return Ok(()) };
    let mut c = pair.third()?;
    let Pair { a, mut b, .. } = pair;
    a.driver().create_topic(&CreateTopic::new("orders", 1))?;
    for round in 0..2 {
        let some = Produce::new("orders", 0, 5).first(round * 5).idempotent_as("first of its node");
        a.driver().produce(&some)?;
    }
    mirror(&a, &b, "from-a", &["orders"])?;
    mirror(&b, &c, "from-b", &["orders"])?;
    b.stop_topics("from-a", &["orders"])?;
    for round in 2..4 {
        let some = Produce::new("orders", 0, 5).first(round * 5).idempotent_as("first of its node");
        b.driver().produce(&some)?;
    }
    c.await_all_of(b.driver(), "orders")?;
    expect_count(c.driver(), "orders", 20)?;
    ensure!(end(c.driver(), "orders")? == 21, "the reset was not copied");
    expect_equal_files(&mut c, &mut b, &[("orders", 1)])?;

    // C takes over from B, in turn, after a kill that makes it read its log again.
    c.kill()?;
    c.start_again()?;
    c.stop_topics("from-b", &["orders"])?;
    for round in 4..6 {
        let some = Produce::new("orders", 0, 5).first(round * 5).idempotent_as("first of its node");
        c.driver().produce(&some)?;
    }
    expect_count(c.driver(), "orders", 30)
}
