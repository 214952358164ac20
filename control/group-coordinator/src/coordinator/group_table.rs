//! Every group there is, and what they take together.

use std::collections::BTreeMap;

use crate::answer::{Answer, JoinAnswer};
use crate::committed_offsets::CommittedOffsets;
use crate::coordinator::group_members::GroupMembers;
use crate::coordinator::offsets::offset_record;
use crate::description::{ClassicGroupDescription, ConsumerGroupDescription, ListedGroup};
use crate::group_deadlines::GroupDeadlines;
use crate::group_id::GroupId;
use crate::limits::{GROUP_BYTES, GROUPS_MAX};
use crate::refusal::Refusal;
use crate::request::{Now, Request, RequestId};
use crate::turn::Turn;
use kafka_wire::group_record::GroupRecord;

/// All groups, by name.
#[derive(Debug, Default)]
pub(super) struct GroupTable {
    groups: BTreeMap<GroupId, Group>,
    deadlines: GroupDeadlines,
    bytes: usize,
}

/// A group: its members and its offsets.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: GroupMembers,
    pub(super) offsets: CommittedOffsets,
    /// What the group takes of the table's bytes.
    counted_bytes: usize,
}

impl GroupTable {
    pub(super) fn get(&self, group_id: &GroupId) -> Option<&Group> {
        self.groups.get(group_id)
    }

    pub(super) fn get_mut(&mut self, group_id: &GroupId) -> Option<&mut Group> {
        self.groups.get_mut(group_id)
    }

    /// The group, made when there is none and room for it.
    pub(super) fn get_or_make(
        &mut self,
        turn: &Turn<'_>,
        group_id: &GroupId,
    ) -> Result<&mut Group, Refusal> {
        if !self.groups.contains_key(group_id) {
            let is_full = self.groups.len() >= GROUPS_MAX;
            if is_full || turn.room_bytes < group_id.as_str().len() + GROUP_BYTES {
                return Err(Refusal::PolicyViolation);
            }
        }
        Ok(self.get_or_insert(group_id))
    }

    /// Memory that all groups take, about.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The group, made when there is none, room or not.
    pub(super) fn get_or_insert(&mut self, group_id: &GroupId) -> &mut Group {
        self.groups.entry(group_id.clone()).or_insert_with(|| Group::new(group_id))
    }

    pub(super) fn remove(&mut self, group_id: &GroupId) {
        if let Some(group) = self.groups.remove(group_id) {
            self.bytes -= group.counted_bytes;
        }
        self.deadlines.set(group_id, None);
    }

    /// After any change of a group: counts it, notes when it wants to be looked at, and drops one
    /// that holds nothing and never did.
    pub(super) fn settle(&mut self, group_id: &GroupId) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let is_nothing = group.offsets.count() == 0 && group.members.is_nothing();
        if is_nothing {
            self.remove(group_id);
            return;
        }
        let name_bytes = group_id.as_str().len();
        let bytes = GROUP_BYTES + name_bytes + group.members.bytes() + group.offsets.bytes();
        self.bytes = self.bytes - group.counted_bytes + bytes;
        group.counted_bytes = bytes;
        let deadline = group.members.next_deadline_ms();
        self.deadlines.set(group_id, deadline);
    }

    /// Applies one request. Heartbeats, which only move a deadline away, settle nothing.
    pub(super) fn apply(&mut self, turn: &mut Turn<'_>, request: RequestId, body: Request) {
        if turn.writes.is_full() {
            turn.answer(request, refusal_of(&body, Refusal::CoordinatorNotAvailable));
            return;
        }
        let group_id = body.group_id().clone();
        match body {
            Request::Heartbeat(heartbeat) => {
                let outcome = self.heartbeat(turn, &heartbeat.member);
                turn.answer(request, Answer::Heartbeat(outcome));
                return;
            }
            Request::Join(join) => self.join(turn, request, &join),
            Request::Sync(sync) => self.sync(turn, request, sync),
            Request::Leave(leave) => self.leave(turn, request, leave),
            Request::OffsetCommit(commit) => self.commit(turn, request, commit),
            Request::OffsetDelete(delete) => self.delete_offsets(turn, request, delete),
            Request::ConsumerGroupHeartbeat(heartbeat) => {
                self.consumer_heartbeat(turn, request, *heartbeat);
            }
            Request::DeleteGroup(group_id) => self.delete_group(turn, request, &group_id),
        }
        self.settle(&group_id);
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.next()
    }

    /// Lets every group whose time has come act.
    pub(super) fn on_time(&mut self, turn: &mut Turn<'_>) {
        while !turn.writes.is_full()
            && let Some(group_id) = self.deadlines.pop_due(turn.now.elapsed_ms)
        {
            if let Some(group) = self.groups.get_mut(&group_id) {
                group.members.on_time(turn);
            }
            self.settle(&group_id);
        }
    }

    pub(super) fn group_ids(&self) -> impl Iterator<Item = &GroupId> {
        self.groups.keys()
    }

    pub(super) fn list(&self) -> Vec<ListedGroup> {
        let line = |(group_id, group): (&GroupId, &Group)| ListedGroup {
            group_id: group_id.clone(),
            protocol_type: group.members.protocol_type().to_owned(),
            state: group.members.state_name(),
            group_type: group.members.group_type(),
        };
        self.groups.iter().map(line).collect()
    }

    pub(super) fn describe_classic(
        &self,
        group_id: &GroupId,
    ) -> Result<ClassicGroupDescription, Refusal> {
        match self.groups.get(group_id).map(|group| &group.members) {
            Some(GroupMembers::Classic(group)) => Ok(group.description()),
            Some(GroupMembers::Consumer(_)) | None => Err(Refusal::GroupIdNotFound),
        }
    }

    pub(super) fn describe_consumer(
        &self,
        group_id: &GroupId,
    ) -> Result<ConsumerGroupDescription, Refusal> {
        match self.groups.get(group_id).map(|group| &group.members) {
            Some(GroupMembers::Consumer(group)) => Ok(group.description()),
            Some(GroupMembers::Classic(_)) | None => Err(Refusal::GroupIdNotFound),
        }
    }

    pub(super) fn snapshot(&self, now: Now, group_id: &GroupId) -> Vec<GroupRecord> {
        let Some(group) = self.groups.get(group_id) else { return Vec::new() };
        let mut records = group.members.snapshot(now);
        for (topic, partition, offset) in group.offsets.iter() {
            records.push(offset_record(group_id, topic, partition, Some(offset.clone())));
        }
        records
    }
}

impl Group {
    fn new(group_id: &GroupId) -> Self {
        Self {
            members: GroupMembers::new(group_id.clone()),
            offsets: CommittedOffsets::default(),
            counted_bytes: 0,
        }
    }
}

/// The answer that refuses `body`.
fn refusal_of(body: &Request, refusal: Refusal) -> Answer {
    match body {
        Request::Join(join) => {
            Answer::Join(Box::new(JoinAnswer::refused(&join.member_id, refusal)))
        }
        Request::Sync(_) => Answer::Sync(Err(refusal)),
        Request::Heartbeat(_) => Answer::Heartbeat(Err(refusal)),
        Request::Leave(_) => Answer::Leave(Err(refusal)),
        Request::OffsetCommit(_) => Answer::OffsetCommit(Err(refusal)),
        Request::OffsetDelete(_) => Answer::OffsetDelete(Err(refusal)),
        Request::ConsumerGroupHeartbeat(_) => Answer::ConsumerGroupHeartbeat(Err(refusal)),
        Request::DeleteGroup(_) => Answer::DeleteGroup(Err(refusal)),
    }
}
