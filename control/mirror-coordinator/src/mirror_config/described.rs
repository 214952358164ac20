//! A mirror's settings as DescribeConfigs shows them.

use std::collections::BTreeMap;

use super::definitions::{ConfigKind, DEFINITIONS};
use super::{SOURCE_CLUSTER_ID, security_names};

/// One setting as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConfig {
    /// What it is called.
    pub name: String,
    /// What holds; nothing for a secret, and for what has no value.
    pub value: Option<String>,
    /// True when nobody set it.
    pub is_default: bool,
    /// True when its value is a secret.
    pub is_sensitive: bool,
    /// True when only the node sets it.
    pub is_read_only: bool,
    /// What its value is.
    pub kind: ConfigKind,
    /// What it does, for people.
    pub documentation: &'static str,
}

/// Every setting of a mirror, by name.
#[must_use]
pub fn described(
    configs: &BTreeMap<String, String>,
    source_cluster_id: Option<&str>,
) -> Vec<DescribedConfig> {
    let mut shown: Vec<_> = DEFINITIONS
        .iter()
        .map(|definition| {
            let by_node = definition.name == SOURCE_CLUSTER_ID;
            let set = configs.get(definition.name).map(String::as_str);
            let set = if by_node { source_cluster_id } else { set };
            DescribedConfig {
                name: definition.name.to_owned(),
                value: set.or(definition.default).map(str::to_owned),
                is_default: set.is_none(),
                is_sensitive: false,
                is_read_only: by_node,
                kind: definition.kind,
                documentation: definition.documentation,
            }
        })
        .collect();
    // None is stored by this version; should one be there, it is not told.
    let others = configs.keys().filter(|name| super::definitions::find(name).is_none());
    shown.extend(others.map(|name| hidden(name)));
    shown.sort_by(|one, other| one.name.cmp(&other.name));
    shown
}

fn hidden(name: &str) -> DescribedConfig {
    let is_sensitive = security_names::is_sensitive(name);
    DescribedConfig {
        name: name.to_owned(),
        value: None,
        is_default: false,
        is_sensitive: true,
        is_read_only: false,
        kind: if is_sensitive { ConfigKind::Password } else { ConfigKind::String },
        documentation: "",
    }
}
