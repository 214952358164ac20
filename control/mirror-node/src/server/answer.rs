//! What requests are answered with: bytes, and ranges of segment files.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::ResponseKind;

use crate::catalog::Partition;
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
    /// Records in a segment file.
    File(FoundRecords),
}

impl Part {
    /// How much of the frame it is.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(records) => usize::try_from(records.range.bytes).unwrap_or(usize::MAX),
        }
    }
}

/// Records that were found in a log, to be sent from their file.
#[derive(Debug)]
pub(super) struct FoundRecords {
    /// Where they are.
    pub(super) range: FileRange,
    /// True when they may have been written a moment ago.
    pub(super) is_tail: bool,
    /// Whose they are.
    pub(super) partition: Arc<Partition>,
    /// How often the log was cut when they were found.
    pub(super) cut_count: u64,
}

impl FoundRecords {
    /// Looks whether the file still holds what was found in it.
    ///
    /// # Errors
    /// When the log was cut since, or is not to be read now: other bytes may come to lie there.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.partition.view.state() {
            Some(state) if state.cut_count == self.cut_count => Ok(()),
            _ => {
                let name = &self.partition.name;
                Err(io::Error::other(format!("the log of {name} was cut or closed meanwhile")))
            }
        }
    }
}
