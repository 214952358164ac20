//! What requests are answered with: bytes, and ranges of segment files.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::ResponseKind;
use mirror_uring::segment_reader::Age;

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
    /// Bytes in a file.
    File(FileRange),
}

/// A range of a segment file.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Arc<File>,
    /// Position of the first byte.
    pub position: u64,
    /// How many bytes.
    pub bytes: u32,
    /// Whether others will want them soon.
    pub age: Age,
}
