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

    /// The partition of `__consumer_offsets` that holds the group, of `partition_count`:
    /// Java's hash of the name, as every broker and client computes it.
    #[must_use]
    pub fn offsets_partition(&self, partition_count: u16) -> u16 {
        assert!(partition_count > 0, "the offsets topic has a partition");
        let hash = self
            .0
            .encode_utf16()
            .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        let index = (hash & SIGN_BIT_CLEARED) % u32::from(partition_count);
        u16::try_from(index).expect("a remainder is below the count it was divided by")
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Java's `Utils.abs` clears the sign bit.
const SIGN_BIT_CLEARED: u32 = 0x7fff_ffff;

#[cfg(test)]
mod tests;
