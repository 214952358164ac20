//! Where mirroring of a partition ended.

use std::fmt;

use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::mirror_state_record::LastMirrorEpochsValue;
use kafka_wire::offset::Offset;

/// The last mirror position of a partition (KIP-1279, the pair LME and LMO): what a stop records,
/// and what the former source cuts its log to when it fails back.
///
/// It is ordered as the proposal takes the maximum: by epoch, then by offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorPosition {
    /// Newest epoch in the log when mirroring stopped; `None` when it had none (-1).
    pub epoch: Option<SourceLeaderEpoch>,
    /// Where the log ended then; `None` for unknown (-1).
    pub offset: Option<Offset>,
}

impl MirrorPosition {
    /// No position: (-1, -1).
    pub const EMPTY: Self = Self { epoch: None, offset: None };

    /// True when nothing is known of where mirroring ended.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.epoch.is_none() && self.offset.is_none()
    }

    /// Parses a position read from the wire, where -1 means "none" in either field.
    #[must_use]
    pub const fn from_wire(epoch: i32, offset: i64) -> Self {
        Self { epoch: SourceLeaderEpoch::from_wire(epoch), offset: Offset::from_wire(offset) }
    }

    /// The epoch as written on the wire.
    #[must_use]
    pub fn wire_epoch(self) -> i32 {
        self.epoch.map_or(-1, SourceLeaderEpoch::get)
    }

    /// The offset as written on the wire.
    #[must_use]
    pub fn wire_offset(self) -> i64 {
        self.offset.map_or(-1, Offset::get)
    }
}

impl From<LastMirrorEpochsValue> for MirrorPosition {
    fn from(value: LastMirrorEpochsValue) -> Self {
        Self { epoch: value.last_mirror_epoch, offset: value.last_mirror_offset }
    }
}

impl From<MirrorPosition> for LastMirrorEpochsValue {
    fn from(position: MirrorPosition) -> Self {
        Self { last_mirror_epoch: position.epoch, last_mirror_offset: position.offset }
    }
}

impl fmt::Display for MirrorPosition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "(epoch {}, offset {})", self.wire_epoch(), self.wire_offset())
    }
}
