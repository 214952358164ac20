use std::path::PathBuf;

use super::{Normalisation, Server, differences};

fn server(node_id: i32) -> Server {
    Server { bootstrap: "127.0.0.1:9092".to_owned(), node_id, log_dir: PathBuf::from("/data/logs") }
}

#[track_caller]
fn check(line: &str, node_id: i32, expected: &str) {
    let mut lines = vec![line.to_owned()];
    for one in Normalisation::ALWAYS {
        one.apply(&mut lines, &server(node_id));
    }
    assert_eq!(lines, [expected]);
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

#[test]
fn addresses_node_ids_and_column_widths_are_named() {
    check("group  127.0.0.1:9092  (1)  range", 1, "group <broker> (<node>) range");
    check("at 127.0.0.1/127.0.0.1:9092 (id: 7 rack: null)", 7, NODE_IN_LOG);
}

#[test]
fn a_node_id_is_named_only_where_tools_print_one() {
    check("Partition: 1\tLeader: 1\tIsr: 1", 1, "Partition: 1 Leader: <node> Isr: <node>");
}

#[test]
fn another_node_is_not_taken_for_the_server() {
    check("Leader: 12", 1, "Leader: 12");
    check("Leader: 2", 1, "Leader: 2");
}

#[test]
fn log_directories_and_the_order_in_json_do_not_matter() {
    check(
        r#"{"broker":1,"logDir":"/data/logs","partitions":["b","a"]}"#,
        1,
        r#"{"broker":<node>,"logDir":"<log dir>","partitions":["a","b"]}"#,
    );
}

#[test]
fn the_id_of_a_new_topic_does_not_matter() {
    let mut lines = owned(&["Topic: made\tTopicId: 6UnHvZ\tPartitionCount: 3", "Topic: made"]);
    Normalisation::NewTopicId.apply(&mut lines, &server(1));
    assert_eq!(lines, ["Topic: made\tTopicId: <new>\tPartitionCount: 3", "Topic: made"]);
}

#[test]
fn the_duration_of_a_transaction_does_not_matter() {
    let mut lines = owned(&["ended", "Id  TransactionDurationMs  Topics", "a   77    t-0,t-1"]);
    Normalisation::TransactionDuration.apply(&mut lines, &server(1));
    assert_eq!(lines[2], "a <duration> t-0,t-1");
}

const NODE_IN_LOG: &str = "at <broker> (id: <node> rack: null)";

#[test]
fn equal_lines_differ_nowhere() {
    assert_eq!(differences(&owned(&["a", "b"]), &owned(&["a", "b"])), [""; 0]);
}

#[test]
fn missing_and_added_lines_are_told_with_their_side() {
    let differences = differences(&owned(&["a", "b", "c"]), &owned(&["a", "c", "d"]));
    assert_eq!(differences, ["- b", "+ d"]);
}

#[test]
fn the_topic_of_mirror_states_does_not_matter_and_every_other_does() {
    let mut lines = owned(&["__consumer_offsets", "__mirror_state", "orders"]);
    Normalisation::MirrorStates.apply(&mut lines, &server(1));
    assert_eq!(lines, ["__consumer_offsets", "orders"]);
}
