//! `cargo xtask kafka`: real Apache Kafka for work by hand.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use harness::java_process::{Lifetime, STOP_WAIT, terminate};
use harness::{ClusterOptions, Kafka, KafkaCluster, KafkaRelease, kafka_jars, run_tool};

/// What to do with Kafka.
#[derive(Debug, Subcommand)]
pub(crate) enum KafkaCommand {
    /// Fetch the jars of all releases into the cache and print where they are
    Fetch,
    /// Start a new cluster that stays; prints its bootstrap servers
    Start {
        /// The release: 4 or 3.9
        #[arg(long, default_value = "4")]
        release: KafkaRelease,
        /// Number of brokers
        #[arg(long, default_value_t = 1)]
        brokers: i32,
        /// Directory for data, configuration and output; must be new or empty
        #[arg(long)]
        dir: PathBuf,
        /// Broker configuration on top, as key=value; may be repeated
        #[arg(long = "config", value_parser = key_and_value)]
        configs: Vec<(String, String)>,
    },
    /// Stop the cluster that was started in a directory
    Stop {
        /// The directory given to start
        #[arg(long)]
        dir: PathBuf,
    },
    /// Run one of Kafka's tools, for example kafka.tools.StorageTool
    Tool {
        /// The release: 4 or 3.9
        #[arg(long, default_value = "4")]
        release: KafkaRelease,
        /// The main class; "dump" stands for the tool that dumps log segments
        main_class: String,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Runs the command.
pub(crate) fn run(command: KafkaCommand) -> Result<()> {
    match command {
        KafkaCommand::Fetch => fetch(),
        KafkaCommand::Start { release, brokers, dir, configs } => {
            let options = ClusterOptions {
                brokers,
                configs,
                directory: Some(dir.clone()),
                lifetime: Lifetime::Detached,
                ..ClusterOptions::default()
            };
            start(release, options, &dir)
        }
        KafkaCommand::Stop { dir } => stop(&dir),
        KafkaCommand::Tool { release, main_class, args } => tool(release, &main_class, &args),
    }
}

fn fetch() -> Result<()> {
    for release in KafkaRelease::ALL {
        say(&format!("{}\n", kafka_jars::fetch(release)?.display()))?;
    }
    Ok(())
}

fn start(release: KafkaRelease, options: ClusterOptions, dir: &Path) -> Result<()> {
    let in_use = dir.exists() && fs::read_dir(dir)?.next().is_some();
    ensure!(!in_use, "{} is not empty; give a new directory", dir.display());
    let mut cluster = Kafka::acquire().start(release, options)?;
    if let Err(error) = note_processes(&cluster, dir) {
        cluster.kill()?;
        return Err(error);
    }
    eprintln!("Apache Kafka {release} runs in {}; to stop it:", dir.display());
    eprintln!("  cargo xtask kafka stop --dir {}", dir.display());
    say(&format!("{}\n", cluster.bootstrap_servers()))
}

/// Writes one line per process, node id and process id, for [`stop`].
fn note_processes(cluster: &KafkaCluster, dir: &Path) -> Result<()> {
    let lines = cluster.pids().into_iter().map(|(node, pid)| format!("{node} {pid}\n"));
    Ok(fs::write(dir.join(PROCESSES), lines.collect::<String>())?)
}

fn stop(dir: &Path) -> Result<()> {
    let dir = dir.canonicalize().with_context(|| format!("no directory {}", dir.display()))?;
    let list = dir.join(PROCESSES);
    let text = fs::read_to_string(&list)
        .with_context(|| format!("no cluster was started in {}", dir.display()))?;
    let mut pids = BTreeMap::new();
    for line in text.lines() {
        let (node, pid) = line.split_once(' ').context("processes: a line is no pair")?;
        pids.insert(node.parse::<i32>()?, pid.parse::<u32>()?);
    }
    // Node 1 is the controller, which the others need for a controlled stop.
    for (node, pid) in pids.into_iter().rev() {
        if is_our_broker(pid, &dir) {
            terminate(pid)?;
            await_end(pid, &dir)?;
            eprintln!("node {node} stopped");
        } else {
            eprintln!("node {node} was not running");
        }
    }
    Ok(fs::remove_file(&list)?)
}

/// Whether `pid` is still the broker that was started: the number may belong to another by now.
fn is_our_broker(pid: u32, dir: &Path) -> bool {
    let Ok(command_line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let command_line = String::from_utf8_lossy(&command_line).into_owned();
    command_line.contains("kafka.Kafka") && command_line.contains(&dir.display().to_string())
}

fn await_end(pid: u32, dir: &Path) -> Result<()> {
    let deadline = Instant::now() + STOP_WAIT;
    while is_our_broker(pid, dir) {
        if Instant::now() > deadline {
            bail!("process {pid} is still there after {STOP_WAIT:?}");
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn tool(release: KafkaRelease, main_class: &str, args: &[String]) -> Result<()> {
    let main_class = if main_class == "dump" { release.dump_log_segments() } else { main_class };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    say(&run_tool(release, main_class, &args)?)
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn say(text: &str) -> Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

const PROCESSES: &str = "processes";
