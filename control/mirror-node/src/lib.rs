//! The control thread: source client, discovery, directory state.

pub mod client_properties;
pub mod directory;
pub mod directory_state;
pub mod discovery;
pub mod durable_file;
pub mod meta_properties;
pub mod properties;
mod response_shape;
pub mod source_client;
pub mod source_connection;
pub mod topic_filter;
