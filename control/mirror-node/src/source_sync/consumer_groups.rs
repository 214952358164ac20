//! Offsets that consumer groups committed at the source, committed here.
//!
//! Each broker of the source lists the groups it coordinates and tells what they committed; what
//! differs here is committed by a request like that of an administrator, which the node's own
//! coordinator refuses while a group has members here. Nothing is deleted here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use group_coordinator::answer::Answer;
use group_coordinator::coordinator::GroupCoordinator;
use group_coordinator::group_id::GroupId;
use group_coordinator::limits::GROUP_OFFSETS_MAX;
use group_coordinator::refusal::Refusal;
use group_coordinator::request::{MemberOfGeneration, OffsetCommit, OffsetToCommit, Request};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::group_record::CommittedOffsetValue;
use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, TopicId, TopicName};
use mirror_coordinator::mirror_config::MirrorConfig;
use mirror_uring::BrokerAddress;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::board::SyncOutcome;
use super::clamp::clamp;
use super::{Mirrored, SyncError, SyncResult};
use crate::client_properties::DisplayAddress;
use crate::local_topics::keeper::now_ms;
use crate::source_client::SourceClient;
use crate::source_client::groups::{SourceGroup, SourceGroupOffset, SourceGroupOffsets};
use crate::source_connection::{SourceError, error_name};
use crate::source_rights::{missing_on_groups, told};

/// One round over all groups of a source.
pub(super) struct ConsumerGroups<'a> {
    client: &'a mut SourceClient,
    mirrored: &'a Mirrored,
    /// Topics that are mirrored as the round begins.
    topics: BTreeSet<TopicName>,
    outcome: SyncOutcome,
}

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

impl<'a> ConsumerGroups<'a> {
    pub(super) fn new(client: &'a mut SourceClient, mirrored: &'a Mirrored) -> Self {
        Self { client, mirrored, topics: BTreeSet::new(), outcome: SyncOutcome::default() }
    }

    pub(super) async fn run(mut self) -> SyncResult {
        self.topics = self.mirrored.topics().into_iter().collect();
        let config = self.mirrored.with_mirror(|mirror| MirrorConfig::parse(&mirror.configs));
        let Some(config) = config.filter(|_| !self.topics.is_empty()) else {
            return Ok(self.outcome);
        };
        let config = config.map_err(|error| SyncError::Settings(error.to_string()))?;
        if config.groups_include.patterns().is_empty() {
            return Ok(self.outcome); // no right is needed to carry nothing over
        }
        let metadata = self.mirrored.meet(self.client).await?;
        let (mut seen, mut elsewhere) = (BTreeSet::new(), Vec::new());
        for broker in metadata.brokers.keys() {
            match self.list(*broker).await {
                Ok(listed) => {
                    let chosen = self.chosen(listed, &config, &mut seen);
                    elsewhere.extend(self.carry(*broker, &chosen).await?);
                }
                Err(error) => self.outcome.failed.note(|| {
                    format!("groups that broker {broker} coordinates are not known: {error}")
                }),
            }
        }
        self.carry_elsewhere(elsewhere).await?;
        self.note_hidden(&config).await;
        Ok(self.outcome)
    }

    /// Nobody misses groups that the source does not list because we may not see them.
    async fn note_hidden(&mut self, config: &MirrorConfig) {
        match missing_on_groups(self.client, config).await {
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => {
                let servers = &config.bootstrap_servers;
                let servers = servers.iter().map(|at| {
                    let at = BrokerAddress { host: at.host.clone(), port: at.port };
                    DisplayAddress(&at).to_string()
                });
                let servers = servers.collect::<Vec<_>>().join(",");
                self.outcome.failed.note(|| told(&missing, &servers));
            }
            Err(error) => tracing::debug!(%error, "rights on groups are not known"),
        }
    }

