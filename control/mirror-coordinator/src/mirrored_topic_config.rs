//! Settings of a topic that only mean something while it is mirrored (KIP-1279).

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::partition::{BrokerId, PartitionIndex};

/// Whether a mirrored topic follows a source that lost records in an unclean election.
pub const SUPPORT_UNCLEAN_ELECTION: &str = "mirror.support.unclean.leader.election";
/// Another name of the same setting, in later texts of the proposal (decision Q9).
pub const SUPPORT_UNCLEAN_ELECTION_ALIAS: &str = "mirror.unclean.leader.election.enable";
/// Which partitions of the topic are throttled.
pub const THROTTLED_REPLICAS: &str = "mirror.replication.throttled.replicas";
/// Names of this kind, in the order they are shown.
pub const NAMES: [&str; 3] =
    [THROTTLED_REPLICAS, SUPPORT_UNCLEAN_ELECTION, SUPPORT_UNCLEAN_ELECTION_ALIAS];

/// The settings, checked, defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirroredTopicConfig {
    /// True when the log is cut to follow a source that lost records; otherwise the partition
    /// fails for good.
    pub supports_unclean_election: bool,
    /// Which partitions are throttled.
    pub throttled: ThrottledReplicas,
}

/// Partitions that are throttled, each on one broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// None.
    #[default]
    None,
    /// Every one.
    All,
    /// These.
    Some(BTreeSet<(PartitionIndex, BrokerId)>),
}

/// A value that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirroredTopicConfigError {
    /// Neither `true` nor `false`.
    #[error("{name} cannot be {value:?}: expected true or false")]
    Boolean {
        /// Which.
        name: &'static str,
        /// As asked for, or its beginning.
        value: String,
    },
    /// Not a list of pairs.
    #[error(
        "{THROTTLED_REPLICAS} cannot have {element:?}: expected * or partition:broker, such as 0:1"
    )]
    Replica {
        /// The element, or its beginning.
        element: String,
    },
    /// Both names, which say different things.
    #[error(
        "{SUPPORT_UNCLEAN_ELECTION} and {SUPPORT_UNCLEAN_ELECTION_ALIAS} are two names of one \
         setting and say different things: remove one of them"
    )]
    AtOdds,
}

impl MirroredTopicConfig {
    /// Reads the settings among all those of a topic.
    ///
    /// # Errors
    /// The first that is refused, by name.
    pub fn parse(configs: &BTreeMap<String, String>) -> Result<Self, MirroredTopicConfigError> {
        let boolean = |name: &'static str| {
            let value = configs.get(name);
            value.map(|value| parse_boolean(name, value)).transpose()
        };
        let (one, other) =
            (boolean(SUPPORT_UNCLEAN_ELECTION)?, boolean(SUPPORT_UNCLEAN_ELECTION_ALIAS)?);
        if let (Some(one), Some(other)) = (one, other)
            && one != other
        {
            return Err(MirroredTopicConfigError::AtOdds);
        }
        let throttled =
            configs.get(THROTTLED_REPLICAS).map(|value| ThrottledReplicas::parse(value));
        Ok(Self {
            supports_unclean_election: one.or(other).unwrap_or(false),
            throttled: throttled.transpose()?.unwrap_or_default(),
        })
    }
}

impl ThrottledReplicas {
    /// Reads `*`, or pairs such as `0:1,1:1`; an empty text means none.
    ///
    /// # Errors
    /// Names the element that is no pair.
    pub fn parse(text: &str) -> Result<Self, MirroredTopicConfigError> {
        let elements = crate::mirror_config::list(text);
        if elements == ["*"] {
            return Ok(Self::All);
        }
        let mut pairs = BTreeSet::new();
        for element in elements {
            let pair = element.split_once(':').and_then(|(partition, broker)| {
                let partition = PartitionIndex::from_wire(partition.trim().parse().ok()?)?;
                Some((partition, BrokerId::from_wire(broker.trim().parse().ok()?)?))
            });
            let refused = || MirroredTopicConfigError::Replica {
                element: crate::topic_patterns::beginning(element),
            };
            pairs.insert(pair.ok_or_else(refused)?);
        }
        Ok(if pairs.is_empty() { Self::None } else { Self::Some(pairs) })
    }

    /// True when this partition is throttled on this broker.
    #[must_use]
    pub fn has(&self, partition: PartitionIndex, broker: BrokerId) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(pairs) => pairs.contains(&(partition, broker)),
        }
    }
}

fn parse_boolean(name: &'static str, value: &str) -> Result<bool, MirroredTopicConfigError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            let value = crate::topic_patterns::beginning(value);
            Err(MirroredTopicConfigError::Boolean { name, value })
        }
    }
}

#[cfg(test)]
mod tests;
