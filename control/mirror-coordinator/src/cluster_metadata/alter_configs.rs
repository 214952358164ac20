//! Changing settings: of a mirror (IncrementalAlterConfigs, resource CLUSTER_MIRROR) and of the
//! node as far as mirrors are concerned.

use std::collections::BTreeMap;

use super::command_error::{CommandError, ErrorCode};
use super::filters::{Filters, compiled};
use super::{ClusterMetadata, MetadataChange, MetadataRecord, Mirror, Planned};
use crate::mirror_config::config_change::{self, ConfigChange};
use crate::mirror_config::{TOPICS_EXCLUDE, TOPICS_INCLUDE, TOPICS_PREFIX, topic_prefix};
use crate::mirror_name::MirrorName;
use crate::mirror_node_config::{self, NodeScope};

impl ClusterMetadata {
    /// Plans to change settings of a mirror, all of them or none. Topics that `topics.exclude`
    /// names by then are stopped in the same change.
    ///
    /// # Errors
    /// When the mirror is unknown, or a change is refused.
    pub fn plan_alter_configs(
        &self,
        mirror: &str,
        changes: &[ConfigChange],
    ) -> Result<Planned, CommandError> {
        let (name, mirror) = self.mirror_named(mirror)?;
        let refused = |reason: String| {
            let message = format!("mirror {name}: {reason}; nothing was changed");
            CommandError::new(ErrorCode::InvalidConfig, message)
        };
        let configs = config_change::altered(&mirror.configs, changes)
            .map_err(|error| refused(error.to_string()))?;
        // An exclusion by itself is the failover of what is included.
        let lists = [TOPICS_INCLUDE, TOPICS_EXCLUDE];
        if lists.iter().all(|list| changes.iter().any(|change| change.name == *list)) {
            Filters::check_configs(&configs).map_err(refused)?;
        }
        self.check_prefix(name, mirror, &configs)?;
        let edited = Mirror { configs, source_cluster_id: mirror.source_cluster_id.clone() };
        let patterns = compiled(name, &edited)?;
        let mut records = Vec::new();
        let also_stopped = self.stop_excluded(name, mirror, &patterns, &mut records);
        if edited != *mirror {
            records.insert(0, MetadataRecord::Mirror(name.clone(), edited));
        }
        Ok(Planned { change: self.change(records), outcomes: Vec::new(), also_stopped })
    }

    /// Topics keep their names: refuses another prefix while there are any, stopped ones included,
    /// which the mirror may be told to start again.
    fn check_prefix(
        &self,
        name: &MirrorName,
        mirror: &Mirror,
        configs: &BTreeMap<String, String>,
    ) -> Result<(), CommandError> {
        let bound = self.topics.iter().find(|(_, topic)| topic.mirror == *name);
        let Some((topic, _)) =
            bound.filter(|_| topic_prefix(&mirror.configs) != topic_prefix(configs))
        else {
            return Ok(());
        };
        let message = format!(
            "mirror {name}: {TOPICS_PREFIX} cannot change while the mirror has topics, such as \
             {topic}: make another mirror; nothing was changed"
        );
        Err(CommandError::new(ErrorCode::InvalidConfig, message))
    }

    /// Plans to change settings of the node, all of them or none.
    ///
    /// # Errors
    /// When a change is refused.
    pub fn plan_alter_node_configs(
        &self,
        scope: NodeScope,
        changes: &[ConfigChange],
    ) -> Result<MetadataChange, CommandError> {
        self.plan_node_configs(scope, self.node_configs.of(scope), changes)
    }

    /// Plans to give the node these settings and no others.
    ///
    /// # Errors
    /// When one is refused.
    pub fn plan_replace_node_configs(
        &self,
        scope: NodeScope,
        settings: &[ConfigChange],
    ) -> Result<MetadataChange, CommandError> {
        self.plan_node_configs(scope, &BTreeMap::new(), settings)
    }

    fn plan_node_configs(
        &self,
        scope: NodeScope,
        before: &BTreeMap<String, String>,
        changes: &[ConfigChange],
    ) -> Result<MetadataChange, CommandError> {
        let altered = mirror_node_config::altered(before, changes);
        let altered =
            altered.map_err(|error| CommandError::new(ErrorCode::InvalidConfig, error))?;
        let configs = self.node_configs.clone().with(scope, altered);
        let is_news = configs != self.node_configs;
        let record = is_news.then_some(MetadataRecord::NodeConfigs(configs));
        Ok(self.change(record.into_iter().collect()))
    }
}
