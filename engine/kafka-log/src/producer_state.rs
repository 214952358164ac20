//! What a log knows about its producers: last batch, open transaction, and the snapshot file
//! `<offset>.snapshot` that holds all of it up to an offset.
//!
//! ```text
//!  at  bytes  field                      46 bytes per producer:
//!   0   2     version = 1                 0  8  producerId       26  8  timestamp
//!   2   4     crc (CRC-32C of 6..)        8  2  producerEpoch    34  4  coordinatorEpoch
//!   6   4     count of entries           10  4  lastSequence     38  8  currentTxnFirstOffset
//!  10  46     entries                    14  8  lastOffset
//!                                        22  4  offsetDelta
//! ```
//! Source: `ProducerStateManager`, `ProducerAppendInfo` in Apache Kafka's storage module.

use std::collections::BTreeMap;

use kafka_wire::batch_stream::ValidatedBatch;
use kafka_wire::control_record::ControlRecord;
use kafka_wire::offset::{LastStableOffset, LogEndOffset, Offset};
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchHeader;

use crate::transaction_index::AbortedTransaction;

pub mod snapshot;

/// Producers remembered per partition; above it the longest silent ones are forgotten, an eighth
/// at a time.
pub const PRODUCERS_MAX: usize = 100_000;
/// Transactions open at once in one partition; more are refused, as forgetting one would show
/// undecided records to readers.
pub const OPEN_TRANSACTIONS_MAX: usize = PRODUCERS_MAX / 4 * 3;
/// A producer this far behind the log's timestamps is forgotten when a segment is rolled
/// (`producer.id.expiration.ms`).
pub const PRODUCER_EXPIRATION_MS: i64 = 24 * 3600 * 1000;
/// No cluster comes to give out this id, nor one above it: they rise from zero, a thousand at a
/// time. Whoever writes with such an id made it up, and that must not use up all ids for others.
pub const MADE_UP_IDS_FROM: i64 = 1 << 62;
/// What `base_sequence` and `coordinator_epoch` say when there is none.
pub const NONE: i32 = -1;

const EVICTED_AT_ONCE: usize = PRODUCERS_MAX / 8;
const _: () = assert!(OPEN_TRANSACTIONS_MAX + EVICTED_AT_ONCE < PRODUCERS_MAX);

/// What is known about one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Its last batch; `None` when only a marker is known.
    pub last_batch: Option<LastBatch>,
    /// Timestamp of its last batch or marker, milliseconds.
    pub timestamp_ms: i64,
    /// Epoch of the coordinator that wrote its last marker, [`NONE`] before the first.
    pub coordinator_epoch: i32,
    /// First record of its open transaction.
    pub open_transaction: Option<Offset>,
}

/// The last data batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastBatch {
    /// Sequence of its last record, [`NONE`] when it carried none.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Last minus first offset.
    pub offset_delta: i32,
}

/// All producers of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerStates {
    producers: BTreeMap<ProducerId, ProducerState>,
    /// First offset and producer of the open transactions, by offset.
    open: Vec<(Offset, ProducerId)>,
}

