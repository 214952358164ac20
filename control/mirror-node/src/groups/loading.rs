//! Groups read from the logs of `__consumer_offsets`.

use group_coordinator::coordinator::{GroupCoordinator, GroupSettings};
use group_coordinator::request::Now;
use kafka_wire::group_record::GroupRecord;

use crate::groups::offsets_journal::OffsetsJournal;
use crate::record_journal::{ReadRecord, RecordJournal};

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

/// Reads one log; returns how many records were left out.
fn load_partition(
    partition: &mut RecordJournal,
    groups: &mut GroupCoordinator,
    now: Now,
    is_ending: &dyn Fn() -> bool,
) -> Result<u64, String> {
    let mut unread = 0;
    let read = partition.read(is_ending, &mut |ReadRecord { key, value, .. }| {
        match key.map(|key| GroupRecord::decode(key, value)) {
            Some(Ok(record)) => groups.load(now, record),
            Some(Err(_)) | None => unread += 1,
        }
        Ok(())
    })?;
    Ok(unread + read.foreign)
}
