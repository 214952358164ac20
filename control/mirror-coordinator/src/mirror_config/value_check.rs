//! Whether one value is legal for one setting.

use super::definitions::{self, ConfigDefinition, ConfigKind, ConfigRule};
use super::{MirrorConfigError, SourceAddress, list, security_names, without_credentials};
use crate::acl::include_rules::IncludeRules;
use crate::cluster_metadata::limits::CONFIG_VALUE_BYTES_MAX;
use crate::topic_patterns::{PatternList, beginning};
use crate::topic_prefix::TopicPrefix;

/// Checks one setting by itself.
pub(super) fn check(name: &str, value: &str) -> Result<(), MirrorConfigError> {
    if value.len() > CONFIG_VALUE_BYTES_MAX {
        let (name, bytes) = (beginning(name), value.len());
        return Err(MirrorConfigError::TooLong { name, bytes, most: CONFIG_VALUE_BYTES_MAX });
    }
    if let Some(definition) = definitions::find(name) {
        return check_known(definition, value);
    }
    Err(match security_names::find(name) {
        Some(known) => MirrorConfigError::NoSecurity { name: known.name },
        None => MirrorConfigError::Unknown { name: beginning(name) },
    })
}

fn check_known(definition: &ConfigDefinition, value: &str) -> Result<(), MirrorConfigError> {
    let name = definition.name;
    let refused =
        |expected: String| MirrorConfigError::Value { name, value: beginning(value), expected };
    match definition.rule {
        ConfigRule::Any => Ok(()),
        ConfigRule::Between(least, most) => {
            number(definition, value, least, most).map_err(refused).map(|_| ())
        }
        ConfigRule::OnlyDefault { least, why } => {
            let number = number(definition, value, least, i64::MAX).map_err(refused)?;
            if definition.default == Some(number.to_string().as_str()) {
                return Ok(());
            }
            Err(MirrorConfigError::WithoutEffect { name, value: beginning(value), why })
        }
        ConfigRule::Addresses => {
            let addresses = list(value);
            let wrong = addresses.iter().find(|text| SourceAddress::parse(text).is_none());
            match wrong {
                Some(text) => Err(MirrorConfigError::Value {
                    name,
                    // A comma may be part of a password.
                    value: without_credentials(if value.contains('@') { value } else { text }),
                    expected: "host:port, or [ipv6]:port".to_owned(),
                }),
                None if addresses.is_empty() => {
                    Err(refused("one or more host:port between commas".to_owned()))
                }
                None => Ok(()),
            }
        }
        ConfigRule::Patterns => {
            let parsed = PatternList::parse(&list(value));
            parsed.map(|_| ()).map_err(|error| MirrorConfigError::Pattern { name, error })
        }
        ConfigRule::TopicPrefix => match TopicPrefix::parse(value.trim()) {
            Some(_) => Ok(()),
            None => Err(refused(
                "up to 248 letters, digits, '.', '_' and '-' that do not begin with \"__\""
                    .to_owned(),
            )),
        },
        ConfigRule::AclRules => {
            let parsed = IncludeRules::parse(&list(value));
            parsed.map(|_| ()).map_err(|error| MirrorConfigError::AclRule { name, error })
        }
        ConfigRule::Plaintext if value.trim() == "PLAINTEXT" => Ok(()),
        ConfigRule::Plaintext => match value.trim() {
            "SSL" | "SASL_PLAINTEXT" | "SASL_SSL" => Err(MirrorConfigError::NoSecurity { name }),
            _ => Err(refused("PLAINTEXT, the only one supported here".to_owned())),
        },
        ConfigRule::SetByTheNode => Err(MirrorConfigError::SetByTheNode { name }),
    }
}

fn number(
    definition: &ConfigDefinition,
    value: &str,
    least: i64,
    most: i64,
) -> Result<i64, String> {
    let most_of_kind = if definition.kind == ConfigKind::Int { i32::MAX.into() } else { i64::MAX };
    let most = most.min(most_of_kind);
    let number = value.trim().parse::<i64>().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("a number between {least} and {most}"))
}
