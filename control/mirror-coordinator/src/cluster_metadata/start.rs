//! Starting topics (KIP-1279, StartMirrorTopics): by patterns, among the topics that the source
//! has, or by name, as discovery does.

use std::collections::{BTreeMap, BTreeSet};

use kafka_wire::mirror_error::MirrorError;
use kafka_wire::partition::{TopicId, TopicName};

use super::command_error::{CommandError, ErrorCode};
use super::filters::{Filters, compiled, parse_patterns};
use super::limits::{BOUND_TOPICS_MAX, COMMAND_TOPICS_MAX};
use super::state_check::{Mismatches, Needed, PartitionStates, check_offset};
use super::{
    BoundTopic, ClusterMetadata, MetadataRecord, Mirror, NEVER_MIRRORED, Planned, TopicOutcome,
};
use crate::desired_state::DesiredState;
use crate::mirror_config::{BOOTSTRAP_SERVERS, TOPICS_EXCLUDE, TOPICS_INCLUDE};
use crate::mirror_name::MirrorName;
use crate::partition_state::MirrorPartitionState;
use crate::topic_patterns::{PatternList, TopicPatterns};

/// What is to be started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartRequest {
    /// The mirror, as asked for.
    pub mirror: String,
    /// Patterns that join `topics.include`; what they match at the source is started.
    pub include: Vec<String>,
    /// Patterns that join `topics.exclude`.
    pub exclude: Vec<String>,
    /// Every topic that the source has, for the patterns.
    pub found: Vec<SourceTopic>,
    /// Topics that are asked for by name.
    pub named: Vec<SourceTopic>,
    /// Topics that would do harm if they were started, and why: known to whoever asks, not to the
    /// metadata. Those that are mirrored already are no news, and not refused.
    pub refused: BTreeMap<TopicName, CommandError>,
    /// Offset of the metadata that the request was looked at with; `None` for no check.
    pub state_offset: Option<i64>,
}

/// A topic as the source has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTopic {
    /// Its name.
    pub name: TopicName,
    /// Its id; `None` when the source has no ids.
    pub topic_id: Option<TopicId>,
}

/// What a plan has to know of the node beside the metadata.
#[expect(missing_debug_implementations, reason = "made of functions")]
pub struct NodeView<'a> {
    /// The id of the topic here of that name, mirrored or not.
    pub topic_id: &'a dyn Fn(&TopicName) -> Option<TopicId>,
    /// The name of the topic here of that id, mirrored or not.
    pub topic_of: &'a dyn Fn(TopicId) -> Option<TopicName>,
    /// The states of a topic's partitions.
    pub states: &'a PartitionStates<'a>,
}

impl ClusterMetadata {
    /// Plans to start topics. `fresh_id` makes an id for a topic of a source that has none.
    ///
    /// Outcomes hold what is refused of single topics; the others are started. A plan without
    /// outcomes has only saved the patterns: nothing matched yet. When every topic is refused,
    /// nothing is changed.
    ///
    /// # Errors
    /// When nothing can be started: the mirror is unknown or without a source, a pattern is none,
    /// everything is excluded, or a topic or partition is not in a state for it.
    pub fn plan_start(
        &self,
        request: &StartRequest,
        here: &NodeView<'_>,
        fresh_id: &mut dyn FnMut() -> TopicId,
    ) -> Result<Planned, CommandError> {
        let (name, mirror) = self.mirror_named(&request.mirror)?;
        check_request(name, mirror, request)?;
        let asked = parse_patterns(name, &request.include)?;
        parse_patterns(name, &request.exclude)?;
        let mut filters = Filters::of(&mirror.configs);
        filters.start(&request.include, &request.exclude);
        let edited = filters.into_mirror(mirror);
        let patterns = compiled(name, &edited)?;
        let mut start = Start {
            metadata: self,
            mirror: name,
            patterns: &patterns,
            here,
            fresh_id,
            refused: &request.refused,
            bound_ids: self.topics.iter().map(|(name, topic)| (topic.topic_id, name)).collect(),
            state_offset: request.state_offset,
            seen: BTreeSet::new(),
            records: Vec::new(),
            added: 0,
            outcomes: Vec::new(),
            mismatches: Mismatches::default(),
        };
        for topic in selected(request, &asked, &patterns, name)? {
            start.topic(topic)?;
        }
        start.refuse_internal(&request.include);
        let Start { mismatches, mut records, outcomes, .. } = start;
        mismatches.refuse(name, NEEDED)?;
        if !outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.result.is_err()) {
            // Patterns of a start that nothing came of would stand in the way of the next one.
            return Ok(Planned {
                change: self.change(Vec::new()),
                outcomes,
                also_stopped: Vec::new(),
            });
        }
        let also_stopped = self.stop_excluded(name, mirror, &patterns, &mut records);
        if edited != *mirror {
            records.insert(0, MetadataRecord::Mirror(name.clone(), edited));
        }
        Ok(Planned { change: self.change(records), outcomes, also_stopped })
    }
}

