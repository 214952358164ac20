//! Sources that are not what they were.

use std::fs;

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Produce};

use crate::mirror_lifecycle::{
    Pair, create_with_records, expect_count, expect_read_only, expect_same_records, mirror,
};

/// X14: another cluster answers at the address.
#[test]
fn another_cluster_behind_the_address_is_never_mirrored_from() -> Result<()> {
    let name = "another_cluster_behind_the_address_is_never_mirrored_from";
    let Some(Pair { mut a, mut b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), "orders", 5)?;
    mirror(&a, &b, "from-a", &["orders"])?;
    a.stop()?;
    let (data, kept) = (a.data_dir(), a.beside("kept"));
    fs::rename(&data, &kept)?;
    a.start_again()?;
    create_with_records(a.driver(), "orders", 50)?;
    let failed = b.await_partitions("orders", "failed for good", |one| {
        one.state == "FAILED" && one.retry_attempt == -1
    })?;
    let reason = failed[0].error_message.clone().unwrap_or_default();
    ensure!(reason.contains("cluster"), "{reason}");
    b.kill()?;
    b.start_again()?;
    b.await_state("orders", "FAILED")?;
    expect_count(b.driver(), "orders", 5)?;
    expect_read_only(b.driver(), "orders")?;

    // With the right one back, the operator says so.
    a.stop()?;
    fs::remove_dir_all(&data)?;
    fs::rename(&kept, &data)?;
    a.start_again()?;
    a.driver().produce(&Produce::new("orders", 0, 2).first(5))?;
    b.mirror_command(&["--recover", "--mirror", "from-a", "--topics", "orders"])?;
    b.await_all_of(a.driver(), "orders")?;
    expect_same_records(b.driver(), a.driver(), "orders")
}

/// Section 14.4: a topic made here has an id of its own, and is never mixed with the source's.
#[test]
fn a_topic_made_here_is_not_taken_for_the_sources() -> Result<()> {
    let name = "a_topic_made_here_is_not_taken_for_the_sources";
    let Some(Pair { a, b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), "orders", 5)?;
    create_with_records(b.driver(), "orders", 2)?;
    b.driver().create_topic(&CreateTopic::new("untouched", 1))?;
    b.create_mirror("from-a", a.address(), &[])?;
    let start = ["--start", "--mirror", "from-a", "--topics", "orders", "--confirm"];
    b.expect_mirror_refusal(&start, &["INCONSISTENT_TOPIC_ID"])?;
    expect_count(b.driver(), "orders", 2)?;
    b.driver().produce(&Produce::new("orders", 0, 1).first(2))?;
    ensure!(b.partitions()?.is_empty());
    Ok(())
}
