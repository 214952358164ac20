//! Repository tasks: `cargo xtask ci`, `cargo xtask kafka ...`, `cargo xtask golden`.

mod ci;
mod golden;
mod kafka;
mod repository;

use anyhow::Result;
use clap::{Parser, Subcommand};

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
    /// Exactly what CI runs: tests, format, lints, docs, simulation, smoke of benches and fuzzers
    Ci {
        /// Seeds to simulate
        #[arg(long, default_value_t = ci::SIMULATED_SEEDS)]
        seeds: u64,
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
        Task::Kafka(command) => kafka::run(command),
        Task::Golden => golden::run(),
    }
}
