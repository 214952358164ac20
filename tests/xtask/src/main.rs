//! Repository tasks: `cargo xtask ci`, `... clients`, `... fuzz`, `... instructions`, `... kafka`,
//! `... golden`.

mod ci;
mod clients;
mod fuzz;
mod golden;
mod instructions;
mod kafka;
mod repository;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::clients::ClientsCommand;
use crate::kafka::KafkaCommand;

/// Tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Exactly what CI runs: tests, format, lints, docs, simulation, smoke of benches and fuzzers,
    /// clients and tools
    Ci {
        /// Seeds to simulate
        #[arg(long, default_value_t = ci::SIMULATED_SEEDS)]
        seeds: u64,
    },
    /// Real Kafka clients in five languages against a cluster, by default `ringmirror node`
    Clients(Box<ClientsCommand>),
    /// Build the fuzz targets and run them
    Fuzz {
        /// The target; all of them when none is named
        target: Option<String>,
        /// How long each target runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Count the instructions of the micro benchmarks with valgrind; fails when they are not those
    /// recorded in benches/instructions.toml
    Instructions {
        /// Record what is counted
        #[arg(long)]
        record: bool,
    },
    /// Real Apache Kafka: fetch it, start and stop brokers on loopback, run its tools
    #[command(subcommand)]
    Kafka(KafkaCommand),
    /// Capture tests/golden anew from real brokers
    Golden,
}

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Ci { seeds } => ci::run(seeds),
        Task::Clients(command) => clients::run(*command),
        Task::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Task::Instructions { record } => instructions::run(record),
        Task::Kafka(command) => kafka::run(command),
        Task::Golden => golden::run(),
    }
}
