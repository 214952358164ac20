//! A node as commands about mirrors ask it: requests with names, refusals as errors that name the
//! fix.

use std::collections::BTreeSet;

use kafka_wire::mirror_api::create_cluster_mirror::{
    ConfigValue, CreateClusterMirrorRequest, MirrorConfig,
};
use kafka_wire::mirror_api::delete_cluster_mirror::DeleteClusterMirrorRequest;
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsRequest, DescribedMirror,
};
use kafka_wire::mirror_api::list_cluster_mirrors::{ListClusterMirrorsRequest, ListedMirror};
use kafka_wire::mirror_api::mirror_topic::{MirrorTopic, TopicOutcome};
use kafka_wire::mirror_api::pause_mirror_topics::PauseMirrorTopicsRequest;
use kafka_wire::mirror_api::recover_mirror_topics::RecoverMirrorTopicsRequest;
use kafka_wire::mirror_api::resume_mirror_topics::ResumeMirrorTopicsRequest;
use kafka_wire::mirror_api::start_mirror_topics::{
    StartMirrorTopicsRequest, StartMirrorTopicsResponse,
};
use kafka_wire::mirror_api::stop_mirror_topics::StopMirrorTopicsRequest;
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};
use mirror_coordinator::desired_state::DesiredState;
use mirror_node::client_properties::ClientProperties;
use mirror_node::properties::Property;
use mirror_node::source_client::SourceClient;
use mirror_node::source_client::mirrors::MergedMirrors;
use mirror_node::source_connection::error_name;

use crate::cli::mirrors::ClusterArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::source_options::read_client_properties;

/// A node, or a cluster of them.
#[derive(Debug)]
pub(crate) struct NodeClient {
    client: SourceClient,
}

/// What a start is to do.
#[derive(Clone, Debug)]
pub(crate) struct StartWish {
    pub(crate) mirror: String,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    /// True when records that are only here may go.
    pub(crate) confirm: bool,
    /// True when only a plan is wanted.
    pub(crate) plan_only: bool,
}

/// What can be done with topics of a mirror that are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicAction {
    Stop,
    Pause,
    Resume,
    Recover,
}

impl NodeClient {
    /// The cluster that a command names; connects nothing yet.
    ///
    /// # Errors
    /// When an address or the configuration file is wrong.
    pub(crate) fn of(args: &ClusterArgs) -> Result<Self, CommandError> {
        let mut properties = read_client_properties(args.command_config.as_deref())?;
        let servers = args.bootstrap_server.iter().map(|text| address(text));
        properties.bootstrap_servers = servers.collect::<Result<_, _>>()?;
        Ok(Self::with(properties))
    }

    /// The same, with other servers.
    pub(crate) fn at(args: &ClusterArgs, servers: &[String]) -> Result<Self, CommandError> {
        Self::of(&ClusterArgs { bootstrap_server: servers.to_vec(), ..args.clone() })
    }

    fn with(properties: ClientProperties) -> Self {
        Self { client: SourceClient::new(properties) }
    }

    /// The cluster's id.
    pub(crate) async fn cluster_id(&mut self) -> Result<String, CommandError> {
        let id = self.client.cluster().await?.cluster_id;
        let text = "the cluster tells no id, so it cannot be told apart from others; is it older \
                    than Kafka 0.10.1?";
        id.ok_or_else(|| CommandError::new(ExitCode::Source, anyhow::anyhow!(text)))
    }

    /// Names of the cluster's topics, those of its own left out.
    pub(crate) async fn topics(&mut self) -> Result<Vec<String>, CommandError> {
        let topics = self.client.metadata().await?.topics;
        let public = topics.iter().filter(|(name, topic)| {
            !topic.is_internal && !name.as_str().starts_with(INTERNAL_PREFIX)
        });
        Ok(public.map(|(name, _)| name.to_string()).collect())
    }

    /// How often a failed partition is tried again, when the node tells.
    pub(crate) async fn retry_attempts_max(&mut self) -> Result<Option<String>, CommandError> {
        Ok(self.client.broker_setting(RETRY_ATTEMPTS_MAX).await?)
    }

    pub(crate) async fn create(
        &mut self,
        mirror: &str,
        settings: &[Property],
    ) -> Result<(), CommandError> {
        let configs = settings.iter().map(|setting| MirrorConfig {
            name: setting.key.clone(),
            value: ConfigValue(Some(setting.value.clone())),
        });
        let request = CreateClusterMirrorRequest {
            mirror_name: mirror.to_owned(),
            configs: configs.collect(),
        };
        self.ask(request).await.map(drop)
    }

