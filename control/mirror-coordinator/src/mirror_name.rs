//! The name of a mirror: how people and requests call the link to one source cluster.

use std::fmt;
use std::sync::Arc;

/// Name of a mirror: 1 to 249 characters of `[A-Za-z0-9._-]`, not `.` and not `..`, which are the
/// rules of topic names (KIP-1279).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorName(Arc<str>);

impl MirrorName {
    /// Longest legal name, in bytes.
    pub const BYTES_MAX: usize = 249;

    /// Checks `text` against the rule; `None` when it is no name of a mirror.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = !text.is_empty() && text.len() <= Self::BYTES_MAX;
        (fits && text != "." && text != ".." && text.bytes().all(legal)).then(|| Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MirrorName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
