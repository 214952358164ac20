//! What follows when a write is reported.

use kafka_wire::partition::{PartitionIndex, TopicName};

use crate::answer::Answer;
use crate::committed_offsets::CommittedOffsets;
use crate::coordinator::WriteFailure;
use crate::coordinator::group_members::GroupMembers;
use crate::coordinator::group_table::GroupTable;
use crate::group_id::GroupId;
use crate::refusal::Refusal;
use crate::request::RequestId;
use crate::turn::{AfterWrite, Turn};

impl GroupTable {
    pub(super) fn after_write(
        &mut self,
        turn: &mut Turn<'_>,
        then: AfterWrite,
        outcome: Result<(), WriteFailure>,
    ) {
        let kept = outcome.map_err(refusal_to_member);
        match then {
            AfterWrite::Nothing => {}
            AfterWrite::Assignment { group_id, generation, assignments } => {
                if let Some(group) = self.classic_mut(&group_id) {
                    group.on_assignment(turn, (generation, assignments), kept);
                }
                self.settle(&group_id);
            }
            AfterWrite::StaticJoin { group_id, waiting } => {
                if let Some(group) = self.classic_mut(&group_id) {
                    group.on_static_join(turn, waiting, kept);
                }
                self.settle(&group_id);
            }
            AfterWrite::Commit { group_id, request, offsets, answers } => {
                let answer = outcome.map_err(refusal_to_committer).map(|()| answers);
                if answer.is_ok() {
                    // A group without anything was dropped while its first commit was written.
                    let group = self.get_or_insert(&group_id);
                    for (topic, partition, offset) in offsets {
                        group.offsets.insert(topic, partition, offset);
                    }
                }
                self.settle(&group_id);
                turn.answer(request, Answer::OffsetCommit(answer));
            }
            AfterWrite::OffsetDelete { group_id, request, partitions, answers } => {
                if kept.is_ok() {
                    self.forget_offsets(&group_id, &partitions);
                }
                turn.answer(request, Answer::OffsetDelete(kept.map(|()| answers)));
            }
            AfterWrite::ConsumerGroup { group_id, answer, forgotten } => {
                let group = self.get_mut(&group_id).map(|group| &mut group.members);
                if kept.is_err()
                    && let Some(GroupMembers::Consumer(group)) = group
                {
                    group.mark_unsaved(forgotten);
                }
                if let Some((request, answer)) = answer {
                    let refused = |refusal| Answer::ConsumerGroupHeartbeat(Err(refusal));
                    turn.answer(request, kept.map_or_else(refused, |()| answer));
                }
            }
            AfterWrite::Expiry { group_id, partitions } => {
                if kept.is_ok() {
                    self.forget_offsets(&group_id, &partitions);
                }
            }
            AfterWrite::GroupDelete { group_id, request } => {
                self.after_group_delete(turn, &group_id, request, kept);
            }
        }
    }

    fn forget_offsets(&mut self, group_id: &GroupId, partitions: &[(TopicName, PartitionIndex)]) {
        if let Some(group) = self.get_mut(group_id) {
            for (topic, partition) in partitions {
                group.offsets.remove(topic, *partition);
            }
        }
        self.settle(group_id);
    }

    /// The group is gone from the log. Members that came meanwhile keep it, without its offsets:
    /// it is written again with its next generation.
    fn after_group_delete(
        &mut self,
        turn: &mut Turn<'_>,
        group_id: &GroupId,
        request: Option<RequestId>,
        kept: Result<(), Refusal>,
    ) {
        if kept.is_ok()
            && let Some(group) = self.get_mut(group_id)
        {
            if group.members.is_abandoned() {
                self.remove(group_id);
            } else {
                group.offsets = CommittedOffsets::default();
                self.settle(group_id);
            }
        }
        if let Some(request) = request {
            turn.answer(request, Answer::DeleteGroup(kept));
        }
    }
}

fn refusal_to_member(failure: WriteFailure) -> Refusal {
    match failure {
        WriteFailure::Unavailable => Refusal::CoordinatorNotAvailable,
        WriteFailure::TooLarge => Refusal::MessageTooLarge,
    }
}

fn refusal_to_committer(failure: WriteFailure) -> Refusal {
    match failure {
        WriteFailure::Unavailable => Refusal::CoordinatorNotAvailable,
        WriteFailure::TooLarge => Refusal::InvalidCommitOffsetSize,
    }
}
