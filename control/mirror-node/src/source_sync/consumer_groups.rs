//! Offsets that consumer groups committed at the source, committed here.
//!
//! What differs here is committed by a request like that of an administrator, which the node's own
//! coordinator refuses while a group has members here. Nothing is deleted here.

use group_coordinator::answer::Answer;
use group_coordinator::coordinator::GroupCoordinator;
use group_coordinator::group_id::GroupId;
use group_coordinator::refusal::Refusal;
use group_coordinator::request::{MemberOfGeneration, OffsetCommit, OffsetToCommit, Request};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::group_record::CommittedOffsetValue;
use kafka_wire::partition::{BrokerId, TopicName};
use tokio::sync::oneshot;

use super::board::SyncOutcome;
use super::clamp::clamp;
use super::every_coordinator::{GroupKind, other_topics};
use super::{Mirrored, SyncError};
use crate::local_topics::keeper::now_ms;
use crate::source_client::SourceClient;
use crate::source_client::groups::{SourceGroup, SourceGroupOffset, SourceGroupOffsets};
use crate::source_connection::SourceError;

/// Groups of consumers, classic and KIP-848.
#[derive(Debug)]
pub(super) struct ConsumerGroups;

/// What a group is to have here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WantedOffsets {
    group_id: GroupId,
    offsets: Vec<OffsetToCommit>,
}

/// A commit whose answer is to come.
struct Committing {
    group_id: GroupId,
    offset_count: usize,
    answer: Result<oneshot::Receiver<Answer>, Refusal>,
}

impl GroupKind for ConsumerGroups {
    const TELLS_HIDDEN: bool = true;

    async fn list(
        &mut self,
        client: &mut SourceClient,
        broker: BrokerId,
    ) -> Result<Vec<SourceGroup>, SourceError> {
        client.list_groups(broker, &[]).await
    }

    fn is_carried(&self, group: &SourceGroup, outcome: &mut SyncOutcome) -> bool {
        let is_streams = group.group_type.eq_ignore_ascii_case("streams");
        if is_streams {
            outcome.skipped.note(|| {
                format!("group {}: groups of the streams protocol are not kept here", group.id)
            });
        }
        !is_streams && !is_of_other_kind(group)
    }

    async fn ask(
        &self,
        client: &mut SourceClient,
        broker: BrokerId,
        groups: &[String],
        wants: &(impl Fn(&TopicName) -> bool + Sync),
    ) -> Result<Vec<SourceGroupOffsets>, SourceError> {
        client.group_offsets(broker, groups, wants).await
    }

    async fn keep(
        &mut self,
        client: &mut SourceClient,
        mirrored: &Mirrored,
        told: Vec<(GroupId, Vec<SourceGroupOffset>)>,
        outcome: &mut SyncOutcome,
    ) -> Result<(), SyncError> {
        let place = |(group_id, offsets)| wanted(mirrored, group_id, offsets, outcome);
        let wanted: Vec<_> = told.into_iter().map(place).collect();
        let groups = &mirrored.groups;
        let stale_ms = stale_before(groups.settings().offsets_retention_ms);
        let count = wanted.len();
        let differing = groups.look(move |here| differing(here, wanted, stale_ms)).await?;
        let in_step = count - differing.len();
        outcome.in_step += u64::try_from(in_step).unwrap_or(u64::MAX);
        let differing = of_same_topics(client, mirrored, differing, outcome).await?;
        for committing in begin_commits(mirrored, differing) {
            finish_commit(committing, outcome).await;
        }
        Ok(())
    }
}

/// Leaves offsets out that were committed for another topic of the same name.
async fn of_same_topics(
    client: &mut SourceClient,
    mirrored: &Mirrored,
    mut wanted: Vec<WantedOffsets>,
    outcome: &mut SyncOutcome,
) -> Result<Vec<WantedOffsets>, SyncError> {
    let offsets = wanted.iter().flat_map(|group| &group.offsets);
    let topics = offsets.filter_map(|one| Some((&one.topic, one.topic_id?)));
    let others = other_topics(client, mirrored, topics).await?;
    if others.is_empty() {
        return Ok(wanted);
    }
    for WantedOffsets { group_id, offsets } in &mut wanted {
        offsets.retain(|one| {
            let reason = others.get(&one.topic);
            if let Some(reason) = reason {
                outcome.skipped.note(|| format!("group {group_id}, {}: {reason}", one.topic));
            }
            reason.is_none()
        });
    }
    wanted.retain(|one| !one.offsets.is_empty());
    Ok(wanted)
}

/// Where a group goes on in the logs here.
fn wanted(
    mirrored: &Mirrored,
    group_id: GroupId,
    told: Vec<SourceGroupOffset>,
    outcome: &mut SyncOutcome,
) -> WantedOffsets {
    let mut offsets = Vec::with_capacity(told.len());
    for told in told {
        let place = (told.topic.clone(), told.partition);
        match placed(mirrored, told) {
            Ok(offset) => offsets.extend(offset),
            Err(reason) => {
                let left_out = || format!("group {group_id}, {}-{}: {reason}", place.0, place.1);
                outcome.skipped.note(left_out);
            }
        }
    }
    WantedOffsets { group_id, offsets }
}

/// An offset of the source within the log here; `None` when nothing was committed.
fn placed(mirrored: &Mirrored, told: SourceGroupOffset) -> Result<Option<OffsetToCommit>, String> {
    let Some((topic, partition, log)) = mirrored.log_of(&told)? else { return Ok(None) };
    let committed = told.offset()?;
    let epoch = SourceLeaderEpoch::from_wire(told.leader_epoch);
    let clamped = clamp(committed, epoch, &log).map_err(|error| error.to_string())?;
    Ok(Some(OffsetToCommit {
        topic: told.topic,
        topic_id: Some(topic),
        partition,
        offset: clamped.offset,
        leader_epoch: clamped.leader_epoch,
        metadata: if clamped.is_as_committed { told.metadata } else { String::new() },
    }))
}

