//! Looks at the source of one mirror again and again, beside the control loop, so that a source
//! that does not answer never keeps the loop from its other work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_wire::offset::Offset;
use kafka_wire::partition::{BrokerId, TopicName, TopicPartition};
use mirror_coordinator::mirror_name::MirrorName;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::control_loop::LoopEvent;
use crate::source_client::rights::NamedTopic;
use crate::source_client::{LogEdge, SourceClient, SourceMetadata};
use crate::source_connection::{SourceError, error_name};
use crate::source_sync::topic_configs::ConfigsLook;
use crate::timing::sleep_until_some;
use crate::topic_selection::TopicSelection;

/// What one look at the source brought.
#[derive(Debug, Default)]
pub(crate) struct SourceLook {
    /// Brokers, topics, leaders.
    pub(crate) metadata: SourceMetadata,
    /// Explicit settings of topics not asked about for a while.
    pub(crate) configs: ConfigsLook,
    /// Where logs ended, of partitions not asked about before.
    pub(crate) log_ends: BTreeMap<TopicPartition, Offset>,
    /// What the source said of topics of ours that it had not shown before.
    pub(crate) named: BTreeMap<TopicName, NamedTopic>,
}

/// What to look for and how often.
#[derive(Debug)]
pub(crate) struct WatchPlan {
    pub(crate) mirror: MirrorName,
    /// Tells this watch from one that its mirror had before.
    pub(crate) number: u64,
    pub(crate) selection: SharedSelection,
    pub(crate) missing: SharedNames,
    pub(crate) refresh: Duration,
    /// Ask once for the log end of every partition.
    pub(crate) wants_log_ends: bool,
}

/// Which topics a mirror looks at; the control loop changes it while the watch runs.
#[derive(Clone, Debug)]
pub(crate) struct SharedSelection(Arc<Mutex<Arc<TopicSelection>>>);

impl SharedSelection {
    pub(crate) fn new(selection: TopicSelection) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(selection))))
    }

    pub(crate) fn get(&self) -> Arc<TopicSelection> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, selection: TopicSelection) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(selection);
    }
}

/// Topics that the source did not show, to be asked for by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedNames(Arc<Mutex<BTreeSet<TopicName>>>);

impl SharedNames {
    pub(crate) fn get(&self) -> BTreeSet<TopicName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, names: BTreeSet<TopicName>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }
}

/// The control loop's end of the watch; looking ends when it is dropped.
#[derive(Debug)]
pub(crate) struct SourceWatch {
    now: Arc<Notify>,
    refresh: watch::Sender<Duration>,
    task: JoinHandle<()>,
}

impl SourceWatch {
    /// Begins to look in the background, at once; every outcome goes to `events`.
    pub(crate) fn start(
        client: SourceClient,
        plan: WatchPlan,
        events: mpsc::Sender<LoopEvent>,
    ) -> Self {
        let watcher =
            Watcher { client, plan, configs_due: BTreeMap::new(), ends_known: BTreeSet::new() };
        let now = Arc::new(Notify::new());
        let (refresh, refreshes) = watch::channel(watcher.plan.refresh);
        let task = tokio::spawn(watcher.run(events, Arc::clone(&now), refreshes));
        Self { now, refresh, task }
    }

