//! Fixtures: real Kafka brokers, clients, temporary directories.
//!
//! **What it is.** A released Apache Kafka fetched by Maven coordinates, KRaft clusters of it on
//! loopback, one long-lived Java program per cluster that drives it with Kafka's own clients,
//! clients in other languages, and ringmirror as its users run it.
//!
//! **Invariants.** Jars and compiled classes live outside the tree and appear there whole or not
//! at all. No process outlives the test process that started it, however that one ends. At most
//! [`KAFKA_TESTS_MAX`] tests hold a [`Kafka`] at a time. Every wait has a deadline.
//!
//! **What it does not know.** The inside of ringmirror: it runs the program but links none of our
//! crates, so what it says about bytes and offsets is Kafka's own opinion.
//!
//! **Reading order.** [`kafka`], [`kafka_cluster`], [`driver`], then [`kafka_release`],
//! [`kafka_jars`], [`java_process`]; [`authorizer`] for brokers that ask who is there;
//! [`ringmirror`] for the program under test, [`mirror_node`] for nodes with mirrors; [`clients`]
//! for the client matrix.

pub mod authorizer;
pub mod clients;
mod cluster_plan;
pub mod comparison;
pub mod driver;
pub mod driver_program;
pub mod handover;
pub mod java_process;
pub mod kafka;
pub mod kafka_cluster;
pub mod kafka_jars;
pub mod kafka_release;
pub mod kafka_tool;
pub mod mirror_node;
pub mod ringmirror;
pub mod server_properties;
pub mod temp_dir;
pub mod tool_comparison;

pub use comparison::{ConsumedPartition, first_difference};
pub use driver::Driver;
pub use handover::hand_over;
pub use kafka::{KAFKA_TESTS_MAX, Kafka, kafka_or_skip};
pub use kafka_cluster::{ClusterOptions, KafkaCluster};
pub use kafka_release::KafkaRelease;
pub use kafka_tool::{dump_log_segments, run_tool};
pub use mirror_node::MirrorNode;
pub use ringmirror::{Ended, Ringmirror, Running};
pub use temp_dir::TempDir;
