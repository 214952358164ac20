//! Where a group that moves over goes on: the source's committed offset, kept within the log here
//! (KIP-1279, double clamp).
//!
//! ```text
//!   max(log start, min(committed, log end))
//! ```
//! A consumer checks a committed leader epoch against the log before it reads on: it waits for the
//! node to know the epoch, and takes its position for cut off when that epoch ends below it. So an
//! epoch is carried along only when the log here bears it out.

use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::Offset;

use crate::log_view::LogState;

/// Where a group goes on in one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clamped {
    pub(super) offset: Offset,
    /// Epoch of the record before it; `None` when the log does not say.
    pub(super) leader_epoch: Option<SourceLeaderEpoch>,
    /// True when that is what the group committed.
    pub(super) is_as_committed: bool,
}

/// The log does not say in which epoch a clamped offset lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoEpoch {
    #[error("committed at {committed}, beyond the log's end {end} here, whose epoch is not known")]
    AtEnd { committed: Offset, end: Offset },
    #[error("committed at {committed}, below the log's start {start}, whose epoch is not known")]
    AtStart { committed: Offset, start: Offset },
}

/// The offset to commit here for one that the group committed at the source.
pub(super) fn clamp(
    committed: Offset,
    leader_epoch: Option<SourceLeaderEpoch>,
    log: &LogState,
) -> Result<Clamped, NoEpoch> {
    let (start, end) = (log.log_start.offset(), log.log_end.offset());
    let moved = |offset, leader_epoch| Clamped {
        offset,
        leader_epoch: Some(leader_epoch),
        is_as_committed: false,
    };
    if committed < start {
        let entries = log.epochs.entries();
        let at_start = entries.iter().rev().find(|entry| entry.start <= start);
        let epoch = at_start.ok_or(NoEpoch::AtStart { committed, start })?.epoch;
        return Ok(moved(start, epoch));
    }
    if committed > end {
        let epoch = log.epochs.latest().ok_or(NoEpoch::AtEnd { committed, end })?;
        return Ok(moved(end, epoch));
    }
    let leader_epoch = leader_epoch.filter(|epoch| bears_out(log, *epoch, committed));
    Ok(Clamped { offset: committed, leader_epoch, is_as_committed: true })
}

/// True when a consumer at `offset` with this epoch is let go on here.
fn bears_out(log: &LogState, epoch: SourceLeaderEpoch, offset: Offset) -> bool {
    let ends = log.epochs.end_offset_for(epoch, log.log_end);
    epoch.get() <= log.leader_epoch.get() && ends.is_some_and(|ends| ends.end >= offset)
}

#[cfg(test)]
mod tests;
