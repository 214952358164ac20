//! Keeping our leader epoch ahead of the source's (KIP-1279: DLE >= SLE).
//!
//! Consumers remember the epoch of the last batch they read; one that meets a smaller leader
//! epoch later refreshes metadata for ever. So ours is raised before the source's can pass it:
//! by ten, whenever the source comes within three.

use kafka_wire::epoch::{LeaderEpoch, SourceLeaderEpoch};

/// Our epoch is raised when the source's is above ours minus this.
pub const BUMP_THRESHOLD: i32 = 3;
/// Our epoch is raised at least this far beyond the source's.
pub const BUMP_INCREMENT: i32 = 10;

const _: () = assert!(BUMP_INCREMENT > BUMP_THRESHOLD);

/// True when `source` is so close to `ours` that ours must be raised.
#[must_use]
pub const fn needs_bump(source: SourceLeaderEpoch, ours: LeaderEpoch) -> bool {
    source.get() > ours.get() - BUMP_THRESHOLD
}

/// Our next epoch, `max(source + 10, ours) + 1`; `None` past the largest epoch.
#[must_use]
pub fn raised(source: SourceLeaderEpoch, ours: LeaderEpoch) -> Option<LeaderEpoch> {
    let least = source.get().checked_add(BUMP_INCREMENT)?;
    let next = least.max(ours.get()).checked_add(1)?;
    let epoch = LeaderEpoch::from_wire(next)?;
    assert!(epoch > ours, "a raised epoch is above the one before");
    assert!(epoch.covers(source), "a raised epoch covers the source's");
    Some(epoch)
}

/// What our epoch must exceed to be raised beyond `source`: ten more, as far as there are epochs
/// left. The next one always covers `source`, however large that is.
#[must_use]
pub const fn raise_above(source: SourceLeaderEpoch) -> i32 {
    let above = source.get().saturating_add(BUMP_INCREMENT);
    if above == i32::MAX { i32::MAX - 1 } else { above }
}

#[cfg(test)]
mod tests;
