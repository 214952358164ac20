//! Macro load: machine limits, the synthetic source, end-to-end throughput.
//!
//! Invariants: a synthetic log is a pure function of (seed, partition, offset); no byte of
//! record memory is copied on the way to a socket; limits share no code with the engine.
//!
//! It does not know the engine's insides: it measures what an embedding program would see.
//!
//! Reading order: `synthetic_source`, `synthetic_source::spec`, `synthetic_source::synthetic_log`;
//! then `limits` over `measurement` and `machine`; then `mirror`, over `engine_run` and
//! `source_child`, and `idle`. Then servers seen by their clients: `server_process` and
//! `stock_broker`, `log_fetcher`; over them `consume`, `latency` and `readers`,
//! `lifecycle` and `groups`, which order mirrors over `mirrors_client`; and `peers`, with a file
//! for each contender.

pub mod consume;
pub mod consume_row;
pub mod disk_probe;
pub mod engine_run;
pub mod fetch_client;
pub mod groups;
pub mod idle;
pub mod kafka_client;
pub mod latency;
pub mod latency_row;
pub mod lifecycle;
pub mod limits;
pub mod log_fetcher;
pub mod machine;
pub mod measurement;
pub mod mirror;
pub mod mirror_row;
pub mod mirrors_client;
pub mod paced_producer;
pub mod peers;
pub mod private_network;
pub mod process_watch;
pub mod readers;
pub mod served_logs;
pub mod server_process;
pub mod source_child;
pub mod stock_broker;
pub mod synthetic_source;
