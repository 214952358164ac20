//! Settings of this node that concern mirrors, as they were made in its file and while it runs.

use std::collections::BTreeMap;

use mirror_coordinator::mirror_node_config::{DEFINITIONS, NodeConfigs, NodeDefinition};

use super::{Entry, Source, Synonym};
use crate::topic_settings::SettingKind;

/// Every setting there is, with what holds here.
pub(super) fn entries(made: &NodeConfigs) -> Vec<Entry> {
    let entries = DEFINITIONS.iter().map(|definition| {
        let of_this = synonym(definition, &made.of_this, Source::DynamicBroker);
        let of_all = synonym(definition, &made.of_all, Source::DynamicDefaultBroker);
        let of_file = synonym(definition, &made.of_file, Source::StaticBroker);
        let default = Synonym {
            name: definition.name.to_owned(),
            value: Some(definition.default.to_owned()),
            source: Source::Default,
        };
        let made = of_this.into_iter().chain(of_all).chain(of_file);
        entry(definition, made.chain([default]).collect())
    });
    entries.collect()
}

/// What was made for every broker.
pub(super) fn made_for_all(made: &NodeConfigs) -> Vec<Entry> {
    let entries = DEFINITIONS.iter().filter_map(|definition| {
        let of_all = synonym(definition, &made.of_all, Source::DynamicDefaultBroker)?;
        Some(entry(definition, vec![of_all]))
    });
    entries.collect()
}

fn synonym(
    definition: &NodeDefinition,
    made: &BTreeMap<String, String>,
    source: Source,
) -> Option<Synonym> {
    let value = made.get(definition.name)?.clone();
    Some(Synonym { name: definition.name.to_owned(), value: Some(value), source })
}

/// The entry of a setting; the first of `synonyms` counts.
fn entry(definition: &NodeDefinition, synonyms: Vec<Synonym>) -> Entry {
    let counts = synonyms.first().expect("a setting has a value").clone();
    let kind = if definition.is_long { SettingKind::Long } else { SettingKind::Int };
    Entry {
        name: counts.name,
        value: counts.value,
        source: counts.source,
        kind: kind as i8,
        is_read_only: definition.without_effect.is_some(),
        is_sensitive: false,
        synonyms,
        documentation: Some(definition.documentation),
    }
}
