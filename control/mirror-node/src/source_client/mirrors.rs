//! Requests about mirrors (KIP-1279) to another cluster: what alignment asks a source, and what the
//! command line asks a node.

use std::time::Duration;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{DescribeConfigsRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsRequest, DescribeClusterMirrorsResponse, DescribedMirror,
};
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};
use mirror_coordinator::topic_prefix::TopicPrefix;
use mirror_uring::BrokerAddress;
use tokio::time::timeout;

use super::{
    DESCRIBE_CONFIGS_NEWEST, METADATA_NEWEST, SourceClient, SourceMetadata, parse_metadata,
};
use crate::client_properties::DisplayAddress;
use crate::mirror_descriptions::merged;
use crate::source_connection::{SourceConnection, SourceError};

/// What the brokers of a cluster told of its mirrors, together.
#[derive(Debug)]
pub struct MergedMirrors {
    /// The mirrors, by name. Each topic and partition is there once.
    pub mirrors: Vec<DescribedMirror>,
    /// Why brokers told nothing: what only they know is missing. Those that know nothing of
    /// mirrors have nothing to tell, and are not among them.
    pub unanswered: Vec<SourceError>,
}

impl SourceClient {
    /// Asks any broker. The answer may carry an error code. A request that may have arrived is not
    /// sent to another broker: it may be one that changes something.
    ///
    /// # Errors
    /// [`SourceError::NoMirrors`] when the broker does not know the request, which says nothing
    /// against the cluster; others when it cannot be asked.
    pub async fn mirror_request(
        &mut self,
        request: &MirrorRequest,
    ) -> Result<MirrorResponse, SourceError> {
        let mut reasons = Vec::new();
        for address in self.addresses_to_ask() {
            match self.mirror_call(&address, request).await {
                Err(error) if error.is_before_the_request() => reasons.push(error.to_string()),
                outcome => return outcome,
            }
        }
        Err(SourceError::NoBootstrap { reasons })
    }

    /// Asks every broker of the cluster, since each knows only some of it, and merges what they
    /// tell. All of that takes `request.timeout.ms` at most.
    ///
    /// # Errors
    /// When no broker answers; [`SourceError::NoMirrors`] when none knows the request.
    pub async fn describe_mirrors(
        &mut self,
        request: &DescribeClusterMirrorsRequest,
    ) -> Result<MergedMirrors, SourceError> {
        let deadline = Duration::from_millis(self.properties.request_timeout_ms);
        let described = timeout(deadline, self.ask_all(request)).await;
        described.unwrap_or_else(|_| {
            Err(SourceError::TimedOut {
                address: "the cluster".to_owned(),
                request: "DescribeClusterMirrors".to_owned(),
                timeout_ms: deadline.as_millis(),
            })
        })
    }

    async fn ask_all(
        &mut self,
        request: &DescribeClusterMirrorsRequest,
    ) -> Result<MergedMirrors, SourceError> {
        let request = MirrorRequest::from(request.clone());
        let (mut told, mut unanswered, mut without) = (Vec::new(), Vec::new(), None);
        for address in self.cluster().await?.brokers.values() {
            match self.describe_at(address, &request).await {
                Ok(response) => told.push(response),
                Err(error) if error.lacks_mirrors() => without = Some(error),
                Err(error) => unanswered.push(error),
            }
        }
        if told.is_empty() {
            // Who cannot be asked may know of mirrors though another does not.
            let first = unanswered.into_iter().next().or(without);
            return Err(first.unwrap_or(SourceError::NoBootstrap { reasons: Vec::new() }));
        }
        Ok(MergedMirrors { mirrors: merged(told), unanswered })
    }

    async fn describe_at(
        &mut self,
        address: &BrokerAddress,
        request: &MirrorRequest,
    ) -> Result<DescribeClusterMirrorsResponse, SourceError> {
        match self.mirror_call(address, request).await? {
            MirrorResponse::DescribeClusterMirrors(told) if told.error_code == 0 => Ok(told),
            other => Err(refused(address, &other)),
        }
    }

    /// The cluster's id and brokers, as any of them says; without its topics, of which it may have
    /// many.
    ///
    /// # Errors
    /// When no broker answers: every reason.
    pub async fn cluster(&mut self) -> Result<SourceMetadata, SourceError> {
        let request = MetadataRequest::default()
            .with_topics(Some(vec![]))
            .with_allow_auto_topic_creation(true);
        let metadata = parse_metadata(
            &self.call_any(&request, METADATA_NEWEST).await?,
            &TopicPrefix::default(),
        );
        self.brokers.clone_from(&metadata.brokers);
        Ok(metadata)
    }

    /// A setting that a broker runs with; `None` when it does not tell it.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn broker_setting(&mut self, name: &str) -> Result<Option<String>, SourceError> {
        let Some(broker) = self.cluster().await?.brokers.into_keys().next() else {
            return Ok(None);
        };
        let resource = DescribeConfigsResource::default()
            .with_resource_type(BROKER_RESOURCE)
            .with_resource_name(StrBytes::from_string(broker.get().to_string()))
            .with_configuration_keys(Some(vec![StrBytes::from_string(name.to_owned())]));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let response = self.call_any(&request, DESCRIBE_CONFIGS_NEWEST).await?;
        let mut told = response.results.into_iter().flat_map(|result| result.configs);
        let found = told.find(|config| &*config.name == name);
        Ok(found.and_then(|config| config.value).map(|value| value.to_string()))
    }

    /// Calls one broker; a kept connection that the broker closed meanwhile is made anew, once.
    async fn mirror_call(
        &mut self,
        address: &BrokerAddress,
        request: &MirrorRequest,
    ) -> Result<MirrorResponse, SourceError> {
        let was_kept = self.connections.contains_key(address);
        match self.mirror_call_once(address, request).await {
            Err(SourceError::Closed { .. }) if was_kept => {
                self.mirror_call_once(address, request).await
            }
            outcome => outcome,
        }
    }

    async fn mirror_call_once(
        &mut self,
        address: &BrokerAddress,
        request: &MirrorRequest,
    ) -> Result<MirrorResponse, SourceError> {
        let connection: &mut SourceConnection = self.connection(address).await?;
        let outcome = connection.mirror_call(request).await;
        // One that knows nothing of mirrors may be asked for other things.
        if outcome.as_ref().is_err_and(|error| !error.lacks_mirrors()) {
            self.connections.remove(address);
        }
        outcome
    }
}

/// An answer that is a refusal as a whole.
fn refused(address: &BrokerAddress, response: &MirrorResponse) -> SourceError {
    let (code, message) = response.outcome();
    let address = DisplayAddress(address).to_string();
    SourceError::refused_mirrors(address, response.key(), code, message)
}

/// ConfigResource.Type.BROKER
const BROKER_RESOURCE: i8 = 4;

#[cfg(test)]
mod tests;
