//! What clients order of mirrors: planned against the metadata, put on disk, then answered. What
//! follows happens after the answer.

use kafka_protocol::error::ResponseError;
use kafka_wire::mirror_api::bump_leader_epochs::{
    BumpLeaderEpochsRequest, BumpLeaderEpochsResponse, BumpedPartitionOutcome, BumpedTopicOutcome,
};
use kafka_wire::mirror_api::delete_cluster_mirror::DeleteClusterMirrorResponse;
use kafka_wire::mirror_api::mirror_topic::{MirrorTopic, TopicOutcome as WireOutcome};
use kafka_wire::mirror_api::pause_mirror_topics::PauseMirrorTopicsResponse;
use kafka_wire::mirror_api::recover_mirror_topics::{
    RecoverMirrorTopicsRequest, RecoverMirrorTopicsResponse,
};
use kafka_wire::mirror_api::resume_mirror_topics::ResumeMirrorTopicsResponse;
use kafka_wire::mirror_api::stop_mirror_topics::StopMirrorTopicsResponse;
use kafka_wire::mirror_api::{MirrorApiKey, MirrorRequest, MirrorResponse};
use kafka_wire::partition::{TopicId, TopicName};
use mirror_coordinator::cluster_metadata::command_error::CommandError;
use mirror_coordinator::cluster_metadata::hold::TopicsRequest;
use mirror_coordinator::cluster_metadata::start::NodeView;
use mirror_coordinator::cluster_metadata::{MetadataChange, Planned, StopRequest, TopicOutcome};
use mirror_coordinator::lifecycle::Input;
use mirror_coordinator::mirror_config::config_change::{ConfigChange, ConfigOperation};
use mirror_coordinator::mirror_config::described::described;
use mirror_coordinator::mirror_name::MirrorName;

use tokio::sync::oneshot;

use super::MirrorLoop;
use super::topic_changes::CommitError;
use crate::mirror_orders::{
    MirrorOrder, MirrorSetting, MirrorSettingChange, NodeSettingsOrder, OrderRefusal,
    SettingOperation, SettingsKept,
};

