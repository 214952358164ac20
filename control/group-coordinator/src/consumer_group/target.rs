//! What everybody is to have.

use std::collections::BTreeMap;

use kafka_wire::group_record::GroupRecord;

use crate::assignor::{Assignor, Subscriber};
use crate::consumer_group::ConsumerGroup;
use crate::turn::Turn;

impl ConsumerGroup {
    /// Begins a new epoch when members read other topics, or topics are others.
    pub(super) fn follow_topics(
        &mut self,
        turn: &Turn<'_>,
        reads_other_topics: bool,
        records: &mut Vec<GroupRecord>,
    ) {
        let is_current = self.topics_version == Some(turn.topics.version);
        if is_current && !reads_other_topics && self.epoch > 0 {
            return;
        }
        self.topics_version = Some(turn.topics.version);
        self.follow_expressions(turn, !is_current, records);
        let shapes = turn.topics.table.shapes(&self.read_names());
        if reads_other_topics || shapes != self.shapes || self.epoch == 0 {
            self.shapes = shapes;
            self.begin_epoch(records);
        }
    }

    pub(super) fn begin_epoch(&mut self, records: &mut Vec<GroupRecord>) {
        self.epoch = self.epoch.saturating_add(1);
        records.push(self.epoch_record());
    }

    /// Computes the targets of an epoch that has none yet.
    pub(super) fn assign(&mut self, turn: &Turn<'_>, records: &mut Vec<GroupRecord>) {
        if self.epoch == self.assignment_epoch {
            return;
        }
        let mut subscribers = Vec::with_capacity(self.members.len());
        for member in self.members.values() {
            let names = self.names_read_by(member).cloned().collect();
            subscribers.push(Subscriber {
                member_id: &member.member_id,
                instance_id: member.instance_id.as_deref(),
                topics: turn.topics.table.shapes(&names),
                previous: &member.target,
            });
        }
        let targets = self.assignor().assign(&subscribers);
        for (member_id, target) in targets {
            let key = self.key(&member_id);
            let member = self.members.get_mut(&member_id).expect("members are assigned to");
            if member.target != target {
                member.target = target;
                records.push(GroupRecord::TargetMember(key, Some(member.target_value())));
            }
        }
        self.assignment_epoch = self.epoch;
        records.push(self.target_record(turn.now));
    }

    /// The assignor most members ask for; of equals the first, and uniform when none is asked for.
    pub(super) fn assignor(&self) -> Assignor {
        let mut votes: BTreeMap<Assignor, usize> = BTreeMap::new();
        for assignor in self.members.values().filter_map(|member| member.assignor) {
            *votes.entry(assignor).or_default() += 1;
        }
        let most = votes.values().copied().max();
        let chosen = votes.into_iter().find(|(_, count)| Some(*count) == most);
        chosen.map_or_else(Assignor::default, |(assignor, _)| assignor)
    }
}
