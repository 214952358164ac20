//! Settings of topics: which there are, what each may be, what holds when nothing is said.
//!
//! Names, types, limits and defaults are those of Kafka 4.3 (`LogConfig`), so that tools show the
//! same as with a stock broker. [`SETTINGS`] says of each what it does on a local topic, and what
//! would do nothing there cannot be set; on a mirrored one the source decides about everything.

use std::collections::BTreeMap;

use mirror_coordinator::mirrored_topic_config::{
    self, MirroredTopicConfig, MirroredTopicConfigError,
};

mod definitions;
mod without_effect;

pub use definitions::SETTINGS;

/// One setting.
#[derive(Debug)]
pub struct TopicSetting {
    /// What it is called.
    pub name: &'static str,
    /// What its value is.
    pub kind: SettingKind,
    /// What holds when a topic has none.
    pub default: &'static str,
    /// Which values are legal.
    pub rule: SettingRule,
    /// The setting of a stock broker that its default is taken from; `None` when that one is unset.
    pub broker_name: Option<&'static str>,
    /// What it does, for people.
    pub documentation: &'static str,
}

/// What a setting's value is, numbered as DescribeConfigs numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// `true` or `false`.
    Boolean = 1,
    /// Text.
    String = 2,
    /// A number of 32 bits.
    Int = 3,
    /// A number of 64 bits.
    Long = 5,
    /// A fraction.
    Double = 6,
    /// Texts between commas.
    List = 7,
}

/// Which values of its kind a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingRule {
    /// Every one.
    Any,
    /// Numbers from the first to the second.
    Between(i64, i64),
    /// Numbers from the first to the second, and the third.
    BetweenOr(i64, i64, i64),
    /// Fractions from 0 to 1.
    Share,
    /// One of these texts, or a list of them.
    OneOf(&'static [&'static str]),
    /// `*`, or pairs of a partition and a broker: `0:1`.
    Replicas,
    /// Only `false`: it turns on what this node has not.
    Off,
}

