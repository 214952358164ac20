//! Integration tests: everything that crosses crates, a module per feature.

mod commands;
mod copying;
mod damaged_log;
mod discovering;
mod elections;
mod embedding;
mod faulty_source;
mod handing_over;
mod history;
mod kafka_dump;
mod large_batches;
mod log_starts;
mod manifests;
mod mirrored;
mod readme;
mod real_kafka;
mod recreated_topics;
mod resuming;
mod reused_files;
mod rough_treatment;
mod source_tree;
mod synthetic;
mod tidy;
mod wrong_directory;
mod wrong_settings;
mod wrong_source;
