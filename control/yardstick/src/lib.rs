//! What a machine can do at most, and one run of the engine to hold against it.
//!
//! **What it is.** The measurements that `perf` and `ringmirror bench` have in common.
//!
//! **Invariants.** Limits are plain blocking calls and share no code with the engine. A source
//! that is measured against runs in a process of its own. What a measurement wrote is removed.
//!
//! **What it does not know.** Scenarios, tables, what a figure should be.
//!
//! **Reading order.** `machine`, `measurement`; `limits` over `disk_probe` and `fetch_client`;
//! then `source_child` and `engine_run`.

pub mod disk_probe;
pub mod engine_run;
pub mod fetch_client;
pub mod limits;
pub mod machine;
pub mod measurement;
pub mod process_watch;
pub mod source_child;
