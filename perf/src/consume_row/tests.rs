use std::time::Duration;

use anyhow::Result;

use super::*;

/// Rates and processor milliseconds of rounds in which 1 GB was read.
fn series(node: &[(u64, u64)], stock: &[(u64, u64)]) -> Result<SeriesOfServers> {
    let mut series = SeriesOfServers::new(1);
    for (kind, rounds) in [(ServerKind::Node, node), (ServerKind::Stock, stock)] {
        for (millis, cpu_millis) in rounds.iter().copied() {
            let (elapsed, cpu) = (Duration::from_millis(millis), Duration::from_millis(cpu_millis));
            let sample = Sample { bytes: 1_000_000_000, elapsed, cpu };
            series.of_mut(kind).round(|| Ok(sample))?;
        }
    }
    Ok(series)
}

#[test]
fn one_goal_of_two_is_enough() -> Result<()> {
    let slow_but_cheap = series(&[(1000, 400)], &[(1000, 1000)])?.row("cheap");
    assert_eq!((slow_but_cheap.rate_ratio, slow_but_cheap.cpu_ratio), (Some(1.0), Some(0.4)));
    assert_eq!(slow_but_cheap.reaches_goal, Some(true));
    let fast_but_dear = series(&[(500, 900)], &[(1000, 1000)])?.row("fast");
    assert_eq!((fast_but_dear.rate_ratio, fast_but_dear.cpu_ratio), (Some(2.0), Some(0.9)));
    assert_eq!(fast_but_dear.reaches_goal, Some(true));
    assert_eq!(series(&[(900, 900)], &[(1000, 1000)])?.row("neither").reaches_goal, Some(false));
    Ok(())
}

#[test]
fn ratios_are_taken_inside_rounds() -> Result<()> {
    // The machine became four times slower: no median of one server says what the ratio does.
    let row = series(&[(500, 10), (2000, 10), (500, 10)], &[(1000, 20), (4000, 20), (1000, 20)])?;
    let row = row.row("slower");
    assert_eq!((row.rate_ratio, row.cpu_ratio), (Some(2.0), Some(0.5)));
    Ok(())
}

#[test]
fn a_server_alone_has_figures_and_no_ratio() -> Result<()> {
    let row = series(&[], &[(1000, 100)])?.row("alone");
    assert!(row.node.is_none() && row.rate_ratio.is_none() && row.reaches_goal.is_none());
    assert_eq!(row.text(), "alone stock                  1000     1000     1000     0.100");
    Ok(())
}
