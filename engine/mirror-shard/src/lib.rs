//! One core's mirroring state: completions in, operations out.
//!
//! **What it is.** [`shard::Shard`] holds everything one core mirrors: connections to source
//! brokers, fetch sessions, partitions with their logs, the buffers between socket and disk. It is
//! a pure function of what it is handed: [`shard::Shard::step`] takes commands and completions,
//! and answers with operations ([`op::Op`]) and reports ([`bridge::EngineReport`]).
//!
//! **Invariants.**
//! - Destination bytes are a contiguous range of the source's, batch by batch, CRC checked.
//! - No byte goes to disk before the CRC of its batch was right.
//! - The recovery point never passes bytes that are not synced, or whose epochs are not.
//! - A buffer is in one place: the pool, a chunk, a connection, or an operation.
//! - Nothing waits without a deadline, but for the host.
//!
//! **What it does not know.** Sockets, files, clocks, threads, randomness; the mirror's lifecycle.
//!
//! **Reading order.** `shard`, `op`, `bridge`, then a batch's way: `fetch_session`, `fetch_size`,
//! `receive`, `append`, `admission`, `chunk`, `writer`, `upkeep`; then what goes wrong: `answers`,
//! `questions`, `divergence`, `broker`; `lifecycle` ties the phases of `mirror_partition` together,
//! `orders` is where the host comes in.

mod admission;
mod answers;
mod append;
pub mod bridge;
mod broker;
pub mod buffer_pool;
mod chunk;
mod connection;
pub mod counters;
mod divergence;
mod fetch_session;
mod fetch_size;
mod lifecycle;
pub mod limits;
mod mirror_partition;
pub mod op;
mod orders;
mod partition_table;
mod questions;
mod receive;
pub mod shard;
mod sources;
#[cfg(test)]
mod test_shard;
mod throttle;
mod upkeep;
mod writer;
