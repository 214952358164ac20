//! Groups in the logs of `__consumer_offsets`, as a stock broker keeps them there.
//!
//! Nothing compacts these logs. Instead, when one has grown by [`GROWTH_BYTES_MAX`] and is more
//! than twice as large as what counts in it, all that counts is appended anew at its end and its
//! start moves behind everything before.

use std::sync::Arc;

use group_coordinator::coordinator::{GroupCoordinator, WriteFailure};
use group_coordinator::group_id::GroupId;
use group_coordinator::request::Now;
use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::group_record::{EncodedGroupRecord, GroupRecord, partition_of_group};
use kafka_wire::offset::Offset;

use crate::groups::{OFFSETS_PARTITIONS, OffsetsTopic};
use crate::writable_log::WritableLog;

/// Bytes a partition's log grows by before what counts is written anew.
pub(super) const GROWTH_BYTES_MAX: u64 = 8 << 20;
/// Largest batch written, but for its header (`message.max.bytes`).
pub(super) const JOURNAL_BATCH_BYTES_MAX: usize = 1 << 20;

/// The logs, and how far they have grown.
#[derive(Debug)]
pub(super) struct OffsetsJournal {
    topic: Box<dyn OffsetsTopic>,
    /// Empty while there is no such topic.
    partitions: Vec<JournalPartition>,
}

#[derive(Debug)]
pub(super) struct JournalPartition {
    pub(super) log: Arc<WritableLog>,
    /// Written since its state was written whole, or read at the start.
    pub(super) grown_bytes: u64,
    /// Size of the state when it was written whole last.
    state_bytes: u64,
}

impl OffsetsJournal {
    pub(super) const fn new(topic: Box<dyn OffsetsTopic>) -> Self {
        Self { topic, partitions: Vec::new() }
    }

    /// Opens the logs, if there are any.
    pub(super) fn open(&mut self) -> Result<&mut [JournalPartition], String> {
        if self.partitions.is_empty()
            && let Some(logs) = self.topic.open()?
        {
            self.take(logs);
        }
        Ok(&mut self.partitions)
    }

    fn take(&mut self, logs: Vec<Arc<WritableLog>>) {
        let partition = |log| JournalPartition { log, grown_bytes: 0, state_bytes: 0 };
        self.partitions = logs.into_iter().map(partition).collect();
    }

    /// Appends records of one group, in one batch unless all of them forget something.
    pub(super) fn append(
        &mut self,
        group_id: &GroupId,
        records: &[GroupRecord],
        unix_ms: i64,
    ) -> Result<(), WriteFailure> {
        if self.partitions.is_empty() {
            match self.topic.make(OFFSETS_PARTITIONS) {
                Ok(logs) => self.take(logs),
                Err(reason) => {
                    tracing::error!(reason, "the topic of consumer groups cannot be made");
                    return Err(WriteFailure::Unavailable);
                }
            }
        }
        let partition = self.partition_of(group_id).ok_or(WriteFailure::Unavailable)?;
        let batches = batches_of(records, unix_ms)?;
        let only_forgets = || batches.iter().all(|batch| batch.only_forgets);
        if batches.len() > 1 && !only_forgets() {
            return Err(WriteFailure::TooLarge);
        }
        let log = &mut self.partitions[partition];
        batches.iter().try_for_each(|batch| log.append(&batch.bytes))
    }

    fn partition_of(&self, group_id: &GroupId) -> Option<usize> {
        let count = u32::try_from(self.partitions.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(partition_of_group(group_id.as_str(), count)).ok()
    }

    /// Keeps every log small; nothing may be waiting to be written.
    pub(super) fn write_anew_what_has_grown(&mut self, groups: &GroupCoordinator, now: Now) {
        for index in 0..self.partitions.len() {
            let partition = &self.partitions[index];
            if partition.grown_bytes < GROWTH_BYTES_MAX.max(partition.state_bytes * 2) {
                continue;
            }
            assert!(!groups.has_pending_writes(), "groups are as their logs say");
            let ids = groups.group_ids().filter(|id| self.partition_of(id) == Some(index));
            let records = ids.flat_map(|id| groups.snapshot(now, id)).collect::<Vec<_>>();
            let partition = &mut self.partitions[index];
            // Whatever comes of it, it is tried again only after as much growth.
            partition.grown_bytes = 0;
            if let Err(reason) = partition.write_anew(&records, now.unix_ms) {
                let directory = partition.log.view().directory().display();
                tracing::warn!(%directory, reason, "a log of groups cannot be made smaller");
            }
        }
    }
}

impl JournalPartition {
    fn append(&mut self, batch: &[u8]) -> Result<(), WriteFailure> {
        match self.log.append_records(batch) {
            Ok(_) => {
                self.grown_bytes += batch.len() as u64;
                Ok(())
            }
            Err(error) => {
                let directory = self.log.view().directory().display();
                tracing::error!(%directory, %error, "consumer groups cannot be kept");
                Err(WriteFailure::Unavailable)
            }
        }
    }

    /// Writes the state whole, makes that durable, and lets go of all before.
    fn write_anew(&mut self, records: &[GroupRecord], unix_ms: i64) -> Result<(), String> {
        let state = self.log.view().state().ok_or("the log is not open")?;
        let begin: Offset = state.log_end.offset();
        let refused = |failure: WriteFailure| format!("{failure:?}");
        for batch in batches_of(records, unix_ms).map_err(refused)? {
            self.append(&batch.bytes).map_err(refused)?;
        }
        self.log.flush().map_err(|error| error.to_string())?;
        self.log.retire_below(begin).map_err(|error| error.to_string())?;
        self.state_bytes = std::mem::take(&mut self.grown_bytes);
        Ok(())
    }
}

struct Batch {
    bytes: Vec<u8>,
    only_forgets: bool,
}

/// The records as batches of at most [`JOURNAL_BATCH_BYTES_MAX`].
fn batches_of(records: &[GroupRecord], unix_ms: i64) -> Result<Vec<Batch>, WriteFailure> {
    let mut batches = Vec::new();
    let mut encoded: Vec<EncodedGroupRecord> = Vec::new();
    let mut bytes = 0;
    for record in records {
        let record = record.encode().map_err(|error| {
            tracing::warn!(%error, "a record of a consumer group cannot be written");
            WriteFailure::TooLarge
        })?;
        let record_bytes =
            RECORD_BYTES + record.key.len() + record.value.as_ref().map_or(0, Vec::len);
        if record_bytes > JOURNAL_BATCH_BYTES_MAX {
            return Err(WriteFailure::TooLarge);
        }
        if bytes + record_bytes > JOURNAL_BATCH_BYTES_MAX {
            batches.push(batch_of(&encoded, unix_ms));
            encoded.clear();
            bytes = 0;
        }
        bytes += record_bytes;
        encoded.push(record);
    }
    if !encoded.is_empty() {
        batches.push(batch_of(&encoded, unix_ms));
    }
    Ok(batches)
}

fn batch_of(records: &[EncodedGroupRecord], unix_ms: i64) -> Batch {
    // The log gives offsets and epochs.
    let mut builder = BatchBuilder::new(Offset::ZERO, None);
    for record in records {
        builder.push(&NewRecord {
            timestamp_ms: unix_ms,
            key: Some(&record.key),
            value: record.value.as_deref(),
        });
    }
    let only_forgets = records.iter().all(|record| record.value.is_none());
    Batch { bytes: builder.finish(), only_forgets }
}

/// What a record takes beside key and value, at most.
const RECORD_BYTES: usize = 32;
