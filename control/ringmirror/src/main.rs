//! Mirrors Kafka topics byte for byte, offsets intact, at disk speed.
//!
//! **What it is.** The command line over `mirror-node`: one file per command, data on standard
//! output, messages on standard error.
//!
//! **Invariants.** Every command has a `--json` form and documented exit codes. Nothing decides
//! here: commands read arguments, call, print.
//!
//! **What it does not know.** Protocols, file formats, the engine's inside.
//!
//! **Reading order.** `cli`, `exit_code`, `output`, then the command you care about.

mod bench;
mod cli;
mod cluster_mirrors;
mod consent;
mod demo;
mod doctor;
mod exit_code;
mod failback;
mod failover;
mod handover;
mod import_mm2;
mod inspect;
mod mirror;
mod node;
mod node_client;
mod node_config;
mod output;
mod plan;
mod progress;
mod source_options;
mod state_wait;
mod status;
mod stop_signal;
mod table;
#[cfg(test)]
mod test_mirrors;
mod thread_cpu;
mod topic_choice;
mod verify;

use std::io::{self, IsTerminal as _, Write as _};
use std::process;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> process::ExitCode {
    let cli = Cli::parse();
    start_log();
    let mut output = Output::new(cli.json);
    let outcome = run(cli.command, &mut output);
    let flushed = output.flush();
    match outcome.and_then(|code| Ok(flushed.map(|()| code)?)) {
        Ok(code) => code.into(),
        Err(CommandError { code, error }) => {
            // A standard error nobody reads any more leaves nothing to be told.
            let _ = writeln!(io::stderr(), "ringmirror: {error:#}");
            code.into()
        }
    }
}

fn run(command: Command, output: &mut Output) -> Result<ExitCode, CommandError> {
    match command {
        Command::Mirror(args) => mirror::run(args, output),
        Command::Node(args) => node::run(&args, output),
        Command::Inspect(args) => inspect::run(&args, output),
        Command::Doctor(args) => doctor::run(&args, output),
        Command::Verify(args) => verify::run(args, output),
        Command::Handover(args) => handover::run(&args, output),
        Command::ClusterMirrors(args) => cluster_mirrors::run(&args, output),
        Command::Status(args) => status::run(&args, output),
        Command::Plan(args) => plan::run(&args, output),
        Command::Failover(args) => failover::run(&args, output),
        Command::Failback(args) => failback::run(&args, output),
        Command::ImportMm2(args) => import_mm2::run(&args, output),
        Command::Demo(args) => demo::run(&args, output),
        Command::Bench(args) => bench::run(&args, output),
        Command::BenchSource(args) => bench::run_source(&args),
    }
}

/// Messages of the libraries to standard error; `RINGMIRROR_LOG` says how many.
fn start_log() {
    let filter = EnvFilter::try_from_env("RINGMIRROR_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
