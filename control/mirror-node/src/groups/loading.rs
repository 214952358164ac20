//! Groups read from the logs of `__consumer_offsets`.

use std::path::Path;

use group_coordinator::coordinator::{GroupCoordinator, GroupSettings};
use group_coordinator::request::Now;
use kafka_wire::byte_cursor::{ByteCursor, CursorError};
use kafka_wire::group_record::GroupRecord;
use kafka_wire::partition::TopicPartition;
use kafka_wire::record_batch::{BatchHeader, HEADER_BYTES};

use crate::groups::offsets_journal::{JournalPartition, OffsetsJournal};
use crate::local_log::LocalLog;

/// A coordinator of the groups that the logs tell of; `None` when `is_ending` said so meanwhile.
///
/// # Errors
/// Why the logs cannot be read, for people. Records that cannot be understood are left out, and
/// counted in the log of the program: they may be of a later version.
pub(super) fn load_groups(
    journal: &mut OffsetsJournal,
    settings: GroupSettings,
    now: Now,
    is_ending: &dyn Fn() -> bool,
) -> Result<Option<GroupCoordinator>, String> {
    let mut groups = GroupCoordinator::new(settings, now);
    for partition in journal.open()? {
        let directory = partition.log.view().directory().to_owned();
        let unread = load_partition(partition, &mut groups, now, is_ending)
            .map_err(|reason| format!("{}: {reason}", directory.display()))?;
        if unread > 0 {
            let directory = directory.display();
            tracing::warn!(%directory, unread, "records of consumer groups are not understood");
        }
    }
    Ok(Some(groups).filter(|_| !is_ending()))
}

/// Reads one log up to its end, or to the batch at which `is_ending` says so; returns how many
/// records were left out.
fn load_partition(
    partition: &mut JournalPartition,
    groups: &mut GroupCoordinator,
    now: Now,
    is_ending: &dyn Fn() -> bool,
) -> Result<u64, String> {
    let state = partition.log.view().state().ok_or("the log is not open")?;
    let (log_start, log_end) = (state.log_start.offset(), state.log_end.offset());
    let log = open(partition.log.view().directory())?;
    let mut batches = log.batches(log_start).of_open_log(log_end);
    partition.grown_bytes = 0;
    let mut unread = 0;
    while batches.end() < log_end && !is_ending() {
        let Some(batch) = batches.next_batch().map_err(|error| error.to_string())? else { break };
        partition.grown_bytes += u64::from(batch.header.batch_bytes);
        if batch.header.last_offset() < log_start || batch.control.is_some() {
            continue;
        }
        let attributes = batch.header.attributes;
        // Neither this node nor a stock broker with its defaults compresses these records, and
        // offsets of transactions are refused here.
        if attributes.codec() != 0 || attributes.is_transactional() {
            unread += u64::try_from(batch.header.record_count).unwrap_or(0);
            continue;
        }
        let body = &batch.bytes[HEADER_BYTES..];
        let visit = |key: Option<&[u8]>, value: Option<&[u8]>| match key
            .map(|key| GroupRecord::decode(key, value))
        {
            Some(Ok(record)) => groups.load(now, record),
            Some(Err(_)) | None => unread += 1,
        };
        visit_records(&batch.header, body, visit)
            .map_err(|error| format!("batch at offset {}: {error}", batch.header.base_offset))?;
    }
    Ok(unread)
}

fn open(directory: &Path) -> Result<LocalLog, String> {
    let name = directory.file_name().and_then(|name| name.to_str());
    let name = name.and_then(TopicPartition::parse_directory);
    let (Some(root), Some(name)) = (directory.parent(), name) else {
        return Err("is no directory of a partition".to_owned());
    };
    LocalLog::open(root, &name).map_err(|error| error.to_string())
}

/// Shows `visit` key and value of every record of an uncompressed batch.
fn visit_records(
    header: &BatchHeader,
    body: &[u8],
    mut visit: impl FnMut(Option<&[u8]>, Option<&[u8]>),
) -> Result<(), CursorError> {
    let mut records = ByteCursor::new(body);
    for _ in 0..header.record_count {
        let length = usize::try_from(records.varint()?).map_err(|_| CursorError::Incomplete)?;
        let mut record = ByteCursor::new(records.take(length)?);
        record.i8()?;
        record.varlong()?;
        record.varint()?;
        let key = nullable(&mut record)?;
        let value = nullable(&mut record)?;
        visit(key, value);
    }
    Ok(())
}

fn nullable<'a>(record: &mut ByteCursor<'a>) -> Result<Option<&'a [u8]>, CursorError> {
    match usize::try_from(record.varint()?) {
        Ok(length) => record.take(length).map(Some),
        Err(_) => Ok(None),
    }
}
