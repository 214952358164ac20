//! The tools and their arguments.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Normalisation, ToolCall};

/// What both servers have.
#[derive(Clone, Debug)]
pub struct ToolSubjects {
    /// A topic.
    pub topic: String,
    /// A topic with transactions.
    pub transactional_topic: String,
    /// A group without members that has committed offsets of `topic`.
    pub group: String,
}

/// Every tool that changes nothing.
#[must_use]
pub fn read_calls(subjects: &ToolSubjects) -> Vec<ToolCall> {
    let ToolSubjects { topic, transactional_topic, group } = subjects;
    let mut calls = vec![
        topics("topics list", "--list --exclude-internal"),
        topics("topics describe", &format!("--describe --topic {topic}")),
        topics("topics describe all", "--describe --exclude-internal"),
        topics("topics describe missing", "--describe --topic missing"),
        topics("topics overrides", "--describe --topics-with-overrides --exclude-internal"),
        topics("topics unavailable", "--describe --unavailable-partitions"),
        configs("configs topic", &format!("--entity-type topics --entity-name {topic} --describe")),
        configs(
            "configs topic all",
            &format!("--entity-type topics --entity-name {topic} --describe --all"),
        ),
        configs("configs all topics", "--entity-type topics --describe --all"),
        configs("configs broker", "--entity-type brokers --entity-name {node} --describe"),
        configs("configs all brokers", "--entity-type brokers --describe"),
        configs("configs all groups", "--entity-type groups --describe"),
        configs("configs all client metrics", "--entity-type client-metrics --describe"),
        call("client metrics list", CLIENT_METRICS, "--list"),
        call("client metrics describe", CLIENT_METRICS, "--describe"),
    ];
    for (name, what) in [
        ("offsets latest", ""),
        ("offsets earliest", "--time -2"),
        ("offsets max timestamp", "--time -3"),
        ("offsets by timestamp", "--time 1000"),
    ] {
        let args = format!("--topic-partitions {topic},{transactional_topic} {what}");
        calls.push(call(name, GET_OFFSETS, &args));
    }
    calls.extend([
        groups("groups list", "--list"),
        groups("groups list states", "--list --state"),
        groups("groups list types", "--list --type"),
        groups("groups describe all", "--describe --all-groups"),
        call("all groups list", "org.apache.kafka.tools.GroupsCommand", "--list"),
        groups("groups describe", &format!("--describe --group {group}")),
        groups("groups describe state", &format!("--describe --group {group} --state")),
        groups("groups describe members", &format!("--describe --group {group} --members")),
        groups("groups describe missing", "--describe --group missing"),
        groups(
            "groups reset dry",
            &format!("--reset-offsets --group {group} --topic {topic} --to-earliest --dry-run"),
        ),
        call("acls list", ACLS, "--list"),
        call("reassignments list", REASSIGNMENTS, "--list"),
        call(
            "elect leader",
            "org.apache.kafka.tools.LeaderElectionCommand",
            &format!("--election-type preferred --topic {topic} --partition 0"),
        ),
        call("log dirs", LOG_DIRS, &format!("--describe --topic-list {topic}")),
        transactions(
            "producers",
            &format!("describe-producers --topic {transactional_topic} --partition 0"),
        ),
    ]);
    for (name, topic, isolation) in [
        ("consumer", topic, "uncommitted"),
        ("consumer uncommitted", transactional_topic, "uncommitted"),
        ("consumer committed", transactional_topic, "committed"),
    ] {
        let print = "--formatter-property print.timestamp=true";
        calls.push(consumer(name, topic, &format!("{print} --isolation-level read_{isolation}")));
    }
    calls
}

