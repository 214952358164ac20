//! What requests are answered with: bytes, and ranges of segment files.

use bytes::Bytes;
use kafka_protocol::messages::ResponseKind;

use crate::log_reader::FileRange;

/// What a request is answered with.
#[derive(Debug)]
pub(super) enum Answer {
    /// A message of the protocol.
    Message(Box<ResponseKind>),
    /// A whole frame, parts of which lie in files.
    Parts(Vec<Part>),
    /// Nothing: a produce request with acks 0.
    Nothing,
    /// Nothing, and the connection ends: the client is to notice that something is wrong.
    Close {
        /// Why, for the log.
        reason: String,
    },
}

impl<T: Into<ResponseKind>> From<T> for Answer {
    fn from(message: T) -> Self {
        Self::Message(Box::new(message.into()))
    }
}

/// A part of a frame.
#[derive(Debug)]
pub(super) enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes in a segment file.
    File {
        /// Where they are.
        range: FileRange,
        /// True when they may have been written a moment ago.
        is_tail: bool,
    },
}
