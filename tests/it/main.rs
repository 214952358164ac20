//! Integration tests: everything that crosses crates, a module per feature.

mod real_kafka;
