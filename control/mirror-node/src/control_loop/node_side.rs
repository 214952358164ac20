//! What the loop of a node has beside that of `ringmirror mirror`: a store of states, logs that
//! clients write to, clients that order.

use std::sync::Arc;

use mirror_coordinator::mirror_states::MirrorStates;
use tokio::sync::mpsc;

use crate::local_topics::LocalTopics;
use crate::mirror_orders::MirrorOrder;
use crate::mirror_state_journal::MirrorStateJournal;

/// A node, for its control loop.
pub(crate) struct NodeSide {
    topics: Arc<LocalTopics>,
    /// `__mirror_state`; away while somebody writes it.
    pub(super) journal: Option<MirrorStateJournal>,
    /// What `__mirror_state` said when the node began; taken by the loop.
    pub(super) restored: MirrorStates,
    orders: mpsc::Receiver<MirrorOrder>,
    /// Id of the cluster that the node is.
    pub(super) cluster_id: String,
}

impl NodeSide {
    pub(crate) fn new(
        topics: Arc<LocalTopics>,
        (journal, restored): (MirrorStateJournal, MirrorStates),
        orders: mpsc::Receiver<MirrorOrder>,
        cluster_id: String,
    ) -> Self {
        Self { topics, journal: Some(journal), restored, orders, cluster_id }
    }

    pub(super) const fn topics(&self) -> &Arc<LocalTopics> {
        &self.topics
    }
}

/// The next order of a client; never, where there are no clients.
pub(super) async fn next_order(node: &mut Option<NodeSide>) -> Option<MirrorOrder> {
    match node {
        Some(node) => match node.orders.recv().await {
            Some(order) => Some(order),
            // Clients are gone, which is the end of the node; the stop is on its way.
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
