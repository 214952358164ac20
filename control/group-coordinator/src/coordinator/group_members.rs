//! A group's members, of either kind.

use kafka_wire::group_record::GroupRecord;

use crate::classic_group::ClassicGroup;
use crate::consumer_group::ConsumerGroup;
use crate::description::GroupType;
use crate::group_id::GroupId;
use crate::group_state::ClassicGroupState;
use crate::refusal::Refusal;
use crate::request::{Now, OffsetCommit};
use crate::turn::Turn;

/// A group's members.
#[derive(Debug)]
pub(super) enum GroupMembers {
    /// They assign among themselves.
    Classic(ClassicGroup),
    /// The coordinator assigns.
    Consumer(ConsumerGroup),
}

impl GroupMembers {
    pub(super) const fn new(group_id: GroupId) -> Self {
        Self::Classic(ClassicGroup::new(group_id))
    }

    pub(super) const fn group_type(&self) -> GroupType {
        match self {
            Self::Classic(_) => GroupType::Classic,
            Self::Consumer(_) => GroupType::Consumer,
        }
    }

    pub(super) fn protocol_type(&self) -> &str {
        match self {
            Self::Classic(group) => group.protocol_type(),
            Self::Consumer(_) => "consumer",
        }
    }

    pub(super) fn state_name(&self) -> &'static str {
        match self {
            Self::Classic(group) => group.state().name(),
            Self::Consumer(group) => group.state_name(),
        }
    }

    /// No members, though one may be expected.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.state() == ClassicGroupState::Empty,
            Self::Consumer(group) => group.is_empty(),
        }
    }

    /// Nobody is in the group, and nobody is expected.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_abandoned(),
            Self::Consumer(group) => group.is_empty(),
        }
    }

    /// A group that never had members: it is of the other kind as soon as one comes.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_abandoned() && group.protocol_type().is_empty(),
            Self::Consumer(group) => group.is_nothing(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Classic(group) => group.bytes(),
            Self::Consumer(group) => group.bytes(),
        }
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        match self {
            Self::Classic(group) => group.next_deadline_ms(),
            Self::Consumer(group) => group.next_deadline_ms(),
        }
    }

    pub(super) fn on_time(&mut self, turn: &mut Turn<'_>) {
        match self {
            Self::Classic(group) => group.on_time(turn),
            Self::Consumer(group) => group.on_time(turn),
        }
    }

    pub(super) fn subscribes_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.subscribes_to(topic),
            Self::Consumer(group) => group.subscribes_to(topic),
        }
    }

    /// Since when an offset not committed again ages; `None` while none does.
    pub(super) fn ages_since(&self, commit_timestamp_ms: i64) -> Option<i64> {
        match self {
            Self::Classic(group) => group.ages_since(commit_timestamp_ms),
            Self::Consumer(_) => Some(commit_timestamp_ms),
        }
    }

    pub(super) fn check_offset_commit(&self, commit: &OffsetCommit) -> Result<(), Refusal> {
        let member = &commit.member;
        match self {
            Self::Classic(group) => {
                let instance = member.group_instance_id.as_deref();
                group.check_offset_commit(&member.member_id, instance, member.generation)
            }
            Self::Consumer(group) => group.check_offset_commit(
                &member.member_id,
                member.generation,
                commit.knows_consumer_groups,
            ),
        }
    }

    pub(super) fn check_offset_fetch(
        &self,
        member_id: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), Refusal> {
        match self {
            Self::Classic(_) => Ok(()),
            Self::Consumer(group) => group.check_offset_fetch(member_id, member_epoch),
        }
    }

    /// May offsets of topics that nobody reads be deleted?
    pub(super) fn check_offset_delete(&self) -> Result<(), Refusal> {
        match self {
            Self::Classic(group) if !self.is_empty() && !group.is_of_consumers() => {
                Err(Refusal::NonEmptyGroup)
            }
            Self::Classic(_) | Self::Consumer(_) => Ok(()),
        }
    }

    pub(super) fn snapshot(&self, now: Now) -> Vec<GroupRecord> {
        match self {
            Self::Classic(group) => group.snapshot(now).into_iter().collect(),
            Self::Consumer(group) => group.snapshot(now),
        }
    }

    /// What makes a log forget the members.
    pub(super) fn tombstones(&self, group_id: &GroupId) -> Vec<GroupRecord> {
        match self {
            Self::Classic(_) => vec![GroupRecord::ClassicGroup(group_id.to_string(), None)],
            Self::Consumer(group) => group.tombstones(),
        }
    }
}
