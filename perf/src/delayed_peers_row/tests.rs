use std::time::Duration;

use anyhow::{Context as _, Result};

use super::*;
use crate::delayed::SCENARIOS;
use crate::delayed_row::tests::plan;

/// The row when so many megabytes came in a second, round by round.
fn row(rounds_of: &[(Copier, &[u64])]) -> Result<DelayedPeersRow> {
    let mut rounds = DelayedPeersRounds::with_tries(1, NodeMemory::default());
    for (copier, rates) in rounds_of {
        for rate in *rates {
            let (elapsed, cpu) = (Duration::from_secs(1), Duration::from_millis(100));
            let sample = Sample { bytes: rate * 1_000_000, elapsed, cpu };
            rounds.series(*copier).prepared_round(&[], || Ok(()), || Ok(sample))?;
        }
    }
    rounds.packets.push(PacketCounts { taken: 990, lost: 10, overflown: 0 });
    rounds.packets.push(PacketCounts { taken: 970, lost: 30, overflown: 2 });
    Ok(rounds.row(SCENARIOS.last().context("there are scenarios")?, &plan()))
}

#[test]
fn the_node_is_compared_inside_rounds() -> Result<()> {
    // Over medians it would be 200 / 20.
    let row = row(&[
        (Copier::Follower, &[10, 20, 100]),
        (Copier::Node, &[200, 100, 300]),
        (Copier::FollowerTuned, &[100, 100, 100]),
    ])?;
    let ratios: Vec<(&str, f64)> =
        row.copiers.iter().map(|each| (each.rates.scenario.as_str(), each.node_ratio)).collect();
    assert_eq!(ratios, [("node", 1.0), ("follower", 5.0), ("follower-tuned", 2.0)]);
    Ok(())
}

#[test]
fn loss_is_that_of_all_rounds() -> Result<()> {
    let row = row(&[(Copier::Node, &[1])])?;
    assert!((row.link.loss - 0.02).abs() < 1e-9 && row.link.packets_overflown == 2, "{row:?}");
    Ok(())
}

#[test]
fn every_copier_has_a_line_under_the_heads() -> Result<()> {
    let row = row(&[(Copier::Node, &[200]), (Copier::FollowerLarge, &[50])])?;
    let text = row.text();
    let words: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    let name = SCENARIOS.last().context("there are scenarios")?.name;
    assert_eq!(
        words,
        [
            [name, "0.0200", "node", "200.0", "200.0", "200.0", "1.00", "0.500"],
            [name, "0.0200", "follower-large", "50.0", "50.0", "50.0", "4.00", "2.000"],
        ]
    );
    assert_eq!(text.lines().next().map(str::len), Some(DelayedPeersRow::head().len()));
    Ok(())
}
