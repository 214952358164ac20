//! The name of a mirror: how people and requests call the link to one source cluster.

use std::fmt;

use kafka_wire::partition::TopicName;

/// Name of a mirror: 1 to 249 characters of `[A-Za-z0-9._-]`, not `.` and not `..`, which are the
/// rules of topic names (KIP-1279).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorName(TopicName);

impl MirrorName {
    /// Longest legal name, in bytes.
    pub const BYTES_MAX: usize = TopicName::BYTES_MAX;

    /// Checks `text` against the rule; `None` when it is no name of a mirror.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        TopicName::parse(text).map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for MirrorName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
