use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedPartition;

use super::*;
use crate::test_mirrors::{measured, mirror, partition};

fn report(mirrors: &[DescribedMirror]) -> StatusReport {
    StatusReport::of(mirrors, Vec::new(), &Thresholds::new(10))
}

fn fine(index: i32) -> DescribedPartition {
    measured(partition(index, "MIRRORING", 1_000, 1_000), 0, 400)
}

/// Why one partition is not safe; `None` when it is.
fn reason(of: DescribedPartition) -> Option<String> {
    let report = report(&[mirror("m", &[("a", vec![fine(0), of])])]);
    assert_eq!(report.safe, report.reasons.is_empty());
    assert!(report.reasons.len() <= 1, "{:?}", report.reasons);
    report.reasons.into_iter().next()
}

#[test]
fn what_is_mirrored_nearly_up_to_the_source_is_safe() {
    for safe in [
        fine(1),
        measured(partition(1, "MIRRORING", 9, 5), 10_000, 5_000),
        measured(partition(1, "MIRRORING", 5, 9), -1, 0),
        partition(1, "STOPPED", -1, 7),
    ] {
        assert_eq!(reason(safe.clone()), None, "{safe:?}");
    }
}

#[test]
fn everything_else_is_not_safe_and_says_why() {
    let mirroring = |source, here| partition(1, "MIRRORING", source, here);
    for (unsafe_one, why) in [
        (partition(1, "FAILED", 5, 5), "m: 1 partition is FAILED"),
        (partition(1, "PAUSED", 5, 5), "m: 1 partition is PAUSED"),
        (partition(1, "LOG_ALIGNMENT", -1, 5), "m: 1 partition is LOG_ALIGNMENT"),
        (partition(1, "STOPPING", 5, 5), "m: 1 partition is STOPPING"),
        (mirroring(-1, 5), "m: 1 partition is without a lag that is known"),
        (measured(mirroring(9, 5), 10_001, 5), "m: 1 partition is more than 10 s behind"),
        (
            measured(mirroring(5, 5), 0, 5_001),
            "m: 1 partition is measured more than 5 s ago: does the source answer?",
        ),
        (measured(mirroring(9, 5), -1, 5), "m: 1 partition is behind for a time that is not known"),
    ] {
        assert_eq!(reason(unsafe_one).as_deref(), Some(why));
    }
}

#[test]
fn a_cluster_that_mirrors_nothing_or_does_not_answer_whole_is_not_safe() {
    assert_eq!(report(&[]).reasons, ["nothing is mirrored here"]);
    assert_eq!(report(&[mirror("m", &[])]).reasons, ["nothing is mirrored here"]);
    let unanswered = vec!["node-b:9092 did not answer".to_owned()];
    let partly =
        StatusReport::of(&[mirror("m", &[("a", vec![fine(0)])])], unanswered, &Thresholds::new(10));
    assert_eq!(
        (partly.safe, &partly.reasons[..]),
        (false, &["node-b:9092 did not answer".to_owned()][..])
    );
}

#[test]
fn the_screen_has_the_verdict_first_then_each_mirror() {
    let mut failed = measured(partition(1, "FAILED", 50, 20), 9_000, 2_000);
    failed.error_message = Some("source deleted the topic".to_owned());
    let late = measured(partition(2, "MIRRORING", 1_500, 1_000), 12_340, 250);
    let stopped = partition(3, "STOPPED", -1, 9);
    let one = mirror("from-a", &[("orders", vec![fine(0), failed, late, stopped])]);
    let two = mirror("from-c", &[("notes", vec![fine(0)])]);
    assert_eq!(
        report(&[one, two]).lines(),
        [
            "NOT SAFE to fail over now",
            "  from-a: 1 partition is FAILED",
            "  from-a: 1 partition is more than 10 s behind",
            "",
            "mirror from-a from one:9092, cluster abc",
            "  partitions  4: 1 FAILED, 2 MIRRORING, 1 STOPPED",
            "  lag         530 records, at most 500 in one partition; at most 12.3 s, measured up \
             to 2.0 s ago",
            "",
            "  TOPIC   PARTITION  STATE      LAG  SECONDS  MEASURED-AGO  ERROR",
            "  orders  1          FAILED     30   9.0      2.0           source deleted the topic",
            "  orders  2          MIRRORING  500  12.3     0.2",
            "",
            "mirror from-c from one:9092, cluster abc",
            "  partitions  1: 1 MIRRORING",
            "  lag         0 records, at most 0 in one partition; at most 0.0 s, measured up to \
             0.4 s ago",
        ]
    );
}

