//! One turn of the coordinator: what a group needs to act on one input, and where its doings go.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_wire::partition::{PartitionIndex, TopicName};

use crate::answer::{Answer, PartitionAnswer};
use crate::committed_offsets::offset_bytes;
use crate::coordinator::{Action, GroupSettings, WriteId};
use crate::group_id::GroupId;
use crate::limits::PENDING_WRITES_MAX;
use crate::request::{Now, RequestId};
use crate::topics::TopicTable;
use kafka_wire::group_record::{CommittedOffsetValue, GroupRecord};

/// What a group is given while it acts.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) settings: &'a GroupSettings,
    pub(crate) topics: &'a KnownTopics,
    /// What may be added to all groups together.
    pub(crate) room_bytes: usize,
    pub(crate) writes: &'a mut PendingWrites,
    pub(crate) actions: &'a mut Vec<Action>,
}

impl Turn<'_> {
    pub(crate) fn answer(&mut self, request: RequestId, answer: Answer) {
        self.actions.push(Action::Answer { request, answer });
    }

    /// Asks for `records` to be kept, and remembers what to do then.
    pub(crate) fn keep(&mut self, group: &GroupId, records: Vec<GroupRecord>, then: AfterWrite) {
        assert!(!records.is_empty(), "a write has something to keep");
        let write = self.writes.add(then);
        self.actions.push(Action::Persist { write, group_id: group.clone(), records });
    }
}

/// The topics there are, and how often that changed.
#[derive(Debug, Default)]
pub(crate) struct KnownTopics {
    pub(crate) table: TopicTable,
    pub(crate) version: u64,
}

/// What was asked to be kept and is not reported yet.
#[derive(Debug, Default)]
pub(crate) struct PendingWrites {
    last: u64,
    waiting: BTreeMap<WriteId, AfterWrite>,
    /// What the offsets of commits among them take.
    committing_bytes: usize,
}

/// What follows when a write is reported.
#[derive(Debug)]
pub(crate) enum AfterWrite {
    /// Nothing: what was kept is already in force.
    Nothing,
    /// The leader's assignment takes effect.
    Assignment { group_id: GroupId, generation: i32, assignments: BTreeMap<String, Bytes> },
    /// A static member that took the place of its former self is told that it may go on.
    StaticJoin { group_id: GroupId, waiting: StaticJoin },
    /// Offsets count and the commit is answered.
    Commit {
        group_id: GroupId,
        request: RequestId,
        offsets: Vec<(TopicName, PartitionIndex, CommittedOffsetValue)>,
        answers: Vec<PartitionAnswer>,
    },
    /// Offsets are gone and the deletion is answered.
    OffsetDelete {
        group_id: GroupId,
        request: RequestId,
        partitions: Vec<(TopicName, PartitionIndex)>,
        answers: Vec<PartitionAnswer>,
    },
    /// A group and its offsets are gone, for the one who asked or because they expired.
    GroupDelete { group_id: GroupId, request: Option<RequestId> },
    /// What changed in a consumer group is kept; whoever asked for it is answered.
    ConsumerGroup {
        group_id: GroupId,
        answer: Option<(RequestId, Answer)>,
        /// Members it forgets.
        forgotten: Vec<String>,
    },
    /// Offsets expired.
    Expiry { group_id: GroupId, partitions: Vec<(TopicName, PartitionIndex)> },
}

/// The join of a static member that took the place of its former self.
#[derive(Debug)]
pub(crate) struct StaticJoin {
    pub(crate) member_id: String,
    pub(crate) request: RequestId,
    /// The client understands that it leads but is not to assign.
    pub(crate) may_skip: bool,
    /// The leader's id before the change.
    pub(crate) leader_before: String,
}

impl AfterWrite {
    fn committing_bytes(&self) -> usize {
        match self {
            Self::Commit { offsets, .. } => {
                offsets.iter().map(|(_, _, offset)| offset_bytes(&offset.metadata)).sum()
            }
            _ => 0,
        }
    }
}

impl PendingWrites {
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= PENDING_WRITES_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The groups whose offsets are not yet all that their log says.
    pub(crate) fn committing_groups(&self) -> BTreeSet<GroupId> {
        let commits = self.waiting.values().filter_map(|then| match then {
            AfterWrite::Commit { group_id, .. } => Some(group_id.clone()),
            _ => None,
        });
        commits.collect()
    }

    /// Of which partitions the group's log holds offsets, or is to hold them, that the group does
    /// not show yet.
    pub(crate) fn committing(&self, of: &GroupId) -> BTreeSet<(TopicName, PartitionIndex)> {
        let commits = self.waiting.values().filter_map(|then| match then {
            AfterWrite::Commit { group_id, offsets, .. } if group_id == of => Some(offsets),
            _ => None,
        });
        commits.flatten().map(|(topic, partition, _)| (topic.clone(), *partition)).collect()
    }

    /// Memory that offsets on their way take, about.
    pub(crate) const fn committing_bytes(&self) -> usize {
        self.committing_bytes
    }

    fn add(&mut self, then: AfterWrite) -> WriteId {
        self.last += 1;
        self.committing_bytes += then.committing_bytes();
        let write = WriteId(self.last);
        let before = self.waiting.insert(write, then);
        assert!(before.is_none(), "every write has a number of its own");
        write
    }

    /// What follows from `write`. Writes are reported in the order they were asked for: what they
    /// say is in force in that order.
    pub(crate) fn take(&mut self, write: WriteId) -> AfterWrite {
        let (first, then) = self.waiting.pop_first().expect("a reported write was asked for");
        assert!(first == write, "writes are reported in the order they were asked for");
        self.committing_bytes -= then.committing_bytes();
        then
    }
}