    /// The groups of a broker, asked again while it takes them over.
    async fn list(&mut self, broker: BrokerId) -> Result<Vec<SourceGroup>, SourceError> {
        let mut tries_left = TRIES;
        loop {
            tries_left -= 1;
            match self.client.list_groups(broker).await {
                Err(SourceError::Refused { code, .. }) if is_passing(code) && tries_left > 0 => {
                    sleep(RETRY_PAUSE).await;
                }
                listed => return listed,
            }
        }
    }

    /// Those whose offsets are to be carried over; the others that have any are noted.
    fn chosen(
        &mut self,
        listed: Vec<SourceGroup>,
        config: &MirrorConfig,
        seen: &mut BTreeSet<String>,
    ) -> Vec<String> {
        let mut chosen = Vec::new();
        for group in listed {
            let is_meant = config.groups_include.matches(&group.id)
                && !config.groups_exclude.matches(&group.id);
            if !is_meant || is_of_other_kind(&group) {
                continue;
            }
            if group.group_type.eq_ignore_ascii_case("streams") {
                self.outcome.skipped.note(|| {
                    format!("group {}: groups of the streams protocol are not kept here", group.id)
                });
            } else if seen.insert(group.id.clone()) {
                chosen.push(group.id);
            }
        }
        chosen
    }

    /// Carries over the offsets of groups; returns those that this broker does not coordinate, or
    /// not now.
    async fn carry(
        &mut self,
        broker: BrokerId,
        groups: &[String],
    ) -> Result<Vec<String>, SyncError> {
        let mut elsewhere = Vec::new();
        let mut waiting: Vec<&[String]> = groups.chunks(GROUPS_PER_REQUEST).rev().collect();
        while let Some(some) = waiting.pop() {
            let topics = &self.topics;
            let wants = |topic: &TopicName| topics.contains(topic);
            match self.client.group_offsets(broker, some, &wants).await {
                Ok(answers) => elsewhere.extend(self.apply(some, answers).await?),
                Err(SourceError::FrameTooLong { bytes, most, .. }) => match some {
                    [group] => self.outcome.failed.note(|| {
                        format!(
                            "group {group}: its offsets come to {bytes} bytes, at most {most} are \
                             taken"
                        )
                    }),
                    _ => {
                        let (first, second) = some.split_at(some.len() / 2);
                        waiting.extend([second, first]);
                    }
                },
                Err(error) => {
                    tracing::debug!(%broker, %error, "offsets are asked of another broker");
                    elsewhere.extend(some.iter().cloned());
                    elsewhere.extend(waiting.drain(..).flatten().cloned());
                }
            }
        }
        Ok(elsewhere)
    }

    /// Looks for the coordinators of groups that were not where they had been, a few times.
    async fn carry_elsewhere(&mut self, mut groups: Vec<String>) -> Result<(), SyncError> {
        let mut tries_left = TRIES;
        while !groups.is_empty() && tries_left > 0 {
            tries_left -= 1;
            sleep(RETRY_PAUSE).await;
            let mut again = Vec::new();
            for some in groups.chunks(GROUPS_PER_REQUEST) {
                let mut by_broker = BTreeMap::<_, Vec<String>>::new();
                for (group, found) in self.client.coordinators(some).await? {
                    match found {
                        Ok(broker) => by_broker.entry(broker).or_default().push(group),
                        Err(_) => again.push(group),
                    }
                }
                for (broker, found) in by_broker {
                    again.extend(self.carry(broker, &found).await?);
                }
            }
            groups = again;
        }
        for group in groups {
            self.outcome.failed.note(|| format!("group {group}: no coordinator tells its offsets"));
        }
        Ok(())
    }

