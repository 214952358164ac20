//! A log in which this node keeps what it has to remember, as keyed records: appended in batches,
//! read whole at the start.
//!
//! Nothing compacts these logs. Instead, when one has grown by so much and is more than twice as
//! large as what counts in it, all that counts is appended anew at its end and its start moves
//! behind everything before.

use std::path::Path;
use std::sync::Arc;

use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::byte_cursor::{ByteCursor, CursorError};
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicPartition;
use kafka_wire::record_batch::{BatchHeader, HEADER_BYTES};

use crate::local_log::LocalLog;
use crate::writable_log::{AppendError, WritableLog};

/// Largest batch written, but for its header (`message.max.bytes`).
pub(crate) const JOURNAL_BATCH_BYTES_MAX: usize = 1 << 20;

/// One partition's journal, and how far it has grown.
#[derive(Debug)]
pub(crate) struct RecordJournal {
    pub(crate) log: Arc<WritableLog>,
    /// Written since its state was written whole, or read at the start.
    pub(crate) grown_bytes: u64,
    /// Size of the state when it was written whole last.
    state_bytes: u64,
}

/// A record to be written; no value deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalRecord {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// A record that no batch has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record has {bytes} bytes, at most {JOURNAL_BATCH_BYTES_MAX} are written")]
pub(crate) struct RecordTooLarge {
    pub(crate) bytes: usize,
}

/// A batch to be written.
pub(crate) struct JournalBatch {
    pub(crate) bytes: Vec<u8>,
    /// True when every record deletes.
    pub(crate) only_forgets: bool,
}

/// A record that was read.
pub(crate) struct ReadRecord<'a> {
    pub(crate) offset: Offset,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

/// What reading a journal came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JournalRead {
    /// Bytes of the batches read.
    pub(crate) bytes: u64,
    /// Records in batches that nobody writes here: compressed ones, and those of transactions.
    pub(crate) foreign: u64,
    /// True when it was read to its end.
    pub(crate) is_whole: bool,
}

impl RecordJournal {
    pub(crate) const fn new(log: Arc<WritableLog>) -> Self {
        Self { log, grown_bytes: 0, state_bytes: 0 }
    }

    /// Appends a batch; it is durable after the log's next flush.
    pub(crate) fn append(&mut self, batch: &[u8]) -> Result<(), AppendError> {
        self.log.append_records(batch)?;
        self.grown_bytes += batch.len() as u64;
        Ok(())
    }

    /// True when it grew by that much, and is large beside what counts in it.
    pub(crate) fn has_grown(&self, growth_bytes_max: u64) -> bool {
        self.grown_bytes >= growth_bytes_max.max(self.state_bytes * 2)
    }

    /// Writes the state whole, makes that durable, and lets go of all before. Whatever comes of it,
    /// the next time is after as much growth.
    pub(crate) fn write_anew(&mut self, batches: &[JournalBatch]) -> Result<(), String> {
        self.grown_bytes = 0;
        let state = self.log.view().state().ok_or("the log is not open")?;
        let begin: Offset = state.log_end.offset();
        for batch in batches {
            self.append(&batch.bytes).map_err(|error| error.to_string())?;
        }
        self.log.flush().map_err(|error| error.to_string())?;
        self.log.retire_below(begin).map_err(|error| error.to_string())?;
        self.state_bytes = std::mem::take(&mut self.grown_bytes);
        Ok(())
    }

