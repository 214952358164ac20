//! The node's own settings that concern mirrors (KIP-1279's of a broker): changed while it runs.

use std::collections::BTreeMap;

use mirror_coordinator::mirror_config::MirrorConfig;
use mirror_coordinator::mirror_config::definitions::ConfigKind;
use mirror_coordinator::mirror_node_config::{DEFINITIONS, MirrorNodeConfig, NodeDefinition};

use super::MirrorLoop;
use super::orders::{config_change, order_refusal};
use crate::mirror_orders::{MirrorSetting, MirrorSettingChange, OrderRefusal};

impl MirrorLoop<'_> {
    pub(super) fn node_settings(&self) -> Vec<MirrorSetting> {
        shown(self.metadata.node_configs())
    }

    pub(super) fn alter_node(
        &mut self,
        changes: Vec<MirrorSettingChange>,
        validate_only: bool,
    ) -> Result<(), OrderRefusal> {
        let changes: Vec<_> = changes.into_iter().map(config_change).collect();
        let change = self.metadata.plan_alter_node_configs(&changes).map_err(order_refusal)?;
        if validate_only {
            return Ok(());
        }
        self.commit(&change, Vec::new()).map_err(|error| {
            let message = format!("{error}; nothing was changed");
            OrderRefusal { code: error.code(), message }
        })
    }

    /// Has the settings count: when failed partitions are tried again, and how often sources are
    /// looked at. How the mirror of the configuration file looks is said there.
    pub(super) fn configure_node(&mut self) {
        let node = self.node_config();
        self.lifecycle.set_retry_policy(node.retry);
        for (name, mirror) in self.metadata.mirrors() {
            if self.config.mirror.as_ref().is_some_and(|configured| configured.name == *name) {
                continue;
            }
            let Ok(config) = MirrorConfig::parse(&mirror.configs) else { continue };
            let properties = self.client_properties(&config);
            let events = self.event_sender.clone();
            if let Some(source) = self.sources.get_mut(name)
                && source.properties.metadata_refresh_ms != properties.metadata_refresh_ms
            {
                source.properties = properties;
                source.watch(name, self.config.until_caught_up, events);
            }
        }
    }

    pub(super) fn node_config(&self) -> MirrorNodeConfig {
        // They were checked when they were set; an older program may have known others.
        MirrorNodeConfig::parse(self.metadata.node_configs()).unwrap_or_default()
    }
}

/// Every setting, those not made with their default.
fn shown(configs: &BTreeMap<String, String>) -> Vec<MirrorSetting> {
    let setting = |definition: &NodeDefinition| {
        let set = configs.get(definition.name);
        let kind = if definition.is_long { ConfigKind::Long } else { ConfigKind::Int };
        MirrorSetting {
            name: definition.name.to_owned(),
            value: Some(set.cloned().unwrap_or_else(|| definition.default.to_owned())),
            is_set: set.is_some(),
            is_sensitive: false,
            is_read_only: definition.without_effect.is_some(),
            kind: kind.number(),
        }
    };
    DEFINITIONS.iter().map(setting).collect()
}
