//! Of each topic everybody gets a range.

use std::collections::BTreeMap;

use kafka_wire::partition::TopicId;

use crate::assignment::Assignment;
use crate::assignor::Subscriber;
use crate::topics::TopicShape;

/// Members are ordered by name, those with a static one first, so that each gets the same range
/// of every topic of one size. The first ones get one more when a topic does not divide evenly.
pub(super) fn assign(subscribers: &[Subscriber<'_>]) -> BTreeMap<String, Assignment> {
    let mut ordered: Vec<&Subscriber<'_>> = subscribers.iter().collect();
    ordered
        .sort_by_key(|member| (member.instance_id.is_none(), member.instance_id, member.member_id));
    let mut readers: BTreeMap<TopicId, (u32, Vec<&str>)> = BTreeMap::new();
    for member in &ordered {
        for (topic_id, partition_count) in &member.topics {
            let entry = readers.entry(*topic_id).or_insert((*partition_count, Vec::new()));
            entry.1.push(member.member_id);
        }
    }
    let empty = ordered.iter().map(|member| (member.member_id.to_owned(), Assignment::new()));
    let mut assigned: BTreeMap<String, Assignment> = empty.collect();
    for (topic_id, (partition_count, members)) in readers {
        let mut partitions = TopicShape { topic_id, partition_count }.partitions();
        let all = usize::try_from(partition_count).unwrap_or(usize::MAX);
        for (index, member_id) in members.iter().enumerate() {
            let share = all / members.len() + usize::from(index < all % members.len());
            let own = assigned.get_mut(*member_id).expect("every member has an entry");
            for partition in partitions.by_ref().take(share) {
                own.insert(topic_id, partition);
            }
        }
    }
    assigned
}
