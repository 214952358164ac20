//! Bytes that are equal after every change of direction, with producers at work and nodes killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::{Driver, MirrorNode};

use crate::mirror_lifecycle::{Pair, expect_equal_files, expect_same_records, mirror};

/// 30.1 test_log_convergence, one replica on each side: nodes are killed instead of brokers
/// bounced. Three changes of direction, and bytes compared after each.
#[test]
fn logs_are_equal_after_kills_and_after_every_change_of_direction() -> Result<()> {
    let name = "logs_are_equal_after_kills_and_after_every_change_of_direction";
    let Some(Pair { mut a, mut b, .. }) = Pair::start(name)? else { return Ok(()) };
    for (topic, partitions) in TOPICS {
        a.driver().create_topic(&CreateTopic::new(topic, partitions))?;
        produce_to_all(a.driver(), topic, partitions, 0)?;
    }
    let names = TOPICS.map(|(topic, _)| topic);
    a.kill()?;
    a.start_again()?;
    // Two mirrors, as in the row.
    mirror(&a, &b, "first", &names[..2])?;
    mirror(&a, &b, "second", &names[2..])?;
    kill_while_producing(&mut a, &mut b)?;
    for (topic, _) in TOPICS {
        b.await_all_of(a.driver(), topic)?;
    }
    expect_equal_files(&mut b, &mut a, &TOPICS)?;

    fail_over(&b, &[("first", &names[..2]), ("second", &names[2..])], 1)?;
    mirror(&b, &a, "back", &names).context("failing back")?;
    expect_converged(&mut a, &mut b)?;
    fail_over(&a, &[("back", &names)], 2)?;
    b.start_topics("first", &names[..2].join(","))?;
    b.start_topics("second", names[2])?;
    for topic in names {
        b.await_all_of(a.driver(), topic)?;
    }
    expect_converged(&mut b, &mut a)?;
    fail_over(&b, &[("first", &names[..2]), ("second", &names[2..])], 3)?;
    a.start_topics("back", &names.join(","))?;
    for topic in names {
        a.await_all_of(b.driver(), topic)?;
    }
    expect_converged(&mut a, &mut b)
}

/// Stops topics of mirrors and writes what only this side has.
fn fail_over(node: &MirrorNode, mirrors: &[(&str, &[&str])], round: u64) -> Result<()> {
    for (mirror, topics) in mirrors {
        node.stop_topics(mirror, topics)?;
    }
    for (topic, partitions) in TOPICS {
        produce_to_all(node.driver(), topic, partitions, round)?;
    }
    Ok(())
}

fn expect_converged(copy: &mut MirrorNode, original: &mut MirrorNode) -> Result<()> {
    for (topic, _) in TOPICS {
        expect_same_records(copy.driver(), original.driver(), topic)?;
    }
    expect_equal_files(copy, original, &TOPICS)?;
    // In both directions: stopped, the original is compared with the copy as well.
    expect_equal_files(original, copy, &TOPICS)?;
    for (topic, _) in TOPICS {
        copy.await_all_of(original.driver(), topic)?;
    }
    Ok(())
}

fn produce_to_all(at: &Driver, topic: &str, partitions: i32, round: u64) -> Result<()> {
    for partition in 0..partitions {
        let records = Produce::new(topic, partition, RECORDS).first(round * RECORDS);
        at.produce(&records.records_per_batch(30))?;
    }
    Ok(())
}

/// Either side is killed and comes back while records are produced to the first one.
fn kill_while_producing(a: &mut MirrorNode, b: &mut MirrorNode) -> Result<()> {
    let is_over = AtomicBool::new(false);
    let driver = a.shared_driver();
    thread::scope(|scope| {
        let producing = scope.spawn(|| {
            let mut sent = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                let (topic, partitions) = TOPICS[usize::try_from(sent % 3).unwrap_or(0)];
                let partition = i32::try_from(sent).unwrap_or(0) % partitions;
                let some = Produce::new(topic, partition, 10).first(10_000 + sent * 10);
                // Who is killed takes nothing; the producer of each request is a new one.
                if driver.produce(&some).is_ok() {
                    sent += 1;
                }
            }
            sent
        });
        let bounced = bounce(a, b);
        is_over.store(true, Ordering::Relaxed);
        let sent = producing.join().expect("the producing thread does not panic");
        bounced?;
        ensure!(sent > 3, "only {sent} times something was produced");
        Ok(())
    })
}

fn bounce(a: &mut MirrorNode, b: &mut MirrorNode) -> Result<()> {
    for is_destination in [true, true, false, true, false, true] {
        let node = if is_destination { &mut *b } else { &mut *a };
        node.kill()?;
        node.start_again()?;
    }
    Ok(())
}

const TOPICS: [(&str, i32); 3] = [("three", 3), ("two", 2), ("one", 1)];
const RECORDS: u64 = 100;
