//! Whether two partitions give their consumers the same, and where they first do not.

use anyhow::Result;

use crate::driver::{Digest, Driver, Isolation, Range};

/// A partition of a cluster, as its consumers see it.
#[derive(Clone, Copy, Debug)]
pub struct ConsumedPartition<'a> {
    /// The clients of its cluster.
    pub driver: &'a Driver,
    /// Its topic.
    pub topic: &'a str,
    /// Its number.
    pub partition: i32,
}

/// Compares what read_uncommitted and read_committed consumers get: records, offsets, leader
/// epochs and where each of them ends. `None` when all is the same.
///
/// # Errors
/// When a partition cannot be read.
pub fn first_difference(
    source: ConsumedPartition<'_>,
    mirror: ConsumedPartition<'_>,
) -> Result<Option<String>> {
    for isolation in Isolation::ALL {
        let ours = mirror.digest(isolation, Range::default())?;
        let theirs = source.digest(isolation, Range::default())?;
        if ours != theirs {
            let at = differing_offset(source, mirror, isolation, theirs.end.max(ours.end))?;
            return Ok(Some(format!(
                "{isolation:?} consumers get different records of {}-{} from offset {at} on\n\
                 source: {theirs:?}\nmirror: {ours:?}",
                source.topic, source.partition
            )));
        }
    }
    Ok(None)
}

/// Halves the range until one offset is left; the digests of everything before it are equal.
fn differing_offset(
    source: ConsumedPartition<'_>,
    mirror: ConsumedPartition<'_>,
    isolation: Isolation,
    end: i64,
) -> Result<i64> {
    let (mut same, mut different) = (0, end);
    while different - same > 1 {
        let middle = same + (different - same) / 2;
        let below = Range { from: None, to: Some(middle) };
        if source.digest(isolation, below)? == mirror.digest(isolation, below)? {
            same = middle;
        } else {
            different = middle;
        }
    }
    Ok(same)
}

impl ConsumedPartition<'_> {
    fn digest(self, isolation: Isolation, range: Range) -> Result<Digest> {
        self.driver.digest_range(self.topic, self.partition, isolation, range)
    }
}
