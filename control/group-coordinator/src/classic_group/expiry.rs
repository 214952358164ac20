//! What time does to a group.

use crate::classic_group::ClassicGroup;
use crate::group_state::ClassicGroupState as State;
use crate::turn::Turn;

impl ClassicGroup {
    /// When the group next wants to be looked at.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let sessions = self.members.values().filter_map(|member| member.session_deadline_ms);
        let expected = self.expected_members.values().copied();
        let join = self.join_deadline.map(|deadline| deadline.at_ms);
        sessions.chain(expected).chain(join).chain(self.sync_deadline_ms).min()
    }

    /// Does what is due.
    pub(crate) fn on_time(&mut self, turn: &mut Turn<'_>) {
        self.expire_members(turn);
        let now_ms = turn.now.elapsed_ms;
        if let Some(deadline) = self.join_deadline
            && deadline.at_ms <= now_ms
        {
            assert!(self.state == State::PreparingRebalance, "joins are waited for only then");
            if deadline.extensible.is_some() {
                self.end_initial_delay(turn);
            } else {
                self.complete_join(turn);
            }
        }
        if self.sync_deadline_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.expire_syncs(turn);
        }
    }

    /// Members not heard of in time are lost, and ids that nobody came back with are void.
    fn expire_members(&mut self, turn: &mut Turn<'_>) {
        let now_ms = turn.now.elapsed_ms;
        let expected_before = self.expected_members.len();
        self.expected_members.retain(|_, until_ms| *until_ms > now_ms);
        let mut lost = Vec::new();
        for member in self.members.values_mut() {
            if member.session_deadline_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                // One that we keep waiting gets a new session with the answer it waits for.
                member.session_deadline_ms = None;
                if !member.is_kept_waiting() {
                    lost.push(member.member_id.clone());
                }
            }
        }
        for member_id in &lost {
            self.remove_member(turn, member_id);
        }
        if !lost.is_empty() {
            self.after_removal(turn);
        } else if self.expected_members.len() < expected_before {
            self.complete_when_all_joined(turn);
        }
    }

    /// Members that did not fetch their assignment within a rebalance's time are lost.
    fn expire_syncs(&mut self, turn: &mut Turn<'_>) {
        self.sync_deadline_ms = None;
        assert!(
            matches!(self.state, State::CompletingRebalance | State::Stable),
            "syncs are waited for only in a generation"
        );
        let late: Vec<String> = self.unsynced_members.iter().cloned().collect();
        for member_id in &late {
            self.remove_member(turn, member_id);
        }
        if !late.is_empty() {
            self.prepare_rebalance(turn);
        }
    }
}
