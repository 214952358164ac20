//! What the fuzz targets share: a reader of their input, batches, and seeds.
//!
//! **What it is.** Every target takes its input apart with [`input::Input`]: a few bytes choose
//! versions, cuts and modes, the rest is the untrusted content. Seeds are written by code, see
//! [`seeds`]; no corpus is kept in the repository.
//!
//! **Invariants.** A target panics only when the code under test broke a promise. An input means
//! the same in every run.
//!
//! **What it does not know.** How targets are built and for how long they run: `cargo xtask fuzz`.
//!
//! **Reading order.** `input`, `batches`, `seeds`; then the targets; `fake_kernel` with `shard`,
//! `node` with the target of that name.

pub mod batches;
pub mod fake_kernel;
pub mod fake_source;
pub mod input;
pub mod node;
pub mod seeds;
