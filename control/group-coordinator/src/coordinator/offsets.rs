//! Committing, deleting and forgetting offsets, and groups with them.

use kafka_wire::partition::{PartitionIndex, TopicName};

use crate::answer::{Answer, PartitionAnswer};
use crate::committed_offsets::offset_bytes;
use crate::coordinator::group_members::GroupMembers;
use crate::coordinator::group_table::{Group, GroupTable};
use crate::group_id::GroupId;
use crate::limits::{GROUP_OFFSETS_MAX, OFFSET_METADATA_UNITS_MAX, OFFSETS_PER_COMMIT_MAX};
use crate::refusal::Refusal;
use crate::request::{OffsetCommit, OffsetDelete, OffsetToCommit, RequestId};
use crate::turn::{AfterWrite, Turn};
use kafka_wire::group_record::{CommittedOffsetKey, CommittedOffsetValue, GroupRecord};

impl GroupTable {
    pub(super) fn commit(&mut self, turn: &mut Turn<'_>, request: RequestId, commit: OffsetCommit) {
        let group_id = commit.member.group_id.clone();
        if let Err(refusal) = self.check_commit(turn, &commit) {
            turn.answer(request, Answer::OffsetCommit(Err(refusal)));
            return;
        }
        let group = self.get_mut(&group_id).expect("a commit that is allowed has its group");
        if let GroupMembers::Classic(members) = &mut group.members {
            members.renew_session_at_commit(turn, &commit.member.member_id);
        }
        let expire =
            commit.retention_ms.map(|retention| turn.now.unix_ms.saturating_add(retention));
        let mut answers = Vec::with_capacity(commit.offsets.len());
        let mut offsets = Vec::with_capacity(commit.offsets.len());
        for asked in commit.offsets {
            let OffsetToCommit { topic, topic_id, partition, offset, leader_epoch, metadata } =
                asked;
            let is_long = metadata.encode_utf16().count() > OFFSET_METADATA_UNITS_MAX;
            let outcome = if is_long { Err(Refusal::OffsetMetadataTooLarge) } else { Ok(()) };
            answers.push(PartitionAnswer { topic: topic.clone(), partition, outcome });
            if outcome.is_ok() {
                let value = CommittedOffsetValue {
                    offset,
                    leader_epoch,
                    metadata,
                    commit_timestamp_ms: turn.now.unix_ms,
                    expire_timestamp_ms: expire,
                    topic_id,
                };
                offsets.push((topic, partition, value));
            }
        }
        if offsets.is_empty() {
            turn.answer(request, Answer::OffsetCommit(Ok(answers)));
            return;
        }
        let record =
            |(topic, partition, value): &(TopicName, PartitionIndex, CommittedOffsetValue)| {
                offset_record(&group_id, topic, *partition, Some(value.clone()))
            };
        let records = offsets.iter().map(record).collect();
        let then = AfterWrite::Commit { group_id: group_id.clone(), request, offsets, answers };
        turn.keep(&group_id, records, then);
    }

    /// Makes the group when the commit is one that needs no members.
    fn check_commit(&mut self, turn: &Turn<'_>, commit: &OffsetCommit) -> Result<(), Refusal> {
        let member = &commit.member;
        let group = match self.get_mut(&member.group_id) {
            Some(group) => group,
            None if member.generation < 0 => self.get_or_make(turn, &member.group_id)?,
            None if commit.knows_consumer_groups => return Err(Refusal::GroupIdNotFound),
            None => return Err(Refusal::IllegalGeneration),
        };
        group.members.check_offset_commit(commit)?;
        let (mut added, mut wanted_bytes, mut held_bytes) = (0, 0, 0);
        for asked in &commit.offsets {
            wanted_bytes += offset_bytes(&asked.metadata);
            match group.offsets.get(&asked.topic, asked.partition) {
                Some(held) => held_bytes += offset_bytes(&held.metadata),
                None => added += 1,
            }
        }
        // What adds nothing is taken, whatever there is already: a log may hold more than a limit.
        let is_over = (added > 0 && group.offsets.count() + added > GROUP_OFFSETS_MAX)
            || (wanted_bytes > held_bytes && wanted_bytes - held_bytes > turn.room_bytes);
        if commit.offsets.len() > OFFSETS_PER_COMMIT_MAX || is_over {
            return Err(Refusal::InvalidCommitOffsetSize);
        }
        Ok(())
    }

