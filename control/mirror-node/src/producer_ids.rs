//! Ids for producers: above every one in any log here, and never the same twice.
//!
//! `ringmirror.json` holds the first id that may still be given out. It is moved on by a block
//! before the first id of that block is given out, so that a crash loses ids and repeats none. A
//! directory that has no such number is read once, batch header by batch header. Ids that no
//! cluster gives out do not count: a client may write with any.

use std::sync::{Arc, Mutex, PoisonError};

use kafka_wire::producer::ProducerId;

use crate::catalog::Catalog;
use crate::directory::DirectoryError;
use crate::local_log::LocalLogError;
use crate::shared_directory::SharedDirectory;

mod search;

/// Gives out producer ids. Waits for the disk: ask on threads that may.
#[derive(Debug)]
pub struct ProducerIds {
    directory: Arc<SharedDirectory>,
    catalog: Arc<Catalog>,
    block: Mutex<Block>,
}

/// What may be given out without asking the disk.
#[derive(Clone, Copy, Debug)]
enum Block {
    /// Nobody asked yet.
    Untaken,
    /// The logs are being read.
    Searching,
    /// These ids.
    Taken {
        /// The next to be given out.
        next: i64,
        /// The first that may not be.
        end: i64,
    },
}

/// Why there is no id.
#[derive(Debug, thiserror::Error)]
pub enum ProducerIdError {
    /// The logs are still being read: ask again.
    #[error("the logs are being searched for producer ids")]
    Searching,
    /// `ringmirror.json` cannot be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A log cannot be read.
    #[error(transparent)]
    Log(#[from] LocalLogError),
    /// There is no id above those that were given out.
    #[error("all producer ids are used up: {max} was given out")]
    UsedUp {
        /// The largest.
        max: i64,
    },
}

impl ProducerIds {
    /// Ids for producers that write to that directory.
    #[must_use]
    pub const fn new(directory: Arc<SharedDirectory>, catalog: Arc<Catalog>) -> Self {
        Self { directory, catalog, block: Mutex::new(Block::Untaken) }
    }

    /// An id that no producer has.
    ///
    /// # Errors
    /// Why there is none now.
    pub fn next_id(&self) -> Result<ProducerId, ProducerIdError> {
        let taken = {
            let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = *block;
            match taken {
                Block::Searching => return Err(ProducerIdError::Searching),
                Block::Untaken => *block = Block::Searching,
                Block::Taken { next, end } => {
                    let (id, after) = self.take(next, end)?;
                    *block = after;
                    return Ok(id);
                }
            }
            taken
        };
        // Others are told to ask again meanwhile.
        let first = self.first_free().and_then(|first| self.take(first, first));
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        match first {
            Ok((id, after)) => {
                *block = after;
                Ok(id)
            }
            Err(error) => {
                *block = taken;
                Err(error)
            }
        }
    }

    /// The first id that may be given out, as this directory says or its logs do.
    fn first_free(&self) -> Result<i64, ProducerIdError> {
        let known = self.directory.lock().state.next_producer_id;
        match known {
            Some(id) => Ok(id.get()),
            None => search::largest(&self.directory, &self.catalog)?.map_or(Ok(0), after),
        }
    }

    /// Takes one id of a block, or of a new one when that is at its end or below what came into a
    /// log meanwhile.
    fn take(&self, next: i64, end: i64) -> Result<(ProducerId, Block), ProducerIdError> {
        let above_logs = self.catalog.producer_id_max().map_or(Ok(0), after)?;
        let first = next.max(above_logs);
        let used_up = ProducerIdError::UsedUp { max: first };
        let id = ProducerId::from_wire(first).expect("ids rise from zero");
        if first < end {
            return Ok((id, Block::Taken { next: first + 1, end }));
        }
        let Some(end) = first.checked_add(BLOCK) else { return Err(used_up) };
        let mut directory = self.directory.lock();
        let before = directory.state.next_producer_id;
        directory.state.next_producer_id = ProducerId::from_wire(end);
        if let Err(error) = directory.write_state() {
            directory.state.next_producer_id = before;
            return Err(error.into());
        }
        Ok((id, Block::Taken { next: first + 1, end }))
    }
}

fn after(id: ProducerId) -> Result<i64, ProducerIdError> {
    id.get().checked_add(1).ok_or_else(|| ProducerIdError::UsedUp { max: id.get() })
}

/// Ids that are given out between two writes (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const BLOCK: i64 = 1000;

#[cfg(test)]
mod tests;
