//! Making a mirror: a name and its settings (KIP-1279, CreateClusterMirror).

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::mirror_error::MirrorError;

use super::command_error::{CommandError, ErrorCode};
use super::filters::Filters;
use super::limits::MIRRORS_MAX;
use super::{ClusterMetadata, MetadataChange, MetadataRecord, Mirror};
use crate::mirror_config::config_change::{ConfigChange, ConfigOperation, altered};
use crate::mirror_config::{MirrorConfig, MirrorConfigError};
use crate::mirror_name::MirrorName;
use crate::topic_patterns::beginning;

impl ClusterMetadata {
    /// Plans to make a mirror. A setting without a value has its default.
    ///
    /// # Errors
    /// When the name is none or taken, a setting is refused, or there are too many mirrors.
    pub fn plan_create(
        &self,
        name: &str,
        configs: &[(String, Option<String>)],
    ) -> Result<MetadataChange, CommandError> {
        let parsed = MirrorName::parse(name).ok_or_else(|| {
            let told = beginning(name);
            let message = format!(
                "{told:?} is no name for a mirror: expected 1 to {} letters, digits, '.', '_' and \
                 '-', and neither \".\" nor \"..\"",
                MirrorName::BYTES_MAX
            );
            CommandError::new(ErrorCode::InvalidRequest, message)
        })?;
        if self.mirrors.contains_key(&parsed) {
            let message = format!(
                "mirror {parsed} exists: take another name, or change its settings instead"
            );
            return Err(CommandError::new(MirrorError::ClusterMirrorAlreadyExists, message));
        }
        if self.mirrors.len() >= MIRRORS_MAX {
            let message = format!(
                "mirror {parsed} cannot be made: this node has {MIRRORS_MAX} mirrors, which is the \
                 most; delete one"
            );
            return Err(CommandError::new(ErrorCode::PolicyViolation, message));
        }
        let refused = |reason: String| {
            let message = format!("mirror {parsed} was not made: {reason}");
            CommandError::new(ErrorCode::InvalidConfig, message)
        };
        let configs = checked(configs).map_err(|error| refused(error.to_string()))?;
        Filters::check_configs(&configs).map_err(refused)?;
        let mirror = Mirror { configs, source_cluster_id: None };
        Ok(self.change(vec![MetadataRecord::Mirror(parsed, mirror)]))
    }
}

/// The settings as they are stored, every one checked.
fn checked(
    configs: &[(String, Option<String>)],
) -> Result<BTreeMap<String, String>, MirrorConfigError> {
    let mut named = BTreeSet::new();
    if let Some((name, _)) = configs.iter().find(|(name, _)| !named.insert(name)) {
        return Err(MirrorConfigError::Duplicate { name: beginning(name) });
    }
    let set = |(name, value): &(String, Option<String>)| ConfigChange {
        name: name.clone(),
        operation: ConfigOperation::Set,
        value: value.clone(),
    };
    let changes: Vec<_> = configs.iter().map(set).collect();
    let configs = altered(&BTreeMap::new(), &changes)?;
    MirrorConfig::parse_whole(&configs)?;
    Ok(configs)
}
