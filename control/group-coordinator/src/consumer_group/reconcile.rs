//! From what a member has to what it is to have: it gives up first, and gets only what nobody has.

use std::collections::BTreeSet;

use kafka_wire::partition::{PartitionIndex, TopicId};

use crate::assignment::Assignment;
use crate::consumer_group::ConsumerGroup;
use crate::consumer_group::member::MemberState;
use crate::turn::Turn;

impl ConsumerGroup {
    /// Brings a member as near to its target as can be; `owned` is what it says to have.
    pub(super) fn reconcile(
        &mut self,
        turn: &Turn<'_>,
        member_id: &str,
        owned: Option<&Assignment>,
    ) {
        let assignment_epoch = self.assignment_epoch;
        let member = &self.members[member_id];
        if member.is_reconciled_to(assignment_epoch) {
            return;
        }
        let gave_up = |revoking: &Assignment| owned.is_some_and(|owned| !owned.meets(revoking));
        let mut epoch = member.epoch;
        if member.state == MemberState::UnrevokedPartitions {
            if !gave_up(&member.revoking) {
                return;
            }
            epoch = epoch.saturating_add(1).min(assignment_epoch);
        }
        let held = self.held_by_others(member_id);
        let (target, had) = (&member.target, &member.assigned);
        let mut assigned = had.filtered(|topic, partition| target.contains(topic, partition));
        let revoking = had.filtered(|topic, partition| !target.contains(topic, partition));
        let must_wait = !revoking.is_empty() && !gave_up(&revoking);
        let mut has_unreleased = false;
        if !must_wait {
            for partition in target.iter() {
                if held.contains(&partition) {
                    has_unreleased = true;
                } else {
                    assigned.insert(partition.0, partition.1);
                }
            }
        }
        let timeout_ms = u64::try_from(member.rebalance_timeout_ms).unwrap_or(0);
        let member = self.members.get_mut(member_id).expect("it was looked at before");
        member.assigned = assigned;
        if must_wait {
            let is_new_wait = member.state != MemberState::UnrevokedPartitions
                || member.epoch != epoch
                || member.revocation_deadline_ms.is_none();
            if is_new_wait {
                member.revocation_deadline_ms = Some(turn.now.elapsed_ms + timeout_ms);
            }
            member.revoking = revoking;
            member.state = MemberState::UnrevokedPartitions;
            member.move_to_epoch(epoch);
            return;
        }
        member.revoking = Assignment::new();
        member.revocation_deadline_ms = None;
        member.state =
            if has_unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        member.move_to_epoch(assignment_epoch);
    }

    /// What the others have, or have not given up yet.
    fn held_by_others(&self, member_id: &str) -> BTreeSet<(TopicId, PartitionIndex)> {
        let others = self.members.values().filter(|member| member.member_id != member_id);
        others.flat_map(|member| member.assigned.iter().chain(member.revoking.iter())).collect()
    }
}