impl MirrorLoop<'_> {
    pub(super) fn on_order(&mut self, order: MirrorOrder) {
        if order.is_abandoned() {
            return;
        }
        self.follow_deletions();
        // Whoever asked may have left meanwhile.
        match order {
            MirrorOrder::Api { request, reply } => self.on_request(request, reply),
            MirrorOrder::DescribeConfigs { mirror, reply } => {
                let _ = reply.send(self.settings(&mirror));
            }
            MirrorOrder::AlterConfigs { mirror, changes, validate_only, reply } => {
                let _ = reply.send(self.alter(&mirror, changes, validate_only));
            }
            MirrorOrder::DescribeNodeConfigs { reply } => {
                let _ = reply.send(self.node_configs());
            }
            MirrorOrder::AlterNodeConfigs { order, reply } => {
                let _ = reply.send(self.alter_node(order));
            }
            MirrorOrder::ListMirrors { reply } => {
                let names = self.metadata.mirrors().keys().map(MirrorName::to_string);
                let _ = reply.send(names.collect());
            }
        }
    }

    fn on_request(&mut self, request: MirrorRequest, reply: oneshot::Sender<MirrorResponse>) {
        // What changes metadata is refused when that is put on disk.
        let needs_states = match &request {
            MirrorRequest::StartMirrorTopics(start) => !start.plan_only,
            MirrorRequest::RecoverMirrorTopics(_) | MirrorRequest::BumpLeaderEpochs(_) => true,
            _ => false,
        };
        if let (true, Err(error)) = (needs_states, self.check_states_are_written()) {
            let _ = reply.send(self.uncommitted(request.key(), &error));
            return;
        }
        match request {
            MirrorRequest::StartMirrorTopics(request) => self.begin_start(request, reply),
            MirrorRequest::CreateClusterMirror(request) => self.begin_create(request, reply),
            request => {
                let _ = reply.send(self.answer(request));
            }
        }
    }

    fn answer(&mut self, request: MirrorRequest) -> MirrorResponse {
        let key = request.key();
        let answered = match request {
            MirrorRequest::DeleteClusterMirror(request) => {
                let offset = checked_offset(request.state_offset);
                let name = request.mirror_name;
                let planned = self.with_view(|view| self.metadata.plan_delete(&name, offset, view));
                planned.map(|change| {
                    self.committed(key, &change, || {
                        DeleteClusterMirrorResponse::outcome(0, None).into()
                    })
                })
            }
            MirrorRequest::StopMirrorTopics(request) => {
                let stop = StopRequest {
                    mirror: request.mirror_name,
                    topics: names(request.topics),
                    patterns: request.patterns,
                    state_offset: checked_offset(request.state_offset),
                };
                let planned = self.with_view(|view| self.metadata.plan_stop(&stop, view));
                self.topics_changed(key, planned, |topics| {
                    let outcome = StopMirrorTopicsResponse::outcome(0, None);
                    StopMirrorTopicsResponse { topics, ..outcome }.into()
                })
            }
            MirrorRequest::PauseMirrorTopics(request) => {
                let topics = names(request.topics);
                let hold = topics_request(request.mirror_name, topics, request.state_offset);
                let planned = self.with_view(|view| self.metadata.plan_pause(&hold, view));
                self.topics_changed(key, planned, |topics| {
                    let outcome = PauseMirrorTopicsResponse::outcome(0, None);
                    PauseMirrorTopicsResponse { topics, ..outcome }.into()
                })
            }
            MirrorRequest::ResumeMirrorTopics(request) => {
                let topics = names(request.topics);
                let hold = topics_request(request.mirror_name, topics, request.state_offset);
                let planned = self.with_view(|view| self.metadata.plan_resume(&hold, view));
                self.topics_changed(key, planned, |topics| {
                    let outcome = ResumeMirrorTopicsResponse::outcome(0, None);
                    ResumeMirrorTopicsResponse { topics, ..outcome }.into()
                })
            }
            MirrorRequest::RecoverMirrorTopics(request) => self.recover(request),
            other => Ok(self.answer_reading(other)),
        };
        answered.unwrap_or_else(|error| refusal(key, &error))
    }

    /// Puts a change of topics on disk and answers what became of each.
    fn topics_changed(
        &mut self,
        key: MirrorApiKey,
        planned: Result<Planned, CommandError>,
        answer: impl FnOnce(Vec<WireOutcome>) -> MirrorResponse,
    ) -> Result<MirrorResponse, CommandError> {
        let planned = planned?;
        Ok(self.committed(key, &planned.change, || answer(outcomes(&planned))))
    }

    /// Answers what changes no metadata.
    fn answer_reading(&mut self, request: MirrorRequest) -> MirrorResponse {
        match request {
            MirrorRequest::ListClusterMirrors(request) => self.list_mirrors(&request).into(),
            MirrorRequest::DescribeClusterMirrors(request) => {
                self.describe_mirrors(&request).into()
            }
            MirrorRequest::ReadMirrorStates(request) => self.read_states(&request).into(),
            MirrorRequest::ReadMirrorOffsets(request) => self.read_offsets(&request).into(),
            MirrorRequest::BumpLeaderEpochs(request) => self.bump(&request).into(),
            other => MirrorResponse::refusal(
                other.key(),
                ResponseError::ClusterAuthorizationFailed.code(),
                "This node is the only broker of its cluster and writes its states itself.",
            ),
        }
    }

    fn recover(
        &mut self,
        request: RecoverMirrorTopicsRequest,
    ) -> Result<MirrorResponse, CommandError> {
        let recover = topics_request(request.mirror_name, names(request.topics), -1);
        let recovery = self.with_view(|view| self.metadata.plan_recover(&recover, view))?;
        for (_, partition) in &recovery.partitions {
            self.inputs.push_back(Input::Recover(*partition));
        }
        let topics = recovery.outcomes.iter().map(outcome).collect();
        Ok(RecoverMirrorTopicsResponse { topics, ..RecoverMirrorTopicsResponse::outcome(0, None) }
            .into())
    }

    /// Raises leader epochs, as a controller does that is asked to.
    fn bump(&mut self, request: &BumpLeaderEpochsRequest) -> BumpLeaderEpochsResponse {
        let mut topics = Vec::new();
        for topic in &request.topics {
            let name = TopicName::parse(&topic.topic_name);
            let bound = name.as_ref().and_then(|name| self.metadata.topics().get(name)).cloned();
            let shown = name.and_then(|name| self.destination.catalog.topic(&name));
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let index = asked.partition_index;
                let partition = shown.as_ref().and_then(|shown| shown.partition(index));
                let raised = match (partition, &bound) {
                    (Some(partition), Some(bound)) => {
                        self.raise_on_request(partition.id, asked.min_leader_epoch, bound)
                    }
                    _ => {
                        Err(("No such mirrored partition.", ResponseError::UnknownTopicOrPartition))
                    }
                };
                let error = raised.err();
                partitions.push(BumpedPartitionOutcome {
                    partition_index: index,
                    error_code: error.map_or(0, |(_, error)| error.code()),
                    error_message: error.map(|(message, _)| message.to_owned()),
                });
            }
            topics.push(BumpedTopicOutcome { topic_name: topic.topic_name.clone(), partitions });
        }
        BumpLeaderEpochsResponse { topics, ..BumpLeaderEpochsResponse::outcome(0, None) }
    }

    /// Puts a change on disk and answers.
    pub(super) fn committed(
        &mut self,
        key: MirrorApiKey,
        change: &MetadataChange,
        answer: impl FnOnce() -> MirrorResponse,
    ) -> MirrorResponse {
        match self.commit(change, Vec::new()) {
            Ok(()) => answer(),
            Err(error) => self.uncommitted(key, &error),
        }
    }

    /// Answers that a change does not count.
    pub(super) fn uncommitted(&mut self, key: MirrorApiKey, error: &CommitError) -> MirrorResponse {
        let OrderRefusal { code, message } = self.uncommitted_order(error);
        MirrorResponse::refusal(key, code, &message)
    }

    fn uncommitted_order(&mut self, error: &CommitError) -> OrderRefusal {
        self.tell_uncommitted(error);
        OrderRefusal { code: error.code(), message: format!("{error}; nothing was changed") }
    }

    /// Plans with what is known of topics and partitions here.
    pub(super) fn with_view<T>(&self, plan: impl FnOnce(&NodeView<'_>) -> T) -> T {
        let catalog = &self.destination.catalog;
        let topic_id = |name: &TopicName| Some(catalog.topic(name)?.id);
        let topic_of = |id: TopicId| Some(catalog.topic_of(id)?.name.clone());
        let states = |mirror: &MirrorName, id: TopicId| {
            let shown = catalog.topic_of(id);
            let partitions = shown.iter().flat_map(|shown| &shown.partitions);
            let state = |id| self.stored(mirror, id).0.state;
            partitions.map(|one| (one.id.partition, state(one.id))).collect()
        };
        plan(&NodeView { topic_id: &topic_id, topic_of: &topic_of, states: &states })
    }

    fn settings(&self, mirror: &str) -> Result<Vec<MirrorSetting>, OrderRefusal> {
        let (_, mirror) = self.metadata.mirror_named(mirror).map_err(order_refusal)?;
        let shown = described(&mirror.configs, mirror.source_cluster_id.as_deref());
        let setting = shown.into_iter().map(|one| MirrorSetting {
            name: one.name,
            value: one.value,
            is_set: !one.is_default,
            is_sensitive: one.is_sensitive,
            is_read_only: one.is_read_only,
            kind: one.kind.number(),
        });
        Ok(setting.collect())
    }

    fn alter(
        &mut self,
        mirror: &str,
        changes: Vec<MirrorSettingChange>,
        validate_only: bool,
    ) -> Result<(), OrderRefusal> {
        let changes: Vec<_> = changes.into_iter().map(config_change).collect();
        let planned = self.metadata.plan_alter_configs(mirror, &changes).map_err(order_refusal)?;
        if validate_only {
            return Ok(());
        }
        self.committed_order(&planned.change)
    }

    fn alter_node(&mut self, order: NodeSettingsOrder) -> Result<(), OrderRefusal> {
        let NodeSettingsOrder { scope, changes, kept, validate_only } = order;
        let changes: Vec<_> = changes.into_iter().map(config_change).collect();
        let planned = match kept {
            SettingsKept::Others => self.metadata.plan_alter_node_configs(scope, &changes),
            SettingsKept::None => self.metadata.plan_replace_node_configs(scope, &changes),
        };
        let change = planned.map_err(order_refusal)?;
        if validate_only {
            return Ok(());
        }
        self.committed_order(&change)
    }

    fn committed_order(&mut self, change: &MetadataChange) -> Result<(), OrderRefusal> {
        self.commit(change, Vec::new()).map_err(|error| self.uncommitted_order(&error))
    }
}

