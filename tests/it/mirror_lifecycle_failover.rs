//! Failing over, writing, failing back: who may write when, and what is lost.

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Isolation, Produce};

use crate::mirror_lifecycle::{
    Pair, count, create_with_records, end, expect_count, expect_equal_files, expect_read_only,
    expect_same_records, expect_writable, last_position, mirror,
};

/// 30.1 test_failover_failback, 30.2 testFailoverFailback, X21.
#[test]
fn failover_and_failback_lose_only_what_the_old_source_took_alone() -> Result<()> {
    let name = "failover_and_failback_lose_only_what_the_old_source_took_alone";
    let Some(Pair { mut a, mut b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), ORDERS, 6)?;
    mirror(&a, &b, "from-a", &[ORDERS])?;
    expect_count(b.driver(), ORDERS, 6)?;
    expect_read_only(b.driver(), ORDERS)?;

    b.stop_topics("from-a", &[ORDERS])?;
    let position = last_position(&b, &a, ORDERS)?;
    let last_epoch = a.driver().digest(ORDERS, 0, Isolation::ReadUncommitted)?.epochs;
    let last_epoch = last_epoch.last().context("records")?.0;
    ensure!(position == (last_epoch, 6), "the position is {position:?}, not {last_epoch} and 6");
    // Behind the reset that the stop wrote.
    ensure!(end(b.driver(), ORDERS)? == 7, "the end is {}", end(b.driver(), ORDERS)?);
    expect_writable(b.driver(), ORDERS, 1)?;

    // In the epoch that was mirrored last, after the stop: nobody ever copies them.
    a.driver().produce(&Produce::new(ORDERS, 0, 2).first(500))?;
    mirror(&b, &a, "from-b", &[ORDERS])
        .context("failing back over two records that only the old source has")?;
    expect_count(a.driver(), ORDERS, 7)?;
    expect_read_only(a.driver(), ORDERS)?;
    expect_same_records(a.driver(), b.driver(), ORDERS)?;
    expect_equal_files(&mut a, &mut b, &[(ORDERS, 1)])?;

    // And the other way once more, with a position of the second direction.
    a.stop_topics("from-b", &[ORDERS])?;
    expect_writable(a.driver(), ORDERS, 3)?;
    b.start_topics("from-a", ORDERS)?;
    b.await_all_of(a.driver(), ORDERS)?;
    expect_count(b.driver(), ORDERS, 10)?;
    expect_same_records(b.driver(), a.driver(), ORDERS)?;
    expect_equal_files(&mut b, &mut a, &[(ORDERS, 1)])
}

/// X4.
#[test]
fn a_stop_needs_no_source() -> Result<()> {
    let Some(Pair { mut a, b, .. }) = Pair::start("a_stop_needs_no_source")? else {
        return Ok(());
    };
    create_with_records(a.driver(), ORDERS, 5)?;
    create_with_records(a.driver(), "notes", 5)?;
    mirror(&a, &b, "from-a", &[ORDERS, "notes"])?;
    a.kill()?;
    // One while the source has just gone, one after it has failed for it.
    b.stop_topics("from-a", &[ORDERS])?;
    expect_writable(b.driver(), ORDERS, 2)?;
    b.await_state("notes", "FAILED")?;
    b.stop_topics("from-a", &["notes"])?;
    expect_writable(b.driver(), "notes", 2)?;
    ensure!(count(b.driver(), "notes", Isolation::ReadCommitted)? == 7);
    Ok(())
}

/// X20 and H18.
#[test]
fn a_start_over_records_of_its_own_asks_first_and_then_begins_anew() -> Result<()> {
    let name = "a_start_over_records_of_its_own_asks_first_and_then_begins_anew";
    let Some(Pair { mut a, mut b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), ORDERS, 3)?;
    mirror(&a, &b, "from-a", &[ORDERS])?;
    b.stop_topics("from-a", &[ORDERS])?;
    expect_writable(b.driver(), ORDERS, 4)?;

    // The source has never mirrored from here, so it knows no position to go on from.
    let start = ["--start", "--mirror", "from-a", "--topics", ORDERS];
    b.expect_mirror_refusal(&start, &[ORDERS, "confirm"])?;
    expect_count(b.driver(), ORDERS, 7)?;
    b.start_topics_over_records("from-a", ORDERS)?;
    b.await_all_of(a.driver(), ORDERS)?;
    expect_count(b.driver(), ORDERS, 3)?;
    expect_equal_files(&mut b, &mut a, &[(ORDERS, 1)])
}

/// A failover of everything is one command, with the node killed in the midst of it.
#[test]
fn a_stop_of_everything_survives_a_kill() -> Result<()> {
    let Some(Pair { a, mut b, .. }) = Pair::start("a_stop_of_everything_survives_a_kill")? else {
        return Ok(());
    };
    for topic in ["orders-1", "orders-2"] {
        a.driver().create_topic(&CreateTopic::new(topic, 4))?;
        a.driver().produce(&Produce::new(topic, 3, 9))?;
    }
    mirror(&a, &b, "from-a", &["orders-1", "orders-2"])?;
    b.mirror_command(&["--stop", "--mirror", "from-a", "--topics", ".*", "--yes"])?;
    b.kill()?;
    b.start_again()?;
    for topic in ["orders-1", "orders-2"] {
        b.await_state(topic, "STOPPED")?;
        expect_writable(b.driver(), topic, 1)?;
    }
    let position = crate::mirror_lifecycle::last_positions(&b, &a, "orders-2")?;
    ensure!(position.iter().map(|one| one.1).eq([0, 0, 0, 9]), "{position:?}");
    Ok(())
}

/// The commands that operators have beside those of the proposal.
#[test]
fn a_failover_and_a_failback_are_one_command_each() -> Result<()> {
    let name = "a_failover_and_a_failback_are_one_command_each";
    let Some(Pair { mut a, mut b, .. }) = Pair::start(name)? else { return Ok(()) };
    create_with_records(a.driver(), ORDERS, 6)?;
    mirror(&a, &b, "from-a", &[ORDERS])?;
    let status = b.command("status", &[])?.expect_code(0)?;
    ensure!(status.stdout.contains("SAFE"), "{status}");
    b.command("failover", &["--mirror", "from-a", "--all", "--yes"])?.expect_code(0)?;
    expect_writable(b.driver(), ORDERS, 3)?;
    a.driver().produce(&Produce::new(ORDERS, 0, 2).first(500))?;

    let back = ["--from", b.address(), "--mirror", "from-b", "--all", "--yes"];
    a.command("failback", &back)?.expect_code(0)?;
    a.await_all_of(b.driver(), ORDERS)?;
    expect_count(a.driver(), ORDERS, 9)?;
    let plan = ["--failback", "--mirror", "from-a", "--topics", ORDERS];
    let told = b.command("plan", &plan)?;
    ensure!(told.code() == Some(0) || told.stdout.contains("cannot"), "{told}");
    a.command("failover", &["--mirror", "from-b", "--all", "--yes"])?.expect_code(0)?;
    expect_writable(a.driver(), ORDERS, 1)?;
    let again = ["--from", a.address(), "--mirror", "from-a", "--all", "--yes"];
    b.command("failback", &again)?.expect_code(0)?;
    b.await_all_of(a.driver(), ORDERS)?;
    expect_same_records(b.driver(), a.driver(), ORDERS)?;
    expect_equal_files(&mut b, &mut a, &[(ORDERS, 1)])
}

const ORDERS: &str = "orders";
