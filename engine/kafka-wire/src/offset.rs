//! Positions of records in a partition.

use std::fmt;

/// Position of a record in a partition; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i64);

impl Offset {
    /// The first offset any partition can hold.
    pub const ZERO: Self = Self(0);

    /// Parses an offset read from the wire or disk, where negative means "unknown".
    #[must_use]
    pub const fn from_wire(raw: i64) -> Option<Self> {
        if raw < 0 { None } else { Some(Self(raw)) }
    }

    /// The integer as written on the wire.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This offset moved forward, or `None` past the largest offset.
    #[must_use]
    pub const fn checked_add(self, delta: OffsetDelta) -> Option<Self> {
        match self.0.checked_add(delta.0) {
            Some(sum) => Self::from_wire(sum),
            None => None,
        }
    }

    /// The offset after this one; saturates at the largest offset.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::ops::Sub for Offset {
    type Output = OffsetDelta;

    fn sub(self, other: Self) -> OffsetDelta {
        OffsetDelta(self.0 - other.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Difference of two offsets, in records (gaps included).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetDelta(i64);

impl OffsetDelta {
    /// A difference of `records`.
    #[must_use]
    pub const fn new(records: i64) -> Self {
        Self(records)
    }

    /// The difference as an integer.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

macro_rules! offset_role {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Offset);

        impl $name {
            /// Gives `offset` this role.
            #[must_use]
            pub const fn new(offset: Offset) -> Self {
                Self(offset)
            }

            /// The offset without its role.
            #[must_use]
            pub const fn offset(self) -> Offset {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

offset_role! {
    /// First offset a log keeps.
    LogStartOffset
}
offset_role! {
    /// One past the last offset a log holds.
    LogEndOffset
}
offset_role! {
    /// Below it records are replicated at their owner.
    HighWatermark
}
offset_role! {
    /// Below it no transaction is open.
    LastStableOffset
}
