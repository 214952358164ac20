//! Deterministic simulation of mirrored clusters: one seed, one history of the coordinator.
//!
//! **What it is.** Three clusters in a row, S, A and B, each mirroring topics from its neighbours
//! and back. Of the coordinator everything is real: [`Lifecycle`], [`MirrorStates`],
//! [`ClusterMetadata`], [`PeerMirrors`] and [`AlignmentCut`], and the histories of epochs are those
//! of `kafka_log`. Logs are lists of records; engine, disk and network are models that restart,
//! fail, and answer late or never. S has elections, clean and not.
//!
//! **Invariants it checks.** I1 to I7 of KIP-1279 after every step (I8 speaks of replicas: the
//! coordinator's own simulation has them). When it is quiet again, that every partition comes to
//! rest where it is wanted, that logs which are mirrored are the same, that whatever was stopped
//! takes writes; then that a failover, the way back and a second round trip lose no record that was
//! mirrored or written to the new primary, and none without a name for why.
//!
//! **Reading order.** `world`, `cluster`, `node_work`, `fetching`; then `judging` and `finale`.
//!
//! [`Lifecycle`]: mirror_coordinator::lifecycle::Lifecycle
//! [`MirrorStates`]: mirror_coordinator::mirror_states::MirrorStates
//! [`ClusterMetadata`]: mirror_coordinator::cluster_metadata::ClusterMetadata
//! [`PeerMirrors`]: mirror_coordinator::log_alignment::PeerMirrors
//! [`AlignmentCut`]: mirror_coordinator::log_alignment::AlignmentCut

use std::panic::{AssertUnwindSafe, catch_unwind};

mod clients;
mod cluster;
mod fetching;
mod finale;
mod judging;
mod model_log;
mod node_work;
mod operator;
#[cfg(test)]
mod tests;
mod world;

use crate::Broken;
pub use world::Seen;
use world::World;

/// Steps of a history before it becomes quiet.
const STEPS: u32 = 3_000;

/// Runs one history; `aloud` keeps its lines for [`Broken::history`].
///
/// # Errors
/// [`Broken`] when a promise was broken or the coordinator panicked.
pub fn run(seed: u64, aloud: bool) -> Result<Seen, Box<Broken>> {
    let mut world = World::new(seed, aloud);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..STEPS {
            world.step();
        }
        world.finale();
        world.account_for_all();
    }));
    match ended {
        Ok(()) => Ok(world.seen),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let reason = text.unwrap_or_else(|| "a panic without words".to_owned());
            Err(Box::new(Broken { seed, reason, history: world.history() }))
        }
    }
}
