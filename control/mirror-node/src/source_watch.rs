//! Looks at the source again and again, beside the control loop, so that a source that does not
//! answer never keeps the loop from its other work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, TopicName, TopicPartition};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::source_client::{LogEdge, SourceClient, SourceMetadata};
use crate::source_connection::{SourceError, error_name};
use crate::topic_filter::TopicFilter;

/// What one look at the source brought.
#[derive(Debug, Default)]
pub(crate) struct SourceLook {
    /// Brokers, topics, leaders.
    pub(crate) metadata: SourceMetadata,
    /// Explicit settings of topics not asked about for a while.
    pub(crate) configs: BTreeMap<TopicName, BTreeMap<String, String>>,
    /// Where logs ended, of partitions not asked about before.
    pub(crate) log_ends: BTreeMap<TopicPartition, Offset>,
}

/// What to look for and how often.
#[derive(Debug)]
pub(crate) struct WatchPlan {
    pub(crate) filter: TopicFilter,
    pub(crate) refresh: Duration,
    /// Ask once for the log end of every partition.
    pub(crate) wants_log_ends: bool,
}

/// The control loop's end of the watch; looking ends when it is dropped.
#[derive(Debug)]
pub(crate) struct SourceWatch {
    looks: mpsc::Receiver<Result<SourceLook, SourceError>>,
    now: Arc<Notify>,
    task: JoinHandle<()>,
}

impl SourceWatch {
    /// Takes the first look, which must succeed, and goes on looking in the background.
    pub(crate) async fn start(
        client: SourceClient,
        plan: WatchPlan,
    ) -> Result<(SourceLook, Self), SourceError> {
        let mut watcher =
            Watcher { client, plan, configs_due: BTreeMap::new(), ends_known: BTreeSet::new() };
        let first = watcher.look().await?;
        let (sender, looks) = mpsc::channel(1);
        let now = Arc::new(Notify::new());
        let task = tokio::spawn(watcher.run(sender, Arc::clone(&now)));
        Ok((first, Self { looks, now, task }))
    }

    /// The next look; may be cancelled without loss.
    pub(crate) async fn next(&mut self) -> Option<Result<SourceLook, SourceError>> {
        self.looks.recv().await
    }

    /// Asks for a look soon.
    pub(crate) fn hurry(&self) {
        self.now.notify_one();
    }
}

impl Drop for SourceWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watcher {
    client: SourceClient,
    plan: WatchPlan,
    /// When to ask for a topic's settings again.
    configs_due: BTreeMap<TopicName, Instant>,
    ends_known: BTreeSet<TopicPartition>,
}

impl Watcher {
    async fn run(
        mut self,
        sender: mpsc::Sender<Result<SourceLook, SourceError>>,
        now: Arc<Notify>,
    ) {
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(looked + self.plan.refresh) => {}
                // Someone in a hurry does not make us storm the source.
                () = now.notified() => sleep_until(looked + HURRY_PAUSE).await,
            }
            let outcome = self.look().await;
            looked = Instant::now();
            if sender.send(outcome).await.is_err() {
                return;
            }
        }
    }

    async fn look(&mut self) -> Result<SourceLook, SourceError> {
        let metadata = self.client.metadata().await?;
        let configs = self.due_configs(&metadata).await?;
        let log_ends = if self.plan.wants_log_ends {
            self.new_log_ends(&metadata).await?
        } else {
            BTreeMap::new()
        };
        Ok(SourceLook { metadata, configs, log_ends })
    }

    async fn due_configs(
        &mut self,
        metadata: &SourceMetadata,
    ) -> Result<BTreeMap<TopicName, BTreeMap<String, String>>, SourceError> {
        let now = Instant::now();
        let selected = metadata.topics.keys().filter(|name| self.plan.filter.selects(name));
        let is_due = |name: &&TopicName| self.configs_due.get(name).is_none_or(|due| *due <= now);
        let due: Vec<TopicName> = selected.filter(is_due).cloned().collect();
        if due.is_empty() {
            return Ok(BTreeMap::new());
        }
        let configs = self.client.topic_configs(&due).await?;
        self.configs_due.extend(due.into_iter().map(|name| (name, now + CONFIGS_REFRESH)));
        Ok(configs)
    }

    async fn new_log_ends(
        &mut self,
        metadata: &SourceMetadata,
    ) -> Result<BTreeMap<TopicPartition, Offset>, SourceError> {
        let mut wanted: BTreeMap<TopicPartition, BrokerId> = BTreeMap::new();
        for (topic, known) in &metadata.topics {
            if !self.plan.filter.selects(topic) {
                continue;
            }
            for (partition, at) in &known.partitions {
                let name = TopicPartition { topic: topic.clone(), partition: *partition };
                if let (Some(leader), false) = (at.leader, self.ends_known.contains(&name)) {
                    wanted.insert(name, leader);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let listed = self.client.list_offsets(&wanted, LogEdge::End).await?;
        for (partition, code) in &listed.refused {
            let error = error_name(*code);
            tracing::debug!(%partition, error, "log end not told, asking again");
        }
        self.ends_known.extend(listed.offsets.keys().cloned());
        Ok(listed.offsets)
    }
}

/// Shortest time between two looks.
const HURRY_PAUSE: Duration = Duration::from_millis(250);
/// How often a topic's settings are asked for.
const CONFIGS_REFRESH: Duration = Duration::from_secs(30);
