//! Requests of members: which group they go to, and what is answered when there is none.

use crate::answer::{Answer, JoinAnswer, LeftMember};
use crate::classic_group::check_join;
use crate::coordinator::group_table::GroupTable;
use crate::refusal::Refusal;
use crate::request::{
    JoinGroup, LeaveGroup, LeavingMember, MemberOfGeneration, RequestId, SyncGroup,
};
use crate::turn::Turn;

impl GroupTable {
    pub(super) fn join(&mut self, turn: &mut Turn<'_>, request: RequestId, join: &JoinGroup) {
        let group = check_join(join).and_then(|()| {
            if !join.member_id.is_empty() && self.get(&join.group_id).is_none() {
                return Err(Refusal::UnknownMemberId);
            }
            self.get_or_make(&join.group_id)
        });
        match group {
            Ok(group) => group.members.join(turn, request, join),
            Err(refusal) => {
                let refused = JoinAnswer::refused(&join.member_id, refusal);
                turn.answer(request, Answer::Join(Box::new(refused)));
            }
        }
    }

    pub(super) fn sync(&mut self, turn: &mut Turn<'_>, request: RequestId, sync: SyncGroup) {
        if sync.member.group_id.is_empty() {
            turn.answer(request, Answer::Sync(Err(Refusal::InvalidGroupId)));
            return;
        }
        match self.get_mut(&sync.member.group_id) {
            Some(group) => group.members.sync(turn, request, sync),
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
        let group = self.get_mut(&member.group_id).ok_or(Refusal::UnknownMemberId)?;
        group.members.heartbeat(turn, member)
    }

    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, request: RequestId, leave: LeaveGroup) {
        let LeaveGroup { group_id, members } = leave;
        if group_id.is_empty() {
            turn.answer(request, Answer::Leave(Err(Refusal::InvalidGroupId)));
            return;
        }
        let left = if let Some(group) = self.get_mut(&group_id) {
            group.members.leave(turn, members)
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