fn check_request(
    name: &MirrorName,
    mirror: &Mirror,
    request: &StartRequest,
) -> Result<(), CommandError> {
    let StartRequest { include, exclude, named, .. } = request;
    if include.is_empty() && exclude.is_empty() && named.is_empty() {
        let message = format!("mirror {name}: a start needs a topic or a pattern, none was named");
        return Err(CommandError::new(ErrorCode::InvalidRequest, message));
    }
    if let Err(reason) = Filters::check_apart(include, exclude) {
        let message = format!("mirror {name}: {reason}; nothing was changed");
        return Err(CommandError::new(ErrorCode::InvalidRequest, message));
    }
    if named.len() > COMMAND_TOPICS_MAX {
        let count = named.len();
        let message = format!(
            "mirror {name}: {count} topics in one request, at most {COMMAND_TOPICS_MAX} are taken"
        );
        return Err(CommandError::new(ErrorCode::InvalidRequest, message));
    }
    if !mirror.configs.contains_key(BOOTSTRAP_SERVERS) {
        let message = format!(
            "mirror {name} has no source: set its {BOOTSTRAP_SERVERS} first; its topics can be \
             stopped without"
        );
        return Err(CommandError::new(ErrorCode::InvalidConfig, message));
    }
    Ok(())
}

/// The topics that the request means: those named, and those found that its patterns match.
fn selected<'a>(
    request: &'a StartRequest,
    asked: &PatternList,
    patterns: &TopicPatterns,
    mirror: &MirrorName,
) -> Result<Vec<&'a SourceTopic>, CommandError> {
    let by_their_names: BTreeSet<&str> = request.include.iter().map(String::as_str).collect();
    let of_request = PatternList::parse(&request.exclude).ok();
    let (mut topics, mut left_out) = (Vec::new(), Vec::new());
    topics.extend(&request.named);
    for topic in request.found.iter().filter(|topic| asked.matches(topic.name.as_str())) {
        let name = topic.name.as_str();
        // Who names a topic outright is told why it cannot be had; the others are just not meant.
        let is_out = patterns.exclude.matches(name) || NEVER_MIRRORED.contains(&name);
        if !is_out || by_their_names.contains(name) {
            topics.push(topic);
        } else if !name.starts_with("__")
            && !of_request.as_ref().is_some_and(|exclude| exclude.matches(name))
        {
            left_out.push(name);
        }
    }
    match left_out.first() {
        Some(first) if topics.is_empty() => {
            let entry = patterns.exclude.matching(first).unwrap_or_default();
            let message = format!(
                "mirror {mirror}: {} topics of the source match, such as {first}, and all are \
                 excluded, by {entry:?} in {TOPICS_EXCLUDE} (a stop puts its patterns there); \
                 nothing was changed: start with that same pattern, or take it out of \
                 {TOPICS_EXCLUDE} first",
                left_out.len()
            );
            Err(CommandError::new(ErrorCode::InvalidRequest, message))
        }
        _ => Ok(topics),
    }
}

/// A start on its way through the topics.
struct Start<'a> {
    metadata: &'a ClusterMetadata,
    mirror: &'a MirrorName,
    patterns: &'a TopicPatterns,
    here: &'a NodeView<'a>,
    refused: &'a BTreeMap<TopicName, CommandError>,
    fresh_id: &'a mut dyn FnMut() -> TopicId,
    /// Ids that are bound, or will be.
    bound_ids: BTreeMap<TopicId, &'a TopicName>,
    state_offset: Option<i64>,
    seen: BTreeSet<&'a TopicName>,
    records: Vec<MetadataRecord>,
    /// Topics among the records that were bound to no mirror.
    added: usize,
    outcomes: Vec<TopicOutcome>,
    mismatches: Mismatches,
}

impl<'a> Start<'a> {
    /// Takes one topic in; refusals of this topic alone become its outcome.
    fn topic(&mut self, topic: &'a SourceTopic) -> Result<(), CommandError> {
        if !self.seen.insert(&topic.name) {
            return Ok(());
        }
        let bound = self.metadata.topics.get(&topic.name);
        if let Some(bound) = bound {
            check_offset(&topic.name, bound, self.state_offset)?;
        }
        let result = self.plan(topic, bound);
        self.outcomes.push(TopicOutcome { topic: topic.name.to_string(), result });
        Ok(())
    }

    /// Refuses topics of every cluster's own that are named outright and are not at the source:
    /// they would not be started when they appear.
    fn refuse_internal(&mut self, include: &[String]) {
        let is_seen = |name: &str| self.seen.iter().any(|seen| seen.as_str() == name);
        let named = include.iter().filter(|entry| NEVER_MIRRORED.contains(&entry.as_str()));
        let unseen = named.filter(|entry| !is_seen(entry));
        let names: Vec<TopicName> = unseen.filter_map(|entry| TopicName::parse(entry)).collect();
        for name in names {
            let result = self.check_selected(&name).map(|()| false);
            self.outcomes.push(TopicOutcome { topic: name.to_string(), result });
        }
    }