fn config_change(change: MirrorSettingChange) -> ConfigChange {
    let MirrorSettingChange { name, operation } = change;
    let (operation, value) = match operation {
        SettingOperation::Set(value) => (ConfigOperation::Set, Some(value)),
        SettingOperation::Delete => (ConfigOperation::Delete, None),
        SettingOperation::Append(value) => (ConfigOperation::Append, Some(value)),
        SettingOperation::Subtract(value) => (ConfigOperation::Subtract, Some(value)),
    };
    ConfigChange { name, operation, value }
}

fn order_refusal(error: CommandError) -> OrderRefusal {
    OrderRefusal { code: error.code.number(), message: error.message }
}

/// The answer to a request that is refused as a whole.
pub(super) fn refusal(key: MirrorApiKey, error: &CommandError) -> MirrorResponse {
    MirrorResponse::refusal(key, error.code.number(), &error.message)
}

/// What became of each topic.
pub(super) fn outcomes(planned: &Planned) -> Vec<WireOutcome> {
    planned.outcomes.iter().map(outcome).collect()
}

fn outcome(outcome: &TopicOutcome) -> WireOutcome {
    let error = outcome.result.as_ref().err();
    WireOutcome {
        name: outcome.topic.clone(),
        error_code: error.map_or(0, |error| error.code.number()),
        error_message: error.map(|error| error.message.clone()),
    }
}

fn topics_request(mirror: String, topics: Vec<String>, state_offset: i64) -> TopicsRequest {
    TopicsRequest { mirror, topics, state_offset: checked_offset(state_offset) }
}

fn names(topics: Vec<MirrorTopic>) -> Vec<String> {
    topics.into_iter().map(|topic| topic.topic_name).collect()
}

fn checked_offset(state_offset: i64) -> Option<i64> {
    (state_offset >= 0).then_some(state_offset)
}
