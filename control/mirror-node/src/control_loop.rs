//! The control loop: one input at a time from clients, the engine, the sources, the disk and the
//! clock; the lifecycle decides, this loop carries out.
//!
//! ```text
//!   engine report ---\                       /--> engine command
//!   look at a source -+                     +---> a record of __mirror_state, then the next input
//!   order of a client +-> one input -> step +---> work on a log, then the next input
//!   work that is done-+    (Lifecycle)      +---> look again soon
//!   tick, signal ----/                       \--> news for the operator
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use kafka_wire::epoch::LeaderEpoch;
use kafka_wire::partition::{SourceId, TopicIdPartition, TopicName};
use mirror_coordinator::cluster_metadata::ClusterMetadata;
use mirror_coordinator::lifecycle::{Action, Input, Lifecycle, Ticket};
use mirror_coordinator::mirror_states::MirrorStates;
use mirror_coordinator::retry::RetryPolicy;
use mirror_uring::{Engine, EngineCommand, EngineError, EngineReport, Reports};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::destination::Destination;
use crate::directory::{DataDirectory, DirectoryError};
use crate::mirror_news::{MirrorEnd, MirrorNews, MirrorOutcome};
use crate::partition_book::PartitionBook;
use crate::shared_directory::SharedDirectory;
use crate::source_connection::SourceError;

mod align;
mod bindings;
mod carry_out;
mod create_mirror;
mod denials;
mod describe;
mod engine_news;
mod engine_start;
mod epoch_news;
mod left_closed;
mod loop_event;
mod mirroring_settings;
mod node_settings;
mod node_side;
mod orders;
mod persist;
mod progress;
mod restore;
mod shut_down;
mod source_news;
mod sources;
mod start_lookup;
mod start_topics;
mod topic_changes;
mod work_queue;

pub use engine_start::{EngineSettings, RECENT_BYTES};
pub(crate) use loop_event::LoopEvent;
use node_side::ClientWord;
pub(crate) use node_side::NodeSide;
pub(crate) use shut_down::RunEnd;
pub(crate) use source_news::log_config;
pub use sources::ConfiguredMirror;
use sources::Sources;
use work_queue::WorkQueue;

/// What `ringmirror mirror` copies, from where, to where.
#[derive(Clone, Debug)]
pub struct MirrorConfig {
    /// Where to.
    pub data_dir: PathBuf,
    /// What, and from where.
    pub mirror: ConfiguredMirror,
    /// Where the engine runs and how big it may get.
    pub engine: EngineSettings,
    /// When failed partitions are tried again.
    pub retry: RetryPolicy,
    /// End when every partition has what the source had when it was first asked.
    pub until_caught_up: bool,
    /// Seed of all jitter.
    pub seed: u64,
}

/// What a loop is to do.
#[derive(Clone, Debug)]
pub(crate) struct LoopConfig {
    /// The mirror of the command line or of `node.toml`.
    pub(crate) mirror: Option<ConfiguredMirror>,
    /// Settings of a broker that concern mirrors, checked: what clients make comes first.
    pub(crate) broker_settings: BTreeMap<String, String>,
    pub(crate) engine: EngineSettings,
    pub(crate) retry: RetryPolicy,
    pub(crate) until_caught_up: bool,
    pub(crate) seed: u64,
}

/// Why a run could not begin or had to end.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The source cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The engine cannot run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What is known of the mirrored partitions cannot be read.
    #[error("{0}")]
    States(String),
}

/// Mirrors until `stop` resolves, or until everything is here when that is wanted. `observe` is
/// called on this thread and should return at once.
///
/// # Errors
/// When the run cannot begin, or cannot go on. Logs are closed as cleanly as possible either way.
pub async fn run(
    config: MirrorConfig,
    stop: impl Future<Output = ()>,
    observe: &mut dyn FnMut(MirrorNews),
) -> Result<MirrorOutcome, MirrorError> {
    let directory = DataDirectory::open_or_create(&config.data_dir)?;
    directory.state.check_names(&config.data_dir)?;
    let destination = Destination::unserved(SharedDirectory::new(directory)?);
    let MirrorConfig { mirror, engine, retry, until_caught_up, seed, .. } = config;
    let config = LoopConfig {
        mirror: Some(mirror),
        broker_settings: BTreeMap::new(),
        engine,
        retry,
        until_caught_up,
        seed,
    };
    let ended = run_in(&destination, config, None, stop, observe).await;
    if ended.has_begun {
        return ended.settled(&destination, observe);
    }
    destination.directory.lock().abandon();
    ended.ended?;
    Ok(MirrorOutcome::nothing_done())
}

