//! Groups in the logs of `__consumer_offsets`, as a stock broker keeps them there.

use std::sync::Arc;

use group_coordinator::coordinator::{GroupCoordinator, WriteFailure};
use group_coordinator::group_id::GroupId;
use group_coordinator::request::Now;
use kafka_wire::group_record::{GroupRecord, partition_of_group};

use crate::groups::{OFFSETS_PARTITIONS, OffsetsTopic};
use crate::record_journal::{JournalBatch, JournalRecord, RecordJournal};
use crate::writable_log::WritableLog;

/// Bytes a partition's log grows by before what counts is written anew.
pub(super) const GROWTH_BYTES_MAX: u64 = 8 << 20;

/// The logs, and how far they have grown.
#[derive(Debug)]
pub(super) struct OffsetsJournal {
    topic: Box<dyn OffsetsTopic>,
    /// Empty while there is no such topic.
    partitions: Vec<RecordJournal>,
}

impl OffsetsJournal {
    pub(super) const fn new(topic: Box<dyn OffsetsTopic>) -> Self {
        Self { topic, partitions: Vec::new() }
    }

    /// Opens the logs, if there are any.
    pub(super) fn open(&mut self) -> Result<&mut [RecordJournal], String> {
        if self.partitions.is_empty()
            && let Some(logs) = self.topic.open()?
        {
            self.take(logs);
        }
        Ok(&mut self.partitions)
    }

    fn take(&mut self, logs: Vec<Arc<WritableLog>>) {
        self.partitions = logs.into_iter().map(RecordJournal::new).collect();
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
        batches.iter().try_for_each(|batch| {
            log.append(&batch.bytes).map_err(|error| {
                let directory = log.log.view().directory().display();
                tracing::error!(%directory, %error, "consumer groups cannot be kept");
                WriteFailure::Unavailable
            })
        })
    }

    fn partition_of(&self, group_id: &GroupId) -> Option<usize> {
        let count = u32::try_from(self.partitions.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(partition_of_group(group_id.as_str(), count)).ok()
    }

    /// Keeps every log small; nothing may be waiting to be written.
    pub(super) fn write_anew_what_has_grown(&mut self, groups: &GroupCoordinator, now: Now) {
        for index in 0..self.partitions.len() {
            if !self.partitions[index].has_grown(GROWTH_BYTES_MAX) {
                continue;
            }
            assert!(!groups.has_pending_writes(), "groups are as their logs say");
            let ids = groups.group_ids().filter(|id| self.partition_of(id) == Some(index));
            let records = ids.flat_map(|id| groups.snapshot(now, id)).collect::<Vec<_>>();
            let partition = &mut self.partitions[index];
            let batches =
                batches_of(&records, now.unix_ms).map_err(|failure| format!("{failure:?}"));
            if let Err(reason) = batches.and_then(|batches| partition.write_anew(&batches)) {
                partition.grown_bytes = 0;
                let directory = partition.log.view().directory().display();
                tracing::warn!(%directory, reason, "a log of groups cannot be made smaller");
            }
        }
    }
}

fn batches_of(records: &[GroupRecord], unix_ms: i64) -> Result<Vec<JournalBatch>, WriteFailure> {
    let encoded = records.iter().map(|record| {
        let record = record.encode().map_err(|error| {
            tracing::warn!(%error, "a record of a consumer group cannot be written");
            WriteFailure::TooLarge
        })?;
        Ok(JournalRecord { key: record.key, value: record.value })
    });
    let encoded: Vec<_> = encoded.collect::<Result<_, WriteFailure>>()?;
    crate::record_journal::batches_of(encoded, unix_ms).map_err(|_| WriteFailure::TooLarge)
}
