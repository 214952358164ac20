//! What `ringmirror.json` says of mirrors, under the key `cluster_mirrors`:
//!
//! ```json
//! {
//!   "offset": 7,
//!   "node_configs": { "mirror.replication.throttled.rate": "1048576" },
//!   "own_node_configs": { "mirror.replication.throttled.rate": "2097152" },
//!   "mirrors": {
//!     "from-berlin": {
//!       "configs": { "bootstrap.servers": "kafka-1:9092", "topics.include": "orders-.*" },
//!       "source_cluster_id": "5L6g3nShT-eMCtK--X86sw"
//!     }
//!   },
//!   "topics": {
//!     "orders-eu": {
//!       "topic_id": "u1TKk6ktQ0iWEuGPwJkNdw",
//!       "mirror": "from-berlin",
//!       "desired_state": 3,
//!       "changed_at": 5
//!     }
//!   }
//! }
//! ```

use std::collections::BTreeMap;

use kafka_wire::partition::TopicName;
use mirror_coordinator::cluster_metadata::{BoundTopic, ClusterMetadata, Mirror};
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_node_config::NodeConfigs;
use serde::{Deserialize, Serialize};

use super::{DirectoryState, parsed_id, parsed_name};

/// The metadata as they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClusterMirrors {
    offset: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    node_configs: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    own_node_configs: BTreeMap<String, String>,
    mirrors: BTreeMap<String, RawMirror>,
    topics: BTreeMap<String, RawBoundTopic>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMirror {
    configs: BTreeMap<String, String>,
    source_cluster_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBoundTopic {
    topic_id: String,
    mirror: String,
    desired_state: i8,
    changed_at: i64,
}

impl RawClusterMirrors {
    /// What is written; `None` while there is nothing to say.
    pub(super) fn of(metadata: &ClusterMetadata) -> Option<Self> {
        if metadata.is_empty() {
            return None;
        }
        let mirror = |(name, mirror): (&MirrorName, &Mirror)| {
            let (configs, source_cluster_id) =
                (mirror.configs.clone(), mirror.source_cluster_id.clone());
            (name.to_string(), RawMirror { configs, source_cluster_id })
        };
        let topic = |(name, topic): (&TopicName, &BoundTopic)| {
            let raw = RawBoundTopic {
                topic_id: topic.topic_id.to_string(),
                mirror: topic.mirror.to_string(),
                desired_state: topic.desired.number(),
                changed_at: topic.changed_at,
            };
            (name.to_string(), raw)
        };
        Some(Self {
            offset: metadata.offset(),
            node_configs: metadata.node_configs().of_all.clone(),
            own_node_configs: metadata.node_configs().of_this.clone(),
            mirrors: metadata.mirrors().iter().map(mirror).collect(),
            topics: metadata.topics().iter().map(topic).collect(),
        })
    }

    /// The metadata, every part checked.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn parsed(self) -> Result<ClusterMetadata, String> {
        let of_mirror = |name: &str| {
            MirrorName::parse(name).ok_or_else(|| format!("{name:?} is no name of a mirror"))
        };
        let mut mirrors = BTreeMap::new();
        for (name, RawMirror { configs, source_cluster_id }) in self.mirrors {
            mirrors.insert(of_mirror(&name)?, Mirror { configs, source_cluster_id });
        }
        let mut topics = BTreeMap::new();
        for (name, raw) in self.topics {
            let of_topic = |what: &str| format!("topic {name:?} of a mirror has {what}");
            let desired = DesiredState::from_number(raw.desired_state);
            let bound = BoundTopic {
                topic_id: parsed_id(&raw.topic_id).map_err(of_topic)?,
                mirror: of_mirror(&raw.mirror)?,
                desired: desired.ok_or_else(|| of_topic("an unknown desired state"))?,
                changed_at: raw.changed_at,
            };
            topics.insert(parsed_name(&name).map_err(of_topic)?, bound);
        }
        let node = NodeConfigs {
            of_all: self.node_configs,
            of_this: self.own_node_configs,
            ..NodeConfigs::default()
        };
        let restored = ClusterMetadata::restored(self.offset, mirrors, topics, node);
        restored.map_err(|error| error.to_string())
    }
}

/// Refuses topics of mirrors that are something else in the same directory.
pub(super) fn check_against_topics(state: &DirectoryState) -> Result<(), String> {
    for (name, bound) in state.cluster_mirrors.topics() {
        let mirror = &bound.mirror;
        if state.local_topics.contains_key(name) {
            return Err(format!(
                "topic {name} belongs to mirror {mirror}, and is a local topic as well"
            ));
        }
        if let Some(topic) = state.topics.get(name)
            && topic.topic_id != bound.topic_id
        {
            let (ours, theirs) = (topic.topic_id, bound.topic_id);
            return Err(format!("topic {name} has id {ours}, and {theirs} in mirror {mirror}"));
        }
    }
    Ok(())
}
