//! Starting topics: what matches is looked up at the source first, beside the loop, and with it
//! where mirroring in the other direction ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_wire::mirror_api::mirror_topic::TopicOutcome as WireOutcome;
use kafka_wire::mirror_api::start_mirror_topics::{
    PlannedPartition, StartMirrorTopicsRequest, StartMirrorTopicsResponse,
};
use kafka_wire::mirror_api::{MirrorApiKey, MirrorResponse};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{TopicName, TopicPartition};
use mirror_coordinator::cluster_metadata::command_error::{CommandError, ErrorCode};
use mirror_coordinator::cluster_metadata::start::{SourceTopic, StartRequest};
use mirror_coordinator::cluster_metadata::{MetadataRecord, Planned};
use mirror_coordinator::lifecycle::AlignmentFailure;
use mirror_coordinator::log_alignment::{AlignmentCut, PeerMirrors};
use mirror_coordinator::mirror_config::{BOOTSTRAP_SERVERS, topic_patterns};
use mirror_coordinator::mirror_name::MirrorName;
use mirror_coordinator::mirror_position::MirrorPosition;
use tokio::sync::oneshot;

use super::align::cut_of;
use super::bindings::new_topic;
use super::orders::{outcomes, refusal};
use super::start_lookup::{Resolved, resolve};
use super::{LoopEvent, MirrorError, MirrorLoop};
use crate::catalog::{Binding, Partition};
use crate::directory_state::MirrorTopic;
use crate::mirror_orders::start_timeout;
use crate::random_id::random_id;
use crate::source_client::{SourceClient, SourceMetadata, TopicConfigs};
use crate::source_rights::told;
use crate::source_sync::acls::planned_acls;
use crate::source_sync::topic_configs::PlannedConfigs;
use crate::source_watch::SourceLook;

/// A start whose topics were looked up.
#[derive(Debug)]
pub(crate) struct ResolvedStart {
    request: StartMirrorTopicsRequest,
    reply: oneshot::Sender<MirrorResponse>,
    /// Number of the watch of the source that was asked: another one than the mirror's stands for a
    /// source that is not its own any more, or is reached otherwise. `None` without a source.
    watch: Option<u64>,
    outcome: Result<Resolved, String>,
}

