use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedPartition;

use super::*;
use crate::test_mirrors::{measured, mirror, partition};

fn loss(partitions: Vec<DescribedPartition>) -> Loss {
    let other = vec![measured(partition(0, "MIRRORING", 900, 1), 1, 99_000)];
    let mirrors = [mirror("m", &[("orders", partitions), ("other", other)])];
    Loss::of(&mirrors, &["orders".to_owned()])
}

#[test]
fn what_will_be_lost_is_said_of_the_topics_that_are_failed_over() {
    let fine = measured(partition(0, "MIRRORING", 5, 5), 0, 1_250);
    let behind = measured(partition(1, "MIRRORING", 50, 8), 100, 300);
    let unknown = partition(2, "FAILED", -1, 8);
    let stopped = partition(3, "STOPPED", 90, 8);
    assert_eq!(
        loss(vec![fine.clone(), behind.clone(), unknown.clone(), stopped]).text(),
        "42 records of 1 partition(s) were not copied and will be lost, as measured up to 1.2 s \
         ago. What is missing of 1 partition(s) is not known."
    );
    assert_eq!(loss(vec![fine]).text(), "Nothing was missing, as measured up to 1.2 s ago.");
    assert_eq!(loss(vec![unknown]).text(), "What is missing of 1 partition(s) is not known.");
    let aged = measured(partition(2, "FAILED", -1, 8), -1, 600);
    let text = "What is missing of 1 partition(s) is not known.";
    assert_eq!(loss(vec![aged.clone()]).text(), text, "nothing known is not nothing missing");
    let mixed = vec![measured(partition(0, "MIRRORING", 5, 5), 0, 1_250), aged];
    let text = "Nothing was missing of the others, as measured up to 1.2 s ago. What is missing of \
                1 partition(s) is not known.";
    assert_eq!(loss(mixed).text(), text);
    let unmeasured = partition(1, "MIRRORING", 50, 8);
    let text = "42 records of 1 partition(s) were not copied and will be lost.";
    assert_eq!(loss(vec![unmeasured]).text(), text);
}

fn waited(partitions: &[(&str, &str)]) -> Waited {
    let partitions = partitions.iter().zip(0..).map(|((topic, state), index)| {
        let mut told = partition(index, state, 5, 5);
        told.error_message = (*state == "FAILED").then(|| "disk full".to_owned());
        rows(&[mirror("m", &[(topic, vec![told])])]).next().unwrap()
    });
    Waited { partitions: partitions.collect(), was_interrupted: false, error: None }
}

fn outcomes(outcomes: &[(&str, i16)]) -> Vec<TopicOutcome> {
    let outcome = |(name, error_code): &(&str, i16)| TopicOutcome {
        name: (*name).to_owned(),
        error_code: *error_code,
        error_message: None,
    };
    outcomes.iter().map(outcome).collect()
}

fn report(told: &[(&str, i16)], waited: &Waited) -> FailoverReport {
    let outcomes = outcomes(told);
    let position = LastPosition {
        topic: "orders".to_owned(),
        partition: 0,
        last_mirror_epoch: 4,
        last_mirror_offset: 1_000,
    };
    let unknown = LastPosition {
        partition: 1,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        ..position.clone()
    };
    FailoverReport::of("m", &outcomes, waited, vec![position, unknown], Loss::default())
}

#[test]
fn a_failover_that_is_done_tells_where_mirroring_ended() {
    let report = report(&[("orders", 0)], &waited(&[("orders", "STOPPED"), ("orders", "STOPPED")]));
    assert_eq!(
        report.lines(),
        [
            "Failed over 1 topic(s) of mirror m: 2 partition(s) are writable",
            "Mirroring ended at:",
            "TOPIC   PARTITION  LAST-EPOCH  LAST-OFFSET",
            "orders  0          4           1000",
            "orders  1          -           -",
        ]
    );
    assert_eq!(report.exit_code(false), ExitCode::Done);
    assert_eq!(report.exit_code(true), ExitCode::Interrupted);
}

#[test]
fn what_is_not_stopped_is_named_and_the_failover_has_failed() {
    let waited = waited(&[("orders", "STOPPED"), ("orders", "FAILED"), ("pay", "STOPPING")]);
    let report = report(&[("orders", 0), ("gone", 3)], &waited);
    assert_eq!(
        report.lines()[5..],
        [
            "not stopped: gone: UNKNOWN_TOPIC_OR_PARTITION (3)",
            "not stopped yet: orders-1 is FAILED: disk full",
            "not stopped yet: pay-2 is STOPPING",
        ]
    );
    assert_eq!(report.exit_code(false), ExitCode::Failed);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["lastPositions"][0]["lastMirrorOffset"], 1_000);
    assert_eq!(json["notStopped"][1]["state"], "STOPPING");
}

#[test]
fn only_what_the_node_did_not_refuse_is_waited_for() {
    let topics = ["gone", "orders", "stopping"].map(str::to_owned);
    let told = outcomes(&[("gone", 3), ("orders", 0)]);
    assert_eq!(not_refused(&topics, &told), ["orders", "stopping"]);
}

#[test]
fn nothing_seen_is_not_done() {
    assert_eq!(report(&[("orders", 0)], &waited(&[])).exit_code(false), ExitCode::Failed);
}

#[test]
fn a_failover_of_nothing_does_not_say_that_something_was_done() {
    let mut report = report(&[("gone", 3)], &waited(&[]));
    report.last_positions.clear();
    assert_eq!(
        report.lines(),
        [
            "No partition of mirror m was failed over",
            "not stopped: gone: UNKNOWN_TOPIC_OR_PARTITION (3)",
        ]
    );
    assert_eq!(report.exit_code(false), ExitCode::Failed);
}