/// Mirrors into a directory that others may use as well. The caller writes the checkpoints that
/// are left and the clean marker.
pub(crate) async fn run_in(
    destination: &Destination,
    config: LoopConfig,
    node: Option<NodeSide>,
    stop: impl Future<Output = ()>,
    observe: &mut dyn FnMut(MirrorNews),
) -> RunEnd {
    let mut stop = std::pin::pin!(stop);
    let mut mirror = MirrorLoop::new(destination, config, node, observe);
    let begun = tokio::select! {
        begun = mirror.begin() => Some(begun),
        () = &mut stop => None,
    };
    let ended = match begun {
        Some(Ok(())) => mirror.turn(stop.as_mut()).await,
        Some(Err(error)) => Err(error),
        None => Ok(MirrorEnd::Stopped),
    };
    mirror.finish(ended).await
}

struct MirrorLoop<'a> {
    config: LoopConfig,
    destination: &'a Destination,
    /// What only a node has; `ringmirror mirror` remembers no states.
    node: Option<NodeSide>,
    metadata: ClusterMetadata,
    states: MirrorStates,
    lifecycle: Lifecycle,
    /// Runs from the first answer of a source on.
    engine: Option<Engine>,
    reports: Option<Reports>,
    sources: Sources,
    /// Sources that the engine is to forget.
    sources_to_remove: Vec<SourceId>,
    /// For the engine, before it is told anything else.
    commands: Vec<EngineCommand>,
    book: PartitionBook,
    events: mpsc::Receiver<LoopEvent>,
    /// For those who work for this loop.
    event_sender: mpsc::Sender<LoopEvent>,
    work: WorkQueue,
    persisting: persist::Persisting,
    aligning: align::Aligning,
    left_closed: left_closed::LeftClosed,
    /// Raised leader epochs that clients may not be told of yet.
    epochs_to_announce: BTreeMap<TopicIdPartition, LeaderEpoch>,
    /// Topics of which the operator confirmed that their records may be dropped.
    confirmed: BTreeSet<TopicName>,
    /// Partitions whose lifecycle waits for their raised epoch.
    epochs_awaited: BTreeMap<TopicIdPartition, Ticket>,
    /// True while `ringmirror.json` could not be written; nothing new is begun meanwhile.
    is_state_dirty: bool,
    /// It is not written before then, since the disk refused.
    state_not_before: Option<Instant>,
    started: Instant,
    observe: &'a mut dyn FnMut(MirrorNews),
    /// What the lifecycle is to be told next.
    inputs: VecDeque<Input>,
    actions: Vec<Action>,
}

impl<'a> MirrorLoop<'a> {
    fn new(
        destination: &'a Destination,
        config: LoopConfig,
        node: Option<NodeSide>,
        observe: &'a mut dyn FnMut(MirrorNews),
    ) -> Self {
        let (event_sender, events) = mpsc::channel(EVENTS_MAX);
        Self {
            lifecycle: Lifecycle::new(config.retry, config.seed),
            work: WorkQueue::new(event_sender.clone()),
            config,
            destination,
            node,
            metadata: ClusterMetadata::default(),
            states: MirrorStates::default(),
            engine: None,
            reports: None,
            sources: Sources::default(),
            sources_to_remove: Vec::new(),
            commands: Vec::new(),
            book: PartitionBook::default(),
            events,
            event_sender,
            persisting: persist::Persisting::default(),
            aligning: align::Aligning::default(),
            left_closed: left_closed::LeftClosed::default(),
            epochs_to_announce: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            epochs_awaited: BTreeMap::new(),
            is_state_dirty: false,
            state_not_before: None,
            started: Instant::now(),
            observe,
            inputs: VecDeque::new(),
            actions: Vec::new(),
        }
    }

