//! Kills at any moment and sources that change under the mirror, against a generated source: as
//! many as time allows, where real Kafka allows a few.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::TempDir;
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;
use synthetic_source::spec::{EpochSpec, GapSpec, Pace, SyntheticSpec};
use synthetic_source::{Fault, SyntheticSource};

use crate::mirrored::{SOON, expect_verified_at};
use crate::synthetic;

#[test]
fn kills_at_any_moment_lose_nothing() -> Result<()> {
    let source = synthetic::source_with(4, 24 << 20, |spec| {
        colourful(spec);
        // A second for the whole of it, by four connections.
        spec.pace = Pace { bytes_per_second: Some(24 << 20), ..Pace::default() };
    })?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    for round in 0..12 {
        let mut running = synthetic::mirror(&source, &mirror).spawn()?;
        running.wait_for_event("started", SOON)?;
        // Nothing is waited for; the moments differ.
        let moment = Duration::from_millis(5 + round * 17 % 90);
        assert!(running.wait_for(moment, |_| false).is_err());
        running.kill()?;
    }
    let ended = synthetic::catch_up(&source, &mirror)?;
    assert!(ended.events_named("gap")?.is_empty(), "{ended}");
    expect_verified_at(&source.bootstrap(), &mirror, 4)
}

#[test]
fn a_source_in_turmoil_is_followed_to_its_end() -> Result<()> {
    let source = synthetic::source_with(6, 8 << 20, |spec| {
        colourful(spec);
        spec.broker_count = 3;
        spec.pace = Pace { bytes_per_second: Some(16 << 20), ..Pace::default() };
    })?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let mut running = synthetic::mirror(&source, &mirror).spawn()?;
    running.wait_for_event("started", SOON)?;
    for round in 0..8 {
        disturb(&source, round)?;
        running.wait_for_event("progress", SOON)?;
    }
    let ended = running.terminate()?.expect_code(0)?;
    assert!(ended.events_named("gap")?.is_empty(), "{ended}");
    let ended = synthetic::catch_up(&source, &mirror)?;
    assert!(ended.events_named("truncated")?.is_empty(), "{ended}");
    expect_verified_at(&source.bootstrap(), &mirror, 6)
}

#[test]
fn records_a_source_lost_are_cut_and_its_new_ones_taken() -> Result<()> {
    let source = synthetic::source_with(3, 4 << 20, colourful)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let mut running = synthetic::mirror(&source, &mirror).spawn()?;
    let all_here = |event: &serde_json::Value| {
        event["event"] == "progress" && event["partitions_caught_up"] == 3
    };
    running.wait_for(SOON, all_here)?;
    let partitions = source.partitions();
    for partition in &partitions[..2] {
        let end = source.log(partition)?.end_offset().offset().get();
        let half = Offset::from_wire(end / 2).context("not negative")?;
        source.unclean_election(partition, half)?;
        source.append(partition, 20)?;
    }
    running.wait_for_event("truncated", SOON)?;
    running.wait_for_event("truncated", SOON)?;
    running.wait_for(SOON, all_here)?;
    running.terminate()?.expect_code(0)?;
    synthetic::catch_up(&source, &mirror)?;
    expect_verified_at(&source.bootstrap(), &mirror, 3)
}

/// Something else each round; none of it loses a record.
fn disturb(source: &SyntheticSource, round: usize) -> Result<()> {
    let partitions = source.partitions();
    let brokers = source.brokers();
    for (index, partition) in partitions.iter().enumerate() {
        let (broker, _) = brokers[(index + round) % brokers.len()];
        if index % 2 == round % 2 {
            source.move_leader(partition, broker)?;
        } else {
            source.refuse(partition, REFUSALS[(index + round) % REFUSALS.len()], 2)?;
        }
        source.append(partition, 5)?;
    }
    match round % 4 {
        0 => source.drop_connections(),
        1 => source.restart_broker(brokers[round % brokers.len()].0),
        2 => source.inject(Fault::CutHalf, 2),
        _ => source.inject(Fault::FlipBit, 2),
    }
    Ok(())
}

/// Several epochs, gaps as compaction leaves them, transactions.
fn colourful(spec: &mut SyntheticSpec) {
    let topic = &mut spec.topics[0];
    let epoch = |epoch, from_permille| EpochSpec {
        epoch: SourceLeaderEpoch::from_wire(epoch).expect("not negative"),
        from_permille,
    };
    topic.epochs = vec![epoch(2, 0), epoch(5, 300), epoch(6, 800)];
    topic.gaps = vec![
        GapSpec { at_permille: 200, records: 7 },
        GapSpec { at_permille: 600, records: 100_000 },
    ];
}

/// NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, UNKNOWN_SERVER_ERROR,
/// KAFKA_STORAGE_ERROR, UNKNOWN_TOPIC_OR_PARTITION
const REFUSALS: [i16; 6] = [6, 74, 75, -1, 56, 3];