impl ProducerStates {
    /// Every producer, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ProducerId, &ProducerState)> {
        self.producers.iter().map(|(id, state)| (*id, state))
    }

    /// What is known about `producer_id`.
    #[must_use]
    pub fn get(&self, producer_id: ProducerId) -> Option<&ProducerState> {
        self.producers.get(&producer_id)
    }

    /// Largest id known that was given out.
    #[must_use]
    pub fn id_max(&self) -> Option<ProducerId> {
        self.producers.keys().rev().find_map(|id| given_out(Some(*id)))
    }

    /// The open transactions, oldest first: first offset and producer.
    #[must_use]
    pub fn open_transactions(&self) -> &[(Offset, ProducerId)] {
        &self.open
    }

    /// First offset that belongs to an open transaction, else the log's end.
    #[must_use]
    pub fn last_stable_offset(&self, log_end: LogEndOffset) -> LastStableOffset {
        let first_open = self.open.first().map(|(first, _)| *first);
        LastStableOffset::new(first_open.unwrap_or_else(|| log_end.offset()))
    }

    /// True when the batch opens a transaction and there is no room for one.
    #[must_use]
    pub fn is_full_for(&self, header: &BatchHeader) -> bool {
        let opens = header.attributes.is_transactional() && !header.attributes.is_control();
        let is_open = |id| self.get(id).is_some_and(|state| state.open_transaction.is_some());
        opens
            && self.open.len() >= OPEN_TRANSACTIONS_MAX
            && header.producer_id.is_some_and(|id| !is_open(id))
    }

    /// True when every offset named lies below `end`.
    pub(crate) fn lie_below(&self, end: Offset) -> bool {
        let last_below =
            |state: &ProducerState| state.last_batch.is_none_or(|last| last.last_offset < end);
        self.open.last().is_none_or(|(first, _)| *first < end)
            && self.producers.values().all(last_below)
    }

    /// Takes a batch appended to the log; returns the transaction that it aborted.
    ///
    /// A mark that a mirror became writable voids all that is known, open transactions too
    /// (KIP-1279): producers behind it are others, even with ids that are in use before it.
    pub fn apply(&mut self, batch: &ValidatedBatch) -> Option<AbortedTransaction> {
        // It names no producer.
        if batch.control == Some(ControlRecord::MirrorPidReset) {
            self.producers.clear();
            self.open.clear();
            return None;
        }
        let producer_id = batch.header.producer_id?;
        if !batch.header.attributes.is_control() {
            self.apply_data(producer_id, &batch.header);
            return None;
        }
        match batch.control? {
            ControlRecord::Abort { coordinator_epoch } => {
                let first = self.end_transaction(producer_id, &batch.header, coordinator_epoch)?;
                Some(self.aborted(producer_id, first, &batch.header))
            }
            ControlRecord::Commit { coordinator_epoch } => {
                self.end_transaction(producer_id, &batch.header, coordinator_epoch);
                None
            }
            ControlRecord::MirrorPidReset | ControlRecord::Other { .. } => None,
        }
    }

    fn apply_data(&mut self, producer_id: ProducerId, header: &BatchHeader) {
        let state = self.state_mut(producer_id, header.producer_epoch);
        state.last_batch = Some(LastBatch {
            last_sequence: last_sequence(header),
            last_offset: header.last_offset(),
            offset_delta: i32::try_from(header.last_offset_delta.get())
                .expect("a header's offset delta is an int32"),
        });
        state.timestamp_ms = header.max_timestamp_ms;
        if header.attributes.is_transactional() && state.open_transaction.is_none() {
            state.open_transaction = Some(header.base_offset);
            let newest = self.open.last().is_none_or(|(first, _)| *first < header.base_offset);
            assert!(newest, "transactions open in offset order");
            self.open.push((header.base_offset, producer_id));
        }
    }

    /// Closes the producer's transaction; returns its first offset.
    fn end_transaction(
        &mut self,
        producer_id: ProducerId,
        header: &BatchHeader,
        coordinator_epoch: i32,
    ) -> Option<Offset> {
        let state = self.state_mut(producer_id, header.producer_epoch);
        let first = state.open_transaction.take();
        state.coordinator_epoch = coordinator_epoch;
        state.timestamp_ms = header.max_timestamp_ms;
        let first = first?;
        let place = self.open.binary_search_by_key(&first, |(first, _)| *first);
        self.open.remove(place.expect("every open transaction is listed"));
        Some(first)
    }

    fn aborted(
        &self,
        producer_id: ProducerId,
        first_offset: Offset,
        marker: &BatchHeader,
    ) -> AbortedTransaction {
        let last_offset = marker.base_offset;
        let log_end = LogEndOffset::new(last_offset.next());
        let last_stable_offset = self.last_stable_offset(log_end);
        AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset }
    }

    /// The producer's state in `epoch`; a new epoch forgets the last batch.
    fn state_mut(&mut self, producer_id: ProducerId, epoch: ProducerEpoch) -> &mut ProducerState {
        if self.producers.len() >= PRODUCERS_MAX && !self.producers.contains_key(&producer_id) {
            self.evict();
        }
        let state = self.producers.entry(producer_id).or_insert_with(|| ProducerState {
            epoch,
            last_batch: None,
            timestamp_ms: i64::from(NONE),
            coordinator_epoch: NONE,
            open_transaction: None,
        });
        if state.epoch != epoch {
            state.epoch = epoch;
            state.last_batch = None;
        }
        state
    }

    /// Forgets producers silent for a day before `now_ms`, unless a transaction is open.
    pub fn expire(&mut self, now_ms: i64) {
        let oldest_ms = now_ms.saturating_sub(PRODUCER_EXPIRATION_MS);
        self.producers
            .retain(|_, state| state.open_transaction.is_some() || state.timestamp_ms > oldest_ms);
    }

    /// Forgets the longest silent producers without an open transaction.
    fn evict(&mut self) {
        let mut silent: Vec<(i64, ProducerId)> = self
            .producers
            .iter()
            .filter(|(_, state)| state.open_transaction.is_none())
            .map(|(id, state)| (state.timestamp_ms, *id))
            .collect();
        silent.sort_unstable();
        for (_, id) in silent.iter().take(EVICTED_AT_ONCE) {
            self.producers.remove(id);
        }
    }
}

/// The id of a batch, unless it has none or somebody made it up.
#[must_use]
pub fn given_out(id: Option<ProducerId>) -> Option<ProducerId> {
    id.filter(|id| id.get() < MADE_UP_IDS_FROM)
}

/// Sequence of the batch's last record; sequences wrap from the largest int32 to 0.
fn last_sequence(header: &BatchHeader) -> i32 {
    if header.base_sequence < 0 {
        return NONE;
    }
    let sum = i64::from(header.base_sequence) + header.last_offset_delta.get();
    i32::try_from(sum % (i64::from(i32::MAX) + 1)).expect("a remainder fits its divisor's range")
}

#[cfg(test)]
mod tests;
