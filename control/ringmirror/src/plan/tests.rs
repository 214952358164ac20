use super::*;

fn planned(topic: &str, index: i32) -> PlannedPartition {
    PlannedPartition {
        topic_name: topic.to_owned(),
        partition_index: index,
        is_new: false,
        local_start: 0,
        local_end: 100,
        truncate_to: 90,
        source_end: 150,
        last_mirror_epoch: 3,
        last_mirror_offset: 90,
        needs_confirmation: false,
        error_code: 0,
        error_message: None,
        copied_bytes: 1_000,
    }
}

fn told(plan: Vec<PlannedPartition>) -> StartMirrorTopicsResponse {
    StartMirrorTopicsResponse { plan, ..StartMirrorTopicsResponse::outcome(0, None) }
}

#[test]
fn a_plan_is_told_by_topic_and_in_all() {
    let new = PlannedPartition {
        is_new: true,
        local_start: -1,
        local_end: -1,
        truncate_to: -1,
        source_end: 40,
        copied_bytes: -1,
        ..planned("payments", 0)
    };
    let report = PlanReport::of(&told(vec![planned("orders", 0), new, planned("orders", 1)]));
    assert_eq!(
        report.lines(),
        [
            "TOPIC     PARTITIONS  CREATED  COPIED  BYTES  TRUNCATED  OVERWRITTEN  NEEDS",
            "orders    2           0        120     2000   20         20           -",
            "payments  1           1        40      -      0          0            -",
            "TOTAL     3           1        160     -      20         20           -",
        ]
    );
    assert!(!report.needs_confirmation && !report.has_refusals());
    assert_eq!((report.total().copied_records, report.total().truncated_records), (160, 20));
}

#[test]
fn what_goes_for_good_needs_confirmation() {
    let lost = PlannedPartition {
        truncate_to: 0,
        source_end: 30,
        last_mirror_epoch: -1,
        last_mirror_offset: -1,
        needs_confirmation: true,
        copied_bytes: -1,
        ..planned("orders", 0)
    };
    let report = PlanReport::of(&told(vec![lost]));
    assert!(report.needs_confirmation);
    let expected = [
        "TOPIC   PARTITIONS  CREATED  COPIED  BYTES  TRUNCATED  OVERWRITTEN  NEEDS",
        "orders  1           0        30      -      100        30           --confirm",
        "TOTAL   1           0        30      -      100        30           --confirm",
        "",
        "100 records that are only here would go: that is done only with --confirm",
    ];
    assert_eq!(report.lines(), expected);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        (&json["needsConfirmation"], &json["total"]["overwrittenRecords"]),
        (&true.into(), &30.into())
    );
}

#[test]
fn a_source_whose_end_is_not_known_copies_nothing_that_can_be_counted() {
    let unknown = PlannedPartition { source_end: -1, ..planned("orders", 0) };
    let report = PlanReport::of(&told(vec![unknown]));
    let total = report.total();
    let numbers = (total.copied_records, total.truncated_records, total.overwritten_records);
    assert_eq!(numbers, (0, 10, 0));
}

#[test]
fn what_cannot_be_started_is_told_with_the_reason() {
    let looped = PlannedPartition {
        error_code: 145,
        error_message: Some("it is mirrored back".to_owned()),
        ..planned("orders", 4)
    };
    let excluded = TopicOutcome { name: "notes".to_owned(), error_code: 42, error_message: None };
    let refused = StartMirrorTopicsResponse { topics: vec![excluded], ..told(vec![looped]) };
    let report = PlanReport::of(&refused);
    assert!(report.has_refusals());
    assert_eq!(
        report.lines(),
        [
            "cannot be started: notes: INVALID_REQUEST (42)",
            "cannot be started: orders-4: INVALID_CLUSTER_MIRROR_STATE (145): it is mirrored back",
        ]
    );
    let nothing = PlanReport::of(&told(vec![]));
    assert_eq!(nothing.lines(), ["Nothing would be started: no topic of the source matches"]);
}

#[test]
fn topics_that_are_mirrored_already_are_not_said_to_be_missing_at_the_source() {
    let outcome =
        |name: &str| TopicOutcome { name: name.to_owned(), error_code: 0, error_message: None };
    let mut told = told(Vec::new());
    told.topics = vec![outcome("orders"), outcome("payments")];
    let report = PlanReport::of(&told);
    assert_eq!(
        report.lines(),
        ["Nothing would be started", "mirrored already, and left as they are: orders, payments",]
    );
    assert_eq!(serde_json::to_value(&report).unwrap()["alreadyMirrored"][1], "payments");
    told.plan = vec![planned("orders", 0)];
    let lines = PlanReport::of(&told).lines();
    assert_eq!(lines[3..], ["mirrored already, and left as they are: payments"]);
}

#[test]
fn a_failback_without_its_mirror_is_told_who_makes_it() {
    let error = no_mirror_back("from-b");
    assert_eq!(error.code, ExitCode::Failed);
    let text = error.error.to_string();
    for word in ["no mirror from-b", "`ringmirror failback` makes it", "--create --mirror from-b"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn what_settings_become_is_in_the_plan() {
    let response = StartMirrorTopicsResponse {
        changed_configs: vec!["topic orders: retention.ms=5, was not set".to_owned()],
        ineffective_configs: vec!["topic orders: compact".to_owned()],
        changed_acls: vec!["added: ALLOW User:a READ on TOPIC orders".to_owned()],
        ..told(vec![])
    };
    let refused = StartMirrorTopicsResponse {
        topics: vec![TopicOutcome {
            name: "a".to_owned(),
            error_code: 42,
            error_message: Some("no".to_owned()),
        }],
        ..response
    };
    let lines = PlanReport::of(&refused).lines();
    assert!(lines.contains(&"setting: topic orders: retention.ms=5, was not set".to_owned()));
    assert!(lines.contains(&"no effect here: topic orders: compact".to_owned()), "{lines:?}");
    let acl = "access control: added: ALLOW User:a READ on TOPIC orders";
    assert!(lines.contains(&acl.to_owned()), "{lines:?}");
}
