//! Integration tests: everything that crosses crates, a module per feature.

mod copying;
mod discovering;
mod elections;
mod history;
mod log_starts;
mod manifests;
mod mirrored;
mod real_kafka;
mod recreated_topics;
mod resuming;
mod source_tree;
mod tidy;