    pub(crate) async fn delete(&mut self, mirror: &str) -> Result<(), CommandError> {
        let mirror_name = mirror.to_owned();
        self.ask(DeleteClusterMirrorRequest { mirror_name, state_offset: -1 }).await.map(drop)
    }

    /// Starts topics, or says what that would do. Refusals of single topics are in the answer.
    pub(crate) async fn start(
        &mut self,
        wish: &StartWish,
    ) -> Result<StartMirrorTopicsResponse, CommandError> {
        let request = StartMirrorTopicsRequest {
            mirror_name: wish.mirror.clone(),
            include_patterns: wish.include.clone(),
            timeout_ms: START_TIMEOUT_MS,
            topics: Vec::new(),
            state_offset: -1,
            exclude_patterns: wish.exclude.clone(),
            confirm: wish.confirm,
            plan_only: wish.plan_only,
        };
        match self.client.mirror_request(&request.into()).await? {
            // The first topic's error is that of the request, and is told with its topic.
            MirrorResponse::StartMirrorTopics(told)
                if told.error_code == 0 || names_a_refusal(&told) =>
            {
                Ok(told)
            }
            other => Err(refusal(&other)),
        }
    }

    /// Does something with topics that are named; `patterns` are for the filters, of a stop only.
    pub(crate) async fn act(
        &mut self,
        action: TopicAction,
        mirror: &str,
        topics: &[String],
        patterns: &[String],
    ) -> Result<Vec<TopicOutcome>, CommandError> {
        let named = topics.iter().map(|name| MirrorTopic { topic_name: name.clone() }).collect();
        let (mirror_name, topics, state_offset) = (mirror.to_owned(), named, -1);
        let request: MirrorRequest = match action {
            TopicAction::Stop => {
                let patterns = patterns.to_vec();
                StopMirrorTopicsRequest { mirror_name, topics, state_offset, patterns }.into()
            }
            TopicAction::Pause => {
                PauseMirrorTopicsRequest { mirror_name, topics, state_offset }.into()
            }
            TopicAction::Resume => {
                ResumeMirrorTopicsRequest { mirror_name, topics, state_offset }.into()
            }
            TopicAction::Recover => RecoverMirrorTopicsRequest { mirror_name, topics }.into(),
        };
        let response = self.client.mirror_request(&request).await?;
        let outcomes = match &response {
            MirrorResponse::StopMirrorTopics(told) => &told.topics,
            MirrorResponse::PauseMirrorTopics(told) => &told.topics,
            MirrorResponse::ResumeMirrorTopics(told) => &told.topics,
            MirrorResponse::RecoverMirrorTopics(told) => &told.topics,
            other => return Err(refusal(other)),
        };
        if response.outcome().0 != 0 && outcomes.iter().all(|outcome| outcome.error_code == 0) {
            return Err(refusal(&response));
        }
        // A topic that is named and matched is answered twice.
        let mut seen = BTreeSet::new();
        let first = outcomes.iter().filter(|outcome| seen.insert(&outcome.name));
        Ok(first.cloned().collect())
    }

    /// Mirrors with their topics of these intents; every mirror when none is named.
    pub(crate) async fn list(
        &mut self,
        mirror: Option<&str>,
        desired: &[DesiredState],
    ) -> Result<Vec<ListedMirror>, CommandError> {
        let request = ListClusterMirrorsRequest {
            mirror_name: mirror.map(str::to_owned),
            source_cluster_id: None,
            desired_states: desired.iter().map(|state| state.number()).collect(),
        };
        match self.ask(request).await? {
            MirrorResponse::ListClusterMirrors(told) => Ok(told.mirrors),
            other => Err(refusal(&other)),
        }
    }

    /// True when there is a mirror of that name.
    pub(crate) async fn has_mirror(&mut self, mirror: &str) -> Result<bool, CommandError> {
        let listed = self.list(Some(mirror), &DesiredState::ALL).await?;
        Ok(listed.iter().any(|listed| listed.mirror_name == mirror))
    }

    /// The topics of a mirror by what is wanted of them.
    ///
    /// # Errors
    /// When there is no such mirror, too.
    pub(crate) async fn topics_of(&mut self, mirror: &str) -> Result<MirrorTopics, CommandError> {
        let mut topics = MirrorTopics::default();
        for desired in DesiredState::ALL {
            let listed = self.list(Some(mirror), &[desired]).await?;
            let Some(listed) = listed.into_iter().find(|listed| listed.mirror_name == mirror)
            else {
                return Err(unknown_mirror(mirror));
            };
            let names = listed.topic_names.unwrap_or_default();
            match desired {
                DesiredState::Mirroring => topics.mirroring = names,
                DesiredState::Paused => topics.paused = names,
                DesiredState::Stopped => topics.stopped = names,
            }
        }
        Ok(topics)
    }

