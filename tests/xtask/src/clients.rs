//! `cargo xtask clients`: real Kafka clients against a cluster, by default `ringmirror node`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::{Args, Subcommand};
use harness::clients::{self, Client, ClientReport, GroupProtocol, Matrix, Outcome, Refusal};

use self::tools::ToolsCommand;
use crate::repository;

mod mirrored_node;
mod stock_broker;
mod table;
mod tools;

/// Which cluster, and which clients.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ClientsCommand {
    #[command(subcommand)]
    tools: Option<Tools>,
    /// Cluster to check; without it a node that mirrors a stock broker, which is filled for it
    #[arg(long)]
    bootstrap: Option<String>,
    /// Check a stock broker instead: the client programs themselves, that is
    #[arg(long, conflicts_with = "bootstrap")]
    stock: bool,
    /// Cluster that says what must be consumed; without it the checked one, read with Kafka's own
    /// client
    #[arg(long, requires = "bootstrap")]
    source: Option<String>,
    /// Topic to consume; may be repeated. Groups consume the first, which has several partitions
    /// and no transactions
    #[arg(long = "read-topic", requires = "bootstrap")]
    read_topics: Vec<String>,
    /// Topic to produce to
    #[arg(long, requires = "bootstrap")]
    write_topic: Option<String>,
    /// Topic that must refuse records
    #[arg(long, requires = "bootstrap")]
    read_only_topic: Option<String>,
    /// Error code with which it refuses them
    #[arg(long, default_value_t = READ_ONLY_TOPIC)]
    read_only_code: i16,
    /// Leave out the group protocol of KIP-848
    #[arg(long)]
    classic_groups_only: bool,
    /// Only this client; may be repeated
    #[arg(long)]
    only: Vec<Client>,
    /// Print a JSON document instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Tools {
    /// Kafka's command-line tools: compare what they print about two servers
    Tools(ToolsCommand),
}

/// Runs the matrix, prints it, and fails when anything in it does.
pub(crate) fn run(command: ClientsCommand) -> Result<()> {
    if let Some(Tools::Tools(command)) = command.tools {
        return tools::run(&command);
    }
    let only = &command.only;
    let chosen: Vec<Client> =
        Client::ALL.into_iter().filter(|client| only.is_empty() || only.contains(client)).collect();
    let json = command.json;
    let reports = match &command.bootstrap {
        None if command.stock => stock_broker::check(&chosen, &install_dir())?,
        None => mirrored_node::check(&chosen, &command.group_protocols(), &install_dir())?,
        Some(bootstrap) => {
            ensure!(!command.read_topics.is_empty(), "--bootstrap needs a --read-topic");
            let matrix = command.matrix(bootstrap);
            clients::run(&matrix, &chosen, &install_dir())?
        }
    };
    if json {
        table::print_json(&reports)?
    } else {
        table::print(&reports)?
    }
    judge(&reports)
}

impl ClientsCommand {
    fn matrix(&self, bootstrap: &str) -> Matrix {
        let refusal = |topic: &String| Refusal { topic: topic.clone(), code: self.read_only_code };
        Matrix {
            bootstrap: bootstrap.to_owned(),
            source: self.source.clone(),
            read_topics: self.read_topics.clone(),
            write_topic: self.write_topic.clone(),
            refused: self.read_only_topic.as_ref().map(refusal),
            group_protocols: self.group_protocols(),
        }
    }

    fn group_protocols(&self) -> Vec<GroupProtocol> {
        match self.classic_groups_only {
            true => vec![GroupProtocol::Classic],
            false => GroupProtocol::ALL.to_vec(),
        }
    }
}

fn judge(reports: &[ClientReport]) -> Result<()> {
    let failed = |one: &&clients::Finding| matches!(one.outcome, Outcome::Failed(_));
    let failures = reports.iter().flat_map(|report| &report.findings).filter(failed).count();
    let skipped = reports.iter().filter(|report| report.skipped.is_some()).count();
    let skips_allowed = env::var("CI").map_or(true, |ci| ci != "true");
    if failures > 0 || (skipped > 0 && !skips_allowed) {
        bail!("{failures} checks failed, {skipped} clients skipped");
    }
    Ok(())
}

/// Beside everything else that is built: gone with it, never in a home directory.
fn install_dir() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| Path::new("target").to_owned(), PathBuf::from);
    repository::root().join(target).join("clients")
}

/// The error of KIP-1279.
const READ_ONLY_TOPIC: i16 = 134;
