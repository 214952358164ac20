//! Deterministic simulation of the engine: one seed, one history.
//!
//! **What it is.** The real [`mirror_shard::shard::Shard`] and the real `kafka_log` code between a
//! fake kernel, network, disk, clock, source cluster and host. Every choice comes from one seed.
//!
//! **Invariants it checks** after every step: stored bytes are a contiguous range of the source's
//! history; what readers are told of ends, transactions and epochs is true of the files; nothing
//! reported durable is lost, by crash or otherwise, without an event; buffers and
//! connections have one owner; once faults heal, the lag goes to 0 in bounded virtual time.
//!
//! **What it does not know.** Real sockets and files (`tests/it` has those), compression, threads.
//!
//! Beside it, in [`clusters`], are the coordinators of three clusters that mirror each other, over
//! a model of the engine: failovers, failbacks, chains.
//!
//! **Reading order.** `world`, `plan`, `execution`, `checks`; then `source` and `host`.

use std::panic::{AssertUnwindSafe, catch_unwind};

mod answers;
mod chance;
mod checks;
pub mod clusters;
mod disk;
mod execution;
mod fetch_answers;
mod fetch_sessions;
mod history;
mod host;
mod kernel;
mod network;
mod plan;
mod random;
mod readers;
mod reports;
mod source;
#[cfg(test)]
mod tests;
mod world;

/// What became of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Hash of everything that happened, in order.
    pub hash: u64,
    /// Steps of the shard.
    pub steps: u64,
    /// Crashes survived.
    pub crashes: u64,
    /// Virtual time, milliseconds.
    pub virtual_ms: u64,
}

/// A broken promise, with the last things that happened before it.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The seed that shows it.
    pub seed: u64,
    /// What was broken.
    pub reason: String,
    /// The last lines of the history.
    pub history: String,
}

/// Runs one history; `aloud` writes every line of it to standard error.
///
/// # Errors
/// [`Broken`] when a promise was broken or the shard panicked.
pub fn run(seed: u64, aloud: bool) -> Result<Outcome, Box<Broken>> {
    let mut world = world::World::new(seed, aloud);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    match ended {
        Ok(()) => Ok(Outcome {
            hash: world.log.hash,
            steps: world.steps,
            crashes: world.crashes,
            virtual_ms: world.now / 1000,
        }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let reason = text.unwrap_or_else(|| "a panic without words".to_owned());
            let history = world.log.recent();
            Err(Box::new(Broken { seed, reason, history }))
        }
    }
}
