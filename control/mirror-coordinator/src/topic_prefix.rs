//! What topics of a mirror are called here: a prefix before the name that the source has for them.
//!
//! Not in KIP-1279, where names are equal. Batches carry no topic names, so records are the same
//! bytes under any name; whoever comes from MirrorMaker 2 has topics named `source.topic`.

use std::fmt;
use std::sync::Arc;

use kafka_wire::partition::TopicName;

/// A prefix; empty when topics are called here as at the source.
#[derive(Clone, PartialEq, Eq)]
pub struct TopicPrefix(Arc<str>);

/// Why a topic of the source has no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoName {
    /// It is one that the source keeps for itself, or would look like one here (`__..`).
    Internal,
    /// Longer than [`TopicName::BYTES_MAX`].
    TooLong,
    /// No topic can be called so.
    Illegal,
}

impl TopicPrefix {
    /// Reads a prefix; `None` when no topic could have it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A name of one letter is behind it at least.
        let fits = text.is_empty() || TopicName::parse(&format!("{text}a")).is_some();
        (fits && !text.starts_with(INTERNAL)).then(|| Self(text.into()))
    }

    /// What a topic of the source is called here.
    ///
    /// # Errors
    /// When it has no name here.
    pub fn name_here(&self, at_source: &str) -> Result<TopicName, NoName> {
        if self.0.is_empty() {
            return TopicName::parse(at_source).ok_or(NoName::Illegal);
        }
        if TopicName::parse(at_source).is_none() {
            return Err(NoName::Illegal);
        }
        let here = format!("{}{at_source}", self.0);
        if at_source.starts_with(INTERNAL) || here.starts_with(INTERNAL) {
            return Err(NoName::Internal);
        }
        TopicName::parse(&here).ok_or(NoName::TooLong)
    }

    /// What a topic of this mirror is called at the source; `None` for a topic that is none.
    #[must_use]
    pub fn name_at_source(&self, here: &TopicName) -> Option<TopicName> {
        if self.0.is_empty() {
            return Some(here.clone());
        }
        let at_source = here.as_str().strip_prefix(&*self.0)?;
        TopicName::parse(at_source).filter(|_| !at_source.starts_with(INTERNAL))
    }

    /// True when names are equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TopicPrefix {
    fn default() -> Self {
        Self("".into())
    }
}

impl fmt::Debug for TopicPrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

/// How names of a cluster's own topics begin.
const INTERNAL: &str = "__";

#[cfg(test)]
mod tests;
