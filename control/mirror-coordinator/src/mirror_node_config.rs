//! The settings of a broker that concern mirrors (KIP-1279), as far as a node of its own has a use
//! for them.
//!
//! Known are all of the proposal's. One that would do nothing here is refused unless it is set to
//! its default, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::mirror_config::config_change::{ConfigChange, ConfigOperation};
use crate::retry::RetryPolicy;
use crate::topic_patterns::beginning;

/// The settings, checked, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorNodeConfig {
    /// `mirror.metadata.refresh.interval.ms`: how often sources are looked at; 0 is as often as
    /// the node can.
    pub metadata_refresh_ms: u64,
    /// `mirror.group.offsets.refresh.interval.ms`: how often offsets that groups committed are
    /// carried over; 0 is as often as the node can.
    pub group_offsets_ms: u64,
    /// `mirror.failed.retry.*`: when failed partitions are tried again.
    pub retry: RetryPolicy,
    /// `mirror.replication.throttled.rate`: bytes per second of throttled partitions; `None` for
    /// as fast as they come.
    pub throttled_bytes_per_second: Option<u64>,
}

impl Default for MirrorNodeConfig {
    fn default() -> Self {
        Self {
            metadata_refresh_ms: 60_000,
            group_offsets_ms: 5_000,
            retry: RetryPolicy::default(),
            throttled_bytes_per_second: None,
        }
    }
}

/// The settings that were made: in the file of the node, and as a client makes them, for every
/// broker of the cluster, and for this one. Later ones come first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeConfigs {
    /// Of the node's file; not kept with the others, which clients made.
    pub of_file: BTreeMap<String, String>,
    /// Of every broker (resource BROKER without a name).
    pub of_all: BTreeMap<String, String>,
    /// Of this one (resource BROKER with its id).
    pub of_this: BTreeMap<String, String>,
}

/// Which brokers a setting is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeScope {
    /// Every broker of the cluster.
    All,
    /// This one.
    This,
}

impl NodeConfigs {
    /// Those made for these brokers.
    #[must_use]
    pub const fn of(&self, scope: NodeScope) -> &BTreeMap<String, String> {
        match scope {
            NodeScope::All => &self.of_all,
            NodeScope::This => &self.of_this,
        }
    }

    /// What holds here, as far as anything was made.
    #[must_use]
    pub fn in_effect(&self) -> BTreeMap<String, String> {
        let mut configs = self.of_file.clone();
        configs.extend(self.of_all.clone());
        configs.extend(self.of_this.clone());
        configs
    }

    /// True when clients made none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of_all.is_empty() && self.of_this.is_empty()
    }

    /// The same with other settings for these brokers.
    #[must_use]
    pub fn with(mut self, scope: NodeScope, configs: BTreeMap<String, String>) -> Self {
        match scope {
            NodeScope::All => self.of_all = configs,
            NodeScope::This => self.of_this = configs,
        }
        self
    }
}

/// One setting.
#[derive(Debug)]
pub struct NodeDefinition {
    /// What it is called.
    pub name: &'static str,
    /// What holds when nothing is said.
    pub default: &'static str,
    /// True for a number of 64 bits; the others have 32, or 16.
    pub is_long: bool,
    /// Smallest legal value.
    pub least: i64,
    /// Largest legal value.
    pub most: i64,
    /// Why any value but the default would do nothing here; `None` when it does something.
    pub without_effect: Option<&'static str>,
    /// What it does, for people.
    pub documentation: &'static str,
}

/// Why a setting is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeConfigError {
    /// Nothing of that name.
    #[error("unknown setting of a node: {name:?}")]
    Unknown {
        /// As asked for, or its beginning.
        name: String,
    },
    /// Not within its limits.
    #[error("{name} cannot be {value:?}: expected a number between {least} and {most}")]
    Value {
        /// Which.
        name: &'static str,
        /// As asked for, or its beginning.
        value: String,
        /// Smallest legal value.
        least: i64,
        /// Largest legal value.
        most: i64,
    },
    /// It is legal, and would do nothing here.
    #[error("{name} cannot be {value}: {why}, so it would have no effect; leave it out")]
    WithoutEffect {
        /// Which.
        name: &'static str,
        /// As asked for.
        value: String,
        /// What this node does instead.
        why: &'static str,
    },
    /// Nothing can be appended to a number.
    #[error("{name} is not a list: nothing can be appended to it or taken from it")]
    NotAList {
        /// Which.
        name: &'static str,
    },
    /// The same setting twice in one request.
    #[error("{name} is named twice in one request")]
    Duplicate {
        /// Which.
        name: &'static str,
    },
}

impl MirrorNodeConfig {
    /// Reads the settings explicitly made.
    ///
    /// # Errors
    /// The first that is refused, by name.
    pub fn parse(configs: &BTreeMap<String, String>) -> Result<Self, NodeConfigError> {
        for (name, value) in configs {
            check(name, value)?;
        }
        let number = |name: &str| {
            let definition = find(name).expect("only names of the table are asked for");
            let value = configs.get(name).map_or(definition.default, String::as_str);
            value.trim().parse::<u64>().expect("settings were checked to be numbers from 0")
        };
        let rate = number(THROTTLED_RATE);
        Ok(Self {
            metadata_refresh_ms: number("mirror.metadata.refresh.interval.ms"),
            group_offsets_ms: number(GROUP_OFFSETS_INTERVAL),
            retry: RetryPolicy {
                initial_ms: number("mirror.failed.retry.initial.backoff.ms"),
                max_ms: number("mirror.failed.retry.max.backoff.ms"),
                attempts_max: u32::try_from(number("mirror.failed.retry.max.attempts"))
                    .expect("the setting was checked to have 16 bits"),
            },
            throttled_bytes_per_second: Some(rate).filter(|rate| *rate < UNLIMITED),
        })
    }
}