    pub(super) fn delete_offsets(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        delete: OffsetDelete,
    ) {
        let group_id = delete.group_id;
        let group = match self.check_offset_delete(&group_id) {
            Ok(group) => group,
            Err(refusal) => {
                turn.answer(request, Answer::OffsetDelete(Err(refusal)));
                return;
            }
        };
        let mut answers = Vec::with_capacity(delete.partitions.len());
        let mut partitions = Vec::new();
        let committing = turn.writes.committing(&group_id);
        for (topic, partition) in delete.partitions {
            let is_read = group.members.subscribes_to(topic.as_str());
            let outcome = if is_read { Err(Refusal::GroupSubscribedToTopic) } else { Ok(()) };
            answers.push(PartitionAnswer { topic: topic.clone(), partition, outcome });
            let is_kept = group.offsets.get(&topic, partition).is_some();
            let key = (topic, partition);
            if !is_read && (is_kept || committing.contains(&key)) {
                partitions.push(key);
            }
        }
        if partitions.is_empty() {
            turn.answer(request, Answer::OffsetDelete(Ok(answers)));
            return;
        }
        let records = tombstones(&group_id, &partitions);
        let id = group_id.clone();
        let then = AfterWrite::OffsetDelete { group_id: id, request, partitions, answers };
        turn.keep(&group_id, records, then);
    }

    fn check_offset_delete(&self, group_id: &GroupId) -> Result<&Group, Refusal> {
        let group = self.get(group_id).ok_or(Refusal::GroupIdNotFound)?;
        group.members.check_offset_delete()?;
        Ok(group)
    }

    pub(super) fn delete_group(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        group_id: &GroupId,
    ) {
        let records = match self.get(group_id) {
            None => Err(Refusal::GroupIdNotFound),
            Some(group) if !group.members.is_empty() => Err(Refusal::NonEmptyGroup),
            Some(group) => {
                // A commit on its way is in the log before the deletion, and goes with it.
                let mut committing =
                    turn.writes.committing(group_id).into_iter().collect::<Vec<_>>();
                committing
                    .retain(|(topic, partition)| group.offsets.get(topic, *partition).is_none());
                let mut records = tombstones(group_id, &committing);
                records.extend(group.tombstones(group_id));
                Ok(records)
            }
        };
        match records {
            Err(refusal) => turn.answer(request, Answer::DeleteGroup(Err(refusal))),
            Ok(records) => {
                let then =
                    AfterWrite::GroupDelete { group_id: group_id.clone(), request: Some(request) };
                turn.keep(group_id, records, then);
            }
        }
    }

    /// Forgets offsets nobody committed again in time, and empty groups without any. A group with a
    /// commit on its way is in use: what it holds is looked at the next time.
    pub(super) fn expire_offsets(&mut self, turn: &mut Turn<'_>) {
        let committing = turn.writes.committing_groups();
        let idle = self.group_ids().filter(|group_id| !committing.contains(group_id));
        let group_ids: Vec<GroupId> = idle.cloned().collect();
        for group_id in group_ids {
            let group = self.get(&group_id).expect("names were taken from the table");
            let expired = group.expired_offsets(turn);
            let is_over = expired.len() == group.offsets.count() && group.members.is_abandoned();
            if turn.writes.is_full() || (expired.is_empty() && !is_over) {
                continue;
            }
            if is_over {
                let records = group.tombstones(&group_id);
                let then = AfterWrite::GroupDelete { group_id: group_id.clone(), request: None };
                turn.keep(&group_id, records, then);
            } else {
                let records = tombstones(&group_id, &expired);
                let id = group_id.clone();
                let then = AfterWrite::Expiry { group_id: id, partitions: expired };
                turn.keep(&group_id, records, then);
            }
        }
    }
}

impl Group {
    fn expired_offsets(&self, turn: &Turn<'_>) -> Vec<(TopicName, PartitionIndex)> {
        let now_ms = turn.now.unix_ms;
        let retention_ms = i64::try_from(turn.settings.offsets_retention_ms).unwrap_or(i64::MAX);
        let is_expired = |topic: &TopicName, offset: &CommittedOffsetValue| {
            let Some(since_ms) = self.members.ages_since(offset.commit_timestamp_ms) else {
                return false;
            };
            let is_due = match offset.expire_timestamp_ms {
                Some(expire_ms) => now_ms >= expire_ms,
                None => now_ms.saturating_sub(since_ms) >= retention_ms,
            };
            is_due && !self.members.subscribes_to(topic.as_str())
        };
        let expired = self.offsets.iter().filter(|(topic, _, offset)| is_expired(topic, offset));
        expired.map(|(topic, partition, _)| (topic.clone(), partition)).collect()
    }

    fn tombstones(&self, group_id: &GroupId) -> Vec<GroupRecord> {
        let offsets = self.offsets.iter();
        let mut records: Vec<GroupRecord> = offsets
            .map(|(topic, partition, _)| offset_record(group_id, topic, partition, None))
            .collect();
        records.extend(self.members.tombstones(group_id));
        records
    }
}

fn tombstones(group_id: &GroupId, partitions: &[(TopicName, PartitionIndex)]) -> Vec<GroupRecord> {
    let gone = partitions.iter();
    gone.map(|(topic, partition)| offset_record(group_id, topic, *partition, None)).collect()
}

pub(super) fn offset_record(
    group_id: &GroupId,
    topic: &TopicName,
    partition: PartitionIndex,
    value: Option<CommittedOffsetValue>,
) -> GroupRecord {
    let key = CommittedOffsetKey { group: group_id.to_string(), topic: topic.clone(), partition };
    GroupRecord::CommittedOffset(key, value)
}
