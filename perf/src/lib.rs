//! Macro load: machine limits, the synthetic source, end-to-end throughput.
//!
//! Invariants: a synthetic log is a pure function of (seed, partition, offset); no byte of
//! record memory is copied on the way to a socket; limits share no code with the engine.
//!
//! It does not know the engine's insides: it measures what an embedding program would see.
//!
//! Reading order: `synthetic_source`, `synthetic_source::spec`, `synthetic_source::synthetic_log`;
//! then `limits` over `measurement` and `machine`; then `mirror`, over `engine_run` and
//! `source_child`, and `idle`.

pub mod disk_probe;
pub mod engine_run;
pub mod fetch_client;
pub mod idle;
pub mod limits;
pub mod machine;
pub mod measurement;
pub mod mirror;
pub mod mirror_row;
pub mod source_child;
pub mod synthetic_source;
