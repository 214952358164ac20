//! Which group wants to be looked at when.

use std::collections::{BTreeMap, BTreeSet};

use crate::group_id::GroupId;

/// One time for each group that waits for something. A time may be earlier than the group needs,
/// never later: a heartbeat does not move it, the look at the group does.
#[derive(Debug, Default)]
pub(crate) struct GroupDeadlines {
    by_time: BTreeSet<(u64, GroupId)>,
    by_group: BTreeMap<GroupId, u64>,
}

impl GroupDeadlines {
    /// The earliest time any group waits for.
    pub(crate) fn next(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// The group that waits the longest for a time that has come, which no longer waits then.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<GroupId> {
        if self.next()? > now_ms {
            return None;
        }
        let (_, group_id) = self.by_time.pop_first()?;
        self.by_group.remove(&group_id);
        Some(group_id)
    }

    /// `group_id` waits for `at_ms`, or for nothing.
    pub(crate) fn set(&mut self, group_id: &GroupId, at_ms: Option<u64>) {
        let before = match at_ms {
            Some(at_ms) => self.by_group.insert(group_id.clone(), at_ms),
            None => self.by_group.remove(group_id),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, group_id.clone()));
        }
        if let Some(at_ms) = at_ms {
            self.by_time.insert((at_ms, group_id.clone()));
        }
        assert!(self.by_time.len() == self.by_group.len(), "both indexes hold the same groups");
    }
}
