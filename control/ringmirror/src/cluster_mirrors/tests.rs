use kafka_wire::mirror_api::list_cluster_mirrors::ListedMirror;

use super::*;
use crate::test_mirrors::{mirror, partition};

fn outcome(name: &str, error_code: i16, message: Option<&str>) -> TopicOutcome {
    TopicOutcome { name: name.to_owned(), error_code, error_message: message.map(str::to_owned) }
}

fn known() -> MirrorTopics {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    MirrorTopics {
        mirroring: owned(&["orders", "payments"]),
        paused: owned(&["paused"]),
        stopped: owned(&["stopped"]),
    }
}

fn choose(action: TopicAction, text: &str) -> (Vec<String>, bool) {
    let choice = TopicChoice::parse(text).unwrap();
    let Chosen { topics, is_done_already, .. } = chosen_of(action, &choice);
    (topics, is_done_already)
}

fn chosen_of(action: TopicAction, choice: &TopicChoice) -> Chosen {
    chosen(action, choice, &known(), &["payments".to_owned(), "stopped".to_owned()])
}

fn expected(topics: &[&str], is_done_already: bool) -> (Vec<String>, bool) {
    (topics.iter().map(|name| (*name).to_owned()).collect(), is_done_already)
}

#[test]
fn an_expression_means_the_topics_that_the_action_changes_something_for() {
    let all = |action| choose(action, ".*");
    assert_eq!(all(TopicAction::Stop), expected(&["orders", "paused", "payments"], false));
    assert_eq!(all(TopicAction::Pause), expected(&["orders", "payments"], false));
    assert_eq!(all(TopicAction::Resume), expected(&["paused"], false));
    assert_eq!(all(TopicAction::Recover), expected(&["payments", "stopped"], false));
}

#[test]
fn what_is_where_it_is_to_come_is_no_mistake_and_a_name_nobody_knows_is_the_nodes_to_judge() {
    assert_eq!(choose(TopicAction::Stop, "stopped"), expected(&[], true));
    assert_eq!(choose(TopicAction::Pause, "pau.*"), expected(&[], true));
    assert_eq!(choose(TopicAction::Resume, "orders"), expected(&[], true));
    assert_eq!(choose(TopicAction::Recover, "orders"), expected(&[], true));
    assert_eq!(choose(TopicAction::Stop, "none-.*"), expected(&[], false));
    assert_eq!(
        choose(TopicAction::Pause, "missing,ord.*"),
        expected(&["orders", "missing"], false)
    );
}

#[test]
fn what_matches_and_cannot_be_had_is_told_with_its_state() {
    let told = |action, text| {
        let choice = TopicChoice::parse(text).unwrap();
        nothing_text(action, "m", &chosen_of(action, &choice))
    };
    for (action, verb) in [(TopicAction::Pause, "Paused"), (TopicAction::Resume, "Resumed")] {
        assert_eq!(
            told(action, "stop.*"),
            format!(
                "{verb} no topics in mirror m: 1 that match are STOPPED, such as stopped; --start \
                 mirrors them again"
            )
        );
        let none = format!("{verb} no topics in mirror m: none matches");
        assert_eq!(told(action, "none-.*"), none);
    }
    assert_eq!(
        told(TopicAction::Pause, "paused"),
        "Paused no topics in mirror m: all that match are so already"
    );
    assert_eq!(
        told(TopicAction::Recover, "orders"),
        "Recovered no topics in mirror m: none of those that match has failed"
    );
}

#[test]
fn outcomes_are_told_by_topic() {
    let lines = |outcomes: &[TopicOutcome]| outcome_lines("Stopped", "dc1", outcomes, "nothing");
    assert_eq!(lines(&[]), ["nothing"]);
    let both = [
        outcome("orders", 0, None),
        outcome("other", 139, Some("it belongs to dc2")),
        outcome("payments", 0, None),
        outcome("odd", 3, None),
    ];
    assert_eq!(
        lines(&both),
        [
            "Stopped 2 topic(s) in mirror dc1: [orders, payments]",
            "other: TOPIC_NOT_IN_CLUSTER_MIRROR (139): it belongs to dc2",
            "odd: UNKNOWN_TOPIC_OR_PARTITION (3)",
        ]
    );
}

