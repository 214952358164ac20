//! Leader epochs that clients are about to be told: on disk first. Many partitions at once share
//! one write of `ringmirror.json`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::TopicPartition;
use kafka_wire::producer::ProducerId;

use crate::directory::DirectoryError;
use crate::directory_state::DirectoryState;
use crate::shared_directory::SharedDirectory;

/// Puts what clients are told of single partitions on disk.
#[derive(Debug, Default)]
pub(super) struct ToldEpochs {
    /// What waits for the next write.
    waiting: Mutex<Vec<Promise>>,
    /// Held while it is written.
    writing: Mutex<()>,
}

/// What must be remembered of a partition before clients see it.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// The partition.
    pub(super) name: TopicPartition,
    /// The leader epoch that clients will be told.
    pub(super) leader_epoch: LeaderEpoch,
    /// The largest producer id in its log: none at or below it may be given out.
    pub(super) producer_id: Option<ProducerId>,
}

impl ToldEpochs {
    /// Returns once the promise is on disk.
    ///
    /// # Errors
    /// When `ringmirror.json` cannot be written; nothing was promised then.
    pub(super) fn remember(
        &self,
        directory: &SharedDirectory,
        promise: &Promise,
    ) -> Result<(), DirectoryError> {
        if promise.is_kept(&directory.lock().state) {
            return Ok(());
        }
        lock(&self.waiting).push(promise.clone());
        let _alone = lock(&self.writing);
        let mut directory = directory.lock();
        // Whoever wrote meanwhile wrote ours with theirs.
        if promise.is_kept(&directory.state) {
            return Ok(());
        }
        let mut promises = std::mem::take(&mut *lock(&self.waiting));
        // One that was taken for a write that failed is no longer there.
        promises.push(promise.clone());
        let before = directory.state.clone();
        for promise in &promises {
            promise.put(&mut directory.state);
        }
        directory.write_state().inspect_err(|_| directory.state = before)
    }
}

impl Promise {
    fn is_kept(&self, state: &DirectoryState) -> bool {
        let is_given_out_above = match (state.next_producer_id, self.producer_id) {
            // Without a number the logs are read before the first id is given out.
            (None, _) | (_, None) => true,
            (Some(next), Some(held)) => next > held,
        };
        state.leader_epoch(&self.name) >= self.leader_epoch && is_given_out_above
    }

    fn put(&self, state: &mut DirectoryState) {
        let index = self.name.partition;
        if let Some(topic) = state.topics.get_mut(&self.name.topic) {
            topic.raise_leader_epoch(index, self.leader_epoch);
        } else if let Some(topic) = state.local_topics.get_mut(&self.name.topic) {
            topic.raise_leader_epoch(index, self.leader_epoch);
        }
        if let (Some(next), Some(held)) = (state.next_producer_id, self.producer_id) {
            let above = held.get().checked_add(1).and_then(ProducerId::from_wire);
            state.next_producer_id = Some(next.max(above.unwrap_or(held)));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
