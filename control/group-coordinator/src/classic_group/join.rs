//! Joining: who may, who has to come back with an id, who takes whose place.

use crate::answer::{Answer, JoinAnswer, SyncAnswer};
use crate::classic_group::ClassicGroup;
use crate::classic_group::member::{ClassicMember, joining_bytes, milliseconds, protocols_bytes};
use crate::group_state::ClassicGroupState as State;
use crate::limits::{
    GROUP_METADATA_BYTES_MAX, MEMBER_PROTOCOLS_MAX, NAME_BYTES_MAX, NEW_MEMBER_JOIN_TIMEOUT_MS,
    SESSION_TIMEOUT_MS_MAX, SESSION_TIMEOUT_MS_MIN,
};
use crate::refusal::Refusal;
use crate::request::{JoinGroup, RequestId};
use crate::turn::{AfterWrite, StaticJoin, Turn};

/// What is wrong with a join before any group is looked at.
pub(crate) fn check_join(join: &JoinGroup) -> Result<(), Refusal> {
    if join.group_id.is_empty() {
        return Err(Refusal::InvalidGroupId);
    }
    if !(SESSION_TIMEOUT_MS_MIN..=SESSION_TIMEOUT_MS_MAX).contains(&join.session_timeout_ms) {
        return Err(Refusal::InvalidSessionTimeout);
    }
    let instance = join.group_instance_id.as_deref().unwrap_or_default();
    let protocols = join.protocols.iter().map(|protocol| protocol.name.as_str());
    let names = [&join.member_id, instance, &join.client_id, &join.client_host];
    let names = names.into_iter().chain([join.protocol_type.as_str()]).chain(protocols);
    let is_long = names.into_iter().any(|name| name.len() > NAME_BYTES_MAX);
    if is_long || join.protocols.len() > MEMBER_PROTOCOLS_MAX {
        return Err(Refusal::InvalidRequest);
    }
    Ok(())
}

impl ClassicGroup {
    /// A member wants to be in the next generation.
    pub(crate) fn join(&mut self, turn: &mut Turn<'_>, request: RequestId, join: &JoinGroup) {
        let admission = if self.has_place_for(&join.member_id, turn.settings.group_members_max) {
            self.check_admission(turn, join)
        } else {
            // One that finds no place in the next generation is no member any more.
            self.remove_member(turn, &join.member_id);
            Err(Refusal::GroupMaxSizeReached)
        };
        if let Err(refusal) = admission {
            let refused = JoinAnswer::refused(&join.member_id, refusal);
            turn.answer(request, Answer::Join(Box::new(refused)));
        } else if join.member_id.is_empty() {
            self.join_as_new(turn, request, join);
        } else if self.expected_members.remove(&join.member_id).is_some() {
            self.add_member(turn, request, join, join.member_id.clone());
        } else {
            self.join_again(turn, request, join);
        }
    }

    fn check_admission(&self, turn: &Turn<'_>, join: &JoinGroup) -> Result<(), Refusal> {
        if !self.supports(&join.protocol_type, &join.protocols) {
            return Err(Refusal::InconsistentGroupProtocol);
        }
        let is_expected = self.expected_members.contains_key(&join.member_id);
        if is_expected && join.group_instance_id.is_some() {
            return Err(Refusal::InvalidRequest);
        }
        if !join.member_id.is_empty() && !is_expected {
            self.check_member(&join.member_id, join.group_instance_id.as_deref())?;
        }
        self.check_metadata_bytes(join)?;
        let owner = join.group_instance_id.as_ref().and_then(|name| self.static_members.get(name));
        let former = self.members.get(owner.unwrap_or(&join.member_id));
        let held_bytes = former.map_or(0, ClassicMember::subscription_bytes);
        let added_bytes = joining_bytes(join).saturating_sub(held_bytes);
        // A member that says no more than before stays, full or not.
        let says_more = former.is_none_or(|former| former.protocols != join.protocols);
        if says_more && added_bytes > turn.room_bytes {
            return Err(Refusal::GroupMaxSizeReached);
        }
        Ok(())
    }

    /// Is there a place for this member?
    fn has_place_for(&self, member_id: &str, members_max: usize) -> bool {
        let member = self.members.get(member_id);
        let expected = self.expected_members.len();
        let is_known = member.is_some() || self.expected_members.contains_key(member_id);
        if !is_known && expected >= members_max {
            return false;
        }
        match self.state {
            State::Empty | State::Dead => true,
            State::PreparingRebalance => {
                let joined = self.joined_count();
                member.is_some_and(|member| member.waiting_join.is_some()) || joined < members_max
            }
            State::CompletingRebalance | State::Stable => {
                member.is_some() || self.members.len() < members_max
            }
        }
    }

    fn check_metadata_bytes(&self, join: &JoinGroup) -> Result<(), Refusal> {
        let others = self.members.values().filter(|member| member.member_id != join.member_id);
        let kept: usize = others.map(ClassicMember::subscription_bytes).sum();
        let bytes = kept + protocols_bytes(&join.protocols);
        if bytes > GROUP_METADATA_BYTES_MAX { Err(Refusal::GroupMaxSizeReached) } else { Ok(()) }
    }

    fn join_as_new(&mut self, turn: &mut Turn<'_>, request: RequestId, join: &JoinGroup) {
        if let Some(instance) = &join.group_instance_id {
            let member_id = format!("{instance}-{}", join.unique_id);
            match self.static_members.get(instance).cloned() {
                Some(former) => self.replace_static(turn, request, join, (former, member_id)),
                None => self.add_member(turn, request, join, member_id),
            }
            return;
        }
        let member_id = format!("{}-{}", join.client_id, join.unique_id);
        if join.must_know_member_id {
            let until_ms = turn.now.elapsed_ms + milliseconds(join.session_timeout_ms);
            self.expected_members.insert(member_id.clone(), until_ms);
            let answer = JoinAnswer::refused(&member_id, Refusal::MemberIdRequired);
            turn.answer(request, Answer::Join(Box::new(answer)));
        } else {
            self.add_member(turn, request, join, member_id);
        }
    }

