//! What the status says of what is carried over.

use kafka_wire::mirror_api::describe_cluster_mirrors::DescribedSync;

use super::CarriedStatus;

fn sync() -> DescribedSync {
    DescribedSync {
        task: "consumer-groups".to_owned(),
        success_age_ms: 2_300,
        took_ms: 40,
        in_step: 7,
        written: 12,
        error_count: 0,
        last_error: None,
        last_error_age_ms: -1,
        skipped_count: 0,
        skipped: Vec::new(),
        changed: Vec::new(),
    }
}

#[track_caller]
fn check(told: &DescribedSync, lines: &[&str]) {
    assert_eq!(CarriedStatus::of(told).lines(), lines);
}

#[test]
fn a_task_has_a_line_and_what_is_wrong_has_more() {
    let well = "  consumer-groups done 2.3 s ago: 7 in step, 12 written, 0 left out, 0 errors";
    check(&sync(), &[well]);
    let failed = |success_age_ms| DescribedSync {
        success_age_ms,
        error_count: 3,
        last_error: Some("no coordinator".to_owned()),
        last_error_age_ms: 1_000,
        ..sync()
    };
    check(
        &failed(2_300),
        &[
            "  consumer-groups done 2.3 s ago: 7 in step, 12 written, 0 left out, 3 errors",
            "    failed 1.0 s ago: no coordinator",
        ],
    );
    check(
        &failed(-1),
        &[
            "  consumer-groups not done yet: 7 in step, 12 written, 0 left out, 3 errors",
            "    failed 1.0 s ago: no coordinator",
        ],
    );
    // Done since then.
    check(
        &failed(500),
        &["  consumer-groups done 0.5 s ago: 7 in step, 12 written, 0 left out, 3 errors"],
    );
}

#[test]
fn changes_are_told() {
    let changed = vec!["topic orders: retention.ms=5, was 7".to_owned()];
    let lines = CarriedStatus::of(&DescribedSync { changed, ..sync() }).lines();
    assert_eq!(lines[1..], ["    changed: topic orders: retention.ms=5, was 7"]);
}

#[test]
fn what_is_left_out_is_listed_up_to_a_limit() {
    let skipped: Vec<String> = (0..20).map(|index| format!("group g{index}: members")).collect();
    let lines = CarriedStatus::of(&DescribedSync { skipped_count: 45, skipped, ..sync() }).lines();
    assert_eq!(lines.len(), 7);
    assert_eq!(lines[1], "    left out: group g0: members");
    assert_eq!(lines[6], "    left out: 40 more");
}