/// The settings after the changes, all checked.
///
/// # Errors
/// The first change that is refused; then none counts.
pub fn altered(
    configs: &BTreeMap<String, String>,
    changes: &[ConfigChange],
) -> Result<BTreeMap<String, String>, NodeConfigError> {
    let mut altered = configs.clone();
    let mut named = BTreeSet::new();
    for change in changes {
        let unknown = || NodeConfigError::Unknown { name: beginning(&change.name) };
        let definition = find(&change.name).ok_or_else(unknown)?;
        let name = definition.name;
        if !named.insert(name) {
            return Err(NodeConfigError::Duplicate { name });
        }
        match (change.operation, change.value.as_deref()) {
            (ConfigOperation::Delete, _) | (ConfigOperation::Set, None) => {
                altered.remove(name);
            }
            (ConfigOperation::Set, Some(value)) => {
                check(name, value)?;
                altered.insert(name.to_owned(), value.trim().to_owned());
            }
            (ConfigOperation::Append | ConfigOperation::Subtract, _) => {
                return Err(NodeConfigError::NotAList { name });
            }
        }
    }
    Ok(altered)
}

/// The setting of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static NodeDefinition> {
    DEFINITIONS.iter().find(|definition| definition.name == name)
}

fn check(name: &str, value: &str) -> Result<(), NodeConfigError> {
    let definition =
        find(name).ok_or_else(|| NodeConfigError::Unknown { name: beginning(name) })?;
    let NodeDefinition { name, least, most, .. } = *definition;
    let value = value.trim();
    let number = value.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    match (number, definition.without_effect) {
        (None, _) => Err(NodeConfigError::Value { name, value: beginning(value), least, most }),
        (Some(number), Some(why)) if number.to_string() != definition.default => {
            Err(NodeConfigError::WithoutEffect { name, value: number.to_string(), why })
        }
        _ => Ok(()),
    }
}

const fn effective(
    name: &'static str,
    default: &'static str,
    limits: (i64, i64),
    documentation: &'static str,
) -> NodeDefinition {
    let (least, most) = limits;
    let is_long = most > INT_MAX;
    NodeDefinition { name, default, is_long, least, most, without_effect: None, documentation }
}

const fn ineffective(
    name: &'static str,
    default: &'static str,
    limits: (i64, i64),
    why: &'static str,
) -> NodeDefinition {
    let documentation = "Known for compatibility; has no effect here.";
    let (least, most) = limits;
    let is_long = most > INT_MAX;
    NodeDefinition { name, default, is_long, least, most, without_effect: Some(why), documentation }
}

/// Bytes per second of partitions that are throttled.
pub const THROTTLED_RATE: &str = "mirror.replication.throttled.rate";
/// Milliseconds between two looks at what groups committed at a source.
pub const GROUP_OFFSETS_INTERVAL: &str = "mirror.group.offsets.refresh.interval.ms";
const INT_MAX: i64 = 2_147_483_647;
const SHORT_MAX: i64 = 32_767;
const LONG_MAX: i64 = i64::MAX;
/// The default rate: the largest number there is.
const UNLIMITED: u64 = 9_223_372_036_854_775_807;
const ONE_THREAD: &str = "the thread that decides about mirrors keeps their states itself";

/// Every setting of a broker that the proposal has, but for those that switch early access on.
pub static DEFINITIONS: [NodeDefinition; 13] = [
    effective(
        "mirror.metadata.refresh.interval.ms",
        "60000",
        (0, LONG_MAX),
        "How often sources are asked for new topics, partitions, leaders and settings.",
    ),
    effective(
        GROUP_OFFSETS_INTERVAL,
        "5000",
        (0, LONG_MAX),
        "How often offsets that consumer groups committed at sources are carried over; no setting \
         of the proposal, where it is mirror.metadata.refresh.interval.ms.",
    ),
    effective(
        "mirror.failed.retry.initial.backoff.ms",
        "100",
        (1, LONG_MAX),
        "Half the pause before a failed partition is tried again for the first time.",
    ),
    effective(
        "mirror.failed.retry.max.backoff.ms",
        "300000",
        (1, LONG_MAX),
        "Longest pause before a failed partition is tried again.",
    ),
    effective(
        "mirror.failed.retry.max.attempts",
        "20",
        (0, SHORT_MAX),
        "How often a failed partition is tried again; 0 is never.",
    ),
    effective(
        THROTTLED_RATE,
        "9223372036854775807",
        (0, LONG_MAX),
        "Bytes per second of partitions in mirror.replication.throttled.replicas.",
    ),
    ineffective(
        "mirror.num.replica.fetchers",
        "1",
        (1, INT_MAX),
        "connections_per_broker and cores in the section [mirror] of a node's file say it",
    ),
    ineffective("mirror.coordinator.threads", "1", (1, INT_MAX), ONE_THREAD),
    ineffective("mirror.coordinator.write.timeout.ms", "5000", (1, LONG_MAX), ONE_THREAD),
    ineffective("mirror.coordinator.append.linger.ms", "10", (0, INT_MAX), ONE_THREAD),
    ineffective("mirror.coordinator.load.buffer.size", "5242880", (1, INT_MAX), ONE_THREAD),
    ineffective(
        "mirror.state.topic.num.partitions",
        "50",
        (1, INT_MAX),
        "the topic of states has 50 partitions on every node, so that directories can be moved",
    ),
    ineffective(
        "mirror.state.topic.replication.factor",
        "3",
        (1, SHORT_MAX),
        "a node is the only replica of all it has",
    ),
];

#[cfg(test)]
mod tests;
