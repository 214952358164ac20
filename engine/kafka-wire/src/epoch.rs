//! Leader epochs: the destination's and the source's are different types.

use std::fmt;

macro_rules! epoch {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i32);

        impl $name {
            /// The first epoch a partition can have.
            pub const ZERO: Self = Self(0);

            /// Parses an epoch read from the wire or disk, where negative means "none".
            #[must_use]
            pub const fn from_wire(raw: i32) -> Option<Self> {
                if raw < 0 { None } else { Some(Self(raw)) }
            }

            /// The integer as written on the wire.
            #[must_use]
            pub const fn get(self) -> i32 {
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

epoch! {
    /// Leader epoch of a partition on the destination (ours).
    LeaderEpoch
}
epoch! {
    /// Leader epoch of a partition on the source; batches carry this one.
    SourceLeaderEpoch
}

impl LeaderEpoch {
    /// True while batches of `source` may be appended under this epoch (KIP-1279: DLE >= SLE).
    #[must_use]
    pub const fn covers(self, source: SourceLeaderEpoch) -> bool {
        source.0 <= self.0
    }
}
