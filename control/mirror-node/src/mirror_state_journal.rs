//! Where every mirrored partition stands, in the logs of `__mirror_state` (KIP-1279): a topic made
//! here with the first record, which clients may read and not write.
//!
//! ```text
//!  start:  recovery cuts a torn tail -> every record, in order -> the states of the last run
//!  append: one batch for each partition of the topic that a call touches -> synced -> answered
//! ```
//! **Invariants.** What an append returned for is durable. Once a sync of one of the logs failed,
//! nothing more is written to any of them: what reached the disk is only known when a start reads
//! them again. The number of partitions never changes:
//! it decides where a record lies. A log with a record that this program cannot read is not used:
//! what it does not know it would forget.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kafka_wire::fields::FieldError;
use kafka_wire::group_record::partition_of_group;
use kafka_wire::mirror_state_record::{
    MirrorPartitionKey, MirrorStateRecord, MirrorStateRecordError, UnknownMirrorStateRecord,
};
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicName;

use crate::catalog::{Catalog, Topic};
use crate::local_topics::LocalTopics;
use crate::offsets_topic::own_logs;
use crate::record_journal::{JournalBatch, JournalRecord, ReadRecord, RecordJournal, batches_of};

/// Name of the topic.
pub const MIRROR_STATE_TOPIC: &str = "__mirror_state";
/// Its partitions (`mirror.state.topic.num.partitions`).
pub const MIRROR_STATE_PARTITIONS: u16 = 50;
/// Its settings.
pub const MIRROR_STATE_CONFIGS: [(&str, &str); 3] = [
    ("cleanup.policy", "compact"),
    ("compression.type", "producer"),
    ("segment.bytes", "16777216"),
];

/// The logs, and what is in them that this program does not know.
#[derive(Debug)]
pub struct MirrorStateJournal {
    catalog: Arc<Catalog>,
    topics: Arc<LocalTopics>,
    /// Empty while there is no such topic.
    partitions: Vec<RecordJournal>,
    /// Records of kinds that are not known, by partition and key: kept when a log is written anew.
    unknown: Vec<UnknownRecords>,
}

/// The last value of each, by kind and key.
type UnknownRecords = BTreeMap<(i16, Vec<u8>), Option<Vec<u8>>>;

/// Why states cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MirrorStateError {
    /// The topic is not what it has to be.
    #[error("{MIRROR_STATE_TOPIC} cannot be used: {reason}")]
    Topic {
        /// Why.
        reason: String,
    },
    /// A log cannot be read or written.
    #[error("{MIRROR_STATE_TOPIC}-{partition}: {reason}")]
    Log {
        /// Partition of the topic.
        partition: usize,
        /// Why.
        reason: String,
    },
    /// A newer program wrote here.
    #[error(
        "{MIRROR_STATE_TOPIC}-{partition}, offset {offset}: the {what} has version {version}, \
         known are 0 to {known_max}: use the ringmirror that wrote it, or a newer one"
    )]
    Newer {
        /// Partition of the topic.
        partition: usize,
        /// Which record.
        offset: Offset,
        /// What is newer.
        what: &'static str,
        /// Its version.
        version: i16,
        /// Newest version known.
        known_max: i16,
    },
    /// A record that says nothing.
    #[error(
        "{MIRROR_STATE_TOPIC}-{partition}, offset {offset}: {reason}: restore the directory \
         {MIRROR_STATE_TOPIC}-{partition} from a copy"
    )]
    Damaged {
        /// Partition of the topic.
        partition: usize,
        /// Which record.
        offset: Offset,
        /// What is wrong.
        reason: String,
    },
    /// A record that cannot be written.
    #[error("{0}")]
    Record(#[from] MirrorStateRecordError),
    /// It takes nothing more in this run.
    #[error(
        "a sync of {MIRROR_STATE_TOPIC} failed, so it takes no more records: see to the disk, then \
         restart the node, which reads it again"
    )]
    SyncFailed,
}

