//! Identity of producers (KIP-98).

use std::fmt;

/// Id of an idempotent or transactional producer; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(i64);

impl ProducerId {
    /// Parses an id read from the wire, where -1 means "no producer".
    #[must_use]
    pub const fn from_wire(raw: i64) -> Option<Self> {
        if raw < 0 { None } else { Some(Self(raw)) }
    }

    /// The integer as written on the wire.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Epoch of a producer id; rises each time its transactional id is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(i16);

impl ProducerEpoch {
    /// Takes the epoch as read from the wire; -1 belongs to batches without a producer.
    #[must_use]
    pub const fn from_wire(raw: i16) -> Self {
        Self(raw)
    }

    /// The integer as written on the wire.
    #[must_use]
    pub const fn get(self) -> i16 {
        self.0
    }
}
