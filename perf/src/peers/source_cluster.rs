//! The real source: a released broker that leads everything, and what is asked of its cluster.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, DeleteTopicsRequest,
    ListPartitionReassignmentsRequest,
};

use crate::kafka_client::{KafkaClient, LogEdge, name};
use crate::needed_process::NeededProcess;
use crate::peers::copied_logs::until;
use crate::peers::produced_topic::{ProducedTopic, TopicContent, produce};
use crate::server_process::ServerProcess;
use crate::stock_broker::{self, BrokerPlace, ClusterIdentity};

/// The broker everything is copied from, and the cluster that followers join.
#[derive(Debug)]
pub struct SourceCluster {
    /// The broker.
    pub broker: ServerProcess,
    /// What a follower is to know.
    pub cluster: ClusterIdentity,
    /// Where its logs are.
    pub directory: PathBuf,
}

/// Id of the source broker.
pub const SOURCE_ID: i32 = 1;

impl SourceCluster {
    /// Starts it below `root`, with what `settings` say beside the defaults.
    ///
    /// # Errors
    /// When it cannot be formatted or started.
    pub fn start(root: &Path, place: &BrokerPlace, settings: &[(&str, &str)]) -> Result<Self> {
        let directory = root.join("source");
        let (mut broker, cluster) = stock_broker::start_first_at(&directory, place, settings)?;
        broker.wait_until("answering", |client| unfinished(client).map(Some))?;
        Ok(Self { broker, cluster, directory })
    }

    /// Makes a topic that the broker leads alone, and fills it.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn produce(
        &mut self,
        topic: &str,
        content: &TopicContent,
        bytes: u64,
    ) -> Result<ProducedTopic> {
        let count = i32::try_from(content.partitions)?;
        let address = self.broker.address();
        KafkaClient::connect(address)?.create_topic_on(topic, count, &[SOURCE_ID])?;
        self.broker.wait_until("leading a new topic", |client| {
            if client.partitions(topic)? != Some(count) {
                return Ok(None);
            }
            client.offsets(topic, count, LogEdge::End)
        })?;
        let produced = produce(address, topic, content, bytes)?;
        // What is dirty would be written while something is measured.
        rustix::fs::sync();
        Ok(produced)
    }

    /// The broker's process.
    #[must_use]
    pub fn process(&self) -> NeededProcess {
        self.broker.needed("the source broker")
    }

    /// Deletes a topic and waits until its files are gone.
    ///
    /// # Errors
    /// When the broker refuses, or does not do it.
    pub fn delete(&self, topic: &str) -> Result<()> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![name(topic)])
            .with_timeout_ms(TIMEOUT_MS);
        let response =
            KafkaClient::connect(self.broker.address())?.ask(&request, DELETE_VERSION)?;
        let code = response.responses.first().context("no word about the topic")?.error_code;
        ensure!(code == 0, "topic {topic} is not deleted: error {code}");
        until_gone(&self.directory, topic, &[self.process()])?;
        rustix::fs::sync();
        Ok(())
    }
}

/// Orders which brokers have a copy of every partition of a topic.
///
/// # Errors
/// When the cluster refuses.
pub fn assign(source: SocketAddr, topic: &str, partitions: u32, replicas: &[i32]) -> Result<()> {
    reassign(source, topic, partitions, Some(replicas))
}

/// Takes back what was ordered of a topic and is not carried out yet. To order the replicas from
/// before instead would wait for ever: for those that are to go, which are still to come.
///
/// # Errors
/// When the cluster refuses.
pub fn cancel(source: SocketAddr, topic: &str, partitions: u32) -> Result<()> {
    reassign(source, topic, partitions, None)
}

fn reassign(
    source: SocketAddr,
    topic: &str,
    partitions: u32,
    replicas: Option<&[i32]>,
) -> Result<()> {
    let replicas = replicas.map(|ids| ids.iter().copied().map(BrokerId).collect::<Vec<_>>());
    let partition = |index| {
        ReassignablePartition::default().with_partition_index(index).with_replicas(replicas.clone())
    };
    let topic = ReassignableTopic::default()
        .with_name(name(topic))
        .with_partitions((0..i32::try_from(partitions)?).map(partition).collect());
    let request = AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(TIMEOUT_MS)
        .with_topics(vec![topic]);
    let response = KafkaClient::connect(source)?.ask(&request, REASSIGN_VERSION)?;
    let (code, message) = (response.error_code, &response.error_message);
    ensure!(code == 0, "the reassignment is refused: error {code} {message:?}");
    for part in response.responses.iter().flat_map(|topic| &topic.partitions) {
        let (index, code) = (part.partition_index, part.error_code);
        let is_done = replicas.is_none() && code == NO_REASSIGNMENT_IN_PROGRESS;
        let told = &part.error_message;
        ensure!(code == 0 || is_done, "reassigning partition {index}: error {code} {told:?}");
    }
    Ok(())
}

/// Waits until the cluster has carried out every such order: a follower has joined the in-sync
/// replicas, or left them. An order that comes before makes brokers delete what they create again.
///
/// # Errors
/// When the cluster does not do it, or a process has ended that it needs.
pub fn until_assigned(source: SocketAddr, needed: &[NeededProcess]) -> Result<()> {
    let mut client = KafkaClient::connect(source)?;
    let stuck = || "a reassignment is not over".to_owned();
    until(CLEAN_UP_PAUSE, Instant::now(), needed, stuck, || Ok(unfinished(&mut client)? == 0))
}

/// How many topics are being reassigned; any broker says so once its cluster has it.
///
/// # Errors
/// When the cluster refuses.
pub fn unfinished(client: &mut KafkaClient) -> Result<usize> {
    let request =
        ListPartitionReassignmentsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(None);
    let response = client.ask(&request, LIST_REASSIGNMENTS_VERSION)?;
    let (code, message) = (response.error_code, &response.error_message);
    ensure!(code == 0, "asking for reassignments: error {code} {message:?}");
    Ok(response.topics.len())
}

/// Waits until a broker's directory has nothing of a topic any more.
///
/// # Errors
/// When the broker does not delete it, or a process has ended that it needs.
pub fn until_gone(directory: &Path, topic: &str, needed: &[NeededProcess]) -> Result<()> {
    // Directories that wait to be deleted are called TOPIC-N.ID-delete.
    let prefix = format!("{topic}-");
    let stuck = || format!("{topic} is still in {}", directory.display());
    until(CLEAN_UP_PAUSE, Instant::now(), needed, stuck, || {
        let mut entries = fs::read_dir(directory)?.filter_map(Result::ok);
        Ok(!entries.any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)))
    })
}

/// From one look at what happens between copyings to the next.
const CLEAN_UP_PAUSE: Duration = Duration::from_millis(20);
const TIMEOUT_MS: i32 = 60_000;
/// Newest version that names topics by themselves.
const DELETE_VERSION: i16 = 5;
/// What is told of a partition of which nothing is to be taken back.
const NO_REASSIGNMENT_IN_PROGRESS: i16 = 85;
const REASSIGN_VERSION: i16 = 0;
const LIST_REASSIGNMENTS_VERSION: i16 = 0;
