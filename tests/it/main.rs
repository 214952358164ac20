//! Integration tests: everything that crosses crates, a module per feature.

mod manifests;
mod real_kafka;
mod source_tree;
mod tidy;
