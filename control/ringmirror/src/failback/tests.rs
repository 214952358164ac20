use kafka_wire::mirror_api::start_mirror_topics::StartMirrorTopicsResponse;

use super::*;

fn listed(name: &str, source_cluster_id: &str, topics: &[&str]) -> ListedMirror {
    ListedMirror {
        mirror_name: name.to_owned(),
        source_bootstrap: "one:9092".to_owned(),
        source_cluster_id: source_cluster_id.to_owned(),
        topic_count: 1,
        topic_names: Some(topics.iter().map(|topic| (*topic).to_owned()).collect()),
    }
}

fn chosen(text: &str, still: &[ListedMirror]) -> Result<Vec<String>, String> {
    let stopped = [listed("from-a", "A", &["orders", "pay"]), listed("from-c", "C", &["notes"])];
    let choice = TopicChoice::parse(text).unwrap();
    let taken = TakenOver::of(&stopped, "A");
    taken.chosen(&TakenOver::of(still, "A"), &choice).map_err(|error| error.error.to_string())
}

#[test]
fn topics_that_came_from_the_old_primary_go_back_to_it() {
    assert_eq!(chosen(".*", &[]).unwrap(), ["orders", "pay"]);
    assert_eq!(chosen("pay", &[]).unwrap(), ["pay"]);
    // Another cluster's topics are none of this.
    assert_eq!(chosen(".*", &[listed("from-c", "C", &["more"])]).unwrap(), ["orders", "pay"]);
}

#[test]
fn what_was_not_failed_over_is_refused_with_what_to_do() {
    let refused = chosen(".*", &[listed("from-a", "A", &["late"])]).unwrap_err();
    assert!(refused.contains("late is still mirrored"), "{refused}");
    assert!(refused.contains("ringmirror failover --mirror from-a"), "{refused}");
    let refused = chosen("orders,notes", &[]).unwrap_err();
    assert!(refused.starts_with("notes was never failed over"), "{refused}");
    let refused = chosen("none-.*", &[]).unwrap_err();
    assert!(refused.contains("is --from the cluster that took over?"), "{refused}");
    assert_eq!(chosen("orders", &[listed("from-a", "A", &["late"])]).unwrap(), ["orders"]);
}

#[test]
fn what_is_not_mirrored_yet_is_named() {
    let row = |partition, state: &str| PartitionRow {
        mirror: "m".to_owned(),
        topic: "orders".to_owned(),
        partition,
        source_offset: -1,
        destination_offset: -1,
        lag: -1,
        state: state.to_owned(),
        retry_attempt: 1,
        error_message: (state == "FAILED").then(|| "Detected mirror loop".to_owned()),
        lag_ms: -1,
        measured_age_ms: -1,
    };
    let report = |partitions: Vec<PartitionRow>, error_code| {
        let waited = Waited { partitions, was_interrupted: false, error: None };
        let name = "orders".to_owned();
        let started = [TopicOutcome { name, error_code, error_message: None }];
        let plan = StartMirrorTopicsResponse::outcome(0, None);
        FailbackReport::of("m", PlanReport::of(&plan), &started, &waited)
    };
    let done = report(vec![row(0, "MIRRORING")], 0);
    let line = "Mirror m follows the new primary: 1 topic(s), 1 partition(s) are mirrored";
    assert_eq!((done.lines(), done.exit_code(false)), (vec![line.to_owned()], ExitCode::Done));
    assert_eq!(done.exit_code(true), ExitCode::Interrupted);
    let late = report(vec![row(0, "MIRRORING"), row(1, "FAILED")], 0);
    assert_eq!(late.lines()[1], "not mirrored yet: orders-1 is FAILED: Detected mirror loop");
    assert_eq!(late.exit_code(false), ExitCode::Failed);
    assert_eq!(report(vec![row(0, "MIRRORING")], 146).exit_code(false), ExitCode::Failed);
    assert_eq!(report(vec![], 0).exit_code(false), ExitCode::Failed);
}

#[test]
fn what_was_asked_for_is_started_as_long_as_it_means_nothing_else() {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let choice = TopicChoice::parse(".*").unwrap();
    let topics = owned(&["a.b", "c"]);
    assert_eq!(patterns_for(&topics, &choice, &owned(&["c", "a.b"])), [".*"]);
    assert_eq!(patterns_for(&topics, &choice, &owned(&["c", "a.b", "own"])), ["c", "a\\.b"]);
}
