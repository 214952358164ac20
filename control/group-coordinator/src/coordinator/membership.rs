//! Requests of members: which group they go to, and what is answered when there is none or it is
//! of the other kind.
//!
//! An empty group turns into one of the other kind when a member of that kind comes. Members of
//! both kinds in one group, as stock brokers allow while a group is migrated, are refused.

use kafka_wire::group_record::GroupRecord;

use crate::answer::{Answer, JoinAnswer, LeftMember};
use crate::classic_group::{ClassicGroup, check_join};
use crate::consumer_group::{ConsumerGroup, check_heartbeat};
use crate::coordinator::group_members::GroupMembers;
use crate::coordinator::group_table::GroupTable;
use crate::group_id::GroupId;
use crate::refusal::Refusal;
use crate::request::{
    ConsumerGroupHeartbeat, JoinGroup, LeaveGroup, LeavingMember, MemberOfGeneration, RequestId,
    SyncGroup,
};
use crate::turn::{AfterWrite, Turn};

impl GroupTable {
    pub(super) fn join(&mut self, turn: &mut Turn<'_>, request: RequestId, join: &JoinGroup) {
        match self.group_to_join(turn, join) {
            Ok(group) => group.join(turn, request, join),
            Err(refusal) => {
                let refused = JoinAnswer::refused(&join.member_id, refusal);
                turn.answer(request, Answer::Join(Box::new(refused)));
            }
        }
    }

    fn group_to_join(
        &mut self,
        turn: &mut Turn<'_>,
        join: &JoinGroup,
    ) -> Result<&mut ClassicGroup, Refusal> {
        check_join(join)?;
        let group_id = &join.group_id;
        if !join.member_id.is_empty() && self.get(group_id).is_none() {
            return Err(Refusal::UnknownMemberId);
        }
        let group = self.get_or_make(turn, group_id)?;
        if let GroupMembers::Consumer(consumers) = &group.members {
            if !consumers.is_empty() {
                return Err(Refusal::InconsistentGroupProtocol);
            }
            turn.keep(group_id, consumers.tombstones(), AfterWrite::Nothing);
            group.members = GroupMembers::new(group_id.clone());
        }
        match &mut group.members {
            GroupMembers::Classic(group) => Ok(group),
            GroupMembers::Consumer(_) => Err(Refusal::InconsistentGroupProtocol),
        }
    }

    pub(super) fn consumer_heartbeat(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        asked: ConsumerGroupHeartbeat,
    ) {
        match self.group_to_serve(turn, &asked) {
            Ok((group, records)) => group.heartbeat(turn, request, asked, records),
            Err(refusal) => {
                turn.answer(request, Answer::ConsumerGroupHeartbeat(Err(refusal)));
            }
        }
    }

    /// The consumer group, and what has to be kept when it was a classic one before.
    fn group_to_serve(
        &mut self,
        turn: &Turn<'_>,
        asked: &ConsumerGroupHeartbeat,
    ) -> Result<(&mut ConsumerGroup, Vec<GroupRecord>), Refusal> {
        check_heartbeat(asked)?;
        let group_id = &asked.group_id;
        let joins = asked.member_epoch == 0;
        if !joins && self.get(group_id).is_none() {
            return Err(Refusal::GroupIdNotFound);
        }
        let group = self.get_or_make(turn, group_id)?;
        let mut records = Vec::new();
        if joins
            && matches!(&group.members, GroupMembers::Classic(classic) if classic.is_abandoned())
        {
            if !group.members.is_nothing() {
                records = group.members.tombstones(group_id);
            }
            group.members = GroupMembers::Consumer(ConsumerGroup::new(group_id.clone()));
        }
        match &mut group.members {
            GroupMembers::Consumer(group) => Ok((group, records)),
            GroupMembers::Classic(_) => Err(Refusal::GroupIdNotFound),
        }
    }

    /// The group, when it is a classic one.
    pub(super) fn classic_mut(&mut self, group_id: &GroupId) -> Option<&mut ClassicGroup> {
        match &mut self.get_mut(group_id)?.members {
            GroupMembers::Classic(group) => Some(group),
            GroupMembers::Consumer(_) => None,
        }
    }

    pub(super) fn sync(&mut self, turn: &mut Turn<'_>, request: RequestId, sync: SyncGroup) {
        if sync.member.group_id.is_empty() {
            turn.answer(request, Answer::Sync(Err(Refusal::InvalidGroupId)));
            return;
        }
        match self.classic_mut(&sync.member.group_id) {
            Some(group) => group.sync(turn, request, sync),
            None => turn.answer(request, Answer::Sync(Err(Refusal::UnknownMemberId))),
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        turn: &Turn<'_>,
        member: &MemberOfGeneration,
    ) -> Result<(), Refusal> {
        if member.group_id.is_empty() {
            return Err(Refusal::InvalidGroupId);
        }
        let group = self.classic_mut(&member.group_id).ok_or(Refusal::UnknownMemberId)?;
        group.heartbeat(turn, member)
    }

    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, request: RequestId, leave: LeaveGroup) {
        let LeaveGroup { group_id, members } = leave;
        if group_id.is_empty() {
            turn.answer(request, Answer::Leave(Err(Refusal::InvalidGroupId)));
            return;
        }
        let left = if let Some(group) = self.classic_mut(&group_id) {
            group.leave(turn, members)
        } else {
            let unknown = |member: LeavingMember| LeftMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                outcome: Err(Refusal::UnknownMemberId),
            };
            members.into_iter().map(unknown).collect()
        };
        turn.answer(request, Answer::Leave(Ok(left)));
    }
}
