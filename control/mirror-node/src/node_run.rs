//! A node from start to end: its logs are opened, clients are served, the source is mirrored, and
//! all of it is closed in the opposite order.
//!
//! ```text
//!  listen -> lock the directory -> open the logs -> serve -> mirror
//!  SIGTERM: the server ends -> the engine closes its logs; work on others ends -> they are closed
//!           -> checkpoints -> clean marker
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use group_coordinator::coordinator::GroupSettings;
use kafka_wire::partition::BrokerId;
use mirror_coordinator::acl::authorizer::Authorizer;
use mirror_coordinator::desired_state::DesiredState;
use mirror_coordinator::mirror_states::MirrorStates;
use mirror_coordinator::partition_state::MirrorPartitionState;
use mirror_coordinator::retry::RetryPolicy;
use mirror_uring::BrokerAddress;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::catalog::{Catalog, Partition};
use crate::client_properties::DisplayAddress;
use crate::control_loop::{
    self, ConfiguredMirror, EngineSettings, LoopConfig, MirrorError, NodeSide,
};
use crate::destination::{Destination, Settled};
use crate::directory::{DataDirectory, DirectoryError};
use crate::finding_text::finding_text;
use crate::local_topics::{LocalTopics, LogNews};
use crate::log_opening::open_mirrored_logs;
use crate::memory_cap::{MemoryCap, MemoryTooSmall};
use crate::metrics::{LastProgress, MetricsEndpoint};
use crate::mirror_news::{MirrorNews, MirrorOutcome};
use crate::mirror_orders::MirrorOrders;
use crate::mirror_state_journal::{MirrorStateError, MirrorStateJournal};
use crate::server::limits::ServerLimits;
use crate::shared_directory::SharedDirectory;
use serving::{Serving, are_local_logs_closed, are_opened_logs_closed};

mod serving;

/// What a node is to be.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Where it listens; port 0 means any.
    pub listen: BrokerAddress,
    /// Where clients are told to connect to; where it listens by default.
    pub advertised: Option<BrokerAddress>,
    /// Its id.
    pub node_id: BrokerId,
    /// Threads of the server.
    pub network_threads: usize,
    /// How big anything may get that a client decides about.
    pub limits: ServerLimits,
    /// Error code for a client that writes to a mirrored topic.
    pub mirrored_write_error: i16,
    /// Who may do what, beside the access control lists; `None` where everybody may do everything.
    pub authorizer: Option<Authorizer>,
    /// Where figures are told to Prometheus; nowhere by default.
    pub metrics_listen: Option<BrokerAddress>,
    /// How its consumer groups behave.
    pub groups: GroupSettings,
    /// The mirror that the configuration asks for, beside those that clients make.
    pub mirror: Option<ConfiguredMirror>,
    /// Settings of a broker that concern mirrors; what clients make comes first.
    pub broker_settings: BTreeMap<String, String>,
    /// The most memory it takes.
    pub memory: MemoryCap,
    /// Where the engine runs and how big it may get.
    pub engine: EngineSettings,
    /// When failed partitions are tried again.
    pub retry: RetryPolicy,
    /// Seed of all jitter.
    pub seed: u64,
}

