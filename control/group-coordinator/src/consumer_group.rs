//! A group whose members are told what to read (KIP-848): who is in it, and what each is to have.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::group_record::{
    ConsumerGroupValue, GroupMember, GroupRecord, TargetAssignmentValue,
};
use kafka_wire::partition::TopicId;

use crate::consumer_group::expressions::Expressions;
use crate::consumer_group::member::ConsumerMember;
use crate::description::{ConsumerGroupDescription, ConsumerMemberDescription};
use crate::group_id::GroupId;
use crate::limits::NAME_ENTRY_BYTES;
use crate::refusal::Refusal;
use crate::request::Now;

mod expressions;
mod heartbeat;
mod leave;
mod loading;
mod member;
mod reconcile;
mod target;

pub(crate) use crate::consumer_group::heartbeat::check_heartbeat;

/// A consumer group.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    group_id: GroupId,
    /// Rises with every change of members, subscriptions and topics.
    epoch: i32,
    /// The epoch that the members' targets were computed for.
    assignment_epoch: i32,
    members: BTreeMap<String, ConsumerMember>,
    static_members: BTreeMap<String, String>,
    expressions: Expressions,
    /// The topics anyone reads, with their sizes, as the epoch stands for them.
    shapes: BTreeMap<TopicId, u32>,
    /// Which state of all topics was looked at.
    topics_version: Option<u64>,
    /// A write failed: what is kept is not what is in force.
    is_unsaved: bool,
    /// Members that are gone, but not from what is kept.
    unforgotten: BTreeSet<String>,
}

impl ConsumerGroup {
    /// A group without members.
    pub(crate) fn new(group_id: GroupId) -> Self {
        Self {
            group_id,
            epoch: 0,
            assignment_epoch: 0,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            expressions: Expressions::default(),
            shapes: BTreeMap::new(),
            topics_version: None,
            is_unsaved: false,
            unforgotten: BTreeSet::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Kafka's name of the group's state.
    pub(crate) fn state_name(&self) -> &'static str {
        let is_reconciled =
            |member: &ConsumerMember| member.is_reconciled_to(self.assignment_epoch);
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(is_reconciled) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// True when a member reads `topic`.
    pub(crate) fn subscribes_to(&self, topic: &str) -> bool {
        self.members.values().any(|member| self.names_read_by(member).any(|name| name == topic))
    }

    /// May this member commit in this epoch?
    pub(crate) fn check_offset_commit(
        &self,
        member_id: &str,
        member_epoch: i32,
        knows_consumer_groups: bool,
    ) -> Result<(), Refusal> {
        if member_epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        let member = self.members.get(member_id).ok_or(Refusal::UnknownMemberId)?;
        if !knows_consumer_groups {
            return Err(Refusal::UnsupportedVersion);
        }
        if member.epoch == member_epoch { Ok(()) } else { Err(Refusal::StaleMemberEpoch) }
    }

    /// May offsets be shown to who says to be this member, in this epoch?
    pub(crate) fn check_offset_fetch(
        &self,
        member_id: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), Refusal> {
        let Some(member_id) = member_id.filter(|id| !id.is_empty() || member_epoch >= 0) else {
            return Ok(());
        };
        let member = self.members.get(member_id).ok_or(Refusal::UnknownMemberId)?;
        if member.epoch == member_epoch { Ok(()) } else { Err(Refusal::StaleMemberEpoch) }
    }

    /// Memory the members take, about.
    pub(crate) fn bytes(&self) -> usize {
        let members = self.members.values().map(ConsumerMember::bytes).sum::<usize>();
        let unforgotten = self.unforgotten.iter().map(|id| id.len() + NAME_ENTRY_BYTES);
        members
            + self.expressions.bytes()
            + unforgotten.sum::<usize>()
            + self.shapes.len() * SHAPE_BYTES
    }

    /// When the group next wants to be looked at.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.members.values().filter_map(ConsumerMember::deadline_ms).min()
    }

    /// All of it, for a log that holds nothing of the group.
    pub(crate) fn snapshot(&self, now: Now) -> Vec<GroupRecord> {
        if self.epoch == 0 {
            return Vec::new();
        }
        let mut records = Vec::new();
        for member in self.members.values() {
            records.push(GroupRecord::Member(self.key(&member.member_id), Some(member.value())));
        }
        records.extend(self.expression_records(Some(now)));
        records.push(self.epoch_record());
        for member in self.members.values() {
            let key = self.key(&member.member_id);
            records.push(GroupRecord::TargetMember(key, Some(member.target_value())));
        }
        records.push(self.target_record(now));
        for member in self.members.values() {
            let key = self.key(&member.member_id);
            records.push(GroupRecord::CurrentAssignment(key, Some(member.current_value())));
        }
        records
    }

    /// What makes a log forget the group.
    pub(crate) fn tombstones(&self) -> Vec<GroupRecord> {
        let mut records = Vec::new();
        for member_id in self.members.keys() {
            self.forget_member(member_id, &mut records);
        }
        records.extend(self.expression_records(None));
        let group = self.group_id.to_string();
        records.push(GroupRecord::TargetAssignment(group.clone(), None));
        records.push(GroupRecord::PartitionMetadata(group.clone(), None));
        records.push(GroupRecord::ConsumerGroup(group, None));
        records
    }

    fn forget_member(&self, member_id: &str, records: &mut Vec<GroupRecord>) {
        records.push(GroupRecord::CurrentAssignment(self.key(member_id), None));
        records.push(GroupRecord::TargetMember(self.key(member_id), None));
        records.push(GroupRecord::Member(self.key(member_id), None));
    }

    fn epoch_record(&self) -> GroupRecord {
        let value = ConsumerGroupValue { epoch: self.epoch, metadata_hash: 0 };
        GroupRecord::ConsumerGroup(self.group_id.to_string(), Some(value))
    }

    fn target_record(&self, now: Now) -> GroupRecord {
        let value = TargetAssignmentValue {
            assignment_epoch: self.assignment_epoch,
            assignment_timestamp_ms: now.unix_ms,
        };
        GroupRecord::TargetAssignment(self.group_id.to_string(), Some(value))
    }

    fn key(&self, member_id: &str) -> GroupMember {
        GroupMember { group: self.group_id.to_string(), member_id: member_id.to_owned() }
    }

    /// What tools are shown.
    pub(crate) fn description(&self) -> ConsumerGroupDescription {
        let describe = |member: &ConsumerMember| ConsumerMemberDescription {
            member_id: member.member_id.clone(),
            instance_id: member.instance_id.clone(),
            rack_id: member.rack_id.clone(),
            member_epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            topic_names: member.topic_names.iter().cloned().collect(),
            topic_regex: member.topic_regex.clone(),
            assignment: member.assigned.clone(),
            target_assignment: member.target.clone(),
        };
        ConsumerGroupDescription {
            state: self.state_name(),
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: self.assignor().name(),
            members: self.members.values().map(describe).collect(),
        }
    }

    /// Every topic that anyone reads.
    fn read_names(&self) -> BTreeSet<String> {
        let names = self.members.values().flat_map(|member| self.names_read_by(member));
        names.cloned().collect()
    }

    /// The topics that one member reads.
    fn names_read_by<'a>(&'a self, member: &'a ConsumerMember) -> impl Iterator<Item = &'a String> {
        member.topic_names.iter().chain(self.expressions.names(member.topic_regex.as_deref()))
    }
}

/// What the size of a topic takes.
const SHAPE_BYTES: usize = 64;