#[test]
fn a_safe_screen_says_so_and_a_lag_nobody_knows_is_said() {
    let safe = report(&[mirror("m", &[("a", vec![fine(0)])])]);
    assert_eq!(safe.lines()[0], "SAFE to fail over now");
    let unknown = report(&[mirror("m", &[("a", vec![partition(0, "LOG_ALIGNMENT", -1, -1)])])]);
    assert_eq!(unknown.lines()[5], "  lag         not known");
}

#[test]
fn the_worst_ten_are_shown_failed_ones_first() {
    let partitions = (0..30).map(|index| {
        let state = if index == 29 { "FAILED" } else { "MIRRORING" };
        measured(partition(index, state, i64::from(index) * 10, 0), 5, 5)
    });
    let report = report(&[mirror("m", &[("a", partitions.collect())])]);
    let worst: Vec<i32> = report.mirrors[0].worst.iter().map(|row| row.partition).collect();
    assert_eq!(worst, [29, 28, 27, 26, 25, 24, 23, 22, 21, 20]);
}

#[test]
fn when_all_is_stopped_nothing_is_mirrored_and_that_is_said() {
    let stopped = || vec![partition(0, "STOPPED", -1, 7), partition(1, "STOPPED", 9, 7)];
    let over = report(&[mirror("m", &[("a", stopped())]), mirror("empty", &[])]);
    assert_eq!(
        over.lines()[..4],
        [
            "FAILED OVER: nothing is mirrored, 2 partition(s) are writable here",
            "",
            "mirror m from one:9092, cluster abc",
            "  partitions  2: 2 STOPPED",
        ]
    );
    assert_eq!(over.lines()[4], "  lag         none: every partition is stopped");
    let json = serde_json::to_value(&over).unwrap();
    assert_eq!((&json["verdict"], &json["safe"]), (&"FAILED_OVER".into(), &true.into()));
    let partly = report(&[mirror("m", &[("a", stopped())]), mirror("n", &[("b", vec![fine(0)])])]);
    assert_eq!(partly.lines()[0], "SAFE to fail over now");
}

#[test]
fn why_a_lag_is_not_known_is_said_by_who_knows() {
    let mut only_here = partition(2, "MIRRORING", -1, 5);
    only_here.error_message = Some("the source has 2 partitions".to_owned());
    assert_eq!(
        reason(only_here).as_deref(),
        Some(
            "m: 1 partition is without a lag that is known, such as a-2: the source has 2 \
             partitions"
        )
    );
}

#[test]
fn machines_are_told_the_same() {
    let report = report(&[mirror("m", &[("a", vec![partition(0, "PAUSED", 9, 5)])])]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["verdict"], &json["safe"]), (&"NOT_SAFE".into(), &false.into()));
    assert_eq!(json["reasons"][0], "m: 1 partition is PAUSED");
    assert_eq!(json["mirrors"][0]["lagSum"], 4);
    assert_eq!(json["mirrors"][0]["states"]["PAUSED"], 1);
    assert_eq!(json["mirrors"][0]["measuredAgeMsMax"], -1);
    assert_eq!(json["mirrors"][0]["worst"][0]["topic"], "a");
}

#[test]
fn a_node_whose_states_cannot_change_is_not_safe_and_says_why() {
    let mut given_up = mirror("m", &[("a", vec![fine(0)])]);
    given_up.error_message = Some("a sync failed".to_owned());
    assert_eq!(report(&[given_up]).reasons, ["m: a sync failed"]);
}
