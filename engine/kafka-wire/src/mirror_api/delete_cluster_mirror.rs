//! Deletes a mirror with its positions; its topics stay (KIP-1279, API 104).

use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks to delete a mirror.
    pub struct DeleteClusterMirrorRequest {
        /// The mirror.
        pub mirror_name: String,
        /// Offset of the metadata that the topics' states were checked in; -1 for no check.
        pub state_offset: i64,
    }
}

response! {
    /// Whether the mirror was deleted.
    pub struct DeleteClusterMirrorResponse {}
}
