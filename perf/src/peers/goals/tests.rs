use super::{Goal, goals};
use crate::peers::contender::Contender::{Discard, Ringmirror};
use crate::peers::figures::tests::two_rounds;
use crate::peers::record::{PeersRecord, ScenarioRecord};

fn renamed(name: &str) -> ScenarioRecord {
    ScenarioRecord { name: name.to_owned(), ..two_rounds() }
}

fn find(goals: &[Goal], scenario: &str, what: &str) -> Goal {
    let found = goals.iter().find(|goal| goal.scenario == scenario && goal.what == what);
    found.unwrap_or_else(|| panic!("no {what} in {goals:?}")).clone()
}

#[test]
fn goals_are_told_with_what_was_seen() {
    let goals = goals(&PeersRecord { scenarios: vec![two_rounds()] });
    let limit = find(&goals, "8-partitions", "rate over the limit");
    assert!(limit.is_reached && limit.seen.median > 0.95, "{limit:?}");
    let rate = find(&goals, "8-partitions", "rate over that of the Kafka follower");
    assert!(rate.is_reached && (rate.seen.median - 5.0).abs() < 1e-6, "{rate:?}");
    let cpu = find(
        &goals,
        "8-partitions",
        "processor time of the Kafka follower over that of ringmirror",
    );
    assert!(cpu.is_reached && (cpu.seen.median - 6.0).abs() < 1e-6, "{cpu:?}");
    // 4 and 8.
    assert!(cpu.is_divided() && !rate.is_divided(), "{cpu:?} {rate:?}");
    // The tuned follower and the buffered twin were not measured, nor any other scenario.
    assert_eq!(goals.len(), 3);
}

#[test]
fn a_goal_that_is_missed_is_told_too() {
    let mut slow = renamed("1-partition");
    for run in &mut slow.runs {
        run.seconds *= 2.0;
    }
    let goals = goals(&PeersRecord { scenarios: vec![slow, two_rounds()] });
    let goal = find(&goals, "1-partition", "rate over that of 8 partitions");
    assert!(!goal.is_reached && (goal.seen.median - 0.5).abs() < 1e-6, "{goal:?}");
}

#[test]
fn memory_is_held_against_the_cap_in_the_run_that_took_most() {
    let capped = |name| ScenarioRecord { memory_bytes_max: Some(1000 << 20), ..renamed(name) };
    let of_all = |scenarios| {
        let what = "cap on memory over the most that ringmirror had resident";
        find(&goals(&PeersRecord { scenarios }), "all", what)
    };
    // 500 MiB in every run; what others take does not count.
    let mut calm = capped("8-partitions");
    for run in calm.runs.iter_mut().filter(|run| run.contender != Ringmirror) {
        run.resident_bytes_max = 2000 << 20;
    }
    let goal = of_all(vec![calm.clone()]);
    assert!(goal.is_reached && (goal.seen.median - 2.0).abs() < 1e-6, "{goal:?}");
    let mut over = capped("1-partition");
    let run = over.runs.iter_mut().rfind(|run| run.contender == Ringmirror).unwrap();
    run.resident_bytes_max = 1250 << 20;
    let goal = of_all(vec![over, calm]);
    assert!(!goal.is_reached && (goal.seen.median - 0.8).abs() < 1e-6, "{goal:?}");
}

#[test]
fn the_synthetic_source_is_compared_with_the_machine() {
    let mut scenario = renamed("synthetic");
    scenario.runs.retain(|run| run.contender != Discard);
    let goals = goals(&PeersRecord { scenarios: vec![scenario] });
    let goal = find(&goals, "synthetic", "rate over the limit");
    assert!(!goal.is_reached && goal.seen.median > 0.9, "{goal:?}");
}
