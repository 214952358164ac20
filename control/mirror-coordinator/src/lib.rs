//! Mirror lifecycle: inputs in, actions out.
//!
//! **What it is.** The state machine of every mirrored partition (KIP-1279, as far as a directory
//! destination needs it): when a partition starts, when its leader epoch is raised, when it
//! stopped and when it is tried again. One call, [`coordinator::Coordinator::step`], takes one
//! input and appends the actions it leads to.
//!
//! **Invariants.** No state changes but by the table in [`partition_state`]. Our leader epoch is
//! raised before a source epoch can pass it ([`epoch_fencing`]). One partition's failure moves no
//! other partition. A failure that a retry cannot cure is never retried.
//!
//! **What it does not know.** Sockets, files, threads, clocks and random sources: time and the
//! seed of the jitter are arguments. It does not know names either, only topic ids.
//!
//! **Several mirrors.** [`lifecycle`] decides for the partitions of all mirrors, and has each state
//! written before it acts on it; [`mirror_states`] is what was written, and judges who may write;
//! [`log_alignment`] says what a log keeps when mirroring begins.
//! [`coordinator`] is the lifecycle of one mirror that forgets its states when it ends.
//!
//! **Reading order.** [`partition_state`], [`stored_state`], [`mirror_states`], [`lifecycle`] (its
//! `partition.rs`, `working.rs`, `writing.rs`, `hearing.rs`), [`log_alignment`],
//! [`epoch_fencing`], [`retry`], [`coordinator`].

pub mod cluster_metadata;
pub mod coordinator;
pub mod desired_state;
pub mod epoch_fencing;
pub mod lifecycle;
pub mod log_alignment;
pub mod mirror_config;
pub mod mirror_name;
pub mod mirror_node_config;
pub mod mirror_position;
pub mod mirror_states;
pub mod mirrored_topic_config;
pub mod partition_state;
pub mod retry;
pub mod state_epoch;
pub mod stored_state;
pub mod topic_patterns;