    /// Takes inputs until the run is to end.
    async fn turn(
        &mut self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<MirrorEnd, MirrorError> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut checkpointed, mut told) = (Instant::now(), Instant::now());
        let mut looked_for_end = Instant::now();
        let mut progress_pause = PROGRESS_EVERY;
        loop {
            tokio::select! {
                () = &mut stop => return Ok(MirrorEnd::Stopped),
                report = next_report(&mut self.reports) => match report {
                    Some(report) => self.on_reports(report),
                    None => return Err(EngineError::ShardEnded { shard: 0 }.into()),
                },
                Some(event) = self.events.recv() => self.on_events(event).await?,
                Some(word) = node_side::next_word(&mut self.node) => match word {
                    ClientWord::Order(order) => self.on_order(order),
                    ClientWord::Changed(news) => self.on_topic_changed(news),
                },
                _ = ticks.tick() => {
                    self.inputs.push_back(Input::Tick);
                    self.open_left_closed(Instant::now());
                    if told.elapsed() >= progress_pause && self.engine.is_some() {
                        let begun = Instant::now();
                        self.tell(MirrorNews::Progress(self.progress()));
                        told = Instant::now();
                        progress_pause = PROGRESS_EVERY.max((told - begun) * PROGRESS_SHARE);
                    }
                    if checkpointed.elapsed() >= CHECKPOINT_EVERY {
                        checkpointed = Instant::now();
                        self.write_checkpoints();
                    }
                }
            }
            self.after_input().await?;
            if looked_for_end.elapsed() >= END_EVERY {
                looked_for_end = Instant::now();
                if let Some(end) = self.reached_end() {
                    return Ok(end);
                }
            }
        }
    }

    /// Lets the lifecycle decide about all that came, and carries out what it wants until nothing
    /// is left that needs no waiting.
    async fn after_input(&mut self) -> Result<(), MirrorError> {
        loop {
            for command in std::mem::take(&mut self.commands) {
                self.send(command).await?;
            }
            while let Some(input) = self.inputs.pop_front() {
                self.step(input).await?;
            }
            self.announce_epochs();
            self.remove_sources().await?;
            self.begin_alignments();
            self.write_states();
            self.work.go_on();
            if self.inputs.is_empty() {
                return Ok(());
            }
        }
    }

    /// Takes in a report and those that wait behind it: what follows is written together.
    fn on_reports(&mut self, report: EngineReport) {
        self.on_report(report);
        for _ in 1..TAKEN_AT_ONCE_MAX {
            let next = self.reports.as_mut().and_then(Reports::try_recv);
            let Some(report) = next else { return };
            self.on_report(report);
        }
    }

    /// Takes in an event and those that wait behind it.
    async fn on_events(&mut self, event: LoopEvent) -> Result<(), MirrorError> {
        self.on_event(event).await?;
        for _ in 1..TAKEN_AT_ONCE_MAX {
            let Ok(event) = self.events.try_recv() else { return Ok(()) };
            self.on_event(event).await?;
        }
        Ok(())
    }

    async fn on_event(&mut self, event: LoopEvent) -> Result<(), MirrorError> {
        self.follow_deletions();
        match event {
            LoopEvent::Looked { mirror, watch, took, outcome } => {
                if self.sources.get(&mirror).is_some_and(|source| source.watch_number == watch) {
                    self.on_looked(mirror, took, outcome).await?;
                }
            }
            LoopEvent::Answered { mirror, watch, brokers } => {
                let source = self.sources.get_mut(&mirror);
                if let Some(source) = source.filter(|source| source.watch_number == watch) {
                    let now = Instant::now();
                    source.answered_at.extend(brokers.into_iter().map(|broker| (broker, now)));
                }
            }
            LoopEvent::Persisted(states) => self.on_persisted(states),
            LoopEvent::PeerAsked(asked) => self.on_peer_asked(asked),
            LoopEvent::CreateAsked(asked) => self.on_create_asked(*asked),
            LoopEvent::StartResolved(resolved) => self.on_start_resolved(*resolved).await?,
            LoopEvent::LogWorked(worked) => self.on_log_worked(worked),
        }
        Ok(())
    }

    fn tell(&mut self, news: MirrorNews) {
        (self.observe)(news);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn step(&mut self, input: Input) -> Result<(), MirrorError> {
        let mut actions = std::mem::take(&mut self.actions);
        self.lifecycle.step(self.now_ms(), input, &mut actions);
        for action in actions.drain(..) {
            self.carry_out(action).await?;
        }
        self.actions = actions;
        Ok(())
    }

    async fn send(&self, command: EngineCommand) -> Result<(), MirrorError> {
        let Some(engine) = &self.engine else { return Ok(()) };
        match engine.send(command).await {
            // It was given back while the order was on its way; what comes next knows.
            Err(EngineError::UnknownPartition { partition }) => {
                tracing::debug!(?partition, "an order for a partition that the engine gave back");
                Ok(())
            }
            sent => Ok(sent?),
        }
    }

    fn write_checkpoints(&mut self) -> bool {
        self.destination.write_checkpoints(self.observe)
    }

    fn tell_directory_fault(&mut self, error: &DirectoryError) {
        self.destination.tell_fault(error, self.observe);
    }
}

/// The engine's next report; never, while there is no engine.
async fn next_report(reports: &mut Option<Reports>) -> Option<EngineReport> {
    match reports {
        Some(reports) => reports.recv().await,
        None => std::future::pending().await,
    }
}

/// Events that wait for the loop; whoever has more to tell waits.
const EVENTS_MAX: usize = 1024;
/// Reports or events taken before anything is done about them: few enough that clients, the clock
/// and a stop are heard in between.
const TAKEN_AT_ONCE_MAX: usize = 512;
/// How often retries are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often the end is looked for while reports come.
const END_EVERY: Duration = Duration::from_millis(10);
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// Looking at every partition takes at most one part in so many of the loop's time.
const PROGRESS_SHARE: u32 = 100;
/// How much of a crashed run is read again at the next start, in time.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
