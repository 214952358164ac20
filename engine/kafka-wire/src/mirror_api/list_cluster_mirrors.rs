//! Lists the mirrors of the cluster asked (KIP-1279, API 98).
//!
//! The proposal names the filters of the request, and not its fields. Taken are the plainest:
//!
//! ```text
//!  mirrorName?, sourceClusterId?, desiredStates: [i8]
//! ```

use crate::mirror_api::schema::{fields, response};

fields! {
    /// Asks for the mirrors that pass every filter.
    pub struct ListClusterMirrorsRequest {
        /// The mirror of this name; null for all.
        pub mirror_name: Option<String>,
        /// Those with this source; null for any.
        pub source_cluster_id: Option<String>,
        /// Topics to count and name, by the number of their desired state; none stands for those
        /// mirrored (3) and paused (5).
        pub desired_states: Vec<i8>,
    }
}

response! {
    /// The mirrors.
    pub struct ListClusterMirrorsResponse {
        /// Those that the caller may see.
        pub mirrors: Vec<ListedMirror>,
    }
}

fields! {
    /// A mirror.
    pub struct ListedMirror {
        /// Its name.
        pub mirror_name: String,
        /// Its `bootstrap.servers`.
        pub source_bootstrap: String,
        /// Id of the source, empty while it is not known.
        pub source_cluster_id: String,
        /// How many topics it has in the states asked for.
        pub topic_count: i32,
        /// Their names.
        pub topic_names: Option<Vec<String>>,
    }
}
