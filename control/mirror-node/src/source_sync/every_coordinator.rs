//! Groups of one kind at a source, asked of every broker that coordinates some: those that the
//! settings of the mirror choose, moving ones a few times.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use group_coordinator::group_id::GroupId;
use group_coordinator::limits::GROUP_OFFSETS_MAX;
use kafka_wire::partition::{BrokerId, TopicId, TopicName};
use mirror_coordinator::mirror_config::MirrorConfig;
use mirror_uring::BrokerAddress;
use tokio::time::sleep;

use super::board::SyncOutcome;
use super::{Mirrored, SyncError, SyncResult};
use crate::client_properties::DisplayAddress;
use crate::source_client::SourceClient;
use crate::source_client::groups::{SourceGroup, SourceGroupOffset, SourceGroupOffsets};
use crate::source_connection::{SourceError, error_name};
use crate::source_rights::{missing_on_groups, told};

/// What differs between kinds of groups.
pub(super) trait GroupKind {
    /// True for the kind that tells, for all, that the source hides groups.
    const TELLS_HIDDEN: bool;

    /// The groups that a broker coordinates.
    async fn list(
        &mut self,
        client: &mut SourceClient,
        broker: BrokerId,
    ) -> Result<Vec<SourceGroup>, SourceError>;

    /// True for a group of the kind; one that is of it and cannot be carried over is noted.
    fn is_carried(&self, group: &SourceGroup, outcome: &mut SyncOutcome) -> bool;

    /// The offsets of groups in topics that `wants` lets pass.
    async fn ask(
        &self,
        client: &mut SourceClient,
        broker: BrokerId,
        groups: &[String],
        wants: &(impl Fn(&TopicName) -> bool + Sync),
    ) -> Result<Vec<SourceGroupOffsets>, SourceError>;

    /// Keeps here what the source told of some groups.
    async fn keep(
        &mut self,
        client: &mut SourceClient,
        mirrored: &Mirrored,
        told: Vec<(GroupId, Vec<SourceGroupOffset>)>,
        outcome: &mut SyncOutcome,
    ) -> Result<(), SyncError>;

    /// After a round over so many brokers.
    fn end(&self, _broker_count: usize, _outcome: &mut SyncOutcome) {}
}

/// One round over all groups of a kind.
pub(super) struct EveryCoordinator<'a, K> {
    client: &'a mut SourceClient,
    mirrored: &'a Mirrored,
    kind: K,
    /// Topics that are mirrored as the round begins.
    topics: BTreeSet<TopicName>,
    outcome: SyncOutcome,
}

impl<'a, K: GroupKind> EveryCoordinator<'a, K> {
    pub(super) fn new(client: &'a mut SourceClient, mirrored: &'a Mirrored, kind: K) -> Self {
        let (topics, outcome) = (BTreeSet::new(), SyncOutcome::default());
        Self { client, mirrored, kind, topics, outcome }
    }

    pub(super) async fn run(mut self) -> SyncResult {
        self.topics = self.mirrored.topics().into_iter().collect();
        let config = self.mirrored.with_mirror(|mirror| MirrorConfig::parse(&mirror.configs));
        let Some(config) = config else { return Ok(self.outcome) };
        if self.topics.is_empty() {
            self.outcome.skipped.note(|| "not done, no topic is mirrored".to_owned());
            return Ok(self.outcome);
        }
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
        self.kind.end(metadata.brokers.len(), &mut self.outcome);
        if K::TELLS_HIDDEN {
            self.note_hidden(&config).await;
        }
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
                self.outcome.failed.note_first(|| told(&missing, &servers));
            }
            Err(error) => tracing::debug!(%error, "rights on groups are not known"),
        }
    }

    /// The groups of a broker, asked again while it takes them over.
    async fn list(&mut self, broker: BrokerId) -> Result<Vec<SourceGroup>, SourceError> {
        let mut tries_left = TRIES;
        loop {
            tries_left -= 1;
            match self.kind.list(self.client, broker).await {
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
            if is_meant
                && self.kind.is_carried(&group, &mut self.outcome)
                && seen.insert(group.id.clone())
            {
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
            match self.kind.ask(self.client, broker, some, &wants).await {
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

    /// Keeps here what is told of some groups; returns those to be asked elsewhere.
    async fn apply(
        &mut self,
        asked: &[String],
        answers: Vec<SourceGroupOffsets>,
    ) -> Result<Vec<String>, SyncError> {
        let mut elsewhere = Vec::new();
        let mut known = Vec::new();
        let mut missing: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
        for SourceGroupOffsets { group, outcome } in answers {
            if !missing.remove(group.as_str()) {
                continue; // nobody asked
            }
            match outcome {
                Ok(offsets) if offsets.len() > GROUP_OFFSETS_MAX => {
                    let count = offsets.len();
                    self.outcome.failed.note(|| {
                        format!(
                            "group {group}: {count} offsets, at most {GROUP_OFFSETS_MAX} are kept"
                        )
                    });
                }
                Ok(offsets) => match GroupId::parse(&group) {
                    Some(group_id) => known.push((group_id, offsets)),
                    None => {
                        let failed = || "a group has a name that is too long".to_owned();
                        self.outcome.failed.note(failed);
                    }
                },
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
        self.kind.keep(self.client, self.mirrored, known, &mut self.outcome).await?;
        Ok(elsewhere)
    }
}

/// Those of the topics that are others at the source now, each with the reason: they may be deleted
/// and made anew, and offsets are told by name. Asked behind the offsets, which are of the topic
/// that is there now or of an earlier one.
pub(super) async fn other_topics<'t>(
    client: &mut SourceClient,
    mirrored: &Mirrored,
    topics: impl Iterator<Item = (&'t TopicName, TopicId)>,
) -> Result<BTreeMap<TopicName, String>, SyncError> {
    let ids: BTreeMap<TopicName, TopicId> = {
        let directory = mirrored.directory.lock();
        let known = &directory.state.topics;
        let has_ids = |name| known.get(name).is_some_and(|topic| topic.source_has_topic_ids);
        let with_ids = topics.filter(|(name, _)| has_ids(*name));
        with_ids.map(|(name, id)| (name.clone(), id)).collect()
    };
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(client.other_topics(&ids).await?)
}

/// True for an error that passes when a coordinator has moved or is ready.
const fn is_passing(code: i16) -> bool {
    matches!(code, COORDINATOR_LOAD_IN_PROGRESS | COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR)
}

const GROUPS_PER_REQUEST: usize = 100;
/// How often a coordinator that is moving is asked in a round.
const TRIES: u32 = 4;
const RETRY_PAUSE: Duration = Duration::from_millis(250);
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
