//! Kafka's log directory format: what to write, where, and what bytes on disk mean.

pub mod closing;
mod layout;
pub mod leader_epoch_checkpoint;
pub mod log_config;
pub mod memory_files;
pub mod offset_checkpoint;
pub mod offset_index;
pub mod partition_files;
pub mod partition_log;
pub mod partition_metadata;
pub mod producer_state;
pub mod recovery;
mod segment;
#[cfg(test)]
mod test_history;
pub mod time_index;
pub mod transaction_index;
