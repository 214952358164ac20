//! A blocking connection that orders mirrors and asks for their states (KIP-1279).

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, bail, ensure};
use bytes::BytesMut;
use kafka_wire::mirror_api::create_cluster_mirror::{
    ConfigValue, CreateClusterMirrorRequest, MirrorConfig,
};
use kafka_wire::mirror_api::describe_cluster_mirrors::{
    DescribeClusterMirrorsRequest, DescribedMirror, DescribedSync,
};
use kafka_wire::mirror_api::mirror_topic::{MirrorTopic, TopicOutcome};
use kafka_wire::mirror_api::start_mirror_topics::StartMirrorTopicsRequest;
use kafka_wire::mirror_api::stop_mirror_topics::StopMirrorTopicsRequest;
use kafka_wire::mirror_api::{MirrorRequest, MirrorResponse};

use crate::kafka_client::{CLIENT_ID, connect};

/// A connection to a node, about the mirror that is made over it.
#[derive(Debug)]
pub struct MirrorsClient {
    stream: TcpStream,
    correlation_id: i32,
}

impl MirrorsClient {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self { stream: connect(address)?, correlation_id: 0 })
    }

    /// Makes the mirror.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn create(&mut self, bootstrap: &str) -> Result<()> {
        self.create_with(bootstrap, &[])
    }

    /// Makes the mirror with some settings.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn create_with(&mut self, bootstrap: &str, settings: &[(&str, String)]) -> Result<()> {
        let config = |name: &str, value: &str| MirrorConfig {
            name: name.to_owned(),
            value: ConfigValue(Some(value.to_owned())),
        };
        let settings = settings.iter().map(|(name, value)| config(name, value));
        let configs = [config("bootstrap.servers", bootstrap)].into_iter().chain(settings);
        let configs = configs.collect();
        let request = CreateClusterMirrorRequest { mirror_name: MIRROR.to_owned(), configs };
        self.ask(&request.into()).map(drop)
    }

    /// Starts every topic of the source.
    ///
    /// # Errors
    /// When the node refuses any.
    pub fn start_all(&mut self) -> Result<()> {
        self.start(".*")
    }

    /// Starts the topics of the source whose names match.
    ///
    /// # Errors
    /// When the node refuses any.
    pub fn start(&mut self, pattern: &str) -> Result<()> {
        let request = StartMirrorTopicsRequest {
            mirror_name: MIRROR.to_owned(),
            include_patterns: vec![pattern.to_owned()],
            timeout_ms: START_TIMEOUT_MS,
            topics: Vec::new(),
            state_offset: -1,
            exclude_patterns: Vec::new(),
            confirm: false,
            plan_only: false,
        };
        match self.ask(&request.into())? {
            MirrorResponse::StartMirrorTopics(told) => check_all(&told.topics),
            _ => bail!("another answer"),
        }
    }

    /// Stops every topic of the mirror.
    ///
    /// # Errors
    /// When the node refuses any.
    pub fn stop_all(&mut self) -> Result<()> {
        let names: Vec<String> = self.described()?.into_iter().map(|(name, _)| name).collect();
        let topics = names.into_iter().map(|topic_name| MirrorTopic { topic_name }).collect();
        let request = StopMirrorTopicsRequest {
            mirror_name: MIRROR.to_owned(),
            topics,
            state_offset: -1,
            patterns: vec![".*".to_owned()],
        };
        match self.ask(&request.into())? {
            MirrorResponse::StopMirrorTopics(told) => check_all(&told.topics),
            _ => bail!("another answer"),
        }
    }

    /// How many partitions are in which state.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn states(&mut self) -> Result<BTreeMap<String, usize>> {
        let mut states = BTreeMap::new();
        for state in self.described()?.into_iter().flat_map(|(_, states)| states) {
            *states.entry(state).or_default() += 1;
        }
        Ok(states)
    }

    /// How what the mirror carries beside records goes.
    ///
    /// # Errors
    /// When the node refuses.
    pub fn syncs(&mut self) -> Result<Vec<DescribedSync>> {
        Ok(self.describe()?.into_iter().flat_map(|mirror| mirror.syncs).collect())
    }

    /// Every topic, with the states of its partitions.
    fn described(&mut self) -> Result<Vec<(String, Vec<String>)>> {
        let topics = self.describe()?.into_iter().flat_map(|mirror| mirror.topics);
        let described = topics.map(|topic| {
            let states = topic.partitions.into_iter().map(|partition| partition.state_value);
            (topic.topic_name, states.collect())
        });
        Ok(described.collect())
    }

    fn describe(&mut self) -> Result<Vec<DescribedMirror>> {
        let request = DescribeClusterMirrorsRequest {
            mirror_names: Some(vec![MIRROR.to_owned()]),
            include_mirror_offset: false,
            ..DescribeClusterMirrorsRequest::everything()
        };
        match self.ask(&request.into())? {
            MirrorResponse::DescribeClusterMirrors(told) => Ok(told.mirrors),
            _ => bail!("another answer"),
        }
    }

    fn ask(&mut self, request: &MirrorRequest) -> Result<MirrorResponse> {
        self.correlation_id += 1;
        self.stream.write_all(&request.encode_frame(self.correlation_id, CLIENT_ID)?)?;
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix)?;
        let bytes = usize::try_from(i32::from_be_bytes(prefix))?;
        ensure!(bytes <= RESPONSE_BYTES_MAX, "a response of {bytes} bytes");
        let mut frame = BytesMut::zeroed(bytes);
        self.stream.read_exact(&mut frame)?;
        let (key, frame) = (request.key(), frame.freeze());
        let response = MirrorResponse::decode_frame(key, self.correlation_id, frame)?;
        let (code, message) = response.outcome();
        ensure!(code == 0, "{key}: error {code}: {}", message.unwrap_or("no text"));
        Ok(response)
    }
}

fn check_all(outcomes: &[TopicOutcome]) -> Result<()> {
    for TopicOutcome { name, error_code, error_message } in outcomes {
        ensure!(*error_code == 0, "{name}: error {error_code} {error_message:?}");
    }
    Ok(())
}

const MIRROR: &str = "many";
const START_TIMEOUT_MS: i32 = 30_000;
const RESPONSE_BYTES_MAX: usize = 64 << 20;
