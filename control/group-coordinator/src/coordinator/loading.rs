//! Taking in what a log says of groups.

use crate::classic_group::ClassicGroup;
use crate::coordinator::group_table::GroupTable;
use crate::record::GroupRecord;
use crate::request::Now;

impl GroupTable {
    /// Records are taken in the order of their log: the last word on a key counts. Limits are for
    /// what clients add; what a log holds is taken in whole.
    pub(super) fn load(&mut self, now: Now, record: GroupRecord) {
        let group_id = record.group_id().clone();
        match record {
            GroupRecord::Offset { topic, partition, value: Some(offset), .. } => {
                self.get_or_insert(&group_id).offsets.insert(topic, partition, offset);
            }
            GroupRecord::Offset { topic, partition, value: None, .. } => {
                if let Some(group) = self.get_mut(&group_id) {
                    group.offsets.remove(&topic, partition);
                }
            }
            GroupRecord::ClassicGroup { value: Some(value), .. } => {
                let members = ClassicGroup::from_value(group_id.clone(), value, now);
                self.get_or_insert(&group_id).members = members;
            }
            GroupRecord::ClassicGroup { value: None, .. } => {
                if let Some(group) = self.get_mut(&group_id) {
                    group.members = ClassicGroup::new(group_id.clone());
                }
            }
        }
        self.settle(&group_id);
    }
}