impl MirrorStateJournal {
    /// The journal among those topics; nothing is read yet.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, topics: Arc<LocalTopics>) -> Self {
        Self { catalog, topics, partitions: Vec::new(), unknown: Vec::new() }
    }

    /// Reads every record, those of one key in the order in which they were written; none when
    /// nothing was ever written. The logs of topics made here have to be open. Waits for the disk.
    ///
    /// # Errors
    /// Names the record that cannot be read.
    pub fn load(
        &mut self,
        take: &mut dyn FnMut(MirrorStateRecord),
    ) -> Result<(), MirrorStateError> {
        if let Some(topic) = self.catalog.topic_named(MIRROR_STATE_TOPIC) {
            self.use_logs_of(&topic)?;
        }
        for index in 0..self.partitions.len() {
            self.load_partition(index, take)?;
        }
        Ok(())
    }

    fn load_partition(
        &mut self,
        index: usize,
        take: &mut dyn FnMut(MirrorStateRecord),
    ) -> Result<(), MirrorStateError> {
        let (partition, unknown) = (&mut self.partitions[index], &mut self.unknown[index]);
        let mut wrong = None;
        let read = partition.read(
            &|| false,
            &mut |ReadRecord { offset, key, value }| match decoded(index, offset, key, value) {
                Ok(MirrorStateRecord::Unknown(UnknownMirrorStateRecord { kind, key, value })) => {
                    unknown.insert((kind, key), value);
                    Ok(())
                }
                Ok(record) => {
                    take(record);
                    Ok(())
                }
                Err(error) => {
                    wrong = Some(error);
                    Err(String::new())
                }
            },
        );
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let log = |reason| MirrorStateError::Log { partition: index, reason };
        let read = read.map_err(log)?;
        if read.foreign > 0 {
            let count = read.foreign;
            return Err(log(format!("{count} of its records are compressed or of transactions")));
        }
        if !read.is_whole {
            return Err(log("it ends before the end that recovery found".to_owned()));
        }
        Ok(())
    }

    /// Appends records and returns once they are durable. The topic is made when it is not there.
    /// `unix_ms` is our clock, milliseconds since 1970. Waits for the disk.
    ///
    /// # Errors
    /// Why they are not known to be durable; some may be, so that the next start may read them.
    pub fn append(
        &mut self,
        records: &[MirrorStateRecord],
        unix_ms: i64,
    ) -> Result<(), MirrorStateError> {
        if records.is_empty() {
            return Ok(());
        }
        if self.has_sync_failed() {
            return Err(MirrorStateError::SyncFailed);
        }
        self.make()?;
        let mut by_partition: BTreeMap<usize, Vec<JournalRecord>> = BTreeMap::new();
        for record in records {
            let encoded = record.encode()?;
            let encoded = JournalRecord { key: encoded.key, value: encoded.value };
            by_partition.entry(place_of(record)).or_default().push(encoded);
        }
        let touched: Vec<usize> = by_partition.keys().copied().collect();
        for (index, records) in by_partition {
            let log = |reason| MirrorStateError::Log { partition: index, reason };
            let batches = batches_of(records, unix_ms).map_err(|error| log(error.to_string()))?;
            for batch in &batches {
                let appended = self.partitions[index].append(&batch.bytes);
                appended.map_err(|error| log(error.to_string()))?;
            }
        }
        self.sync(&touched)
    }

    /// True once a sync of a log failed: nothing more is taken before the next start.
    #[must_use]
    pub fn has_sync_failed(&self) -> bool {
        self.partitions.iter().any(|partition| partition.log.has_sync_failed())
    }

    /// True when a log has become large beside what counts in it: see [`Self::write_anew`].
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.partitions.iter().any(|partition| partition.has_grown(GROWTH_BYTES_MAX))
    }

    /// Makes logs small that have grown. `records` is everything that counts, as of the last
    /// append.
    pub fn write_anew(
        &mut self,
        records: impl IntoIterator<Item = MirrorStateRecord>,
        unix_ms: i64,
    ) {
        let grown = self.partitions.iter().enumerate();
        let grown = grown.filter(|(_, partition)| partition.has_grown(GROWTH_BYTES_MAX));
        let mut state: BTreeMap<usize, Vec<MirrorStateRecord>> =
            grown.map(|(index, _)| (index, Vec::new())).collect();
        for record in records {
            if let Some(records) = state.get_mut(&place_of(&record)) {
                records.push(record);
            }
        }
        for (index, records) in state {
            if let Err(error) = self.write_partition_anew(index, records, unix_ms) {
                tracing::warn!("{error}: it cannot be made smaller");
            }
        }
    }

    fn write_partition_anew(
        &mut self,
        index: usize,
        mut records: Vec<MirrorStateRecord>,
        unix_ms: i64,
    ) -> Result<(), MirrorStateError> {
        let kept = self.unknown[index].iter().filter(|(_, value)| value.is_some());
        records.extend(kept.map(|((kind, key), value)| {
            let (key, value) = (key.clone(), value.clone());
            MirrorStateRecord::Unknown(UnknownMirrorStateRecord { kind: *kind, key, value })
        }));
        let batches = encoded_batches(&records, unix_ms);
        let partition = &mut self.partitions[index];
        partition.grown_bytes = 0;
        let written = batches.and_then(|batches| partition.write_anew(&batches));
        written.map_err(|reason| MirrorStateError::Log { partition: index, reason })
    }

    fn make(&mut self) -> Result<(), MirrorStateError> {
        if !self.partitions.is_empty() {
            return Ok(());
        }
        let name = TopicName::parse(MIRROR_STATE_TOPIC).expect("the topic has a legal name");
        let topic = match self.catalog.topic(&name) {
            Some(topic) => topic,
            None => {
                let configs =
                    MIRROR_STATE_CONFIGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
                let count = i32::from(MIRROR_STATE_PARTITIONS);
                let made = self.topics.create(&name, count, configs.into());
                made.map_err(|error| MirrorStateError::Topic { reason: error.to_string() })?
            }
        };
        self.use_logs_of(&topic)
    }

    fn use_logs_of(&mut self, topic: &Topic) -> Result<(), MirrorStateError> {
        let refused = |reason| MirrorStateError::Topic { reason };
        let logs = own_logs(topic).map_err(refused)?;
        if logs.len() != usize::from(MIRROR_STATE_PARTITIONS) {
            return Err(refused(format!(
                "it has {} partitions, expected {MIRROR_STATE_PARTITIONS}: another number makes \
                 nothing in it be found",
                logs.len()
            )));
        }
        self.unknown = vec![UnknownRecords::new(); logs.len()];
        self.partitions = logs.into_iter().map(RecordJournal::new).collect();
        Ok(())
    }

    /// Makes those partitions durable, several at once.
    fn sync(&self, touched: &[usize]) -> Result<(), MirrorStateError> {
        let sync = |index: usize| {
            let synced = self.partitions[index].log.flush();
            let failed = |error: std::io::Error| MirrorStateError::Log {
                partition: index,
                reason: error.to_string(),
            };
            synced.map(|_| ()).map_err(failed)
        };
        if touched.len() <= SYNCS_IN_A_ROW_MAX {
            return touched.iter().try_for_each(|index| sync(*index));
        }
        let (waiting, outcome) = (Mutex::new(touched.iter()), Mutex::new(Ok(())));
        thread::scope(|scope| {
            for _ in 0..SYNC_THREADS_MAX.min(touched.len()) {
                scope.spawn(|| {
                    loop {
                        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(index) = next else { return };
                        if let Err(error) = sync(*index) {
                            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                        }
                    }
                });
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The partition of the topic that holds the records of a mirror's partition:
/// `abs(javaHash("mirror:topicId:partition")) % 50`.
#[must_use]
pub fn state_partition_of(key: &MirrorPartitionKey) -> u16 {
    let MirrorPartitionKey { mirror_name, topic_id, partition } = key;
    let text = format!("{mirror_name}:{topic_id}:{}", partition.get());
    // The hash of a group's name is the same one.
    let partition = partition_of_group(&text, u32::from(MIRROR_STATE_PARTITIONS));
    u16::try_from(partition).expect("a remainder is below its divisor")
}

/// Records of other kinds are only written where they were read.
fn place_of(record: &MirrorStateRecord) -> usize {
    match record {
        MirrorStateRecord::LastMirrorEpochs(key, _) | MirrorStateRecord::PartitionState(key, _) => {
            usize::from(state_partition_of(key))
        }
        MirrorStateRecord::Unknown(_) => 0,
    }
}

/// What a record says.
///
/// # Errors
/// When it is newer than this program, or says nothing.
pub(crate) fn decoded(
    partition: usize,
    offset: Offset,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<MirrorStateRecord, MirrorStateError> {
    let damaged = |reason| MirrorStateError::Damaged { partition, offset, reason };
    let key = key.ok_or_else(|| damaged("a record without a key".to_owned()))?;
    MirrorStateRecord::decode(key, value).map_err(|error| match error.0 {
        FieldError::Version { what, version, known_max } => {
            MirrorStateError::Newer { partition, offset, what, version, known_max }
        }
        _ => damaged(error.to_string()),
    })
}

fn encoded_batches(
    records: &[MirrorStateRecord],
    unix_ms: i64,
) -> Result<Vec<JournalBatch>, String> {
    let encoded = records.iter().map(|record| {
        let encoded = record.encode().map_err(|error| error.to_string())?;
        Ok(JournalRecord { key: encoded.key, value: encoded.value })
    });
    let encoded: Vec<_> = encoded.collect::<Result<_, String>>()?;
    batches_of(encoded, unix_ms).map_err(|error| error.to_string())
}

/// Bytes a partition's log grows by before what counts is written anew.
const GROWTH_BYTES_MAX: u64 = 1 << 20;
/// So few syncs are not worth a thread.
const SYNCS_IN_A_ROW_MAX: usize = 2;
/// A file system makes many files durable in one go.
const SYNC_THREADS_MAX: usize = 16;

#[cfg(test)]
mod tests;
