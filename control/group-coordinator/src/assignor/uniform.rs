//! Everybody gets as much as anybody, and keeps what it has as far as that allows.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::partition::{PartitionIndex, TopicId};

use crate::assignment::Assignment;
use crate::assignor::Subscriber;
use crate::topics::TopicShape;

/// Members keep what they had as far as their share goes; what is over, or new, goes to those who
/// have least. Members that read different topics are levelled afterwards.
pub(super) fn assign(subscribers: &[Subscriber<'_>]) -> BTreeMap<String, Assignment> {
    let mut table = Table::new(subscribers);
    let reads_the_same = subscribers.windows(2).all(|pair| pair[0].topics == pair[1].topics);
    table.keep_previous(reads_the_same);
    table.deal_rest();
    if !reads_the_same {
        table.level();
    }
    let names = subscribers.iter().map(|member| member.member_id.to_owned());
    names.zip(table.assigned).collect()
}

struct Table<'a> {
    subscribers: &'a [Subscriber<'a>],
    assigned: Vec<Assignment>,
    counts: Vec<usize>,
    rest: BTreeSet<(TopicId, PartitionIndex)>,
}

impl<'a> Table<'a> {
    fn new(subscribers: &'a [Subscriber<'a>]) -> Self {
        let mut rest = BTreeSet::new();
        for member in subscribers {
            for (&topic_id, &partition_count) in &member.topics {
                let shape = TopicShape { topic_id, partition_count };
                rest.extend(shape.partitions().map(|partition| (topic_id, partition)));
            }
        }
        let assigned = vec![Assignment::new(); subscribers.len()];
        Self { subscribers, assigned, counts: vec![0; subscribers.len()], rest }
    }

    fn give(&mut self, member: usize, (topic_id, partition): (TopicId, PartitionIndex)) {
        self.assigned[member].insert(topic_id, partition);
        self.counts[member] += 1;
    }

    /// Everybody keeps what it had and still reads; when all read the same, no more than its share.
    fn keep_previous(&mut self, is_shared_evenly: bool) {
        let members = self.subscribers.len().max(1);
        let (share, mut extras) = (self.rest.len() / members, self.rest.len() % members);
        for member in 0..self.subscribers.len() {
            let subscriber = &self.subscribers[member];
            for kept in subscriber.previous.iter() {
                if is_shared_evenly && self.counts[member] >= share {
                    if extras == 0 || self.counts[member] > share {
                        break;
                    }
                    if self.rest.contains(&kept) {
                        extras -= 1;
                    }
                }
                if subscriber.topics.contains_key(&kept.0) && self.rest.remove(&kept) {
                    self.give(member, kept);
                }
            }
        }
    }

    /// What nobody kept goes to the reader of its topic that has least.
    fn deal_rest(&mut self) {
        let mut by_count: BTreeSet<(usize, usize)> =
            (0..self.subscribers.len()).map(|member| (self.counts[member], member)).collect();
        for partition in std::mem::take(&mut self.rest) {
            let reads = |member: usize| self.subscribers[member].topics.contains_key(&partition.0);
            let least = by_count.iter().copied().find(|(_, member)| reads(*member));
            let (count, member) = least.expect("partitions are of topics that someone reads");
            by_count.remove(&(count, member));
            by_count.insert((count + 1, member));
            self.give(member, partition);
        }
    }

    /// Takes from those who have more and gives to those who have at least two fewer, as long as
    /// there is such a pair. Each move makes the sum of squares smaller, so this ends.
    fn level(&mut self) {
        while let Some((from, to, partition)) = self.unfair_pair() {
            self.assigned[from].remove(partition.0, partition.1);
            self.counts[from] -= 1;
            self.give(to, partition);
        }
    }

    fn unfair_pair(&self) -> Option<(usize, usize, (TopicId, PartitionIndex))> {
        let mut by_count: Vec<usize> = (0..self.subscribers.len()).collect();
        by_count.sort_by_key(|member| self.counts[*member]);
        for &from in by_count.iter().rev() {
            for &to in &by_count {
                if self.counts[to] + 2 > self.counts[from] {
                    break;
                }
                let topics = &self.subscribers[to].topics;
                let mut own = self.assigned[from].iter();
                if let Some(partition) = own.find(|(topic, _)| topics.contains_key(topic)) {
                    return Some((from, to, partition));
                }
            }
        }
        None
    }
}
