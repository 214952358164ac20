//! The edge: io_uring, pinned threads, sockets, files; the Engine handle.

pub mod affinity;
mod driver;
pub mod engine;
pub mod engine_error;
mod executor;
mod file_tasks;
mod file_work;
mod op_table;
mod probe;
mod real_files;
pub mod reports;
mod ring;
mod routes;
mod segment_files;
mod shard_thread;
pub mod slab;
mod socket;
#[cfg(test)]
mod test_directory;

pub use engine::{Engine, EngineConfig};
pub use engine_error::EngineError;
pub use reports::Reports;