/// Why a setting is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Nothing of that name.
    #[error("Unknown topic config name: {name}")]
    Unknown {
        /// As asked for.
        name: String,
    },
    /// Not of its kind, or not within its limits.
    #[error("Invalid value {value} for configuration {name}: {expected}")]
    Value {
        /// Which.
        name: &'static str,
        /// As asked for.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// It turns on what this node has not.
    #[error("{name} cannot be set to {value}: this node has no tiered storage")]
    Absent {
        /// Which.
        name: &'static str,
        /// As asked for.
        value: String,
    },
    /// It is legal, and would do nothing here.
    #[error("{name} cannot be set to {value}: {why}, so it would have no effect")]
    WithoutEffect {
        /// Which.
        name: &'static str,
        /// As asked for, without blanks.
        value: String,
        /// What this node does instead.
        why: &'static str,
    },
    /// Of those that only mean something while a topic is mirrored.
    #[error(transparent)]
    Mirrored(#[from] MirroredTopicConfigError),
    /// Two settings contradict each other.
    #[error("{MIN_COMPACTION_LAG_MS} ({min}) is above {MAX_COMPACTION_LAG_MS} ({max})")]
    CompactionLag {
        /// The shortest time.
        min: i64,
        /// The longest time.
        max: i64,
    },
}

/// The setting of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static TopicSetting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// True for a setting of KIP-1279's: it says how a topic is mirrored here, so it is set here and
/// never the source's. Stock brokers do not know it; it is shown only where it is set.
#[must_use]
pub fn is_of_mirroring(name: &str) -> bool {
    mirrored_topic_config::NAMES.contains(&name)
}

/// Checks settings explicitly made for one topic, each by itself and all together.
///
/// # Errors
/// The first that is refused.
pub fn check(configs: &BTreeMap<String, String>) -> Result<(), SettingError> {
    for (name, value) in configs {
        check_one(name, value)?;
    }
    check_together(configs)
}

/// Checks one setting.
///
/// # Errors
/// When there is none of that name, or the value is not legal or would do nothing here.
pub fn check_one(name: &str, value: &str) -> Result<(), SettingError> {
    if is_of_mirroring(name) {
        MirroredTopicConfig::parse(&BTreeMap::from([(name.to_owned(), value.to_owned())]))?;
        return Ok(());
    }
    let Some(setting) = find(name) else {
        return Err(SettingError::Unknown { name: name.to_owned() });
    };
    without_effect::check(setting, &setting.normal(value)?)
}

/// Checks settings of one topic against each other; those of other rules are left out.
///
/// # Errors
/// When two contradict each other.
pub fn check_together(configs: &BTreeMap<String, String>) -> Result<(), SettingError> {
    MirroredTopicConfig::parse(configs)?;
    let (min, max) = (long(configs, MIN_COMPACTION_LAG_MS), long(configs, MAX_COMPACTION_LAG_MS));
    if min > max { Err(SettingError::CompactionLag { min, max }) } else { Ok(()) }
}

/// What holds for a topic with these settings: its own value when that is legal, or the default.
#[must_use]
pub fn effective(configs: &BTreeMap<String, String>, setting: &TopicSetting) -> String {
    let own = configs.get(setting.name).and_then(|value| setting.normal(value).ok());
    own.unwrap_or_else(|| setting.default.to_owned())
}

/// The number that holds for a topic with these settings.
///
/// # Panics
/// When `name` is no setting that is a whole number.
#[must_use]
pub fn long(configs: &BTreeMap<String, String>, name: &str) -> i64 {
    let setting = find(name).expect("callers name settings of the table");
    let value = effective(configs, setting);
    value.parse().expect("callers name settings that are whole numbers, which are checked")
}

/// True when `text` holds for a topic with these settings, or is in the list that holds.
///
/// # Panics
/// When `name` is no setting.
#[must_use]
pub fn has(configs: &BTreeMap<String, String>, name: &str, text: &str) -> bool {
    let setting = find(name).expect("callers name settings of the table");
    effective(configs, setting).split(',').any(|element| element == text)
}

impl TopicSetting {
    /// The value as tools show it: without blanks around it and its elements.
    ///
    /// # Errors
    /// When it is not legal.
    pub fn normal(&self, value: &str) -> Result<String, SettingError> {
        let trimmed = value.trim();
        let refused = |expected: String| SettingError::Value {
            name: self.name,
            value: value.to_owned(),
            expected,
        };
        match self.kind {
            SettingKind::Boolean => {
                let normal = trimmed.to_ascii_lowercase();
                match (self.rule, normal.as_str()) {
                    (SettingRule::Off, "true") => {
                        Err(SettingError::Absent { name: self.name, value: value.to_owned() })
                    }
                    (_, "true" | "false") => Ok(normal),
                    _ => Err(refused("Expected value to be either true or false".to_owned())),
                }
            }
            SettingKind::String => {
                self.check_text(trimmed).map_err(refused)?;
                Ok(trimmed.to_owned())
            }
            SettingKind::List => {
                let elements = list(trimmed);
                for element in &elements {
                    self.check_text(element).map_err(refused)?;
                }
                Ok(elements.join(","))
            }
            SettingKind::Int | SettingKind::Long => {
                let number = self.number(trimmed).map_err(refused)?;
                Ok(number.to_string())
            }
            SettingKind::Double => match trimmed.parse::<f64>() {
                Ok(share) if (0.0..=1.0).contains(&share) => Ok(format!("{share:?}")),
                Ok(_) => Err(refused("Value must be between 0 and 1".to_owned())),
                Err(_) => Err(refused("Not a number of type DOUBLE".to_owned())),
            },
        }
    }

    fn number(&self, trimmed: &str) -> Result<i64, String> {
        let (number, kind) = match self.kind {
            SettingKind::Int => (trimmed.parse::<i32>().map(i64::from), "INT"),
            _ => (trimmed.parse::<i64>(), "LONG"),
        };
        let number = number.map_err(|_| format!("Not a number of type {kind}"))?;
        match self.rule {
            SettingRule::Between(least, _) if number < least => {
                Err(format!("Value must be at least {least}"))
            }
            SettingRule::Between(_, most) if number > most => {
                Err(format!("Value must be no more than {most}"))
            }
            SettingRule::BetweenOr(least, most, other)
                if !(least..=most).contains(&number) && number != other =>
            {
                Err(format!("Value must be between {least} and {most} or equal to {other}"))
            }
            _ => Ok(number),
        }
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        match self.rule {
            SettingRule::OneOf(texts) if !texts.contains(&text) => {
                Err(format!("String must be one of: {}", texts.join(", ")))
            }
            SettingRule::Replicas if text != "*" && !is_replica(text) => {
                Err("expected * or a list of [partition]:[broker]".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The elements of a list, without blanks around them; none of an empty text.
#[must_use]
pub fn list(text: &str) -> Vec<&str> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    text.split(',').map(str::trim).collect()
}

fn is_replica(text: &str) -> bool {
    let number = |digits: &str| digits.parse::<i32>().is_ok_and(|number| number >= 0);
    text.split_once(':').is_some_and(|(partition, broker)| number(partition) && number(broker))
}

/// How old segments go: `delete`, `compact`.
pub const CLEANUP_POLICY: &str = "cleanup.policy";
/// Largest record batch taken, in bytes.
pub const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
/// How far ahead of the node's clock a record's timestamp may be.
pub const TIMESTAMP_AFTER_MAX_MS: &str = "message.timestamp.after.max.ms";
/// How far behind the node's clock a record's timestamp may be.
pub const TIMESTAMP_BEFORE_MAX_MS: &str = "message.timestamp.before.max.ms";
/// Whose clock timestamps are of: `CreateTime`, `LogAppendTime`.
pub const TIMESTAMP_TYPE: &str = "message.timestamp.type";
/// Bytes between two entries of an index.
pub const INDEX_INTERVAL_BYTES: &str = "index.interval.bytes";
/// How many bytes of a partition are kept; -1: all.
pub const RETENTION_BYTES: &str = "retention.bytes";
/// For how long records are kept; -1: for ever.
pub const RETENTION_MS: &str = "retention.ms";
/// Bytes at which a new segment begins.
pub const SEGMENT_BYTES: &str = "segment.bytes";
/// Age at which a new segment begins.
pub const SEGMENT_MS: &str = "segment.ms";
/// Largest offset index of a segment, in bytes.
pub const SEGMENT_INDEX_BYTES: &str = "segment.index.bytes";
const MAX_COMPACTION_LAG_MS: &str = "max.compaction.lag.ms";
const MIN_COMPACTION_LAG_MS: &str = "min.compaction.lag.ms";

#[cfg(test)]
mod tests;