impl MirrorLoop<'_> {
    /// Looks topics up for a start; the rest follows when that is done.
    pub(super) fn begin_start(
        &self,
        request: StartMirrorTopicsRequest,
        reply: oneshot::Sender<MirrorResponse>,
    ) {
        let name = MirrorName::parse(&request.mirror_name);
        let source = name.and_then(|name| self.sources.get(&name));
        let events = self.event_sender.clone();
        let (Some(node), Some(source)) = (&self.node, source) else {
            let outcome = Ok(Resolved::default());
            let resolved = Box::new(ResolvedStart { request, reply, watch: None, outcome });
            tokio::spawn(async move {
                let _ = events.send(LoopEvent::StartResolved(resolved)).await;
            });
            return;
        };
        let client = SourceClient::new(source.properties.clone());
        let (watch, cluster_id) = (Some(source.watch_number), node.cluster_id.clone());
        let exclude = self.excluded(&request.mirror_name);
        let catalog = Arc::clone(&self.destination.catalog);
        tokio::spawn(async move {
            let limit = start_timeout(request.timeout_ms);
            let resolving = resolve(client, &request, (&cluster_id, exclude), &catalog);
            let outcome = match tokio::time::timeout(limit, resolving).await {
                Ok(outcome) => outcome,
                Err(_) => Err(no_answer(limit)),
            };
            let resolved = Box::new(ResolvedStart { request, reply, watch, outcome });
            let _ = events.send(LoopEvent::StartResolved(resolved)).await;
        });
    }

    /// `topics.exclude` of a mirror.
    fn excluded(&self, mirror: &str) -> Vec<String> {
        let mirror = MirrorName::parse(mirror);
        let mirror = mirror.and_then(|mirror| self.metadata.mirrors().get(&mirror));
        let patterns = mirror.and_then(|mirror| topic_patterns(&mirror.configs).ok());
        patterns.map(|patterns| patterns.exclude.patterns().to_vec()).unwrap_or_default()
    }

    /// Where to begin to look for the source of a mirror.
    pub(super) fn bootstrap_servers(&self, mirror: &str) -> String {
        let mirror = MirrorName::parse(mirror);
        let mirror = mirror.and_then(|mirror| self.metadata.mirrors().get(&mirror));
        mirror.and_then(|mirror| mirror.configs.get(BOOTSTRAP_SERVERS)).cloned().unwrap_or_default()
    }

    pub(super) async fn on_start_resolved(
        &mut self,
        resolved: ResolvedStart,
    ) -> Result<(), MirrorError> {
        let ResolvedStart { request, reply, watch, outcome } = resolved;
        if reply.is_closed() {
            return Ok(()); // whoever asked was told that nothing came of it
        }
        let mirror = MirrorName::parse(&request.mirror_name);
        let now = mirror.and_then(|mirror| self.sources.get(&mirror));
        // Where logs are cut is asked over the connection that was made: never of another source.
        let outcome = match now.map(|now| now.watch_number) == watch {
            true => outcome,
            false => Err(CHANGED.to_owned()),
        };
        let resolved = match outcome {
            Ok(resolved) => resolved,
            Err(reason) => {
                let message = format!(
                    "mirror {}: its source was not asked for topics: {reason}; nothing was \
                     changed: see that bootstrap.servers is right and the source is up",
                    request.mirror_name
                );
                let code = ResponseError::RequestTimedOut.code();
                let _ = reply.send(MirrorResponse::refusal(
                    MirrorApiKey::StartMirrorTopics,
                    code,
                    &message,
                ));
                return Ok(());
            }
        };
        if let Some(first) = resolved.missing.first() {
            let code = first.error().code();
            let servers = self.bootstrap_servers(&request.mirror_name);
            let message = format!(
                "mirror {}: nothing was started: {}",
                request.mirror_name,
                told(&resolved.missing, &servers)
            );
            let key = MirrorApiKey::StartMirrorTopics;
            let _ = reply.send(MirrorResponse::refusal(key, code, &message));
            return Ok(());
        }
        let started = self.start(&request, resolved).await?;
        let _ = reply.send(started);
        Ok(())
    }

    pub(super) async fn start(
        &mut self,
        request: &StartMirrorTopicsRequest,
        resolved: Resolved,
    ) -> Result<MirrorResponse, MirrorError> {
        if let Some(error) = self.own_source(&resolved.metadata) {
            return Ok(refusal(MirrorApiKey::StartMirrorTopics, &error));
        }
        let peer = resolved.peer.as_ref();
        let mut asked = start_request(request, &resolved.metadata);
        // It would close the topic to clients, and nobody would write it.
        asked.refused = loops(request, &resolved.metadata, peer);
        // What it would do to logs is looked at before anything is done.
        let mut plan = match self.plan_start_in_memory(&mut asked, &resolved.metadata) {
            Ok(plan) => plan,
            Err(error) => return Ok(refusal(MirrorApiKey::StartMirrorTopics, &error)),
        };
        let bound = plan.change.records().iter().filter_map(|record| match record {
            MetadataRecord::TopicBound { topic, .. } => Some(topic.clone()),
            _ => None,
        });
        let bound: BTreeSet<TopicName> = bound.collect();
        if request.plan_only {
            let planned = self.plan_of(&bound, &resolved);
            let configs = self.plan_configs(&request.mirror_name, &bound, &resolved.configs);
            let told = StartMirrorTopicsResponse {
                topics: outcomes(&plan),
                plan: planned,
                changed_acls: self.plan_acls(&request.mirror_name, &bound, &resolved),
                changed_configs: configs.changed.sentences(),
                ineffective_configs: configs.ineffective.sentences(),
                ..StartMirrorTopicsResponse::outcome(0, None)
            };
            return Ok(told.into());
        }
        let overwritten: BTreeMap<TopicName, String> = bound
            .iter()
            .filter_map(|topic| Some((topic.clone(), self.overwriting(topic, &resolved)?)))
            .collect();
        if !request.confirm && !overwritten.is_empty() {
            asked.refused.extend(overwritten.iter().map(|(topic, reason)| {
                (topic.clone(), CommandError::new(ErrorCode::InvalidRequest, reason))
            }));
            plan = match self.plan_start(&asked) {
                Ok(plan) => plan,
                Err(error) => return Ok(refusal(MirrorApiKey::StartMirrorTopics, &error)),
            };
        }
        let topics = new_topics(plan.change.records(), &resolved.metadata);
        if let Err(error) = self.commit(&plan.change, topics) {
            return Ok(self.uncommitted(MirrorApiKey::StartMirrorTopics, &error));
        }
        // A word that was given for an earlier start is not one for this.
        self.confirmed.retain(|topic| !bound.contains(topic));
        if request.confirm {
            self.confirmed.extend(overwritten.into_keys());
        }
        if let Some(name) = MirrorName::parse(&request.mirror_name) {
            if let Some(source) = self.sources.get_mut(&name) {
                // Of a source that was silent, an answer may still be on its way.
                let is_silent = peer.is_some_and(|peer| peer.silence().is_some());
                source.connected = resolved.client.filter(|_| !is_silent);
            }
            let metadata = resolved.metadata;
            self.on_look(&name, SourceLook { metadata, ..SourceLook::default() }).await?;
        }
        Ok(started(outcomes(&plan)))
    }

    /// Why nothing may be mirrored from this source, when it is this node.
    fn own_source(&self, source: &SourceMetadata) -> Option<CommandError> {
        let own = self.node.as_ref().map(|node| &node.cluster_id);
        let theirs = source.cluster_id.as_ref().filter(|theirs| own == Some(theirs))?;
        let reason = format!(
            "nothing was started: bootstrap.servers of the mirror leads to this node itself \
             (cluster {theirs}); give the address of the cluster to mirror from"
        );
        Some(CommandError::new(ErrorCode::InvalidRequest, reason))
    }

    /// Plans to start those topics whose partitions there is memory for; the others are refused.
    fn plan_start_in_memory(
        &self,
        request: &mut StartRequest,
        source: &SourceMetadata,
    ) -> Result<Planned, CommandError> {
        let plan = self.plan_start(request)?;
        let mut refused = BTreeMap::new();
        {
            let directory = self.destination.directory.lock();
            let mut room = self.destination.directory.partition_room(&directory.state);
            for record in plan.change.records() {
                let MetadataRecord::TopicBound { topic, .. } = record else { continue };
                let held = directory.state.partition_count(topic).unwrap_or(0);
                let theirs = source.topics.get(topic).map_or(0, |theirs| theirs.partition_count());
                if let Err(error) = room.take(topic, Binding::Bound, theirs - held) {
                    let message = format!("topic {topic} is not started: {error}");
                    let error = CommandError::new(ErrorCode::PolicyViolation, message);
                    refused.insert(topic.clone(), error);
                }
            }
        }
        if refused.is_empty() {
            return Ok(plan);
        }
        request.refused.extend(refused);
        self.plan_start(request)
    }

    fn plan_start(&self, request: &StartRequest) -> Result<Planned, CommandError> {
        let mut fresh_id = || random_id().expect("the system gives random bytes");
        self.with_view(|view| self.metadata.plan_start(request, view, &mut fresh_id))
    }

    /// Why starting a topic needs the operator's word, when it does: all its records are dropped,
    /// or may be, because nobody knows which of them the source has.
    fn overwriting(&self, name: &TopicName, resolved: &Resolved) -> Option<String> {
        let peer = resolved.peer.as_ref();
        let shown = self.destination.catalog.topic(name)?;
        let mut held = shown.partitions.iter().filter(|partition| partition.has_records());
        if let Some(silence) = peer.and_then(PeerMirrors::silence) {
            held.next()?;
            return Some(format!(
                "topic {name} holds records here, and {silence}: it may be that all of them would \
                 be dropped; start it when the source tells, or with --confirm if they may go"
            ));
        }
        let told =
            held.filter_map(|partition| Some((partition, position_of(partition, peer).ok()?)));
        let told: Vec<_> = told.collect();
        if told.iter().any(|(_, position)| position.is_empty()) {
            return Some(format!(
                "topic {name} holds records here and the source does not know where mirroring \
                 from here ended: all of them would be dropped; start it with --confirm if that \
                 is wanted, and look at it with ringmirror plan before"
            ));
        }
        let (partition, _) = told
            .iter()
            .find(|(one, position)| self.is_unfollowed(one, *position, &resolved.metadata))?;
        Some(format!(
            "the source did not follow {} since it was failed over to here: records written here \
             since then would be dropped; to keep them, have the source follow this node with \
             ringmirror failback, or start with --confirm if they may go",
            partition.name
        ))
    }

    /// True when records go that the source never had a chance to copy: it mirrored from here up
    /// to `told`, and we took over from it later than that. A source that followed us since has
    /// at least what we had then. Where we mirrored another source meanwhile, nothing is known.
    fn is_unfollowed(
        &self,
        partition: &Partition,
        told: MirrorPosition,
        source: &SourceMetadata,
    ) -> bool {
        let Some(state) = partition.view.state() else { return false };
        if cut_of(&state, told) == AlignmentCut::Keep {
            return false;
        }
        let Some(bound) = self.metadata.topics().get(&partition.name.topic) else {
            // What the mirror knew that was deleted, epochs tell: ours began behind the position.
            return state.epochs.latest() > told.epoch;
        };
        let mirror = self.metadata.mirrors().get(&bound.mirror);
        let was_from = mirror.and_then(|mirror| mirror.source_cluster_id.as_ref());
        let (_, ended) = self.stored(&bound.mirror, partition.id);
        was_from.is_some() && was_from == source.cluster_id.as_ref() && ended > told
    }

    /// What a start would do with each partition of these topics.
    fn plan_of(&self, topics: &BTreeSet<TopicName>, resolved: &Resolved) -> Vec<PlannedPartition> {
        let mut plan = Vec::new();
        for name in topics {
            let Some(source) = resolved.metadata.topics.get(name) else { continue };
            let shown = self.destination.catalog.topic(name);
            // Those that are only here lose what they have, too.
            let local = shown.iter().flat_map(|shown| &shown.partitions);
            let local = local.map(|partition| partition.id.partition);
            let indexes: BTreeSet<_> = source.partitions.keys().copied().chain(local).collect();
            for index in indexes {
                let here = shown.as_ref().and_then(|shown| shown.partition(index.get()));
                let at = TopicPartition { topic: name.clone(), partition: index };
                plan.push(self.plan_partition(&at, here, resolved));
            }
        }
        plan
    }

    /// What a start would do with the settings of these topics.
    fn plan_configs(
        &self,
        mirror: &str,
        topics: &BTreeSet<TopicName>,
        told: &TopicConfigs,
    ) -> PlannedConfigs {
        let excluded = MirrorName::parse(mirror).map(|name| self.excluded_configs(&name));
        let excluded = excluded.unwrap_or_default();
        let mut planned = PlannedConfigs::default();
        for name in topics {
            let Some(theirs) = told.configs.get(name) else { continue };
            let shown = self.destination.catalog.topic(name);
            let ours = shown.map(|shown| shown.configs.clone()).unwrap_or_default();
            planned.take(name, theirs, (&ours, &excluded));
        }
        planned
    }

    /// What a start of these topics would do with access control lists.
    fn plan_acls(
        &self,
        mirror: &str,
        topics: &BTreeSet<TopicName>,
        resolved: &Resolved,
    ) -> Vec<String> {
        let Some((mirror, told)) = MirrorName::parse(mirror).zip(resolved.acls.as_ref()) else {
            return Vec::new();
        };
        match told {
            Ok(told) => planned_acls(&self.destination.directory, &mirror, topics, told),
            Err(reason) => vec![format!("the rules of the source are not known: {reason}")],
        }
    }

    fn plan_partition(
        &self,
        at: &TopicPartition,
        here: Option<&Arc<Partition>>,
        resolved: &Resolved,
    ) -> PlannedPartition {
        let told = here.map(|one| position_of(one, resolved.peer.as_ref()));
        let told = told.unwrap_or(Ok(MirrorPosition::EMPTY));
        let position = told.as_ref().copied().unwrap_or(MirrorPosition::EMPTY);
        let state = here.and_then(|one| one.view.state());
        let ends = state.as_ref().map(|state| (state.log_start.offset(), state.log_end.offset()));
        let truncate_to = state.as_ref().map(|state| match cut_of(state, position) {
            AlignmentCut::Keep => state.log_end.offset(),
            AlignmentCut::TruncateTo(offset) | AlignmentCut::StartAt(offset) => offset,
        });
        let is_at_risk = |one: &Arc<Partition>| {
            one.has_records()
                && (position.is_empty() || self.is_unfollowed(one, position, &resolved.metadata))
        };
        let needs_confirmation = told.is_ok() && here.is_some_and(is_at_risk);
        let refusal = told.err();
        PlannedPartition {
            topic_name: at.topic.to_string(),
            partition_index: at.partition.get(),
            is_new: here.is_none(),
            local_start: ends.map_or(-1, |(start, _)| start.get()),
            local_end: ends.map_or(-1, |(_, end)| end.get()),
            truncate_to: truncate_to.map_or(-1, Offset::get),
            source_end: resolved.log_ends.get(at).map_or(-1, |end| end.get()),
            last_mirror_epoch: position.wire_epoch(),
            last_mirror_offset: position.wire_offset(),
            needs_confirmation,
            error_code: if refusal.is_some() { ResponseError::InvalidRequest.code() } else { 0 },
            error_message: refusal.map(|refusal| refusal.reason),
            copied_bytes: -1,
        }
    }
}

