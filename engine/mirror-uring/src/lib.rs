//! The edge of the engine: io_uring, pinned threads, sockets, files, and the [`Engine`] handle.
//!
//! **What it is.** A host program (a broker, a tool, a test) gives the engine a directory, source
//! brokers and partitions with their leader epochs; the engine mirrors them byte for byte into
//! Kafka-exact log directories and reports where each stands. [`Engine`] and [`Reports`] are the
//! whole surface; what crosses it ([`EngineCommand`], [`EngineReport`]) is defined by
//! `mirror_shard` and named here again, so that a host needs this crate and the nouns of
//! `kafka_wire` only.
//!
//! ```text
//!  host threads                            one thread per core, pinned
//!  Engine::send --- bounded queue --->  [ driver -> Shard::step -> executor ] <--> its ring
//!  Reports::recv <-- bounded queue ---  [     slab, connections, files      ] <--> its helpers
//! ```
//!
//! Who owns what:
//! - A partition belongs to one shard from its addition to its removal; so do its files.
//! - A shard's thread owns its ring, its slab, its sockets and its open files. Shards share
//!   nothing. Name lookup, connecting and slow file work (recovery, finishing segments) run on
//!   helper threads with the CPU mask the host had, one task per partition at a time.
//! - The host's threads own [`Engine`] (any thread may send; orders about one partition should
//!   come from one) and [`Reports`] (one taker).
//!
//! What the host must do:
//! - Lock the data directory against a second process; the engine does not.
//! - Take reports. Shards never wait for the host, but keep reports back when too many wait, and
//!   merge those on progress.
//! - Say where source brokers listen ([`EngineCommand::SetBroker`]) and who leads a partition
//!   when a shard asks ([`PartitionEvent::LeaderUnknown`]).
//! - Raise the leader epoch when a partition is fenced ([`PartitionEvent::Fenced`]).
//! - Keep directory checkpoints: write recovery points and log starts from reports, hand them
//!   back in [`NewPartition`], and mark the directory clean only after an [`Engine::stop`] whose
//!   every [`EngineReport::Stopped`] was clean.
//! - Where others read the log files: read below [`Progress::log_end`] and before
//!   [`Progress::end_place`] only, committed records below [`Progress::last_stable_offset`]; stop
//!   at [`PartitionEvent::Reloading`], and at [`PartitionEvent::Loaded`] forget what was known of
//!   places and epochs. Turn [`ShardLimits::reuse_files`] off, and give readers of the tail
//!   memory: [`ShardLimits::recent_buffer_count`], [`Engine::recent_records`].
//! - Stop. A dropped engine stops as well, but nobody waits for it.
//!
//! **Invariants.**
//! - Every operation of a shard ends in one completion, and owns descriptor and buffer till then.
//! - Memory is slab plus tables of named sizes, whatever the number of partitions; a response
//!   allocates nothing.
//! - All `unsafe` of the workspace is in the modules `slab`, `ring` and `affinity`.
//! - No runtime is shared with the host: it may be blocking or async, with any executor.
//!
//! **What it does not know.** Protocols, batches, what a segment holds: that is decided by
//! `mirror_shard`, and the code here carries it out. Mirrors, topics by pattern, checkpoints of
//! the directory, configuration files: the host's.
//!
//! **Reading order.** `engine`, `shard_thread`, `driver`, `executor` (with `op_table`, `ring`),
//! then `socket`, `segment_files`, `file_tasks`, `slab`, `probe`; for readers, `recent_records`,
//! `segment_reader`.

pub mod affinity;
#[cfg(test)]
mod counting_allocator;
pub mod deferred_files;
mod driver;
mod engine;
mod engine_error;
mod executor;
mod file_tasks;
mod file_work;
mod op_table;
pub mod probe;
pub mod real_files;
pub mod recent_records;
mod recycled;
mod reports;
mod ring;
mod routes;
mod segment_files;
pub mod segment_reader;
mod shard_thread;
pub mod slab;
mod socket;
#[cfg(test)]
mod test_directory;

pub use engine::{COMMANDS_WAITING_MAX, Engine, EngineConfig};
pub use engine_error::EngineError;
pub use kafka_log::leader_epoch_checkpoint::EpochHistory;
pub use kafka_log::log_config::LogConfig;
pub use kafka_log::partition_log::LogPlace;
pub use kafka_log::recovery::LoadFinding;
pub use mirror_shard::bridge::{
    DivergencePolicy, EngineCommand, EngineReport, NewPartition, PartitionEvent, PartitionFailure,
    Progress,
};
pub use mirror_shard::counters::ShardCounters;
pub use mirror_shard::limits::{RECORD_BUFFER_BYTES, ShardLimits, SourceLimits};
pub use mirror_shard::op::BrokerAddress;
pub use recycled::RECYCLED_FILE_PREFIX;
pub use reports::{REPORTS_WAITING_MAX, Reports};