#[test]
fn of_many_topics_some_are_named() {
    let many = |code| (0..3_000).map(move |index| outcome(&format!("t{index}"), code, None));
    let outcomes: Vec<TopicOutcome> = many(0).chain(many(3)).collect();
    let lines = outcome_lines("Started", "dc1", &outcomes, "nothing");
    assert!(lines[0].starts_with("Started 3000 topic(s) in mirror dc1: [t0, t1, "), "{}", lines[0]);
    assert!(lines[0].ends_with(", t19] and 2980 more, which --json lists"), "{}", lines[0]);
    assert_eq!(lines.len(), 52);
    assert_eq!(lines[51], "and 2950 more were refused, which --json lists");
}

#[test]
fn the_settings_of_a_mirror_are_there_once() {
    let read = settings("bootstrap.servers=a:1,b:2\n# why\ntopics.exclude = x\n").unwrap();
    let read: Vec<(&str, &str)> =
        read.iter().map(|setting| (setting.key.as_str(), setting.value.as_str())).collect();
    assert_eq!(read, [("bootstrap.servers", "a:1,b:2"), ("topics.exclude", "x")]);
    assert_eq!(settings("a=1\nb=2\na=3").unwrap_err(), "line 3: a is set twice");
    assert!(settings("# nothing").unwrap_err().contains("bootstrap.servers=HOST:PORT"));
}

fn listed(name: &str, id: &str) -> ListedMirrorRow {
    ListedMirror {
        mirror_name: name.to_owned(),
        source_bootstrap: "one:9092,two:9092".to_owned(),
        source_cluster_id: id.to_owned(),
        topic_count: 2,
        topic_names: Some(vec!["orders".to_owned(), "payments".to_owned()]),
    }
    .into()
}

#[test]
fn mirrors_are_listed_in_the_columns_of_the_kip() {
    let lines = listed_lines(&[listed("from-a", "5L6g3nShT-eMCtK--X86sw"), listed("b", "")]);
    assert_eq!(
        lines,
        [
            "MIRROR  TOPICS  SOURCE-CLUSTER-ID       SOURCE-BOOTSTRAP-SERVER",
            "from-a  2       5L6g3nShT-eMCtK--X86sw  one:9092,two:9092",
            "b       2       -                       one:9092,two:9092",
        ]
    );
    assert_eq!(listed_lines(&[]), ["No mirrors found"]);
    let json = serde_json::to_string(&listed("b", "abc")).unwrap();
    let expected = [
        r#"{"mirror":"b","topics":2,"sourceClusterId":"abc","#,
        r#""sourceBootstrapServer":"one:9092,two:9092","topicNames":["orders","payments"]}"#,
    ];
    assert_eq!(json, expected.concat());
}

fn described() -> Vec<kafka_wire::mirror_api::describe_cluster_mirrors::DescribedMirror> {
    let mut failed = partition(1, "FAILED", -1, 7);
    failed.retry_attempt = 3;
    failed.error_message = Some(format!("source\ngone {}", "x".repeat(200)));
    let mut lost = partition(2, "FAILED", 5, 9);
    lost.retry_attempt = -1;
    let fine = partition(0, "MIRRORING", 1_000, 900);
    vec![mirror("dc1", &[("orders", vec![fine, failed, lost])])]
}

#[test]
fn partitions_are_described_in_the_columns_of_the_kip() {
    let rows: Vec<PartitionRow> = tables::rows(&described()).collect();
    assert_eq!(
        partition_lines(&rows),
        [
            "MIRROR  TOPIC   PARTITION  SOURCE-OFFSET  DESTINATION-OFFSET  LAG  STATE",
            "dc1     orders  0          1000           900                 100  MIRRORING",
            "dc1     orders  1          -              7                   -    FAILED",
            "dc1     orders  2          5              9                   0    FAILED",
        ]
    );
    assert_eq!(partition_lines(&[]), ["No mirror partitions found"]);
    let json = serde_json::to_value(&rows[0]).unwrap();
    let names = ["mirror", "topic", "partition", "sourceOffset", "destinationOffset", "lag"];
    for name in names.iter().chain(&["state", "retryAttempt", "errorMessage"]) {
        assert!(json.get(name).is_some(), "{name} is missing in {json}");
    }
}

#[test]
fn failed_partitions_are_shown_with_their_tries_and_the_beginning_of_the_error() {
    let rows = failed_rows(&described());
    let error = format!("source gone {}", "x".repeat(68));
    assert_eq!(
        failed_lines(&rows, "20"),
        [
            "MIRROR  TOPIC   PARTITION  RETRY         ERROR".to_owned(),
            format!("dc1     orders  1          3/20          {error}"),
            "dc1     orders  2          NonRetryable  -".to_owned(),
        ]
    );
    assert_eq!(failed_lines(&[], "20"), ["No failed partitions found"]);
}