    /// Commits here what some groups committed; returns those to be asked elsewhere.
    async fn apply(
        &mut self,
        asked: &[String],
        answers: Vec<SourceGroupOffsets>,
    ) -> Result<Vec<String>, SyncError> {
        let mut elsewhere = Vec::new();
        let mut wanted = Vec::new();
        let mut missing: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
        for SourceGroupOffsets { group, outcome } in answers {
            if !missing.remove(group.as_str()) {
                continue; // nobody asked
            }
            match outcome {
                Ok(offsets) => wanted.extend(self.wanted(&group, offsets)),
                Err(code) if is_passing(code) => elsewhere.push(group),
                Err(code) => {
                    let failed = || format!("group {group}: the source says {}", error_name(code));
                    self.outcome.failed.note(failed);
                }
            }
        }
        for group in missing {
            self.outcome.failed.note(|| format!("group {group}: the source says nothing of it"));
        }
        let groups = &self.mirrored.groups;
        let stale_ms = stale_before(groups.settings().offsets_retention_ms);
        let count = wanted.len();
        let differing = groups.look(move |here| differing(here, wanted, stale_ms)).await?;
        let in_step = count - differing.len();
        self.outcome.in_step += u64::try_from(in_step).unwrap_or(u64::MAX);
        let differing = self.of_same_topics(differing).await?;
        for committing in self.begin_commits(differing) {
            self.finish_commit(committing).await;
        }
        Ok(elsewhere)
    }

    /// Leaves offsets out that were committed for another topic of the same name: topics may be
    /// deleted and made anew, and groups commit by name.
    async fn of_same_topics(
        &mut self,
        mut wanted: Vec<WantedOffsets>,
    ) -> Result<Vec<WantedOffsets>, SyncError> {
        let offsets = wanted.iter().flat_map(|group| &group.offsets);
        let ids: BTreeMap<TopicName, TopicId> = {
            let directory = self.mirrored.directory.lock();
            let topics = &directory.state.topics;
            let has_ids = |name| topics.get(name).is_some_and(|topic| topic.source_has_topic_ids);
            let with_ids = offsets.filter(|one| has_ids(&one.topic));
            with_ids.filter_map(|one| Some((one.topic.clone(), one.topic_id?))).collect()
        };
        if ids.is_empty() {
            return Ok(wanted);
        }
        // Asked behind the offsets, which are of the topic that is there now or of an earlier one.
        let others = self.client.other_topics(&ids).await?;
        if others.is_empty() {
            return Ok(wanted);
        }
        for WantedOffsets { group_id, offsets } in &mut wanted {
            offsets.retain(|one| {
                let reason = others.get(&one.topic);
                if let Some(reason) = reason {
                    let skipped = || format!("group {group_id}, {}: {reason}", one.topic);
                    self.outcome.skipped.note(skipped);
                }
                reason.is_none()
            });
        }
        wanted.retain(|one| !one.offsets.is_empty());
        Ok(wanted)
    }

    /// Where a group goes on in the logs here; `None` for a name that no group can have.
    fn wanted(&mut self, group: &str, offsets: Vec<SourceGroupOffset>) -> Option<WantedOffsets> {
        let Some(group_id) = GroupId::parse(group) else {
            self.outcome.failed.note(|| "a group has a name that is too long".to_owned());
            return None;
        };
        let count = offsets.len();
        if count > GROUP_OFFSETS_MAX {
            self.outcome.failed.note(|| {
                format!("group {group}: {count} offsets, at most {GROUP_OFFSETS_MAX} are kept")
            });
            return None;
        }
        let mut wanted = Vec::with_capacity(count);
        for told in offsets {
            let place = (told.topic.clone(), told.partition);
            match self.placed(told) {
                Ok(offset) => wanted.extend(offset),
                Err(reason) => self
                    .outcome
                    .skipped
                    .note(|| format!("group {group}, {}-{}: {reason}", place.0, place.1)),
            }
        }
        Some(WantedOffsets { group_id, offsets: wanted })
    }

