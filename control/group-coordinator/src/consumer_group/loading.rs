//! Taking in what a log says of a consumer group.

use kafka_wire::group_record::GroupRecord;

use crate::assignment::Assignment;
use crate::consumer_group::ConsumerGroup;
use crate::consumer_group::member::{ConsumerMember, assignment_of};
use crate::request::Now;

impl ConsumerGroup {
    /// True when a log that says nothing more holds nothing of the group.
    pub(crate) fn is_nothing(&self) -> bool {
        self.epoch == 0 && self.members.is_empty()
    }

    /// Takes in one record of the group. Members have a session's time to be heard of.
    pub(crate) fn load(&mut self, record: GroupRecord, (now, session_ms): (Now, u64)) {
        match record {
            GroupRecord::ConsumerGroup(_, value) => {
                self.epoch = value.map_or(0, |value| value.epoch);
            }
            GroupRecord::TargetAssignment(_, value) => {
                self.assignment_epoch = value.map_or(0, |value| value.assignment_epoch);
            }
            GroupRecord::Member(key, Some(value)) => {
                let instance = value.instance_id.clone();
                let member = self.member_to_load(&key.member_id);
                member.take_value(value);
                member.renew_session(now, session_ms);
                if let Some(instance) = instance {
                    self.static_members.insert(instance, key.member_id);
                }
            }
            GroupRecord::Member(key, None) => {
                if let Some(member) = self.members.remove(&key.member_id)
                    && let Some(instance) = &member.instance_id
                    && self.static_members.get(instance) == Some(&key.member_id)
                {
                    self.static_members.remove(instance);
                }
            }
            GroupRecord::RegularExpression(key, value) => {
                self.expressions.load(key.expression, value);
            }
            GroupRecord::TargetMember(key, value) => {
                let target = value.map(|value| assignment_of(&value.partitions));
                if target.is_some() || self.members.contains_key(&key.member_id) {
                    let member = self.member_to_load(&key.member_id);
                    member.target = target.unwrap_or_else(Assignment::new);
                }
            }
            GroupRecord::CurrentAssignment(key, Some(value)) => {
                let member = self.member_to_load(&key.member_id);
                member.take_current(&value);
                member.renew_session(now, session_ms);
            }
            GroupRecord::CurrentAssignment(key, None) => {
                if let Some(member) = self.members.get_mut(&key.member_id) {
                    member.restart();
                }
            }
            _ => {}
        }
    }

    /// The member; it is made when its assignment comes before itself.
    fn member_to_load(&mut self, member_id: &str) -> &mut ConsumerMember {
        let member = self.members.entry(member_id.to_owned());
        member.or_insert_with(|| ConsumerMember::new(member_id))
    }
}