/// The other tools, on a topic and a group that they make and remove; in this order.
///
/// # Errors
/// When the file for `kafka-delete-records` cannot be written to `work_dir`.
pub fn write_calls(work_dir: &Path) -> Result<Vec<ToolCall>> {
    let partitions = r#"{"topic": "made", "partition": 0, "offset": 2}"#;
    let file = work_dir.join("delete-records.json");
    fs::write(&file, format!(r#"{{"version": 1, "partitions": [{partitions}]}}"#))
        .with_context(|| format!("write {}", file.display()))?;
    let delete_records = format!("--offset-json-file {}", file.display());
    let made = "--entity-type topics --entity-name made";
    Ok(vec![
        topics("topics create", "--create --topic made --partitions 1 --config retention.ms=-1"),
        topics("topics create again", "--create --topic made --partitions 1"),
        produce("producer", "one\ttext\ntwo\ttext\nthree\ttext\nfour\ttext\n"),
        topics("topics add partitions", "--alter --topic made --partitions 3"),
        topics("topics remove partitions", "--alter --topic made --partitions 1"),
        topics("topics describe made", "--describe --topic made"),
        configs("configs alter", &format!("{made} --alter --add-config max.message.bytes=99999")),
        configs("configs unknown", &format!("{made} --alter --add-config no.such.config=1")),
        configs("configs altered", &format!("{made} --describe")),
        consumer("consumer group", "made", "--group made-group"),
        groups("groups made", "--describe --group made-group"),
        groups(
            "groups reset",
            "--reset-offsets --group made-group --topic made --to-earliest --execute",
        ),
        groups("groups after reset", "--describe --group made-group"),
        groups("groups delete offsets", "--delete-offsets --group made-group --topic made"),
        groups("groups delete", "--delete --group made-group"),
        groups("groups delete again", "--delete --group made-group"),
        call("delete records", DELETE_RECORDS, &delete_records),
        call("offsets after delete", GET_OFFSETS, "--topic made --time -2"),
        topics("topics delete", "--delete --topic made"),
        topics("topics delete again", "--delete --topic made"),
    ])
}

/// The tools of stock Kafka that need a coordinator of transactions.
#[must_use]
pub fn transaction_calls(transactional_id: &str) -> Vec<ToolCall> {
    let describe = format!("describe --transactional-id {transactional_id}");
    vec![
        transactions("transactions list", "list"),
        transactions("transactions describe", &describe),
    ]
}

fn topics(name: &'static str, args: &str) -> ToolCall {
    let mut call = call(name, "org.apache.kafka.tools.TopicCommand", args);
    if args.contains("made") {
        call.normalisations.insert(0, Normalisation::NewTopicId);
    }
    call
}

fn configs(name: &'static str, args: &str) -> ToolCall {
    call(name, "kafka.admin.ConfigCommand", args)
}

fn groups(name: &'static str, args: &str) -> ToolCall {
    call(name, GROUPS, args)
}

/// The console consumer of all there is, which then waits for more for a while.
fn consumer(name: &'static str, topic: &str, more: &str) -> ToolCall {
    let prints = ["offset", "headers", "key", "partition"]
        .map(|what| format!("--formatter-property print.{what}=true"))
        .join(" ");
    let args = format!("--topic {topic} --from-beginning --timeout-ms 3000 {prints} {more}");
    call(name, "org.apache.kafka.tools.consumer.ConsoleConsumer", &args)
}

fn produce(name: &'static str, input: &'static str) -> ToolCall {
    let args = "--topic made --reader-property parse.key=true";
    let call = call(name, "org.apache.kafka.tools.ConsoleProducer", args);
    ToolCall { input, ..call }
}

fn transactions(name: &'static str, args: &str) -> ToolCall {
    let mut call = call(name, "org.apache.kafka.tools.TransactionsCommand", args);
    call.normalisations.insert(0, Normalisation::TransactionDuration);
    call
}

fn call(name: &'static str, main_class: &'static str, args: &str) -> ToolCall {
    let server = ["--bootstrap-server", "{bootstrap}"];
    let args = server.into_iter().chain(args.split_whitespace()).map(str::to_owned).collect();
    let normalisations = Normalisation::ALWAYS.to_vec();
    ToolCall { name, main_class, args, input: "", normalisations }
}

pub(super) const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CLIENT_METRICS: &str = "org.apache.kafka.tools.ClientMetricsCommand";
const GET_OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const REASSIGNMENTS: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
