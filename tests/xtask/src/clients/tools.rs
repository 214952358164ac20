//! `cargo xtask clients tools`: what Kafka's command-line tools print about two servers.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use harness::clients::{self, Client, GroupProtocol, Program};
use harness::driver::{CreateTopic, Produce};
use harness::server_properties::ServerProperties;
use harness::tool_comparison::{
    Server, ToolCall, ToolSubjects, compare_tool, read_calls, transaction_calls, write_calls,
};
use harness::{ClusterOptions, Driver, Kafka, KafkaCluster, KafkaRelease, TempDir, hand_over};
use serde_json::{Value, json};

use super::mirrored_node::{self, MirroredNode};
use super::stock_broker;

/// Two servers over equal data; without any, a node and a stock broker, the broker over a copy of
/// the node's directory that was handed over.
#[derive(Debug, Args)]
pub(crate) struct ToolsCommand {
    /// Two stock brokers over copies of one directory instead: the comparison itself, that is
    #[arg(long, conflicts_with = "stock")]
    twins: bool,
    /// The stock broker that says what must be printed
    #[arg(long, requires_all = ["stock_log_dir", "checked"])]
    stock: Option<String>,
    /// Its log directory
    #[arg(long)]
    stock_log_dir: Option<PathBuf>,
    /// The server to check
    #[arg(long, requires_all = ["checked_log_dir", "stock"])]
    checked: Option<String>,
    /// Its log directory
    #[arg(long)]
    checked_log_dir: Option<PathBuf>,
    /// Node ids of the stock broker and of the checked server
    #[arg(long, num_args = 2, default_values_t = [1, 1])]
    node_ids: Vec<i32>,
    /// A topic that both have
    #[arg(long, default_value = stock_broker::CODECS)]
    topic: String,
    /// A topic with transactions that both have
    #[arg(long, default_value = stock_broker::TRANSACTIONS)]
    transactional_topic: String,
    /// A group with committed offsets of the topic
    #[arg(long, default_value = GROUP)]
    group: String,
    /// A transactional id that both coordinators know
    #[arg(long)]
    transactional_id: Option<String>,
    /// Leave out the calls that create, change and delete a topic and a group
    #[arg(long)]
    reads_only: bool,
    /// Leave out the calls whose names begin so; may be repeated
    #[arg(long)]
    except: Vec<String>,
    /// Only the calls whose names begin so; may be repeated
    #[arg(long)]
    only: Vec<String>,
}

/// Compares tool after tool, prints the differences, and fails when there are any.
pub(super) fn run(command: &ToolsCommand) -> Result<()> {
    let temp_dir = TempDir::new("tools")?;
    let mut calls = read_calls(&ToolSubjects {
        topic: command.topic.clone(),
        transactional_topic: command.transactional_topic.clone(),
        group: command.group.clone(),
    });
    if !command.reads_only {
        calls.extend(write_calls(temp_dir.path())?);
    }
    if let Some(id) = &command.transactional_id {
        calls.extend(transaction_calls(id));
    }
    if let Some((stock, checked)) = command.servers() {
        return compare(&command.chosen(calls), &stock, &checked);
    }
    if command.twins {
        calls.extend(transaction_calls(stock_broker::TRANSACTIONAL_ID));
        let twins = twins(temp_dir.path())?;
        let mut servers = Vec::new();
        for twin in &twins {
            let (bootstrap, log_dir) = (twin.bootstrap_servers(), twin.log_dir(1)?);
            servers.push(Server { bootstrap, node_id: 1, log_dir });
        }
        return compare(&command.chosen(calls), &servers[0], &servers[1]);
    }
    let (data_dir, source) = mirrored(temp_dir.path())?;
    let handed_over = temp_dir.join("handed-over");
    copy(&data_dir, &handed_over)?;
    let broker = Kafka::acquire()
        .start_on_directory(KafkaRelease::V4, &hand_over(&handed_over, BROKER, KAFKA_VERSION)?)?;
    let node = MirroredNode::start(&data_dir, &source, "READ_ONLY_TOPIC")?;
    let stock =
        Server { bootstrap: broker.bootstrap_servers(), node_id: BROKER, log_dir: handed_over };
    let checked = Server { bootstrap: node.bootstrap.clone(), node_id: NODE, log_dir: data_dir };
    compare(&command.chosen(calls), &stock, &checked)?;
    node.stop()
}

