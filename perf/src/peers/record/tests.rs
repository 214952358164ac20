use crate::peers::figures::tests::two_rounds;
use crate::peers::markdown::report;
use crate::peers::record::{PeersRecord, ScenarioRecord};

#[test]
fn of_a_scenario_measured_twice_the_later_one_counts() {
    let one = two_rounds();
    let two = ScenarioRecord { name: "1-partition".to_owned(), ..two_rounds() };
    let again = ScenarioRecord { records: 7, ..two_rounds() };
    let mut record = PeersRecord { scenarios: vec![one, two] };
    record.merge(PeersRecord { scenarios: vec![again] });
    let told: Vec<_> =
        record.scenarios.iter().map(|each| (each.name.as_str(), each.records)).collect();
    assert_eq!(told, [("8-partitions", 7), ("1-partition", 5_800_000)]);
}

#[test]
fn a_record_that_is_read_gives_the_same_tables() {
    let record = PeersRecord { scenarios: vec![two_rounds()] };
    let text = serde_json::to_string(&record).unwrap();
    let read: PeersRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(report(&read), report(&record));
}
