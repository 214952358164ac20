//! A node inside this process: the demonstration's source, and later its mirror.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, anyhow};
use group_coordinator::coordinator::GroupSettings;
use kafka_wire::partition::BrokerId;
use mirror_coordinator::retry::RetryPolicy;
use mirror_node::client_properties::parse_address;
use mirror_node::control_loop::EngineSettings;
use mirror_node::memory_cap::MemoryCap;
use mirror_node::mirror_news::MirrorNews;
use mirror_node::node::READ_ONLY_TOPIC;
use mirror_node::node_run::{self, NodeConfig, NodeError};
use mirror_node::server::limits::ServerLimits;
use mirror_uring::BrokerAddress;
use tokio::sync::oneshot;

/// A running node; ends when it is dropped.
pub(super) struct EmbeddedNode {
    address: BrokerAddress,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), NodeError>>>,
}

impl EmbeddedNode {
    /// Starts a node over `data_dir`, on a free port of the loopback interface, that mirrors
    /// nothing.
    pub(super) fn start(data_dir: PathBuf) -> anyhow::Result<Self> {
        let config = NodeConfig {
            data_dir,
            listen: BrokerAddress { host: Arc::from("127.0.0.1"), port: 0 },
            advertised: None,
            node_id: BrokerId::from_wire(1).expect("1 is not negative"),
            network_threads: 2,
            limits: ServerLimits::default(),
            mirrored_write_error: READ_ONLY_TOPIC,
            authorizer: None,
            metrics_listen: None,
            groups: group_settings(),
            mirror: None,
            broker_settings: BTreeMap::new(),
            memory: MemoryCap::usual(&EngineSettings::default()),
            engine: EngineSettings::default(),
            retry: RetryPolicy::default(),
            seed: 1,
        };
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(NodeError::Server)?;
            let stopped = async {
                // A handle that is gone wants the node to end as well.
                let _ = stopped.await;
            };
            let ended = runtime.block_on(node_run::run(config, stopped, &mut |news| {
                if let MirrorNews::Serving(serving) = news {
                    // Whoever started it waits for this.
                    let _ = tell.send(serving.address);
                }
            }));
            ended.map(|_| ())
        };
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(body)?;
        let Ok(address) = told.recv() else {
            let ended = thread.join().map_err(|_| anyhow!("the embedded node panicked"))?;
            ended.context("the embedded node cannot start")?;
            return Err(anyhow!("the embedded node ended at once"));
        };
        let address = parse_address(&address)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> &BrokerAddress {
        &self.address
    }
}

impl Drop for EmbeddedNode {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            tracing::warn!("an embedded node did not end well: {error}");
        }
    }
}

/// Nobody else joins: a group need not wait for more members.
fn group_settings() -> GroupSettings {
    GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() }
}

/// Name of the control thread; the server names its own.
pub(crate) const THREAD: &str = "demo-node";
