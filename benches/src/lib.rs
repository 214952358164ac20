//! The same workloads timed (`benches/workloads.rs`, by criterion) and counted
//! (`src/bin/instructions.rs`, which `cargo xtask instructions` runs under callgrind).
//!
//! All of it is pure: bytes and inputs are made before, and nothing of a socket, a file or a clock
//! is in what is measured. What a workload does once is [`workload::Runs::run`]; the piece of it
//! that callgrind counts is marked by [`workload::counted`].

pub mod batch_walk;
pub mod coordinator_steps;
pub mod fake_edge;
pub mod fetch_messages;
pub mod log_appends;
pub mod shard_rounds;
pub mod workload;

use workload::Workload;

/// Every workload, in the order of tables.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut all = batch_walk::workloads();
    all.extend(fetch_messages::workloads());
    all.extend(log_appends::workloads());
    all.extend(coordinator_steps::workloads());
    all.extend(shard_rounds::workloads());
    all
}
