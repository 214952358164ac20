//! Names of groups.

use std::fmt;
use std::sync::Arc;

use crate::limits::GROUP_ID_BYTES_MAX;

/// Name of a group. It may be empty: clients without a group commit offsets under that name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<str>);

impl GroupId {
    /// The name `text`; `None` when it is too long to be kept in a record.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= GROUP_ID_BYTES_MAX).then(|| Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the name of no group at all, which has offsets but never members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
