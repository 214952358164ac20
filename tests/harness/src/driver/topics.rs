//! Topics, their partitions and their configuration.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Driver;

/// A topic to create.
#[derive(Clone, Debug)]
pub struct CreateTopic {
    name: String,
    partitions: i32,
    replicas: i32,
    assignment: Option<Vec<Vec<i32>>>,
    configs: BTreeMap<String, String>,
}

impl CreateTopic {
    /// `partitions` partitions of one replica each, placed by the controller.
    #[must_use]
    pub fn new(name: &str, partitions: i32) -> Self {
        Self {
            name: name.to_owned(),
            partitions,
            replicas: 1,
            assignment: None,
            configs: BTreeMap::new(),
        }
    }

    /// Another number of replicas.
    #[must_use]
    pub fn replicas(mut self, count: i32) -> Self {
        self.replicas = count;
        self
    }

    /// Brokers of each partition, preferred leader first; overrides the counts.
    #[must_use]
    pub fn assigned(mut self, brokers_by_partition: &[&[i32]]) -> Self {
        self.assignment = Some(brokers_by_partition.iter().map(|ids| ids.to_vec()).collect());
        self
    }

    /// A topic configuration.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.configs.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// What Kafka says about a topic.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TopicDescription {
    /// The topic id in Kafka's base64 form.
    pub topic_id: String,
    /// By partition number.
    pub partitions: Vec<PartitionDescription>,
}

/// What Kafka says about a partition. Offsets and epoch are -1 when it has no leader.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct PartitionDescription {
    /// The partition number.
    pub partition: i32,
    /// The leading broker, or -1.
    pub leader: i32,
    /// Epoch of the last entry in the leader's epoch history, which is the current leader's.
    pub leader_epoch: i32,
    /// Brokers with a replica, preferred leader first.
    pub replicas: Vec<i32>,
    /// Brokers whose replica is in sync.
    pub in_sync: Vec<i32>,
    /// First offset kept.
    pub log_start: i64,
    /// First offset that a read_uncommitted consumer does not get.
    pub high_watermark: i64,
    /// First offset that a read_committed consumer does not get.
    pub last_stable: i64,
}

/// A topic configuration as set on the topic.
type Configs = BTreeMap<String, String>;

impl Driver {
    /// Waits until the cluster consists of exactly these brokers; returns its id.
    ///
    /// # Errors
    /// When that takes over a minute.
    pub fn wait_ready(&self, brokers: &[i32]) -> Result<String> {
        let answer: ClusterId = self.ask(&json!({"do": "wait_ready", "nodes": brokers}))?;
        Ok(answer.cluster_id)
    }

