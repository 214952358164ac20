//! How much answers may take in memory until they are sent.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::server::answer::Part;
use crate::server::limits::{SMALL_ANSWER_BYTES, ServerLimits};

/// Room for the answers of all connections. Nobody waits for it: whoever has an answer has the
/// memory already.
#[derive(Clone, Debug)]
pub(super) struct AnswerRoom {
    units: Arc<Semaphore>,
}

/// An answer for which there was no room.
#[derive(Debug, thiserror::Error)]
#[error("an answer of {bytes} bytes finds no room among those that wait to be read")]
pub(super) struct NoRoom {
    bytes: usize,
}

/// An answer about to be sent, with its share of the node's memory.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) parts: Vec<Part>,
    /// Nothing for a small answer.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl AnswerRoom {
    pub(super) fn new(limits: &ServerLimits) -> Self {
        Self { units: Arc::new(Semaphore::new(limits.answers_bytes_max / UNIT_BYTES)) }
    }

    /// Takes the room for an answer.
    pub(super) fn take(&self, parts: Vec<Part>) -> Result<Reply, NoRoom> {
        let in_memory = parts.iter().map(|part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::File(_) => 0,
        });
        let bytes = in_memory.sum::<usize>();
        if bytes <= SMALL_ANSWER_BYTES {
            return Ok(Reply { parts, room: None });
        }
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).map_err(|_| NoRoom { bytes })?;
        let taken = Arc::clone(&self.units).try_acquire_many_owned(units);
        taken.map(|room| Reply { parts, room: Some(room) }).map_err(|_| NoRoom { bytes })
    }
}

const UNIT_BYTES: usize = 1 << 10;

#[cfg(test)]
mod tests;
