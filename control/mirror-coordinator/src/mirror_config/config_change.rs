//! Changes of settings one by one, as IncrementalAlterConfigs asks for them.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions::{self, ConfigKind};
use super::{MirrorConfig, MirrorConfigError, list, value_check};
use crate::topic_patterns::beginning;

/// One change of one setting.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// Which setting.
    pub name: String,
    /// What to do with it.
    pub operation: ConfigOperation,
    /// What to set, append or take away; nothing for [`ConfigOperation::Delete`].
    pub value: Option<String>,
}

/// What to do with a setting, numbered as IncrementalAlterConfigs numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// The value holds from now on; nothing stands for the default.
    Set,
    /// The default holds from now on.
    Delete,
    /// The elements join a list.
    Append,
    /// The elements leave a list.
    Subtract,
}

impl ConfigOperation {
    /// The operation of a number on the wire; `None` when it is none.
    #[must_use]
    pub const fn from_number(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Set),
            1 => Some(Self::Delete),
            2 => Some(Self::Append),
            3 => Some(Self::Subtract),
            _ => None,
        }
    }
}

impl std::fmt::Debug for ConfigChange {
    /// Tells values of settings that cannot be secrets only.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_open = definitions::find(&self.name).is_some();
        let value = self.value.as_deref().map(|value| if is_open { value } else { "(hidden)" });
        let mut shown = out.debug_struct("ConfigChange");
        shown.field("name", &self.name).field("operation", &self.operation);
        shown.field("value", &value).finish()
    }
}

/// The settings after the changes, all checked.
///
/// # Errors
/// The first change that is refused; then none counts.
pub fn altered(
    configs: &BTreeMap<String, String>,
    changes: &[ConfigChange],
) -> Result<BTreeMap<String, String>, MirrorConfigError> {
    let mut altered = configs.clone();
    let mut named = BTreeSet::new();
    for change in changes {
        if !named.insert(change.name.as_str()) {
            return Err(MirrorConfigError::Duplicate { name: beginning(&change.name) });
        }
        alter_one(&mut altered, change)?;
    }
    // A mirror without a source, made of an older directory, may stay without; no other may become
    // one.
    let needs_source = configs.contains_key(super::BOOTSTRAP_SERVERS);
    if needs_source {
        MirrorConfig::parse_whole(&altered)?;
    } else {
        MirrorConfig::parse(&altered)?;
    }
    Ok(altered)
}

fn alter_one(
    configs: &mut BTreeMap<String, String>,
    change: &ConfigChange,
) -> Result<(), MirrorConfigError> {
    let value = change.value.as_deref();
    let Some(definition) = definitions::find(&change.name) else {
        // Says of a name of TLS or SASL that it is one, and of any other that it is unknown.
        return value_check::check(&change.name, value.unwrap_or_default());
    };
    if definition.rule == definitions::ConfigRule::SetByTheNode {
        return Err(MirrorConfigError::SetByTheNode { name: definition.name });
    }
    let name = definition.name;
    match (change.operation, value) {
        (ConfigOperation::Delete, _) | (ConfigOperation::Set, None) => {
            configs.remove(name);
        }
        (ConfigOperation::Set, Some(value)) => {
            value_check::check(name, value)?;
            configs.insert(name.to_owned(), normal(definition.kind, value));
        }
        (ConfigOperation::Append | ConfigOperation::Subtract, _)
            if definition.kind != ConfigKind::List =>
        {
            return Err(MirrorConfigError::NotAList { name: name.to_owned() });
        }
        (operation, value) => {
            let elements = list(value.unwrap_or_default());
            let held = configs.get(name).map(String::as_str).or(definition.default);
            let held = list(held.unwrap_or_default());
            let joined = if operation == ConfigOperation::Append {
                appended(&held, &elements)
            } else {
                let stays = |element: &&str| !elements.contains(element);
                held.into_iter().filter(stays).collect::<Vec<_>>().join(",")
            };
            value_check::check(name, &joined)?;
            configs.insert(name.to_owned(), joined);
        }
    }
    Ok(())
}

/// Both lists, every element once, in order.
pub(crate) fn appended(held: &[&str], more: &[&str]) -> String {
    let mut seen = BTreeSet::new();
    let all = held.iter().chain(more).filter(|element| seen.insert(**element));
    all.copied().collect::<Vec<_>>().join(",")
}

/// A value as it is stored: without blanks, a list without brackets.
pub(crate) fn normal(kind: ConfigKind, value: &str) -> String {
    match kind {
        ConfigKind::List => list(value).join(","),
        _ => value.trim().to_owned(),
    }
}
