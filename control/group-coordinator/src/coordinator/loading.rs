//! Taking in what a log says of groups.

use kafka_wire::group_record::GroupRecord;

use crate::classic_group::ClassicGroup;
use crate::consumer_group::ConsumerGroup;
use crate::coordinator::group_members::GroupMembers;
use crate::coordinator::group_table::GroupTable;
use crate::group_id::GroupId;
use crate::request::Now;

impl GroupTable {
    /// Records are taken in the order of their log: the last word on a key counts. Limits are for
    /// what clients add; what a log holds is taken in whole.
    pub(super) fn load(&mut self, now: Now, record: GroupRecord, consumer_session_ms: u64) {
        let Some(group_id) = group_of(&record) else { return };
        match record {
            GroupRecord::CommittedOffset(key, Some(offset)) => {
                self.get_or_insert(&group_id).offsets.insert(key.topic, key.partition, offset);
            }
            GroupRecord::CommittedOffset(key, None) => {
                if let Some(group) = self.get_mut(&group_id) {
                    group.offsets.remove(&key.topic, key.partition);
                }
            }
            GroupRecord::ClassicGroup(_, Some(value)) => {
                let members = ClassicGroup::from_value(group_id.clone(), value, now);
                self.get_or_insert(&group_id).members = GroupMembers::Classic(members);
            }
            GroupRecord::ClassicGroup(_, None) => {
                if let Some(group) = self.get_mut(&group_id)
                    && let GroupMembers::Classic(members) = &mut group.members
                {
                    *members = ClassicGroup::new(group_id.clone());
                }
            }
            of_consumers => {
                let group = self.get_or_insert(&group_id);
                // Tombstones may outlive a group that became a classic one; what tells of members
                // means that it is one of consumers now.
                let is_classic = matches!(&group.members, GroupMembers::Classic(_));
                if is_classic && (group.members.is_nothing() || says_something(&of_consumers)) {
                    group.members = GroupMembers::Consumer(ConsumerGroup::new(group_id.clone()));
                }
                if let GroupMembers::Consumer(members) = &mut group.members {
                    members.load(of_consumers, (now, consumer_session_ms));
                    if members.is_nothing() {
                        group.members = GroupMembers::new(group_id.clone());
                    }
                }
            }
        }
        self.settle(&group_id);
    }
}

fn says_something(record: &GroupRecord) -> bool {
    matches!(record, GroupRecord::ConsumerGroup(_, Some(_)) | GroupRecord::Member(_, Some(_)))
}

/// The group a record is of, when the coordinator has a use for it.
fn group_of(record: &GroupRecord) -> Option<GroupId> {
    let name = match record {
        GroupRecord::CommittedOffset(key, _) => &key.group,
        GroupRecord::ClassicGroup(group, _)
        | GroupRecord::ConsumerGroup(group, _)
        | GroupRecord::TargetAssignment(group, _) => group,
        GroupRecord::Member(key, _)
        | GroupRecord::TargetMember(key, _)
        | GroupRecord::CurrentAssignment(key, _) => &key.group,
        GroupRecord::RegularExpression(key, _) => &key.group,
        // The node keeps share groups elsewhere: it serves no members of theirs.
        GroupRecord::PartitionMetadata(..)
        | GroupRecord::ShareGroup(..)
        | GroupRecord::SharePartitions(..)
        | GroupRecord::Unknown(_) => return None,
    };
    GroupId::parse(name)
}
