use super::*;

/// A round in which a hundred records took so many microseconds each, and one ten times as long.
fn round(micros: u64) -> Result<CalmRound<LatencyRound>> {
    let mut histogram = Histogram::new_with_bounds(1, 1_000_000_000, 3)?;
    histogram.record_n(micros * 1000, 100)?;
    histogram.record(micros * 10_000)?;
    let (cpu, elapsed) = (Duration::from_millis(100), Duration::from_secs(1));
    let value = LatencyRound { histogram, cpu, elapsed };
    Ok(CalmRound { value, disturbed: 1, is_calm: false })
}

#[test]
fn a_row_compares_all_records_of_all_rounds() -> Result<()> {
    let mut rounds = RoundsOfServers::default();
    for (node, stock) in [(100, 200), (100, 200), (300, 200)] {
        rounds.push(ServerKind::Node, round(node)?);
        rounds.push(ServerKind::Stock, round(stock)?);
    }
    let row = rounds.row("acks-1")?;
    let node = row.node.as_ref().expect("rounds of the node were pushed");
    assert_eq!((node.records, node.rounds), (303, 3));
    assert_eq!((node.disturbed_rounds, node.disturbed_rounds_kept), (3, 3));
    assert!((node.p50_us - 100.0).abs() < 1.0 && (node.p99_us - 300.0).abs() < 1.0, "{node:?}");
    assert!((node.max_us - 3000.0).abs() < 10.0, "{node:?}");
    assert!((node.cpu_seconds_per_second - 0.1).abs() < 1e-9);
    // One slow round of three decides all records together, and not the median of rounds.
    assert!(row.p99_ratio.is_some_and(|ratio| (ratio - 1.5).abs() < 0.02), "{row:?}");
    assert!(row.p99_ratio_of_rounds.is_some_and(|ratio| (ratio - 0.5).abs() < 0.02), "{row:?}");
    assert_eq!(row.reaches_goal, Some(false));
    Ok(())
}

#[test]
fn a_server_alone_has_figures_and_no_ratio() -> Result<()> {
    let mut rounds = RoundsOfServers::default();
    rounds.push(ServerKind::Stock, round(250)?);
    let row = rounds.row("alone")?;
    assert!(row.node.is_none() && row.p99_ratio.is_none() && row.reaches_goal.is_none());
    assert_eq!(row.text().lines().count(), 1);
    Ok(())
}