/// Hands commits to the coordinator. Topics that a stop took away meanwhile are left out: both
/// happen under the lock of the directory, so no commit comes behind a stop.
fn begin_commits(mirrored: &Mirrored, wanted: Vec<WantedOffsets>) -> Vec<Committing> {
    let directory = mirrored.directory.lock();
    let mut begun = Vec::new();
    for WantedOffsets { group_id, mut offsets } in wanted {
        offsets.retain(|offset| mirrored.takes(&directory.state, &offset.topic));
        for offsets in parts(&group_id, offsets) {
            let member = MemberOfGeneration {
                group_id: group_id.clone(),
                member_id: String::new(),
                group_instance_id: None,
                generation: NO_GENERATION,
            };
            let offset_count = offsets.len();
            let answer = mirrored.groups.begin(Request::OffsetCommit(OffsetCommit {
                member,
                knows_consumer_groups: true,
                retention_ms: None,
                offsets,
            }));
            begun.push(Committing { group_id: group_id.clone(), offset_count, answer });
        }
    }
    begun
}

async fn finish_commit(committing: Committing, outcome: &mut SyncOutcome) {
    let Committing { group_id, offset_count, answer } = committing;
    let answer = match answer {
        Ok(answer) => answer.await.map_err(|_| Refusal::CoordinatorNotAvailable),
        Err(refusal) => Err(refusal),
    };
    let answers = match answer {
        Ok(Answer::OffsetCommit(answers)) => answers,
        Ok(other) => unreachable!("a commit is answered with {other:?}"),
        Err(refusal) => Err(refusal),
    };
    match answers {
        Ok(answers) => {
            let refused = answers.iter().filter_map(|one| Some((one, one.outcome.err()?)));
            let mut refused_count = 0;
            for (one, refusal) in refused {
                refused_count += 1;
                let (topic, partition) = (&one.topic, one.partition);
                outcome.failed.note(|| format!("group {group_id}, {topic}-{partition}: {refusal}"));
            }
            let written = offset_count.saturating_sub(refused_count);
            outcome.written += u64::try_from(written).unwrap_or(u64::MAX);
            outcome.in_step += u64::from(refused_count == 0);
        }
        Err(Refusal::UnknownMemberId) => outcome
            .skipped
            .note(|| format!("group {group_id}: it has members here, its offsets are left alone")),
        Err(refusal) => outcome.failed.note(|| format!("group {group_id}: {refusal}")),
    }
}

/// True for a group that commits no offsets of consumers: of Kafka Connect, of share consumers.
fn is_of_other_kind(group: &SourceGroup) -> bool {
    let types = ["", "classic", "consumer", "streams"];
    let is_known = types.iter().any(|one| group.group_type.eq_ignore_ascii_case(one));
    let is_streams = group.group_type.eq_ignore_ascii_case("streams");
    !is_known || !(is_streams || matches!(group.protocol_type.as_str(), "" | "consumer"))
}

/// Offsets committed before then are committed again, so that they do not expire while their group
/// lives on at the source.
fn stale_before(retention_ms: u64) -> i64 {
    let half = i64::try_from(retention_ms / 2).unwrap_or(i64::MAX);
    now_ms().saturating_sub(half)
}

/// What is not here yet, or not as it is to be.
fn differing(
    here: &GroupCoordinator,
    mut wanted: Vec<WantedOffsets>,
    stale_ms: i64,
) -> Vec<WantedOffsets> {
    for WantedOffsets { group_id, offsets } in &mut wanted {
        offsets.retain(|one| {
            let held = here.offset(group_id, &one.topic, one.partition);
            held.is_none_or(|held| differs(held, one) || held.commit_timestamp_ms < stale_ms)
        });
    }
    wanted.retain(|one| !one.offsets.is_empty());
    wanted
}

fn differs(held: &CommittedOffsetValue, wanted: &OffsetToCommit) -> bool {
    held.offset != wanted.offset
        || held.leader_epoch != wanted.leader_epoch
        || held.metadata != wanted.metadata
        || held.expire_timestamp_ms.is_some()
}

/// Offsets in parts that are each kept as one batch.
fn parts(group_id: &GroupId, offsets: Vec<OffsetToCommit>) -> Vec<Vec<OffsetToCommit>> {
    let mut parts: Vec<Vec<OffsetToCommit>> = Vec::new();
    let mut room = 0;
    for offset in offsets {
        let names = group_id.as_str().len() + offset.topic.as_str().len();
        let bytes = names + offset.metadata.len() + OFFSET_RECORD_BYTES;
        match parts.last_mut().filter(|_| bytes <= room) {
            Some(part) => part.push(offset),
            None => {
                room = COMMIT_BYTES_MAX;
                parts.push(vec![offset]);
            }
        }
        room = room.saturating_sub(bytes);
    }
    parts
}

/// Longest answer taken of a source: what 800,000 offsets take, four times what a group may have
/// here. A group whose offsets do not fit is told and left out.
pub(super) const RESPONSE_BYTES_MAX: u32 = 16 << 20;
/// What one commit is to take as records, below the 1 MiB of a batch.
const COMMIT_BYTES_MAX: usize = 512 << 10;
/// What a record has beside names and metadata, and more.
const OFFSET_RECORD_BYTES: usize = 64;
const NO_GENERATION: i32 = -1;

#[cfg(test)]
pub(super) mod tests;