    /// Shows `visit` every record, up to the log's end or to the batch at which `is_ending` says
    /// so.
    ///
    /// # Errors
    /// Why the log cannot be read, for people, or what `visit` said.
    pub(crate) fn read(
        &mut self,
        is_ending: &dyn Fn() -> bool,
        visit: &mut dyn FnMut(ReadRecord<'_>) -> Result<(), String>,
    ) -> Result<JournalRead, String> {
        let state = self.log.view().state().ok_or("the log is not open")?;
        let (log_start, log_end) = (state.log_start.offset(), state.log_end.offset());
        let read = read_log(self.log.view().directory(), log_start, log_end, is_ending, visit)?;
        self.grown_bytes = read.bytes;
        Ok(read)
    }
}

/// Shows `visit` every record of a log between its start and its end, up to the batch at which
/// `is_ending` says so. Nobody may write to the log meanwhile, but behind `log_end`.
///
/// # Errors
/// Why the log cannot be read, for people, or what `visit` said.
pub(crate) fn read_log(
    directory: &Path,
    log_start: Offset,
    log_end: Offset,
    is_ending: &dyn Fn() -> bool,
    visit: &mut dyn FnMut(ReadRecord<'_>) -> Result<(), String>,
) -> Result<JournalRead, String> {
    let log = open(directory)?;
    let mut batches = log.batches(log_start).of_open_log(log_end);
    let mut read = JournalRead::default();
    while batches.end() < log_end && !is_ending() {
        let batch = batches.next_batch().map_err(|error| error.to_string())?;
        let Some(batch) = batch else { break };
        read.bytes += u64::from(batch.header.batch_bytes);
        if batch.header.last_offset() < log_start || batch.control.is_some() {
            continue;
        }
        let attributes = batch.header.attributes;
        // Neither this node nor a stock broker with its defaults compresses these records, and
        // writes of transactions are refused here.
        if attributes.codec() != 0 || attributes.is_transactional() {
            read.foreign += u64::try_from(batch.header.record_count).unwrap_or(0);
            continue;
        }
        visit_records(&batch.header, &batch.bytes[HEADER_BYTES..], visit)?;
    }
    read.is_whole = batches.end() >= log_end;
    Ok(read)
}

/// The records as batches of at most [`JOURNAL_BATCH_BYTES_MAX`], in their order.
pub(crate) fn batches_of(
    records: impl IntoIterator<Item = JournalRecord>,
    unix_ms: i64,
) -> Result<Vec<JournalBatch>, RecordTooLarge> {
    let mut batches = Vec::new();
    let mut waiting: Vec<JournalRecord> = Vec::new();
    let mut waiting_bytes = 0;
    for record in records {
        let bytes = RECORD_BYTES + record.key.len() + record.value.as_ref().map_or(0, Vec::len);
        if bytes > JOURNAL_BATCH_BYTES_MAX {
            return Err(RecordTooLarge { bytes });
        }
        if waiting_bytes + bytes > JOURNAL_BATCH_BYTES_MAX {
            batches.push(batch_of(&waiting, unix_ms));
            waiting.clear();
            waiting_bytes = 0;
        }
        waiting_bytes += bytes;
        waiting.push(record);
    }
    if !waiting.is_empty() {
        batches.push(batch_of(&waiting, unix_ms));
    }
    Ok(batches)
}

fn batch_of(records: &[JournalRecord], unix_ms: i64) -> JournalBatch {
    // The log gives offsets and epochs.
    let mut builder = BatchBuilder::new(Offset::ZERO, None);
    for JournalRecord { key, value } in records {
        let value = value.as_deref();
        builder.push(&NewRecord { timestamp_ms: unix_ms, key: Some(key), value });
    }
    let only_forgets = records.iter().all(|record| record.value.is_none());
    JournalBatch { bytes: builder.finish(), only_forgets }
}

fn open(directory: &Path) -> Result<LocalLog, String> {
    let name = directory.file_name().and_then(|name| name.to_str());
    let name = name.and_then(TopicPartition::parse_directory);
    let (Some(root), Some(name)) = (directory.parent(), name) else {
        return Err("is no directory of a partition".to_owned());
    };
    LocalLog::open(root, &name).map_err(|error| error.to_string())
}

/// Shows `visit` every record of an uncompressed batch.
fn visit_records(
    header: &BatchHeader,
    body: &[u8],
    visit: &mut dyn FnMut(ReadRecord<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut records = ByteCursor::new(body);
    for _ in 0..header.record_count {
        let record = next_record(&mut records, header.base_offset).map_err(|error| {
            format!("the batch at offset {} holds no records: {error}", header.base_offset)
        })?;
        visit(record)?;
    }
    Ok(())
}

fn next_record<'a>(
    records: &mut ByteCursor<'a>,
    base_offset: Offset,
) -> Result<ReadRecord<'a>, CursorError> {
    let length = usize::try_from(records.varint()?).map_err(|_| CursorError::Incomplete)?;
    let mut record = ByteCursor::new(records.take(length)?);
    record.i8()?;
    record.varlong()?;
    let delta = record.varint()?;
    let offset = base_offset.get().saturating_add(i64::from(delta));
    let offset = Offset::from_wire(offset).ok_or(CursorError::Varint)?;
    Ok(ReadRecord { offset, key: nullable(&mut record)?, value: nullable(&mut record)? })
}

fn nullable<'a>(record: &mut ByteCursor<'a>) -> Result<Option<&'a [u8]>, CursorError> {
    match usize::try_from(record.varint()?) {
        Ok(length) => record.take(length).map(Some),
        Err(_) => Ok(None),
    }
}

/// What a record takes beside key and value, at most.
const RECORD_BYTES: usize = 32;
