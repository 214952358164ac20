//! Which topics of its source a mirror looks for: what its configuration says, and for the mirror
//! of `node.toml` or of the command line also what is said there.

use kafka_wire::partition::TopicName;
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
    /// True when both let the topic pass.
    pub(crate) fn selects(&self, name: &TopicName) -> bool {
        self.patterns.as_ref().is_none_or(|patterns| patterns.selects(name.as_str()))
            && self.filter.as_ref().is_none_or(|filter| filter.selects(name))
    }
}