    /// Looks so often from now on.
    pub(crate) fn set_refresh(&self, refresh: Duration) {
        self.refresh.send_replace(refresh);
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
        events: mpsc::Sender<LoopEvent>,
        now: Arc<Notify>,
        mut refreshes: watch::Receiver<Duration>,
    ) {
        loop {
            let began = Instant::now();
            self.plan.refresh = *refreshes.borrow_and_update();
            let outcome = self.look().await;
            let has_answered = outcome.is_ok();
            let looked = Instant::now();
            let look = looked - began;
            let (mirror, watch) = (self.plan.mirror.clone(), self.plan.number);
            if events.send(LoopEvent::Looked { mirror, watch, took: look, outcome }).await.is_err()
            {
                return;
            }
            loop {
                let refresh = pause_after(*refreshes.borrow_and_update(), look);
                let pause = if has_answered { refresh } else { SILENT_PAUSE };
                let pulses = self.client.with_own_connections();
                // A pause may be as long as a client likes; what cannot be added has no end.
                let due = looked.checked_add(pause);
                tokio::select! {
                    () = sleep_until_some(due) => break,
                    () = feel_pulse(pulses, &self.plan, &events) => return,
                    // Someone in a hurry does not make us storm the source.
                    () = now.notified() => {
                        sleep_until(looked + HURRY_PAUSE.min(pause)).await;
                        break;
                    }
                    changed = refreshes.changed() => {
                        if changed.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<SourceLook, SourceError> {
        let metadata = self.client.metadata().await?;
        let configs = self.due_configs(&metadata).await;
        let log_ends = if self.plan.wants_log_ends {
            self.new_log_ends(&metadata).await?
        } else {
            BTreeMap::new()
        };
        let missing = self.plan.missing.get();
        // One that cannot be asked by name is asked again with the next look.
        let named = match missing.is_empty() {
            true => BTreeMap::new(),
            false => self.client.topics_named(&missing).await.unwrap_or_default(),
        };
        Ok(SourceLook { metadata, configs, log_ends, named })
    }

    /// A source that shows no settings is mirrored all the same.
    async fn due_configs(&mut self, metadata: &SourceMetadata) -> ConfigsLook {
        let now = Instant::now();
        let selection = self.plan.selection.get();
        let selected = metadata.topics.keys().filter(|name| selection.selects(name));
        let is_due = |name: &&TopicName| self.configs_due.get(name).is_none_or(|due| *due <= now);
        let due: Vec<TopicName> = selected.filter(is_due).cloned().collect();
        let mut look = ConfigsLook { was_due: !due.is_empty(), ..ConfigsLook::default() };
        if due.is_empty() {
            return look;
        }
        let told = timeout(CONFIGS_PATIENCE, self.client.topic_configs(&due)).await;
        match told.unwrap_or_else(|_| {
            // An answer that is still to come must not be taken for another's.
            self.client = self.client.with_own_connections();
            Err(SourceError::TimedOut {
                address: "the source".to_owned(),
                request: "DescribeConfigs".to_owned(),
                timeout_ms: CONFIGS_PATIENCE.as_millis(),
            })
        }) {
            Ok(told) => {
                let next = now + CONFIGS_REFRESH_MAX.min(self.plan.refresh * CONFIGS_SHARE);
                self.configs_due.extend(due.into_iter().map(|name| (name, next)));
                look.told = told;
            }
            Err(error) => look.failed = Some(error.to_string()),
        }
        look.took = now.elapsed();
        look
    }

    async fn new_log_ends(
        &mut self,
        metadata: &SourceMetadata,
    ) -> Result<BTreeMap<TopicPartition, Offset>, SourceError> {
        let selection = self.plan.selection.get();
        let mut wanted: BTreeMap<TopicPartition, BrokerId> = BTreeMap::new();
        for (topic, known) in &metadata.topics {
            if !selection.selects(topic) {
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

/// How long nobody looks unless in a hurry: `refresh`, and longer at a source whose tens of
/// thousands of partitions take long to read, so that looks are a small part of the time.
fn pause_after(refresh: Duration, look: Duration) -> Duration {
    refresh.max((look * LOOK_SHARE).min(LOOK_PAUSE_MAX))
}

/// Looks take about one part in so many of the time.
const LOOK_SHARE: u32 = 40;
/// A new topic waits that long for a look at most, when `metadata.refresh.ms` is less.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Asks every broker for next to nothing, again and again: whoever looks at a mirror is told how
/// old what is known of its source is, and a fetch that waits does not tell whether anybody is
/// there.
/// Ends when nobody listens any more.
async fn feel_pulse(mut client: SourceClient, plan: &WatchPlan, events: &mpsc::Sender<LoopEvent>) {
    loop {
        let (mirror, watch) = (plan.mirror.clone(), plan.number);
        let brokers = client.answering_brokers(PULSE_PATIENCE).await;
        if events.send(LoopEvent::Answered { mirror, watch, brokers }).await.is_err() {
            return;
        }
        tokio::time::sleep(PULSE_PAUSE).await;
    }
}

/// How long a broker may take to show that it is there.
const PULSE_PATIENCE: Duration = Duration::from_secs(1);
/// How long brokers are left alone between two pulses.
const PULSE_PAUSE: Duration = Duration::from_secs(1);
/// Shortest time between two looks.
const HURRY_PAUSE: Duration = Duration::from_millis(250);
/// How long a source that did not answer is left alone before it is asked again.
const SILENT_PAUSE: Duration = Duration::from_secs(1);
/// A topic's settings are asked for in one look of so many, and as often as that at least.
const CONFIGS_SHARE: u32 = 5;
const CONFIGS_REFRESH_MAX: Duration = Duration::from_secs(30);
/// How long settings may be waited for while leaders are.
const CONFIGS_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
