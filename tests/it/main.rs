//! Integration tests: everything that crosses crates, a module per feature.

mod copying;
mod discovering;
mod history;
mod log_starts;
mod manifests;
mod mirrored;
mod real_kafka;
mod resuming;
mod source_tree;
mod tidy;
