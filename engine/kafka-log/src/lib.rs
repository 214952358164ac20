//! Kafka's log directory format: what to write, where, and what bytes on disk mean.
//!
//! # What it is
//! The files of a partition (segments, three indexes, producer snapshots, epochs) and of a log
//! directory (checkpoints, identity, first records of a cluster), each with encoder and parser;
//! the state of one log in memory; and the work on files that opens and closes a log.
//!
//! # Invariants
//! - A log recovered from its files equals the log that was appended to, indexes included.
//! - What cannot be read is rebuilt from batches or cut off, and named in a finding; a load fails
//!   only when the directory belongs to another topic or the system refuses.
//! - What is cut is always a suffix: the source has it and is asked again.
//! - A snapshot or checkpoint is written after the bytes it covers were synced.
//!
//! # What it does not know
//! Where files lie, how they are opened, which of them share a disk, who fetches what is missing,
//! and what time it is.
//!
//! # Reading order
//! `FORMAT.md` draws the files. Then `partition_log` with `segment` and `producer_state`;
//! `closing`; `recovery` with `scan`, `trusted`, `loader`, `rebuild`; the formats as needed.

pub mod bootstrap_checkpoint;
pub mod clean_shutdown;
pub mod closing;
mod layout;
pub mod leader_epoch_checkpoint;
pub mod log_config;
pub mod memory_files;
pub mod meta_properties;
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
