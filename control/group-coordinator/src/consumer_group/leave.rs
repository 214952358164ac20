//! Leaving, and being lost.

use kafka_wire::group_record::GroupRecord;

use crate::answer::ConsumerGroupHeartbeatAnswer;
use crate::assignment::Assignment;
use crate::consumer_group::ConsumerGroup;
use crate::consumer_group::member::{EPOCH_STATIC_LEFT, MemberState};
use crate::refusal::Refusal;
use crate::request::ConsumerGroupHeartbeat;
use crate::turn::Turn;

impl ConsumerGroup {
    /// A member leaves, for good or, a static one, for a while.
    pub(super) fn leave(
        &mut self,
        asked: &ConsumerGroupHeartbeat,
        records: &mut Vec<GroupRecord>,
    ) -> Result<ConsumerGroupHeartbeatAnswer, Refusal> {
        let member_id = &asked.member_id;
        if let Some(instance) = &asked.instance_id {
            let owner = self.static_members.get(instance).ok_or(Refusal::UnknownMemberId)?;
            if owner != member_id {
                return Err(Refusal::FencedInstanceId);
            }
        }
        let member = self.members.get_mut(member_id).ok_or(Refusal::UnknownMemberId)?;
        if asked.member_epoch == EPOCH_STATIC_LEFT {
            // Its partitions wait for it, until its session ends.
            member.epoch = EPOCH_STATIC_LEFT;
            member.revoking = Assignment::new();
            member.revocation_deadline_ms = None;
            member.state = MemberState::Stable;
            let value = Some(member.current_value());
            records.push(GroupRecord::CurrentAssignment(self.key(member_id), value));
        } else {
            self.remove_members(std::slice::from_ref(member_id), records);
        }
        Ok(ConsumerGroupHeartbeatAnswer {
            member_id: member_id.clone(),
            member_epoch: asked.member_epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        })
    }

    /// Takes members out and begins an epoch without them.
    fn remove_members(&mut self, member_ids: &[String], records: &mut Vec<GroupRecord>) {
        for member_id in member_ids {
            let Some(member) = self.members.remove(member_id) else { continue };
            self.forget_member(member_id, records);
            if let Some(instance) = &member.instance_id {
                self.static_members.remove(instance);
            }
        }
        self.forget_unused_expressions(records);
        self.begin_epoch(records);
    }

    /// Members that were not heard of, or did not give up what they had to, are lost.
    pub(crate) fn on_time(&mut self, turn: &mut Turn<'_>) {
        let now_ms = turn.now.elapsed_ms;
        let due = self
            .members
            .values()
            .filter(|member| member.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms));
        let lost: Vec<String> = due.map(|member| member.member_id.clone()).collect();
        if !lost.is_empty() {
            let mut records = Vec::new();
            self.remove_members(&lost, &mut records);
            self.keep(turn, records, None);
        }
    }
}