    /// An offset of the source within the log here; `None` when nothing was committed.
    fn placed(&self, told: SourceGroupOffset) -> Result<Option<OffsetToCommit>, String> {
        if told.error_code != 0 {
            return Err(format!("the source says {}", error_name(told.error_code)));
        }
        if told.offset == NOTHING_COMMITTED {
            return Ok(None);
        }
        let committed = Offset::from_wire(told.offset)
            .ok_or_else(|| format!("{} is no offset", told.offset))?;
        let topic = self.mirrored.catalog.topic(&told.topic).ok_or("the topic is not here yet")?;
        let partition = topic.partition(told.partition).ok_or("the partition is not here yet")?;
        let log = partition.view.state().ok_or("its log is not open here now")?;
        let epoch = SourceLeaderEpoch::from_wire(told.leader_epoch);
        let clamped = clamp(committed, epoch, &log).map_err(|error| error.to_string())?;
        Ok(Some(OffsetToCommit {
            topic: told.topic,
            topic_id: Some(topic.id),
            partition: partition.id.partition,
            offset: clamped.offset,
            leader_epoch: clamped.leader_epoch,
            metadata: if clamped.is_as_committed { told.metadata } else { String::new() },
        }))
    }

    /// Hands commits to the coordinator. Topics that a stop took away meanwhile are left out: both
    /// happen under the lock of the directory, so no commit comes behind a stop.
    fn begin_commits(&self, wanted: Vec<WantedOffsets>) -> Vec<Committing> {
        let directory = self.mirrored.directory.lock();
        let mut begun = Vec::new();
        for WantedOffsets { group_id, mut offsets } in wanted {
            offsets.retain(|offset| self.mirrored.takes(&directory.state, &offset.topic));
            for offsets in parts(&group_id, offsets) {
                let member = MemberOfGeneration {
                    group_id: group_id.clone(),
                    member_id: String::new(),
                    group_instance_id: None,
                    generation: NO_GENERATION,
                };
                let offset_count = offsets.len();
                let answer = self.mirrored.groups.begin(Request::OffsetCommit(OffsetCommit {
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

    async fn finish_commit(&mut self, committing: Committing) {
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
        let outcome = &mut self.outcome;
        match answers {
            Ok(answers) => {
                let refused = answers.iter().filter_map(|one| Some((one, one.outcome.err()?)));
                let mut refused_count = 0;
                for (one, refusal) in refused {
                    refused_count += 1;
                    let (topic, partition) = (&one.topic, one.partition);
                    outcome
                        .failed
                        .note(|| format!("group {group_id}, {topic}-{partition}: {refusal}"));
                }
                let written = offset_count.saturating_sub(refused_count);
                outcome.written += u64::try_from(written).unwrap_or(u64::MAX);
                outcome.in_step += u64::from(refused_count == 0);
            }
            Err(Refusal::UnknownMemberId) => outcome.skipped.note(|| {
                format!("group {group_id}: it has members here, its offsets are left alone")
            }),
            Err(refusal) => outcome.failed.note(|| format!("group {group_id}: {refusal}")),
        }
    }
}

/// True for a group that commits no offsets of consumers: of Kafka Connect, of share consumers.
fn is_of_other_kind(group: &SourceGroup) -> bool {
    let types = ["", "classic", "consumer", "streams"];
    let is_known = types.iter().any(|one| group.group_type.eq_ignore_ascii_case(one));
    let is_streams = group.group_type.eq_ignore_ascii_case("streams");
    !is_known || !(is_streams || matches!(group.protocol_type.as_str(), "" | "consumer"))
}

/// True for an error that passes when a coordinator has moved or is ready.
const fn is_passing(code: i16) -> bool {
    matches!(code, COORDINATOR_LOAD_IN_PROGRESS | COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR)
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
const GROUPS_PER_REQUEST: usize = 100;
/// What one commit is to take as records, below the 1 MiB of a batch.
const COMMIT_BYTES_MAX: usize = 512 << 10;
/// What a record has beside names and metadata, and more.
const OFFSET_RECORD_BYTES: usize = 64;
/// How often a coordinator that is moving is asked in a round.
const TRIES: u32 = 4;
const RETRY_PAUSE: Duration = Duration::from_millis(250);
const NOTHING_COMMITTED: i64 = -1;
const NO_GENERATION: i32 = -1;
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;

#[cfg(test)]
mod tests;
