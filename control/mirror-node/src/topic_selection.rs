//! Which topics of its source a mirror looks for: what its configuration says, and for the mirror
//! of `node.toml` or of the command line also what is said there.

use kafka_wire::partition::TopicName;
use mirror_coordinator::cluster_metadata::NEVER_MIRRORED;
use mirror_coordinator::topic_patterns::TopicPatterns;

use crate::topic_filter::TopicFilter;

/// Topics that a mirror starts by itself.
#[derive(Clone, Debug)]
pub(crate) struct TopicSelection {
    /// `topics.include` and `topics.exclude` of the mirror; `None` where there is no such thing.
    pub(crate) patterns: Option<TopicPatterns>,
    /// `--topics` and `--exclude`, or the same of `node.toml`.
    pub(crate) filter: Option<TopicFilter>,
}

impl TopicSelection {
    /// True when both let the topic pass. No expression takes a topic that every cluster keeps for
    /// itself: of a node, which has its own, that would be the end.
    pub(crate) fn selects(&self, name: &TopicName) -> bool {
        let is_own = NEVER_MIRRORED.contains(&name.as_str());
        let matches = |patterns: &TopicPatterns| !is_own && patterns.selects(name.as_str());
        self.patterns.as_ref().is_none_or(matches)
            && self.filter.as_ref().is_none_or(|filter| filter.selects(name))
    }
}

#[cfg(test)]
mod tests;
