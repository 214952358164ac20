//! Macro load: end-to-end throughput, latency, very many of everything, against the limits.
//!
//! It does not know the engine's insides: it measures what an embedding program would see.
//!
//! Reading order: the crates `synthetic-source` and `yardstick` (limits, a run of the engine),
//! which `ringmirror bench` uses too; then `mirror` and `idle`; and `compare`, over
//! `program_run`. Then servers seen by their clients: `server_process` and `stock_broker`,
//! `log_fetcher`; `needed_process` tells when one has ended, `sweeper` removes what they wrote.
//! Over them `consume`, `latency` and `readers`, `lifecycle` and `groups`, which order mirrors over
//! `mirrors_client`; and `peers`, with a file for each contender.
//!
//! `steady`, with a source and a follower, asks how soon records are here;
//! `delayed` mirrors across a `long_link`, over `link_process` and `delay_line`, and
//! `delayed_peers` sets the node beside Kafka's follower there.

pub mod compare;
pub mod compare_row;
pub mod consume;
pub mod consume_row;
pub mod delay_line;
pub mod delayed;
pub mod delayed_peers;
pub mod delayed_peers_row;
pub mod delayed_row;
pub mod groups;
pub mod idle;
pub mod kafka_client;
pub mod latency;
pub mod latency_row;
pub mod lifecycle;
pub mod link_process;
pub mod log_fetcher;
pub mod long_link;
pub mod memory_cap;
pub mod mirror;
pub mod mirror_row;
pub mod mirrors_client;
pub mod needed_process;
pub mod paced_producer;
pub mod peers;
pub mod private_network;
pub mod program_run;
pub mod readers;
pub mod served_logs;
pub mod server_process;
pub mod steady;
pub mod steady_row;
pub mod stock_broker;
pub mod sweeper;
pub mod timed_consumer;

pub use ::synthetic_source;
pub use yardstick::{
    disk_probe, engine_run, fetch_client, limits, machine, measurement, process_watch, source_child,
};
