//! Being alive, and leaving.

use crate::answer::{Answer, JoinAnswer, LeftMember};
use crate::classic_group::ClassicGroup;
use crate::classic_group::member::ClassicMember;
use crate::group_state::ClassicGroupState as State;
use crate::refusal::Refusal;
use crate::request::{LeavingMember, MemberOfGeneration};
use crate::turn::Turn;

impl ClassicGroup {
    /// A member says that it lives.
    pub(crate) fn heartbeat(
        &mut self,
        turn: &Turn<'_>,
        heartbeat: &MemberOfGeneration,
    ) -> Result<(), Refusal> {
        self.check_member(&heartbeat.member_id, heartbeat.group_instance_id.as_deref())?;
        if heartbeat.generation != self.generation {
            return Err(Refusal::IllegalGeneration);
        }
        self.renew_session(turn, &heartbeat.member_id);
        match self.state {
            State::PreparingRebalance => Err(Refusal::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
            State::Empty | State::Dead => Err(Refusal::UnknownMemberId),
        }
    }

    /// A member that commits lives, too, but for one that owes us its assignment.
    pub(crate) fn renew_session_at_commit(&mut self, turn: &Turn<'_>, member_id: &str) {
        if matches!(self.state, State::Stable | State::PreparingRebalance) {
            self.renew_session(turn, member_id);
        }
    }

    fn renew_session(&mut self, turn: &Turn<'_>, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.renew_session(turn.now);
        }
    }

    /// Members leave, each on its own terms.
    pub(crate) fn leave(
        &mut self,
        turn: &mut Turn<'_>,
        members: Vec<LeavingMember>,
    ) -> Vec<LeftMember> {
        let mut left = Vec::with_capacity(members.len());
        for leaving in members {
            let outcome = self.leave_one(turn, &leaving);
            let LeavingMember { member_id, group_instance_id } = leaving;
            left.push(LeftMember { member_id, group_instance_id, outcome });
        }
        if left.iter().any(|member| member.outcome.is_ok()) {
            self.after_removal(turn);
        }
        left
    }

    fn leave_one(&mut self, turn: &mut Turn<'_>, leaving: &LeavingMember) -> Result<(), Refusal> {
        if self.expected_members.remove(&leaving.member_id).is_some() {
            return Ok(());
        }
        let instance = leaving.group_instance_id.as_deref();
        let member_id = if leaving.member_id.is_empty() {
            let owner = instance.and_then(|instance| self.static_members.get(instance));
            owner.cloned().ok_or(Refusal::UnknownMemberId)?
        } else {
            self.check_member(&leaving.member_id, instance)?;
            leaving.member_id.clone()
        };
        self.remove_member(turn, &member_id);
        Ok(())
    }

    /// Members are gone: those that stay need a new generation.
    pub(super) fn after_removal(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(turn),
            State::PreparingRebalance => self.complete_when_all_joined(turn),
            State::Empty | State::Dead => {}
        }
    }

    /// Takes a member out; what it waits for is refused.
    pub(super) fn remove_member(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        self.expected_members.remove(member_id);
        let Some(mut member) = self.members.remove(member_id) else { return };
        Self::dismiss(turn, &mut member, Refusal::UnknownMemberId);
        self.unsynced_members.remove(member_id);
        if let Some(instance) = &member.group_instance_id {
            self.static_members.remove(instance);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Refuses whatever `member` waits for.
    pub(super) fn dismiss(turn: &mut Turn<'_>, member: &mut ClassicMember, refusal: Refusal) {
        if let Some(request) = member.waiting_join.take() {
            let refused = JoinAnswer::refused(&member.member_id, refusal);
            turn.answer(request, Answer::Join(Box::new(refused)));
        }
        if let Some(request) = member.waiting_sync.take() {
            turn.answer(request, Answer::Sync(Err(refusal)));
        }
    }
}
