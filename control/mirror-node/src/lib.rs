//! The control thread: source client, discovery, directory state.

pub mod client_properties;
pub mod properties;
mod response_shape;
pub mod source_client;
pub mod source_connection;