/// The directory of a stopped node that has mirrored, and where its source was.
fn mirrored(work_dir: &Path) -> Result<(PathBuf, String)> {
    let data_dir = work_dir.join("data");
    let mut source = mirrored_node::source()?;
    let bootstrap = source.bootstrap_servers();
    let mut node = MirroredNode::start(&data_dir, &bootstrap, "READ_ONLY_TOPIC")?;
    node.await_all_of(&source)?;
    let local = CreateTopic::new(mirrored_node::LOCAL, 3);
    node.driver.create_topic(&local.config("max.message.bytes", "200000"))?;
    let records = Produce::new(mirrored_node::LOCAL, 0, 20);
    node.driver.produce(&records.idempotent_as("at the node"))?;
    commit(&node.driver)?;
    join(&node.bootstrap, work_dir)?;
    node.stop()?;
    source.stop()?;
    Ok((data_dir, bootstrap))
}

/// A group that had a member.
fn join(bootstrap: &str, work_dir: &Path) -> Result<()> {
    let java = clients::install(Client::Java, work_dir)?;
    let mut program = Program::start(&java, bootstrap, work_dir)?;
    let protocol = GroupProtocol::Classic.name();
    let _: Value = program.ask(&json!({
        "action": "group", "topic": stock_broker::CODECS, "group": "joined", "count": 300,
        "protocol": protocol,
    }))?;
    Ok(())
}

/// Offsets of a group without members.
fn commit(driver: &Driver) -> Result<()> {
    driver.commit_group(GROUP, stock_broker::CODECS, 0, 11)?;
    driver.commit_group(GROUP, stock_broker::CODECS, 2, 22)
}

impl ToolsCommand {
    fn servers(&self) -> Option<(Server, Server)> {
        let server = |bootstrap: &Option<String>, log_dir: &Option<PathBuf>, node_id| {
            Some(Server { bootstrap: bootstrap.clone()?, node_id, log_dir: log_dir.clone()? })
        };
        Some((
            server(&self.stock, &self.stock_log_dir, self.node_ids[0])?,
            server(&self.checked, &self.checked_log_dir, self.node_ids[1])?,
        ))
    }

    fn chosen(&self, mut calls: Vec<ToolCall>) -> Vec<ToolCall> {
        let begins = |call: &ToolCall, with: &[String]| {
            with.iter().any(|beginning| call.name.starts_with(beginning.as_str()))
        };
        calls.retain(|call| self.only.is_empty() || begins(call, &self.only));
        calls.retain(|call| !begins(call, &self.except));
        calls
    }
}

fn compare(calls: &[ToolCall], stock: &Server, checked: &Server) -> Result<()> {
    let mut out = io::stdout().lock();
    let mut different = 0;
    for call in calls {
        let report = compare_tool(KafkaRelease::V4, call, stock, checked)?;
        let word = if report.differences.is_empty() { "pass" } else { "FAIL" };
        writeln!(out, "{:30}  {word}  {:5} lines", report.name, report.lines)?;
        for line in &report.differences {
            writeln!(out, "    {line}")?;
        }
        different += usize::from(!report.differences.is_empty());
    }
    writeln!(out, "{} passed, {different} failed", calls.len() - different)?;
    if different > 0 {
        bail!("{different} tools print something else about the checked server");
    }
    Ok(())
}

/// Two stock brokers, each over its own copy of one filled directory.
fn twins(work_dir: &Path) -> Result<Vec<KafkaCluster>> {
    let kafka = Kafka::acquire();
    let mut source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    stock_broker::fill(source.driver())?;
    commit(source.driver())?;
    source.stop()?;
    let mut twins = Vec::new();
    for name in ["one", "other"] {
        let log_dir = work_dir.join(name);
        copy(&source.log_dir(1)?, &log_dir)?;
        let mut properties = ServerProperties::read(&source.properties_path(1)?)?;
        properties.set("log.dirs", log_dir.display().to_string());
        let path = work_dir.join(format!("{name}.properties"));
        properties.write(&path)?;
        twins.push(kafka.start_on_directory(KafkaRelease::V4, &path)?);
    }
    Ok(twins)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

const GROUP: &str = "idle";
/// The node by default, and the broker: nothing may depend on their ids.
const NODE: i32 = 1;
const BROKER: i32 = 7;
/// What the broker is.
const KAFKA_VERSION: &str = "4.2";