    fn join_again(&mut self, turn: &mut Turn<'_>, request: RequestId, join: &JoinGroup) {
        let member = &self.members[&join.member_id];
        let is_unchanged = member.protocols == join.protocols;
        let stays = match self.state {
            State::CompletingRebalance => is_unchanged,
            State::Stable => is_unchanged && !self.is_leader(&join.member_id),
            State::PreparingRebalance | State::Empty | State::Dead => false,
        };
        if stays {
            let answer = self.join_answer(&join.member_id);
            turn.answer(request, Answer::Join(Box::new(answer)));
        } else {
            self.update_member(turn, request, join, &join.member_id);
            self.rebalance_or_go_on(turn);
        }
    }

    fn add_member(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        join: &JoinGroup,
        member_id: String,
    ) {
        let mut member = ClassicMember::new(member_id.clone(), join);
        member.waiting_join = Some(request);
        member.session_deadline_ms = Some(turn.now.elapsed_ms + NEW_MEMBER_JOIN_TIMEOUT_MS);
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member_id.clone());
        }
        if let Some(instance) = &member.group_instance_id {
            self.static_members.insert(instance.clone(), member_id.clone());
        }
        if self.state == State::PreparingRebalance && self.is_initial_rebalance {
            self.new_member_joined = true;
        }
        let before = self.members.insert(member_id, member);
        assert!(before.is_none(), "a member that is added was not in the group");
        self.rebalance_or_go_on(turn);
    }

    fn update_member(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        join: &JoinGroup,
        member_id: &str,
    ) {
        let member = self.members.get_mut(member_id).expect("the member was looked up before");
        member.protocols.clone_from(&join.protocols);
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.session_timeout_ms = join.session_timeout_ms;
        if let Some(former) = member.waiting_join.replace(request) {
            let refused = JoinAnswer::refused(member_id, Refusal::RebalanceInProgress);
            turn.answer(former, Answer::Join(Box::new(refused)));
        }
    }

    /// A static member came back without its id: its former self is fenced, and when nothing else
    /// changed the group goes on without a rebalance.
    fn replace_static(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        join: &JoinGroup,
        (former_id, member_id): (String, String),
    ) {
        let leader_before = self.leader.clone().unwrap_or_default();
        let mut member = self.members.remove(&former_id).expect("static names belong to members");
        Self::dismiss(turn, &mut member, Refusal::FencedInstanceId);
        member.member_id.clone_from(&member_id);
        member.client_id.clone_from(&join.client_id);
        member.client_host.clone_from(&join.client_host);
        member.is_new = false;
        member.renew_session(turn.now);
        if let Some(instance) = member.group_instance_id.clone() {
            self.static_members.insert(instance, member_id.clone());
        }
        if self.is_leader(&former_id) {
            self.leader = Some(member_id.clone());
        }
        if self.unsynced_members.remove(&former_id) {
            self.unsynced_members.insert(member_id.clone());
        }
        self.members.insert(member_id.clone(), member);
        self.update_member(turn, request, join, &member_id);
        match self.state {
            State::Stable if self.choose_protocol() == self.protocol_name => {
                let record = self.to_record(turn.now, None);
                let may_skip = join.may_skip_assignment;
                let waiting = StaticJoin { member_id, request, may_skip, leader_before };
                let then = AfterWrite::StaticJoin { group_id: self.group_id.clone(), waiting };
                turn.keep(&self.group_id, vec![record], then);
            }
            _ => self.rebalance_or_go_on(turn),
        }
    }

    /// The change of a static member's id was kept, or could not be.
    pub(crate) fn on_static_join(
        &mut self,
        turn: &mut Turn<'_>,
        waiting: StaticJoin,
        kept: Result<(), Refusal>,
    ) {
        let StaticJoin { member_id, request, may_skip, leader_before } = waiting;
        let is_stable = self.state == State::Stable;
        let Some(member) = self.members.get_mut(&member_id) else { return };
        // A rebalance that began meanwhile answers this join with its generation.
        if !is_stable || member.waiting_join != Some(request) {
            return;
        }
        member.waiting_join = None;
        member.renew_session(turn.now);
        let answer = match kept {
            Err(refusal) => JoinAnswer::refused("", refusal),
            Ok(()) if may_skip => {
                let skip_assignment = self.is_leader(&member_id);
                JoinAnswer { skip_assignment, ..self.join_answer(&member_id) }
            }
            // An old client that hears that it leads would assign anew, so it hears the leader's
            // name of before.
            Ok(()) => JoinAnswer {
                leader: leader_before,
                members: Vec::new(),
                ..self.join_answer(&member_id)
            },
        };
        turn.answer(request, Answer::Join(Box::new(answer)));
    }

    /// What a member of this generation is told when it joins.
    pub(super) fn join_answer(&self, member_id: &str) -> JoinAnswer {
        let leads = self.is_leader(member_id);
        JoinAnswer {
            refusal: None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members: if leads { self.joined_members() } else { Vec::new() },
        }
    }

    /// What a member of a stable generation is told when it syncs.
    pub(super) fn sync_answer(&self, member: &ClassicMember) -> SyncAnswer {
        SyncAnswer {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: member.assignment.clone(),
        }
    }
}
