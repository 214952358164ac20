//! Taking in what a log says of groups.

use kafka_wire::group_record::GroupRecord;

use crate::classic_group::ClassicGroup;
use crate::coordinator::group_table::GroupTable;
use crate::group_id::GroupId;
use crate::request::Now;

impl GroupTable {
    /// Records are taken in the order of their log: the last word on a key counts. Limits are for
    /// what clients add; what a log holds is taken in whole.
    pub(super) fn load(&mut self, now: Now, record: GroupRecord) {
        let group = |name: &str| {
            GroupId::parse(name).expect("a record's key holds no name that is too long for it")
        };
        match record {
            GroupRecord::CommittedOffset(key, value) => {
                let group_id = group(&key.group);
                if let Some(offset) = value {
                    let group = self.get_or_insert(&group_id);
                    group.offsets.insert(key.topic, key.partition, offset);
                } else if let Some(group) = self.get_mut(&group_id) {
                    group.offsets.remove(&key.topic, key.partition);
                }
                self.settle(&group_id);
            }
            GroupRecord::ClassicGroup(name, value) => {
                let group_id = group(&name);
                if let Some(value) = value {
                    let members = ClassicGroup::from_value(group_id.clone(), value, now);
                    self.get_or_insert(&group_id).members = members;
                } else if let Some(group) = self.get_mut(&group_id) {
                    group.members = ClassicGroup::new(group_id.clone());
                }
                self.settle(&group_id);
            }
            _ => {}
        }
    }
}
