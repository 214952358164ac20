//! Kafka's log directory format: what to write, where, and what bytes on disk mean.

pub mod closing;
pub mod log_config;
pub mod partition_files;
pub mod partition_log;
pub mod recovery;
