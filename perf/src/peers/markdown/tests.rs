use super::report;
use crate::peers::figures::tests::two_rounds;
use crate::peers::record::{PeersRecord, ScenarioRecord};

#[test]
fn a_table_has_a_row_for_each_contender_and_limit_with_a_cell_for_each_column() {
    let text = report(&PeersRecord { scenarios: vec![two_rounds()] });
    let table = text.split("### 8-partitions").nth(1).unwrap().split("### Goals").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 2 + 3 + 2, "{table}");
    for row in &rows {
        assert_eq!(row.matches('|').count(), rows[0].matches('|').count(), "{row}");
    }
    assert!(rows[2].starts_with("| ringmirror | 3000 | 2000 - 4000 | 0.25 | 0.30 |"), "{table}");
    assert!(rows[3].contains("| 5.00 | 6.00 |"), "{table}");
    assert!(table.contains("3 tries were disturbed"), "{table}");
    assert!(table.contains("3 of 6 runs and 1 of 2 limits are disturbed all the same"), "{table}");
}

#[test]
fn every_sitting_is_told_once() {
    let other = ScenarioRecord { name: "1-partition".to_owned(), ..two_rounds() };
    let text = report(&PeersRecord { scenarios: vec![two_rounds(), other] });
    assert_eq!(text.matches("2026-01-02: two cores").count(), 1);
}

#[test]
fn goals_that_are_missed_stand_out() {
    let mut scenario = two_rounds();
    scenario.runs.iter_mut().for_each(|run| run.seconds = 3.0);
    let text = report(&PeersRecord { scenarios: vec![scenario] });
    assert!(
        text.contains(
            "| 8-partitions | rate over that of the Kafka follower | 4 | 1.00 | **no** |"
        )
    );
}
