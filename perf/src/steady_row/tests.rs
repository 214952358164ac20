use std::time::Duration;

use hdrhistogram::Histogram;

use super::*;

/// A round of 100,000 records: of each hundred one is late, of each 5000 one very late.
fn round(usual: u64, late: u64, very_late: u64) -> Result<CalmRound<LatencyRound>> {
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
    for (micros, count) in [(usual, 98_480), (late, 1_500), (very_late, 20)] {
        histogram.record_n(micros * 1000, count)?;
    }
    let (cpu, elapsed) = (Duration::from_millis(100), Duration::from_secs(1));
    let value = LatencyRound { histogram, cpu, elapsed };
    Ok(CalmRound { value, disturbed: 0, is_calm: true })
}

fn row(node: [u64; 3], follower: [u64; 3]) -> Result<SteadyRow> {
    let mut rounds = RoundsOfReaders::default();
    for (reader, [usual, late, very_late]) in
        [(Reader::Node, node), (Reader::Follower, follower), (Reader::Source, [1, 1, 1])]
    {
        rounds.push(reader, round(usual, late, very_late)?);
    }
    rounds.row(1000, 1024, NodeMemory::default())
}

#[test]
fn every_goal_is_told_by_itself() -> Result<()> {
    let goals = |row: SteadyRow| (row.reaches_p99, row.reaches_p9999, row.is_below_follower);
    let follower = [1000, 4000, 5000];
    assert_eq!(goals(row([900, 3900, 19_000], follower)?), (true, true, true));
    assert_eq!(goals(row([900, 4900, 21_000], follower)?), (true, false, false));
    assert_eq!(goals(row([900, 5100, 19_000], [1000, 6000, 7000])?), (false, true, true));
    Ok(())
}

#[test]
fn a_reader_without_rounds_makes_no_row() {
    assert!(RoundsOfReaders::default().row(1000, 1024, NodeMemory::default()).is_err());
}
