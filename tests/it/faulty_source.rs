//! A source that answers wrongly: every fault is told or survived, and no damaged byte is kept.

use anyhow::Result;
use harness::TempDir;
use synthetic_source::Fault;

use crate::synthetic;

#[test]
fn damaged_batches_are_counted_and_fetched_again() -> Result<()> {
    let source = synthetic::source(2, 8 << 20)?;
    let directory = TempDir::new("mirror")?;
    source.inject(Fault::FlipBit, 6);
    let ended = synthetic::catch_up(&source, &directory.join("mirror"))?;
    let corrupt = ended.events_named("corrupt")?;
    assert_eq!(corrupt.len(), 6, "{ended}");
    assert!(
        corrupt.iter().all(|event| event["reason"].as_str().is_some_and(|t| t.contains("crc")))
    );
    let outcome = &ended.events_named("ended")?[0]["outcome"];
    assert_eq!(outcome["progress"]["batches_corrupt"], 6, "{ended}");
    Ok(())
}

#[test]
fn answers_cut_short_are_asked_for_again() -> Result<()> {
    survives(Fault::CutHalf, 4)
}

#[test]
fn answers_to_other_questions_are_not_taken() -> Result<()> {
    survives(Fault::WrongCorrelation, 3)
}

#[test]
fn absurd_lengths_end_the_connection_only() -> Result<()> {
    survives(Fault::AbsurdLength, 3)
}

#[test]
fn dropped_connections_are_opened_again() -> Result<()> {
    survives(Fault::Drop, 4)
}

/// The mirror says that the broker failed and ends with all of its bytes.
fn survives(fault: Fault, count: usize) -> Result<()> {
    let source = synthetic::source(2, 8 << 20)?;
    let directory = TempDir::new("mirror")?;
    source.inject(fault, count);
    let ended = synthetic::catch_up(&source, &directory.join("mirror"))?;
    let unreachable = ended.events_named("broker_unreachable")?;
    assert!(!unreachable.is_empty(), "{fault:?} was not told: {ended}");
    let outcome = &ended.events_named("ended")?[0]["outcome"];
    assert_eq!(outcome["progress"]["batches_corrupt"], 0, "{ended}");
    Ok(())
}
