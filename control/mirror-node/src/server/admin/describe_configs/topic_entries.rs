//! Settings of a topic: its own, and the defaults of those it has not.

use std::collections::BTreeMap;

use super::{Entry, Source, Synonym};
use crate::topic_settings::{SETTINGS, TopicSetting, find};

/// Every setting there is, and those of the topic that only its source knows.
pub(in crate::server::admin) fn entries(own: &BTreeMap<String, String>) -> Vec<Entry> {
    let unknown = own.keys().filter(|name| find(name).is_none()).map(|name| hidden(name));
    SETTINGS.iter().map(|setting| entry(setting, own.get(setting.name))).chain(unknown).collect()
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
