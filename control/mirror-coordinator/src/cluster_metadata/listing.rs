//! The mirrors as ListClusterMirrors tells them (KIP-1279).

use kafka_wire::partition::TopicName;

use super::ClusterMetadata;
use crate::desired_state::DesiredState;
use crate::mirror_config::BOOTSTRAP_SERVERS;
use crate::mirror_name::MirrorName;

/// Which mirrors are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// The mirror of this name; `None` for all.
    pub mirror: Option<String>,
    /// Those with this source; `None` for any.
    pub source_cluster_id: Option<String>,
    /// Numbers of the desired states of topics to name; none stands for mirrored and paused ones.
    pub desired_states: Vec<i8>,
}

/// A mirror in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMirror<'a> {
    /// Its name.
    pub name: &'a MirrorName,
    /// Its `bootstrap.servers`, empty for none.
    pub bootstrap_servers: &'a str,
    /// Id of the source, empty while it is not known.
    pub source_cluster_id: &'a str,
    /// Its topics in the states asked for, by name.
    pub topics: Vec<&'a TopicName>,
}

impl ClusterMetadata {
    /// The mirrors that pass every filter, by name.
    #[must_use]
    pub fn list(&self, filter: &ListFilter) -> Vec<ListedMirror<'_>> {
        const BY_DEFAULT: [i8; 2] =
            [DesiredState::Mirroring.number(), DesiredState::Paused.number()];
        let states = match filter.desired_states.as_slice() {
            [] => &BY_DEFAULT,
            states => states,
        };
        let passes = |wanted: &Option<String>, seen: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == seen)
        };
        let mut listed = Vec::new();
        for (name, mirror) in &self.mirrors {
            let source_cluster_id = mirror.source_cluster_id.as_deref().unwrap_or_default();
            if !passes(&filter.mirror, name.as_str())
                || !passes(&filter.source_cluster_id, source_cluster_id)
            {
                continue;
            }
            let topics = self.topics.iter().filter(|(_, bound)| {
                bound.mirror == *name && states.contains(&bound.desired.number())
            });
            listed.push(ListedMirror {
                name,
                bootstrap_servers: mirror.configs.get(BOOTSTRAP_SERVERS).map_or("", |at| at),
                source_cluster_id,
                topics: topics.map(|(topic, _)| topic).collect(),
            });
        }
        listed
    }
}
