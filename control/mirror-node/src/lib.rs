//! The control thread: source client, discovery, directory state.
//!
//! **What it is.** Everything between the operator and the engine: it asks the source what there
//! is, lets the coordinator decide, tells the engine, keeps the data directory, proves that what
//! was mirrored is equal, and prepares the directory for a stock broker.
//!
//! **Invariants.** What is not remembered on disk is not begun. No checkpoint covers bytes that
//! the engine did not call durable. Topics of one name and two ids are never merged. No wait on
//! the source is without a deadline.
//!
//! **What it does not know.** It never decides when a partition changes its state, that is
//! `mirror_coordinator`; it never sees a record on its way to a segment, that is the engine; it
//! knows no command line.
//!
//! **Reading order.** [`control_loop`], `discovery`, [`directory`], [`source_client`]; then
//! [`verify`] and [`handover`].

pub mod acl_store;
pub mod batch_records;
pub mod catalog;
pub mod client_properties;
pub mod control_loop;
pub mod destination;
pub mod directory;
pub mod directory_state;
mod discovery;
mod doomed_directory;
pub mod durable_file;
pub mod finding_text;
pub mod groups;
pub mod handover;
mod handover_configs;
pub mod local_log;
pub mod local_topics;
pub mod log_ledger;
mod log_opening;
mod log_publisher;
pub mod log_reader;
pub mod log_view;
pub mod memory_cap;
mod metrics;
pub mod mirror_descriptions;
pub mod mirror_news;
pub mod mirror_orders;
pub mod mirror_state_journal;
pub mod node;
pub mod node_run;
mod offsets_topic;
mod partition_book;
pub mod partition_check;
mod peer_answers;
pub mod producer_ids;
pub mod properties;
pub mod random_id;
mod record_journal;
pub mod recycled_files;
pub mod server;
pub mod share_groups;
pub mod shared_directory;
pub mod source_client;
pub mod source_connection;
mod source_rights;
pub mod source_sync;
mod source_watch;
pub mod stored_format;
#[cfg(test)]
mod test_directory;
#[cfg(test)]
mod test_log;
mod timing;
pub mod topic_filter;
mod topic_selection;
pub mod topic_settings;
pub mod verify;
pub mod writable_log;
