//! Making a mirror: its source is asked whether it lets us do what the mirror needs, beside the
//! loop, and the mirror is made unless it says no. A source that does not answer keeps nobody from
//! it: it may come up later.

use std::time::Duration;

use kafka_wire::mirror_api::create_cluster_mirror::{
    CreateClusterMirrorRequest, CreateClusterMirrorResponse,
};
use kafka_wire::mirror_api::{MirrorApiKey, MirrorResponse};
use mirror_coordinator::cluster_metadata::command_error::CommandError;
use mirror_coordinator::cluster_metadata::{MetadataChange, MetadataRecord};
use mirror_coordinator::mirror_config::{BOOTSTRAP_SERVERS, MirrorConfig};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::orders::refusal;
use super::{LoopEvent, MirrorLoop};
use crate::source_client::SourceClient;
use crate::source_rights::{MissingRight, missing_for, told};

/// A mirror that is to be made, whose source was asked.
#[derive(Debug)]
pub(crate) struct AskedCreate {
    request: CreateClusterMirrorRequest,
    reply: oneshot::Sender<MirrorResponse>,
    bootstrap_servers: String,
    missing: Vec<MissingRight>,
}

impl MirrorLoop<'_> {
    /// Asks the source of a mirror that could be made; the rest follows when it answered.
    pub(super) fn begin_create(
        &self,
        request: CreateClusterMirrorRequest,
        reply: oneshot::Sender<MirrorResponse>,
    ) {
        let change = match self.plan_create(&request) {
            Ok(change) => change,
            Err(error) => {
                let _ = reply.send(refusal(MirrorApiKey::CreateClusterMirror, &error));
                return;
            }
        };
        let configs = change.records().iter().find_map(|record| match record {
            MetadataRecord::Mirror(_, mirror) => Some(mirror.configs.clone()),
            _ => None,
        });
        let configs = configs.unwrap_or_default();
        let bootstrap_servers = configs.get(BOOTSTRAP_SERVERS).cloned().unwrap_or_default();
        let config = MirrorConfig::parse(&configs).ok();
        let properties = config.as_ref().map(|config| self.client_properties(config));
        let events = self.event_sender.clone();
        tokio::spawn(async move {
            let mut missing = Vec::new();
            if let (Some(config), Some(properties)) = (config, properties) {
                let mut client = SourceClient::new(properties);
                let asked = timeout(PATIENCE, missing_for(&mut client, &config)).await;
                match asked {
                    Ok(Ok(found)) => missing = found,
                    Ok(Err(error)) => tracing::debug!(%error, "the source is not asked for rights"),
                    Err(_) => tracing::debug!("the source does not say in time what it allows"),
                }
            }
            let asked = AskedCreate { request, reply, bootstrap_servers, missing };
            let _ = events.send(LoopEvent::CreateAsked(Box::new(asked))).await;
        });
    }

    pub(super) fn on_create_asked(&mut self, asked: AskedCreate) {
        let AskedCreate { request, reply, bootstrap_servers, missing } = asked;
        if reply.is_closed() {
            return; // whoever asked was told that nothing came of it
        }
        let key = MirrorApiKey::CreateClusterMirror;
        let response = match (missing.first(), self.plan_create(&request)) {
            (_, Err(error)) => refusal(key, &error),
            (Some(first), _) => {
                let message = format!(
                    "mirror {} was not made: {}; without groups or access control lists, make it \
                     with groups.include= or acls.include= empty",
                    request.mirror_name,
                    told(&missing, &bootstrap_servers)
                );
                MirrorResponse::refusal(key, first.error().code(), &message)
            }
            (None, Ok(change)) => self
                .committed(key, &change, || CreateClusterMirrorResponse::outcome(0, None).into()),
        };
        let _ = reply.send(response);
    }

    fn plan_create(
        &self,
        request: &CreateClusterMirrorRequest,
    ) -> Result<MetadataChange, CommandError> {
        let configs = request.configs.iter();
        let configs: Vec<_> = configs.map(|one| (one.name.clone(), one.value.0.clone())).collect();
        self.metadata.plan_create(&request.mirror_name, &configs)
    }
}

/// How long a source may take to say what it allows; less than a client waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
