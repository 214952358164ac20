//! Macro load: machine limits, the synthetic source, end-to-end throughput.
//!
//! Invariants: a synthetic log is a pure function of (seed, partition, offset); no byte of
//! record memory is copied on the way to a socket; no `unsafe`.
//!
//! It does not know the engine's insides: it measures what an embedding program would see.
//!
//! Reading order: `synthetic_source`, then `synthetic_source::spec` and
//! `synthetic_source::synthetic_log`.

pub mod synthetic_source;
