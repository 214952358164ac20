//! What runs while clients are served, and how it ends: clients first, then groups, then logs once
//! the control loop has let go of them.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use mirror_uring::BrokerAddress;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{NodeConfig, NodeError, advertised_by_default};
use crate::catalog::{Partition, Topic};
use crate::client_properties::DisplayAddress;
use crate::destination::Destination;
use crate::groups::Groups;
use crate::local_topics::LocalTopics;
use crate::local_topics::keeper::Keeper;
use crate::mirror_news::{MirrorNews, ServingNews};
use crate::mirror_orders::MirrorOrders;
use crate::node::{Authorization, Node, NodeIdentity};
use crate::offsets_topic::LocalOffsetsTopic;
use crate::server::Server;
use crate::share_groups::ShareGroups;

/// A node's services.
pub(super) struct Serving {
    server: Server,
    node: Arc<Node>,
    local: Arc<LocalTopics>,
    keeper: Keeper,
}

/// Logs that clients wrote to and that are being closed.
pub(super) type Closing = JoinHandle<()>;

impl Serving {
    /// Begins to serve what is open.
    pub(super) fn start(
        config: &NodeConfig,
        destination: &Destination,
        (local, orders): (Arc<LocalTopics>, MirrorOrders),
        listener: TcpListener,
        observe: &mut dyn FnMut(MirrorNews),
    ) -> Result<Self, NodeError> {
        let catalog = &destination.catalog;
        let address = listener.local_addr().map_err(NodeError::Server)?;
        let advertised = config.advertised.clone().unwrap_or_else(|| BrokerAddress {
            port: address.port(),
            ..advertised_by_default(&config.listen)
        });
        let identity = NodeIdentity {
            cluster_id: destination.directory.lock().meta.cluster_id.clone(),
            node_id: config.node_id,
            host: advertised.host.to_string(),
            port: advertised.port,
        };
        let topics = catalog.topics();
        let sources = config.mirror.iter().flat_map(|mirror| &mirror.properties.bootstrap_servers);
        let news = MirrorNews::Serving(ServingNews {
            node_id: identity.node_id.get(),
            cluster_id: identity.cluster_id.clone(),
            address: address.to_string(),
            advertised: DisplayAddress(&advertised).to_string(),
            topics: topics.len(),
            partitions: topics.iter().map(|topic| topic.partitions.len()).sum(),
            mirror_from: sources.map(|source| DisplayAddress(source).to_string()).collect(),
            memory_bytes_max: config.memory.bytes_max,
            partitions_max: config.memory.partition_count_max,
        });
        let node = Node::new(identity, Arc::clone(catalog), config.limits);
        let mut node = node.with_writes(Arc::clone(&local));
        node.mirrored_write_error = config.mirrored_write_error;
        node.authorization = config.authorizer.clone().map(|authorizer| Authorization {
            authorizer: Arc::new(authorizer),
            directory: Arc::clone(&destination.directory),
        });
        let offsets = LocalOffsetsTopic::new(Arc::clone(catalog), Arc::clone(&local));
        let groups = Groups::start(Box::new(offsets), config.groups).map_err(NodeError::Server)?;
        node.groups.set(Arc::new(groups)).expect("a new node has no groups");
        let share_groups = ShareGroups::new(Arc::clone(catalog), Arc::clone(&local));
        node.share_groups.set(Arc::new(share_groups)).expect("a new node has no share groups");
        node.mirror_orders.set(orders).expect("a new node has no mirrors");
        let node = Arc::new(node);
        let server = Server::start(Arc::clone(&node), listener, config.network_threads);
        let server = server.map_err(NodeError::Server)?;
        observe(news);
        let keeper = Keeper::start(Arc::clone(&local));
        Ok(Self { server, node, local, keeper })
    }

    /// The consumer and the share groups.
    pub(super) fn groups(&self) -> (Arc<Groups>, Arc<ShareGroups>) {
        let groups = self.node.groups.get().expect("groups were started with the node");
        let share_groups = self.node.share_groups.get().expect("they were made with the node");
        (Arc::clone(groups), Arc::clone(share_groups))
    }

    /// Ends the clients' connections, and has the logs that they wrote to closed once the control
    /// loop has `released` them: it may be sealing one or opening it. Without that word they are
    /// left to recovery.
    pub(super) async fn stop(self, released: oneshot::Receiver<()>) -> Closing {
        let Self { server, node, local, keeper } = self;
        let stopped = tokio::task::spawn_blocking(|| server.stop(SERVER_PATIENCE)).await;
        stopped.expect("stopping the server does not panic");
        drop(keeper);
        tokio::spawn(async move {
            let ended = tokio::task::spawn_blocking(move || {
                if let Some(groups) = node.groups.get() {
                    groups.stop();
                }
            });
            ended.await.expect("ending groups does not panic");
            if released.await.is_ok() {
                let closed = tokio::task::spawn_blocking(move || local.close_all());
                closed.await.expect("closing logs does not panic");
            }
        })
    }
}

/// True when every log of a topic made here is closed, and every one of a stopped mirror that this
/// run has opened.
pub(super) fn are_local_logs_closed(destination: &Destination) -> bool {
    are_closed(destination, |topic| !topic.is_bound())
}

/// True when every log that clients write to and that this run has opened is closed.
pub(super) fn are_opened_logs_closed(destination: &Destination) -> bool {
    are_closed(destination, |_| false)
}

fn are_closed(destination: &Destination, counts: impl Fn(&Topic) -> bool) -> bool {
    let is_closed = |one: &Partition| destination.directory.is_closed(&one.name);
    destination.catalog.topics().iter().all(|topic| {
        let counts = |one: &Partition| counts(topic) || one.held_log().is_some();
        topic.partitions.iter().all(|one| !counts(one) || is_closed(one))
    })
}

/// How long connections may take to end.
const SERVER_PATIENCE: Duration = Duration::from_secs(1);
