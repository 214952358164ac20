use std::collections::BTreeSet;

use super::SCENARIOS;

#[test]
fn scenarios_have_names_of_their_own() {
    let names: BTreeSet<&str> = SCENARIOS.iter().map(|each| each.name).collect();
    assert_eq!(names.len(), SCENARIOS.len());
}
