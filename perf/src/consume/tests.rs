use super::*;

#[test]
fn the_figures_of_kafkas_consumer_test_are_found_by_the_names_of_their_columns() -> Result<()> {
    let told = "a warning\n\
        start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, \
        rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n\
        WARNING: something in between\n\
        2026-01-01 10:00:00:000, 2026-01-01 10:00:02:000, 512.5000, 256.2, 500000, 250000.0, \
        400, 1600, 320.3, 312500.0\n";
    assert_eq!(consumer_performance(told, "500000")?, Duration::from_millis(1600));
    assert!(consumer_performance(told, "500001").is_err());
    assert!(consumer_performance("start.time, end.time\n1, 2\n", "1").is_err());
    Ok(())
}

#[test]
fn scenarios_have_names_of_their_own() {
    let names: std::collections::BTreeSet<&str> = SCENARIOS.iter().map(|each| each.name).collect();
    assert_eq!(names.len(), SCENARIOS.len());
}
