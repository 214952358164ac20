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
    assert!(rows[3].contains("| 5.00 | 6.00 (4.00 - 8.00) |"), "{table}");
    assert!(table.contains("3 tries were disturbed"), "{table}");
    assert!(table.contains("3 of 6 runs and 1 of 2 limits are disturbed all the same"), "{table}");
}

#[test]
fn every_table_says_when_where_and_by_which_command() {
    let mut other = ScenarioRecord { name: "1-partition".to_owned(), ..two_rounds() };
    other.sitting.machine = "eight cores".to_owned();
    let text = report(&PeersRecord { scenarios: vec![two_rounds(), other] });
    let second = text.split("### 1-partition").nth(1).unwrap();
    assert!(second.contains("2026-01-02: eight cores. of everything. `cargo perf -- peers`"));
    assert!(!second.contains("two cores"), "{second}");
}

#[test]
fn a_goal_that_rounds_are_divided_about_is_told_as_such() {
    let text = report(&PeersRecord { scenarios: vec![two_rounds()] });
    let goal = "processor time of the Kafka follower over that of ringmirror | 5 | 6.00 (4.00 - \
                8.00) | yes, but not in every round |";
    assert!(text.contains(goal), "{text}");
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
