//! The control thread: source client, discovery, directory state.

pub mod client_properties;
pub mod control_loop;
pub mod directory;
pub mod directory_state;
pub mod discovery;
pub mod durable_file;
pub mod finding_text;
pub mod handover;
mod handover_configs;
pub mod local_log;
pub mod mirror_news;
mod partition_book;
pub mod partition_check;
pub mod properties;
pub mod random_id;
pub mod source_client;
pub mod source_connection;
mod source_watch;
pub mod topic_filter;
pub mod verify;
