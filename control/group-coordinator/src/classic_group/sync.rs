//! Handing out assignments.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::answer::Answer;
use crate::classic_group::ClassicGroup;
use crate::classic_group::member::ClassicMember;
use crate::group_state::{ClassicGroupState as State, GroupEvent};
use crate::limits::GROUP_METADATA_BYTES_MAX;
use crate::refusal::Refusal;
use crate::request::{RequestId, SyncGroup};
use crate::turn::{AfterWrite, Turn};

impl ClassicGroup {
    /// A member wants its assignment; the leader brings everybody's.
    pub(crate) fn sync(&mut self, turn: &mut Turn<'_>, request: RequestId, sync: SyncGroup) {
        let outcome = self.check_sync(turn, &sync);
        if let Err(refusal) = outcome {
            turn.answer(request, Answer::Sync(Err(refusal)));
            return;
        }
        let member_id = sync.member.member_id;
        self.unsynced_members.remove(&member_id);
        if self.unsynced_members.is_empty() {
            self.sync_deadline_ms = None;
        }
        let leads = self.is_leader(&member_id);
        let is_stable = self.state == State::Stable;
        let member = self.members.get_mut(&member_id).expect("the member was checked");
        if is_stable {
            member.renew_session(turn.now);
            let answer = self.sync_answer(&self.members[&member_id]);
            turn.answer(request, Answer::Sync(Ok(answer)));
            return;
        }
        if let Some(former) = member.waiting_sync.replace(request) {
            turn.answer(former, Answer::Sync(Err(Refusal::RebalanceInProgress)));
        }
        if leads {
            self.keep_assignment(turn, sync.assignments);
        }
    }

    fn check_sync(&self, turn: &Turn<'_>, sync: &SyncGroup) -> Result<(), Refusal> {
        let member = &sync.member;
        self.check_member(&member.member_id, member.group_instance_id.as_deref())?;
        if member.generation != self.generation {
            return Err(Refusal::IllegalGeneration);
        }
        let differs = |asked: &Option<String>, ours: &Option<String>| {
            asked.is_some() && ours.is_some() && asked != ours
        };
        if differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol_name, &self.protocol_name)
        {
            return Err(Refusal::InconsistentGroupProtocol);
        }
        match self.state {
            State::CompletingRebalance | State::Stable => {}
            State::PreparingRebalance => return Err(Refusal::RebalanceInProgress),
            State::Empty | State::Dead => return Err(Refusal::UnknownMemberId),
        }
        let protocols: usize = self.members.values().map(ClassicMember::subscription_bytes).sum();
        let assigned: usize = sync.assignments.iter().map(|(_, bytes)| bytes.len()).sum();
        if protocols + assigned > GROUP_METADATA_BYTES_MAX {
            return Err(Refusal::MessageTooLarge);
        }
        let held: usize = self.members.values().map(|member| member.assignment.len()).sum();
        if assigned.saturating_sub(held) > turn.room_bytes {
            // A client takes this for a reason to try again.
            return Err(Refusal::CoordinatorNotAvailable);
        }
        Ok(())
    }

    fn keep_assignment(&mut self, turn: &mut Turn<'_>, assignments: Vec<(String, Bytes)>) {
        let of_members = assignments.into_iter().filter(|(id, _)| self.members.contains_key(id));
        let assignments: BTreeMap<String, Bytes> = of_members.collect();
        let record = self.to_record(turn.now, Some(&assignments));
        let group_id = self.group_id.clone();
        let generation = self.generation;
        let then = AfterWrite::Assignment { group_id, generation, assignments };
        turn.keep(&self.group_id, vec![record], then);
    }

    /// The assignment of `generation` is kept, or could not be.
    pub(crate) fn on_assignment(
        &mut self,
        turn: &mut Turn<'_>,
        (generation, mut assignments): (i32, BTreeMap<String, Bytes>),
        kept: Result<(), Refusal>,
    ) {
        // A rebalance that began meanwhile has told everybody to join again.
        if self.state != State::CompletingRebalance || self.generation != generation {
            return;
        }
        if let Err(refusal) = kept {
            self.withdraw_assignments(turn, refusal);
            self.prepare_rebalance(turn);
            return;
        }
        for member in self.members.values_mut() {
            member.assignment = assignments.remove(&member.member_id).unwrap_or_default();
        }
        self.move_by(GroupEvent::AssignmentKept, turn.now);
        for member_id in self.members.keys().cloned().collect::<Vec<_>>() {
            let answer = self.sync_answer(&self.members[&member_id]);
            let member = self.members.get_mut(&member_id).expect("ids were taken from the map");
            if let Some(request) = member.waiting_sync.take() {
                member.renew_session(turn.now);
                turn.answer(request, Answer::Sync(Ok(answer)));
            }
        }
    }
}