/// Why a node could not begin or had to end.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It cannot listen.
    #[error(
        "cannot listen at {}: {error}: name another address with {key}",
        DisplayAddress(address)
    )]
    Listen {
        /// Where.
        address: BrokerAddress,
        /// What says so in the configuration.
        key: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Its directory has more partitions than there is memory for.
    #[error(transparent)]
    Memory(#[from] MemoryTooSmall),
    /// The server cannot run.
    #[error("cannot serve clients: {0}")]
    Server(io::Error),
    /// The mirror cannot go on.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
}

impl From<DirectoryError> for NodeError {
    fn from(error: DirectoryError) -> Self {
        Self::Mirror(error.into())
    }
}

/// Runs a node until `stop` resolves. `observe` is called on this thread and should return at
/// once. Ends within ten seconds after `stop`, whatever the source and the clients do.
///
/// # Errors
/// When the node cannot begin, or cannot go on. Logs are closed as cleanly as possible either way.
pub async fn run(
    config: NodeConfig,
    stop: impl Future<Output = ()>,
    observe: &mut dyn FnMut(MirrorNews),
) -> Result<MirrorOutcome, NodeError> {
    let mut stop = pin!(stop);
    let listener = listen(&config.listen, "listen")?;
    let metrics_listener =
        config.metrics_listen.as_ref().map(|at| listen(at, "metrics.listen")).transpose()?;
    let directory = DataDirectory::open_or_create(&config.data_dir)?;
    let directory = SharedDirectory::with_room(directory, config.memory.partition_count_max)?;
    let room = directory.partition_room(&directory.lock().state);
    config.memory.check_held(room.held(), &config.engine)?;
    let root = directory.root().to_owned();
    let destination = Destination {
        directory,
        catalog: Arc::new(Catalog::new(root)),
        is_served: true,
        close_limit: CLOSE_LIMIT,
    };
    destination.directory.take_clean_marker()?;
    let catalog = Arc::clone(&destination.catalog);
    let local = Arc::new(LocalTopics::new(Arc::clone(&destination.directory), catalog));
    let mut opening = Opening::start(&destination, &local);
    let opened = tokio::select! {
        opened = &mut opening.logs => opened,
        () = &mut stop => return Ok(opening.give_up(&destination, local, observe).await),
    };
    let opened = opened.expect("opening logs does not panic");
    for news in opened.news {
        observe(news);
    }
    destination.write_checkpoints(observe);
    let states = opened.states.map_err(|error| MirrorError::States(error.to_string()))?;
    let (orders, order_receiver) = MirrorOrders::new();
    let (release, released) = oneshot::channel();
    let us = (destination.directory.lock().meta.cluster_id.clone(), config.node_id);
    let side = NodeSide::new(Arc::clone(&local), states, order_receiver, us, release);
    let progress = LastProgress::default();
    let _metrics = metrics_listener
        .map(|listener| MetricsEndpoint::start(listener, orders.clone(), progress.clone()))
        .transpose()
        .map_err(NodeError::Server)?;
    let serving = Serving::start(&config, &destination, (local, orders), listener, observe)?;
    let side = side.with_groups(serving.groups());
    let mut serving = Some((serving, released));
    let mut closing = None;
    let stop = async {
        stop.await;
        if let Some((serving, released)) = serving.take() {
            closing = Some(serving.stop(released).await);
        }
    };
    let NodeConfig { mirror, broker_settings, memory, engine, retry, seed, .. } = config;
    let engine = memory.bounded(engine);
    let until_caught_up = false;
    let config = LoopConfig { mirror, broker_settings, engine, retry, until_caught_up, seed };
    let observe = &mut |news: MirrorNews| {
        progress.hear(&news);
        observe(news);
    };
    let mut ended = control_loop::run_in(&destination, config, Some(side), stop, observe).await;
    if let Some((serving, released)) = serving {
        // It ended by itself, before the server did.
        closing = Some(serving.stop(released).await);
        ended.deadline = ended.deadline.max(Instant::now() + LATE_CLOSE_LIMIT);
    }
    if let Some(closing) = closing
        && let Err(elapsed) = timeout_at(ended.deadline, closing).await
    {
        tracing::warn!("not every log was closed in time: {elapsed}");
    }
    ended.logs_closed &= are_local_logs_closed(&destination);
    Ok(ended.settled(&destination, observe)?)
}

fn listen(at: &BrokerAddress, key: &'static str) -> Result<TcpListener, NodeError> {
    TcpListener::bind((&*at.host, at.port)).map_err(|error| NodeError::Listen {
        address: at.clone(),
        key,
        error,
    })
}

/// Logs that are being opened on other threads, so that a stop is heard meanwhile.
struct Opening {
    logs: JoinHandle<Opened>,
    stop: Arc<AtomicBool>,
}

/// What was opened.
struct Opened {
    news: Vec<MirrorNews>,
    /// What is known of mirrored partitions.
    states: Result<(MirrorStateJournal, MirrorStates), MirrorStateError>,
}

impl Opening {
    fn start(destination: &Destination, local: &Arc<LocalTopics>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (destination, local, stopped) =
            (destination.clone(), Arc::clone(local), Arc::clone(&stop));
        let logs = tokio::task::spawn_blocking(move || {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let threads = threads.min(OPENING_THREADS_MAX);
            let mut opened = local.open_all(&stopped);
            let catalog = Arc::clone(&destination.catalog);
            let mut journal = MirrorStateJournal::new(catalog, Arc::clone(&local));
            let mut states = MirrorStates::default();
            let loaded = journal.load(&mut |record| {
                states.apply(&record);
            });
            let writable = stopped_partitions(&destination, &states);
            let mut news = open_mirrored_logs(&destination, threads, &stopped);
            opened.extend(local.open_stopped(&writable, &stopped));
            news.extend(opened.into_iter().map(news_of));
            Opened { news, states: loaded.map(|()| (journal, states)) }
        });
        Self { logs, stop }
    }

    /// Opens no further log and closes those that are open. A directory that was clean is so again;
    /// of another one the next start opens the rest.
    async fn give_up(
        self,
        destination: &Destination,
        local: Arc<LocalTopics>,
        observe: &mut dyn FnMut(MirrorNews),
    ) -> MirrorOutcome {
        self.stop.store(true, Ordering::Relaxed);
        let closed = async {
            for news in self.logs.await.expect("opening logs does not panic").news {
                observe(news);
            }
            let closing = tokio::task::spawn_blocking(move || local.close_all());
            closing.await.expect("closing logs does not panic");
        };
        // One log alone may take long to read.
        let in_time = timeout(CLOSE_LIMIT, closed).await.is_ok();
        let Settled { closed, clean } = match in_time {
            true => destination.settle(are_opened_logs_closed(destination), observe),
            false => Settled { closed: false, clean: false },
        };
        MirrorOutcome { closed, clean, ..MirrorOutcome::nothing_done() }
    }
}

/// Partitions whose mirroring was stopped: clients write to them.
fn stopped_partitions(destination: &Destination, states: &MirrorStates) -> Vec<Arc<Partition>> {
    let mut stopped = Vec::new();
    let topics: Vec<_> = {
        let directory = destination.directory.lock();
        let bound = directory.state.cluster_mirrors.topics().iter();
        let bound = bound.filter(|(_, bound)| bound.desired == DesiredState::Stopped);
        let shown = bound.filter_map(|(name, bound)| {
            let topic = directory.state.topics.get(name)?;
            Some((bound.mirror.clone(), destination.show(name, topic)))
        });
        shown.collect()
    };
    for (mirror, topic) in topics {
        for partition in &topic.partitions {
            let state = states.state(&mirror, partition.id);
            if state.is_some_and(|stored| stored.state == MirrorPartitionState::Stopped) {
                stopped.push(Arc::clone(partition));
            }
        }
    }
    stopped
}

fn news_of(news: LogNews) -> MirrorNews {
    match news {
        LogNews::Repaired { partition, finding } => MirrorNews::Repaired {
            partition: partition.to_string(),
            finding: finding_text(&finding),
        },
        LogNews::Unusable { partition, reason } => {
            MirrorNews::LogUnusable { partition: partition.to_string(), reason }
        }
    }
}

/// Where clients are told to connect to when nobody says: where the node listens, or the machine's
/// name when that is everywhere.
#[must_use]
pub fn advertised_by_default(listen: &BrokerAddress) -> BrokerAddress {
    let is_everywhere = listen.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    let name = machine_name().filter(|_| is_everywhere);
    let host = name.map_or_else(|| Arc::clone(&listen.host), Arc::from);
    BrokerAddress { host, port: listen.port }
}

/// The name this machine has for itself.
fn machine_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name != "(none)")
}

/// How long closing all logs may take from when clients are gone, whoever has them: less than the
/// ten seconds that a service manager usually waits.
const CLOSE_LIMIT: Duration = Duration::from_secs(7);
/// What is left for the logs of clients at least when the run ended before its clients did.
const LATE_CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// More threads make the disk no faster.
const OPENING_THREADS_MAX: usize = 4;

#[cfg(test)]
mod tests;