/// Where mirroring from here ended at the source.
fn position_of(
    partition: &Partition,
    peer: Option<&PeerMirrors>,
) -> Result<MirrorPosition, AlignmentFailure> {
    let name = &partition.name;
    peer.map_or(Ok(MirrorPosition::EMPTY), |peer| peer.position_of(&name.topic, name.partition))
}

/// The request as the metadata plans it.
fn start_request(request: &StartMirrorTopicsRequest, source: &SourceMetadata) -> StartRequest {
    let found = source.topics.iter();
    let found =
        found.map(|(name, topic)| SourceTopic { name: name.clone(), topic_id: topic.topic_id });
    let named = request.topics.iter().filter_map(|topic| {
        let name = TopicName::parse(&topic.topic_name)?;
        let topic_id = kafka_wire::partition::TopicId::from_wire(topic.topic_id);
        Some(SourceTopic { name, topic_id })
    });
    StartRequest {
        mirror: request.mirror_name.clone(),
        include: request.include_patterns.clone(),
        exclude: request.exclude_patterns.clone(),
        found: found.collect(),
        named: named.collect(),
        refused: BTreeMap::new(),
        state_offset: (request.state_offset >= 0).then_some(request.state_offset),
    }
}

/// Topics that the source mirrors from here.
fn loops(
    request: &StartMirrorTopicsRequest,
    source: &SourceMetadata,
    peer: Option<&PeerMirrors>,
) -> BTreeMap<TopicName, CommandError> {
    let mirror = &request.mirror_name;
    let refused = |name: &TopicName| {
        let found = peer?.loop_of(name)?;
        let message = format!("{found}; mirror {mirror} leaves topic {name} as it is");
        Some((name.clone(), CommandError::new(ErrorCode::InvalidRequest, message)))
    };
    source.topics.keys().filter_map(refused).collect()
}

/// Topics of a plan, as the source has them.
fn new_topics(
    records: &[MetadataRecord],
    source: &SourceMetadata,
) -> Vec<(TopicName, MirrorTopic)> {
    let bound = records.iter().filter_map(|record| match record {
        MetadataRecord::TopicBound { topic, topic_id, .. } => Some((topic, *topic_id)),
        _ => None,
    });
    let new = bound.filter_map(|(name, topic_id)| {
        Some((name.clone(), new_topic(topic_id, source.topics.get(name)?)))
    });
    new.collect()
}

/// The answer: the first topic's refusal is that of the request.
fn started(topics: Vec<WireOutcome>) -> MirrorResponse {
    let first = topics.iter().find(|topic| topic.error_code != 0);
    let (error_code, error_message) =
        first.map_or((0, None), |first| (first.error_code, first.error_message.clone()));
    let outcome = StartMirrorTopicsResponse::outcome(error_code, error_message);
    StartMirrorTopicsResponse { topics, ..outcome }.into()
}

/// Why what the source said does not count.
const CHANGED: &str = "the mirror was deleted meanwhile, or made anew, or its settings were \
                       changed: start again if that is still wanted";

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} ms", limit.as_millis())
}