    /// Every partition of a mirror, or of all; `position_for` is the cluster that last positions
    /// are asked for.
    pub(crate) async fn describe(
        &mut self,
        mirror: Option<&str>,
        position_for: Option<&str>,
    ) -> Result<Vec<DescribedMirror>, CommandError> {
        let MergedMirrors { mirrors, unanswered } =
            self.describe_partly(mirror, position_for).await?;
        match unanswered.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(mirrors),
        }
    }

    /// The same, and why some brokers told nothing.
    pub(crate) async fn describe_partly(
        &mut self,
        mirror: Option<&str>,
        position_for: Option<&str>,
    ) -> Result<MergedMirrors, CommandError> {
        let request = DescribeClusterMirrorsRequest {
            mirror_names: mirror.map(|name| vec![name.to_owned()]),
            cluster_id: position_for.map(str::to_owned),
            ..DescribeClusterMirrorsRequest::everything()
        };
        let described = self.client.describe_mirrors(&request).await?;
        for mirror in &described.mirrors {
            if mirror.error_code != 0 {
                let what = format!("mirror {}", mirror.mirror_name);
                return Err(refused(&what, mirror.error_code, mirror.error_message.as_deref()));
            }
        }
        match mirror {
            Some(name) if described.mirrors.is_empty() => Err(unknown_mirror(name)),
            _ => Ok(described),
        }
    }

    /// Asks, and takes no answer with an error.
    async fn ask(
        &mut self,
        request: impl Into<MirrorRequest>,
    ) -> Result<MirrorResponse, CommandError> {
        let response = self.client.mirror_request(&request.into()).await?;
        if response.outcome().0 == 0 { Ok(response) } else { Err(refusal(&response)) }
    }
}

/// Topics of a mirror, by what is wanted of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MirrorTopics {
    pub(crate) mirroring: Vec<String>,
    pub(crate) paused: Vec<String>,
    pub(crate) stopped: Vec<String>,
}

/// Reads `host:port`; `:port` is one of this machine, as with Kafka's tools.
fn address(text: &str) -> Result<mirror_uring::BrokerAddress, CommandError> {
    let text = text.trim();
    let here = text.starts_with(':').then(|| format!("localhost{text}"));
    Ok(mirror_node::client_properties::parse_address(here.as_deref().unwrap_or(text))?)
}

fn names_a_refusal(told: &StartMirrorTopicsResponse) -> bool {
    told.topics.iter().any(|topic| topic.error_code != 0)
        || told.plan.iter().any(|partition| partition.error_code != 0)
}

fn unknown_mirror(name: &str) -> CommandError {
    refused(&format!("mirror {name}"), UNKNOWN_CLUSTER_MIRROR, None)
}

fn refusal(response: &MirrorResponse) -> CommandError {
    let (code, message) = response.outcome();
    refused(response.key().name(), code, message)
}

/// An error of the node, with what helps where the node does not say that itself.
pub(crate) fn refused(what: &str, code: i16, message: Option<&str>) -> CommandError {
    let name = error_name(code);
    let message = message.filter(|text| !text.is_empty());
    let said = match (message, fix(code)) {
        (Some(text), _) => format!(": {text}"),
        (None, Some(fix)) => format!("; {fix}"),
        (None, None) => String::new(),
    };
    CommandError::new(ExitCode::Failed, anyhow::anyhow!("{what}: {name} ({code}){said}"))
}

/// What to do about an error that says only what is wrong.
fn fix(code: i16) -> Option<&'static str> {
    Some(match code {
        7 | 14 | 15 | 16 => "try again in a moment",
        128 => "expressions match whole names, as in 'orders-.*'",
        UNKNOWN_CLUSTER_MIRROR => "`ringmirror cluster-mirrors --list` shows the mirrors there are",
        136 => "use the mirror that exists, or another name",
        138 => "stop the topic in the other mirror first, with --stop",
        139 => "`ringmirror cluster-mirrors --describe` shows which topics belong to it",
        142 => "it can be started again when it is stopped",
        143 => "stop its topics first: --stop --topics '.*'",
        145 => "`ringmirror cluster-mirrors --describe` shows the states",
        146 => "stop it first, with --stop, to start it anew",
        _ => return None,
    })
}

/// How long the node may look for topics at the source, milliseconds.
const START_TIMEOUT_MS: i32 = 30_000;
/// What `topics.exclude` leaves out by default.
const INTERNAL_PREFIX: &str = "__";
const UNKNOWN_CLUSTER_MIRROR: i16 = 137;
const RETRY_ATTEMPTS_MAX: &str = "mirror.failed.retry.max.attempts";

#[cfg(test)]
mod tests;
