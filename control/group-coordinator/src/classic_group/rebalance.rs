//! From one generation to the next.

use bytes::Bytes;

use crate::answer::Answer;
use crate::classic_group::member::{ClassicMember, milliseconds};
use crate::classic_group::{ClassicGroup, JoinDeadline};
use crate::group_state::{ClassicGroupState as State, GroupEvent};
use crate::refusal::Refusal;
use crate::turn::{AfterWrite, Turn};

impl ClassicGroup {
    /// Something changed: begin a rebalance, or complete the one under way.
    pub(super) fn rebalance_or_go_on(&mut self, turn: &mut Turn<'_>) {
        if self.state.after(GroupEvent::RebalanceWanted).is_some() {
            self.prepare_rebalance(turn);
        } else {
            self.complete_when_all_joined(turn);
        }
    }

    /// Completes the rebalance under way when nobody is missing; an initial one runs its time.
    pub(super) fn complete_when_all_joined(&mut self, turn: &mut Turn<'_>) {
        let is_preparing = self.state == State::PreparingRebalance;
        if is_preparing && !self.is_initial_rebalance && self.has_everyone_joined() {
            self.complete_join(turn);
        }
    }

    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        if self.state == State::CompletingRebalance {
            self.withdraw_assignments(turn, Refusal::RebalanceInProgress);
        }
        self.unsynced_members.clear();
        self.sync_deadline_ms = None;
        self.is_initial_rebalance = self.state == State::Empty;
        self.move_by(GroupEvent::RebalanceWanted, turn.now);
        let timeout_ms = self.rebalance_timeout_ms();
        if self.is_initial_rebalance {
            self.new_member_joined = false;
            let delay_ms = turn.settings.initial_rebalance_delay_ms;
            let remaining_ms = timeout_ms.saturating_sub(delay_ms);
            let at_ms = turn.now.elapsed_ms + delay_ms;
            let extensible = Some((remaining_ms, delay_ms));
            self.join_deadline = Some(JoinDeadline { at_ms, extensible });
            if delay_ms == 0 {
                self.end_initial_delay(turn);
            }
        } else if self.has_everyone_joined() {
            self.complete_join(turn);
        } else {
            let at_ms = turn.now.elapsed_ms + timeout_ms;
            self.join_deadline = Some(JoinDeadline { at_ms, extensible: None });
        }
    }

    /// The delay of an initial rebalance is over: wait on while members keep coming, up to the
    /// rebalance timeout.
    pub(super) fn end_initial_delay(&mut self, turn: &mut Turn<'_>) {
        let deadline = self.join_deadline.expect("an initial rebalance has a deadline");
        let (remaining_ms, delay_ms) = deadline.extensible.expect("and can be extended");
        if !self.new_member_joined || remaining_ms == 0 {
            self.complete_join(turn);
            return;
        }
        self.new_member_joined = false;
        let next_ms = turn.settings.initial_rebalance_delay_ms.min(remaining_ms);
        let at_ms = turn.now.elapsed_ms + next_ms;
        let extensible = Some((remaining_ms.saturating_sub(delay_ms), next_ms));
        self.join_deadline = Some(JoinDeadline { at_ms, extensible });
    }

    /// Those that joined are the next generation; dynamic members that did not are out.
    pub(super) fn complete_join(&mut self, turn: &mut Turn<'_>) {
        self.join_deadline = None;
        let is_late =
            |member: &&ClassicMember| member.waiting_join.is_none() && !member.is_static();
        let late: Vec<String> =
            self.members.values().filter(is_late).map(|member| member.member_id.clone()).collect();
        for member_id in &late {
            self.remove_member(turn, member_id);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members are left and none of them is back: they keep their places.
            let at_ms = turn.now.elapsed_ms + self.rebalance_timeout_ms();
            self.join_deadline = Some(JoinDeadline { at_ms, extensible: None });
            self.is_initial_rebalance = false;
            return;
        }
        self.is_initial_rebalance = false;
        self.unsynced_members.clear();
        self.generation = next_generation(self.generation);
        if self.members.is_empty() {
            self.begin_empty_generation(turn);
        } else {
            self.begin_generation(turn);
        }
    }

    fn begin_empty_generation(&mut self, turn: &mut Turn<'_>) {
        self.protocol_name = None;
        self.take_subscriptions();
        self.move_by(GroupEvent::NobodyJoined, turn.now);
        let record = self.to_record(turn.now, None);
        turn.keep(&self.group_id, vec![record], AfterWrite::Nothing);
    }

    fn begin_generation(&mut self, turn: &mut Turn<'_>) {
        self.protocol_name = self.choose_protocol();
        assert!(self.protocol_name.is_some(), "members without a common protocol are not let in");
        self.take_subscriptions();
        self.move_by(GroupEvent::MembersJoined, turn.now);
        self.sync_deadline_ms = Some(turn.now.elapsed_ms + self.rebalance_timeout_ms());
        self.unsynced_members = self.members.keys().cloned().collect();
        for member_id in self.unsynced_members.clone() {
            let answer = self.join_answer(&member_id);
            let member = self.members.get_mut(&member_id).expect("ids were taken from the map");
            member.is_new = false;
            member.renew_session(turn.now);
            if let Some(request) = member.waiting_join.take() {
                turn.answer(request, Answer::Join(Box::new(answer)));
            }
        }
    }

    /// Nobody has an assignment, and those that wait for one are told why.
    pub(super) fn withdraw_assignments(&mut self, turn: &mut Turn<'_>, refusal: Refusal) {
        assert!(self.state == State::CompletingRebalance, "only then are assignments waited for");
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(request) = member.waiting_sync.take() {
                member.renew_session(turn.now);
                turn.answer(request, Answer::Sync(Err(refusal)));
            }
        }
    }

    /// A leader that joined, or the first member that did; false when none did.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |member: &ClassicMember| member.waiting_join.is_some();
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        if leader.is_some_and(has_joined) {
            return true;
        }
        let Some(next) = self.members.values().find(|member| has_joined(member)) else {
            return false;
        };
        self.leader = Some(next.member_id.clone());
        true
    }

    pub(super) fn has_everyone_joined(&self) -> bool {
        self.joined_count() == self.members.len() && self.expected_members.is_empty()
    }

    pub(super) fn joined_count(&self) -> usize {
        self.members.values().filter(|member| member.waiting_join.is_some()).count()
    }

    /// The patience of the most patient member.
    pub(super) fn rebalance_timeout_ms(&self) -> u64 {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout_ms);
        milliseconds(timeouts.max().unwrap_or(0))
    }
}

/// The generation after `generation`; after the last one numbers begin anew, as members of the
/// first one are long gone.
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}
