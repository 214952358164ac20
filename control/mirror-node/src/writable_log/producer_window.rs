//! The last batches of idempotent producers: which batch is a repetition, which one is missing.
//!
//! The log itself knows the last batch of every producer, also after a restart. A producer may
//! have five requests under way, so the four before are remembered here, in memory, as Kafka does
//! (`ProducerStateEntry`): those that were appended, and those that were read when the log was
//! loaded after a crash, behind the last producer snapshot.

use std::collections::{BTreeMap, VecDeque};

use kafka_log::producer_state::{LastBatch, ProducerState, ProducerStates};
use kafka_wire::offset::Offset;
use kafka_wire::producer::ProducerId;
use kafka_wire::record_batch::BatchHeader;

use super::append_error::AppendError;

/// Batches remembered of each producer (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
pub(super) const BATCHES_REMEMBERED: usize = 5;

/// A batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownBatch {
    first_sequence: i32,
    last_sequence: i32,
    pub(super) base_offset: Offset,
    pub(super) last_offset: Offset,
    pub(super) timestamp_ms: i64,
}

/// What the sequence of a batch tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceVerdict {
    /// It is the next one.
    Next,
    /// It is in the log already.
    Duplicate(KnownBatch),
}

/// Recent batches of every producer met since the log was opened, oldest first.
#[derive(Debug, Default)]
pub(super) struct ProducerWindows {
    producers: BTreeMap<ProducerId, VecDeque<KnownBatch>>,
}

impl ProducerWindows {
    /// Compares a batch with what is known of its producer (`ProducerAppendInfo`).
    pub(super) fn check(
        &self,
        states: &ProducerStates,
        header: &BatchHeader,
    ) -> Result<SequenceVerdict, AppendError> {
        let Some(producer_id) = header.producer_id else { return Ok(SequenceVerdict::Next) };
        // All its records may have left the log: any sequence may be the next then.
        let Some(state) = states.get(producer_id) else { return Ok(SequenceVerdict::Next) };
        let epoch = header.producer_epoch;
        let found = header.base_sequence;
        if epoch < state.epoch {
            return Err(AppendError::ProducerEpoch {
                producer_id,
                latest: state.epoch,
                found: epoch,
            });
        }
        if epoch == state.epoch
            && let Some(known) = self.find(producer_id, state, header)
        {
            return Ok(SequenceVerdict::Duplicate(known));
        }
        let last = state.last_batch.filter(|_| epoch == state.epoch);
        let expected = last.map_or(0, |last| next_sequence(last.last_sequence));
        // The markers of transactions have no sequence.
        if found == expected || header.attributes.is_control() {
            return Ok(SequenceVerdict::Next);
        }
        Err(AppendError::OutOfOrderSequence { producer_id, epoch, expected, found })
    }

    fn find(
        &self,
        producer_id: ProducerId,
        state: &ProducerState,
        header: &BatchHeader,
    ) -> Option<KnownBatch> {
        let sequences = (header.base_sequence, last_sequence(header));
        let repeats = |known: &KnownBatch| (known.first_sequence, known.last_sequence) == sequences;
        let last = state.last_batch.and_then(|last| known_from(&last, state.timestamp_ms));
        if let Some(known) = last.filter(repeats) {
            return Some(known);
        }
        let window = self.producers.get(&producer_id)?;
        // After a time in which the log forgot the producer, the window is that of another life.
        let is_current = window.back().map(|known| known.last_offset)
            == state.last_batch.map(|last| last.last_offset);
        window.iter().copied().filter(|_| is_current).find(repeats)
    }

    /// Remembers a batch that is being appended, or is read while the log is loaded; `before` is
    /// what the log knew before it.
    pub(super) fn note(&mut self, before: &ProducerStates, header: &BatchHeader) {
        let Some(producer_id) = header.producer_id else { return };
        if header.attributes.is_control() || header.base_sequence < 0 {
            return;
        }
        let state = before.get(producer_id).filter(|state| state.epoch == header.producer_epoch);
        let last = state.and_then(|state| known_from(&state.last_batch?, state.timestamp_ms));
        let window = self.producers.entry(producer_id);
        let window = window.or_insert_with(|| VecDeque::with_capacity(BATCHES_REMEMBERED));
        // A window that ends elsewhere is that of another epoch, or of a time before the log
        // forgot the producer.
        if window.back().map(|known| known.last_offset) != last.map(|known| known.last_offset) {
            window.clear();
            window.extend(last);
        }
        if window.len() == BATCHES_REMEMBERED {
            window.pop_front();
        }
        window.push_back(KnownBatch {
            first_sequence: header.base_sequence,
            last_sequence: last_sequence(header),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp_ms: header.max_timestamp_ms,
        });
        // The log forgets silent producers, by the many; their windows go with them.
        if self.producers.len() > before.iter().len() + 1 {
            self.producers.retain(|id, _| *id == producer_id || before.get(*id).is_some());
        }
    }
}

/// What the log itself knows of a producer's last batch; `None` when it had no sequence.
fn known_from(last: &LastBatch, timestamp_ms: i64) -> Option<KnownBatch> {
    let delta = i64::from(last.offset_delta);
    let base_offset = Offset::from_wire(last.last_offset.get() - delta)?;
    if last.last_sequence < 0 {
        return None;
    }
    let first = (i64::from(last.last_sequence) - delta).rem_euclid(SEQUENCES);
    Some(KnownBatch {
        first_sequence: i32::try_from(first).expect("a remainder fits its divisor's range"),
        last_sequence: last.last_sequence,
        base_offset,
        last_offset: last.last_offset,
        timestamp_ms,
    })
}

/// Sequences there are: behind the largest int32 comes 0.
const SEQUENCES: i64 = 1 << 31;

fn next_sequence(last: i32) -> i32 {
    last.checked_add(1).unwrap_or(0)
}

fn last_sequence(header: &BatchHeader) -> i32 {
    let sum = i64::from(header.base_sequence) + header.last_offset_delta.get();
    i32::try_from(sum.rem_euclid(SEQUENCES)).expect("a remainder fits its divisor's range")
}
