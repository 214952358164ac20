//! Mirror lifecycle (KIP-1279, Cluster Mirroring): inputs in, actions out.
//!
//! **What it is.** What a node, being its own controller and coordinator, decides about mirrors.
//! [`cluster_metadata`]: which mirrors there are, which topic belongs to which, what is wanted of
//! it; commands are planned there. [`lifecycle`]: where every partition stands and what is done
//! next; one call, [`lifecycle::Lifecycle::step`], takes one input and appends the actions it leads
//! to. [`mirror_states`]: what was written of it, and who may write. [`log_alignment`]: what a log
//! keeps when mirroring begins.
//!
//! **Invariants.** No state changes but by the table in [`partition_state`], and none is acted on
//! before it is stored. Our leader epoch is raised before a source epoch can pass it
//! ([`epoch_fencing`]). One partition's failure moves no other partition. A failure that a retry
//! cannot cure is never retried. A position, once recorded, moves only when mirroring begins again.
//!
//! **What it does not know.** Sockets, files, threads, clocks and random sources: time and the
//! seed of the jitter are arguments.
//!
//! **Reading order.** [`partition_state`], [`stored_state`], [`mirror_states`], [`lifecycle`] (its
//! `partition.rs`, `working.rs`, `writing.rs`, `hearing.rs`), [`log_alignment`],
//! [`epoch_fencing`], [`retry`]; [`cluster_metadata`], [`mirror_config`]; [`acl`], which is about
//! who may do what and knows nothing of mirrors but their names.

pub mod acl;
pub mod cluster_metadata;
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
pub mod topic_prefix;
