use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::*;
use crate::delayed::SCENARIOS;

/// A plan whose rounds do not matter.
pub(crate) fn plan() -> DelayedPlan {
    DelayedPlan {
        directory: PathBuf::new(),
        ringmirror: PathBuf::new(),
        rounds: 1,
        scenarios: Vec::new(),
        run_time: Duration::from_secs(1),
        mtu: 9000,
        socket_bytes_max: 64 << 20,
        response_bytes: 48 << 20,
        tries_max: 1,
    }
}

/// The row of a link when so many megabytes came in a second: received, mirrored, mirrored with
/// large responses.
fn row(name: &str, rates: [u64; 3]) -> Result<DelayedRow> {
    let mut rounds = DelayedRounds::with_tries(1, NodeMemory::default());
    let sample = |rate| {
        let (elapsed, cpu) = (Duration::from_secs(1), Duration::from_millis(100));
        Sample { bytes: rate * 1_000_000, elapsed, cpu }
    };
    let series = [&mut rounds.receive, &mut rounds.standard, &mut rounds.large];
    for (series, rate) in series.into_iter().zip(rates) {
        series.round(|| Ok(sample(rate)))?;
    }
    rounds.packets.push(PacketCounts { taken: 990, lost: 10, overflown: 3 });
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    Ok(rounds.row(scenario.expect("a scenario of this name"), &plan()))
}

#[test]
fn the_goal_is_one_partitions_at_80_ms_without_loss() -> Result<()> {
    let goal = |name, rates| row(name, rates).map(|row| row.reaches_goal);
    assert_eq!(goal("delay-80ms-1part", [500, 190, 210])?, Some(true));
    assert_eq!(goal("delay-80ms-1part", [500, 210, 190])?, Some(true));
    assert_eq!(goal("delay-80ms-1part", [500, 190, 199])?, Some(false));
    assert_eq!(goal("delay-80ms-8part", [500, 190, 199])?, None);
    assert_eq!(goal("delay-80ms-loss-bbr-1part", [500, 190, 199])?, None);
    Ok(())
}

#[test]
fn loss_is_what_was_counted_and_ratios_are_to_receiving() -> Result<()> {
    let row = row("delay-40ms-8part", [400, 100, 300])?;
    assert!((row.link.loss - 0.01).abs() < 1e-9 && row.link.packets_overflown == 3, "{row:?}");
    assert!((row.standard_ratio - 0.25).abs() < 1e-9, "{row:?}");
    assert!((row.large_ratio - 0.75).abs() < 1e-9, "{row:?}");
    Ok(())
}