    /// Says whether the topic is started; `false` when it was before.
    fn plan(
        &mut self,
        topic: &'a SourceTopic,
        bound: Option<&BoundTopic>,
    ) -> Result<bool, CommandError> {
        self.check_selected(&topic.name)?;
        match bound {
            Some(bound) if bound.mirror == *self.mirror => match bound.desired {
                DesiredState::Mirroring => return Ok(false),
                DesiredState::Paused => {
                    return Err(self.refused(
                        MirrorError::MirrorTopicNotStopped,
                        &topic.name,
                        "is PAUSED and not STOPPED: resume it instead",
                    ));
                }
                DesiredState::Stopped => {}
            },
            Some(bound) if bound.desired != DesiredState::Stopped => {
                let BoundTopic { mirror, desired, .. } = bound;
                let seen = format!("belongs to mirror {mirror} ({desired}): stop it there first");
                return Err(self.refused(
                    MirrorError::TopicAlreadyInClusterMirror,
                    &topic.name,
                    &seen,
                ));
            }
            _ => {}
        }
        let topic_id = self.checked_id(topic, bound)?;
        if let Some(error) = self.refused.get(&topic.name) {
            return Err(error.clone());
        }
        match bound {
            Some(bound) => {
                self.mismatches.look(&topic.name, bound, NEEDED, self.here.states);
            }
            None => {
                self.check_room(&topic.name)?;
                self.added += 1;
            }
        }
        self.bound_ids.insert(topic_id, &topic.name);
        self.records.push(MetadataRecord::TopicBound {
            topic: topic.name.clone(),
            topic_id,
            mirror: self.mirror.clone(),
            desired: DesiredState::Mirroring,
        });
        Ok(true)
    }

    fn check_selected(&self, topic: &TopicName) -> Result<(), CommandError> {
        let name = topic.as_str();
        if NEVER_MIRRORED.contains(&name) {
            let seen = "is a topic that every cluster keeps for itself: it cannot be mirrored";
            return Err(self.refused(ErrorCode::InvalidRequest, topic, seen));
        }
        if self.patterns.exclude.matches(name) {
            let entry = self.patterns.exclude.matching(name).unwrap_or("an entry");
            let seen = format!(
                "is excluded by {entry:?} in {TOPICS_EXCLUDE}: take it out of there, or leave the \
                 topic out"
            );
            return Err(self.refused(ErrorCode::InvalidRequest, topic, &seen));
        }
        if !self.patterns.include.matches(name) {
            let seen = format!("is not in {TOPICS_INCLUDE}: add a pattern for it");
            return Err(self.refused(ErrorCode::InvalidRequest, topic, &seen));
        }
        Ok(())
    }

    /// The id that the topic has here, or is to have.
    fn checked_id(
        &mut self,
        topic: &SourceTopic,
        bound: Option<&BoundTopic>,
    ) -> Result<TopicId, CommandError> {
        let ours = bound.map(|bound| bound.topic_id).or_else(|| (self.here.topic_id)(&topic.name));
        let id = match (topic.topic_id, ours) {
            (Some(theirs), Some(ours)) if theirs != ours => {
                let seen = format!(
                    "has id {ours} here and {theirs} at the source, so they are two topics: delete \
                     the one here, or leave it out"
                );
                return Err(self.refused(ErrorCode::InconsistentTopicId, &topic.name, &seen));
            }
            (Some(theirs), _) => theirs,
            (None, Some(ours)) => ours,
            (None, None) => (self.fresh_id)(),
        };
        let owner = self.bound_ids.get(&id).map(|name| (*name).clone());
        let owner = owner.or_else(|| (self.here.topic_of)(id));
        match owner {
            Some(owner) if owner != topic.name => {
                let seen = format!(
                    "has id {id} at the source, which is that of topic {owner} here: they are one \
                     topic under two names (topics.prefix), which cannot both be mirrored, nor \
                     mirrored back; delete {owner} here, or leave this one out"
                );
                Err(self.refused(ErrorCode::TopicAlreadyExists, &topic.name, &seen))
            }
            _ => Ok(id),
        }
    }

    fn check_room(&self, topic: &TopicName) -> Result<(), CommandError> {
        if self.metadata.topics.len() + self.added < BOUND_TOPICS_MAX {
            return Ok(());
        }
        let seen = format!("is one too many: mirrors of one node have {BOUND_TOPICS_MAX} topics");
        Err(self.refused(ErrorCode::PolicyViolation, topic, &seen))
    }

    fn refused(&self, code: impl Into<ErrorCode>, topic: &TopicName, seen: &str) -> CommandError {
        let mirror = self.mirror;
        CommandError::new(code, format_args!("mirror {mirror}: topic {topic} {seen}"))
    }
}

const NEEDED: Needed = Needed {
    done: "started",
    state: MirrorPartitionState::Stopped,
    cure: "wait until every partition is STOPPED, and recover those that failed on the way",
};
