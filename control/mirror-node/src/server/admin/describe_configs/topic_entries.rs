//! Settings of a topic: its own, and the defaults of those it has not.

use std::collections::BTreeMap;

use mirror_coordinator::mirrored_topic_config::THROTTLED_REPLICAS;

use super::{Entry, Source, Synonym};
use crate::topic_settings::{SETTINGS, SettingKind, TopicSetting, find, is_of_mirroring};

/// Every setting there is, and those of the topic that only its source knows.
pub(in crate::server::admin) fn entries(own: &BTreeMap<String, String>) -> Vec<Entry> {
    let other = own.iter().filter(|(name, _)| find(name).is_none());
    let other =
        other.map(
            |(name, value)| {
                if is_of_mirroring(name) { of_mirroring(name, value) } else { hidden(name) }
            },
        );
    SETTINGS.iter().map(|setting| entry(setting, own.get(setting.name))).chain(other).collect()
}

fn entry(setting: &TopicSetting, own: Option<&String>) -> Entry {
    let default = setting.broker_name.map(|name| Synonym {
        name: name.to_owned(),
        value: Some(setting.default.to_owned()),
        source: Source::Default,
    });
    // What the source has may have been legal there and not be here: it is shown as it is.
    let own = own.map(|value| setting.normal(value).unwrap_or_else(|_| value.clone()));
    let made = own.clone().map(|value| Synonym {
        name: setting.name.to_owned(),
        value: Some(value),
        source: Source::Topic,
    });
    Entry {
        name: setting.name.to_owned(),
        source: if own.is_some() { Source::Topic } else { Source::Default },
        value: Some(own.unwrap_or_else(|| setting.default.to_owned())),
        kind: setting.kind as i8,
        is_read_only: false,
        is_sensitive: false,
        synonyms: made.into_iter().chain(default).collect(),
        documentation: Some(setting.documentation),
    }
}

/// How the topic is mirrored here.
fn of_mirroring(name: &str, value: &str) -> Entry {
    let kind = if name == THROTTLED_REPLICAS { SettingKind::List } else { SettingKind::Boolean };
    let value = Some(value.to_owned());
    let own = Synonym { name: name.to_owned(), value: value.clone(), source: Source::Topic };
    Entry {
        name: name.to_owned(),
        value,
        source: Source::Topic,
        kind: kind as i8,
        is_read_only: false,
        is_sensitive: false,
        synonyms: vec![own],
        documentation: None,
    }
}

/// A setting nobody here knows might be a password: its value is not shown, as with a stock broker.
fn hidden(name: &str) -> Entry {
    let synonym = Synonym { name: name.to_owned(), value: None, source: Source::Topic };
    Entry {
        name: name.to_owned(),
        value: None,
        source: Source::Topic,
        kind: 0,
        is_read_only: false,
        is_sensitive: true,
        synonyms: vec![synonym],
        documentation: None,
    }
}