    /// Creates a topic, waits until its partitions are led, and returns its id.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn create_topic(&self, topic: &CreateTopic) -> Result<String> {
        let answer: TopicId = self.ask(&json!({
            "do": "create_topic",
            "topic": topic.name,
            "partitions": topic.partitions,
            "replicas": topic.replicas,
            "assignment": topic.assignment,
            "configs": topic.configs,
        }))?;
        Ok(answer.topic_id)
    }

    /// Deletes a topic and waits until it is not listed any more.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn delete_topic(&self, topic: &str) -> Result<()> {
        self.tell(&json!({"do": "delete_topic", "topic": topic}))
    }

    /// Names and ids of all topics but internal ones.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn list_topics(&self) -> Result<BTreeMap<String, String>> {
        let answer: Topics = self.ask(&json!({"do": "list_topics"}))?;
        Ok(answer.topics)
    }

    /// Leaders, replicas and offsets of a topic.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn describe_topic(&self, topic: &str) -> Result<TopicDescription> {
        self.ask(&json!({"do": "describe_topic", "topic": topic}))
    }

    /// Waits until a partition's high watermark is `offset`: Kafka writes the marker of a
    /// transaction some time after it has told the producer that the transaction ended.
    ///
    /// # Errors
    /// When it is not there after half a minute.
    pub fn await_high_watermark(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let what = format!("a high watermark of {offset}");
        self.await_partition(topic, partition, &what, |found| found.high_watermark == offset)
    }

    /// Waits until a partition's log starts at `offset`: who mirrors it hears of that some time
    /// after the source has told its own clients.
    ///
    /// # Errors
    /// When it does not after half a minute.
    pub fn await_log_start(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let what = format!("a log start of {offset}");
        self.await_partition(topic, partition, &what, |found| found.log_start == offset)
    }

    fn await_partition(
        &self,
        topic: &str,
        partition: i32,
        what: &str,
        is_it: impl Fn(&PartitionDescription) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + PARTITION_WAIT;
        loop {
            let described = self.describe_topic(topic)?;
            let found = described.partitions.iter().find(|found| found.partition == partition);
            if found.is_some_and(&is_it) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{topic}-{partition} has not {what}: {found:?}");
            thread::sleep(POLL_PAUSE);
        }
    }

    /// The configuration set on a topic itself, defaults left out.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn topic_configs(&self, topic: &str) -> Result<Configs> {
        let answer: TopicConfigs = self.ask(&json!({"do": "topic_configs", "topic": topic}))?;
        Ok(answer.configs)
    }

    /// Sets configurations of a topic.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn alter_topic_configs(&self, topic: &str, configs: &[(&str, &str)]) -> Result<()> {
        self.alter_configs("TOPIC", topic, configs)
    }

    /// Takes a configuration of a topic away: its default holds.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn delete_topic_config(&self, topic: &str, name: &str) -> Result<()> {
        let configs = json!({name: null});
        self.tell(
            &json!({"do": "alter_configs", "kind": "TOPIC", "name": topic, "configs": configs}),
        )
    }

    /// Sets dynamic configurations of a broker; an empty name stands for all brokers.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn alter_broker_configs(&self, broker: &str, configs: &[(&str, &str)]) -> Result<()> {
        self.alter_configs("BROKER", broker, configs)
    }

    fn alter_configs(&self, kind: &str, name: &str, configs: &[(&str, &str)]) -> Result<()> {
        let configs: BTreeMap<_, _> = configs.iter().copied().collect();
        self.tell(&json!({"do": "alter_configs", "kind": kind, "name": name, "configs": configs}))
    }

    /// Raises the number of partitions to `total` and waits until the new ones are led.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn add_partitions(&self, topic: &str, total: i32) -> Result<()> {
        self.tell(&json!({"do": "add_partitions", "topic": topic, "total": total}))
    }

    /// Deletes the records before an offset; -1 stands for the high watermark. Returns the new
    /// log start.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<i64> {
        let answer: LogStart = self.ask(&json!({
            "do": "delete_records", "topic": topic, "partition": partition, "before": before,
        }))?;
        Ok(answer.log_start)
    }

    /// Elects the preferred leader.
    ///
    /// # Errors
    /// As Kafka refuses, also when no election is needed.
    pub fn elect_preferred_leader(&self, topic: &str, partition: i32) -> Result<()> {
        self.tell(&elect(topic, partition, false))
    }

    /// Elects a leader out of sync, which may lose records.
    ///
    /// # Errors
    /// As Kafka refuses, also when no election is needed.
    pub fn elect_unclean_leader(&self, topic: &str, partition: i32) -> Result<()> {
        self.tell(&elect(topic, partition, true))
    }

    /// Moves a partition to these brokers, preferred leader first, and waits for the end of it.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn reassign(&self, topic: &str, partition: i32, brokers: &[i32]) -> Result<()> {
        self.tell(&json!({
            "do": "reassign", "topic": topic, "partition": partition, "replicas": brokers,
        }))
    }

    /// Sets the committed offset of a consumer group that has no members.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn commit_group(&self, group: &str, topic: &str, partition: i32, at: i64) -> Result<()> {
        self.tell(&json!({
            "do": "commit_group", "group": group, "topic": topic, "partition": partition,
            "offset": at,
        }))
    }

    /// The committed offsets of a consumer group by `topic-partition`.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn group_offsets(&self, group: &str) -> Result<BTreeMap<String, i64>> {
        let answer: GroupOffsets = self.ask(&json!({"do": "group_offsets", "group": group}))?;
        Ok(answer.offsets)
    }
}

fn elect(topic: &str, partition: i32, unclean: bool) -> Value {
    json!({"do": "elect_leader", "topic": topic, "partition": partition, "unclean": unclean})
}

#[derive(Deserialize)]
struct ClusterId {
    cluster_id: String,
}

#[derive(Deserialize)]
struct TopicId {
    topic_id: String,
}

#[derive(Deserialize)]
struct Topics {
    topics: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TopicConfigs {
    configs: Configs,
}

#[derive(Deserialize)]
struct LogStart {
    log_start: i64,
}

#[derive(Deserialize)]
struct GroupOffsets {
    offsets: BTreeMap<String, i64>,
}

const PARTITION_WAIT: Duration = Duration::from_secs(30);
const POLL_PAUSE: Duration = Duration::from_millis(50);
